//! HTTPS with rustls.

use std::sync::Arc;

use http::Uri;
use rustls::ClientConfig;
use rustls::crypto::ring;

use crate::client::connect::over_transport::{self, OneTransport};
use crate::client::connect::secure::{BoxTransport, Secure};
use crate::handshake::HttpVersion;
use crate::service::{BoxError, BoxFuture};

/// TLS by what it offers (ALPN). The settings share their sessions, which are resumed whatever the
/// protocol: only early data, which is never sent here, is bound to it (RFC 8446, section 4.2.10).
pub(in crate::client) struct Rustls {
    http1: Arc<ClientConfig>,
    any: Arc<ClientConfig>,
}

impl Rustls {
    pub(in crate::client) fn new(mut config: ClientConfig, version: HttpVersion) -> Self {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let http1 = Arc::new(config.clone());
        if version == HttpVersion::Any {
            config.alpn_protocols.insert(0, b"h2".to_vec());
        }
        Self { http1, any: Arc::new(config) }
    }

    pub(in crate::client) fn over<C>(
        &self,
        connector: C,
        version: HttpVersion,
    ) -> hyper_rustls::HttpsConnector<C> {
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
        over_transport::secure(self.over(OneTransport::new(transport), version), target)
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
