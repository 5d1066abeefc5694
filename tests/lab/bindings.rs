//! Logins at servers that look at channel bindings, one for each kind of certificate.

use legwork::channel_bindings::{AbsentChannelBindings, ChannelBindingsUse};
use legwork::handshake::AuthenticatorBuilder;

use crate::support::*;

/// The servers whose certificates rustls verifies; it does not verify SHA-1.
const SERVERS: [&str; 6] = [
    "BINDINGS_SERVER",
    "BINDINGS_RSA256",
    "BINDINGS_RSA384",
    "BINDINGS_RSA512",
    "BINDINGS_PSS",
    "BINDINGS_ED25519",
];

/// A user for each mechanism and scheme.
fn logins(site: &Site) -> Vec<(&'static str, AuthenticatorBuilder)> {
    #[allow(unused_mut, reason = "there is no Kerberos but on unix")]
    let mut logins = Vec::from(site.by_each_scheme(site.carol()));
    #[cfg(unix)]
    {
        use legwork::credentials::{Ambient, Credentials};
        use legwork::mechanism::gssapi::Gssapi;
        use legwork::scheme::Negotiate;

        let alice = Credentials::ambient(Ambient::new().cache(site.value("CCACHE")).stable());
        logins
            .push(("Kerberos", site.authenticator(alice).negotiate(Negotiate::kerberos(Gssapi::kerberos()))));
    }
    logins
}

// curl 3280, 3503; davmail 352; gss-ntlmssp 25
#[tokio::test]
async fn servers_that_require_bindings_let_in_by_each_kind_of_certificate() {
    for site in SERVERS.into_iter().filter_map(site) {
        for (by, authenticator) in logins(&site) {
            let client = site.client_with(authenticator);
            for path in ["/gss-require", "/gss-accept"] {
                let page = Page::get(&client, site.uri(path)).await;
                let seen = (page.status, page.bindings.as_str());
                assert_eq!(seen, (200, "bound"), "{by} at {}: {page:?}", site.uri(path));
            }
        }
    }
}

#[tokio::test]
async fn a_login_without_bindings_gets_in_only_where_they_are_not_required() {
    let Some(site) = site("BINDINGS_SERVER") else { return };
    for (path, status, bindings) in
        [("/gss-require", 401, ""), ("/gss-accept", 200, "absent"), ("/gss-ignore", 200, "n/a")]
    {
        for (by, authenticator) in logins(&site) {
            let off = authenticator.channel_bindings(ChannelBindingsUse::Off);
            let page = Page::get(&site.client_with(off), site.uri(path)).await;
            assert_eq!((page.status, page.bindings.as_str()), (status, bindings), "{by} at {path}: {page:?}");
        }
    }
}

#[tokio::test]
async fn a_server_takes_zeros_for_bindings_that_are_absent() {
    let Some(site) = site("BINDINGS_SERVER") else { return };
    for (by, authenticator) in site.by_each_scheme(site.carol()) {
        let zeros = authenticator
            .channel_bindings(ChannelBindingsUse::Off)
            .absent_channel_bindings(AbsentChannelBindings::Zeros);
        let page = Page::get(&site.client_with(zeros), site.uri("/gss-accept")).await;
        assert_eq!((page.status, page.bindings.as_str()), (200, "absent"), "{by}: {page:?}");
    }
}

#[cfg(feature = "native-tls")]
#[tokio::test]
async fn the_systems_tls_tells_the_bindings_of_each_kind_of_certificate() {
    use legwork::Client;

    for site in SERVERS.into_iter().chain(["BINDINGS_RSA1"]).filter_map(site) {
        for (by, authenticator) in logins(&site) {
            // What is shown is which bindings it tells, not whom it trusts.
            let connector = native_tls::TlsConnector::builder().danger_accept_invalid_certs(true).build();
            let client = Client::builder(authenticator.build())
                .build_with_native_tls(connector.expect("the system's TLS"));
            let page = Page::get(&client, site.uri("/gss-require")).await;
            let seen = (page.status, page.bindings.as_str());
            assert_eq!(seen, (200, "bound"), "{by} at {}: {page:?}", site.uri("/"));
        }
    }
}
