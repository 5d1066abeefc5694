//! Waiting for other requests, without a runtime.

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use crate::handshake::guard::VerdictTurn;
use crate::handshake::legs::QuietTurn;

/// Resolves when something has changed for which a login waits: for credentials that another request is
/// trying, or among the requests that are under way to the same server. Needs no runtime.
///
/// The request is to go on at [`until`](Self::until), whether it has resolved or not.
pub struct Turn {
    what: WaitsFor,
    until: Option<Instant>,
}

/// What a login waits for.
pub(super) enum WaitsFor {
    /// What becomes of its credentials.
    Verdict(VerdictTurn),
    /// That no other request is under way.
    Quiet(QuietTurn),
}

impl Turn {
    pub(super) fn new(what: WaitsFor, until: Option<Instant>) -> Self {
        Self { what, until }
    }

    /// When to stop waiting even if nothing has changed, by the clock of
    /// [`Moments::instant`](crate::mechanism::Moments::instant).
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        match &self.what {
            WaitsFor::Verdict(turn) => turn.poll(cx),
            WaitsFor::Quiet(turn) => turn.poll(cx),
        }
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("until", &self.until).finish_non_exhaustive()
    }
}

/// Those that wait for the same change. Each has a number of its own, and is told once.
#[derive(Debug, Default)]
pub(super) struct Queue(HashMap<u64, Option<Waker>>);

impl Queue {
    pub(super) fn join(&mut self, number: u64) {
        self.0.insert(number, None);
    }

    /// Ready where the change has come.
    pub(super) fn poll(&mut self, number: u64, cx: &Context<'_>) -> Poll<()> {
        match self.0.get_mut(&number) {
            None => Poll::Ready(()),
            Some(Some(waker)) => {
                waker.clone_from(cx.waker());
                Poll::Pending
            }
            Some(none) => {
                *none = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Waits no longer. What a waker holds may end with it, and come back here: it is to be dropped
    /// without a lock.
    pub(super) fn leave(&mut self, number: u64) -> Option<Waker> {
        self.0.remove(&number).flatten()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Tells all of them, without a lock.
    pub(super) fn wake(self) {
        self.0.into_values().flatten().for_each(Waker::wake);
    }
}
