//! What makes a [`Client`] of a [`ClientBuilder`].

use std::sync::Arc;

use hyper_util::client::legacy::connect::HttpConnector;

use crate::client::builder::ClientBuilder;
use crate::client::hyper::client::Client;
use crate::client::hyper::connect::Connect;
use crate::client::hyper::route::Ways;
use crate::client::hyper::secure::Secure;
use crate::handshake::Authenticator;

impl<C, B> Client<C, B> {
    /// A client that logs in with `authenticator`.
    pub fn with_connector(authenticator: Authenticator, connector: C) -> Self
    where
        C: Connect,
    {
        ClientBuilder::new(authenticator).build(connector)
    }
}

impl Client<HttpConnector, ()> {
    /// Starts from the defaults: 64 connections per origin and 512 in total, all of which may be
    /// idle for 90 s, 120 s to wait for one of them, 30 s to connect,
    /// [`Limits`](crate::service::Limits) for the handshake.
    pub fn builder(authenticator: Authenticator) -> ClientBuilder {
        ClientBuilder::new(authenticator)
    }
}

impl ClientBuilder {
    /// A client over this connector.
    ///
    /// With [`proxies`](Self::proxies) it connects to the proxies, too; `https` origins cannot be
    /// reached through them, since a tunnel has to go beneath the connector's TLS. There,
    /// [`build_https`](Self::build_https) serves, or a connector with a
    /// [`Tunnel`](crate::client::tunnel::Tunnel) in it.
    pub fn build<C: Connect, B>(self, connector: C) -> Client<C, B> {
        self.build_securing(connector, None, None)
    }

    /// A client over this connector, the same for what goes by any version of HTTP if there is one,
    /// and what speaks TLS in tunnels as they do.
    pub(super) fn build_securing<C: Connect, B>(
        mut self,
        connector: C,
        any: Option<C>,
        tls: Option<Arc<dyn Secure>>,
    ) -> Client<C, B> {
        let proxies = self.proxies.take();
        let (version, http1) = (self.version, self.http1.clone());
        Client::new(self.dispatcher(Ways { version, http1, connector, any, proxies, tls }))
    }

    /// A client for `http` alone.
    pub fn build_http<B>(self) -> Client<HttpConnector, B> {
        self.build(http_connector(true))
    }
}

/// hyper-util's connector without Nagle's delay, which costs a handshake 40 ms a leg.
pub(in crate::client) fn http_connector(http_alone: bool) -> HttpConnector {
    let mut http = HttpConnector::new();
    http.set_nodelay(true);
    http.enforce_http(http_alone);
    http
}
