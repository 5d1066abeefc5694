//! The ways out: through the proxies that want a login, or straight where there is none.

use std::fmt;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::Uri;
use http::header::HeaderMap;
use http::uri::Authority;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use legwork::client::connect::ChannelBound;
use legwork::client::proxy::{InvalidProxy, Proxies, Proxy};
use legwork::client::tunnel::{Tunnel, TunnelError};
use legwork::service::Environment;
use legwork::{Authenticator, Client};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::gateway::answer::Body;
use crate::gateway::counts::{Counting, Counts};
use crate::gateway::fields::Hop;
use crate::gateway::octets::Connected;
use crate::gateway::server::Limits;

/// The ways out, for one user.
pub(crate) struct Upstream {
    /// For requests outside of tunnels.
    pub(crate) client: Client<Body>,
    /// What requests note on their way out, for the case that they come back.
    pub(super) hop: Arc<Hop>,
    pub(super) tunnels: Tunnels,
    pub(super) proxies: Proxies,
}

impl Upstream {
    /// Through these proxies, or straight where there is none, as whom the authenticator says.
    pub(crate) fn new(
        proxies: Proxies,
        authenticator: Authenticator,
        tls: ClientConfig,
        limits: &Limits,
        counts: &Arc<Counts>,
    ) -> Self {
        let client = Client::builder(authenticator.clone())
            .environment(Environment::tokio().observer(Counting(Arc::clone(counts))))
            .proxies(proxies.clone())
            .max_per_origin(limits.connections)
            .max_total(limits.connections)
            // A connection that is closed is a login that has to be made again.
            .max_idle_per_origin(limits.connections)
            .connect_timeout(limits.tunnel_timeout)
            .build_with_tls(tls.clone());
        let hop = Arc::new(Hop::new());
        let tunnels = Tunnels {
            hop: Arc::clone(&hop),
            proxies: proxies.clone(),
            authenticator,
            environment: Counting(Arc::clone(counts)),
            tls,
            timeout: limits.tunnel_timeout,
            through: OnceLock::new(),
        };
        Self { client, hop, tunnels, proxies }
    }
}

/// Opens tunnels.
pub(super) struct Tunnels {
    hop: Arc<Hop>,
    proxies: Proxies,
    authenticator: Authenticator,
    environment: Counting,
    tls: ClientConfig,
    timeout: Duration,
    /// Of all targets that go through a proxy, it is the same one: that of https.
    through: OnceLock<Through>,
}

/// Opens tunnels through a proxy. A type for each transport, since one for both would have room for TLS in every
/// tunnel: 4 KiB.
enum Through {
    Http(Tunnel<HttpConnector>),
    Https(Tunnel<ChannelBound<HttpsConnector<HttpConnector>>>),
}

/// Why there is no tunnel.
#[derive(Debug)]
pub(crate) enum NoTunnel {
    /// What was asked for is no host and port.
    Target,
    /// The proxy that it would go through cannot be used.
    Proxy(InvalidProxy),
    /// The proxy opens none.
    Through(TunnelError),
    /// Without a proxy, the target cannot be reached.
    Unreachable { target: Authority, error: io::Error },
    /// The same, within this time.
    Timeout { target: Authority, after: Duration },
}

impl Tunnels {
    /// A tunnel to a host and a port.
    pub(super) async fn open(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        let uri: Uri = format!("https://{target}/").parse().map_err(|_| NoTunnel::Target)?;
        match self.proxies.of(&uri).map_err(NoTunnel::Proxy)? {
            Some(proxy) => {
                let through = match self.through.get() {
                    Some(through) => through,
                    None => {
                        let made = self.through(proxy).map_err(NoTunnel::Proxy)?;
                        self.through.get_or_init(|| made)
                    }
                };
                through.open(uri).await.map_err(NoTunnel::Through)
            }
            None => self.straight(target).await,
        }
    }

    async fn straight(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        let port = target.port_u16().ok_or(NoTunnel::Target)?;
        let host = target.host().trim_matches(['[', ']']);
        let connecting = tokio::time::timeout(self.timeout, TcpStream::connect((host, port)));
        let unreachable = |error| NoTunnel::Unreachable { target: target.clone(), error };
        let Ok(connected) = connecting.await else {
            return Err(NoTunnel::Timeout { target: target.clone(), after: self.timeout });
        };
        let stream = connected.map_err(unreachable)?;
        stream.set_nodelay(true).map_err(unreachable)?;
        Ok(Box::new(stream))
    }

    fn through(&self, proxy: &Proxy) -> Result<Through, InvalidProxy> {
        let mut fields = HeaderMap::new();
        self.hop.note(&mut fields);
        let builder = Tunnel::through(proxy, self.authenticator.clone())
            .connect_fields(fields)?
            .environment(Environment::tokio().observer(self.environment.clone()))
            .timeout(self.timeout);
        if !proxy.origin().is_secure() {
            return Ok(Through::Http(builder.build_http()));
        }
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.enforce_http(false);
        let https = HttpsConnector::from((http, Arc::new(self.tls.clone())));
        Ok(Through::Https(builder.build(ChannelBound::new(https))))
    }
}

impl Through {
    async fn open(&self, target: Uri) -> Result<Connected, TunnelError> {
        // A tunnel is always ready.
        Ok(match self {
            Self::Http(tunnel) => Box::new(TokioIo::new(tunnel.clone().call(target).await?)),
            Self::Https(tunnel) => Box::new(TokioIo::new(tunnel.clone().call(target).await?)),
        })
    }
}

impl fmt::Display for NoTunnel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Target => f.write_str("CONNECT wants host and port, such as site.example:443"),
            Self::Proxy(_) => f.write_str("there is no proxy for it"),
            Self::Through(error) => error.fmt(f),
            Self::Unreachable { target, .. } => write!(f, "{target} cannot be reached"),
            Self::Timeout { target, after } => write!(f, "{target} cannot be reached within {after:?}"),
        }
    }
}

impl std::error::Error for NoTunnel {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Target | Self::Timeout { .. } => None,
            Self::Proxy(error) => Some(error),
            Self::Through(error) => error.source(),
            Self::Unreachable { error, .. } => Some(error),
        }
    }
}
