//! The leaf: one HTTP/1.1 connection that allocates nothing per request, or a branch of one by HTTP/2.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Extensions, Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use pin_project_lite::pin_project;

use crate::client::hyper::to_proxy::Requests;
use crate::client::interim;
use crate::client::pool::Leaf;
use crate::service::{BoxError, Expectation, LegBody, Line, Tee, Unsent};

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

    /// Whether it is HTTP/1.1: over HTTP/2 hyper tells of no interim response.
    fn tells_of_continue(&self) -> bool;

    fn streams(&self) -> usize {
        1
    }

    fn branch(&self) -> Option<Pin<Box<dyn Cell<B>>>> {
        None
    }
}

pin_project! {
    struct Sender<M, F, B> {
        sender: SendRequest<LegBody<B>>,
        send: M,
        // The transport that is told of each, if it is one to a proxy.
        requests: Option<Requests>,
        #[pin]
        response: Option<F>,
    }
}

impl<M, F, B> Cell<B> for Sender<M, F, B>
where
    M: Fn(&mut SendRequest<LegBody<B>>, Request<LegBody<B>>) -> F + Send,
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<LegBody<B>>>>> + Send,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.project().sender.poll_ready(cx)
    }

    fn send(self: Pin<&mut Self>, request: Request<LegBody<B>>) {
        let mut this = self.project();
        if let Some(requests) = this.requests {
            requests.begin();
        }
        let response = (this.send)(this.sender, request);
        this.response.set(Some(response));
    }

    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>> {
        let Some(response) = self.project().response.as_pin_mut() else {
            return Poll::Ready(Err("no leg is under way on the connection".into()));
        };
        // Answered, it stays until the next one takes its place: by then it holds nothing.
        match ready!(response.poll(cx)) {
            Ok(response) => Poll::Ready(Ok(response)),
            Err(mut error) => Poll::Ready(Err(match error.take_message() {
                Some(_) => Unsent::new(error.into_error()).into(),
                None => error.into_error().into(),
            })),
        }
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    fn tells_of_continue(&self) -> bool {
        true
    }
}

/// The default settings for HTTP/1: hyper's, but for folded challenges.
pub(in crate::client) fn http1_settings() -> http1::Builder {
    let mut http1 = http1::Builder::new();
    http1.allow_obsolete_multiline_headers_in_responses(true);
    http1
}

/// One connection, or a branch of it.
pub(in crate::client) struct Connection<B> {
    cell: Pin<Box<dyn Cell<B>>>,
    /// What the last request's body went through, for the next.
    tee: Option<Arc<Tee<B>>>,
}

impl<B> Connection<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(in crate::client) fn new(sender: SendRequest<LegBody<B>>) -> Self {
        Self::telling(sender, None)
    }

    /// To a proxy, by a transport that is told of each request.
    pub(in crate::client) fn to_proxy(sender: SendRequest<LegBody<B>>, requests: Requests) -> Self {
        Self::telling(sender, Some(requests))
    }

    fn telling(sender: SendRequest<LegBody<B>>, requests: Option<Requests>) -> Self {
        let send = |sender: &mut SendRequest<_>, request| sender.try_send_request(request);
        Self::of(Box::pin(Sender { sender, send, requests, response: None }))
    }
}

impl<B> Connection<B> {
    pub(super) fn of(cell: Pin<Box<dyn Cell<B>>>) -> Self {
        Self { cell, tee: None }
    }
}

impl<B> Leaf for Connection<B> {
    fn streams(&self) -> usize {
        self.cell.streams()
    }

    fn branch(&self) -> Option<Self> {
        self.cell.branch().map(Self::of)
    }

    fn is_ready(&self) -> bool {
        self.cell.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.cell.is_closed()
    }

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.cell.as_mut().poll_ready(cx).map_err(Into::into)
    }
}

impl<B> Line<B> for Connection<B> {
    /// It stays in the cell.
    type Leg = ();
    type Received = Incoming;
    type Error = BoxError;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Leaf::poll_ready(self, cx)
    }

    fn send(&mut self, request: Request<LegBody<B>>) {
        self.cell.as_mut().send(request);
    }

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
