//! A client that goes through squid by itself: plain http in absolute form, https by a tunnel.

use std::collections::{HashMap, HashSet};

use legwork::client::proxy::{Proxies, Proxy};
use legwork::credentials::{Credentials, ProxyCredentials};
use legwork::handshake::{AuthenticatorBuilder, Outcome, Refusal, Why};
use legwork::{Authenticator, Client};
use tokio::task::JoinSet;

use crate::squid::{Log, Way, refused, statuses, through, ways};
use crate::support::{LabClient, Page, Site, get};

/// The client of these tests, by a way to log in at squid as somebody.
fn client(way: &Way, site: &Site, credentials: Credentials, at_origin: AuthenticatorBuilder) -> LabClient {
    let proxies = Proxies::all(Proxy::new(way.proxy(site)).credentials(credentials));
    site.build(Client::builder(way.schemes(at_origin).build()).proxies(proxies))
}

/// Nobody in particular, at the origin.
fn nobody() -> AuthenticatorBuilder {
    Authenticator::builder()
}

/// What was refused: by the response where squid sees the request, elsewhere by the tunnel's error.
async fn refusal(client: &LabClient, site: &Site) -> Refusal {
    match client.request(get(site.uri("/"))).await {
        Ok(response) => {
            assert_eq!((response.status().as_u16(), site.scheme), (407, "http"));
            match response.extensions().get() {
                Some(Outcome::Refused(refusal)) => refusal.clone(),
                outcome => panic!("{outcome:?}"),
            }
        }
        Err(error) => refused(&error).clone(),
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn every_scheme_passes_on_one_connection_and_the_second_request_goes_by_it() {
    for site in through(20) {
        for way in ways() {
            let log = Log::of(&site);
            let client = client(&way, &site, (way.credentials)(&site), nobody());
            for path in ["/", "/?again"] {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, ""), "{}: {page:?}", way.name);
            }
            client.shut_down().await;
            let mut expected = way.statuses.to_vec();
            expected.extend((site.scheme == "http").then_some(200));
            let legs = log.legs(expected.len()).await;
            assert_eq!(statuses(&legs), expected, "{}, {}: {legs:?}", way.name, site.scheme);
            assert!(legs.iter().all(|leg| leg.port == legs[0].port), "{}: {legs:?}", way.name);
            assert_eq!(legs.last().expect("a leg").user, way.user, "{}", way.name);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_tried_once_by_sixteen_requests() {
    for site in through(21) {
        for way in ways().into_iter().filter(|way| !way.name.starts_with("Kerberos")) {
            let log = Log::of(&site);
            let client = client(&way, &site, way.wrong_password(&site), nobody());
            let mut tasks = JoinSet::new();
            for _ in 0..16 {
                let (client, site) = (client.clone(), site.clone());
                tasks.spawn(async move { refusal(&client, &site).await });
            }
            let refusals = tasks.join_all().await;
            let so = |is: fn(&Why) -> bool| {
                refusals.iter().filter(|refusal| refusal.tried.iter().any(|tried| is(&tried.why))).count()
            };
            let tried = so(|why| matches!(why, Why::Refused(_)));
            assert_eq!((tried, so(|why| *why == Why::RefusedBefore)), (1, 15), "{}: {refusals:?}", way.name);
            let legs = log.legs(16).await;
            assert!(legs.iter().all(|leg| leg.status == 407), "{}: {legs:?}", way.name);
        }
    }
}

/// squid ties the client's connection to Apache's, and says so (`Proxy-Support`).
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn squid_and_apache_each_get_a_login_on_one_connection() {
    for site in through(22) {
        for way in ways().into_iter().filter(Way::has_all_schemes) {
            let log = Log::of(&site);
            let client = client(&way, &site, (way.credentials)(&site), site.authenticator(site.dave()));
            for path in ["/ntlm/", "/ntlm/two.html"] {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{}: {page:?}", way.name);
            }
            client.shut_down().await;
            let mut expected = way.statuses[..way.statuses.len() - 1].to_vec();
            expected.extend_from_slice(if site.scheme == "http" { &[401, 401, 200, 200] } else { &[200] });
            let legs = log.legs(expected.len()).await;
            assert_eq!(statuses(&legs), expected, "{}, {}: {legs:?}", way.name, site.scheme);
            assert!(legs.iter().all(|leg| leg.port == legs[0].port), "{}: {legs:?}", way.name);
        }
    }
}

/// Apache compares the target that a login by Digest covers with the one that it gets from squid.
#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn digest_at_both_covers_what_each_of_them_sees() {
    for site in through(23) {
        for way in ways().into_iter().filter(|way| way.user == "user" && way.has_all_schemes()) {
            let log = Log::of(&site);
            let client = client(&way, &site, site.user(), site.authenticator(site.user()));
            for path in ["/digest/?a=b%20c", "/digest/two.html"] {
                let page = Page::get(&client, site.uri(path)).await;
                assert_eq!((page.status, page.user.as_str()), (200, "user"), "{}: {page:?}", way.name);
            }
            client.shut_down().await;
            let expected: &[u16] = if site.scheme == "http" { &[407, 401, 200, 200] } else { &[407, 200] };
            assert_eq!(statuses(&log.legs(expected.len()).await), expected, "{}", way.name);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn of_256_tasks_as_two_users_each_connection_is_one_users() {
    for site in through(24).into_iter().filter(|site| site.scheme == "http") {
        let way = ways().into_iter().find(|way| way.name == "NTLM").expect("a way");
        let log = Log::of(&site);
        let proxies = Proxies::all(Proxy::new(way.proxy(&site)).credentials(site.carol()));
        let authenticator = site.authenticator(site.dave()).build();
        let client = site.build(Client::builder(authenticator).max_per_origin(32).proxies(proxies));
        let mut tasks = JoinSet::new();
        for task in 0..256 {
            let (client, mut request, dave) = (client.clone(), get(site.uri("/ntlm/")), site.dave());
            if task % 2 == 1 {
                request.extensions_mut().insert(ProxyCredentials(dave));
            }
            tasks.spawn(async move {
                let page = Page::of(&client, request).await;
                assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{page:?}");
            });
        }
        tasks.join_all().await;
        client.shut_down().await;
        let mut users = HashMap::<_, HashSet<_>>::new();
        for leg in log.served(256).await {
            if leg.status == 200 {
                users.entry(leg.port).or_default().insert(leg.user);
            }
        }
        assert!(users.values().all(|users| users.len() == 1), "{users:?}");
        let seen: HashSet<_> = users.values().flatten().map(String::as_str).collect();
        assert_eq!(seen, HashSet::from(["LAB\\carol", "LAB\\dave"]));
    }
}
