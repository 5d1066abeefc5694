//! The way to the upstream proxy.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use legwork::client::connect::ChannelBound;
use legwork::client::tunnel::{Tunnel, TunnelError};
use legwork::{Authenticator, Origin};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tower::ServiceExt;

/// The proxy that wants a login, and what is needed to log in there.
pub(crate) struct Upstream {
    pub(super) origin: Origin,
    pub(super) authenticator: Authenticator,
    pub(super) tls: ClientConfig,
}

impl Upstream {
    /// Spoken to by TLS if its scheme is `https`; then nobody is trusted yet.
    pub(crate) fn new(origin: Origin, authenticator: Authenticator) -> Self {
        let provider = Arc::new(ring::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("the provider has what the usual versions take")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth();
        Self { origin, authenticator, tls }
    }

    pub(crate) fn is_secure(&self) -> bool {
        self.origin.is_secure()
    }

    /// Trusts whom these settings trust.
    #[must_use]
    pub(crate) fn tls(mut self, tls: ClientConfig) -> Self {
        self.tls = tls;
        self
    }

    /// What opens tunnels through it.
    pub(super) fn tunnels(&self, timeout: Duration) -> Tunnels {
        let builder = Tunnel::builder(self.origin.clone(), self.authenticator.clone()).timeout(timeout);
        if !self.is_secure() {
            return Tunnels::Http(builder.build_http());
        }
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let https = HttpsConnector::from((http, self.tls.clone()));
        Tunnels::Https(builder.build(ChannelBound::new(https)))
    }
}

/// Opens tunnels. A type for each transport, since one for both would have room for TLS in every
/// tunnel: 4 KiB.
pub(super) enum Tunnels {
    Http(Tunnel<HttpConnector>),
    Https(Tunnel<ChannelBound<HttpsConnector<HttpConnector>>>),
}

/// A tunnel through the upstream proxy.
pub(super) type OpenTunnel = Box<dyn Octets>;

pub(super) trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

impl Tunnels {
    /// A tunnel to the host and port of an absolute URI.
    pub(super) async fn open(&self, target: Uri) -> Result<OpenTunnel, TunnelError> {
        Ok(match self {
            Self::Http(tunnel) => Box::new(TokioIo::new(tunnel.clone().oneshot(target).await?)),
            Self::Https(tunnel) => Box::new(TokioIo::new(tunnel.clone().oneshot(target).await?)),
        })
    }
}
