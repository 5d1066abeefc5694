//! What makes a [`Client`] of a [`ClientBuilder`].

use std::sync::Arc;

use crate::client::builder::ClientBuilder;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
use crate::client::connect::ChannelBound;
use crate::client::connect::Connect;
#[cfg(feature = "native-tls")]
use crate::client::connect::native::NativeTls;
use crate::client::connect::secure::Secure;
use crate::client::connect::tcp::http_connector;
#[cfg(feature = "rustls")]
use crate::client::connect::tls::{Rustls, platform_config};
use crate::client::connection::HyperConnection;
use crate::client::handle::{Client, RequestBody};
use crate::client::hyper::route::MakeHyperConnection;
use crate::handshake::Authenticator;
#[cfg(feature = "rustls")]
use crate::handshake::HttpVersion;

impl<B: RequestBody> Client<B> {
    /// Builds a client that logs in with `authenticator`, over this connector.
    pub fn with_connector<C: Connect>(authenticator: Authenticator, connector: C) -> Self {
        ClientBuilder::new(authenticator).build(connector)
    }
}

impl Client<()> {
    /// Starts from the defaults: 64 connections per origin and 512 in total, all of which may be
    /// idle for 90 s, 120 s to wait for one of them, 30 s to connect,
    /// [`Environment::tokio`](crate::service::Environment::tokio) for the handshake.
    pub fn builder(authenticator: Authenticator) -> ClientBuilder {
        ClientBuilder::new(authenticator)
    }
}

impl ClientBuilder {
    /// Builds a client over this connector.
    ///
    /// With [`proxies`](Self::proxies) it connects to the proxies, too; `https` origins cannot be
    /// reached through them, since a tunnel has to go beneath the connector's TLS. There,
    /// [`build_https`](Self::build_https) serves, or a connector with a
    /// [`Tunnel`](crate::client::tunnel::Tunnel) in it.
    pub fn build<C: Connect, B: RequestBody>(self, connector: C) -> Client<B> {
        self.build_securing(connector, None, None)
    }

    /// A client over this connector, the same for what goes by any version of HTTP if there is one,
    /// and what speaks TLS in tunnels as they do.
    fn build_securing<C: Connect, B: RequestBody>(
        mut self,
        connector: C,
        any: Option<C>,
        tls: Option<Arc<dyn Secure>>,
    ) -> Client<B> {
        let proxies = self.proxies.take();
        let (version, http1) = (self.version, self.http1.clone());
        let make = MakeHyperConnection { version, http1, connector, any, proxies, tls };
        Client::over::<_, HyperConnection<B>>(self.dispatcher(make))
    }

    /// Builds a client for `http` only.
    pub fn build_http<B: RequestBody>(self) -> Client<B> {
        self.build(http_connector(true))
    }
}

#[cfg(feature = "rustls")]
impl ClientBuilder {
    /// Builds a client for `http` and `https`, which trusts what the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`rustls::Error`] if the operating system's roots cannot be read.
    pub fn build_https<B: RequestBody>(self) -> Result<Client<B>, rustls::Error> {
        let config = platform_config()?;
        Ok(self.build_with_tls(config))
    }

    /// Builds a client for `http` and `https` with the caller's TLS settings: roots, client
    /// certificates. Its ALPN protocols are set to what the client speaks.
    pub fn build_with_tls<B: RequestBody>(self, config: rustls::ClientConfig) -> Client<B> {
        let tls = Rustls::new(config, self.version);
        let connector = |version| ChannelBound::new(tls.over(http_connector(false), version));
        let (http1, any) = (connector(HttpVersion::Http1), connector(HttpVersion::Any));
        self.build_securing(http1, Some(any), Some(Arc::new(tls)))
    }
}

#[cfg(feature = "native-tls")]
impl ClientBuilder {
    /// Builds a client for `http` and `https` over the system's TLS, with the system's settings.
    ///
    /// On Linux that is OpenSSL, which has to be installed with its headers to build this
    /// (`libssl-dev` and `pkg-config` on Debian).
    ///
    /// # Errors
    ///
    /// [`native_tls::Error`] if the system's TLS cannot be set up.
    pub fn build_native_tls<B: RequestBody>(self) -> Result<Client<B>, native_tls::Error> {
        Ok(self.build_with_native_tls(native_tls::TlsConnector::new()?))
    }

    /// Builds a client for `http` and `https` over the system's TLS, with the caller's settings: roots,
    /// client certificates.
    pub fn build_with_native_tls<B: RequestBody>(self, connector: native_tls::TlsConnector) -> Client<B> {
        let tls = NativeTls(connector);
        let connector = ChannelBound::new(tls.over(http_connector(false)));
        self.build_securing(connector, None, Some(Arc::new(tls)))
    }
}
