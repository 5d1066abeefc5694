//! Logins that succeed.

use legwork::Credentials;
use legwork::handshake::Why;
use legwork::scheme::Schemes;

use crate::support::*;

/// Which scheme and mechanism it was by, and in how many legs.
fn course(page: &Page) -> (&str, &str, u32) {
    let login = page.login();
    (login.scheme, login.mechanism, login.legs)
}

async fn logs_in(scheme: &str, paths: &[&str]) {
    for site in sites() {
        for path in paths {
            let authenticators = site.by_each_scheme(site.carol());
            let (_, authenticator) =
                authenticators.into_iter().find(|(name, _)| *name == scheme).expect("one of the two");
            let page = Page::get(&site.client_with(authenticator), site.uri(path)).await;
            assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{} {path}", site.scheme);
            assert_eq!(page.text, format!("hello from {}\n", path.trim_end_matches('/')));
            assert_eq!(course(&page), (scheme, "NTLM", 3), "{} {path}", site.scheme);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn ntlm_logs_in_at_apache() {
    logs_in("NTLM", &["/ntlm/"]).await;
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn ntlm_inside_negotiate_logs_in_at_apache() {
    logs_in("Negotiate", &["/ntlm/"]).await;
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn logs_in_where_kerberos_and_basic_are_offered_too() {
    for scheme in ["Negotiate", "NTLM"] {
        logs_in(scheme, &["/mixed/", "/all/"]).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn reads_every_challenge_of_one_line_with_commas() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.carol()) {
            let page = Page::get(&site.client_with(authenticator), site.uri("/joined/")).await;
            assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{}", site.scheme);
            assert_eq!(course(&page), (scheme, "NTLM", 3));
        }
        // Who speaks none of the schemes is told of each: four in one line, three in lines of their own.
        let page = Page::get(
            &site.client_with(site.authenticator(site.carol()).schemes(Schemes::new())),
            site.uri("/joined/"),
        )
        .await;
        assert_eq!(
            page.schemes_tried(),
            ["Negotiate", "NTLM", "Digest", "Basic", "Negotiate", "NTLM", "Basic"]
        );
        assert_eq!(page.why("Digest"), &Why::Unsupported);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_password_beyond_ascii_logs_in() {
    for site in sites() {
        for (scheme, authenticator) in site.by_each_scheme(site.dave()) {
            let page = Page::get(&site.client_with(authenticator), site.uri("/ntlm/")).await;
            assert_eq!((page.status, page.user.as_str()), (200, "LAB\\dave"), "{} {scheme}", site.scheme);
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_user_name_without_a_domain_logs_in() {
    for site in sites() {
        let carol = site.carol();
        let (_, password) = carol.as_password().expect("a password");
        let carol = Credentials::password("carol", password.expose());
        let page = Page::get(&site.client(carol), site.uri("/ntlm/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "carol"), "{}: {page:?}", site.scheme);
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn basic_logs_in_with_a_password_beyond_ascii() {
    for site in sites() {
        let jaeger = site.authenticator(site.jaeger());
        let client = site.client_with(jaeger.dangerous_secrets_over_plain_http(site.scheme == "http"));
        let page = Page::get(&client, site.uri("/basic/")).await;
        assert_eq!((page.status, page.user.as_str()), (200, "jäger"), "{}: {page:?}", site.scheme);
        assert_eq!(course(&page), ("Basic", "Basic", 2));
    }
}
