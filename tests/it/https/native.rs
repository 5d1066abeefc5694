//! The same by the system's TLS.

#[cfg(not(any(windows, target_vendor = "apple")))]
use std::net::TcpStream;

use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use native_tls::TlsConnector;

use super::*;

/// Any kind of certificate, trusted or not: the tests are about what it gives.
fn connector() -> TlsConnector {
    TlsConnector::builder().danger_accept_invalid_certs(true).build().expect("the system's TLS")
}

#[tokio::test]
async fn logins_by_the_systems_tls_are_bound_to_each_kind_of_certificate() {
    for certificate in CERTIFICATES.into_iter().chain([RSA_SHA1]) {
        let https = Https::start(requiring(Offer::Negotiate, certificate.bindings()), certificate).await;
        let client: Client<Full<Bytes>> =
            Client::builder(https.authenticator().build()).build_with_native_tls(connector());
        let response = client.request(https.get()).await.expect(certificate.name);
        assert_eq!(response.status(), 200, "{}: {}", certificate.name, https.report());
        text(response).await;
        assert!(https.sent()[0].are(&certificate.bindings()), "{}", certificate.name);
    }
}

#[tokio::test]
async fn logins_by_the_systems_tls_through_a_tunnel_are_bound_to_the_origins_certificate() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), RSA).await;
    let authenticator = https.authenticator().proxy_credentials(proxy.origin(), alice()).build();
    let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
    let tls = hyper_tls::HttpsConnector::from((tunnel, connector().into()));
    let client: Client<Full<Bytes>> = Client::with_connector(authenticator.clone(), ChannelBound::new(tls));
    let proxies = Proxies::https(Proxy::new(proxy.origin()));
    let its_own = Client::builder(authenticator).proxies(proxies).build_with_native_tls(connector());
    for sending in [client.request(https.get()), its_own.request(https.get())] {
        let response = without_hanging(sending).await.expect("a response");
        assert_eq!(response.status(), 200, "{}", https.report());
        text(response).await;
    }
    assert_eq!(statuses(&proxy.report()), [407, 407, 200, 407, 200], "{}", proxy.report());
}

#[tokio::test]
async fn certificates_are_verified_by_the_systems_tls_unless_it_is_told_otherwise() {
    let https = Https::start(server([Offer::Ntlm]), RSA).await;
    let client = Client::builder(https.authenticator().build()).build_native_tls().expect("the system's TLS");
    let error = client.request(https.get()).await.expect_err("nobody vouches for it");
    // Windows says it in the language of the user, and with a number: CERT_E_UNTRUSTEDROOT.
    let said = whole(&error);
    assert!(said.contains("certificate") || said.contains("-2146762487"), "{said}");
    assert_eq!(https.report().connections().len(), 0);
}

/// Where it has an opinion, native-tls agrees with us; it has none on RSASSA-PSS and Ed25519.
#[cfg(not(any(windows, target_vendor = "apple")))]
#[tokio::test(flavor = "multi_thread")]
async fn native_tls_hashes_certificates_as_we_do() {
    let mut agreed = Vec::new();
    for certificate in CERTIFICATES.into_iter().chain([RSA_SHA1]) {
        let https = Https::start(server([Offer::Ntlm]), certificate).await;
        let theirs = tokio::task::block_in_place(|| {
            let stream = TcpStream::connect(https.address).expect("it listens");
            let stream = connector().connect("localhost", stream).expect(certificate.name);
            stream.tls_server_end_point().expect(certificate.name)
        });
        if let Some(hash) = theirs {
            assert_eq!(ChannelBindings::tls_server_end_point(&hash), certificate.bindings());
            agreed.push(certificate.name);
        }
    }
    assert_eq!(agreed, ["ecdsa-sha256", "rsa-sha256", "rsa-sha384", "rsa-sha512", "rsa-sha1"]);
}
