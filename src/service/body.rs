//! The body of one leg, and what is kept of it for the next.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use bytes::{Buf, Bytes};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::scheme::Content;
use crate::service::error::BoxError;
use crate::service::expectation::Expectation;
use crate::service::head::DeclaredLength;

/// The body of one leg: nothing, or the caller's body, whose frames are kept while they are sent
/// so that they can be sent again. It may wait until the server has said that it wants it.
///
/// Small, since hyper has room for 32 requests in each connection.
pub struct LegBody<B>(LegBodyKind<B>);

enum LegBodyKind<B> {
    Empty,
    Teed(TeeReader<B>),
}

impl<B> LegBody<B> {
    pub(super) fn empty() -> Self {
        Self(LegBodyKind::Empty)
    }

    pub(super) fn teed(tee: &Arc<Tee<B>>) -> Self {
        Self(LegBodyKind::Teed(TeeReader { id: tee.next_reader(), next: 0, tee: Arc::clone(tee) }))
    }

    /// The same, which waits for this. Where there is no body, nothing waits.
    pub(super) fn waiting_for(self, expectation: Expectation) -> Self {
        if let LegBodyKind::Teed(reader) = &self.0 {
            reader.tee.lock().waits_for = Some(expectation);
        }
        self
    }
}

impl<B> Body for LegBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            LegBodyKind::Empty => Poll::Ready(None),
            LegBodyKind::Teed(reader) => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            LegBodyKind::Empty => true,
            LegBodyKind::Teed(reader) => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            LegBodyKind::Empty => SizeHint::with_exact(0),
            LegBodyKind::Teed(reader) => reader.size_hint(),
        }
    }
}

impl<B> fmt::Debug for LegBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            LegBodyKind::Empty => "LegBody::Empty",
            LegBodyKind::Teed(_) => "LegBody::Teed",
        })
    }
}

/// A caller's body with the frames that it has given so far, up to a limit.
pub(crate) struct Tee<B> {
    state: Mutex<TeeState<B>>,
}

struct TeeState<B> {
    /// The leg that may read; an older one is cut off, and its connection with it.
    reader: u32,
    /// What this leg waits for before it reads.
    waits_for: Option<Expectation>,
    /// Who reads and waits for the next frame: cut off, it is to be told.
    waiting: Option<Waker>,
    kept: Vec<KeptFrame>,
    octets: u64,
    limit: u64,
    /// How many octets the connection sends at the most. HTTP/1.1 does not ask for anything past them.
    length: Option<u64>,
    /// What was read of the rest and not given to any leg yet.
    ahead: VecDeque<Result<Frame<Bytes>, BoxError>>,
    /// Empty once it has ended, and between two requests; the box is made once.
    rest: Pin<Box<Option<B>>>,
    progress: TeeProgress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TeeProgress {
    /// Frames are still to come.
    Streaming,
    /// All octets were given, and all are kept. Trailers may still be to come.
    Ended,
    /// More was given than is kept.
    Overflowed,
    /// The caller's body failed.
    Failed,
}

#[derive(Clone)]
enum KeptFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl<B> Tee<B> {
    fn lock(&self) -> MutexGuard<'_, TeeState<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn progress(&self) -> TeeProgress {
        self.lock().progress
    }

    /// Lets nobody read any more: a connection that still sends the body ends.
    pub(super) fn cut_off(&self) {
        self.next_reader();
    }

    /// Another leg reads from now on. The one before it may wait for a frame that goes elsewhere.
    fn next_reader(&self) -> u32 {
        let mut state = self.lock();
        state.reader = state.reader.wrapping_add(1);
        state.waits_for = None;
        let (reader, waiting) = (state.reader, state.waiting.take());
        drop(state);
        if let Some(waker) = waiting {
            waker.wake();
        }
        reader
    }
}

impl<B> Content for Tee<B> {
    fn read(&self, take: &mut dyn FnMut(&[u8])) {
        for kept in &self.lock().kept {
            if let KeptFrame::Data(data) = kept {
                take(data);
            }
        }
    }
}

impl<B> Tee<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// Reads the body to its end, before or between two legs, as far as it is kept.
    ///
    /// # Errors
    ///
    /// The body's own.
    pub(super) fn poll_gather(&self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        let mut state = self.lock();
        while state.progress == TeeProgress::Streaming && state.octets <= state.limit {
            match ready!(state.poll_next(cx)) {
                None => state.end(),
                Some(Ok(frame)) => state.keep_ahead(frame),
                Some(Err(error)) => {
                    state.progress = TeeProgress::Failed;
                    return Poll::Ready(Err(error));
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl<B: Body> Tee<B> {
    pub(super) fn new(body: B, limit: u64, length: DeclaredLength) -> Self {
        let mut state = TeeState {
            reader: 0,
            waits_for: None,
            waiting: None,
            kept: Vec::new(),
            octets: 0,
            limit: 0,
            length: None,
            ahead: VecDeque::new(),
            rest: Box::pin(None),
            progress: TeeProgress::Streaming,
        };
        state.fill(body, limit, length);
        Self { state: Mutex::new(state) }
    }

    /// The same, in the place of one that was [cleared](Self::cleared) if there is one.
    pub(super) fn of(body: B, limit: u64, length: DeclaredLength, spare: Option<Arc<Self>>) -> Arc<Self> {
        let Some(mut tee) = spare else { return Arc::new(Self::new(body, limit, length)) };
        let own = Arc::get_mut(&mut tee).expect("what is spare is not shared");
        own.state.get_mut().unwrap_or_else(PoisonError::into_inner).fill(body, limit, length);
        tee
    }

    /// Lets go of the body and of all that is kept of it, unless it is still being read.
    pub(super) fn cleared(mut tee: Arc<Self>) -> Option<Arc<Self>> {
        let state = Arc::get_mut(&mut tee)?.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        state.kept.clear();
        state.kept.shrink_to(MOST_SPARE_FRAMES);
        state.ahead.clear();
        state.rest.set(None);
        (state.waits_for, state.waiting) = (None, None);
        Some(tee)
    }
}

/// For how many frames room is kept from one request to the next.
const MOST_SPARE_FRAMES: usize = 8;

impl<B> Tee<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// How long the body is, where that is known.
    pub(super) fn length(&self) -> Option<u64> {
        self.lock().length
    }

    /// Whether all of the body can be kept to be sent again, since it is short or in memory anyway. Reads
    /// ahead as far as it takes to know, and as what is there at once goes.
    pub(super) fn is_at_hand(&self, cx: &mut Context<'_>) -> bool {
        let mut state = self.lock();
        if state.length.is_some_and(|length| length <= state.limit) {
            return true;
        }
        while state.progress == TeeProgress::Streaming && !state.rest_is_read() {
            let so_far = state.octets + state.ahead_octets();
            let is_long = state.length.is_some_and(|length| length > state.limit);
            // More than one piece, and too much of it.
            if so_far > state.limit || is_long && so_far > 0 {
                return false;
            }
            let Some(rest) = state.rest.as_mut().as_pin_mut() else { break };
            let Poll::Ready(frame) = poll_whole_frame(rest, cx) else { return false };
            let Some(frame) = frame else {
                state.rest.set(None);
                break;
            };
            // A failure of its own is not worth waiting with.
            let is_last = frame.as_ref().map_or(true, Frame::is_trailers);
            state.ahead.push_back(frame);
            if is_last {
                break;
            }
        }
        let pieces = state.kept.len() + state.ahead.len();
        match state.progress {
            TeeProgress::Streaming => pieces <= 1 || state.octets + state.ahead_octets() <= state.limit,
            TeeProgress::Ended | TeeProgress::Failed => true,
            TeeProgress::Overflowed => false,
        }
    }
}

impl<B> TeeState<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    /// The next frame that no leg was given and that is not kept: what was read ahead comes first.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match (self.ahead.pop_front(), self.rest.as_mut().as_pin_mut()) {
            (Some(frame), _) => Poll::Ready(Some(frame)),
            // Past the declared length there may be trailers, for a connection that asks.
            (None, Some(rest)) => poll_whole_frame(rest, cx),
            (None, None) => Poll::Ready(None),
        }
    }
}

/// The next frame, of octets in one piece.
fn poll_whole_frame<B>(
    body: Pin<&mut B>,
    cx: &mut Context<'_>,
) -> Poll<Option<Result<Frame<Bytes>, BoxError>>>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let whole = |frame: Frame<B::Data>| frame.map_data(|mut data| data.copy_to_bytes(data.remaining()));
    body.poll_frame(cx).map(|frame| frame.map(|frame| frame.map(whole).map_err(Into::into)))
}

impl<B: Body> TeeState<B> {
    fn wait(&mut self, waker: &Waker) {
        match &mut self.waiting {
            Some(waiting) => waiting.clone_from(waker),
            None => self.waiting = Some(waker.clone()),
        }
    }

    fn fill(&mut self, body: B, limit: u64, length: DeclaredLength) {
        self.octets = 0;
        self.limit = limit;
        self.length = match length {
            DeclaredLength::Octets(octets) => Some(octets),
            DeclaredLength::Chunked => None,
            DeclaredLength::Undeclared => body.size_hint().exact(),
        };
        self.ahead.clear();
        self.rest.set(Some(body));
        self.progress = if self.length == Some(0) { TeeProgress::Ended } else { TeeProgress::Streaming };
    }

    /// Counts what was read. Tells whether it is the last.
    fn count(&mut self, data: &Bytes) -> bool {
        self.octets += data.len() as u64;
        self.length.is_some_and(|length| length <= self.octets) || self.rest_has_ended()
    }

    fn keep_data(&mut self, data: &Bytes) {
        let is_last = self.count(data);
        if let TeeProgress::Overflowed | TeeProgress::Failed = self.progress {
            return;
        }
        // A body that comes in one piece was in memory as a whole: to keep it costs nothing.
        let is_all = is_last && self.octets == data.len() as u64;
        if self.octets > self.limit && !is_all {
            self.progress = TeeProgress::Overflowed;
            self.kept = Vec::new();
            return;
        }
        self.kept.push(KeptFrame::Data(data.clone()));
        if is_last {
            self.progress = TeeProgress::Ended;
        }
    }

    /// Keeps a frame that no leg has carried yet, whatever the limit: it is still to be sent.
    fn keep_ahead(&mut self, frame: Frame<Bytes>) {
        let frame = match frame.into_data() {
            Ok(data) => {
                let is_last = self.count(&data);
                let is_kept = self.octets <= self.limit || self.octets == data.len() as u64;
                if is_last && is_kept {
                    self.progress = TeeProgress::Ended;
                }
                self.kept.push(KeptFrame::Data(data));
                return;
            }
            Err(frame) => frame,
        };
        self.end();
        self.kept.extend(frame.into_trailers().ok().map(KeptFrame::Trailers));
    }

    /// The body has nothing more to give.
    fn end(&mut self) {
        self.rest.set(None);
        if self.progress == TeeProgress::Streaming {
            self.progress = TeeProgress::Ended;
        }
    }

    fn rest_has_ended(&self) -> bool {
        self.ahead.is_empty() && (*self.rest).as_ref().is_none_or(Body::is_end_stream)
    }

    /// Whether all octets were read, given to a leg or not.
    fn rest_is_read(&self) -> bool {
        let at_length = self.length.is_some_and(|length| length <= self.octets + self.ahead_octets());
        at_length || (*self.rest).as_ref().is_none_or(Body::is_end_stream)
    }

    /// How much has been given to no leg yet.
    fn to_come(&self) -> SizeHint {
        if self.progress == TeeProgress::Ended {
            return SizeHint::with_exact(0);
        }
        match self.length {
            _ if self.ahead.is_empty() => {
                (*self.rest).as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
            }
            // What the body said of itself, before it was read from.
            Some(length) => SizeHint::with_exact(length.saturating_sub(self.octets)),
            // It goes in chunks, which trailers may follow, whatever is known by now.
            None => SizeHint::new(),
        }
    }

    fn ahead_octets(&self) -> u64 {
        let frames = self.ahead.iter().filter_map(|frame| frame.as_ref().ok()?.data_ref());
        frames.map(|data| data.len() as u64).sum()
    }
}

struct TeeReader<B> {
    id: u32,
    /// Of what is kept.
    next: u32,
    tee: Arc<Tee<B>>,
}

impl<B> TeeReader<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    fn poll_frame(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.tee.lock();
        if state.reader != self.id {
            return Poll::Ready(Some(Err("the request is being sent again elsewhere".into())));
        }
        if let Some(expectation) = &state.waits_for {
            if let Err(error) = ready!(expectation.poll(cx)) {
                return Poll::Ready(Some(Err(error)));
            }
            state.waits_for = None;
        }
        if let Some(kept) = state.kept.get(self.next as usize) {
            self.next += 1;
            return Poll::Ready(Some(Ok(match kept.clone() {
                KeptFrame::Data(data) => Frame::data(data),
                KeptFrame::Trailers(trailers) => Frame::trailers(trailers),
            })));
        }
        let Poll::Ready(frame) = state.poll_next(cx) else {
            state.wait(cx.waker());
            return Poll::Pending;
        };
        let Some(frame) = frame else {
            state.end();
            return Poll::Ready(None);
        };
        let frame = match frame {
            Ok(frame) => frame,
            Err(error) => {
                state.progress = TeeProgress::Failed;
                return Poll::Ready(Some(Err(error)));
            }
        };
        if let Some(data) = frame.data_ref() {
            state.keep_data(data);
        } else if let Some(trailers) = frame.trailers_ref() {
            // They are the last.
            state.end();
            if state.progress == TeeProgress::Ended {
                state.kept.push(KeptFrame::Trailers(trailers.clone()));
            }
        }
        self.next = u32::try_from(state.kept.len()).expect("fewer pieces are kept");
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        let state = self.tee.lock();
        self.next as usize >= state.kept.len() && state.rest_has_ended()
    }

    fn size_hint(&self) -> SizeHint {
        let state = self.tee.lock();
        let ahead: u64 = state
            .kept
            .iter()
            .skip(self.next as usize)
            .map(|kept| match kept {
                KeptFrame::Data(data) => data.len() as u64,
                KeptFrame::Trailers(_) => 0,
            })
            .sum();
        let rest = state.to_come();
        let mut hint = SizeHint::new();
        hint.set_lower(ahead + rest.lower());
        if let Some(upper) = rest.upper() {
            hint.set_upper(ahead + upper);
        }
        hint
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
    use std::task::Wake;

    use super::*;
    use crate::service::expectation::HeldBody;

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
        let trailers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-sum"),
            http::HeaderValue::from_static("7"),
        )]);
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

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
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
        for (texts, limit, is_short) in [(&["one", "two"][..], 8, true), (&["one", "two", "three"], 5, false)]
        {
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
        let tee =
            Arc::new(Tee::new(Frames([Err("the file vanished")].into()), 8, DeclaredLength::Undeclared));
        assert!(next(&mut LegBody::teed(&tee)).expect("an error").is_err());
        assert_eq!(tee.progress(), TeeProgress::Failed);
    }
}
