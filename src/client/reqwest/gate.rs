//! What makes one connection out of a client that pools them: a client for each connection, and a
//! gate in its connector that lets one connection through and no second one.
//!
//! A client whose connection has been closed would open another one, in the middle of a handshake
//! too. Behind the gate it fails instead, before anything was sent, and the request moves on.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_layer::Layer;
use tower_service::Service;

use crate::client::lane::Gone;
use crate::service::BoxError;

/// How long a second connection is held off before it is refused. A pool gets its connection back
/// from another task, a moment after the response's end; who asks sooner waits for whichever comes
/// first, and must not lose the connection for that.
const PATIENCE: Duration = Duration::from_millis(100);

/// Lets one connection through.
#[derive(Clone, Debug)]
pub(super) struct Gate;

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, connector: S) -> Gated<S> {
        Gated { connector: Arc::new(Mutex::new(Some(connector))) }
    }
}

/// A connector behind a gate, for one use. All clones have the one: reqwest makes one per request,
/// and that of a connector costs more than the gate.
#[derive(Debug)]
pub(super) struct Gated<S> {
    connector: Arc<Mutex<Option<S>>>,
}

impl<S> Clone for Gated<S> {
    fn clone(&self) -> Self {
        Self { connector: Arc::clone(&self.connector) }
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
        match self.connector.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(connector) => GateFuture::Waiting { connector, target: Some(target) },
            None => GateFuture::Refusing { patience: tokio::time::sleep(PATIENCE) },
        }
    }
}

pin_project! {
    /// Resolves to the connection, or to a refusal.
    #[project = GateProj]
    pub(super) enum GateFuture<S, T, F> {
        /// The connector is to become ready.
        Waiting { connector: S, target: Option<T> },
        Connecting { #[pin] connecting: F },
        Refusing { #[pin] patience: Sleep },
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
                    return Poll::Ready(Err(Gone.into()));
                }
            };
            self.set(Self::Connecting { connecting });
        }
    }
}
