//! Challenges that are malformed: each client answers them where it can.

use std::sync::{Arc, Mutex};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use http::header::WWW_AUTHENTICATE;
use http::{HeaderValue, Uri};
use http_body_util::Full;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::handshake::{AuthenticatorBuilder, Outcome, Refusal, Why};
use legwork::protection_space::Challenger;
use legwork::service::{AuthenticateLayer, ConnectionInfo, Environment, LegReport, Observer};
use legwork::testing::{Judge, Judgement, Offer, Presentation, Quirk, Server};
use legwork::{Client, Credentials};
use tower::Layer;

use crate::leaf::{Leaf, origin_form, page, send};
use crate::support::*;
use crate::verdicts::clients::{Asks, STACKS};

/// What cameras, routers, Azure and CUPS send.
const MALFORMED: [&str; 6] = [
    "Basic realm=my realm",
    "Basic realm=cam@host/1",
    "Basic realm=\"x",
    "Basic realm=\"a\" charset=\"UTF-8\"",
    "Basic realm=a, realm=b",
    "Bearer authorization_uri=https://login.example/a resource_id=https://api.example",
];

/// Challenges as it was told, and takes these credentials.
struct Verbatim {
    challenge: &'static str,
    credentials: String,
}

impl Judge for Verbatim {
    fn challenges(&self) -> Vec<String> {
        vec![self.challenge.to_owned()]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match presentation.credentials == self.credentials {
            true => Judgement::accepted("carol"),
            false => Judgement::refused("other credentials"),
        }
    }
}

fn verbatim(challenge: &'static str) -> Offer {
    let (scheme, credentials) = match challenge.starts_with("Bearer") {
        true => ("Bearer", "a-token".to_owned()),
        false => ("Basic", BASE64_STANDARD.encode(format!("{USER}:{PASSWORD}"))),
    };
    Offer::judged(scheme, Verbatim { challenge, credentials })
}

async fn offering(challenge: &'static str) -> Server {
    server([verbatim(challenge)]).start().await.expect("a server")
}

fn right(server: &Server, challenge: &str) -> AuthenticatorBuilder {
    let credentials = match challenge.starts_with("Bearer") {
        true => Credentials::bearer_token("a-token"),
        false => carol(),
    };
    holding(server, credentials)
}

fn wrong(server: &Server, challenge: &str) -> AuthenticatorBuilder {
    let credentials = match challenge.starts_with("Bearer") {
        true => Credentials::bearer_token("another-token"),
        false => Credentials::password(USER, "wrong-pw"),
    };
    holding(server, credentials)
}

pub(crate) fn holding(server: &Server, credentials: Credentials) -> AuthenticatorBuilder {
    builder().credentials(server.origin(), credentials).dangerous_secrets_over_plain_http(true)
}

/// A client over another stack, or without one the layer alone.
type Stack = Option<fn(AuthenticatorBuilder) -> Asks>;

/// The clients over hyper, reqwest and the legacy client, and the layer alone.
pub(crate) fn stacks() -> impl Iterator<Item = Stack> {
    STACKS.into_iter().map(Some).chain([None])
}

/// What came of so many requests, one after another: status and outcome.
pub(crate) async fn ask(
    stack: Stack,
    server: &Server,
    authenticator: AuthenticatorBuilder,
    requests: usize,
) -> Vec<(u16, Option<Outcome>)> {
    let mut told = Vec::new();
    let Some(stack) = stack else {
        let info = ConnectionInfo::new(server.origin());
        let layer = AuthenticateLayer::new(authenticator.build(), info);
        let mut service = layer.layer(Leaf::connect(server).await);
        for _ in 0..requests {
            let response = send(&mut service, origin_form("GET", "/", "")).await.expect("a response");
            told.push((response.status().as_u16(), response.extensions().get().cloned()));
            page(response).await;
        }
        return told;
    };
    let client = stack(authenticator);
    for _ in 0..requests {
        let answer = client.get(url(server, "/")).await.expect("a response");
        told.push((answer.status, answer.outcome));
    }
    told
}

#[track_caller]
pub(crate) fn refused(told: &(u16, Option<Outcome>)) -> &Refusal {
    match told {
        (401, Some(Outcome::Refused(refusal))) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

#[tokio::test]
async fn basic_and_bearer_are_answered_whatever_their_parameters_look_like() {
    for challenge in MALFORMED {
        for stack in stacks() {
            let server = offering(challenge).await;
            let told = ask(stack, &server, right(&server, challenge), 2).await;
            assert!(told.iter().all(|(status, _)| *status == 200), "{challenge}: {told:?}");
            let report = server.report();
            assert_eq!(statuses(&report), [401, 200, 200], "{challenge}: {report}");
            assert_eq!((report.connections().len(), report.attempts()), (1, 2), "{challenge}: {report}");
            assert_eq!(report.connections()[0].legs[0].challenges, [challenge]);
        }
    }
}

#[tokio::test]
async fn a_malformed_challenge_to_a_wrong_password_refuses_it() {
    for challenge in MALFORMED {
        for stack in stacks() {
            let server = offering(challenge).await;
            let told = ask(stack, &server, wrong(&server, challenge), 2).await;
            assert_eq!(refused(&told[0]).tried[0].why, Why::Refused(None), "{challenge}");
            assert_eq!(refused(&told[1]).tried[0].why, Why::RefusedBefore, "{challenge}");
            assert_eq!(server.report().attempts(), 1, "{challenge}: {}", server.report());
        }
    }
}

#[tokio::test]
async fn a_proxys_malformed_challenge_is_answered_for_what_it_passes_on_and_for_tunnels() {
    for challenge in MALFORMED.into_iter().filter(|challenge| challenge.starts_with("Basic")) {
        let proxy = server([]).offer_as(Challenger::Proxy, verbatim(challenge)).tunnels();
        let proxy = proxy.start().await.expect("a server");
        let open = builder().dangerous_secrets_to_plain_http_proxies(true);
        let proxies = Proxies::all(Proxy::new(proxy.origin()).credentials(carol()));
        let client: HttpClient = build(Client::builder(open.build()).proxies(proxies));
        fetch(&client, request("GET", Uri::from_static("http://site.example/"), "")).await;

        let origin = server([]).start().await.expect("a server");
        let open = builder().dangerous_secrets_to_plain_http_proxies(true);
        let authenticator = open.proxy_credentials(proxy.origin(), carol()).build();
        let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
        let client: Client<Full<Bytes>> = Client::with_connector(authenticator, tunnel);
        let response = without_hanging(client.request(get(&origin, "/"))).await.expect("a response");
        assert_eq!(response.status(), 200);
        assert_eq!(statuses(&proxy.report()), [407, 200, 407, 200], "{challenge}");
    }
}

#[tokio::test]
async fn a_malformed_challenge_beside_a_success_is_no_error() {
    for stack in stacks() {
        let value = HeaderValue::from_static(MALFORMED[0]);
        let server = server([verbatim(MALFORMED[0])])
            .quirk(Quirk::Field(WWW_AUTHENTICATE, value))
            .start()
            .await
            .expect("a server");
        let told = ask(stack, &server, right(&server, MALFORMED[0]), 2).await;
        assert!(told.iter().all(|(status, _)| *status == 200), "{told:?}");
    }
}

#[tokio::test]
async fn a_challenge_that_nobody_can_answer_is_told_with_its_octet() {
    for stack in stacks() {
        let server = server([
            Offer::Verbatim("Digest realm=\"a\", nonce=n m, Basic realm=b"),
            Offer::Verbatim("NTLM/2"),
        ]);
        let server = server.start().await.expect("a server");
        let authenticator = holding(&server, Credentials::bearer_token("a-token"));
        let told = ask(stack, &server, authenticator, 1).await;
        let refusal = refused(&told[0]);
        assert_eq!(
            refusal.to_string(),
            format!(
                "did not log in at {}: Basic: no credentials are configured for it; \
                 Digest: the challenge cannot be read: unexpected octet, at octet 26 of field line 0; \
                 the challenge cannot be read: unexpected octet, at octet 4 of field line 1",
                server.origin(),
            ),
        );
        assert_eq!(statuses(&server.report()), [401]);
    }
}

/// A scheme that needs its parameters does not guess them.
#[tokio::test]
async fn a_digest_challenge_without_its_commas_is_refused_by_name() {
    for (challenge, octet) in [
        ("Digest realm=\"a\" nonce=\"n\" qop=\"auth\"", 17),
        ("Digest realm=\"a\"  nonce=\"n\", qop=\"auth\"", 18),
        ("Digest realm=\"a\", nonce=\"n\" algorithm=MD5 qop=\"auth\"", 28),
        ("Digest realm=\"a\"nonce=\"n\",qop=\"auth\"", 16),
    ] {
        for stack in stacks() {
            let server = server([Offer::Verbatim(challenge)]).start().await.expect("a server");
            let told = ask(stack, &server, holding(&server, carol()), 2).await;
            for told in &told {
                let refusal = refused(told);
                assert!(
                    !refusal.is_refusal() && matches!(refusal.tried[0].why, Why::Unreadable(_)),
                    "{refusal}"
                );
                let reason = format!(
                    "did not log in at {}: Digest: the challenge cannot be read: unexpected octet, at octet {octet} of \
                     field line 0",
                    server.origin(),
                );
                assert_eq!(refusal.to_string(), reason, "{challenge}");
            }
            let report = server.report();
            assert!(report.legs().all(|leg| leg.authorization.is_none()), "nothing was sent: {report}");
            assert_eq!(statuses(&report), [401, 401]);
        }
    }
}

#[derive(Clone, Default)]
struct Legs(Arc<Mutex<Vec<String>>>);

impl Observer for Legs {
    fn leg(&self, report: &LegReport) {
        let challenges = report.challenges.iter().map(ToString::to_string);
        self.0.lock().expect("no panic").extend(challenges);
    }
}

#[tokio::test]
async fn an_observer_is_told_of_malformed_challenges() {
    let expected = "Basic challenge: unexpected octet, at octet 15 of field line 0";
    let server = offering(MALFORMED[0]).await;
    let (by_client, by_layer) = (Legs::default(), Legs::default());
    let authenticator = right(&server, MALFORMED[0]).build();
    let client: HttpClient = build(
        Client::builder(authenticator.clone()).environment(Environment::tokio().observer(by_client.clone())),
    );
    fetch(&client, get(&server, "/")).await;
    let info = ConnectionInfo::new(server.origin());
    let layer = AuthenticateLayer::new(authenticator, info)
        .environment(Environment::new().observer(by_layer.clone()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    // Somebody else, who is asked first.
    let response = send(&mut service, acting_as(origin_form("GET", "/", ""), Credentials::bearer_token("b")));
    page(response.await.expect("a response")).await;
    for told in [by_client, by_layer] {
        assert_eq!(*told.0.lock().expect("no panic"), [expected]);
    }
}
