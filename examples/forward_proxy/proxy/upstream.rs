//! The way to the upstream proxy.

use std::sync::Arc;

use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use legwork::client::hyper::{ChannelBound, Connect, HttpsConnector};
use legwork::client::tunnel::TunnelStream;
use legwork::{Authenticator, Origin};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};

/// A tunnel through it.
pub(super) type UpstreamTunnel = TokioIo<TunnelStream<<HttpsConnector as Connect>::Io>>;

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

    pub(super) fn connector(&self) -> HttpsConnector {
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        ChannelBound::new(hyper_rustls::HttpsConnector::from((http, self.tls.clone())))
    }
}
