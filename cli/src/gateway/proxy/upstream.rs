//! The ways out, for one user: always the same proxies, or those that a PAC file names for each request.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::uri::Authority;
use http::{Request, Response, Uri};
use legwork::client::ResponseBody;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::{TunnelError, TunnelErrorKind};
use legwork::credentials::OriginPatterns;
use legwork::service::Error;
use legwork::{Authenticator, Credentials};
use rustls::ClientConfig;

use crate::chain::causes;
use crate::gateway::answer::Body;
use crate::gateway::counts::Counts;
use crate::gateway::fields::Hop;
use crate::gateway::octets::Connected;
use crate::gateway::pac::Pac;
use crate::gateway::server::Limits;

use super::kept::Kept;
use super::resting::Resting;
use super::route::{self, Named, Skipped};
use super::way::{Maker, NoTunnel, Way, uri_of};

/// The ways out, for one user.
pub(crate) struct Upstream {
    /// What requests note on their way out, for the case that they come back.
    pub(super) hop: Arc<Hop>,
    ways: Ways,
}

enum Ways {
    /// By origin, as the user has said.
    Settled(Way),
    Chosen(ByPac),
}

/// What chooses among proxies, and at which of them the user is logged in.
#[derive(Clone)]
pub(crate) struct Chosen {
    pub(crate) pac: Arc<Pac>,
    /// Hosts for which it is not asked, as those without a proxy.
    pub(crate) exceptions: Proxies,
    /// Proxies that the user has named. At any other that the file names, nobody logs in.
    pub(crate) login_at: Vec<OriginPatterns>,
}

/// Ways by a PAC file.
struct ByPac {
    chosen: Chosen,
    credentials: Option<Credentials>,
    maker: Maker,
    known: Mutex<HashMap<Named, Arc<Way>>>,
    resting: Resting,
}

/// How many ways are kept; a script may name as many proxies as it likes.
const WAYS: usize = 32;
/// For reaching a proxy, or an origin, that is one of several.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Why it is not known where a request goes. It goes nowhere then, and never straight.
#[derive(Debug)]
pub(crate) enum NoWay {
    /// The PAC file does not say it.
    Script(String),
    /// What it says cannot be used.
    List(Skipped),
}

/// Why there is no response.
#[derive(Debug)]
pub(crate) enum NoResponse {
    Way(NoWay),
    Failed(Error),
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
        let maker = maker(authenticator, tls, limits, counts);
        Self { hop: Arc::clone(&maker.hop), ways: Ways::Settled(maker.way(proxies, None)) }
    }

    /// As a PAC file says; at those of its proxies that the user has named, as these credentials.
    pub(crate) fn chosen(
        chosen: Chosen,
        credentials: Option<Credentials>,
        authenticator: Authenticator,
        tls: ClientConfig,
        limits: &Limits,
        counts: &Arc<Counts>,
    ) -> Self {
        let maker = maker(authenticator, tls, limits, counts);
        let hop = Arc::clone(&maker.hop);
        let by = ByPac { chosen, credentials, maker, known: Mutex::default(), resting: Resting::default() };
        Self { hop, ways: Ways::Chosen(by) }
    }

    /// Sends a request outside of tunnels. `ahead` is for one as `Anonymous` whose body cannot be sent again.
    pub(crate) async fn request(
        &self,
        request: Request<Body>,
        ahead: bool,
    ) -> Result<Response<ResponseBody>, NoResponse> {
        match &self.ways {
            Ways::Settled(way) => way.request(request, ahead).await.map_err(NoResponse::Failed),
            Ways::Chosen(ways) => ways.request(request, ahead).await,
        }
    }

    /// Opens a tunnel to a host and a port.
    pub(super) async fn open(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        match &self.ways {
            Ways::Settled(way) => way.open(target).await,
            Ways::Chosen(ways) => ways.open(target).await,
        }
    }
}

fn maker(authenticator: Authenticator, tls: ClientConfig, limits: &Limits, counts: &Arc<Counts>) -> Maker {
    let (limits, counts) = (*limits, Arc::clone(counts));
    Maker { hop: Arc::new(Hop::new()), authenticator, tls, limits, counts }
}

impl ByPac {
    async fn request(
        &self,
        request: Request<Body>,
        ahead: bool,
    ) -> Result<Response<ResponseBody>, NoResponse> {
        let ways = self.ways(request.uri()).await.map_err(NoResponse::Way)?;
        let (parts, body) = request.into_parts();
        let (body, mut failed) = (Kept::new(body), None);
        let is_tls = parts.uri.scheme_str() == Some("https");
        for named in &ways {
            let request = Request::from_parts(parts.clone(), body.lend());
            match self.way(named).request(request, ahead).await {
                Err(error)
                    if body.is_whole() && is_out_of_reach(&error, is_tls && *named != Named::Direct) =>
                {
                    self.resting.add(named);
                    failed = Some(error);
                }
                Err(error) => return Err(NoResponse::Failed(error)),
                Ok(response) => {
                    self.resting.remove(named);
                    return Ok(response);
                }
            }
        }
        Err(NoResponse::Failed(failed.expect("there is a way in each list")))
    }

    async fn open(&self, target: &Authority) -> Result<Connected, NoTunnel> {
        let (uri, mut failed) = (uri_of(target).ok_or(NoTunnel::Target)?, None);
        for named in &self.ways(&uri).await.map_err(NoTunnel::Way)? {
            match self.way(named).open(target).await {
                Err(error) if is_no_way(&error) => {
                    self.resting.add(named);
                    failed = Some(error);
                }
                Err(error) => return Err(error),
                Ok(tunnel) => {
                    self.resting.remove(named);
                    return Ok(tunnel);
                }
            }
        }
        Err(failed.expect("there is a way in each list"))
    }

    /// The ways to an origin, in the order in which they are tried: one at least.
    async fn ways(&self, uri: &Uri) -> Result<Vec<Named>, NoWay> {
        // Only whether there is a proxy is asked here, and not which.
        if matches!(self.chosen.exceptions.of(uri), Ok(None)) {
            return Ok(vec![Named::Direct]);
        }
        let told = self.chosen.pac.find(uri).await;
        let counts = &self.maker.counts;
        told.alerts.iter().for_each(|alert| counts.note(&format!("PAC file: {alert}")));
        let found = told.proxies.map_err(NoWay::Script);
        let found = found.and_then(|list| route::parse(&list).map_err(NoWay::List));
        counts.asked_pac(found.as_ref().err().map(ToString::to_string));
        let (mut ways, skipped) = found?;
        skipped.iter().for_each(|skipped| counts.note(&format!("left out: {skipped}")));
        self.resting.sort(&mut ways);
        Ok(ways)
    }

    fn way(&self, named: &Named) -> Arc<Way> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(way) = known.get(named) {
            return Arc::clone(way);
        }
        let proxies = match named {
            Named::Direct => Proxies::none(),
            Named::Proxy(origin) => {
                let is_named = self.chosen.login_at.iter().any(|patterns| patterns.matches(origin));
                let proxy = Proxy::new(origin.clone());
                Proxies::all(match self.credentials.as_ref().filter(|_| is_named) {
                    Some(credentials) => proxy.credentials(credentials.clone()),
                    None => proxy,
                })
            }
        };
        if known.len() >= WAYS {
            // What is under way goes on.
            known.clear();
        }
        let way =
            Arc::new(self.maker.way(proxies, Some(CONNECT_TIMEOUT.min(self.maker.limits.tunnel_timeout))));
        known.insert(named.clone(), Arc::clone(&way));
        way
    }
}

/// Whether it is the proxy that cannot be reached, or the origin where there is none; nothing was sent then. What lies behind a
/// tunnel is not the proxy's fault.
fn is_out_of_reach(error: &Error, is_tunnelled: bool) -> bool {
    let tunnel = causes(error).find_map(|cause| cause.downcast_ref::<TunnelError>());
    match tunnel {
        Some(tunnel) => matches!(tunnel.kind(), TunnelErrorKind::Unreachable(_)),
        None => !is_tunnelled && error.is_connect(),
    }
}

fn is_no_way(error: &NoTunnel) -> bool {
    match error {
        NoTunnel::Through(error) => matches!(error.kind(), TunnelErrorKind::Unreachable(_)),
        NoTunnel::Unreachable { .. } | NoTunnel::Timeout { .. } => true,
        NoTunnel::Target | NoTunnel::Proxy(_) | NoTunnel::Way(_) => false,
    }
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Script(why) => f.write_str(why),
            Self::List(why) => why.fmt(f),
        }
    }
}

impl std::error::Error for NoWay {}
