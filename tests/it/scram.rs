//! SCRAM over sockets.

use std::sync::Arc;

use legwork::client::proxy::{Proxies, Proxy};
use legwork::handshake::{AuthenticatorBuilder, HandshakeError, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::protection_space::Challenger;
use legwork::scheme::Scram;
use legwork::scheme::scram::ScramHash;
use legwork::service::ErrorKind;
use legwork::testing::{Offer, ScramAcceptor, Server, Users, Verdict};
use legwork::unversioned::testing::ScramQuirk;
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

fn acceptor() -> ScramAcceptor {
    acceptor_of("lab")
}

fn acceptor_of(realm: &str) -> ScramAcceptor {
    ScramAcceptor::new(Arc::new(Users::new().with("user", "pencil")), realm, [7; 32])
}

async fn serving(acceptor: &ScramAcceptor) -> Server {
    server([Offer::judged("SCRAM-SHA-256", acceptor.clone())]).start().await.expect("a server")
}

fn user(server: &Server) -> AuthenticatorBuilder {
    builder().credentials(server.origin(), Credentials::password("user", "pencil"))
}

fn client_by(builder: AuthenticatorBuilder) -> HttpClient {
    build(Client::builder(builder.build()))
}

#[tokio::test]
async fn three_legs_log_in_and_the_server_always_proves_itself() {
    for rule in [MutualAuthentication::Off, MutualAuthentication::Preferred, MutualAuthentication::Required] {
        let server = serving(&acceptor()).await;
        let client = client_by(user(&server).mutual_authentication(rule));
        let response = client.request(request("POST", server.uri("/"), "a body")).await.expect("a response");
        assert_eq!(response.status(), 200);
        let login = login(&response);
        assert_eq!((login.scheme, login.legs, login.mutual), ("SCRAM-SHA-256", 3, true));
        assert_eq!(login.principal.as_deref(), Some("user"));
        let bodies: Vec<_> = server.report().legs().map(|leg| leg.body_octets).collect();
        assert_eq!(bodies, [6, 0, 6], "the body stays behind where a challenge is expected");
    }
}

#[tokio::test]
async fn a_known_login_takes_one_round_trip_on_every_connection() {
    let server = serving(&acceptor().reauthentication(None)).await;
    let authenticator = user(&server).build();
    let client: HttpClient = build(Client::builder(authenticator.clone()));
    for _ in 0..3 {
        fetch(&client, get(&server, "/")).await;
    }
    let another: HttpClient = build(Client::builder(authenticator));
    fetch(&another, get(&server, "/")).await;
    assert_eq!(statuses(&server.report()), [401, 401, 200, 200, 200, 200]);
}

#[tokio::test]
async fn without_that_each_request_logs_in_for_itself() {
    let server = serving(&acceptor()).await;
    let client = client_by(user(&server));
    for _ in 0..2 {
        fetch(&client, get(&server, "/")).await;
    }
    assert_eq!(statuses(&server.report()), [401, 401, 200, 401, 401, 200]);
}

/// Each leg of the origin's login would take a whole one at the proxy first.
#[tokio::test]
async fn at_a_proxy_and_an_origin_both_it_ends_after_the_legs_that_a_request_may_take() {
    let offer = |realm| Offer::judged("SCRAM-SHA-256", acceptor_of(realm));
    let both = server([offer("site")]).offer_as(Challenger::Proxy, offer("proxy"));
    let server = both.start().await.expect("a server");
    let pencil = || Credentials::password("user", "pencil");
    let site = "http://site.example".parse().expect("an origin");
    let authenticator = builder().credentials(site, pencil()).proxy_credentials(server.origin(), pencil());
    let proxy: Proxy = server.origin().to_string().parse().expect("a proxy");
    let client: HttpClient = Client::builder(authenticator.build()).proxies(Proxies::all(proxy)).build_http();
    let asked = request("GET", "http://site.example/".parse().expect("a URI"), "");
    let error = without_hanging(client.request(asked)).await.expect_err("no login");
    assert!(matches!(error.kind(), ErrorKind::Handshake(HandshakeError::TooManyLegs(24))), "{error:?}");
    assert_eq!(server.report().legs().count(), 24, "{}", server.report());
}

#[tokio::test]
async fn a_login_that_the_server_has_forgotten_or_renewed_heals() {
    let acceptor = acceptor().reauthentication(None);
    let server = serving(&acceptor).await;
    let client = client_by(user(&server));
    fetch(&client, get(&server, "/")).await;
    for change in [ScramAcceptor::renew, ScramAcceptor::forget] {
        change(&acceptor);
        for _ in 0..2 {
            fetch(&client, get(&server, "/")).await;
        }
    }
    let statuses = statuses(&server.report());
    assert_eq!(statuses[3..6], [401, 200, 200], "another sr: one more leg");
    assert_eq!(statuses[6..], [401, 401, 200, 200], "forgotten: from the beginning");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_at_once_log_in_by_one_message_each() {
    let server = serving(&acceptor().reauthentication(None)).await;
    let client = client_by(user(&server));
    fetch(&client, get(&server, "/")).await;
    let mut tasks = JoinSet::new();
    for _ in 0..256 {
        let (client, request) = (client.clone(), get(&server, "/"));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    assert_eq!(without_hanging(tasks.join_all()).await.len(), 256);
}

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
#[tokio::test]
async fn a_server_without_the_right_signature_is_found_out_under_every_rule() {
    for quirk in
        [ScramQuirk::WrongSignature, ScramQuirk::NoSignature, ScramQuirk::ErrorBesideThePage("other-error")]
    {
        for rule in [MutualAuthentication::Off, MutualAuthentication::Required] {
            let acceptor = acceptor();
            acceptor.quirk(quirk);
            let server = serving(&acceptor).await;
            let client = client_by(user(&server).mutual_authentication(rule));
            let error = client.request(get(&server, "/")).await.expect_err("it is not delivered");
            let kind = error.kind();
            let found_out = matches!(kind, ErrorKind::Handshake(HandshakeError::FinalToken(_)));
            assert!(found_out, "{quirk:?} {rule:?}: {error:?}");
        }
    }
}

#[tokio::test]
async fn hostile_first_messages_get_no_proof_and_a_reason() {
    for (quirk, reason) in [
        (ScramQuirk::ForeignNonce, "does not extend ours"),
        (ScramQuirk::BareNonce, "does not extend ours"),
        (ScramQuirk::Iterations(1), "at least 4096 are needed"),
        (ScramQuirk::Iterations(u64::MAX), "at most 1000000 are allowed"),
        (ScramQuirk::NoSid, "sid"),
    ] {
        let acceptor = acceptor();
        acceptor.quirk(quirk);
        let server = serving(&acceptor).await;
        let client = client_by(user(&server));
        let error = client.request(get(&server, "/")).await.expect_err("nothing can be answered");
        let mut text = error.to_string();
        let mut source = std::error::Error::source(&error);
        while let Some(error) = source {
            text += &format!(": {error}");
            source = error.source();
        }
        assert!(text.contains(reason), "{quirk:?}: {text}");
        assert_eq!(server.report().refused(), 0, "{quirk:?}: no proof was sent");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_whatever_the_number_of_requests() {
    let server = serving(&acceptor()).await;
    let wrong = Credentials::password("user", "not-the-pw");
    let client = client_by(builder().credentials(server.origin(), wrong));
    all_refused(&client, &server, 256).await;
    let report = server.report();
    let proofs = report.legs().filter_map(|leg| leg.authorization.as_ref());
    let refused = proofs.filter(|seen| matches!(seen.verdict, Verdict::Refused { .. })).count();
    assert_eq!(refused, 1, "{report}");
}

#[tokio::test]
async fn sha_1_is_used_by_option_alone() {
    let acceptor = acceptor().hash(ScramHash::Sha1);
    let builder = server([Offer::judged("SCRAM-SHA-1", acceptor)]);
    let server = builder.start().await.expect("a server");
    let response = client_by(user(&server)).request(get(&server, "/")).await.expect("a response");
    assert_eq!(refusal(&response).tried[0].why, Why::Unsupported);
    let sha_1 = Scram::new().hash(ScramHash::Sha1);
    fetch(&client_by(user(&server).schemes(sha_1)), get(&server, "/")).await;
}
