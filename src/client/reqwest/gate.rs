//! What makes one connection out of a client that pools them: a client for each connection, and a
//! gate in its connector that lets one connection through and no second one.
//!
//! A client whose connection has been closed would open another one, in the middle of a handshake
//! too. Behind the gate it fails instead, before anything was sent, and the request moves on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use pin_project_lite::pin_project;
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::time::{Sleep, sleep};
use tower_layer::Layer;
use tower_service::Service;

use crate::client::one_connection::Gone;
use crate::service::BoxError;

/// How long a second connection is held off within a login before it is refused. A pool gets its connection
/// back from another task, a moment after a response's end; who asks sooner waits for whichever comes first, and
/// must not lose the connection for that.
const PATIENCE: Duration = Duration::from_millis(100);

/// The same where no login is under way, after the response's end: to lose the connection costs no more than
/// another login. On a runtime with one thread that other task has had its turn after a few of ours, and there is
/// nothing to wait for.
const REST: Duration = Duration::from_millis(10);
const TURNS: u32 = 16;

/// Lets one connection through.
#[derive(Clone, Debug, Default)]
pub(super) struct OneConnectionGate {
    rest: Rest,
}

impl OneConnectionGate {
    /// What is to be told of the connection.
    pub(super) fn rest(&self) -> Rest {
        self.rest.clone()
    }
}

impl<S> Layer<S> for OneConnectionGate {
    type Service = Gated<S>;

    fn layer(&self, connector: S) -> Gated<S> {
        Gated(Arc::new(Gateway { connector: Mutex::new(Some(connector)), rest: self.rest.clone() }))
    }
}

/// Since when there has been nothing to be read on the connection. Where that is some time ago, it is back in the
/// pool, if it has not been closed.
#[derive(Clone, Debug, Default)]
pub(super) struct Rest(Arc<Mutex<Option<Instant>>>);

impl Rest {
    pub(super) fn begin(&self) {
        *self.since() = Some(Instant::now());
    }

    pub(super) fn end(&self) {
        *self.since() = None;
    }

    fn since(&self) -> MutexGuard<'_, Option<Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connector behind a gate, for one use. All clones have the one: reqwest makes several per request,
/// and each of a connector costs more than the gate.
#[derive(Debug)]
pub(super) struct Gated<S>(Arc<Gateway<S>>);

#[derive(Debug)]
struct Gateway<S> {
    connector: Mutex<Option<S>>,
    rest: Rest,
}

impl<S> Clone for Gated<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S, T> Service<T> for Gated<S>
where
    S: Service<T>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = GateFuture<S, T, S::Future>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: T) -> Self::Future {
        let Gateway { connector, rest } = &*self.0;
        match connector.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(connector) => GateFuture::Waiting { connector, target: Some(target) },
            None => match *rest.since() {
                Some(_) if is_single_threaded() => GateFuture::Returning { turns: TURNS },
                Some(since) => match REST.checked_sub(since.elapsed()) {
                    Some(left) => GateFuture::Refusing { patience: sleep(left) },
                    None => GateFuture::Closed,
                },
                None => GateFuture::Refusing { patience: sleep(PATIENCE) },
            },
        }
    }
}

fn is_single_threaded() -> bool {
    Handle::try_current().is_ok_and(|handle| handle.runtime_flavor() == RuntimeFlavor::CurrentThread)
}

pin_project! {
    /// Resolves to the connection, or to a refusal.
    #[project = GateProj]
    pub(super) enum GateFuture<S, T, F> {
        /// The connector is to become ready.
        Waiting { connector: S, target: Option<T> },
        Connecting { #[pin] connecting: F },
        /// The pool may get the connection back yet: until then, or when others have had their turns.
        Refusing { #[pin] patience: Sleep },
        Returning { turns: u32 },
        /// It has rested for so long that it would be back.
        Closed,
    }
}

impl<S, T> Future for GateFuture<S, T, S::Future>
where
    S: Service<T>,
    S::Error: Into<BoxError>,
{
    type Output = Result<S::Response, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            let connecting = match self.as_mut().project() {
                GateProj::Waiting { connector, target } => {
                    ready!(connector.poll_ready(cx)).map_err(Into::into)?;
                    connector.call(target.take().expect("it is called once"))
                }
                GateProj::Connecting { connecting } => return connecting.poll(cx).map_err(Into::into),
                GateProj::Refusing { patience } => {
                    ready!(patience.poll(cx));
                    self.set(Self::Closed);
                    continue;
                }
                GateProj::Returning { turns: 0 } | GateProj::Closed => {
                    return Poll::Ready(Err(Gone.into()));
                }
                GateProj::Returning { turns } => {
                    *turns -= 1;
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
            };
            self.set(Self::Connecting { connecting });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::future::poll_fn;

    use tower::service_fn;

    use super::*;

    type Asking = Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

    /// Asks for a second connection, when the first one has rested since then.
    async fn second(since: Option<Instant>) -> Asking {
        let gate = OneConnectionGate::default();
        let mut gated = gate.layer(service_fn(async |()| Ok::<_, Infallible>(())));
        gated.call(()).await.expect("the first connection");
        *gate.rest().since() = since;
        Box::pin(gated.call(()))
    }

    /// How often it has to be polled.
    async fn polls(mut asking: Asking) -> u32 {
        let mut polls = 0;
        let error = poll_fn(|cx| {
            polls += 1;
            asking.as_mut().poll(cx)
        });
        let error = error.await.expect_err("there is no second connection");
        assert!(Gone::is_behind(&*error), "{error:?}");
        polls
    }

    #[tokio::test]
    async fn a_connection_that_rests_is_gone_when_all_others_have_had_their_turns() {
        assert_eq!(polls(second(Some(Instant::now())).await).await, TURNS + 1);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn with_several_threads_it_is_gone_when_it_has_rested_for_long() {
        assert_eq!(polls(second(Instant::now().checked_sub(REST)).await).await, 1);
        // And may be on its way back before.
        let asking = second(Some(Instant::now() + REST)).await;
        assert!(polls(asking).await > 1);
    }

    /// As between the legs of a login.
    #[tokio::test(start_paused = true)]
    async fn one_that_has_a_response_on_it_does_not_rest() {
        let before = tokio::time::Instant::now();
        polls(second(None).await).await;
        assert!(before.elapsed() >= PATIENCE);
    }
}
