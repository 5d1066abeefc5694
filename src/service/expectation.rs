//! A body that waits for its server's word: `Expect: 100-continue` (RFC 9110, section 10.1.1).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderValue};

use crate::service::error::BoxError;

/// How long a body waits for a server that says nothing. curl waits as long.
pub(super) const PATIENCE: Duration = Duration::from_secs(1);

/// What a body waits for, as those see it who may end the wait. Clones are one.
#[derive(Clone)]
pub(crate) struct Expectation(Arc<Mutex<ExpectationState>>);

enum ExpectationState {
    /// Nothing was heard. Whoever is to send the body has left its waker, once it has come that far.
    Waiting(Option<Waker>),
    /// The body goes.
    Fulfilled,
    /// The body stays.
    Disappointed,
}

impl Expectation {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(ExpectationState::Waiting(None))))
    }

    /// Lets the body go, unless it was told to stay. Tells whether it has waited until now.
    pub(crate) fn fulfil(&self) -> bool {
        self.end(ExpectationState::Fulfilled)
    }

    /// Ends the connection that is to send the body, unless the body was let go.
    fn disappoint(&self) {
        self.end(ExpectationState::Disappointed);
    }

    fn is_waiting(&self) -> bool {
        matches!(&*self.lock(), ExpectationState::Waiting(_))
    }

    /// Ready when the body may go.
    ///
    /// # Errors
    ///
    /// If the body must not be sent. hyper then closes the connection: a body that its head has announced can be
    /// left out in no other way.
    pub(super) fn poll(&self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        match &mut *self.lock() {
            ExpectationState::Waiting(Some(waker)) => waker.clone_from(cx.waker()),
            ExpectationState::Waiting(none) => *none = Some(cx.waker().clone()),
            ExpectationState::Fulfilled => return Poll::Ready(Ok(())),
            ExpectationState::Disappointed => {
                return Poll::Ready(Err("the server answered without asking for the body".into()));
            }
        }
        Poll::Pending
    }

    fn end(&self, end: ExpectationState) -> bool {
        let mut state = self.lock();
        let ExpectationState::Waiting(waker) = &mut *state else { return false };
        let waker = waker.take();
        *state = end;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }

    fn lock(&self) -> MutexGuard<'_, ExpectationState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Keeps a body waiting. Dropped, it tells the body to stay where it is, if it still waits.
pub(super) struct HeldBody(Expectation);

impl HeldBody {
    pub(super) fn new(expectation: Expectation) -> Self {
        Self(expectation)
    }

    /// Whether nothing of the body has been sent.
    pub(super) fn is_waiting(&self) -> bool {
        self.0.is_waiting()
    }

    pub(super) fn fulfil(&self) -> bool {
        self.0.fulfil()
    }
}

impl Drop for HeldBody {
    fn drop(&mut self) {
        self.0.disappoint();
    }
}

/// Whether the fields say that the body waits.
pub(super) fn is_expected(fields: &HeaderMap) -> bool {
    fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Says in the fields that the body waits.
pub(super) fn expect(fields: &mut HeaderMap) {
    fields.insert(header::EXPECT, HeaderValue::from_static("100-continue"));
}
