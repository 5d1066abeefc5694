//! Tunnels through squid, which asks for a login first.

use std::collections::HashSet;

use http::HeaderMap;
use http::header::{HeaderValue, USER_AGENT};
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::TunnelErrorKind;
use legwork::credentials::Credentials;
use legwork::handshake::{HandshakeError, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::service::ErrorKind;
use legwork::{Authenticator, Client};
use tokio::task::JoinSet;

use crate::connections::{Who, ten_requests};
use crate::squid::{
    Leg, Log, SquidClient, by_connection, closing_ways, failed, no_tunnel, refused, statuses, through, ways,
};
use crate::support::{LabClient, Page};

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_scheme_opens_a_tunnel_on_one_connection() {
    for site in through(1) {
        for way in ways() {
            let log = Log::of(&site);
            let client = way.client(&site, way.authenticator(&site, (way.credentials)(&site)));
            let page = Page::get(&client, site.uri("/")).await;
            assert_eq!(page.status, 200, "{}: {page:?}", way.name);
            client.shut_down().await;
            let legs = log.legs(way.statuses.len()).await;
            assert_eq!(statuses(&legs), way.statuses, "{}: {legs:?}", way.name);
            assert!(legs.iter().all(|leg| leg.port == legs[0].port), "{}: {legs:?}", way.name);
            assert_eq!(legs.last().expect("a leg").user, way.user, "{}", way.name);
            let ours = concat!("legwork/", env!("CARGO_PKG_VERSION"));
            assert!(legs.iter().all(|leg| leg.agent == ours), "{}: {legs:?}", way.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_proxy_that_judges_by_user_agent_lets_pass_whom_it_knows() {
    // By plain http the field is the request's own.
    for site in through(12).into_iter().filter(|site| site.scheme == "https") {
        let proxy: Proxy = site.value("SQUID_JUDGING").parse().expect("a proxy");
        let fields = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("backup/2.1"))]);
        let known = proxy.clone().connect_fields(fields).expect("fields");
        let client = |proxy: Proxy| -> LabClient {
            let builder = Authenticator::builder().proxy_credentials(proxy.origin().clone(), site.carol());
            site.build(Client::builder(builder.build()).proxies(Proxies::all(proxy)))
        };
        let log = Log::of(&site);
        let error = client(proxy).get(site.uri("/")).await.expect_err("no tunnel");
        assert!(
            matches!(no_tunnel(&error).kind(), TunnelErrorKind::Answered { status, .. } if *status == 403),
            "{error:?}"
        );
        let client = client(known);
        assert_eq!(Page::get(&client, site.uri("/")).await.status, 200);
        client.shut_down().await;
        let legs = log.legs(4).await;
        assert_eq!(statuses(&legs), [403, 407, 407, 200], "{legs:?}");
        assert!(legs[0].agent.starts_with("legwork/"), "{legs:?}");
        assert!(legs[1..].iter().all(|leg| leg.agent == "backup/2.1"), "{legs:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
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
            assert_eq!(
                statuses(&legs),
                [way.statuses, &way.statuses[1..]].concat(),
                "{}: {legs:?}",
                way.name
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn where_the_first_challenge_ends_the_connection_the_login_takes_another() {
    for site in through(7) {
        for way in closing_ways() {
            let log = Log::of(&site);
            let client = way.client(&site, way.authenticator(&site, (way.credentials)(&site)));
            for tunnel in 1..=3 {
                let page = Page::get(&client, site.uri("/")).await;
                assert_eq!(page.status, 200, "{}, {tunnel}: {page:?}", way.name);
                client.close_idle();
                log.legs(1 + (way.statuses.len() - 1) * tunnel).await;
            }
            let legs = log.legs(0).await;
            let connections: Vec<_> =
                legs.chunk_by(|one, next| one.port == next.port).map(statuses).collect();
            let login = &way.statuses[1..];
            assert_eq!(connections, [&[407], login, login, login], "{}: {legs:?}", way.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn proxy_and_origin_each_get_their_own_login() {
    for site in through(3) {
        for way in ways().into_iter().chain(closing_ways()) {
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
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_tried_once_and_the_error_says_so() {
    for site in through(4) {
        let ways = ways().into_iter().chain(closing_ways());
        for way in ways.filter(|way| !way.name.starts_with("Kerberos")) {
            let log = Log::of(&site);
            let client = way.client(&site, way.authenticator(&site, way.wrong_password(&site)));
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
            assert!(legs.iter().all(|leg| leg.status == 407), "{}: {legs:?}", way.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_kerberos_password_reaches_the_kdc_once_and_the_error_says_so() {
    for site in through(8) {
        let ways = ways().into_iter().chain(closing_ways());
        for way in ways.filter(|way| way.name.starts_with("Kerberos by password")) {
            let before = site.passwords_refused("carol@LAB.TEST");
            let wrong = Credentials::password("carol@LAB.TEST", "not-the-password");
            let client = way.client(&site, way.authenticator(&site, wrong));
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                let (client, uri) = (client.clone(), site.uri("/"));
                tasks.spawn(async move { client.get(uri).await.expect_err("no tunnel") });
            }
            let mut told = 0;
            for error in tasks.join_all().await {
                let whys: Vec<_> = refused(&error).tried.iter().map(|tried| &tried.why).collect();
                match whys[0] {
                    Why::Refused(Some(why)) if why.contains("refused the password") => told += 1,
                    Why::RefusedBefore => {}
                    why => panic!("{}: {why:?}", way.name),
                }
            }
            assert_eq!(told, 1, "{}", way.name);
            assert_eq!(site.passwords_refused("carol@LAB.TEST") - before, 1, "{}", way.name);
        }
    }
}

// squid's own helper hands it the server's token; squid passes no token on.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn squid_proves_to_nobody_who_it_is() {
    for site in through(9) {
        for way in ways().into_iter().chain(closing_ways()) {
            let authenticator = way.authenticator(&site, (way.credentials)(&site));
            let required = authenticator.mutual_authentication(MutualAuthentication::Required);
            let error = way.client(&site, required).get(site.uri("/")).await.expect_err("no tunnel");
            if ["Kerberos", "Digest"].iter().any(|scheme| way.name.starts_with(scheme)) {
                let kind = failed(&error).kind();
                let is_about_the_proof = matches!(kind, ErrorKind::Handshake(HandshakeError::FinalToken(_)));
                assert!(is_about_the_proof, "{}: {error:?}", way.name);
            } else {
                assert_eq!(refused(&error).tried[0].why, Why::NoMutualAuthentication, "{}", way.name);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
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
#[ignore = "needs the lab: tests/run"]
async fn sixteen_tunnels_at_once_all_get_in() {
    for site in through(5) {
        for way in ways().drain(3..4).chain(closing_ways()) {
            let at_proxy = way.authenticator(&site, (way.credentials)(&site));
            let client = way.client_with(&site, at_proxy, site.authenticator(site.dave()));
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                let (client, uri, name) = (client.clone(), site.uri("/ntlm/"), way.name);
                tasks.spawn(async move {
                    for _ in 0..8 {
                        let page = Page::get(&client, uri.clone()).await;
                        assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{name}: {page:?}");
                    }
                });
            }
            tasks.join_all().await;
        }
    }
}

/// An NTLM login, on one connection from its first leg to its last.
fn is_one_login(legs: &[&Leg], user: &str) -> bool {
    let statuses: Vec<_> = legs.iter().map(|leg| leg.status).collect();
    let (last, before) = legs.split_last().expect("a leg");
    (statuses == [407, 407, 200] || statuses == [407, 200])
        && last.user == user
        && before.iter().all(|leg| leg.user == "-")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn two_hundred_and_fifty_six_tasks_share_thirty_two_tunnels() {
    for site in through(10) {
        let way = &ways()[2];
        let log = Log::of(&site);
        let connector = way.connector(&site, way.authenticator(&site, site.carol()));
        let at_origin = site.authenticator(site.dave()).build();
        let client: SquidClient = Client::builder(at_origin).max_per_origin(32).build(connector);
        let mut tasks = JoinSet::new();
        for _ in 0..256 {
            let (client, uri) = (client.clone(), site.uri("/ntlm/"));
            tasks.spawn(async move {
                let mut ports = Vec::new();
                for _ in 0..4 {
                    let page = Page::get(&client, uri.clone()).await;
                    assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{page:?}");
                    ports.push(page.port);
                }
                ports
            });
        }
        let ports: HashSet<_> = tasks.join_all().await.into_iter().flatten().collect();
        client.shut_down().await;
        let legs = log.served(ports.len()).await;
        assert!(ports.len() <= 32, "{}: {ports:?}", site.scheme);
        for legs in by_connection(&legs) {
            assert!(is_one_login(&legs, "LAB\\carol"), "{}: {legs:?}", site.scheme);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn two_users_at_once_never_share_a_tunnel() {
    for site in through(11) {
        let way = &ways()[2];
        let log = Log::of(&site);
        let mark = format!("two-tunnelled-{}", site.scheme);
        // Each with far fewer tunnels than tasks, so that one user's must give way to another's.
        let clients = [site.carol(), site.dave()].map(|user| {
            let connector = way.connector(&site, way.authenticator(&site, user.clone()));
            let at_origin = site.authenticator(site.carol()).build();
            let client: SquidClient = Client::builder(at_origin).max_per_origin(6).build(connector);
            (user.username().expect("a name").to_owned(), client)
        });
        let mut tasks = JoinSet::new();
        for i in 0..48 {
            let (at_proxy, client) = clients[i % 2].clone();
            let who = Who::each(&site)[i % 3].clone();
            let uri = site.uri(&format!("/ntlm/?{mark}-{}-{}", i % 2, who.name()));
            tasks.spawn(async move { (at_proxy, ten_requests(client, uri, who).await) });
        }
        let users: HashSet<_> = tasks
            .join_all()
            .await
            .into_iter()
            .flat_map(|(at_proxy, ports)| ports.into_iter().map(move |port| (port, at_proxy.clone())))
            .collect();
        for (_, client) in &clients {
            client.shut_down().await;
        }
        for connection in site.connections(&mark, 48 * 10).await {
            assert!(connection.iter().all(|request| request.mark == connection[0].mark), "{connection:?}");
        }
        // Each user's requests came by tunnels of this user's.
        let theirs =
            |legs: &[Leg], port, user: &str| legs.iter().any(|leg| leg.out == Some(port) && leg.user == user);
        let complete = |legs: &[Leg]| users.iter().all(|(port, user)| theirs(legs, *port, user));
        let legs = log.legs_where(complete).await;
        for legs in by_connection(&legs) {
            let user = &legs.last().expect("a leg").user;
            assert!(is_one_login(&legs, user), "{}: {legs:?}", site.scheme);
        }
    }
}
