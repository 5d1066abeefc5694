//! Who waits for a change.

use std::collections::HashMap;
use std::task::{Context, Poll, Waker};

/// Those that wait for the same change. Each has a number of its own, and is told once.
#[derive(Debug, Default)]
pub(super) struct TurnQueue(HashMap<u64, Option<Waker>>);

impl TurnQueue {
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
