use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use hyper::client::conn::http1;
use hyper_util::client::legacy::connect::HttpConnector;

use crate::client::connect::Connect;
use crate::client::connect::tcp::http_connector;
use crate::client::connection::http1::http1_settings;
use crate::client::proxy::{ConnectFields, InvalidProxy, Proxy};
use crate::client::tunnel::connector::{Tunnel, TunnelSettings};
use crate::credentials::Credentials;
use crate::handshake::Authenticator;
use crate::protection_space::Origin;
use crate::service::Environment;

impl Tunnel<()> {
    /// Starts from the defaults: 30 s for a tunnel with all its legs, three connections anew where
    /// the proxy closes them in the handshake, and [`Limits`](crate::service::Limits) for it.
    pub fn builder(proxy: Origin, authenticator: Authenticator) -> TunnelBuilder {
        TunnelBuilder::new(proxy, authenticator)
    }

    /// The same for a proxy with what it brings along: who logs in there, if it says so, and the fields of its `CONNECT`.
    ///
    /// ```
    /// use legwork::Authenticator;
    /// use legwork::client::proxy::Proxy;
    /// use legwork::client::tunnel::Tunnel;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let proxy: Proxy = "http://carol:carol-pw@proxy.example:3128".parse()?;
    /// let tunnel = Tunnel::through(&proxy, Authenticator::builder().build()).build_http();
    /// # let _ = tunnel;
    /// # Ok(())
    /// # }
    /// ```
    pub fn through(proxy: &Proxy, authenticator: Authenticator) -> TunnelBuilder {
        TunnelBuilder {
            credentials: proxy.own_credentials().cloned(),
            fields: proxy.own_connect_fields().clone(),
            ..TunnelBuilder::new(proxy.origin().clone(), authenticator)
        }
    }
}

impl<C: Connect> Tunnel<C> {
    /// Opens tunnels through `proxy`, which `connector` connects to.
    pub fn new(connector: C, proxy: Origin, authenticator: Authenticator) -> Self {
        TunnelBuilder::new(proxy, authenticator).build(connector)
    }
}

/// Builds a [`Tunnel`].
pub struct TunnelBuilder {
    proxy: Origin,
    credentials: Option<Credentials>,
    authenticator: Authenticator,
    environment: Environment,
    http1: http1::Builder,
    fields: ConnectFields,
    timeout: Duration,
}

impl TunnelBuilder {
    pub(super) fn new(proxy: Origin, authenticator: Authenticator) -> Self {
        Self {
            proxy,
            credentials: None,
            authenticator,
            environment: Environment::tokio(),
            http1: http1_settings(),
            fields: ConnectFields::default(),
            timeout: Duration::from_secs(30),
        }
    }

    /// Sets how long a tunnel may take: connecting to the proxy, its TLS, every leg, and waiting for
    /// others that try the same credentials. A client's own
    /// [`connect_timeout`](crate::client::ClientBuilder::connect_timeout) covers the tunnel
    /// and the origin's TLS.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Changes hyper's settings for HTTP/1 on the connection to the proxy, such as field names in title
    /// case or more than 100 fields.
    ///
    /// Defaults and exceptions are those of
    /// [`ClientBuilder::http1_settings`](crate::client::ClientBuilder::http1_settings).
    #[must_use]
    pub fn http1_settings(mut self, change: impl FnOnce(&mut http1::Builder) -> &mut http1::Builder) -> Self {
        change(&mut self.http1);
        self
    }

    /// Sets fields that each `CONNECT` carries, with every leg of the login. The origin does not see them.
    ///
    /// Default: `User-Agent: legwork/` with the version, since there are proxies that let nobody through
    /// who has none. A `User-Agent` among these takes its place.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy::ConnectField`] if one of them is not the caller's to set.
    pub fn connect_fields(mut self, fields: HeaderMap) -> Result<Self, InvalidProxy> {
        self.fields = ConnectFields::new(fields)?;
        Ok(self)
    }

    /// Sets the environment of handshakes: timers, [limits](crate::service::Limits), who is told of their legs, and
    /// where steps run that may block. Default: [`Environment::tokio`].
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Builds tunnels over this connector, which connects to the proxy.
    pub fn build<C: Connect>(self, connector: C) -> Tunnel<C> {
        Tunnel {
            shared: Arc::new(TunnelSettings {
                connector,
                proxy: self.proxy,
                credentials: self.credentials,
                authenticator: self.authenticator,
                environment: Arc::new(self.environment),
                http1: self.http1,
                fields: self.fields,
                timeout: self.timeout,
            }),
        }
    }

    /// Builds tunnels through a proxy that is spoken to over plain http.
    pub fn build_http(self) -> Tunnel<HttpConnector> {
        self.build(http_connector(true))
    }
}

impl fmt::Debug for TunnelBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelBuilder")
            .field("proxy", &self.proxy)
            .field("authenticator", &self.authenticator)
            .finish_non_exhaustive()
    }
}
