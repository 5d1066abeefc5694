//! Connections of our own, each step with a timeout: what a server says before anybody has logged in.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode, Uri, Version};
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use legwork::Origin;
use legwork::hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::ClientConfig;
use rustls::pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::oneshot;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::chain::{causes, chain};
use crate::doctor::facts::{Failure, FailureKind};
use crate::trust::NO_AUTHORITIES;

/// What is read of an answer's body: beyond it the connection is given up.
const MAX_BODY_OCTETS: usize = 64 * 1024;
/// How many addresses of one name are tried.
const MAX_ADDRESSES: usize = 8;

pub(crate) const H2: &[u8] = b"h2";
pub(crate) const HTTP1: &[u8] = b"http/1.1";

impl Failure {
    pub(crate) fn new(kind: FailureKind, says: impl Into<String>) -> Self {
        Self { kind, says: says.into() }
    }
}

/// Waits for one step, and not for ever.
pub(crate) async fn step<T>(
    what: &str,
    timeout: Duration,
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    match tokio::time::timeout(timeout, work).await {
        Ok(done) => done,
        Err(_) => {
            let seconds = timeout.as_secs_f64();
            Err(Failure::new(FailureKind::Timeout, format!("{what} takes longer than {seconds} s")))
        }
    }
}

/// The addresses of a host.
pub(crate) async fn addresses(host: &str, port: u16, timeout: Duration) -> Result<Vec<SocketAddr>, Failure> {
    let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
    step("looking its name up", timeout, async move {
        let unknown = |error: io::Error| Failure::new(FailureKind::UnknownHost, chain(&error));
        let found = tokio::net::lookup_host((host.as_str(), port)).await.map_err(unknown)?;
        Ok(found.take(MAX_ADDRESSES).collect())
    })
    .await
}

/// The first of these addresses that answers.
pub(crate) async fn connect(
    addresses: &[SocketAddr],
    timeout: Duration,
) -> Result<(TcpStream, SocketAddr), Failure> {
    let mut last = Failure::new(FailureKind::UnknownHost, "its name has no addresses");
    for &address in addresses {
        let connected = step("connecting", timeout, async move {
            let failed =
                |error: io::Error| Failure::new(FailureKind::Unreachable, format!("{address}: {error}"));
            TcpStream::connect(address).await.map_err(failed)
        });
        match connected.await {
            Ok(stream) => return Ok((stream, address)),
            Err(failure) => last = failure,
        }
    }
    Err(last)
}

/// Why there is no TLS.
pub(crate) enum NoTls {
    /// The certificate is not trusted; TLS itself may well work.
    Untrusted(String),
    /// The server speaks none of the protocols that were offered by ALPN.
    NoCommonProtocol,
    Failed(Failure),
}

/// TLS over a connection, with these protocols by ALPN.
pub(crate) async fn tls(
    stream: Stream,
    host: &str,
    config: &ClientConfig,
    protocols: &[&[u8]],
    timeout: Duration,
) -> Result<TlsStream<Stream>, NoTls> {
    let mut config = config.clone();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    // A session of an earlier connection would hide the certificate.
    config.resumption = rustls::client::Resumption::disabled();
    let name = ServerName::try_from(host.trim_start_matches('[').trim_end_matches(']').to_owned());
    let name = name.map_err(|_| {
        NoTls::Failed(Failure::new(FailureKind::Tls, format!("{host} is no name for a certificate")))
    })?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    match tokio::time::timeout(timeout, handshake).await {
        Ok(Ok(stream)) => Ok(stream),
        Ok(Err(error)) => Err(no_tls(&error)),
        Err(_) => {
            let says = format!("the TLS handshake takes longer than {} s", timeout.as_secs_f64());
            Err(NoTls::Failed(Failure::new(FailureKind::Timeout, says)))
        }
    }
}

fn no_tls(error: &io::Error) -> NoTls {
    let tls = causes(error).find_map(|error| error.downcast_ref::<rustls::Error>());
    match tls {
        Some(error @ rustls::Error::InvalidCertificate(_)) => NoTls::Untrusted(error.to_string()),
        Some(rustls::Error::General(words)) if words.contains(NO_AUTHORITIES) => {
            NoTls::Untrusted(words.clone())
        }
        Some(rustls::Error::AlertReceived(rustls::AlertDescription::NoApplicationProtocol)) => {
            NoTls::NoCommonProtocol
        }
        Some(rustls::Error::InvalidMessage(_)) => NoTls::Failed(Failure::new(
            FailureKind::Tls,
            format!("what answers there does not speak TLS ({})", chain(error)),
        )),
        _ => NoTls::Failed(Failure::new(FailureKind::Tls, chain(error))),
    }
}

/// The server's certificate.
pub(crate) fn certificate(stream: &TlsStream<Stream>) -> Option<CertificateDer<'static>> {
    stream.get_ref().1.peer_certificates()?.first().map(|certificate| certificate.clone().into_owned())
}

/// A connection that requests go over.
pub(crate) struct Connection {
    sender: Sender,
    /// Why it ended: a request that fails for that only says that it did.
    end: oneshot::Receiver<hyper::Error>,
}

enum Sender {
    Http1(http1::SendRequest<Empty<Bytes>>),
    Http2(http2::SendRequest<Empty<Bytes>>),
}

/// What came for a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    pub(crate) headers: HeaderMap,
    /// When it came.
    pub(crate) at: SystemTime,
    /// Whether another request can follow.
    pub(crate) kept: bool,
}

impl Answer {
    /// A field's value, as text.
    pub(crate) fn field(&self, name: impl http::header::AsHeaderName) -> Option<String> {
        self.headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    }
}

impl Connection {
    pub(crate) async fn http1(stream: Stream, timeout: Duration) -> Result<Self, Failure> {
        step("opening HTTP/1.1", timeout, async {
            let (sender, connection) =
                http1::handshake(TokioIo::new(stream)).await.map_err(|error| broken(&error))?;
            Ok(Self { sender: Sender::Http1(sender), end: drive(connection.with_upgrades()) })
        })
        .await
    }

    pub(crate) async fn http2(stream: Stream, timeout: Duration) -> Result<Self, Failure> {
        step("opening HTTP/2", timeout, async {
            let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                .await
                .map_err(|error| broken(&error))?;
            Ok(Self { sender: Sender::Http2(sender), end: drive(connection) })
        })
        .await
    }

    pub(crate) fn is_http2(&self) -> bool {
        matches!(self.sender, Sender::Http2(_))
    }

    /// Sends a request, and reads the answer to its end or to the limit.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Empty<Bytes>>,
        timeout: Duration,
    ) -> Result<Answer, Failure> {
        let response = step("the answer", timeout, self.send(request)).await?;
        let at = SystemTime::now();
        let (head, body) = response.into_parts();
        // One that trickles is given up, and what its head says is kept.
        let is_read = tokio::time::timeout(timeout, read(body)).await.unwrap_or(false);
        let kept = is_read && !has_close(&head.headers, head.version) && self.is_open(timeout).await;
        Ok(Answer { status: head.status, version: head.version, headers: head.headers, at, kept })
    }

    async fn send(&mut self, request: Request<Empty<Bytes>>) -> Result<http::Response<Incoming>, Failure> {
        let sent = match &mut self.sender {
            Sender::Http1(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
            Sender::Http2(sender) => match sender.ready().await {
                Ok(()) => sender.send_request(request).await,
                Err(error) => Err(error),
            },
        };
        match sent {
            Ok(response) => Ok(response),
            Err(error) if error.is_canceled() || error.is_closed() => {
                // The connection has ended, and says why as soon as it is done with that.
                Err(broken(&(&mut self.end).await.unwrap_or(error)))
            }
            Err(error) => Err(broken(&error)),
        }
    }

    /// Whether the other side has left the connection open. One that closes a moment after its answer
    /// may still be seen as open.
    async fn is_open(&mut self, timeout: Duration) -> bool {
        let ready = async {
            match &mut self.sender {
                Sender::Http1(sender) => sender.ready().await,
                Sender::Http2(sender) => sender.ready().await,
            }
        };
        tokio::time::timeout(timeout, ready).await.is_ok_and(|ready| ready.is_ok())
    }

    /// Asks a proxy for a tunnel.
    pub(crate) async fn tunnel(
        mut self,
        target: &Origin,
        timeout: Duration,
    ) -> Result<(Answer, Option<Stream>), Failure> {
        let mut response =
            step("the proxy's answer", timeout, self.send(connect_request(target, None)?)).await?;
        let at = SystemTime::now();
        let (status, version) = (response.status(), response.version());
        let headers = std::mem::take(response.headers_mut());
        if status.is_success() {
            let upgraded = hyper::upgrade::on(response).await.map_err(|error| broken(&error))?;
            let answer = Answer { status, version, headers, at, kept: true };
            return Ok((answer, Some(Stream::new(TokioIo::new(upgraded)))));
        }
        let is_read = tokio::time::timeout(timeout, read(response.into_body())).await.unwrap_or(false);
        let kept = is_read && !has_close(&headers, version) && self.is_open(timeout).await;
        Ok((Answer { status, version, headers, at, kept }, None))
    }
}

/// A `CONNECT`, as this library's client sends it.
pub(crate) fn connect_request(
    target: &Origin,
    authorization: Option<(HeaderName, HeaderValue)>,
) -> Result<Request<Empty<Bytes>>, Failure> {
    let authority = format!("{}:{}", target.host(), target.port());
    let uri: Uri = authority
        .parse()
        .map_err(|_| Failure::new(FailureKind::Tunnel, format!("{authority} cannot be asked for")))?;
    Ok(request(Method::CONNECT, uri, Some(&authority), authorization))
}

/// A request as it goes over the wire; without `Host` for HTTP/2.
pub(crate) fn request(
    method: Method,
    uri: Uri,
    host: Option<&str>,
    authorization: Option<(HeaderName, HeaderValue)>,
) -> Request<Empty<Bytes>> {
    let mut request = Request::new(Empty::new());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    let headers = request.headers_mut();
    if let Some(host) = host.and_then(|host| HeaderValue::from_str(host).ok()) {
        headers.insert(HOST, host);
    }
    headers.insert(USER_AGENT, HeaderValue::from_static(concat!("legwork/", env!("CARGO_PKG_VERSION"))));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.extend(authorization);
    request
}

/// Reads a body; tells whether that was all of it.
async fn read(mut body: Incoming) -> bool {
    let mut octets = 0;
    while let Some(frame) = body.frame().await {
        let Ok(frame) = frame else { return false };
        octets += frame.data_ref().map_or(0, Bytes::len);
        if octets > MAX_BODY_OCTETS {
            return false;
        }
    }
    true
}

fn has_close(headers: &HeaderMap, version: Version) -> bool {
    let mut options = headers
        .get_all(CONNECTION)
        .into_iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(',').map(str::trim));
    match version {
        Version::HTTP_10 => !options.any(|option| option.eq_ignore_ascii_case("keep-alive")),
        _ => options.any(|option| option.eq_ignore_ascii_case("close")),
    }
}

/// Runs a connection; tells why it failed.
fn drive(
    connection: impl Future<Output = Result<(), hyper::Error>> + Send + 'static,
) -> oneshot::Receiver<hyper::Error> {
    let (tell, told) = oneshot::channel();
    tokio::spawn(async move {
        if let Err(error) = connection.await {
            // Mostly nobody waits for it any longer.
            let _ = tell.send(error);
        }
    });
    told
}

fn broken(error: &hyper::Error) -> Failure {
    Failure::new(FailureKind::Answer, chain(error))
}

trait Io: AsyncRead + AsyncWrite + Send {}
impl<T: AsyncRead + AsyncWrite + Send> Io for T {}

/// A connection of any kind: TCP, TLS, a tunnel.
pub(crate) struct Stream(Pin<Box<dyn Io>>);

impl Stream {
    pub(crate) fn new(stream: impl AsyncRead + AsyncWrite + Send + 'static) -> Self {
        Self(Box::pin(stream))
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Stream(..)")
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_read(cx, buf)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.0.as_mut().poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.as_mut().poll_shutdown(cx)
    }
}
