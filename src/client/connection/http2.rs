//! A connection over HTTP/2: many requests at a time, each on a branch of it.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use h2::Reason;
use http::uri::{Authority, PathAndQuery, Scheme};
use http::{HeaderValue, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::TrySendError;
use hyper::client::conn::http2::{self, SendRequest};
use hyper_util::rt::TokioExecutor;
use pin_project_lite::pin_project;
use tokio::time::Sleep;

use crate::client::connect::secure::Transport;
use crate::client::connection::hyper_connection::{Cell, HyperConnection};
use crate::handshake::HttpVersion;
use crate::handshake::memory::OriginMemory;
use crate::service::{BoxError, LegBody, LegError};

/// How many requests are given to a connection before the server has said how many it takes. Those
/// that are too many wait in the connection.
const REQUESTS_AT_FIRST: usize = 256;

/// How many streams are opened before the server has said how many it takes (its `SETTINGS`). The
/// first request waits for nothing; the others, for a round trip at the most.
const STREAMS_AT_FIRST: usize = 1;

/// How long the next request waits after a refused stream: a server that is busy would refuse it too.
/// Each further refusal in a row doubles the pause, up to so many times.
const PAUSE: Duration = Duration::from_millis(1);
const MOST_DOUBLINGS: u32 = 6;

/// What the branches of a connection share.
pub(in crate::client) struct Common {
    scheme: Scheme,
    authority: Authority,
    /// What is known of the origin, where a connection over HTTP/1.1 can be had instead.
    memory: Option<Arc<OriginMemory>>,
    /// How many streams the server takes.
    streams: AtomicUsize,
    /// The server's settings have come.
    answered: AtomicBool,
    /// The connection has failed a request, even if that does not show yet.
    failed: AtomicBool,
    /// How many streams were refused since the last one was answered.
    refusals: AtomicU32,
}

impl Common {
    /// For a connection to the host of `target`.
    pub(in crate::client) fn new(target: &Uri, memory: Option<Arc<OriginMemory>>) -> Self {
        Self {
            scheme: target.scheme().cloned().unwrap_or(Scheme::HTTPS),
            authority: target.authority().cloned().expect("a target to connect to has a host"),
            memory,
            streams: AtomicUsize::new(REQUESTS_AT_FIRST),
            answered: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            refusals: AtomicU32::new(0),
        }
    }

    /// Whether the connection is to take no further requests.
    fn is_retired(&self) -> bool {
        let needs_http1 = |memory: &Arc<OriginMemory>| memory.version() == HttpVersion::Http1;
        self.failed.load(Relaxed) || self.memory.as_ref().is_some_and(needs_http1)
    }

    /// The connection now opens so many streams at the most.
    fn learn_streams(&self, most: usize) {
        // Before the settings have come it is what was assumed.
        if most != STREAMS_AT_FIRST || self.answered.load(Relaxed) {
            self.streams.store(most, Relaxed);
        }
    }

    /// How long the next request has to wait, where streams are being refused.
    fn pause(&self) -> Option<Duration> {
        let doublings = self.refusals.load(Relaxed).checked_sub(1)?;
        Some(PAUSE * 2_u32.pow(doublings.min(MOST_DOUBLINGS)))
    }

    /// The request as HTTP/2 has it: `Host` becomes the authority (RFC 9113, section 8.3.1).
    fn address<T>(&self, request: &mut Request<T>) {
        let host = request.headers_mut().remove(header::HOST);
        let parse = |host: HeaderValue| match host.as_bytes() == self.authority.as_str().as_bytes() {
            true => None,
            false => Authority::try_from(host.as_bytes()).ok(),
        };
        let authority = host.and_then(parse).unwrap_or_else(|| self.authority.clone());
        let target = request.uri().path_and_query().cloned();
        let uri = Uri::builder()
            .scheme(self.scheme.clone())
            .authority(authority)
            .path_and_query(target.unwrap_or(PathAndQuery::from_static("/")))
            .build();
        *request.uri_mut() = uri.expect("scheme, authority and path are a URI");
    }

    /// What the failure of a stream means for the connection, and for the request.
    fn judge<T>(&self, mut error: TrySendError<T>) -> BoxError {
        let is_back = error.take_message().is_some();
        let error = error.into_error();
        let mut source = std::error::Error::source(&error);
        let of_stream = loop {
            match source {
                Some(cause) => match cause.downcast_ref::<h2::Error>() {
                    Some(cause) => break Some(cause),
                    None => source = cause.source(),
                },
                None => break None,
            }
        };
        let is_reset = of_stream.is_some_and(h2::Error::is_reset);
        let is_said = of_stream.is_some_and(h2::Error::is_remote);
        let reason = of_stream.filter(|_| is_said).and_then(h2::Error::reason);
        // Past `GOAWAY`'s last stream nothing was looked at (RFC 9113, section 6.8).
        let is_past_end = is_said && of_stream.is_some_and(h2::Error::is_go_away);
        if !is_reset {
            self.failed.store(true, Relaxed);
        }
        match reason {
            Some(Reason::HTTP_1_1_REQUIRED) => {
                self.failed.store(true, Relaxed);
                LegError::Http1Required(error.into()).into()
            }
            Some(Reason::REFUSED_STREAM) => {
                self.refusals.fetch_add(1, Relaxed);
                LegError::Unsent(error.into()).into()
            }
            _ if is_back || is_past_end => LegError::Unsent(error.into()).into(),
            _ if is_reset => LegError::Reset(error.into()).into(),
            _ => error.into(),
        }
    }
}

pin_project! {
    struct Branch<M, F, B> {
        sender: SendRequest<LegBody<B>>,
        send: M,
        common: Arc<Common>,
        // Before the next request, where streams are being refused.
        pause: Option<Pin<Box<Sleep>>>,
        #[pin]
        response: Option<F>,
    }
}

impl<M, F, B> Cell<B> for Branch<M, F, B>
where
    M: Fn(&mut SendRequest<LegBody<B>>, Request<LegBody<B>>) -> F + Clone + Send + 'static,
    F: Future<Output = Result<Response<Incoming>, TrySendError<Request<LegBody<B>>>>> + Send + 'static,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    fn poll_ready(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), hyper::Error>> {
        let this = self.project();
        if this.pause.is_none() {
            *this.pause = this.common.pause().map(|pause| Box::pin(tokio::time::sleep(pause)));
        }
        if let Some(pause) = this.pause {
            ready!(pause.as_mut().poll(cx));
        }
        this.sender.poll_ready(cx)
    }

    fn send(self: Pin<&mut Self>, mut request: Request<LegBody<B>>) {
        let mut this = self.project();
        *this.pause = None;
        this.common.address(&mut request);
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
        Poll::Ready(match result {
            Ok(response) => {
                this.common.answered.store(true, Relaxed);
                this.common.refusals.store(0, Relaxed);
                Ok(response)
            }
            Err(error) => Err(this.common.judge(error)),
        })
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready()
    }

    fn is_closed(&self) -> bool {
        self.sender.is_closed() || self.common.is_retired()
    }

    fn has_to_wait(&self) -> bool {
        self.common.pause().is_some()
    }

    fn tells_of_continue(&self) -> bool {
        false
    }

    fn streams(&self) -> usize {
        self.common.streams.load(Relaxed)
    }

    fn branch(&self) -> Option<Pin<Box<dyn Cell<B>>>> {
        Some(Box::pin(Self {
            sender: self.sender.clone(),
            send: self.send.clone(),
            common: Arc::clone(&self.common),
            pause: None,
            response: None,
        }))
    }
}

/// HTTP/2 on a transport that has agreed to it.
pub(in crate::client) async fn connection<T, B>(io: T, common: Common) -> Result<HyperConnection<B>, BoxError>
where
    T: Transport + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    let mut http2 = http2::Builder::new(TokioExecutor::new());
    http2.initial_max_send_streams(STREAMS_AT_FIRST);
    let (sender, mut connection) = http2.handshake(io).await?;
    let common = Arc::new(common);
    let watched = Arc::downgrade(&common);
    tokio::spawn(std::future::poll_fn(move |cx| {
        // Its errors reach the requests on it.
        let done = Pin::new(&mut connection).poll(cx).map(drop);
        if let Some(common) = watched.upgrade() {
            common.learn_streams(connection.current_max_send_streams());
        }
        done
    }));
    let send = |sender: &mut SendRequest<_>, request| sender.try_send_request(request);
    Ok(HyperConnection::of(Box::pin(Branch { sender, send, common, pause: None, response: None })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_in_a_row_make_the_pause_longer_up_to_a_bound() {
        let common = Common::new(&Uri::from_static("https://lab.example/"), None);
        assert_eq!(common.pause(), None);
        let pauses: Vec<_> = (1..=9)
            .map(|refusals| {
                common.refusals.store(refusals, Relaxed);
                common.pause().map_or(0, |pause| pause.as_millis())
            })
            .collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
    }

    #[test]
    fn how_many_streams_a_server_takes_is_known_by_its_settings_or_its_first_answer() {
        let common = Common::new(&Uri::from_static("https://lab.example/"), None);
        let streams = || common.streams.load(Relaxed);
        common.learn_streams(STREAMS_AT_FIRST);
        assert_eq!(streams(), REQUESTS_AT_FIRST, "it may have said nothing yet");
        common.learn_streams(10);
        assert_eq!(streams(), 10);
        common.answered.store(true, Relaxed);
        common.learn_streams(STREAMS_AT_FIRST);
        assert_eq!(streams(), STREAMS_AT_FIRST);
    }

    #[test]
    fn a_request_is_to_the_host_that_its_caller_names() {
        let common = Common::new(&Uri::from_static("https://lab.example:8443/"), None);
        for (host, uri) in [
            (None, "https://lab.example:8443/path?query"),
            (Some("lab.example:8443"), "https://lab.example:8443/path?query"),
            (Some("other.example"), "https://other.example/path?query"),
            (Some("no host"), "https://lab.example:8443/path?query"),
        ] {
            let mut request = Request::get("/path?query").body(()).expect("a request");
            if let Some(host) = host {
                request.headers_mut().insert(header::HOST, HeaderValue::from_static(host));
            }
            common.address(&mut request);
            assert_eq!(request.uri(), uri, "{host:?}");
            assert!(!request.headers().contains_key(header::HOST));
        }
    }
}
