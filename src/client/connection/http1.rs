//! A connection over HTTP/1.1.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response, StatusCode};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http1::{self, SendRequest};
use pin_project_lite::pin_project;
use tokio::task::JoinHandle;

use crate::client::connection::hyper_connection::{Cell, HyperConnection};
use crate::client::connection::to_proxy::Requests;
use crate::service::{BoxError, LegBody, LegError};

pin_project! {
    struct Sender<M, F, B> {
        sender: SendRequest<LegBody<B>>,
        send: M,
        // The transport that is told of each, if it is one to a proxy.
        requests: Option<Requests>,
        // What moves the connection, unless its caller does, or the connection is somebody else's by now.
        task: Option<ConnectionTask>,
        // A request has been sent whose response has not been read to its end.
        is_under_way: bool,
        #[pin]
        response: Option<F>,
    }

    /// In the middle of a request the connection ends at once. hyper would go on writing for as long as the server takes,
    /// and wait for one that reads no more.
    impl<M, F, B> PinnedDrop for Sender<M, F, B> {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            // Ready it may be before a request is written, where the server has answered early.
            let rests = !*this.is_under_way && this.sender.is_ready();
            if let (Some(task), false) = (this.task, rests) {
                task.abort();
            }
        }
    }
}

/// What moves a connection.
pub(in crate::client) type ConnectionTask = JoinHandle<Result<(), hyper::Error>>;

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
        *this.is_under_way = true;
    }

    fn rest(self: Pin<&mut Self>) {
        *self.project().is_under_way = false;
    }

    fn poll_response(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<Incoming>, BoxError>> {
        let this = self.project();
        let Some(response) = this.response.as_pin_mut() else {
            return Poll::Ready(Err("no leg is under way on the connection".into()));
        };
        // Answered, it stays until the next one takes its place: by then it holds nothing.
        let result = ready!(response.poll(cx)).map_err(|mut error| match error.take_message() {
            Some(_) => LegError::Unsent(error.into_error().into()).into(),
            None => error.into_error().into(),
        });
        if result.as_ref().is_ok_and(|response| response.status() == StatusCode::SWITCHING_PROTOCOLS) {
            // It goes on without HTTP.
            *this.task = None;
        }
        Poll::Ready(result)
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn waits_for_its_task(&self) -> bool {
        !self.is_under_way
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

impl<B> HyperConnection<B>
where
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    pub(in crate::client) fn new(sender: SendRequest<LegBody<B>>, task: ConnectionTask) -> Self {
        Self::telling(sender, None, Some(task))
    }

    /// To a proxy, by a transport that is told of each request. Without a task, its caller moves it.
    pub(in crate::client) fn to_proxy(
        sender: SendRequest<LegBody<B>>,
        requests: Requests,
        task: Option<ConnectionTask>,
    ) -> Self {
        Self::telling(sender, Some(requests), task)
    }

    fn telling(
        sender: SendRequest<LegBody<B>>,
        requests: Option<Requests>,
        task: Option<ConnectionTask>,
    ) -> Self {
        let send = |sender: &mut SendRequest<_>, request| sender.try_send_request(request);
        Self::of(Box::pin(Sender { sender, send, requests, task, is_under_way: false, response: None }))
    }
}
