use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hyper::client::conn::http1;

use crate::client::connection::http1::http1_settings;
use crate::client::dispatch::{Dispatcher, Settings};
use crate::client::pool::{Pool, PoolLimits, Poolable};
use crate::client::proxy::Proxies;
use crate::handshake::{Authenticator, HttpVersion};
use crate::service::Environment;

/// Builds a client: [`Client`](crate::Client), or one of those beside it.
pub struct ClientBuilder {
    authenticator: Authenticator,
    pub(super) proxies: Option<Proxies>,
    environment: Environment,
    pool: PoolLimits,
    connect_timeout: Duration,
    /// The highest that is spoken.
    pub(super) version: HttpVersion,
    pub(super) http1: http1::Builder,
}

impl ClientBuilder {
    pub(super) fn new(authenticator: Authenticator) -> Self {
        Self {
            authenticator,
            proxies: None,
            environment: Environment::tokio(),
            pool: PoolLimits::default(),
            connect_timeout: Duration::from_secs(30),
            version: HttpVersion::Http1,
            http1: http1_settings(),
        }
    }

    /// Sets which proxies requests go through. Default: none, whatever the environment says;
    /// [`Proxies::from_env`] is what it says.
    ///
    /// A `Proxy-Authorization` that a request's caller set goes only to the proxy: with a request
    /// that needs none it goes nowhere.
    #[must_use]
    pub fn proxies(mut self, proxies: Proxies) -> Self {
        self.proxies = Some(proxies);
        self
    }

    /// Speaks HTTP/2 with `https` origins that offer it (by ALPN). Default: only HTTP/1.1.
    ///
    /// One connection for each origin and identity then carries its requests at the same time, as
    /// many as the server takes; [`max_per_origin`](Self::max_per_origin) and the other limits are
    /// about connections still. Until the server has said how many it takes, one is under way and the
    /// others wait. A request that the server refuses unseen (`REFUSED_STREAM`) is sent again up to 64
    /// times, as long as its body can be. Schemes by which a connection is logged in, NTLM and Negotiate, go by
    /// HTTP/1.1: an origin that is declared or found to want one, or that answers
    /// `HTTP_1_1_REQUIRED`, is spoken to over HTTP/1.1 from then on. Requests that are under way by
    /// HTTP/2 end as they would.
    ///
    /// A connector of the caller's own decides itself what it offers. Where it says that HTTP/2 came
    /// of it ([`Connected::negotiated_h2`]), HTTP/2 is spoken, and NTLM and Negotiate are passed by in
    /// favour of the next scheme. Connections to proxies, those by the system's TLS and those of
    /// reqwest go over HTTP/1.1 in any case.
    ///
    /// [`Connected::negotiated_h2`]: hyper_util::client::legacy::connect::Connected::negotiated_h2
    #[cfg(feature = "http2")]
    #[must_use]
    pub fn http2(mut self) -> Self {
        self.version = HttpVersion::Any;
        self
    }

    /// Changes hyper's settings for HTTP/1, on all connections of the
    /// [hyper client](crate::Client): to origins, to proxies, and for `CONNECT`.
    ///
    /// There are devices that know `Authorization` only in this case, not in lower case, and servers that
    /// send more than the 100 fields that hyper accepts by default:
    ///
    /// ```
    /// # let authenticator = legwork::Authenticator::builder().build();
    /// let client = legwork::Client::builder(authenticator)
    ///     .http1_settings(|http1| http1.title_case_headers(true).max_headers(200))
    ///     .build_http::<String>();
    /// ```
    ///
    /// The settings start from hyper's defaults, with one difference: response fields that are folded over
    /// several lines are unfolded (RFC 9112, section 5.2), since some servers fold long challenges.
    /// Two are fixed for `CONNECT`: at most 64 KiB of the proxy's answer are buffered, and an answer in
    /// HTTP/0.9 opens no tunnel.
    ///
    /// The clients over reqwest and the legacy client have these settings in their own builders.
    #[must_use]
    pub fn http1_settings(mut self, change: impl FnOnce(&mut http1::Builder) -> &mut http1::Builder) -> Self {
        change(&mut self.http1);
        self
    }

    /// Sets how many connections there may be to one origin, of all identities. Further requests
    /// wait, for as long as [`wait_timeout`](Self::wait_timeout) says.
    ///
    /// Requests of one user are served first come, first served. A connection that comes back goes to a
    /// request of its own user first, which need not log in, but nobody is passed over without end: after
    /// twice as many connections have come back as requests waited before it, and as many again as there may
    /// be, a request is served before all that came after it. For a user whose connections are all in use, an idle
    /// connection of somebody else is closed only when it has not been wanted for a moment: while others came
    /// back, or, where none do, for some 5 ms at first and 160 ms at most.
    #[must_use]
    pub fn max_per_origin(mut self, connections: usize) -> Self {
        self.pool.per_origin = connections.max(1);
        self
    }

    /// Sets how many connections there may be in total. Requests wait for those as for the connections
    /// [to one origin](Self::max_per_origin): none starves, to whatever origin it is.
    #[must_use]
    pub fn max_total(mut self, connections: usize) -> Self {
        self.pool.total = connections.max(1);
        self
    }

    /// Sets how long a request waits for a connection while the
    /// [limits](Self::max_per_origin) are reached. After that it fails with
    /// [`ErrorKind::Timeout`](crate::service::ErrorKind::Timeout), and nothing of it was sent.
    /// `Duration::MAX` waits for as long as it takes.
    ///
    /// Default: 120 s, which is what the handshake of a request before it may take. A request that waits
    /// for longer stands in a very long queue, or its program holds on to responses that it does not read:
    /// each keeps its connection until its body has been read or dropped.
    #[must_use]
    pub fn wait_timeout(mut self, timeout: Duration) -> Self {
        self.pool.wait_timeout = timeout;
        self
    }

    /// Sets how many of an origin's connections may be idle; past it the oldest are closed.
    #[must_use]
    pub fn max_idle_per_origin(mut self, connections: usize) -> Self {
        self.pool.idle_per_origin = connections;
        self
    }

    /// Sets how long an idle connection is kept. It is closed within a quarter more than that.
    #[must_use]
    pub fn idle_timeout(mut self, timeout: Duration) -> Self {
        self.pool.idle_timeout = timeout;
        self
    }

    /// Sets how long connecting may take, with TLS and with the login at a proxy that opens a tunnel.
    #[must_use]
    pub fn connect_timeout(mut self, timeout: Duration) -> Self {
        self.connect_timeout = timeout;
        self
    }

    /// Sets the environment of handshakes: timers, [limits](crate::service::Limits), who is told of their legs, and
    /// where steps run that may block. Default: [`Environment::tokio`].
    ///
    /// ```
    /// # let authenticator = legwork::Authenticator::builder().build();
    /// use legwork::Client;
    /// use legwork::service::{Environment, Limits};
    ///
    /// let patient = Environment::tokio().limits(Limits::default().restarts(8));
    /// let client = Client::builder(authenticator).environment(patient).build_http::<String>();
    /// ```
    #[must_use]
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// What a client shares among its clones, over connections that `transport` makes.
    pub(super) fn dispatcher<T, L: Poolable>(self, transport: T) -> Dispatcher<T, L> {
        Dispatcher {
            transport,
            settings: Settings {
                authenticator: self.authenticator,
                environment: Arc::new(self.environment),
                connect_timeout: self.connect_timeout,
            },
            pool: Pool::new(self.pool, self.version == HttpVersion::Any),
        }
    }
}

impl fmt::Debug for ClientBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientBuilder")
            .field("authenticator", &self.authenticator)
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}
