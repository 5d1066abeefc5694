//! What observers are told.

use std::sync::Arc;

use http::header::COOKIE;
use legwork::handshake::{Actor, AuthenticatorBuilder};
use legwork::mechanism::kerberos::Kerberos;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::spnego::Spnego;
use legwork::mechanism::{
    ErrorKind as MechanismErrorKind, Initiate, Mechanism, MechanismError, Moment, SecurityContext, Step,
};
use legwork::protection_space::Challenger;
use legwork::scheme::Negotiate;
use legwork::service::{
    AuthenticateLayer, ConnectionInfo, Ending, Environment, Event, EventKind, Recorder, Recording, Work,
};
use legwork::testing::{
    Close, DigestAcceptor, Gate, Kdc, Leg, Offer, Quirk, ScramAcceptor, Server, Users, When,
};
use legwork::{Client, Credentials, Origin};
use tower::Layer;

use crate::leaf::{Leaf, origin_form, page, send};
use crate::spans::Seen;
use crate::support::*;
use crate::tapped::{Tapped, spellings};

fn watched(authenticator: legwork::Authenticator) -> (HttpClient, Recorder) {
    let recorder = Recorder::new();
    let environment = Environment::tokio().observer(recorder.clone());
    (build(Client::builder(authenticator).environment(environment)), recorder)
}

/// One word for each event, with the number of its request.
fn told(recording: &Recording) -> Vec<(u64, &'static str)> {
    let word = |event: &Event| match &event.kind {
        EventKind::RequestBegan { .. } => "began",
        EventKind::RequestEnded { ending: Ending::Answered { .. }, .. } => "answered",
        EventKind::RequestEnded { ending: Ending::Failed { .. }, .. } => "failed",
        EventKind::RequestEnded { ending: Ending::GivenUp, .. } => "given up",
        EventKind::Connected { .. } => "connected",
        EventKind::NotConnected { .. } => "not connected",
        EventKind::Restarted { .. } => "restarted",
        EventKind::WorkBegan { work: Work::Turn, .. } => "waits",
        EventKind::WorkEnded { work: Work::Turn, .. } => "waited",
        _ => "anything else",
    };
    recording.events().map(|event| (event.request_number.unwrap_or_default(), word(event))).collect()
}

fn ending(recording: &Recording, number: u64) -> Ending {
    let endings = recording.events().filter(|event| event.request_number == Some(number));
    let mut endings = endings.filter_map(|event| match &event.kind {
        EventKind::RequestEnded { ending, .. } => Some(ending.clone()),
        _ => None,
    });
    let ending = endings.next().expect("an end");
    assert!(endings.next().is_none(), "it ends once");
    ending
}

#[tokio::test]
async fn a_login_is_told_from_its_beginning_to_its_end() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let (client, recorder) = watched(authenticator(&server).build());
    fetch(&client, get(&server, "/page?from=1")).await;
    fetch(&client, get(&server, "/other")).await;

    let recording = recorder.take();
    assert_eq!(
        told(&recording),
        [(1, "began"), (0, "connected"), (1, "answered"), (2, "began"), (2, "answered")]
    );
    assert_eq!(ending(&recording, 1).login().expect("a login").scheme, "NTLM");
    assert!(ending(&recording, 2).login().is_none(), "it stands");
    let legs = Vec::from_iter(recording.legs());
    let lines = legs.iter().map(|leg| (leg.request_number, leg.connection, leg.leg, leg.request.as_str()));
    let page = "GET /page";
    assert_eq!(
        Vec::from_iter(lines),
        [(1, 1, 1, page), (1, 1, 2, page), (1, 1, 3, page), (2, 1, 1, "GET /other")]
    );
    let carol = Actor::Named(USER.to_owned());
    let actors = Vec::from_iter(legs.iter().map(|leg| &leg.actor));
    assert_eq!(actors, [&Actor::NotAsked, &carol, &carol, &carol]);
    for pair in legs.windows(2) {
        assert!(pair[0].begun + pair[0].elapsed <= pair[1].begun, "one after the other");
        assert_eq!((&pair[1].origin, &pair[1].proxy), (&server.origin(), &None));
    }
}

#[tokio::test]
async fn whoever_looks_on_changes_nothing_on_the_wire() {
    for scheme in 0..4 {
        let mut wire = Vec::new();
        for is_watched in [false, true] {
            let (offer, expected) = schemes_of_origins().into_iter().nth(scheme).expect("four schemes");
            let server = server([offer]).start().await.expect("a server");
            let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
            let client = match is_watched {
                true => watched(authenticator).0,
                false => build(Client::builder(authenticator)),
            };
            for body in ["a", "b"] {
                fetch(&client, request("POST", server.uri("/"), body)).await;
            }
            assert_eq!(statuses(&server.report()), expected);
            let names = |leg: &Leg| leg.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
            let report = server.report();
            wire.push(Vec::from_iter(
                report.legs().map(|leg| (names(leg), leg.content_length.clone(), leg.body_octets)),
            ));
        }
        assert_eq!(wire[0], wire[1]);
    }
}

#[tokio::test]
async fn a_layer_tells_of_its_requests_too() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let recorder = Recorder::new();
    let info = ConnectionInfo::new(server.origin());
    let layer = AuthenticateLayer::new(authenticator(&server).build(), info)
        .environment(Environment::new().observer(recorder.clone()));
    let mut service = layer.layer(Leaf::connect(&server).await);
    for path in ["/", "/other"] {
        page(send(&mut service, origin_form("GET", path, "")).await.expect("a response")).await;
    }
    drop(begun(send(&mut service, origin_form("GET", "/dropped", ""))).await);
    let recording = recorder.take();
    assert_eq!(
        told(&recording),
        [(1, "began"), (1, "answered"), (2, "began"), (2, "answered"), (3, "began"), (3, "given up")]
    );
    assert_eq!(ending(&recording, 1).login().expect("a login").legs, 3);
    assert_eq!(recording.legs().map(|leg| leg.request_number).collect::<Vec<_>>(), [1, 1, 1, 2]);
}

#[tokio::test]
async fn a_refusal_is_told_with_its_reasons() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = builder().credentials(server.origin(), Credentials::password(USER, "wrong-pw"));
    let (client, recorder) = watched(wrong.build());
    for _ in 0..2 {
        client.get(server.uri("/")).await.expect("a response");
    }
    let recording = recorder.take();
    let reasons = [1, 2]
        .map(|number| ending(&recording, number).refusal().expect("a refusal").tried[0].why.to_string());
    assert!(reasons[0].contains("wrong user name or password"), "{reasons:?}");
    assert!(reasons[1].contains("refused before"), "{reasons:?}");
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_told() {
    let (client, recorder) = watched(builder().build());
    client.get("http://127.0.0.1:1/".parse().expect("a URI")).await.expect_err("nobody listens there");
    let recording = recorder.take();
    assert_eq!(told(&recording), [(1, "began"), (0, "not connected"), (1, "failed")]);
    let Ending::Failed { error, .. } = ending(&recording, 1) else { panic!("it failed") };
    assert!(error.starts_with("http://127.0.0.1:1: cannot connect: "), "{error}");
}

#[tokio::test]
async fn a_reqwest_lane_that_cannot_connect_is_told_without_the_query() {
    let recorder = Recorder::new();
    let client = Client::builder(builder().build())
        .environment(Environment::tokio().observer(recorder.clone()))
        .build_reqwest(settings)
        .expect("a client");
    let url = "http://127.0.0.1:1/path?token=query-secret";
    client.get(url).send().await.expect_err("nobody listens there");
    let recording = recorder.take();
    let words = Vec::from_iter(told(&recording).into_iter().map(|(_, word)| word));
    assert!(words.contains(&"not connected") && words.ends_with(&["failed"]), "{words:?}");
    assert!(!format!("{recording:?}").contains("query-secret"), "{recording:?}");
}

#[tokio::test]
async fn a_request_that_is_dropped_is_given_up() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm]).quirk(Quirk::HeldBy(gate.clone())).start().await.expect("a server");
    let (client, recorder) = watched(authenticator(&server).build());
    drop(begun(client.get(server.uri("/"))).await);
    assert_eq!(told(&recorder.take()).last(), Some(&(1, "given up")));
}

#[tokio::test]
async fn a_restart_is_told_with_its_reason() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2).connections(..=1), Quirk::Close(Close::Announced))
        .start()
        .await
        .expect("a server");
    let (client, recorder) = watched(authenticator(&server).build());
    fetch(&client, get(&server, "/")).await;
    let recording = recorder.take();
    assert_eq!(
        told(&recording),
        [(1, "began"), (0, "connected"), (1, "restarted"), (0, "connected"), (1, "answered")]
    );
    let reason = recording.events().find_map(|event| match &event.kind {
        EventKind::Restarted { error, .. } => Some(error.as_str()),
        _ => None,
    });
    assert!(reason.is_some_and(|reason| reason.contains("in the middle of the handshake")), "{reason:?}");
    assert!(recording.legs().all(|leg| leg.request_number == 1));
}

#[tokio::test]
async fn a_wait_for_anothers_login_is_told() {
    let gate = Gate::closed();
    let server = server_holding_the_first_proof(&gate).await;
    let (client, recorder) = watched(authenticator(&server).build());
    let first = tokio::spawn({
        let (client, request) = (client.clone(), get(&server, "/first"));
        async move { fetch(&client, request).await }
    });
    gate.held(1).await;
    let mut second = begun(client.request(get(&server, "/second"))).await;
    without_hanging(async {
        while !told(&recorder.recording()).contains(&(2, "waits")) {
            tokio::select! {
                _ = &mut second => panic!("it waits"),
                () = tokio::task::yield_now() => {}
            }
        }
    })
    .await;
    gate.open();
    second.await.expect("a response");
    first.await.expect("a page");
    assert!(told(&recorder.take()).contains(&(2, "waited")));
}

#[tokio::test]
async fn a_leg_to_a_proxy_names_it_and_who_logs_in_there() {
    let proxy = server([]).offer_as(Challenger::Proxy, Offer::Ntlm).quirk(proxy_support()).start().await;
    let proxy = proxy.expect("a proxy");
    let recorder = Recorder::new();
    let secrets = builder().proxy_credentials(proxy.origin(), carol());
    let through =
        format!("http://{}", proxy.address()).parse::<legwork::client::proxy::Proxy>().expect("a proxy");
    let client = build(
        Client::builder(secrets.build())
            .proxies(legwork::client::proxy::Proxies::all(through))
            .environment(Environment::tokio().observer(recorder.clone())),
    );
    fetch(&client, request("GET", "http://wiki.example/".parse().expect("a URI"), "")).await;
    let recording = recorder.take();
    let wiki: Origin = "http://wiki.example".parse().expect("an origin");
    for leg in recording.legs() {
        assert_eq!((&leg.origin, &leg.proxy), (&wiki, &Some(proxy.origin())));
    }
    let last = recording.legs().last().expect("a leg");
    assert_eq!(last.proxy_actor, Some(Actor::Named(USER.to_owned())));
    let login = ending(&recording, 1).login().cloned().expect("a login");
    assert_eq!(login.challenger, Challenger::Proxy);
}

/// A mechanism that cannot start, and says for whom.
#[derive(Debug)]
struct NoTicket;

impl Mechanism for NoTicket {
    fn name(&self) -> &'static str {
        "Kerberos"
    }

    fn oid(&self) -> &'static [u8] {
        &[1]
    }

    fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Self)
    }
}

impl SecurityContext for NoTicket {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(MechanismError::new(MechanismErrorKind::Credentials, "there is no ticket of carol"))
    }
}

#[tokio::test]
async fn names_of_users_can_be_left_out() {
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    let recorder = Recorder::new();
    let environment = Environment::tokio().observer(recorder.clone()).without_user_names();
    let negotiate = Negotiate::new(Spnego::new(vec![Arc::new(NoTicket), Arc::new(Ntlm::default())]));
    let authenticator = authenticator(&server).negotiate(negotiate).build();
    let client = build(Client::builder(authenticator).environment(environment));
    fetch(&client, get(&server, "/")).await;
    let wrong = Credentials::password("LAB\\carol", "wrong-pw");
    client.request(acting_as(get(&server, "/"), wrong)).await.expect("a response");
    let recording = recorder.take();
    assert_eq!(recording.legs().last().expect("a leg").actor, Actor::LeftOut);
    assert!(ending(&recording, 1).login().is_some() && ending(&recording, 2).refusal().is_some());
    assert!(!format!("{recording:?}").to_ascii_lowercase().contains("carol"), "{recording:?}");
}

/// What would give carol's password away, whatever the scheme.
fn secrets_of_carol() -> Vec<String> {
    let utf16: Vec<u8> = PASSWORD.encode_utf16().flat_map(u16::to_le_bytes).collect();
    // The NT hash, and Digest's A1 in the realm "the lab".
    let hashes = ["163ef071f9bfeaf4272007b29e4eae32", "3e62327f99108819937811103f613c25"];
    let mut secrets = vec![PASSWORD.to_owned()];
    for hash in hashes {
        let octets: Vec<u8> =
            (0..32).step_by(2).map(|i| u8::from_str_radix(&hash[i..i + 2], 16).expect("hex")).collect();
        secrets.extend(spellings(&octets));
    }
    let pair = format!("{USER}:{PASSWORD}");
    for text in
        [PASSWORD.as_bytes(), utf16.as_slice(), pair.as_bytes(), b"b-token-of-carol", b"cookie-secret"]
    {
        secrets.extend(spellings(text));
    }
    secrets.extend(["b-token-of-carol", "cookie-secret", "query-secret", "body-secret"].map(str::to_owned));
    secrets
}

fn every_scheme() -> Vec<(Offer, Credentials)> {
    let users = Arc::new(Users::new().with("carol", PASSWORD));
    let digest = DigestAcceptor::new("the lab").user(USER, PASSWORD);
    let scram = ScramAcceptor::new(users, "the lab", [7; 32]);
    vec![
        (Offer::basic("the lab"), carol()),
        (crate::tokens::offer("b-token-of-carol"), Credentials::bearer_token("b-token-of-carol")),
        (Offer::judged("Digest", digest), carol()),
        (Offer::judged("SCRAM-SHA-256", scram), Credentials::password("carol", PASSWORD)),
        (Offer::Ntlm, carol()),
        (Offer::Negotiate, carol()),
    ]
}

/// Logs in, and searches what was recorded for what would give anything away.
async fn leaves_no_secret(
    scheme: &str,
    server: &Server,
    log_in: impl FnOnce(&Origin) -> AuthenticatorBuilder,
) -> Recording {
    let (seen, _guard) = Seen::subscribe();
    let tapped = Tapped::before(server.address()).await;
    let authenticator = log_in(&tapped.origin).dangerous_secrets_over_plain_http(true);
    let (client, recorder) = watched(authenticator.build());
    for _ in 0..2 {
        let uri = format!("{}/page?token=query-secret", tapped.origin).parse().expect("a URI");
        let mut request = request("POST", uri, "body-secret");
        request.headers_mut().insert(COOKIE, "session=cookie-secret".parse().expect("a value"));
        let response = client.request(request).await.expect("a response");
        assert_eq!(response.status(), 200, "{scheme}: {}", recorder.recording());
        text(response).await;
    }
    let recording = recorder.take();
    assert!(ending(&recording, 1).login().is_some(), "{scheme}");
    let on_the_wire = tapped.secrets();
    assert!(on_the_wire.len() >= 2, "{scheme}: {on_the_wire:?}");
    let shown = format!("{recording}\n{}\n{}", recording.mermaid(), recording.page());
    let all = format!("{shown}\n{recording:?}\n{}", seen.everything());
    assert!(all.contains("legwork.leg") && shown.contains("POST"), "{scheme}: {all}");
    for secret in on_the_wire.into_iter().chain(secrets_of_carol()) {
        assert!(!all.contains(&secret), "{scheme}: {secret} in {all}");
    }
    recording
}

#[tokio::test]
async fn no_scheme_leaves_a_secret_in_a_recording() {
    for (offer, credentials) in every_scheme() {
        let scheme = offer.scheme().to_owned();
        let server = server([offer]).start().await.expect("a server");
        let log_in = |origin: &Origin| builder().credentials(origin.clone(), credentials);
        leaves_no_secret(&scheme, &server, log_in).await;
    }
}

#[tokio::test]
async fn kerberos_leaves_no_secret_and_tells_of_the_kdc() {
    let kdc = Kdc::builder("LAB.TEST")
        .user("carol", PASSWORD)
        .service("HTTP/wiki.lab.test")
        .start()
        .await
        .expect("a KDC");
    let offer = Offer::kerberos(&kdc.service("HTTP/wiki.lab.test"));
    let server = server([offer]).start().await.expect("a server");
    let kerberos = Kerberos::new().kdc("LAB.TEST", [kdc.address().to_string()]);
    let recording = leaves_no_secret("Kerberos", &server, |origin| {
        let carol = Credentials::password("carol@LAB.TEST", PASSWORD);
        builder()
            .negotiate(Negotiate::kerberos(kerberos))
            .target_name(origin.clone(), "HTTP/wiki.lab.test")
            .credentials(origin.clone(), carol)
    })
    .await;
    assert_eq!(ending(&recording, 1).login().expect("a login").mechanism, "Kerberos");
    let works = recording.events().filter_map(|event| match &event.kind {
        EventKind::WorkEnded { work: Work::Kdc(realm), error, .. } => {
            Some((realm.as_str(), error.as_deref()))
        }
        _ => None,
    });
    let works = Vec::from_iter(works);
    assert!(works.len() >= 2 && works.iter().all(|work| *work == ("LAB.TEST", None)), "{works:?}");
    assert!(recording.to_string().contains("for a KDC of LAB.TEST)"), "{recording}");
}

#[tokio::test]
async fn a_kdc_that_is_away_is_told_of() {
    let kdc = Kdc::builder("LAB.TEST").service("HTTP/wiki.lab.test").start().await.expect("a KDC");
    let server =
        server([Offer::kerberos(&kdc.service("HTTP/wiki.lab.test"))]).start().await.expect("a server");
    let away = kdc.address().to_string();
    drop(kdc);
    let authenticator = builder()
        .negotiate(Negotiate::kerberos(Kerberos::new().kdc("LAB.TEST", [away.clone()])))
        .target_name(server.origin(), "HTTP/wiki.lab.test")
        .credentials(server.origin(), Credentials::password("carol@LAB.TEST", PASSWORD));
    let (client, recorder) = watched(authenticator.build());
    client.request(get(&server, "/")).await.expect("a response");
    let recording = recorder.take();
    let mut works = recording.events().filter_map(|event| match &event.kind {
        EventKind::WorkEnded { work: Work::Kdc(_), error, .. } => error.as_deref(),
        _ => None,
    });
    let error = works.next().expect("an error");
    assert!(error.contains("no KDC of LAB.TEST has answered") && error.contains(&away), "{error}");
}
