//! Logins at Apache by HTTP/2, and back by HTTP/1.1 where they need it.

use std::collections::BTreeSet;

use http::Version;
use legwork::{Authenticator, Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

fn site() -> Site {
    crate::support::site("APACHE_H2")
}

fn client(site: &Site, credentials: Credentials) -> LabClient {
    site.build(Client::builder(site.authenticator(credentials).build()).http2())
}

/// So many requests for a path at the same time.
fn all_at_once(site: &Site, client: &LabClient, path: &str, requests: usize) -> JoinSet<Page> {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (client, uri) = (client.clone(), site.uri(path));
        tasks.spawn(async move { Page::get(&client, uri).await });
    }
    tasks
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn basic_and_digest_log_in_by_http_2_on_one_connection() {
    let site = site();
    for path in ["/basic/", "/digest/"] {
        let client = client(&site, site.user());
        // Apache takes 100 streams at a time; what is beyond them would have another connection.
        let pages = all_at_once(&site, &client, path, 96).join_all().await;
        let seen: BTreeSet<_> =
            pages.iter().map(|page| (page.status, page.user.as_str(), page.port)).collect();
        assert_eq!(seen.len(), 1, "{seen:?}");
        assert!(pages.iter().all(|page| (page.status, page.version) == (200, Version::HTTP_2)), "{seen:?}");
        assert_eq!(pages[0].user, "user");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn ntlm_and_negotiate_move_to_http_1_1_and_stay_there() {
    let site = site();
    for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
        let authenticator: Authenticator = authenticator.build();
        let client = site.build(Client::builder(authenticator.clone()).http2());
        let page = Page::get(&client, site.uri("/")).await;
        assert_eq!((page.status, page.version), (200, Version::HTTP_2), "{scheme}: {page:?}");
        let others = all_at_once(&site, &client, "/", 32);
        for (path, legs) in [("/ntlm/", Some(2)), ("/ntlm/two.html", None)] {
            let page = Page::get(&client, site.uri(path)).await;
            assert_eq!((page.status, page.version), (200, Version::HTTP_11), "{scheme}: {page:?}");
            assert_eq!(page.user, "LAB\\carol");
            if let Some(legs) = legs {
                assert_eq!((page.login().scheme, page.login().legs), (scheme, legs));
            }
        }
        assert!(others.join_all().await.iter().all(|page| page.status == 200), "{scheme}");
        let another = site.build(Client::builder(authenticator).http2());
        let page = Page::get(&another, site.uri("/ntlm/")).await;
        assert_eq!((page.version, page.login().legs), (Version::HTTP_11, 2), "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_body_by_http_2_arrives_whole() {
    let site = site();
    let client = client(&site, site.user());
    let request = post(site.uri("/basic/upload"), full(vec![b'u'; 1 << 20]));
    assert_eq!(Page::get(&client, site.uri("/basic/")).await.status, 200);
    let page = Page::of(&client, request).await;
    assert_eq!((page.status, page.version), (200, Version::HTTP_2), "{page:?}");
    assert!(page.text.contains(&format!("octets={}", 1 << 20)), "{page:?}");
}
