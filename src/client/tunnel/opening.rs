//! From a connection to the proxy to a tunnel through it.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::{Method, Request, Response, Uri, header};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, Parts};
use hyper::ext::ReasonPhrase;
use hyper::rt::{Read, Write};

use crate::client::connect::connector::{Connect, extra};
use crate::client::connection::HyperConnection;
use crate::client::connection::to_proxy::ToProxy;
use crate::client::proxy::ConnectFields;
use crate::client::retries::{Retries, RetryLimits};
use crate::client::tunnel::stream::TunnelStream;
use crate::handshake::{Acting, Authenticator, Identity, Outcome};
use crate::protection_space::{Challenger, Origin};
use crate::service::tunnel::TunnelErrorKind;
use crate::service::{
    Channel, ConnectionInfo, Environment, Error, ErrorKind, FailedRequest, LegBody, Payload, PreparedRequest,
    Sending,
};

/// `CONNECT` has no content.
type NoBody = String;

/// How much of a proxy's answer is buffered: its head has to fit.
const MAX_BUFFERED: usize = 64 * 1024;

/// What it takes to open tunnels, through whichever proxy.
pub(in crate::client) struct TunnelOpening<'a, C> {
    pub(in crate::client) connector: &'a C,
    pub(in crate::client) authenticator: &'a Authenticator,
    pub(in crate::client) environment: &'a Arc<Environment>,
    pub(in crate::client) http1: &'a http1::Builder,
}

impl<C: Connect> TunnelOpening<'_, C> {
    /// A tunnel through `proxy` as `identity`: on another connection where one does not last.
    pub(in crate::client) async fn open(
        &self,
        proxy: &Origin,
        identity: &Identity,
        fields: &ConnectFields,
        target: &str,
    ) -> Result<TunnelStream<C::Io>, TunnelErrorKind> {
        let mut prepared = PreparedRequest {
            request: connect_to(target, identity, fields).map(Payload::new),
            // Nobody is logged in anywhere but at the proxy.
            acting: Acting::new(Identity::None, identity.clone()),
        };
        // Each connection is a new one: one that is found dead is like one that was closed.
        let mut retries =
            Retries::within(RetryLimits { unsent: 1, restarts: self.environment.limits.restarts });
        loop {
            let mut connector = self.connector.clone();
            let io = connector.connect(proxy.to_uri()).await.map_err(TunnelErrorKind::Unreachable)?;
            let failure = match self.converse(io, proxy, prepared).await {
                Ok(answered) => return answered,
                Err(failure) => failure,
            };
            (_, prepared) = retries.again(*failure).map_err(TunnelErrorKind::Failed)?;
        }
    }

    /// All legs over one connection, up to an answer that is no challenge to be met.
    async fn converse(
        &self,
        io: C::Io,
        proxy: &Origin,
        prepared: PreparedRequest<NoBody>,
    ) -> Result<Result<TunnelStream<C::Io>, TunnelErrorKind>, Box<FailedRequest<NoBody>>> {
        // The origin of these requests is the proxy itself: nothing is learnt of another one.
        let mut info = ConnectionInfo::new(proxy.clone()).proxy(proxy.clone());
        info.channel_bindings = extra(&io);

        let mut http1 = self.http1.clone();
        // In HTTP/0.9 whatever the proxy says would be a 200.
        http1.max_buf_size(MAX_BUFFERED).http09_responses(false);
        let (io, requests) = ToProxy::new(io);
        let (sender, connection) = match http1.handshake(io).await {
            Ok(both) => both,
            Err(error) => return Ok(Err(lost(error))),
        };
        let environment = Arc::clone(self.environment);
        let connection_to_proxy = HyperConnection::to_proxy(sender, requests, None);
        let channel = Channel::new(connection_to_proxy, self.authenticator, environment, &info);
        let mut connection = DrivenConnection::new(connection);
        let response = connection.carry(pin!(Sending::again(channel, prepared))).await?;
        if !response.status().is_success() {
            return Ok(Err(answered(&response)));
        }
        let Parts { io, read_buf, .. } = match connection.end().await {
            Ok(parts) => parts,
            Err(error) => return Ok(Err(lost(error))),
        };
        let (io, unread) = io.into_parts();
        let early = if unread.is_empty() { read_buf } else { [read_buf, unread].concat().into() };
        Ok(Ok(TunnelStream::new(io, early)))
    }
}

/// The port is always written (RFC 9112, section 3.2.3).
pub(in crate::client) fn authority(origin: &Origin) -> String {
    format!("{}:{}", origin.host(), origin.port())
}

/// `Host` says the same as the target.
fn connect_to(target: &str, identity: &Identity, fields: &ConnectFields) -> Request<NoBody> {
    let uri: Uri = target.parse().expect("host and port of an origin are an authority");
    let mut request = Request::builder().method(Method::CONNECT).uri(uri).header(header::HOST, target);
    if let Identity::CallersOwn(value) = identity {
        request = request.header(header::PROXY_AUTHORIZATION, value);
    }
    let mut request = request.body(NoBody::new()).expect("an authority is a field value");
    fields.add_to(request.headers_mut());
    request
}

/// The proxy said something else than yes. Its content is not read: the connection ends.
fn answered(response: &Response<Incoming>) -> TunnelErrorKind {
    let status = response.status();
    let reason = match response.extensions().get::<ReasonPhrase>() {
        Some(reason) if !reason.as_bytes().is_empty() => String::from_utf8_lossy(reason.as_bytes()),
        _ => status.canonical_reason().unwrap_or("(without a reason)").into(),
    };
    let reason = reason.chars().filter(|character| !character.is_control()).take(MAX_REASON).collect();
    let refusal = match response.extensions().get() {
        Some(Outcome::Refused(refusal)) if refusal.challenger == Challenger::Proxy => Some(refusal.clone()),
        _ => None,
    };
    TunnelErrorKind::Answered { status, reason, refusal }
}

/// How many characters of a reason phrase are kept.
const MAX_REASON: usize = 256;

fn lost(error: hyper::Error) -> TunnelErrorKind {
    TunnelErrorKind::Failed(Error::from(ErrorKind::Connection(error.into())))
}

/// HTTP on the connection to the proxy. It moves only while somebody waits for it here, so that a
/// dropped future takes the connection with it.
struct DrivenConnection<T: Read + Write> {
    open: Option<http1::Connection<T, LegBody<NoBody>>>,
    /// What is left when HTTP has ended, by a tunnel or by a connection that was closed.
    ended: Option<Result<Parts<T>, hyper::Error>>,
}

impl<T: Read + Write + Unpin> DrivenConnection<T> {
    fn new(connection: http1::Connection<T, LegBody<NoBody>>) -> Self {
        Self { open: Some(connection), ended: None }
    }

    /// Waits for what needs the connection.
    async fn carry<F: Future>(&mut self, mut work: Pin<&mut F>) -> F::Output {
        poll_fn(|cx| {
            // Once HTTP has ended, whoever still waits for it is told so by hyper.
            let _ = self.poll_end(cx);
            work.as_mut().poll(cx)
        })
        .await
    }

    /// The transport, once HTTP has ended on it.
    async fn end(mut self) -> Result<Parts<T>, hyper::Error> {
        poll_fn(|cx| self.poll_end(cx)).await;
        self.ended.expect("it has ended, somehow")
    }

    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(connection) = &mut self.open else { return Poll::Ready(()) };
        let result = ready!(connection.poll_without_shutdown(cx));
        self.ended = self.open.take().map(|connection| result.map(|()| connection.into_parts()));
        Poll::Ready(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_names_an_origin_can_be_asked_for() {
        let odd = (0..=0x7f_u8).map(|octet| format!("http://a{}b", char::from(octet)));
        let odder =
            ["http://u:p@h", "http://[::1]", "http://[fe80::1%25eth0]:1/", "https://h:0", "http://h:"];
        let mut asked = 0;
        for uri in odd.chain(odder.map(str::to_owned)) {
            let Ok(origin) = uri.parse::<Origin>() else { continue };
            let request = connect_to(&authority(&origin), &Identity::None, &ConnectFields::default());
            assert_eq!(request.headers()[header::HOST], request.uri().to_string(), "{uri}");
            assert_eq!(request.uri().port_u16(), Some(origin.port()), "{uri}");
            asked += 1;
        }
        assert!(asked > 60, "{asked}");
    }
}
