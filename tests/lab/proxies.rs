//! Tunnels through squid, which asks for a login first.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hyper_util::client::legacy::connect::HttpConnector;
use legwork::client::hyper::ChannelBound;
use legwork::client::tunnel::{Tunnel, TunnelError, TunnelErrorKind};
use legwork::credentials::Credentials;
use legwork::handshake::{AuthenticatorBuilder, Refusal, Why};
use legwork::scheme::{Basic, Digest, NtlmScheme, Scheme};
use legwork::service::{Error, ErrorKind};
use legwork::{Authenticator, Client, Origin};
use tokio::task::JoinSet;

use crate::support::*;

type Tls<C> = hyper_rustls::HttpsConnector<C>;
type Squid = Tunnel<ChannelBound<Tls<HttpConnector>>>;
type SquidClient = Client<ChannelBound<Tls<Squid>>, Body>;

/// A way to log in at squid, and what its log then has of a tunnel.
struct Way {
    name: &'static str,
    port: &'static str,
    schemes: fn(AuthenticatorBuilder) -> AuthenticatorBuilder,
    credentials: fn(&Site) -> Credentials,
    user: &'static str,
    statuses: &'static [u16],
}

fn only(builder: AuthenticatorBuilder, scheme: impl Scheme + 'static) -> AuthenticatorBuilder {
    builder.schemes([Arc::new(scheme) as Arc<dyn Scheme>])
}

fn ways() -> Vec<Way> {
    let ways = [
        Way {
            name: "Basic",
            port: "SQUID_BASIC",
            schemes: |builder| builder.dangerous_secrets_over_plain_http(true),
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
            schemes: |builder| only(builder, NtlmScheme::default()),
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
    let mut ways = Vec::from(ways);
    #[cfg(unix)]
    ways.extend(kerberos());
    ways
}

#[cfg(unix)]
fn kerberos() -> [Way; 3] {
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
    [
        way("Kerberos by ticket", "SQUID_NEGOTIATE", ticket),
        way("Kerberos by password", "SQUID_NEGOTIATE", |site| site.credentials("KRB5_USER", "KRB5_PASSWORD")),
        way("Kerberos by TLS", "SQUID_TLS", ticket),
    ]
}

impl Way {
    fn proxy(&self, site: &Site) -> Origin {
        site.value(self.port).parse().expect("an origin")
    }

    fn authenticator(&self, site: &Site, credentials: Credentials) -> AuthenticatorBuilder {
        (self.schemes)(Authenticator::builder()).proxy_credentials(self.proxy(site), credentials)
    }

    /// A client that nobody is logged in with at the origin.
    fn client(&self, site: &Site, at_proxy: AuthenticatorBuilder) -> SquidClient {
        self.client_with(site, at_proxy, Authenticator::builder())
    }

    fn client_with(
        &self,
        site: &Site,
        at_proxy: AuthenticatorBuilder,
        at_origin: AuthenticatorBuilder,
    ) -> SquidClient {
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        http.set_nodelay(true);
        let to_proxy = ChannelBound::new(Tls::from((http, site.tls())));
        let tunnel = Tunnel::new(to_proxy, self.proxy(site), at_proxy.build());
        Client::with_connector(at_origin.build(), ChannelBound::new(Tls::from((tunnel, site.tls()))))
    }
}

/// Apache by a name of each test's own, which only squid knows.
fn through(name: usize) -> Vec<Site> {
    let name = format!("through-{name}.lab.test");
    sites().into_iter().map(|site| site.at_host(&name)).collect()
}

/// squid's own account of the tunnels to a site.
struct Log {
    path: &'static str,
    began: usize,
    target: String,
}

impl Log {
    fn of(site: &Site) -> Self {
        let path = site.value("SQUID_ACCESS_LOG");
        let began = std::fs::metadata(path).map_or(0, |log| log.len() as usize);
        let origin = site.origin();
        Self { path, began, target: format!(" CONNECT {}:{} ", origin.host(), origin.port()) }
    }

    /// Port, status and user of so many legs, once they are there: the last is noted when its
    /// tunnel ends.
    async fn legs(&self, count: usize) -> Vec<(String, u16, String)> {
        let begun = Instant::now();
        loop {
            let log = std::fs::read_to_string(self.path).unwrap_or_default();
            let lines = log[self.began..].lines();
            let legs: Vec<_> = lines.filter_map(|line| line.split_once(&self.target)).map(leg).collect();
            if legs.len() >= count {
                return legs;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{}: only {legs:?}", self.target);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

/// `port=49152` before and `200 user=LAB\carol` behind the target.
fn leg((port, rest): (&str, &str)) -> (String, u16, String) {
    let (status, user) = rest.split_once(" user=").expect("a user");
    (port.to_owned(), status.parse().expect("a status"), user.replace("%5C", "\\"))
}

fn no_tunnel(error: &Error) -> &TunnelError {
    let ErrorKind::Connection(error) = error.kind() else { panic!("{error:?}") };
    error.downcast_ref().expect("the connector's error")
}

fn refused(error: &Error) -> &Refusal {
    match no_tunnel(error).kind() {
        TunnelErrorKind::Answered { status, refusal: Some(refusal), .. } if *status == 407 => refusal,
        kind => panic!("no refusal: {kind:?}"),
    }
}

#[tokio::test]
async fn every_scheme_opens_a_tunnel_on_one_connection() {
    for site in through(1) {
        for way in ways() {
            let log = Log::of(&site);
            let client = way.client(&site, way.authenticator(&site, (way.credentials)(&site)));
            let page = Page::get(&client, site.uri("/")).await;
            assert_eq!(page.status, 200, "{}: {page:?}", way.name);
            client.shut_down().await;
            let legs = log.legs(way.statuses.len()).await;
            let statuses: Vec<_> = legs.iter().map(|(_, status, _)| *status).collect();
            assert_eq!(statuses, way.statuses, "{}: {legs:?}", way.name);
            assert!(legs.iter().all(|(port, ..)| *port == legs[0].0), "{}: {legs:?}", way.name);
            assert_eq!(legs.last().expect("a leg").2, way.user, "{}", way.name);
        }
    }
}

#[tokio::test]
async fn a_known_proxy_takes_a_leg_less() {
    for site in through(2) {
        for way in ways() {
            let log = Log::of(&site);
            let client = way.client(&site, way.authenticator(&site, (way.credentials)(&site)));
            for tunnel in 1..=2 {
                let page = Page::get(&client, site.uri("/")).await;
                assert_eq!(page.status, 200, "{}, {tunnel}: {page:?}", way.name);
                client.close_idle();
                log.legs(way.statuses.len() * tunnel - (tunnel - 1)).await;
            }
            let legs = log.legs(0).await;
            let statuses: Vec<_> = legs.iter().map(|(_, status, _)| *status).collect();
            assert_eq!(statuses, [way.statuses, &way.statuses[1..]].concat(), "{}: {legs:?}", way.name);
        }
    }
}

#[tokio::test]
async fn proxy_and_origin_each_get_their_own_login() {
    for site in through(3) {
        for way in ways() {
            let at_proxy = way.authenticator(&site, (way.credentials)(&site));
            let client = way.client_with(&site, at_proxy, site.authenticator(site.dave()));
            for path in ["/mixed/", "/mixed/two.html"] {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{}: {page:?}", way.name);
            }
        }
    }
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_the_error_says_so() {
    for site in through(4) {
        for way in ways().into_iter().filter(|way| !way.name.starts_with("Kerberos")) {
            let log = Log::of(&site);
            let name = (way.credentials)(&site).username().expect("a name").to_owned();
            let wrong = Credentials::password(name, "not-the-password");
            let client = way.client(&site, way.authenticator(&site, wrong));
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                let (client, uri) = (client.clone(), site.uri("/"));
                tasks.spawn(async move {
                    let error = client.get(uri).await.expect_err("no tunnel");
                    refused(&error).tried.iter().map(|tried| tried.why.clone()).collect::<Vec<_>>()
                });
            }
            let tried = tasks.join_all().await;
            let so = |is: fn(&Why) -> bool| tried.iter().filter(|whys| whys.iter().any(is)).count();
            let (refused, before) =
                (so(|why| matches!(why, Why::Refused(_))), so(|why| *why == Why::RefusedBefore));
            assert!(refused == 1 && before >= 15, "{}: {tried:?}", way.name);
            let legs = log.legs(16).await;
            assert!(legs.iter().all(|(_, status, _)| *status == 407), "{}: {legs:?}", way.name);
        }
    }
}

#[tokio::test]
async fn an_origin_that_squid_cannot_reach_is_an_error_of_the_proxy() {
    for site in through(6) {
        let way = &ways()[3];
        let client = way.client(&site, way.authenticator(&site, site.carol()));
        let nobody = format!("{}://{}:1/", site.scheme, site.origin().host()).parse().expect("a URI");
        let error = client.get(nobody).await.expect_err("no tunnel");
        match no_tunnel(&error).kind() {
            TunnelErrorKind::Answered { status, refusal: None, .. } => assert_eq!(*status, 503),
            kind => panic!("{kind:?}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_tunnels_at_once_all_get_in() {
    for site in through(5) {
        let way = &ways()[3];
        let at_proxy = way.authenticator(&site, site.carol());
        let client = way.client_with(&site, at_proxy, site.authenticator(site.dave()));
        let mut tasks = JoinSet::new();
        for _ in 0..16 {
            let (client, uri) = (client.clone(), site.uri("/ntlm/"));
            tasks.spawn(async move {
                for _ in 0..8 {
                    let page = Page::get(&client, uri.clone()).await;
                    assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{page:?}");
                }
            });
        }
        tasks.join_all().await;
    }
}
