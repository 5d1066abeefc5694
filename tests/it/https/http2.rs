//! The same server by HTTP/2: many requests on one connection, and HTTP/1.1 where a login needs it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use http::{Method, Version};
use http_body_util::BodyExt;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use legwork::client::AuthenticateFirst;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::credentials::Anonymous;
use legwork::handshake::Why;
use legwork::protection_space::Challenger;
use legwork::service::ErrorKind;
use legwork::testing::{
    Close, Connection, DigestAcceptor, Gate, Judge, Judgement, Leg, Presentation, Quirk, ScramAcceptor,
    Users, When,
};
use legwork::unversioned::handshake::HttpVersion;
use legwork::unversioned::testing::{Persistence, Reset};
use legwork::{Authenticator, Credentials};
use tokio::task::JoinSet;

use super::*;

type Http2Client = Client<Full<Bytes>>;

/// A server that speaks both.
async fn serving(builder: Builder) -> Https {
    Https::offering(builder, ECDSA, &["h2", "http/1.1"]).await
}

fn client(authenticator: AuthenticatorBuilder) -> Http2Client {
    Client::builder(authenticator.build()).http2().build_with_tls(trusting([ECDSA]))
}

fn basic() -> Builder {
    server([Offer::basic("the lab")])
}

fn get(https: &Https, path: &str) -> Request<Full<Bytes>> {
    request("GET", https.uri(path), "")
}

async fn fetch(client: &Http2Client, request: Request<Full<Bytes>>) -> Version {
    let response = without_hanging(client.request(request)).await.expect("a response");
    assert_eq!(response.status(), 200);
    let version = response.version();
    text(response).await;
    version
}

/// So many requests for a path at the same time.
fn all_at_once(client: &Http2Client, https: &Https, path: &str, requests: usize) -> JoinSet<Version> {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (client, request) = (client.clone(), get(https, path));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    tasks
}

/// The versions by which each connection's requests came.
fn versions(report: &Report) -> Vec<BTreeSet<&'static str>> {
    let version = |leg: &Leg| if leg.version == Version::HTTP_2 { "2" } else { "1.1" };
    report.connections().iter().map(|connection| connection.legs.iter().map(version).collect()).collect()
}

struct Token;

impl Judge for Token {
    fn challenges(&self) -> Vec<String> {
        vec!["Bearer realm=\"api\"".to_owned()]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match presentation.credentials {
            "a-token" => Judgement::accepted("carol"),
            _ => Judgement::refused("another token"),
        }
    }
}

/// The schemes whose logins are a request's, with credentials for them.
fn request_bound() -> [(Offer, Credentials); 4] {
    let users = Arc::new(Users::new().with("user", "pencil"));
    [
        (Offer::basic("the lab"), carol()),
        (Offer::judged("Digest", DigestAcceptor::new("the lab").user(USER, PASSWORD)), carol()),
        (Offer::judged("Bearer", Token), Credentials::bearer_token("a-token")),
        (
            Offer::judged("SCRAM-SHA-256", ScramAcceptor::new(users, "lab", [7; 32])),
            Credentials::password("user", "pencil"),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_share_one_connection() {
    for (offer, credentials) in request_bound() {
        let scheme = offer.scheme().to_owned();
        let https = serving(server([offer])).await;
        let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
        let client = client(Authenticator::builder().credentials(origin, credentials));
        let versions = without_hanging(all_at_once(&client, &https, "/", 256).join_all()).await;
        assert_eq!(versions, [Version::HTTP_2; 256], "{scheme}");
        let report = https.report();
        assert_eq!(report.connections().len(), 1, "{scheme}");
        // The acceptor of Digest takes counts of a nonce as far as 1,024 back.
        assert!(report.refused() == 0 || scheme == "Digest", "{scheme}: {report}");
        assert_eq!(settled(&client).await, 1, "{scheme}");
        assert_eq!(client.connections(), (1, 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_beyond_what_the_server_takes_go_to_another_connection() {
    let gate = Gate::closed();
    let https = serving(basic().quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))).await;
    let client = client(https.authenticator());
    // Its settings have come.
    for _ in 0..3 {
        fetch(&client, get(&https, "/")).await;
    }
    let held = all_at_once(&client, &https, "/held", 300);
    without_hanging(gate.held(300)).await;
    assert_eq!(client.connections(), (2, 0));
    gate.open();
    without_hanging(held.join_all()).await;
    assert_eq!(settled(&client).await, 2);
    assert_eq!(versions(&https.report()), [BTreeSet::from(["2"]), BTreeSet::from(["2"])]);
}

// dotnet 1582, 123803, 133317
#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_the_connections_moves_the_origin_to_http_1_1() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let gate = Gate::closed();
        let builder = server([offer, Offer::basic("the lab")])
            .quirk_when(When::path("/public/held"), Quirk::HeldBy(gate.clone()));
        let https = serving(builder).await;
        let client = client(https.authenticator());
        let held = all_at_once(&client, &https, "/public/held", 8);
        without_hanging(gate.held(8)).await;

        let request = request("POST", https.uri("/"), "twelve bytes");
        let response = without_hanging(client.request(request)).await.expect("a response");
        assert_eq!(
            (response.status(), response.version()),
            (200.try_into().expect("a status"), Version::HTTP_11)
        );
        assert_eq!(login(&response).mechanism, "NTLM");
        text(response).await;
        assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_11);
        // What was under way ends as it would.
        gate.open();
        assert_eq!(without_hanging(held.join_all()).await, [Version::HTTP_2; 8]);
        without_hanging(https.server.wait_for(|report| report.connections()[0].closed)).await;

        settled(&client).await;
        client.close_idle();
        assert_eq!(fetch(&client, get(&https, "/public")).await, Version::HTTP_11);
        let report = https.report();
        assert_eq!(versions(&report)[0], BTreeSet::from(["2"]), "{report}");
        assert!(
            versions(&report)[1..].iter().all(|versions| *versions == BTreeSet::from(["1.1"])),
            "{report}"
        );
        // Its last leg is the 401 whose login went elsewhere.
        assert_eq!(statuses_on(&report.connections()[0]).iter().filter(|status| **status == 401).count(), 1);
        assert_eq!(statuses_on(&report.connections()[1])[..2], [401, 200], "{report}");
        assert_eq!((report.refused(), report.misplaced()), (0, 0));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_that_meet_such_a_login_all_move() {
    let https = serving(server([Offer::Ntlm])).await;
    let client = client(https.authenticator());
    let versions = without_hanging(all_at_once(&client, &https, "/", 256).join_all()).await;
    assert_eq!(versions, [Version::HTTP_11; 256]);
    let report = https.report();
    assert_eq!((report.refused(), report.misplaced()), (0, 0));
    assert_eq!(settled(&client).await, client.connections().0);
}

#[tokio::test]
async fn an_origin_with_such_a_login_declared_begins_by_http_1_1() {
    let https = serving(server([Offer::Ntlm])).await;
    let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
    let client = client(https.authenticator().declare(origin, "NTLM").expect("a known scheme"));
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_11);
    assert_eq!(statuses(&https.report()), [401, 200]);
}

#[tokio::test]
async fn without_credentials_for_such_a_login_the_next_scheme_stays_by_http_2() {
    let https = serving(server([Offer::Ntlm, Offer::judged("Bearer", Token)])).await;
    let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
    let client = client(Authenticator::builder().credentials(origin, Credentials::bearer_token("a-token")));
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_2);
    // Nor does a challenge that nobody answers move anything.
    let mut request = get(&https, "/");
    request.extensions_mut().insert(Anonymous);
    let response = client.request(request).await.expect("a response");
    assert_eq!((response.status().as_u16(), response.version()), (401, Version::HTTP_2));
}

#[tokio::test(flavor = "multi_thread")]
async fn http_1_1_required_moves_the_origin_too() {
    let gate = Gate::closed();
    let builder = basic()
        .quirk_when(When::path("/status/201").connections(..=1), Quirk::Reset(Reset::Http1Required))
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    let held = all_at_once(&client, &https, "/held", 3);
    without_hanging(gate.held(3)).await;
    let post = request("POST", https.uri("/status/201"), "twelve bytes");
    let response = without_hanging(client.request(post)).await.expect("a response");
    assert_eq!((response.status().as_u16(), response.version()), (201, Version::HTTP_11));
    text(response).await;
    gate.open();
    assert_eq!(without_hanging(held.join_all()).await, [Version::HTTP_2; 3]);
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_11);
    let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
    let memory = client.authenticator().memory(Challenger::Origin, &origin);
    assert_eq!(memory.version(), HttpVersion::Http1);
    assert_eq!(https.report().connections().len(), 2, "{}", https.report());
}

#[tokio::test]
async fn persistent_auth_by_http_2_fools_nobody() {
    let persistent = Quirk::Field(
        http::HeaderName::from_static("persistent-auth"),
        http::HeaderValue::from_static("true"),
    );
    for (offer, credentials) in request_bound() {
        let https = serving(server([offer]).quirk(persistent.clone())).await;
        let origin = Origin::from_uri(&https.uri("/")).expect("an origin");
        let client = client(Authenticator::builder().credentials(origin, credentials));
        for _ in 0..4 {
            fetch(&client, get(&https, "/")).await;
        }
        let report = https.report();
        assert_eq!(report.connections().len(), 1, "{report}");
        let served = |leg: &Leg| leg.status.is_some_and(|status| status == 200);
        assert!(report.legs().all(|leg| served(leg) == leg.user.is_some()), "{report}");
        assert!(report.legs().all(|leg| leg.authorization.is_some() || !served(leg)), "{report}");
    }
    // And where the server means it, nothing is begun that it could mean.
    let builder = server([Offer::Negotiate]).quirk(Quirk::Persistence(Persistence::Announced));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    for _ in 0..3 {
        assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_11);
    }
    let report = https.report();
    let first = &report.connections()[0];
    assert!(first.legs.iter().all(|leg| leg.authorization.is_none()), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn goaway_ends_what_is_under_way_and_the_next_go_elsewhere() {
    let gate = Gate::closed();
    let builder = basic()
        .quirk_when(When::path("/last"), Quirk::Close(Close::Unannounced))
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    fetch(&client, get(&https, "/")).await;
    let held = all_at_once(&client, &https, "/held", 16);
    without_hanging(gate.held(16)).await;
    fetch(&client, get(&https, "/last")).await;
    let next = all_at_once(&client, &https, "/next", 64);
    without_hanging(next.join_all()).await;
    gate.open();
    without_hanging(held.join_all()).await;
    let report = https.report();
    assert_eq!(report.legs().filter(|leg| leg.target == "/held").count(), 16, "{report}");
    assert!(report.connections().len() > 1, "{report}");
    assert!(versions(&report).iter().all(|versions| *versions == BTreeSet::from(["2"])), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_stream_is_sent_again_and_another_reset_is_not() {
    let builder = basic()
        .quirk_when(
            When::path("/refused").with_method(Method::POST).connections(1..),
            Quirk::Reset(Reset::InternalError),
        )
        .quirk_when(When::legs(2..=4), Quirk::Reset(Reset::RefusedStream));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    fetch(&client, get(&https, "/")).await;
    let report = https.report();
    assert_eq!((report.connections().len(), report.legs().count()), (1, 5), "{report}");
    let post = request("POST", https.uri("/refused"), "twelve bytes");
    let error = client.request(post).await.expect_err("the stream is reset");
    assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_2);
    assert_eq!(https.report().connections().len(), 1, "the connection goes on");
}

#[tokio::test(flavor = "multi_thread")]
async fn while_streams_are_refused_the_next_request_waits_too() {
    let gate = Gate::closed();
    let builder = basic()
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .quirk_when(When::path("/busy"), Quirk::Reset(Reset::RefusedStream));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    fetch(&client, get(&https, "/")).await;
    // They leave branches that are ready.
    let held = all_at_once(&client, &https, "/held", 32);
    without_hanging(gate.held(32)).await;
    gate.open();
    without_hanging(held.join_all()).await;
    let busy = all_at_once(&client, &https, "/busy", 1);
    let are_refused = |report: &Report| report.legs().filter(|leg| leg.target == "/busy").count() >= 8;
    without_hanging(https.server.wait_for(are_refused)).await;
    let begun = Instant::now();
    fetch(&client, get(&https, "/")).await;
    assert!(begun.elapsed() >= Duration::from_millis(60), "{:?}", begun.elapsed());
    drop(busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_dropped_resets_its_stream_alone() {
    let gate = Gate::closed();
    let builder =
        basic().page(vec![b'p'; 1 << 20]).quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    fetch(&client, get(&https, "/")).await;
    let others = all_at_once(&client, &https, "/held/others", 4);
    without_hanging(gate.held(4)).await;
    for _ in 0..100 {
        let dropped = tokio::spawn(client.request(get(&https, "/held/dropped")));
        tokio::task::yield_now().await;
        dropped.abort();
        let response = client.request(get(&https, "/")).await.expect("a response");
        let mut body = response.into_body();
        body.frame().await.expect("it begins").expect("octets");
        drop(body);
    }
    for _ in 0..2 {
        fetch(&client, get(&https, "/")).await;
    }
    gate.open();
    without_hanging(others.join_all()).await;
    assert_eq!(settled(&client).await, 1);
    let report = https.report();
    assert_eq!(report.connections().len(), 1);
    let mut dropped = report.legs().filter(|leg| leg.target == "/held/dropped");
    assert!(dropped.all(|leg| leg.status.is_none()), "the server was told: {report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn identities_do_not_share_a_connection() {
    let https = serving(server_of_three([Offer::basic("the lab")])).await;
    let client = client(https.authenticator());
    let mut tasks = JoinSet::new();
    for i in 0..90 {
        let user = [carol(), alice(), bob()][i % 3].clone();
        let (client, request) = (client.clone(), acting_as(get(&https, "/"), user));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    without_hanging(tasks.join_all()).await;
    let report = https.report();
    assert_eq!(report.connections().len(), 3);
    let served: BTreeSet<_> = report.connections().iter().map(users).collect();
    assert_eq!(served.len(), 3);
    assert!(served.iter().all(|users| users.len() == 1), "{served:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_limits_count_connections() {
    let https = serving(server_of_three([Offer::basic("the lab")])).await;
    let builder = Client::builder(https.authenticator().build()).http2().max_per_origin(1);
    let client: Http2Client = builder.build_with_tls(trusting([ECDSA]));
    let mut tasks = JoinSet::new();
    for i in 0..60 {
        let user = [carol(), alice()][i % 2].clone();
        let (client, request) = (client.clone(), acting_as(get(&https, "/"), user));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    without_hanging(tasks.join_all()).await;
    assert_eq!(settled(&client).await, 1);
    client.close_idle();
    assert_eq!(client.connections(), (0, 0));
    without_hanging(https.server.wait_for(|report| report.open() == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_is_closed_after_its_time() {
    let https = serving(basic()).await;
    let builder =
        Client::builder(https.authenticator().build()).http2().idle_timeout(Duration::from_millis(20));
    let client: Http2Client = builder.build_with_tls(trusting([ECDSA]));
    without_hanging(all_at_once(&client, &https, "/", 8).join_all()).await;
    without_hanging(https.server.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn shutting_down_waits_for_all_streams() {
    let gate = Gate::closed();
    let https = serving(basic().quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))).await;
    let client = client(https.authenticator());
    let held = all_at_once(&client, &https, "/held", 8);
    without_hanging(gate.held(1)).await;
    let down = begun(client.shut_down()).await;
    let error = client.request(get(&https, "/")).await.expect_err("it is shut down");
    assert!(matches!(error.kind(), ErrorKind::ShutDown), "{error:?}");
    gate.open();
    without_hanging(down).await;
    drop(held);
    assert_eq!(client.connections(), (0, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_goes_by_the_same_rules() {
    let https = serving(basic()).await;
    let authenticator = https.authenticator().build();
    let client: Client<Upload> = Client::builder(authenticator).http2().build_with_tls(trusting([ECDSA]));
    let post = |chunks| {
        let request = Request::post(https.uri("/upload")).body(Upload::of(chunks, 64 << 10));
        client.request(request.expect("a request"))
    };
    // Kept while it is sent, and sent again.
    let response = without_hanging(post(1)).await.expect("a response");
    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
    text(response).await;
    assert_eq!(https.report().body_octets(), 2 * (64 << 10), "{}", https.report());
    // A known origin gets it once.
    text(without_hanging(post(160)).await.expect("a response")).await;
    assert_eq!(https.report().body_octets(), 162 * (64 << 10), "{}", https.report());
    assert_eq!(statuses(&https.report()), [401, 200, 200]);

    let https = serving(basic()).await;
    let authenticator = https.authenticator().build();
    let client: Client<Upload> = Client::builder(authenticator).http2().build_with_tls(trusting([ECDSA]));
    let request = Request::post(https.uri("/upload")).body(Upload::of(160, 64 << 10)).expect("a request");
    let error = without_hanging(client.request(request)).await.expect_err("too much has gone");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { .. }), "{error:?}");
}

#[tokio::test]
async fn a_connector_of_the_callers_own_decides_and_such_a_login_is_passed_by() {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let mut tls = trusting([ECDSA]);
    tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let connector = ChannelBound::new(hyper_rustls::HttpsConnector::from((http, tls)));
    let https = serving(server([Offer::Ntlm, Offer::basic("the lab")])).await;
    let client: Http2Client = Client::builder(https.authenticator().build()).http2().build(connector.clone());
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_2);

    let https = serving(server([Offer::Ntlm])).await;
    let client: Http2Client = Client::builder(https.authenticator().build()).http2().build(connector);
    let response = client.request(get(&https, "/")).await.expect("a response");
    assert_eq!(response.status(), 401);
    assert_eq!(refusal(&response).tried[0].why, Why::Http2);
}

#[tokio::test]
async fn the_legacy_client_says_so_where_its_connector_has_settled_on_http_2() {
    let mut http = HttpConnector::new();
    http.enforce_http(false);
    let mut tls = trusting([ECDSA]);
    tls.alpn_protocols = vec![b"h2".to_vec()];
    let https = serving(server([Offer::Ntlm])).await;
    let settings = legacy::Client::builder(TokioExecutor::new());
    let connector = hyper_rustls::HttpsConnector::from((http, tls));
    let client: Http2Client =
        Client::builder(https.authenticator().build()).build_legacy(settings, connector);
    let error = without_hanging(client.request(get(&https, "/"))).await.expect_err("no HTTP/1.1");
    assert!(error.is_connect(), "{error:?}");
    assert!(whole(&error).ends_with("leave h2 out of its ALPN protocols"), "{}", whole(&error));
    assert_eq!(https.report().legs().count(), 0);
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_asked_for_and_offered() {
    let https = serving(basic()).await;
    let client = super::client(https.authenticator());
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_11, "it is not asked for");
    let https = Https::offering(basic(), ECDSA, &["http/1.1"]).await;
    let client = self::client(https.authenticator());
    without_hanging(all_at_once(&client, &https, "/", 16).join_all()).await;
    let report = https.report();
    assert!(versions(&report).iter().all(|versions| *versions == BTreeSet::from(["1.1"])), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_connection_goes_through_a_tunnel_too() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let https = serving(basic()).await;
    let authenticator = https.authenticator().proxy_credentials(proxy.origin(), alice()).build();
    let proxies = Proxies::https(Proxy::new(proxy.origin()));
    let client: Http2Client =
        Client::builder(authenticator).proxies(proxies).http2().build_with_tls(trusting([ECDSA]));
    let versions = without_hanging(all_at_once(&client, &https, "/", 32).join_all()).await;
    assert_eq!(versions, [Version::HTTP_2; 32]);
    assert_eq!(https.report().connections().len(), 1, "{}", https.report());
    assert_eq!(statuses(&proxy.report()), [407, 407, 200], "{}", proxy.report());
}

#[tokio::test]
async fn a_request_that_is_polled_no_more_while_it_connects_holds_nobody_up() {
    let https = serving(basic()).await;
    let client = client(https.authenticator());
    let _stopped = begun(client.request(get(&https, "/"))).await;
    assert_eq!(fetch(&client, get(&https, "/")).await, Version::HTTP_2);
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_lets_streams_end_and_opens_no_other_on_their_connection() {
    let gate = Gate::closed();
    let builder = server_of_three([Offer::basic("the lab")])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()));
    let https = serving(builder).await;
    let client = client(https.authenticator());
    for end in [|client: &Http2Client| client.close_idle(), |client: &Http2Client| client.log_out(carol())] {
        let before = https.report().connections().len();
        fetch(&client, get(&https, "/first")).await;
        let bobs = acting_as(get(&https, "/held/bob"), bob());
        let bobs = tokio::spawn(client.request(bobs));
        let held = all_at_once(&client, &https, "/held", 8);
        without_hanging(gate.held(9)).await;
        end(&client);
        let after = all_at_once(&client, &https, "/after", 8);
        assert_eq!(without_hanging(after.join_all()).await, [Version::HTTP_2; 8]);
        gate.admit(9);
        assert_eq!(without_hanging(held.join_all()).await, [Version::HTTP_2; 8]);
        text(without_hanging(bobs).await.expect("no panic").expect("a response")).await;
        let report = https.server.wait_for(|report| report.connections()[before].closed);
        let report = without_hanging(report).await;
        let of_carol = |connection: &&Connection| users(connection) == [USER.to_owned()].into();
        let [first, second] = report.connections()[before..].iter().filter(of_carol).collect::<Vec<_>>()[..]
        else {
            panic!("{report}")
        };
        assert!(targets_on(first).iter().all(|target| ["/first", "/held"].contains(target)), "{report}");
        assert_eq!(targets_on(second).iter().filter(|target| **target == "/after").count(), 8, "{report}");
        client.close_idle();
        without_hanging(https.server.wait_for(|report| report.open() == 0)).await;
        assert_eq!(settled(&client).await, 0);
    }
}

#[tokio::test]
async fn after_logging_out_nobody_waits_for_a_connection_that_was_being_made() {
    let https = serving(basic()).await;
    let client = client(https.authenticator());
    let first = begun(client.request(get(&https, "/first"))).await;
    let waiting = begun(client.request(get(&https, "/waiting"))).await;
    client.log_out(carol());
    assert_eq!(client.connections(), (2, 0), "it makes one of its own");
    text(without_hanging(waiting).await.expect("a response")).await;
    text(without_hanging(first).await.expect("a response")).await;
    fetch(&client, get(&https, "/last")).await;
    assert_eq!((settled(&client).await, client.connections()), (1, (1, 1)));
    let report = without_hanging(https.server.wait_for(|report| report.open() == 1)).await;
    let carrying =
        |path| report.connections().iter().position(|connection| targets_on(connection).contains(&path));
    assert_eq!(carrying("/last"), carrying("/waiting"), "{report}");
    assert_ne!(carrying("/first"), carrying("/waiting"), "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn users_that_are_logged_out_all_the_time_are_served_as_themselves() {
    let https = Arc::new(serving(server_of_three([Offer::basic("the lab")])).await);
    let client = client(https.authenticator());
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let (client, https) = (client.clone(), Arc::clone(&https));
        tasks.spawn(async move {
            for turn in 0..20 {
                let user = [carol(), alice(), bob()][(task + turn) % 3].clone();
                let name = user.username().expect("a name").to_owned();
                let request = acting_as(get(&https, "/"), user);
                let response = without_hanging(client.request(request)).await.expect("a response");
                let page = text(response).await;
                assert!(page.starts_with(&name), "{name}: {page}");
            }
        });
    }
    for turn in 0.. {
        match turn % 3 {
            0 => client.log_out(alice()),
            1 => client.log_out(Origin::from_uri(&https.uri("/")).expect("an origin")),
            _ => client.close_idle(),
        }
        match tokio::time::timeout(Duration::from_millis(turn % 5), tasks.join_next()).await {
            Ok(Some(done)) => done.expect("no task fails"),
            Ok(None) => break,
            Err(_) => {}
        }
    }
    client.close_idle();
    without_hanging(https.server.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
    let report = https.report();
    assert!(report.connections().iter().all(|connection| users(connection).len() <= 1), "{report}");
}

/// hyper tells nothing of interim responses over HTTP/2: a streamed body goes at once, unless a `HEAD` goes
/// ahead of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_logs_in_ahead_of_an_upload_if_that_is_asked_for() {
    let digest = || Offer::judged("Digest", DigestAcceptor::new("the lab").user(USER, PASSWORD));
    for asked in [true, false] {
        let https = serving(server([digest()])).await;
        let client: Client<Upload> =
            Client::builder(https.authenticator().build()).http2().build_with_tls(trusting([ECDSA]));
        let mut put = Request::put(https.uri("/upload")).body(Upload::of(16, 64 << 10)).expect("a request");
        if asked {
            put.extensions_mut().insert(AuthenticateFirst);
        }
        let answer = without_hanging(client.request(put)).await;
        let report = https.report();
        assert!(report.legs().all(|leg| !leg.headers.contains_key("expect")), "{report}");
        if asked {
            let response = answer.expect("a response");
            assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
            let methods: Vec<_> = report.legs().map(|leg| leg.method.as_str()).collect();
            assert_eq!(methods, ["HEAD", "HEAD", "PUT"], "{report}");
            assert_eq!(report.body_octets(), 1 << 20, "{report}");
        } else {
            let error = answer.expect_err("too late");
            assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { .. }), "{error:?}");
        }
    }
}
