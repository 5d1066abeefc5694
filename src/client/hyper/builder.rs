use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper_util::client::legacy::connect::HttpConnector;

use crate::client::hyper::connect::Connect;
use crate::client::hyper::dispatch::{Client, Shared};
use crate::client::hyper::pool::{Pool, PoolLimits};
use crate::client::hyper::secure::Secure;
use crate::client::proxy::Proxies;
use crate::client::runtime::environment;
use crate::handshake::Authenticator;
use crate::service::{Blocking, Environment, Limits, Observer};

/// Builds a [`Client`].
pub struct ClientBuilder {
    authenticator: Authenticator,
    proxies: Option<Proxies>,
    environment: Environment,
    pool: PoolLimits,
    connect_timeout: Duration,
    max_restarts: u32,
}

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
    /// idle for 90 s, 30 s to connect, [`Limits`] for the handshake.
    pub fn builder(authenticator: Authenticator) -> ClientBuilder {
        ClientBuilder::new(authenticator)
    }
}

impl ClientBuilder {
    fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator,
            proxies: None,
            environment: environment(),
            pool: PoolLimits::default(),
            connect_timeout: Duration::from_secs(30),
            max_restarts: 3,
        }
    }

    /// Which proxies requests go through. Default: none, whatever the environment says;
    /// [`Proxies::from_env`] is what it says.
    ///
    /// A `Proxy-Authorization` that a request's caller set goes to the proxy alone: with a request
    /// that needs none it goes nowhere.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// How many connections there may be to one origin, of all identities. Further requests
    /// wait, first come, first served.
    #[must_use]
    pub fn max_per_origin(mut self, connections: usize) -> Self {
        self.pool.per_origin = connections.max(1);
        self
    }

    /// How many connections there may be in total.
    #[must_use]
    pub fn max_total(mut self, connections: usize) -> Self {
        self.pool.total = connections.max(1);
        self
    }

    /// How many of an origin's connections may be idle; past it the oldest are closed.
    #[must_use]
    pub fn max_idle_per_origin(mut self, connections: usize) -> Self {
        self.pool.idle_per_origin = connections;
        self
    }

    /// For how long a connection may be idle. It is closed within a quarter more than that.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool.idle_timeout = timeout;
        self
    }

    /// How long connecting may take, with TLS and with the login at a proxy that opens a tunnel.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Bounds on each handshake.
    #[must_use]
    pub fn limits(mut self, limits: Limits) -> Self {
        self.environment.limits = limits;
        self
    }

    /// Where mechanism steps run that may block, such as those that wait for a KDC. Default:
    /// [`BlockingSteps`](crate::client::BlockingSteps) of this client's own.
    #[must_use]
    pub fn blocking(mut self, blocking: impl Blocking + 'static) -> Self {
        self.environment.blocking = Some(Arc::new(blocking));
        self
    }

    /// How often one request's handshake may begin anew on another connection. Default: 3.
    #[must_use]
    pub fn max_restarts(mut self, restarts: u32) -> Self {
        self.max_restarts = restarts;
        self
    }

    /// Who is told of the legs of handshakes.
    #[must_use]
    pub fn observer(mut self, observer: impl Observer + 'static) -> Self {
        self.environment.observer = Some(Arc::new(observer));
        self
    }

    /// A client over this connector.
    ///
    /// With [`proxies`](Self::proxies) it connects to the proxies, too; `https` origins cannot be
    /// reached through them, since a tunnel has to go beneath the connector's TLS. There,
    /// [`build_https`](Self::build_https) serves, or a connector with a
    /// [`Tunnel`](crate::client::tunnel::Tunnel) in it.
    pub fn build<C: Connect, B>(self, connector: C) -> Client<C, B> {
        self.build_securing(connector, None)
    }

    /// A client over this connector, and what speaks TLS in tunnels as it does.
    pub(super) fn build_securing<C: Connect, B>(
        self,
        connector: C,
        tls: Option<Arc<dyn Secure>>,
    ) -> Client<C, B> {
        Client::new(Shared {
            connector,
            proxies: self.proxies,
            tls,
            authenticator: self.authenticator,
            environment: Arc::new(self.environment),
            pool: Pool::new(self.pool),
            connect_timeout: self.connect_timeout,
            max_restarts: self.max_restarts,
        })
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

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("authenticator", &self.authenticator)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
