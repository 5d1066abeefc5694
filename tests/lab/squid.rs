//! squid as a test sees it: the ways to log in, clients through it, and its own account of what came.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpConnector;
use legwork::client::connect::ChannelBound;
use legwork::client::tunnel::{Tunnel, TunnelError, TunnelErrorKind};
use legwork::credentials::Credentials;
use legwork::handshake::{AuthenticatorBuilder, Refusal};
use legwork::mechanism::ntlm::Ntlm;
use legwork::scheme::{Basic, Digest, NtlmScheme, Scheme};
use legwork::service::{Error, ErrorKind};
use legwork::{Client, Origin};

use crate::support::*;

type Tls<C> = hyper_rustls::HttpsConnector<C>;
type Squid = Tunnel<ChannelBound<Tls<HttpConnector>>>;
type ThroughSquid = ChannelBound<Tls<Squid>>;
pub(crate) type SquidClient = Client<Body>;

/// A way to log in at squid, and what its log then has of a tunnel.
pub(crate) struct Way {
    pub(crate) name: &'static str,
    port: &'static str,
    schemes: fn(AuthenticatorBuilder) -> AuthenticatorBuilder,
    pub(crate) credentials: fn(&Site) -> Credentials,
    pub(crate) user: &'static str,
    pub(crate) statuses: &'static [u16],
}

fn only(builder: AuthenticatorBuilder, scheme: impl Scheme + 'static) -> AuthenticatorBuilder {
    builder.schemes(scheme)
}

pub(crate) fn ways() -> Vec<Way> {
    let ways = [
        Way {
            name: "Basic",
            port: "SQUID_BASIC",
            schemes: |builder| builder.dangerous_secrets_to_plain_http_proxies(true),
            credentials: Site::user,
            user: "user",
            statuses: &[407, 200],
        },
        Way {
            name: "Digest",
            port: "SQUID_DIGEST",
            schemes: |builder| builder,
            credentials: Site::user,
            user: "user",
            statuses: &[407, 200],
        },
        Way {
            name: "NTLM",
            port: "SQUID_NTLM",
            schemes: |builder| builder,
            credentials: Site::carol,
            user: "LAB\\carol",
            statuses: &[407, 407, 200],
        },
        Way {
            name: "NTLM in Negotiate",
            port: "SQUID_NEGOTIATE",
            schemes: |builder| builder,
            credentials: Site::carol,
            user: "LAB\\carol",
            statuses: &[407, 407, 200],
        },
        Way {
            name: "the strongest of all",
            port: "SQUID_ALL",
            schemes: |builder| builder,
            credentials: Site::carol,
            user: "LAB\\carol",
            statuses: &[407, 407, 200],
        },
        Way {
            name: "NTLM of all",
            port: "SQUID_ALL",
            schemes: |builder| only(builder, NtlmScheme::new(Ntlm::new())),
            credentials: Site::carol,
            user: "LAB\\carol",
            statuses: &[407, 407, 200],
        },
        Way {
            name: "Basic by TLS",
            port: "SQUID_TLS",
            schemes: |builder| only(builder, Basic::default()),
            credentials: Site::user,
            user: "user",
            statuses: &[407, 200],
        },
        Way {
            name: "Digest by TLS",
            port: "SQUID_TLS",
            schemes: |builder| only(builder, Digest::default()),
            credentials: Site::user,
            user: "user",
            statuses: &[407, 200],
        },
        Way {
            name: "NTLM in Negotiate by TLS",
            port: "SQUID_TLS",
            schemes: |builder| builder,
            credentials: Site::carol,
            user: "LAB\\carol",
            statuses: &[407, 407, 200],
        },
    ];
    #[allow(unused_mut, reason = "there is no Kerberos but on unix")]
    let mut ways = Vec::from(ways);
    #[cfg(unix)]
    ways.extend(kerberos());
    ways
}

/// The same at ports that end the connection with a challenge, up to a token of the login.
pub(crate) fn closing_ways() -> Vec<Way> {
    let ways = ways().into_iter().filter_map(|way| {
        let port = match way.port {
            "SQUID_NEGOTIATE" => "SQUID_CLOSING_NEGOTIATE",
            "SQUID_NTLM" => "SQUID_CLOSING_NTLM",
            _ => return None,
        };
        Some(Way { port, ..way })
    });
    ways.collect()
}

#[cfg(unix)]
fn kerberos() -> [Way; 5] {
    use legwork::credentials::Ambient;
    use legwork::mechanism::gssapi::Gssapi;
    use legwork::scheme::Negotiate;

    let way = |name, port, credentials| Way {
        name,
        port,
        schemes: |builder| builder.negotiate(Negotiate::kerberos_or_ntlm(Gssapi::kerberos())),
        credentials,
        user: "alice@LAB.TEST",
        statuses: &[407, 200],
    };
    let ticket = |site: &Site| Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable());
    let password = |site: &Site| site.credentials("KRB5_USER", "KRB5_PASSWORD");
    [
        way("Kerberos by ticket", "SQUID_NEGOTIATE", ticket),
        way("Kerberos by password", "SQUID_NEGOTIATE", password),
        way("Kerberos by TLS", "SQUID_TLS", ticket),
        way("Kerberos by ticket, squid's own", "SQUID_KERBEROS", ticket),
        way("Kerberos by password, squid's own", "SQUID_KERBEROS", password),
    ]
}

impl Way {
    pub(crate) fn proxy(&self, site: &Site) -> Origin {
        site.value(self.port).parse().expect("an origin")
    }

    /// Squid keeps one password in mind for each name of Basic: with a name that somebody logs in by
    /// at the same time, a wrong one may pass.
    pub(crate) fn wrong_password(&self, site: &Site) -> Credentials {
        let credentials = (self.credentials)(site);
        let name = credentials.username().filter(|name| *name != "user").unwrap_or("nobody");
        Credentials::password(name, "not-the-password")
    }

    /// Its schemes, for squid and for the origin.
    pub(crate) fn schemes(&self, builder: AuthenticatorBuilder) -> AuthenticatorBuilder {
        (self.schemes)(builder)
    }

    /// Whether its schemes are more than the one for squid.
    pub(crate) fn has_all_schemes(&self) -> bool {
        !["NTLM of all", "Basic by TLS", "Digest by TLS"].contains(&self.name)
    }

    pub(crate) fn authenticator(&self, site: &Site, credentials: Credentials) -> AuthenticatorBuilder {
        (self.schemes)(builder()).proxy_credentials(self.proxy(site), credentials)
    }

    /// A client that nobody is logged in with at the origin.
    pub(crate) fn client(&self, site: &Site, at_proxy: AuthenticatorBuilder) -> SquidClient {
        self.client_with(site, at_proxy, builder())
    }

    pub(crate) fn client_with(
        &self,
        site: &Site,
        at_proxy: AuthenticatorBuilder,
        at_origin: AuthenticatorBuilder,
    ) -> SquidClient {
        Client::with_connector(at_origin.build(), self.connector(site, at_proxy))
    }

    pub(crate) fn connector(&self, site: &Site, at_proxy: AuthenticatorBuilder) -> ThroughSquid {
        through_proxy(site, self.proxy(site), at_proxy)
    }
}

/// Connects to a site by tunnels through a proxy, be it squid or another.
pub(crate) fn through_proxy(site: &Site, proxy: Origin, at_proxy: AuthenticatorBuilder) -> ThroughSquid {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    http.set_nodelay(true);
    let to_proxy = ChannelBound::new(Tls::from((http, site.tls())));
    let tunnel = Tunnel::new(to_proxy, proxy, at_proxy.build());
    ChannelBound::new(Tls::from((tunnel, site.tls())))
}

/// Apache by a name of each test's own, which only squid knows.
pub(crate) fn through(name: usize) -> [Site; 2] {
    let name = format!("through-{name}.lab.test");
    sites().map(|site| site.at_host(&name))
}

/// squid's own account of what went to a site, by tunnels or by plain http.
pub(crate) struct Log {
    path: &'static str,
    began: usize,
    target: String,
}

impl Log {
    pub(crate) fn of(site: &Site) -> Self {
        let path = site.value("SQUID_ACCESS_LOG");
        // A line that crosses a page of the file is there by halves for a moment.
        let log = std::fs::read_to_string(path).unwrap_or_default();
        let began = log.rfind('\n').map_or(0, |end| end + 1);
        let origin = site.origin();
        Self { path, began, target: format!("{}:{}", origin.host(), origin.port()) }
    }

    /// So many legs, once they are there: the last is noted when its tunnel ends.
    pub(crate) async fn legs(&self, count: usize) -> Vec<Leg> {
        self.legs_where(|legs| legs.len() >= count).await
    }

    /// All legs, once so many of them were let pass. A tunnel is there when it has ended.
    pub(crate) async fn served(&self, count: usize) -> Vec<Leg> {
        self.legs_where(|legs| legs.iter().filter(|leg| leg.status == 200).count() >= count).await
    }

    /// All legs, once they are complete.
    pub(crate) async fn legs_where(&self, complete: impl Fn(&[Leg]) -> bool) -> Vec<Leg> {
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(self.path).unwrap_or_default();
            let whole = log[self.began..].split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
            let legs: Vec<_> = whole.map(Leg::parse).filter(|leg| leg.authority() == self.target).collect();
            if complete(&legs) {
                return legs;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{}: only {legs:?}", self.target);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// One request, as squid's log has it.
#[derive(Debug)]
pub(crate) struct Leg {
    /// The client's, and so its connection.
    pub(crate) port: u16,
    target: String,
    pub(crate) status: u16,
    pub(crate) user: String,
    /// squid's own port towards the origin; none where it did not go there.
    pub(crate) out: Option<u16>,
    /// What the client says of itself, up to the first blank.
    pub(crate) agent: String,
}

impl Leg {
    /// `port=49152 CONNECT through-1.lab.test:18443 200 user=LAB%5Ccarol out=49153 agent=legwork/0.1.0`
    fn parse(line: &str) -> Self {
        let mut fields = line.split(' ');
        let mut field = |prefix: &str| {
            let field = fields.next().and_then(|field| field.strip_prefix(prefix));
            field.unwrap_or_else(|| panic!("{line:?} has no {prefix}"))
        };
        let port = field("port=").parse().expect("a port");
        field("");
        let target = field("").to_owned();
        let status = field("").parse().expect("a status");
        let user = field("user=").replace("%5C", "\\");
        let out = field("out=").parse().ok();
        let agent = field("agent=").to_owned();
        Self { port, target, status, user, out, agent }
    }

    /// Where to: a tunnel's target, or what an absolute URI has before its path.
    fn authority(&self) -> &str {
        let target = self.target.strip_prefix("http://").unwrap_or(&self.target);
        target.split('/').next().unwrap_or_default()
    }
}

/// The legs of each connection, in their order. It ends with a tunnel; its port may then be another's.
pub(crate) fn by_connection(legs: &[Leg]) -> Vec<Vec<&Leg>> {
    let mut ports = HashMap::<_, Vec<_>>::new();
    for leg in legs {
        ports.entry(leg.port).or_default().push(leg);
    }
    let connections = ports.values().flat_map(|legs| legs.split_inclusive(|leg| leg.status == 200));
    connections.map(<[_]>::to_vec).collect()
}

pub(crate) fn statuses(legs: &[Leg]) -> Vec<u16> {
    legs.iter().map(|leg| leg.status).collect()
}

pub(crate) fn no_tunnel(error: &Error) -> &TunnelError {
    let ErrorKind::Connect(error) = error.kind() else { panic!("{error:?}") };
    error.downcast_ref().expect("the connector's error")
}

pub(crate) fn refused(error: &Error) -> &Refusal {
    match no_tunnel(error).kind() {
        TunnelErrorKind::Answered { status, refusal: Some(refusal), .. } if *status == 407 => refusal,
        kind => panic!("no refusal: {kind:?}"),
    }
}

/// What failed in the conversation with the proxy.
pub(crate) fn failed(error: &Error) -> &Error {
    match no_tunnel(error).kind() {
        TunnelErrorKind::Failed(error) => error,
        kind => panic!("no failure: {kind:?}"),
    }
}
