//! A way out: through proxies that want a login, or straight where there is none.

use std::fmt;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use http::header::HeaderMap;
use http::uri::Authority;
use http::{Method, Request, Response, StatusCode, Uri};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use legwork::client::ResponseBody;
use legwork::client::connect::ChannelBound;
use legwork::client::proxy::{InvalidProxy, Proxies, Proxy};
use legwork::client::tunnel::{Tunnel, TunnelError};
use legwork::credentials::Anonymous;
use legwork::service::{Environment, Error};
use legwork::{Authenticator, Client};
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::gateway::answer::Body;
use crate::gateway::counts::{Counting, Counts};
use crate::gateway::fields::Hop;
use crate::gateway::octets::Connected;
use crate::gateway::server::Limits;

use super::upstream::NoWay;

/// What the ways of one user share.
pub(super) struct Maker {
    pub(super) hop: Arc<Hop>,
    /// One for all ways: what it knows of refused passwords holds for each.
    pub(super) authenticator: Authenticator,
    pub(super) tls: ClientConfig,
    pub(super) limits: Limits,
    pub(super) counts: Arc<Counts>,
}

/// A way out.
pub(super) struct Way {
    /// For requests outside of tunnels.
    client: Client<Body>,
    tunnels: Tunnels,
    proxies: Proxies,
    /// Whether the client knows what the proxy wants.
    is_known: AtomicBool,
}

impl Maker {
    /// Through these proxies, or straight where there is none. A way that is one of several gives up a proxy that does not
    /// answer so early that there is time for the next one.
    pub(super) fn way(&self, proxies: Proxies, connect_timeout: Option<Duration>) -> Way {
        let Self { hop, authenticator, tls, limits, counts } = self;
        // What several ways keep is bounded together.
        let max_idle = if connect_timeout.is_some() { limits.connections / 8 } else { limits.connections };
        let client = Client::builder(authenticator.clone())
            .environment(Environment::tokio().observer(Counting(Arc::clone(counts))))
            .proxies(proxies.clone())
            .max_per_origin(limits.connections)
            .max_total(limits.connections)
            // A connection that is closed is a login that has to be made again.
            .max_idle_per_origin(max_idle.max(1))
            .connect_timeout(connect_timeout.unwrap_or(limits.tunnel_timeout))
            .build_with_tls(tls.clone());
        let tunnels = Tunnels {
            hop: Arc::clone(hop),
            proxies: proxies.clone(),
            authenticator: authenticator.clone(),
            environment: Counting(Arc::clone(counts)),
            tls: tls.clone(),
            timeout: limits.tunnel_timeout,
            connect_timeout,
            through: OnceLock::new(),
        };
        Way { client, tunnels, proxies, is_known: AtomicBool::new(false) }
    }
}

impl Way {
    /// Sends a request outside of tunnels. `ahead` is for one as [`Anonymous`] whose body cannot be sent again: it must not
    /// meet a proxy's challenge.
    pub(super) async fn request(
        &self,
        request: Request<Body>,
        ahead: bool,
    ) -> Result<Response<ResponseBody>, Error> {
        if ahead && !self.is_known.load(Ordering::Relaxed) {
            if let Some(refused) = self.log_in_ahead(request.uri().clone()).await? {
                return Ok(refused);
            }
        }
        let is_proxys = request.uri().scheme_str() == Some("http")
            && matches!(self.proxies.of(request.uri()), Ok(Some(_)));
        let answer = self.client.request(request).await;
        // What comes without a proxy says nothing of it.
        if is_proxys {
            let refused = StatusCode::PROXY_AUTHENTICATION_REQUIRED;
            let is_known = answer.as_ref().is_ok_and(|response| response.status() != refused);
            self.is_known.store(is_known, Ordering::Relaxed);
        }
        answer
    }

    /// The proxy's refusal, if it lets nobody through.
    async fn log_in_ahead(&self, uri: Uri) -> Result<Option<Response<ResponseBody>>, Error> {
        if matches!(self.proxies.of(&uri), Ok(None)) {
            return Ok(None);
        }
        let mut head = Request::new(Body::default());
        *head.method_mut() = Method::HEAD;
        *head.uri_mut() = uri;
        head.extensions_mut().insert(Anonymous);
        match self.client.request(head).await {
            Ok(response) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Ok(Some(response))
            }
            Err(error) if error.is_connect() => Err(error),
            // Whatever else there is to say, the request itself will hear.
            _ => Ok(None),
        }
    }

    /// A tunnel to a host and a port.
    pub(super) async fn open(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        self.tunnels.open(target).await
    }
}

/// Opens tunnels.
struct Tunnels {
    hop: Arc<Hop>,
    proxies: Proxies,
    authenticator: Authenticator,
    environment: Counting,
    tls: ClientConfig,
    timeout: Duration,
    /// For reaching the proxy, if it is less.
    connect_timeout: Option<Duration>,
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
    /// Nobody can say which proxy it goes through.
    Way(NoWay),
    /// The proxy opens none.
    Through(TunnelError),
    /// Without a proxy, the target cannot be reached.
    Unreachable { target: Authority, error: io::Error },
    /// The same, within this time.
    Timeout { target: Authority, after: Duration },
}

impl Tunnels {
    async fn open(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        let uri = uri_of(target).ok_or(NoTunnel::Target)?;
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
        let after = self.connect_timeout.unwrap_or(self.timeout);
        let connecting = tokio::time::timeout(after, TcpStream::connect((host, port)));
        let unreachable = |error| NoTunnel::Unreachable { target: target.clone(), error };
        let Ok(connected) = connecting.await else {
            return Err(NoTunnel::Timeout { target: target.clone(), after });
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
        let mut http = HttpConnector::new();
        http.set_nodelay(true);
        http.set_connect_timeout(self.connect_timeout);
        if !proxy.origin().is_secure() {
            return Ok(Through::Http(builder.build(http)));
        }
        http.enforce_http(false);
        let https = HttpsConnector::from((http, Arc::new(self.tls.clone())));
        Ok(Through::Https(builder.build(ChannelBound::new(https))))
    }
}

/// The URI by which a tunnel's target is looked for among proxies.
pub(super) fn uri_of(target: &Authority) -> Option<Uri> {
    format!("https://{target}/").parse().ok()
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
            Self::Way(error) => error.fmt(f),
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
            Self::Way(error) => error.source(),
            Self::Through(error) => error.source(),
            Self::Unreachable { error, .. } => Some(error),
        }
    }
}
