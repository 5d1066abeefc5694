//! One connection, as legs are put on it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::service::body::{LegBody, Tee};
use crate::service::error::BoxError;
use crate::service::expectation::Expectation;

/// A connection that takes one leg after another: any tower service, or one that keeps the leg
/// that is out to itself, so that nobody need hold on to both.
pub(crate) trait LegService<B> {
    /// A leg that is out.
    type Leg;
    /// The body of a response.
    type Received: Body;
    /// Why it fails.
    type Error: Into<BoxError>;

    /// Ready when the next leg can be sent.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>>;

    /// Whether the next leg has to wait although the connection was ready when the last one had ended: it is to be asked
    /// again whether it [is](Self::poll_ready).
    #[inline]
    fn has_to_wait(&self) -> bool {
        false
    }

    /// A request begins: keeps what of its extensions is for each of its legs, so that it need not be copied for each.
    fn keep(&mut self, _: &mut Extensions) {}

    /// The request goes on over another connection, and takes that along.
    fn give_back(&mut self, _: &mut Extensions) {}

    /// Sends a leg.
    fn send(&mut self, request: Request<LegBody<B>>) -> Self::Leg;

    /// Ready when the leg is answered.
    fn poll_response(
        &mut self,
        leg: Pin<&mut Self::Leg>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Self::Received>, Self::Error>>;

    /// Whether it is hyper over HTTP/1.1, which tells of `100 Continue`, so that a body can wait for it.
    fn tells_of_continue(&self) -> bool {
        false
    }

    /// Has `100 Continue` in answer to the leg with these extensions fulfil the expectation. Tells whether
    /// it will.
    fn fulfil_by_continue(&self, _: &mut Extensions, _: Expectation) -> bool {
        false
    }

    /// What an earlier request's body went through, to be used again.
    fn take_tee(&mut self) -> Option<Arc<Tee<B>>> {
        None
    }

    /// Keeps it for the next request. A service's type does not tell `B`: it has no place for it.
    fn keep_tee(&mut self, _: Arc<Tee<B>>) {}
}

impl<S, B, R> LegService<B> for S
where
    S: Service<Request<LegBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    R: Body,
{
    type Leg = S::Future;
    type Received = R;
    type Error = S::Error;

    #[inline]
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        Service::poll_ready(self, cx)
    }

    #[inline]
    fn send(&mut self, request: Request<LegBody<B>>) -> S::Future {
        self.call(request)
    }

    #[inline]
    fn poll_response(
        &mut self,
        leg: Pin<&mut S::Future>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, S::Error>> {
        leg.poll(cx)
    }
}
