//! HTTPS by the TLS of the system.

use http::Uri;
use native_tls::TlsConnector;

use crate::client::connect::over_transport::{self, OneTransport};
use crate::client::connect::secure::{BoxTransport, Secure};
use crate::handshake::HttpVersion;
use crate::service::{BoxError, BoxFuture};

/// The system's TLS by these settings.
pub(in crate::client) struct NativeTls(pub(in crate::client) TlsConnector);

impl NativeTls {
    pub(in crate::client) fn over<C>(&self, connector: C) -> hyper_tls::HttpsConnector<C> {
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
        over_transport::secure(self.over(OneTransport::new(transport)), target)
    }
}
