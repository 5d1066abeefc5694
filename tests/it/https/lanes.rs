//! The same through reqwest, which tells the certificate with a response.

use std::time::{Duration, Instant};

use legwork::client::reqwest::Client as ReqwestClient;
use legwork::testing::{Quirk, When};

use super::*;

fn client(https: &Https, tls: impl Fn() -> reqwest::ClientBuilder + Send + Sync + 'static) -> ReqwestClient {
    Client::builder(https.authenticator().build()).build_reqwest(tls).expect("settings that fit")
}

const LEGS: &[u16] = &[401, 401, 200];

async fn is_bound(https: &Https, client: &ReqwestClient, certificate: Certificate, first: &[u16]) {
    for (body, legs) in [("", first), ("twelve bytes", LEGS)] {
        let before = https.report().legs().count();
        let response = without_hanging(client.post(https.uri("/").to_string()).body(body).send()).await;
        let text = response.expect("a response").text().await.expect("a text");
        assert!(text.ends_with(&format!("{} octets\n", body.len())), "{text}");
        assert_eq!(&statuses(&https.report())[before..], legs, "{}", https.report());
        // A connection to an origin that is known: its bindings are not.
        client.close_idle();
    }
    let sent = https.sent();
    assert!(sent.iter().all(|sent| sent.are(&certificate.bindings())), "{sent:?}");
    assert_eq!(https.report().body_octets(), 12, "{}", https.report());
}

#[tokio::test]
async fn logins_by_reqwest_over_rustls_are_bound_to_the_certificate() {
    let tls = trusting(CERTIFICATES);
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        for certificate in [RSA, ECDSA] {
            let https = Https::start(requiring(offer.clone(), certificate.bindings()), certificate).await;
            let tls = tls.clone();
            let client =
                client(&https, move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone()));
            is_bound(&https, &client, certificate, LEGS).await;
        }
    }
}

#[tokio::test]
async fn logins_over_a_client_built_elsewhere_are_bound_to_the_certificate() {
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), RSA).await;
    let built = reqwest::Client::builder().tls_backend_preconfigured(trusting(CERTIFICATES)).tls_info(true);
    let built = built.http1_only().build().expect("settings that fit");
    let client =
        Client::builder(https.authenticator().build()).build_over_reqwest(built).expect("no proxies");
    // The first leg shows that logins are tied to connections here, and the lane gets one to itself.
    is_bound(&https, &client, RSA, &[401, 401, 401, 200]).await;
}

/// The connection is back in the client's pool a moment after the challenge has been read, and nobody tells.
#[tokio::test]
async fn over_a_client_built_elsewhere_what_follows_a_challenge_leaves_it_that_moment() {
    const MOMENT: Duration = Duration::from_millis(2);
    let https = Https::start(server([Offer::Ntlm]), RSA).await;
    let built = reqwest::Client::builder().tls_backend_preconfigured(trusting(CERTIFICATES)).tls_info(true);
    let built = built.http1_only().build().expect("settings that fit");
    let client =
        Client::builder(https.authenticator().build()).build_over_reqwest(built).expect("no proxies");
    let get = || client.get(https.uri("/").to_string());
    let response = without_hanging(get().send()).await.expect("a response");
    response.text().await.expect("a text");
    let mut begun = None;
    for _ in 0..=16 {
        let response = without_hanging(get().anonymous().send()).await.expect("a response");
        assert_eq!(response.status(), 401);
        response.text().await.expect("a text");
        begun.get_or_insert_with(Instant::now);
    }
    let passed = begun.map(|begun| begun.elapsed());
    assert!(passed >= Some(16 * MOMENT), "{passed:?}");
}

/// The bindings are not known before the first response: it is a leg without the body.
#[tokio::test]
async fn what_answers_the_leg_that_asks_for_the_bindings_costs_no_request() {
    let tls = trusting(CERTIFICATES);
    for status in [200, 204, 302, 400, 404, 411, 503] {
        let server = server([Offer::Ntlm]).quirk_when(When::path("/status"), Quirk::Open);
        let https = Https::start(server, RSA).await;
        let origin = legwork::Origin::from_uri(&https.uri("/")).expect("an origin");
        let (authenticator, tls) =
            (https.authenticator().declare(origin, "NTLM").expect("a known scheme"), tls.clone());
        let client = Client::builder(authenticator.build())
            .build_reqwest(move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone()))
            .expect("settings that fit");
        let post = client.post(https.uri(&format!("/status/{status}")).to_string()).body("twelve bytes");
        let response = without_hanging(post.send()).await.expect("a response");
        assert_eq!(response.status(), status);
        let report = https.report();
        let legs: Vec<_> = report.legs().map(|leg| (leg.authorization.is_some(), leg.body_octets)).collect();
        assert_eq!(legs, [(false, 0), (false, 12)], "{report}");
    }
}

#[cfg(feature = "reqwest-native-tls")]
#[tokio::test]
async fn logins_by_reqwest_over_the_systems_tls_are_bound_to_the_certificate() {
    let https = Https::start(requiring(Offer::Ntlm, RSA.bindings()), RSA).await;
    let client = client(&https, || {
        reqwest::Client::builder().tls_backend_native().tls_danger_accept_invalid_certs(true)
    });
    is_bound(&https, &client, RSA, LEGS).await;
}
