use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame};

use super::*;
use crate::scheme::Content;
use crate::service::error::BoxError;
use crate::service::expectation::{Expectation, HeldBody};
use crate::service::head::DeclaredLength;

/// A body of these frames, each asked for once.
struct Frames(VecDeque<Result<Frame<Bytes>, &'static str>>);

impl Body for Frames {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Ready(self.0.pop_front().map(|frame| frame.map_err(Into::into)))
    }
}

fn frames(texts: &[&'static str]) -> Frames {
    Frames(texts.iter().map(|text| Ok(Frame::data(Bytes::from_static(text.as_bytes())))).collect())
}

fn next(body: &mut LegBody<Frames>) -> Option<Result<String, String>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame.map(|frame| {
            frame
                .map(|frame| String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8"))
                .map_err(|error| error.to_string())
        }),
        Poll::Pending => panic!("never pending"),
    }
}

#[test]
fn a_second_leg_sends_what_the_first_sent_and_the_rest() {
    let tee = Arc::new(Tee::new(frames(&["one", "two"]), 64, DeclaredLength::Undeclared));
    let mut first = LegBody::teed(&tee);
    assert_eq!(next(&mut first), Some(Ok("one".into())));
    let mut second = LegBody::teed(&tee);
    assert_eq!(next(&mut second), Some(Ok("one".into())));
    assert_eq!(next(&mut second), Some(Ok("two".into())));
    assert_eq!(next(&mut second), None);
    assert_eq!(tee.progress(), TeeProgress::Ended);
    assert!(next(&mut first).expect("an error").is_err(), "the older leg is cut off");
}

#[test]
fn past_the_limit_nothing_is_kept_and_all_is_sent() {
    let tee = Arc::new(Tee::new(frames(&["12345", "67890", "x"]), 8, DeclaredLength::Undeclared));
    let mut body = LegBody::teed(&tee);
    for text in ["12345", "67890", "x"] {
        assert_eq!(next(&mut body), Some(Ok(text.into())));
    }
    assert_eq!(next(&mut body), None);
    assert_eq!(tee.progress(), TeeProgress::Overflowed);
    assert!(tee.lock().kept.is_empty());
}

#[test]
fn what_comes_in_one_piece_is_kept_at_any_size_and_not_copied() {
    let whole = Bytes::from(vec![b'w'; 1 << 20]);
    let body = http_body_util::Full::new(whole.clone());
    let tee = Arc::new(Tee::new(body, 8, DeclaredLength::Undeclared));
    for _ in 0..2 {
        let mut leg = LegBody::teed(&tee);
        let frame = Pin::new(&mut leg).poll_frame(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Some(Ok(frame))) = frame else { panic!("a frame") };
        let data = frame.into_data().expect("data");
        assert_eq!((data.as_ptr(), data.len()), (whole.as_ptr(), whole.len()));
        assert_eq!(tee.progress(), TeeProgress::Ended);
    }
    // Of a length that was declared, and in pieces.
    let tee = Arc::new(Tee::new(frames(&["123456789"]), 8, DeclaredLength::Octets(9)));
    assert_eq!(next(&mut LegBody::teed(&tee)), Some(Ok("123456789".into())));
    assert_eq!(tee.progress(), TeeProgress::Ended);
    let tee = Arc::new(Tee::new(frames(&["12345", "6789"]), 8, DeclaredLength::Octets(9)));
    let mut leg = LegBody::teed(&tee);
    for text in ["12345", "6789"] {
        assert_eq!(next(&mut leg), Some(Ok(text.into())));
    }
    assert_eq!(tee.progress(), TeeProgress::Overflowed);
}

#[test]
fn the_end_is_known_at_the_declared_length() {
    let tee = Arc::new(Tee::new(frames(&["12345"]), 8, DeclaredLength::Octets(5)));
    let mut body = LegBody::teed(&tee);
    assert_eq!(next(&mut body), Some(Ok("12345".into())));
    assert_eq!(tee.progress(), TeeProgress::Ended);
    let again = LegBody::teed(&tee);
    assert_eq!(again.size_hint().exact(), Some(5));
}

/// Whatever the next frame has.
fn any(body: &mut LegBody<Frames>) -> Option<Frame<Bytes>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame.map(|frame| frame.expect("no error")),
        Poll::Pending => panic!("never pending"),
    }
}

fn with_trailers(texts: &[&'static str]) -> Frames {
    let mut frames = frames(texts);
    let trailers =
        HeaderMap::from_iter([(http::HeaderName::from_static("x-sum"), http::HeaderValue::from_static("7"))]);
    frames.0.push_back(Ok(Frame::trailers(trailers)));
    frames
}

#[test]
fn trailers_follow_the_declared_length_on_every_leg() {
    for length in [DeclaredLength::Octets(5), DeclaredLength::Chunked] {
        let tee = Arc::new(Tee::new(with_trailers(&["12345"]), 8, length));
        let mut first = LegBody::teed(&tee);
        for _ in 0..2 {
            assert!(any(&mut first).expect("data").is_data());
            assert!(!first.is_end_stream(), "{length:?}");
            assert!(any(&mut first).expect("trailers").is_trailers(), "{length:?}");
            assert!(first.is_end_stream() && any(&mut first).is_none(), "{length:?}");
            assert_eq!(tee.progress(), TeeProgress::Ended, "{length:?}");
            first = LegBody::teed(&tee);
        }
    }
}

#[test]
fn a_leg_that_ended_at_the_length_leaves_the_trailers_to_the_next() {
    for (texts, octets) in [(&["12345"][..], 5), (&[], 0)] {
        let tee = Arc::new(Tee::new(with_trailers(texts), 8, DeclaredLength::Octets(octets)));
        let mut first = LegBody::teed(&tee);
        for _ in texts {
            assert!(any(&mut first).expect("data").is_data());
        }
        assert_eq!(tee.progress(), TeeProgress::Ended, "HTTP/1.1 asks for nothing more");
        let mut second = LegBody::teed(&tee);
        for _ in texts {
            assert!(any(&mut second).expect("data").is_data());
        }
        assert!(any(&mut second).expect("trailers").is_trailers());
    }
}

#[test]
fn a_chunked_body_has_not_ended_before_its_trailers() {
    let tee = Arc::new(Tee::new(with_trailers(&["12345"]), 8, DeclaredLength::Chunked));
    let mut first = LegBody::teed(&tee);
    assert!(any(&mut first).expect("data").is_data());
    assert_eq!(tee.progress(), TeeProgress::Streaming);
}

#[test]
fn past_the_limit_trailers_are_sent_all_the_same() {
    let tee = Arc::new(Tee::new(with_trailers(&["123", "45"]), 4, DeclaredLength::Octets(5)));
    let mut first = LegBody::teed(&tee);
    for _ in 0..2 {
        assert!(any(&mut first).expect("data").is_data());
    }
    assert!(any(&mut first).expect("trailers").is_trailers());
    assert_eq!(tee.progress(), TeeProgress::Overflowed);
}

#[test]
fn a_refilled_tee_gives_the_new_body_alone() {
    let tee = Arc::new(Tee::new(frames(&["one", "two"]), 64, DeclaredLength::Octets(6)));
    let mut body = LegBody::teed(&tee);
    assert_eq!(next(&mut body), Some(Ok("one".into())));
    assert!(Tee::cleared(Arc::clone(&tee)).is_none(), "the body may still be read");
    drop(body);
    let tee = Tee::cleared(tee).expect("nobody reads");
    assert!(tee.lock().kept.is_empty() && tee.lock().rest.is_none());
    let tee = Tee::of(frames(&["three"]), 64, DeclaredLength::Undeclared, Some(tee));
    let mut body = LegBody::teed(&tee);
    assert_eq!(next(&mut body), Some(Ok("three".into())));
    assert_eq!(next(&mut body), None);
    assert_eq!(tee.progress(), TeeProgress::Ended);
    assert_eq!(next(&mut LegBody::teed(&tee)), Some(Ok("three".into())));
}

/// A body that never comes.
struct Stalled;

impl Body for Stalled {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Poll::Pending
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, SeqCst);
    }
}

#[test]
fn a_connection_that_is_cut_off_while_it_waits_for_the_body_is_told() {
    let ways: [fn(&Arc<Tee<Stalled>>); 2] = [|tee| tee.cut_off(), |tee| drop(LegBody::teed(tee))];
    for cut_off in ways {
        let (tee, woken) =
            (Arc::new(Tee::new(Stalled, 64, DeclaredLength::Undeclared)), Arc::new(Woken::default()));
        let waker = Waker::from(Arc::clone(&woken));
        let (mut body, mut cx) = (LegBody::teed(&tee), Context::from_waker(&waker));
        assert!(Pin::new(&mut body).poll_frame(&mut cx).is_pending());
        cut_off(&tee);
        assert_eq!(woken.0.load(SeqCst), 1);
        assert!(matches!(Pin::new(&mut body).poll_frame(&mut cx), Poll::Ready(Some(Err(_)))));
    }
}

/// Whether all of it can be kept, as far as that shows at once.
fn is_at_hand<B: Body<Error: Into<BoxError>>>(tee: &Tee<B>) -> bool {
    tee.is_at_hand(&mut Context::from_waker(Waker::noop()))
}

#[test]
fn what_was_read_ahead_goes_first_and_is_kept_like_the_rest() {
    for (texts, limit, is_short) in [(&["one", "two"][..], 8, true), (&["one", "two", "three"], 5, false)] {
        let tee = Arc::new(Tee::new(frames(texts), limit, DeclaredLength::Undeclared));
        assert_eq!((is_at_hand(&tee), is_at_hand(&tee)), (is_short, is_short), "{texts:?}");
        assert_eq!(tee.progress(), TeeProgress::Streaming, "no leg was given anything");
        let mut leg = LegBody::teed(&tee);
        assert_eq!(leg.size_hint().exact(), None, "it goes in chunks as it would have");
        for text in texts {
            assert_eq!(next(&mut leg), Some(Ok((*text).into())));
        }
        assert_eq!(next(&mut leg), None);
        let progress = if is_short { TeeProgress::Ended } else { TeeProgress::Overflowed };
        assert_eq!(tee.progress(), progress, "{texts:?}");
    }
}

#[test]
fn a_long_body_is_at_hand_in_one_piece_and_not_in_two() {
    for (texts, is_whole) in [(&["123456789"][..], true), (&["12345", "6789"], false)] {
        let tee = Arc::new(Tee::new(frames(texts), 4, DeclaredLength::Octets(9)));
        assert_eq!(is_at_hand(&tee), is_whole);
        let mut leg = LegBody::teed(&tee);
        assert_eq!(leg.size_hint().exact(), Some(9));
        for text in texts {
            assert_eq!(next(&mut leg), Some(Ok((*text).into())));
        }
        assert_eq!(tee.progress() == TeeProgress::Ended, is_whole);
    }
}

#[test]
fn what_was_read_ahead_is_gathered_first() {
    let tee = Arc::new(Tee::new(frames(&["one", "two", "three"]), 64, DeclaredLength::Undeclared));
    assert!(is_at_hand(&tee), "it has read them all");
    assert!(tee.poll_gather(&mut Context::from_waker(Waker::noop())).is_ready());
    assert_eq!(tee.progress(), TeeProgress::Ended);
    let mut leg = LegBody::teed(&tee);
    for text in ["one", "two", "three"] {
        assert_eq!(next(&mut leg), Some(Ok(text.into())));
    }
    assert_eq!(next(&mut leg), None);
}

#[test]
fn trailers_and_failures_that_were_read_ahead_come_in_their_place() {
    let tee = Arc::new(Tee::new(with_trailers(&["12345"]), 8, DeclaredLength::Chunked));
    assert!(is_at_hand(&tee));
    let mut leg = LegBody::teed(&tee);
    assert!(any(&mut leg).expect("data").is_data() && !leg.is_end_stream());
    assert!(any(&mut leg).expect("trailers").is_trailers() && leg.is_end_stream());
    assert_eq!(tee.progress(), TeeProgress::Ended);

    let failing = Frames([Err("the file vanished")].into());
    let tee = Arc::new(Tee::new(failing, 8, DeclaredLength::Undeclared));
    assert!(is_at_hand(&tee), "there is nothing to wait for");
    assert!(next(&mut LegBody::teed(&tee)).expect("an error").is_err());
    assert_eq!(tee.progress(), TeeProgress::Failed);
}

#[test]
fn a_body_of_unknown_length_that_is_not_there_is_not_at_hand() {
    assert!(!is_at_hand(&Tee::new(Stalled, 64, DeclaredLength::Undeclared)));
}

#[test]
fn a_waiting_body_is_not_read_and_is_told_when_the_wait_ends() {
    for goes in [true, false] {
        let tee = Arc::new(Tee::new(frames(&["one"]), 8, DeclaredLength::Undeclared));
        let (expectation, woken) = (Expectation::new(), Arc::new(Woken::default()));
        let held = HeldBody::new(expectation.clone());
        let mut leg = LegBody::teed(&tee).waiting_for(expectation.clone());
        let waker = Waker::from(Arc::clone(&woken));
        assert!(Pin::new(&mut leg).poll_frame(&mut Context::from_waker(&waker)).is_pending());
        assert!(held.is_waiting());
        if goes {
            assert!(expectation.fulfil() && !expectation.fulfil());
        }
        drop(held);
        assert_eq!(woken.0.load(SeqCst), 1);
        assert_eq!(next(&mut leg).expect("a frame").is_ok(), goes);
        assert_eq!(next(&mut LegBody::teed(&tee)), Some(Ok("one".into())), "another leg has it all");
    }
}

#[test]
fn a_failed_body_is_not_replayed() {
    let tee = Arc::new(Tee::new(Frames([Err("the file vanished")].into()), 8, DeclaredLength::Undeclared));
    assert!(next(&mut LegBody::teed(&tee)).expect("an error").is_err());
    assert_eq!(tee.progress(), TeeProgress::Failed);
}

/// A body that knows when it has ended.
struct Known(Frames);

impl Body for Known {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.0.is_empty()
    }
}

#[test]
fn what_is_kept_counts_as_a_piece_of_a_body_that_is_too_long() {
    let tee = Arc::new(Tee::new(Known(frames(&["123", "456789"])), 4, DeclaredLength::Undeclared));
    let mut leg = LegBody::teed(&tee);
    let Poll::Ready(Some(Ok(first))) = Pin::new(&mut leg).poll_frame(&mut Context::from_waker(Waker::noop()))
    else {
        panic!("it is there")
    };
    assert_eq!(first.into_data().expect("data"), "123");
    assert!(!is_at_hand(&tee), "its second piece is past the limit");

    let tee = Arc::new(Tee::new(Known(frames(&["123456789"])), 4, DeclaredLength::Undeclared));
    assert!(is_at_hand(&tee), "it was in memory as a whole");
}

#[test]
fn all_pieces_are_gathered_and_what_is_past_the_limit_is_no_end() {
    let gathered = |texts: &[&'static str], limit| {
        let tee = Tee::new(frames(texts), limit, DeclaredLength::Octets(9));
        assert!(tee.poll_gather(&mut Context::from_waker(Waker::noop())).is_ready());
        let mut kept = Vec::new();
        Content::read(&tee, &mut |data| kept.extend_from_slice(data));
        (String::from_utf8(kept).expect("ASCII"), tee.progress())
    };
    assert_eq!(gathered(&["123", "456", "789"], 9), ("123456789".to_owned(), TeeProgress::Ended));
    assert_eq!(gathered(&["123456789"], 4), ("123456789".to_owned(), TeeProgress::Ended));
    // All of it is still to be sent, and none could be sent again.
    assert_eq!(gathered(&["12345", "6789"], 8), ("123456789".to_owned(), TeeProgress::Streaming));
}
