//! HTTPS by the TLS of the system.

use std::sync::Arc;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use native_tls::TlsConnector;

use crate::client::builder::ClientBuilder;
use crate::client::hyper::builder::http_connector;
use crate::client::hyper::channel_bound::ChannelBound;
use crate::client::hyper::client::Client;
use crate::client::hyper::given::{self, Given};
use crate::client::hyper::secure::{BoxTransport, Secure};
use crate::handshake::HttpVersion;
use crate::service::{BoxError, BoxFuture};

/// The connector for `http` and `https` by the system's TLS, whose connections tell their channel
/// bindings.
pub type NativeTlsConnector = ChannelBound<hyper_tls::HttpsConnector<HttpConnector>>;

impl ClientBuilder {
    /// A client for `http` and `https` by the system's TLS, with the system's settings.
    ///
    /// On Linux that is OpenSSL, which has to be installed with its headers to build this
    /// (`libssl-dev` and `pkg-config` on Debian).
    ///
    /// # Errors
    ///
    /// [`native_tls::Error`] if the system's TLS cannot be set up.
    pub fn build_native_tls<B>(self) -> Result<Client<NativeTlsConnector, B>, native_tls::Error> {
        Ok(self.build_with_native_tls(TlsConnector::new()?))
    }

    /// A client for `http` and `https` by the system's TLS, with the caller's settings: roots,
    /// client certificates.
    pub fn build_with_native_tls<B>(self, connector: TlsConnector) -> Client<NativeTlsConnector, B> {
        let tls = NativeTls(connector);
        let connector = ChannelBound::new(tls.over(http_connector(false)));
        self.build_securing(connector, None, Some(Arc::new(tls)))
    }
}

struct NativeTls(TlsConnector);

impl NativeTls {
    fn over<C>(&self, connector: C) -> hyper_tls::HttpsConnector<C> {
        hyper_tls::HttpsConnector::from((connector, self.0.clone().into()))
    }
}

impl Secure for NativeTls {
    fn secure(
        &self,
        transport: BoxTransport,
        target: Uri,
        _: HttpVersion,
    ) -> BoxFuture<Result<BoxTransport, BoxError>> {
        given::by(self.over(Given::new(transport)), target)
    }
}
