//! One connection of hyper's that allocates nothing per request, or a branch of one over HTTP/2.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Extensions, Request, Response};
use hyper::body::Incoming;

use crate::client::connection::interim;
use crate::client::pool::Poolable;
use crate::service::{BoxError, Expectation, LegBody, LegService, Tee};

/// hyper's response future cannot be named; it lives in this cell, made once per connection and
/// refilled for each leg.
pub(super) trait Cell<B>: Send {
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>>;
    fn send(self: Pin<&mut Self>, request: Request<LegBody<B>>);
    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>>;
    fn is_ready(&self) -> bool;
    fn is_closed(&self) -> bool;

    /// Whether it is ready once what moves it has seen that the last request and its response have ended.
    fn waits_for_its_task(&self) -> bool {
        false
    }

    /// The last response has been read to its end.
    fn rest(self: Pin<&mut Self>) {}

    /// Whether the next leg has to wait although the connection is ready.
    fn has_to_wait(&self) -> bool {
        false
    }

    /// Whether it is HTTP/1.1: over HTTP/2 hyper tells of no interim response.
    fn tells_of_continue(&self) -> bool;

    fn streams(&self) -> usize {
        1
    }

    fn branch(&self) -> Option<Pin<Box<dyn Cell<B>>>> {
        None
    }
}

/// One connection, or a branch of it.
pub(in crate::client) struct HyperConnection<B> {
    cell: Pin<Box<dyn Cell<B>>>,
    /// What the last request's body went through, for the next. It is there once all of that body was read.
    tee: Option<Arc<Tee<B>>>,
    /// The last request had a body.
    had_body: bool,
}

impl<B> HyperConnection<B> {
    pub(super) fn of(cell: Pin<Box<dyn Cell<B>>>) -> Self {
        Self { cell, tee: None, had_body: false }
    }
}

impl<B> Poolable for HyperConnection<B> {
    type Extra = ();

    fn streams(&self) -> usize {
        self.cell.streams()
    }

    fn branch(&self) -> Option<Self> {
        self.cell.branch().map(Self::of)
    }

    fn is_ready(&self) -> bool {
        self.cell.is_ready()
    }

    fn is_about_to_be_ready(&self) -> bool {
        let is_written = !self.had_body || self.tee.is_some();
        is_written && self.cell.waits_for_its_task() && !self.is_closed()
    }

    fn is_closed(&self) -> bool {
        self.cell.is_closed()
    }

    fn rest(&mut self) {
        self.cell.as_mut().rest();
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.cell.as_mut().poll_ready(cx).map_err(Into::into)
    }
}

impl<B> LegService<B> for HyperConnection<B> {
    /// It stays in the cell.
    type Leg = ();
    type Received = Incoming;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poolable::poll_ready(self, cx)
    }

    #[inline]
    fn has_to_wait(&self) -> bool {
        self.cell.has_to_wait()
    }

    #[inline]
    fn send(&mut self, request: Request<LegBody<B>>) {
        self.had_body = !request.body().is_empty();
        self.cell.as_mut().send(request);
    }

    #[inline]
    fn poll_response(
        &mut self,
        _: Pin<&mut ()>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>> {
        self.cell.as_mut().poll_response(cx)
    }

    fn tells_of_continue(&self) -> bool {
        self.cell.tells_of_continue()
    }

    fn fulfil_by_continue(&self, extensions: &mut Extensions, expectation: Expectation) -> bool {
        interim::fulfil_by_continue(extensions, expectation)
    }

    fn take_tee(&mut self) -> Option<Arc<Tee<B>>> {
        self.tee.take()
    }

    fn keep_tee(&mut self, tee: Arc<Tee<B>>) {
        self.tee = Some(tee);
    }
}
