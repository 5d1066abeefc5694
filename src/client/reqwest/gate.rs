//! What makes one connection out of a client that pools them: a client for each connection, and a
//! gate in its connector that lets one connection through and no second one.
//!
//! A client whose connection has been closed would open another one, in the middle of a handshake
//! too. Behind the gate it fails instead, before anything was sent, and the request moves on.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
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
#[derive(Clone, Debug, Default)]
pub(super) struct Gate {
    is_shut: Arc<AtomicBool>,
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, connector: S) -> Gated<S> {
        Gated { connector, gate: self.clone() }
    }
}

/// A connector behind a gate.
#[derive(Clone, Debug)]
pub(super) struct Gated<S> {
    connector: S,
    gate: Gate,
}

impl<S, T> Service<T> for Gated<S>
where
    S: Service<T>,
    S::Error: Into<BoxError>,
{
    type Response = S::Response;
    type Error = BoxError;
    type Future = GateFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.connector.poll_ready(cx).map_err(Into::into)
    }

    fn call(&mut self, target: T) -> Self::Future {
        if self.gate.is_shut.swap(true, Ordering::Relaxed) {
            return GateFuture::Refusing { patience: tokio::time::sleep(PATIENCE) };
        }
        GateFuture::Connecting { connecting: self.connector.call(target) }
    }
}

pin_project! {
    /// Resolves to the connection, or to a refusal.
    #[project = GateProj]
    pub(super) enum GateFuture<F> {
        Connecting { #[pin] connecting: F },
        Refusing { #[pin] patience: Sleep },
    }
}

impl<F, T, E> Future for GateFuture<F>
where
    F: Future<Output = Result<T, E>>,
    E: Into<BoxError>,
{
    type Output = Result<T, BoxError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project() {
            GateProj::Connecting { connecting } => connecting.poll(cx).map_err(Into::into),
            GateProj::Refusing { patience } => {
                ready!(patience.poll(cx));
                Poll::Ready(Err(Gone.into()))
            }
        }
    }
}
