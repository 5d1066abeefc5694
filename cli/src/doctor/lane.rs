//! The way to a server, to be opened again and again.

use std::net::SocketAddr;
use std::time::Duration;

use legwork::Origin;
use rustls::ClientConfig;
use tokio_rustls::client::TlsStream;

use crate::doctor::facts::{Failure, FailureKind};
use crate::doctor::wire::{self, Connection, HTTP1, NoTls, Stream};

/// Whom to trust, and how long to wait.
pub(crate) struct Settings {
    /// As the user has it.
    pub(crate) strict: ClientConfig,
    /// Anybody: for looking at what is not trusted. Nothing that is secret goes there.
    pub(crate) lax: ClientConfig,
    pub(crate) timeout: Duration,
}

/// The end of TCP's connection.
#[derive(Clone)]
pub(crate) struct First {
    pub(crate) origin: Origin,
    pub(crate) address: SocketAddr,
}

/// Direct, through a tunnel, or by plain http through a proxy.
#[derive(Clone)]
pub(crate) enum Lane {
    Direct(First),
    Tunnel(First, Origin),
    Forward(First),
}

impl Lane {
    /// Who answers at its end; at the end of a forwarding proxy that is the proxy.
    fn end(&self) -> &Origin {
        match self {
            Self::Direct(first) | Self::Forward(first) => &first.origin,
            Self::Tunnel(_, target) => target,
        }
    }

    /// Whether requests on it name the whole URI.
    pub(crate) fn forwards(&self) -> bool {
        matches!(self, Self::Forward(_))
    }

    /// What TLS, or HTTP, is to be spoken over.
    pub(crate) async fn dial(&self, settings: &Settings) -> Result<Stream, Failure> {
        let (Self::Direct(first) | Self::Forward(first) | Self::Tunnel(first, _)) = self;
        let (stream, _) = wire::connect(&[first.address], settings.timeout).await?;
        let stream = Stream::new(stream);
        let Self::Tunnel(first, target) = self else { return Ok(stream) };
        let stream = match first.origin.is_secure() {
            // What is between here and the proxy was looked at before.
            true => {
                Stream::new(any_tls(stream, &first.origin, &settings.lax, &[HTTP1], settings.timeout).await?)
            }
            false => stream,
        };
        let proxy = Connection::http1(stream, settings.timeout).await?;
        match proxy.tunnel(target, settings.timeout).await? {
            (_, Some(tunnel)) => Ok(tunnel),
            (answer, None) => {
                Err(Failure::new(FailureKind::Tunnel, format!("the proxy says {} this time", answer.status)))
            }
        }
    }

    /// TLS at its end, with these protocols; and why the certificate is not trusted.
    pub(crate) async fn handshake(
        &self,
        settings: &Settings,
        protocols: &[&[u8]],
    ) -> Result<(TlsStream<Stream>, Option<String>), NoTls> {
        let (host, timeout) = (self.end().host(), settings.timeout);
        let stream = self.dial(settings).await.map_err(NoTls::Failed)?;
        let why = match wire::tls(stream, host, &settings.strict, protocols, timeout).await {
            Ok(stream) => return Ok((stream, None)),
            Err(NoTls::Untrusted(why)) => why,
            Err(other) => return Err(other),
        };
        let stream = self.dial(settings).await.map_err(NoTls::Failed)?;
        let stream = wire::tls(stream, host, &settings.lax, protocols, timeout).await?;
        Ok((stream, Some(why)))
    }

    /// A connection for HTTP/1.1.
    pub(crate) async fn open(&self, settings: &Settings) -> Result<Connection, Failure> {
        let stream = self.dial(settings).await?;
        let stream = match self.end().is_secure() {
            true => {
                Stream::new(any_tls(stream, self.end(), &settings.lax, &[HTTP1], settings.timeout).await?)
            }
            false => stream,
        };
        Connection::http1(stream, settings.timeout).await
    }
}

async fn any_tls(
    stream: Stream,
    origin: &Origin,
    config: &ClientConfig,
    protocols: &[&[u8]],
    timeout: Duration,
) -> Result<TlsStream<Stream>, Failure> {
    wire::tls(stream, origin.host(), config, protocols, timeout).await.map_err(NoTls::into_failure)
}

impl NoTls {
    pub(crate) fn into_failure(self) -> Failure {
        match self {
            Self::Untrusted(why) => Failure::new(FailureKind::Tls, why),
            Self::NoCommonProtocol => {
                Failure::new(FailureKind::Tls, "it takes none of the protocols on offer")
            }
            Self::Failed(failure) => failure,
        }
    }
}
