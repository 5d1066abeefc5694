use std::collections::VecDeque;
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

/// A caller's body with the frames that it has given so far, up to a limit.
pub(crate) struct Tee<B> {
    state: Mutex<TeeState<B>>,
}

pub(super) struct TeeState<B> {
    /// The leg that may read; an older one is cut off, and its connection with it.
    reader: u32,
    /// What this leg waits for before it reads.
    waits_for: Option<Expectation>,
    /// Who reads and waits for the next frame: cut off, it is to be told.
    waiting: Option<Waker>,
    pub(super) kept: Vec<KeptFrame>,
    octets: u64,
    limit: u64,
    /// How many octets the connection sends at the most. HTTP/1.1 does not ask for anything past them.
    length: Option<u64>,
    /// What was read of the rest and not given to any leg yet.
    ahead: VecDeque<Result<Frame<Bytes>, BoxError>>,
    /// Empty once it has ended, and between two requests; the box is made once.
    pub(super) rest: Pin<Box<Option<B>>>,
    progress: TeeProgress,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::service) enum TeeProgress {
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
pub(super) enum KeptFrame {
    Data(Bytes),
    Trailers(HeaderMap),
}

impl<B> Tee<B> {
    pub(super) fn lock(&self) -> MutexGuard<'_, TeeState<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(in crate::service) fn progress(&self) -> TeeProgress {
        self.lock().progress
    }

    /// Lets nobody read any more: a connection that still sends the body ends.
    pub(in crate::service) fn cut_off(&self) {
        self.next_reader();
    }

    /// Another leg reads from now on. The one before it may wait for a frame that goes elsewhere.
    fn next_reader(&self) -> u32 {
        let mut state = self.lock();
        state.reader = state.reader.wrapping_add(1);
        state.waits_for = None;
        let (reader, waiting) = (state.reader, state.waiting.take());
        // Not under the lock, which the one that is woken takes.
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
    pub(in crate::service) fn poll_gather(&self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
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
    pub(in crate::service) fn new(body: B, limit: u64, length: DeclaredLength) -> Self {
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

    /// The same, in place of one that was [cleared](Self::cleared) if there is one.
    pub(in crate::service) fn of(
        body: B,
        limit: u64,
        length: DeclaredLength,
        spare: Option<Arc<Self>>,
    ) -> Arc<Self> {
        let Some(mut tee) = spare else { return Arc::new(Self::new(body, limit, length)) };
        let own = Arc::get_mut(&mut tee).expect("what is spare is not shared");
        own.state.get_mut().unwrap_or_else(PoisonError::into_inner).fill(body, limit, length);
        tee
    }

    /// Lets go of the body and of all that is kept of it, unless it is still being read.
    pub(in crate::service) fn cleared(mut tee: Arc<Self>) -> Option<Arc<Self>> {
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
    pub(in crate::service) fn length(&self) -> Option<u64> {
        self.lock().length
    }

    /// Whether all of the body can be kept to be sent again, since it is short or in memory anyway. Reads
    /// ahead as far as it takes to know, and as what is there at once goes.
    pub(in crate::service) fn is_at_hand(&self, cx: &mut Context<'_>) -> bool {
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

/// What one leg has read of a tee.
pub(super) struct TeeReader<B> {
    id: u32,
    /// Of what is kept.
    next: u32,
    tee: Arc<Tee<B>>,
}

impl<B> TeeReader<B> {
    /// Reads from the beginning, in place of whoever has read so far.
    pub(super) fn new(tee: &Arc<Tee<B>>) -> Self {
        Self { id: tee.next_reader(), next: 0, tee: Arc::clone(tee) }
    }

    /// Waits for this before it reads on.
    pub(super) fn wait_for(&self, expectation: Expectation) {
        self.tee.lock().waits_for = Some(expectation);
    }
}

impl<B> TeeReader<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    pub(super) fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut state = self.tee.lock();
        // First of all: a frame that an old leg took would be missing from the new one.
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

    pub(super) fn is_end_stream(&self) -> bool {
        let state = self.tee.lock();
        self.next as usize >= state.kept.len() && state.rest_has_ended()
    }

    pub(super) fn size_hint(&self) -> SizeHint {
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
