//! A proxy that challenges, on the connection on which the origin may challenge too.

use http::Request;
use http_body_util::Full;
use legwork::credentials::ProxyCredentials;
use legwork::handshake::{AuthenticatorBuilder, Outcome, Renewal};
use legwork::protection_space::Challenger;
use legwork::service::{Authenticate, AuthenticateLayer, ConnectionInfo, ErrorKind};
use legwork::testing::{Builder, DigestAcceptor, Offer, Quirk, Server, When};
use legwork::unversioned::testing::Persistence;
use tower::Layer;

use crate::leaf::{Leaf, page, send};
use crate::support::*;

const ORIGIN: &str = "http://site.example";

fn site() -> legwork::Origin {
    ORIGIN.parse().expect("an origin")
}

async fn through(server: &Server, authenticator: AuthenticatorBuilder) -> Authenticate<Leaf> {
    let info = ConnectionInfo::new(site()).proxy(server.origin());
    AuthenticateLayer::new(authenticator.build(), info).layer(Leaf::connect(server).await)
}

/// Carol's password for both.
fn both(server: &Server) -> AuthenticatorBuilder {
    builder().credentials(site(), carol()).proxy_credentials(server.origin(), carol())
}

fn absolute(method: &str, path: &str, body: &'static str) -> Request<Full<bytes::Bytes>> {
    let uri = format!("{ORIGIN}{path}");
    Request::builder()
        .method(method)
        .uri(uri)
        .header("host", "site.example")
        .body(Full::from(body))
        .expect("a request")
}

fn proxying(proxy: Offer) -> Builder {
    server_of_three([]).offer_as(Challenger::Proxy, proxy).quirk(proxy_support())
}

#[tokio::test]
async fn a_proxy_alone_is_answered_by_407_and_its_own_field() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = proxying(offer).start().await.expect("a server");
        let mut service = through(&server, both(&server)).await;
        let response = send(&mut service, absolute("GET", "/", "")).await.expect("a response");
        assert_eq!((response.status().as_u16(), login(&response).challenger), (200, Challenger::Proxy));
        page(response).await;
        page(send(&mut service, absolute("GET", "/", "")).await.expect("a response")).await;
        let report = server.report();
        assert_eq!(statuses(&report), [407, 407, 200, 200], "{report}");
        assert!(report.legs().all(|leg| leg.authorization.is_none()), "{report}");
    }
}

#[tokio::test]
async fn digest_covers_the_target_as_it_is_on_the_wire_to_the_proxy() {
    let acceptor = DigestAcceptor::new("the proxy").user(USER, PASSWORD);
    let server = proxying(Offer::judged("Digest", acceptor)).start().await.expect("a server");
    let mut service = through(&server, both(&server)).await;
    for path in ["/", "/dir/?a=b%20c"] {
        let response = send(&mut service, absolute("POST", path, "a body")).await.expect("a response");
        assert_eq!(response.status(), 200);
        if let Some(Outcome::LoggedIn(login)) = response.extensions().get() {
            assert_eq!((login.challenger, login.mutual), (Challenger::Proxy, true));
        }
        page(response).await;
    }
    let report = server.report();
    assert_eq!(statuses(&report), [407, 200, 200], "{report}");
    let targets: Vec<_> = report.legs().map(|leg| leg.target.as_str()).collect();
    assert_eq!(targets[1..], ["http://site.example/", "http://site.example/dir/?a=b%20c"]);
    assert!(report.legs().all(|leg| leg.authorization.is_none()), "{report}");
}

// requests-kerberos 83
#[tokio::test]
async fn proxy_and_origin_both_log_in_on_the_same_connection() {
    for (proxy, origin) in [
        (Offer::Ntlm, Offer::Ntlm),
        (Offer::Negotiate, Offer::Ntlm),
        (Offer::Ntlm, Offer::Negotiate),
        (Offer::Negotiate, Offer::Negotiate),
    ] {
        for (method, body) in [("GET", ""), ("POST", "twelve bytes")] {
            let server = proxying(proxy.clone()).offer(origin.clone()).start().await.expect("a server");
            let mut service = through(&server, both(&server)).await;
            let response = without_hanging(send(&mut service, absolute(method, "/", body))).await;
            let response = response.expect("a response");
            assert_eq!(response.status(), 200, "{proxy:?} {origin:?} {method}");
            let text = page(response).await;
            assert!(text.ends_with(&format!("{} octets\n", body.len())), "{text}");
            page(send(&mut service, absolute(method, "/", body)).await.expect("a response")).await;
            let report = server.report();
            assert_eq!(report.connections().len(), 1, "{report}");
            assert_eq!((report.handshakes(), report.misplaced(), report.refused()), (2, 0, 0), "{report}");
            assert_eq!(statuses(&report), [407, 407, 401, 401, 200, 200], "{report}");
        }
    }
}

#[tokio::test]
async fn a_second_connection_knows_both_and_logs_in_without_asking() {
    for (method, body) in [("GET", ""), ("POST", "twelve bytes")] {
        let server = proxying(Offer::Ntlm).offer(Offer::Ntlm).start().await.expect("a server");
        let layer =
            AuthenticateLayer::new(both(&server).build(), ConnectionInfo::new(site()).proxy(server.origin()));
        for _ in 0..2 {
            let mut service = layer.layer(Leaf::connect(&server).await);
            let response = without_hanging(send(&mut service, absolute(method, "/", body))).await;
            let response = response.expect("a response");
            assert_eq!(response.status(), 200);
            page(response).await;
        }
        let report = server.report();
        assert!(report.connections()[1].legs.len() <= 4, "{report}");
        assert_eq!((report.handshakes(), report.misplaced(), report.refused()), (4, 0, 0), "{report}");
    }
}

// curl CVE-2016-0755, CVE-2026-3784
#[tokio::test]
async fn bobs_proxy_credentials_never_ride_on_alices_login_at_the_proxy() {
    let by = |who| {
        let mut request = absolute("GET", "/", "");
        request.extensions_mut().insert(ProxyCredentials(who));
        request
    };
    for other in [by(bob()), absolute("GET", "/", "")] {
        let server = proxying(Offer::Ntlm).start().await.expect("a server");
        let mut service = through(&server, builder()).await;
        for _ in 0..2 {
            let response = send(&mut service, by(alice())).await.expect("a response");
            assert_eq!(response.status(), 200);
            page(response).await;
        }
        let error = send(&mut service, other).await.expect_err("alice's connection");
        assert!(matches!(error.kind(), ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity)), "{error:?}");
        assert_eq!(statuses(&server.report()), [407, 407, 200, 200]);
    }
}

#[tokio::test]
async fn an_origins_password_does_not_go_to_the_proxy_nor_the_other_way_round() {
    let server = proxying(Offer::Ntlm).offer(Offer::Ntlm).start().await.expect("a server");
    let origins_alone = builder().credentials(site(), carol());
    let mut service = through(&server, origins_alone).await;
    let response = send(&mut service, absolute("GET", "/", "")).await.expect("a response");
    assert_eq!((response.status().as_u16(), refusal(&response).challenger), (407, Challenger::Proxy));
    page(response).await;

    let proxys_alone = builder().proxy_credentials(server.origin(), carol());
    let mut service = through(&server, proxys_alone).await;
    let response = send(&mut service, absolute("GET", "/", "")).await.expect("a response");
    assert_eq!((response.status().as_u16(), refusal(&response).challenger), (401, Challenger::Origin));
    page(response).await;
    let report = server.report();
    assert!(report.legs().all(|leg| leg.authorization.is_none()), "{report}");
}

#[tokio::test]
async fn a_proxy_that_turns_out_to_demand_nothing_gets_the_body_in_the_end() {
    let server = server_of_three([]).start().await.expect("a server");
    let mut service =
        through(&server, both(&server).declare_proxy(server.origin(), "NTLM").expect("a known scheme")).await;
    let response = without_hanging(send(&mut service, absolute("POST", "/", "twelve bytes"))).await;
    assert!(page(response.expect("a response")).await.ends_with("12 octets\n"));
    let report = server.report();
    let legs: Vec<_> = report.legs().map(|leg| leg.body_octets).collect();
    assert_eq!(legs, [0, 12], "{report}");
}

#[tokio::test]
async fn a_proxy_that_forgets_is_logged_in_at_again_and_the_origin_stays() {
    let server = proxying(Offer::Ntlm)
        .offer(Offer::Ntlm)
        .quirk_when(When::path("/forgotten"), Quirk::Persistence(Persistence::Forgotten))
        .start()
        .await
        .expect("a server");
    let mut service = through(&server, both(&server)).await;
    for path in ["/", "/forgotten", "/"] {
        let response = without_hanging(send(&mut service, absolute("GET", path, ""))).await;
        let response = response.expect("a response");
        assert_eq!(response.status(), 200, "{path}: {}", server.report());
        page(response).await;
    }
    let report = server.report();
    assert_eq!((report.connections().len(), report.misplaced()), (1, 0), "{report}");
}
