//! HTTPS by rustls.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use rustls::ClientConfig;
use rustls::crypto::ring;

use crate::client::builder::ClientBuilder;
use crate::client::hyper::builder::http_connector;
use crate::client::hyper::channel_bound::ChannelBound;
use crate::client::hyper::client::Client;
use crate::client::hyper::given::{self, Given};
use crate::client::hyper::secure::{BoxTransport, Secure};
use crate::handshake::HttpVersion;
use crate::service::{BoxError, BoxFuture};

/// The connector for `http` and `https`, whose connections by TLS tell their channel bindings.
pub type HttpsConnector = ChannelBound<hyper_rustls::HttpsConnector<HttpConnector>>;

impl ClientBuilder {
    /// A client for `http` and `https`, which trusts what the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`rustls::Error`] if the operating system's roots cannot be read.
    pub fn build_https<B>(self) -> Result<Client<HttpsConnector, B>, rustls::Error> {
        let config = platform_config()?;
        Ok(self.build_with_tls(config))
    }

    /// A client for `http` and `https` with the caller's TLS settings: roots, client
    /// certificates. Its ALPN protocols are set to what the client speaks.
    pub fn build_with_tls<B>(self, config: ClientConfig) -> Client<HttpsConnector, B> {
        let tls = Rustls::new(config, self.version);
        let connector = |version| ChannelBound::new(tls.over(http_connector(false), version));
        let (http1, any) = (connector(HttpVersion::Http1), connector(HttpVersion::Any));
        self.build_securing(http1, Some(any), Some(Arc::new(tls)))
    }
}

/// TLS by what it offers (ALPN). The settings share their sessions, which are resumed whatever the
/// protocol: only early data, which is never sent here, is bound to it (RFC 8446, section 4.2.10).
struct Rustls {
    http1: Arc<ClientConfig>,
    any: Arc<ClientConfig>,
}

impl Rustls {
    fn new(mut config: ClientConfig, version: HttpVersion) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        if version == HttpVersion::Any {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Self { http1, any: Arc::new(config) }
    }

    fn over<C>(&self, connector: C, version: HttpVersion) -> hyper_rustls::HttpsConnector<C> {
        let config = match version {
            HttpVersion::Http1 => &self.http1,
            HttpVersion::Any => &self.any,
        };
        hyper_rustls::HttpsConnector::from((connector, Arc::clone(config)))
    }
}

impl Secure for Rustls {
    fn secure(
        &self,
        transport: BoxTransport,
        target: Uri,
        version: HttpVersion,
    ) -> BoxFuture<Result<BoxTransport, BoxError>> {
        given::by(self.over(Given::new(transport), version), target)
    }
}

/// TLS that trusts what the operating system trusts.
pub(in crate::client) fn platform_config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(ring::default_provider());
    let verifier = rustls_platform_verifier::Verifier::new(Arc::clone(&provider))?;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth())
}
