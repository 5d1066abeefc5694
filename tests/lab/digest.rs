//! Logins by Digest, at Apache (MD5) and at lighttpd (all algorithms).

use std::time::Duration;

use legwork::handshake::{AuthenticatorBuilder, HandshakeError, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::service::ErrorKind;
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

fn user(site: &Site) -> AuthenticatorBuilder {
    site.authenticator(site.user())
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_known_origin_takes_one_round_trip_on_every_connection() {
    for site in sites() {
        let mark = format!("digest-{}", site.scheme);
        let authenticator = user(&site).build();
        let client = site.build(Client::builder(authenticator.clone()));
        let page = Page::get(&client, site.uri(&format!("/digest/?{mark}"))).await;
        assert_eq!((page.status, page.user.as_str()), (200, "user"), "{page:?}");
        let login = page.login();
        assert_eq!((login.scheme, login.legs), ("Digest", 2));
        assert!(login.mutual, "Apache knows the password's hash");
        for _ in 0..3 {
            let again = Page::get(&client, site.uri(&format!("/digest/two.html?{mark}"))).await;
            assert_eq!((again.status, again.user.as_str()), (200, "user"), "{again:?}");
        }
        let another = site.build(Client::builder(authenticator));
        let page = Page::get(&another, site.uri(&format!("/digest/?{mark}"))).await;
        assert_eq!((page.status, page.login().legs), (200, 1), "{page:?}");
        assert_eq!(statuses(&site.log(&mark, 6).await), [401, 200, 200, 200, 200, 200], "{mark}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_tried_once() {
    for site in sites() {
        let mark = format!("digest-wrong-{}", site.scheme);
        let wrong = Credentials::password("user", "not-the-pw");
        let client = site.client_with(site.authenticator(wrong));
        let uri = site.uri(&format!("/digest/?{mark}"));
        let page = Page::get(&client, uri.clone()).await;
        assert_eq!(page.why("Digest"), &Why::Refused(None));
        let page = Page::get(&client, uri).await;
        assert_eq!(page.why("Digest"), &Why::RefusedBefore);
        assert_eq!(statuses(&site.log(&mark, 3).await), [401, 401, 401], "{mark}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn names_passwords_and_targets_may_have_any_characters() {
    for site in sites() {
        let client = site.client(site.jaeger());
        for target in ["/digest/", "/digest/?a=b%20c&d=%22x%22", "/digest/two.html?/../%2e;,="] {
            let page = Page::get(&client, site.uri(target)).await;
            assert_eq!(page.status, 200, "{target}: {page:?}");
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_body_goes_once_where_the_origin_is_known() {
    for site in sites() {
        let mark = format!("digest-post-{}", site.scheme);
        let client = site.client_with(user(&site));
        client.authenticate(site.uri("/digest/")).await.expect("a login");
        let body = full(vec![b'x'; 50_000]);
        let page = Page::of(&client, post(site.uri(&format!("/digest/two.html?{mark}")), body)).await;
        assert_eq!((page.status, page.user.as_str()), (200, "user"), "{page:?}");
        let log = site.log(&mark, 1).await;
        assert_eq!(statuses(&log), [200], "{mark}");
        assert!(log[0].octets > 50_000, "{log:?}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_must_prove_itself_does() {
    for site in sites() {
        let required = user(&site).mutual_authentication(MutualAuthentication::Required);
        let page = Page::get(&site.client_with(required), site.uri("/digest/")).await;
        assert!(page.status == 200 && page.login().mutual, "{page:?}");
    }
    // lighttpd sends no Authentication-Info.
    let light = site("LIGHTTPD_HTTP");
    let required = user(&light).mutual_authentication(MutualAuthentication::Required);
    let result = light.client_with(required).request(get(light.uri("/sha256/"))).await;
    let error = result.expect_err("no proof");
    assert!(matches!(error.kind(), ErrorKind::Handshake(HandshakeError::FinalToken(_))), "{error:?}");
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_nonce_that_has_become_too_old_is_replaced_and_refuses_nobody() {
    for site in sites() {
        let mark = format!("digest-stale-{}", site.scheme);
        let client = site.client_with(user(&site));
        let uri = site.uri(&format!("/digest-stale/?{mark}"));
        for _ in 0..3 {
            // The second one takes the nonce that the first one's answer brought.
            assert_eq!(Page::get(&client, uri.clone()).await.status, 200);
        }
        // Nothing can be awaited but that its second is over.
        tokio::time::sleep(Duration::from_millis(2_100)).await;
        let page = Page::get(&client, uri).await;
        assert_eq!((page.status, page.user.as_str()), (200, "user"), "{page:?}");
        let statuses = statuses(&site.log(&mark, 6).await);
        assert_eq!(statuses[..4], [401, 200, 200, 200], "{mark}");
        assert_eq!(statuses[4..], [401, 200], "{mark}: one more leg");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_server_that_wants_counts_in_order_gets_them() {
    for site in sites() {
        let mark = format!("digest-ncc-{}", site.scheme);
        let client = site.client_with(user(&site));
        let uri = site.uri(&format!("/digest-ncc/?{mark}"));
        for _ in 0..20 {
            assert_eq!(Page::get(&client, uri.clone()).await.status, 200);
        }
        let log = statuses(&site.log(&mark, 21).await);
        assert_eq!(log.iter().filter(|status| **status == 401).count(), 1, "{mark}: {log:?}");

        // Two at a time may arrive in the wrong order: then one of them is sent once more.
        for _ in 0..50 {
            let (one, other) = tokio::join!(Page::get(&client, uri.clone()), Page::get(&client, uri.clone()));
            assert_eq!((one.status, other.status), (200, 200), "{one:?} {other:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn sixty_four_tasks_at_once_share_one_nonce() {
    for site in sites() {
        let mark = format!("digest-crowd-{}", site.scheme);
        let client = site.client_with(user(&site));
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (client, uri) = (client.clone(), site.uri(&format!("/digest/?{mark}")));
            tasks.spawn(async move {
                for _ in 0..10 {
                    assert_eq!(Page::get(&client, uri.clone()).await.status, 200);
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no task fails");
        }
        let log = site.log(&mark, 641).await;
        let challenged = log.iter().filter(|line| line.status == 401).count();
        // Those that began before the first was through; and that one asks again, where others may have been
        // challenged after it.
        assert!(challenged <= 64 + 1, "{challenged}");
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn each_algorithm_and_hashed_names_log_in_at_lighttpd() {
    let light = site("LIGHTTPD_HTTP");
    for path in ["/md5/", "/sha256/", "/sha512-256/", "/all/", "/userhash/"] {
        let client = light.client_with(user(&light));
        for legs in [2, 1] {
            let page = Page::get(&client, light.uri(path)).await;
            assert_eq!(page.status, 200, "{path}: {page:?}");
            if legs == 2 {
                assert_eq!((page.login().scheme, page.login().legs), ("Digest", 2), "{path}");
            } else {
                assert!(page.outcome.is_none(), "{path}: it went ahead: {page:?}");
            }
        }
        let wrong = Credentials::password("user", "not-the-pw");
        let page = Page::get(&light.client_with(light.authenticator(wrong)), light.uri(path)).await;
        assert_eq!(page.why("Digest"), &Why::Refused(None), "{path}");
    }
    for path in ["/md5/", "/sha256/", "/sha512-256/", "/all/"] {
        let page = Page::get(&light.client(light.jaeger()), light.uri(path)).await;
        assert_eq!(page.status, 200, "{path}: {page:?}");
    }
}
