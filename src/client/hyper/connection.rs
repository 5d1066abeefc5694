//! The leaf: one HTTP/1.1 connection as a tower service that allocates nothing per request.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::SendRequest;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::service::{BoxError, LegBody, Unsent};

/// hyper's response future cannot be named; it lives in this cell, made once per connection and
/// refilled for each leg.
trait Leg<B>: Send {
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>>;
    fn start(self: Pin<&mut Self>, request: Request<LegBody<B>>);
    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>>;
    fn cancel(self: Pin<&mut Self>);
    fn is_ready(&self) -> bool;
    fn is_closed(&self) -> bool;
}

pin_project! {
    struct Cell<M, F, B> {
        sender: SendRequest<LegBody<B>>,
        send: M,
        #[pin]
        response: Option<F>,
    }
}

impl<M, F, B> Leg<B> for Cell<M, F, B>
where
    M: Fn(&mut SendRequest<LegBody<B>>, Request<LegBody<B>>) -> F + Send,
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<LegBody<B>>>>> + Send,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.project().sender.poll_ready(cx)
    }

    fn start(self: Pin<&mut Self>, request: Request<LegBody<B>>) {
        let mut this = self.project();
        let response = (this.send)(this.sender, request);
        this.response.set(Some(response));
    }

    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>> {
        let mut this = self.project();
        let Some(response) = this.response.as_mut().as_pin_mut() else {
            return Poll::Ready(Err("no leg is under way on the connection".into()));
        };
        let result = ready!(response.poll(cx));
        this.response.set(None);
        Poll::Ready(result.map_err(|mut error| match error.take_message() {
            Some(_) => Unsent::new(error.into_error()).into(),
            None => error.into_error().into(),
        }))
    }

    fn cancel(self: Pin<&mut Self>) {
        self.project().response.set(None);
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }
}

/// One connection.
pub(super) struct Connection<B> {
    cell: Arc<Shared<B>>,
}

struct Shared<B>(Mutex<Pin<Box<dyn Leg<B>>>>);

impl<B> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, Pin<Box<dyn Leg<B>>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<B> Connection<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(super) fn new(sender: SendRequest<LegBody<B>>) -> Self {
        let send = |sender: &mut SendRequest<_>, request| sender.try_send_request(request);
        let cell = Box::pin(Cell { sender, send, response: None });
        Self { cell: Arc::new(Shared(Mutex::new(cell))) }
    }
}

impl<B> Connection<B> {
    pub(super) fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        self.cell.lock().as_mut().poll_ready(cx)
    }

    /// Whether another request can be sent now.
    pub(super) fn is_ready(&self) -> bool {
        self.cell.lock().is_ready()
    }

    pub(super) fn is_closed(&self) -> bool {
        self.cell.lock().is_closed()
    }
}

impl<B> Service<Request<LegBody<B>>> for Connection<B> {
    type Response = Response<Incoming>;
    type Error = BoxError;
    type Future = LegFuture<B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Connection::poll_ready(self, cx).map_err(Into::into)
    }

    fn call(&mut self, request: Request<LegBody<B>>) -> LegFuture<B> {
        self.cell.lock().as_mut().start(request);
        LegFuture { cell: Some(Arc::clone(&self.cell)) }
    }
}

/// A leg under way. Dropped before its response, it gives the leg up.
pub(super) struct LegFuture<B> {
    cell: Option<Arc<Shared<B>>>,
}

impl<B> Future for LegFuture<B> {
    type Output = Result<Response<Incoming>, BoxError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let cell = self.cell.as_ref().expect("not polled after it was ready");
        let result = ready!(cell.lock().as_mut().poll_response(cx));
        self.cell = None;
        Poll::Ready(result)
    }
}

impl<B> Drop for LegFuture<B> {
    fn drop(&mut self) {
        if let Some(cell) = self.cell.take() {
            cell.lock().as_mut().cancel();
        }
    }
}
