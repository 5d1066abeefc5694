//! Logins by Windows' own mechanisms, with explicit credentials.

use legwork::channel_bindings::ChannelBindingsUse;
use legwork::handshake::{AuthenticatorBuilder, Why};
use legwork::{Authenticator, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

/// The default, and the scheme NTLM alone. Without channel bindings: wine refuses them in the first
/// call, where Windows wants them.
fn by_each_scheme(site: &Site, credentials: &Credentials) -> [(&'static str, AuthenticatorBuilder); 2] {
    let builder = || {
        let builder = Authenticator::builder().channel_bindings(ChannelBindingsUse::Off);
        builder.credentials(site.origin(), credentials.clone())
    };
    [("Negotiate", builder()), ("NTLM", builder().schemes(legwork::scheme::NtlmScheme::default()))]
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn the_systems_ntlm_logs_in_at_apache_by_either_scheme() {
    for site in sites() {
        for (user, name) in [(site.carol(), "LAB\\carol"), (site.dave(), "LAB\\dave")] {
            for (scheme, authenticator) in by_each_scheme(&site, &user) {
                let client = site.client_with(authenticator);
                let page = Page::get(&client, site.uri("/ntlm/")).await;
                assert_eq!(
                    (page.status, page.user.as_str()),
                    (200, name),
                    "{} {scheme}: {page:?}",
                    site.scheme
                );
                let login = page.login();
                assert_eq!((login.scheme, login.mechanism, login.legs), (scheme, "NTLM", 3));
                let again = Page::get(&client, site.uri("/ntlm/two.html")).await;
                assert_eq!(
                    (again.status, again.port),
                    (200, page.port),
                    "{scheme}: the connection is logged in"
                );
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_refused_at_apache_and_said_so() {
    for site in sites() {
        for (scheme, authenticator) in by_each_scheme(&site, &site.not_carol()) {
            let page = Page::get(&site.client_with(authenticator), site.uri("/ntlm/")).await;
            assert_eq!(page.status, 401, "{}", site.scheme);
            assert!(matches!(page.why(scheme), Why::Refused(_)), "{scheme}: {page:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn every_request_of_256_tasks_succeeds_at_apache() {
    for site in sites() {
        let [(_, authenticator), _] = by_each_scheme(&site, &site.carol());
        let client = site.client_with(authenticator);
        let mut tasks = JoinSet::new();
        for _ in 0..256 {
            let (client, uri) = (client.clone(), site.uri("/ntlm/"));
            tasks.spawn(async move { Page::get(&client, uri).await });
        }
        for page in tasks.join_all().await {
            assert_eq!((page.status, page.user.as_str()), (200, "LAB\\carol"), "{}", site.scheme);
        }
    }
}
