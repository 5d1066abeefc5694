use std::borrow::Cow;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use http::Uri;
#[cfg(feature = "native-tls")]
use hyper::rt::Write;
use hyper::rt::{Read, ReadBufCursor};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::channel_bindings::ChannelBindings;
use crate::client::connect::write::write_to;
use crate::service::BoxFuture;

/// A connector over TLS whose connections tell their [`ChannelBindings`]: around a connector of your
/// own, so that logins are tied to its connections as to those of
/// [`build_https`](crate::client::ClientBuilder::build_https).
///
/// The bindings are taken from the server's certificate once, when the connection is made, and go
/// with it as an extra of its [`Connected`]. A certificate for which none are defined
/// ([`ChannelBindings::from_certificate`]) has none, nor has a connection over plain http.
///
/// ```
/// # #[cfg(feature = "rustls")]
/// # fn client(
/// #     authenticator: legwork::Authenticator,
/// #     https: hyper_rustls::HttpsConnector<hyper_util::client::legacy::connect::HttpConnector>,
/// # ) {
/// use legwork::Client;
/// use legwork::client::connect::ChannelBound;
///
/// let client: Client<String> = Client::with_connector(authenticator, ChannelBound::new(https));
/// # let _ = client;
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct ChannelBound<C> {
    connector: C,
}

impl<C> ChannelBound<C> {
    /// Wraps a connector, and tells the bindings of its connections.
    pub fn new(connector: C) -> Self {
        Self { connector }
    }
}

impl<C> Service<Uri> for ChannelBound<C>
where
    C: Service<Uri, Future: Send + 'static>,
    C::Response: ServerCertificate,
{
    type Response = BoundStream<C::Response>;
    type Error = C::Error;
    type Future = BoxFuture<Result<BoundStream<C::Response>, C::Error>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let connecting = self.connector.call(target);
        Box::pin(async move { connecting.await.map(BoundStream::new) })
    }
}

pin_project! {
    /// A connection that tells its bindings.
    #[derive(Debug)]
    pub struct BoundStream<T> {
        #[pin]
        stream: T,
        bindings: Option<ChannelBindings>,
    }
}

impl<T: ServerCertificate> BoundStream<T> {
    fn new(stream: T) -> Self {
        let certificate = stream.server_certificate();
        let bindings = certificate.and_then(|octets| ChannelBindings::from_certificate(&octets).ok());
        Self { stream, bindings }
    }
}

impl<T: Connection> Connection for BoundStream<T> {
    fn connected(&self) -> Connected {
        let connected = self.stream.connected();
        match &self.bindings {
            Some(bindings) => connected.extra(bindings.clone()),
            None => connected,
        }
    }
}

impl<T: Read> Read for BoundStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        self.project().stream.poll_read(cx, buffer)
    }
}

write_to!(BoundStream.stream);

/// A stream over TLS that knows its server's certificate: hyper-rustls's and hyper-tls's
/// `MaybeHttpsStream`. Not to be implemented elsewhere: a stream of your own gives
/// [`ChannelBindings`] as an extra of its [`Connected`] itself.
pub trait ServerCertificate: sealed::Sealed {
    /// The certificate in DER, on a resumed session too; none over plain http.
    fn server_certificate(&self) -> Option<Cow<'_, [u8]>>;
}

#[cfg(feature = "rustls")]
impl<T> ServerCertificate for hyper_rustls::MaybeHttpsStream<T> {
    fn server_certificate(&self) -> Option<Cow<'_, [u8]>> {
        let Self::Https(stream) = self else { return None };
        let (_, session) = stream.inner().get_ref();
        session.peer_certificates()?.first().map(|certificate| Cow::Borrowed(certificate.as_ref()))
    }
}

/// native-tls has a `tls_server_end_point()` of its own, which knows neither RSASSA-PSS nor EdDSA,
/// and on Apple's systems nothing at all.
#[cfg(feature = "native-tls")]
impl<T: Read + Write + Unpin> ServerCertificate for hyper_tls::MaybeHttpsStream<T> {
    fn server_certificate(&self) -> Option<Cow<'_, [u8]>> {
        let Self::Https(stream) = self else { return None };
        let certificate = stream.inner().get_ref().peer_certificate().ok()??;
        certificate.to_der().ok().map(Cow::Owned)
    }
}

mod sealed {
    pub trait Sealed {}

    #[cfg(feature = "rustls")]
    impl<T> Sealed for hyper_rustls::MaybeHttpsStream<T> {}

    #[cfg(feature = "native-tls")]
    impl<T> Sealed for hyper_tls::MaybeHttpsStream<T> {}
}
