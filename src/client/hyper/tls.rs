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
    /// certificates. Its ALPN protocols are set to `http/1.1`.
    pub fn build_with_tls<B>(self, mut config: ClientConfig) -> Client<HttpsConnector, B> {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let tls = Rustls(Arc::new(config));
        let connector = ChannelBound::new(tls.over(http_connector(false)));
        self.build_securing(connector, Some(Arc::new(tls)))
    }
}

struct Rustls(Arc<ClientConfig>);

impl Rustls {
    fn over<C>(&self, connector: C) -> hyper_rustls::HttpsConnector<C> {
        hyper_rustls::HttpsConnector::from((connector, Arc::clone(&self.0)))
    }
}

impl Secure for Rustls {
    fn secure(&self, transport: BoxTransport, target: Uri) -> BoxFuture<Result<BoxTransport, BoxError>> {
        given::by(self.over(Given::new(transport)), target)
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
