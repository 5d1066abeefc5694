//! Waiting for other requests, without a runtime.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Instant;

/// Resolves when something has changed for which a login waits: for credentials that another request is
/// trying, or among the requests that are under way to the same server. Needs no runtime.
///
/// The request is to go on at [`until`](Self::until), whether it has resolved or not.
pub struct Turn {
    change: Box<dyn Change>,
    until: Option<Instant>,
}

/// What a login waits for: what becomes of its credentials, or that no other request is under way.
pub(super) trait Change: Send + Sync {
    /// Ready once it has come.
    fn poll(&self, cx: &Context<'_>) -> Poll<()>;
}

impl Turn {
    pub(super) fn new(change: impl Change + 'static, until: Option<Instant>) -> Self {
        Self { change: Box::new(change), until }
    }

    /// Returns when to stop waiting even if nothing has changed, by the clock of
    /// [`Moments::instant`](crate::mechanism::Moments::instant).
    pub fn until(&self) -> Option<Instant> {
        self.until
    }
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        self.change.poll(cx)
    }
}

impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("until", &self.until).finish_non_exhaustive()
    }
}
