//! Tunnels through squid, which asks for a login first.

use legwork::client::tunnel::TunnelErrorKind;
use legwork::credentials::Credentials;
use legwork::handshake::Why;
use tokio::task::JoinSet;

use crate::squid::{Log, no_tunnel, refused, statuses, through, ways};
use crate::support::Page;

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
            assert_eq!(statuses(&legs), way.statuses, "{}: {legs:?}", way.name);
            assert!(legs.iter().all(|leg| leg.port == legs[0].port), "{}: {legs:?}", way.name);
            assert_eq!(legs.last().expect("a leg").user, way.user, "{}", way.name);
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
            assert!(legs.iter().all(|leg| leg.status == 407), "{}: {legs:?}", way.name);
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
