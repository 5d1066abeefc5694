//! Digest over sockets, against an acceptor that counts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use legwork::Client;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::handshake::{AuthenticatorBuilder, HandshakeError, Outcome, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::protection_space::Challenger;
use legwork::scheme::digest::Algorithm;
use legwork::service::{Environment, ErrorKind, Limits};
use legwork::testing::{
    Builder, Close, DigestAcceptor, Gate, Judge, Judgement, Leg, Offer, Presentation, Quirk, Server, Verdict,
    When,
};
use legwork::unversioned::testing::DigestOddity;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::support::*;

fn acceptor() -> DigestAcceptor {
    DigestAcceptor::new("the lab").user(USER, PASSWORD)
}

async fn serving(acceptor: impl Judge + 'static) -> Server {
    server([Offer::judged("Digest", acceptor)]).start().await.expect("a server")
}

/// An authenticator that holds these for the server.
fn builder_for(server: &Server, credentials: legwork::Credentials) -> AuthenticatorBuilder {
    builder().credentials(server.origin(), credentials)
}

fn client_by(builder: AuthenticatorBuilder) -> HttpClient {
    build(Client::builder(builder.build()))
}

/// Writes down the nonces and counts of all that it accepts, and can be made to forget its nonces.
struct Recording {
    acceptor: Mutex<DigestAcceptor>,
    accepted: Mutex<Vec<(String, u32)>>,
}

impl Recording {
    fn new() -> Arc<Self> {
        Arc::new(Self { acceptor: Mutex::new(acceptor()), accepted: Mutex::default() })
    }

    /// From now on all nonces given so far are too old.
    fn forget_nonces(&self) {
        *self.acceptor.lock().expect("not poisoned") = acceptor();
        self.accepted.lock().expect("not poisoned").clear();
    }

    fn accepted(&self) -> Vec<(String, u32)> {
        self.accepted.lock().expect("not poisoned").clone()
    }
}

impl Judge for Recording {
    fn challenges(&self) -> Vec<String> {
        Judge::challenges(&*self.acceptor.lock().expect("not poisoned"))
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        let judgement = Judge::judge(&*self.acceptor.lock().expect("not poisoned"), presentation);
        if let Judgement::Accepted { .. } = judgement {
            let param = |name: &str| {
                let rest = presentation.credentials.split_once(name).expect("the parameter").1;
                rest.trim_start_matches('"').split(['"', ',']).next().expect("its value").to_owned()
            };
            let count = u32::from_str_radix(&param("nc="), 16).expect("a count");
            self.accepted.lock().expect("not poisoned").push((param(" nonce="), count));
        }
        judgement
    }
}

async fn all_at_once(client: &HttpClient, server: &Server, requests: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (client, request) = (client.clone(), get(server, "/"));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    assert_eq!(without_hanging(tasks.join_all()).await.len(), requests);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_requests_count_on_one_nonce_without_gap_or_repeat() {
    let recording = Recording::new();
    let server = serving(Arc::clone(&recording)).await;
    let client = client_by(authenticator(&server));
    fetch(&client, get(&server, "/")).await;
    all_at_once(&client, &server, 1_000).await;

    let accepted = recording.accepted();
    let nonces: BTreeSet<_> = accepted.iter().map(|(nonce, _)| nonce).collect();
    assert_eq!(nonces.len(), 1, "one nonce for all");
    let mut counts: Vec<_> = accepted.iter().map(|(_, count)| *count).collect();
    counts.sort_unstable();
    assert!(counts.into_iter().eq(1..=1_001), "1, 2, 3, …");
    let challenged = server.report().legs().filter(|leg| leg.status.is_some_and(|it| it == 401)).count();
    assert_eq!(challenged, 1, "all but the first one went ahead");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_stale_nonces_costs_each_request_one_leg() {
    let recording = Recording::new();
    let server = serving(Arc::clone(&recording)).await;
    let client = client_by(authenticator(&server));
    for _ in 0..5 {
        fetch(&client, get(&server, "/")).await;
        all_at_once(&client, &server, 64).await;
        recording.forget_nonces();
        let before = server.report().legs().count();
        all_at_once(&client, &server, 256).await;

        let nonces: BTreeSet<_> = recording.accepted().into_iter().map(|(nonce, _)| nonce).collect();
        assert!(nonces.len() <= 64, "no connection has more than one new nonce");
        let report = server.report();
        let legs: Vec<_> = report.legs().collect();
        assert!(legs.len() - before <= 2 * 256, "no request takes more than two legs");
        assert!(report.connections().len() <= 64);
    }
}

#[tokio::test]
async fn each_algorithm_logs_in_and_the_server_proves_itself() {
    use Algorithm::{Md5, Md5Sess, Sha256, Sha256Sess, Sha512_256, Sha512_256Sess};

    for algorithm in [Md5, Md5Sess, Sha256, Sha256Sess, Sha512_256, Sha512_256Sess] {
        for qop in ["auth", "auth-int, auth", "x, auth", "auth-int"] {
            let acceptor = acceptor().algorithms([algorithm]).qop(qop).hash_names();
            let server = serving(acceptor).await;
            let client = client_by(authenticator(&server));
            for legs in [2, 1] {
                let response = client.request(get(&server, "/dir/?a=b%20c")).await.expect("a response");
                assert_eq!(response.status(), 200, "{algorithm:?} {qop}");
                if legs == 2 {
                    assert_eq!((login(&response).scheme, login(&response).legs), ("Digest", 2));
                    let covered = qop == "auth-int";
                    assert_eq!(login(&response).mutual, !covered, "{algorithm:?} {qop}");
                }
                text(response).await;
            }
            assert_eq!(statuses(&server.report()), [401, 200, 200], "{algorithm:?} {qop}");
        }
    }
}

#[tokio::test]
async fn what_servers_do_differently_is_coped_with() {
    for oddity in [
        DigestOddity::NoQop,
        DigestOddity::LowerCaseAlgorithm,
        DigestOddity::UnknownAlgorithmFirst,
        DigestOddity::NoProof,
        DigestOddity::QuotesReversed,
        DigestOddity::NextNonce,
    ] {
        let server = serving(acceptor().oddity(oddity)).await;
        let client = client_by(authenticator(&server));
        for _ in 0..5 {
            fetch(&client, get(&server, "/")).await;
        }
        assert_eq!(statuses(&server.report()), [401, 200, 200, 200, 200, 200], "{oddity:?}");
    }
}

// WEBrick
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_ends_sessions_with_their_nonce_is_learnt_by_one_more_leg() {
    for close in [None, Some(Quirk::Close(Close::Announced))] {
        let sessions = || {
            acceptor()
                .algorithms([Algorithm::Md5Sess])
                .oddity(DigestOddity::NextNonce)
                .oddity(DigestOddity::NoSessions)
        };
        let builder =
            close.iter().cloned().fold(server([Offer::judged("Digest", sessions())]), Builder::quirk);
        let server = builder.start().await.expect("a server");
        let client = client_by(authenticator(&server));
        for _ in 0..6 {
            fetch(&client, get(&server, "/")).await;
            settled(&client).await;
        }
        // The second request's key is of the session before it.
        assert_eq!(statuses(&server.report()), [401, 200, 401, 200, 200, 200, 200, 200], "{close:?}");
        all_at_once(&client, &server, 200).await;

        let wrong = legwork::Credentials::password(USER, "not-the-pw");
        let client = client_by(builder_for(&server, wrong));
        let before = server.report().attempts();
        all_refused(&client, &server, 32).await;
        assert_eq!(server.report().attempts() - before, 1, "{close:?}");
    }
}

// Apache HttpClient CVE-2026-40542, AsyncHttpClient 2235
#[tokio::test]
async fn a_wrong_or_missing_proof_of_the_server_fails_as_the_rule_says() {
    for (oddity, rule, delivered) in [
        (DigestOddity::WrongProof, MutualAuthentication::Off, true),
        (DigestOddity::WrongProof, MutualAuthentication::Preferred, false),
        (DigestOddity::WrongProof, MutualAuthentication::Required, false),
        (DigestOddity::NoProof, MutualAuthentication::Off, true),
        (DigestOddity::NoProof, MutualAuthentication::Preferred, true),
        (DigestOddity::NoProof, MutualAuthentication::Required, false),
    ] {
        let server = serving(acceptor().oddity(oddity)).await;
        let client = client_by(authenticator(&server).mutual_authentication(rule));
        match client.request(get(&server, "/")).await {
            Ok(response) => {
                assert!(delivered, "{oddity:?} {rule:?}");
                assert!(!login(&response).mutual);
            }
            Err(error) => {
                assert!(!delivered, "{oddity:?} {rule:?}: {error:?}");
                let kind = error.kind();
                assert!(matches!(kind, ErrorKind::Handshake(HandshakeError::FinalToken(_))), "{error:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_nonce_that_wears_out_costs_one_more_leg_each_time() {
    let server = serving(acceptor().nonce_uses(3)).await;
    let client = client_by(authenticator(&server));
    for _ in 0..9 {
        fetch(&client, get(&server, "/")).await;
    }
    let stale = [401, 200, 200, 200];
    assert_eq!(statuses(&server.report()), [stale, stale, stale].concat());
}

// curl "Connection closure while negotiating"
#[tokio::test]
async fn a_server_that_closes_after_each_answer_is_logged_in_to_on_the_next_connection() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Http10] {
        let server = server([Offer::judged("Digest", acceptor().nonce_uses(3))])
            .quirk(quirk.clone())
            .start()
            .await
            .expect("a server");
        let client = client_by(authenticator(&server));
        for _ in 0..9 {
            fetch(&client, request("PUT", server.uri("/"), "twelve bytes")).await;
        }
        let stale = [401, 200, 200, 200];
        assert_eq!(statuses(&server.report()), [stale, stale, stale].concat(), "{quirk:?}");
    }
}

// httpd `check_nc`
#[tokio::test]
async fn a_proven_password_is_sent_once_more_where_a_server_does_not_say_stale() {
    let server = serving(acceptor().nonce_uses(3).oddity(DigestOddity::NeverStale)).await;
    let client = client_by(authenticator(&server));
    for _ in 0..6 {
        fetch(&client, get(&server, "/")).await;
    }
    let wrong = authenticator(&server);
    let client = client_by(wrong.credentials(server.origin(), legwork::Credentials::password(USER, "no")));
    let response = client.request(get(&server, "/")).await.expect("a response");
    assert!(matches!(refusal(&response).tried[..], [ref tried] if tried.why == Why::Refused(None)));
    assert_eq!(statuses(&server.report())[8..], [401, 401], "one that was never accepted is sent once");
}

#[tokio::test]
async fn content_is_covered_where_the_server_wants_that_and_nothing_else() {
    let server = serving(acceptor().qop("auth-int")).await;
    let client = client_by(authenticator(&server));
    for _ in 0..2 {
        fetch(&client, request("POST", server.uri("/"), "what the answer covers")).await;
    }
    let report = server.report();
    assert!(report.legs().all(|leg| leg.body_octets == 22), "{report}");

    // It is kept where it is in memory, and cannot be covered where it cannot be kept.
    let server = serving(acceptor().qop("auth-int")).await;
    let builder = || {
        Client::builder(authenticator(&server).build())
            .environment(Environment::tokio().limits(Limits::default().replay(1000)))
    };
    let whole: &'static str = Box::leak("x".repeat(60_000).into_boxed_str());
    fetch(&build(builder()), request("POST", server.uri("/"), whole)).await;
    let client: Client<Upload> = builder().build_http();
    let pieces = http::Request::post(server.uri("/")).body(Upload::of(60, 1000)).expect("a request");
    let response = client.request(pieces).await.expect("a response");
    assert_eq!(refusal(&response).tried[0].why, Why::ContentNotKept);
}

#[tokio::test]
async fn two_users_share_neither_nonce_nor_count() {
    let recording = Recording::new();
    *recording.acceptor.lock().expect("not poisoned") =
        acceptor().user("alice", "alice-pw").user("bob", "bob-pw");
    let server = serving(Arc::clone(&recording)).await;
    let client = client_by(authenticator(&server));
    for _ in 0..3 {
        for user in [alice(), bob()] {
            fetch(&client, acting_as(get(&server, "/"), user)).await;
        }
    }
    let counts: Vec<_> = recording.accepted().into_iter().map(|(_, count)| count).collect();
    assert_eq!(counts, [1, 1, 2, 2, 3, 3]);
    for connection in server.report().connections() {
        let users: BTreeSet<_> = connection.legs.iter().filter_map(|leg| leg.user.as_deref()).collect();
        assert_eq!(users.len(), 1, "{users:?}");
    }
}

// curl CVE-2026-7168, 8927, 11856
#[tokio::test]
async fn what_one_server_said_is_never_used_at_another() {
    let (here, there) = (serving(acceptor()).await, serving(acceptor()).await);
    let both = authenticator(&here).credentials(there.origin(), carol());
    let client = client_by(both);
    for server in [&here, &there, &here] {
        fetch(&client, get(server, "/")).await;
    }
    assert_eq!(statuses(&here.report()), [401, 200, 200]);
    assert_eq!(statuses(&there.report()), [401, 200], "nothing went ahead to it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_whatever_the_number_of_requests() {
    let server = serving(acceptor()).await;
    let wrong = legwork::Credentials::password(USER, "not-the-pw");
    let client = client_by(builder().credentials(server.origin(), wrong));
    all_refused(&client, &server, 256).await;
    let report = server.report();
    let sent = report.legs().filter_map(|leg| leg.authorization.as_ref());
    let verdicts: Vec<_> = sent.map(|seen| &seen.verdict).collect();
    assert!(matches!(verdicts[..], [Verdict::Refused { .. }]), "{report}");
    assert_eq!(report.attempts(), 1);
}

/// A user whose name is beyond ISO-8859-1, too.
const JASON: &str = "J\u{e4}s\u{f8}n \u{10d}";

fn naming() -> DigestAcceptor {
    DigestAcceptor::new("the lab").user(JASON, PASSWORD).utf8().oddity(DigestOddity::NoExtendedNames)
}

// CherryPy
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_extended_names_is_learnt_by_one_more_leg() {
    for by_proxy in [false, true] {
        let offer = Offer::judged("Digest", naming());
        let by = if by_proxy { Challenger::Proxy } else { Challenger::Origin };
        let server = Server::builder().offer_as(by, offer).start().await.expect("a server");
        let jason = legwork::Credentials::password(JASON, PASSWORD);
        let client = match by_proxy {
            true => {
                let proxy: Proxy = server.origin().to_string().parse().expect("a proxy");
                let builder = builder().proxy_credentials(server.origin(), jason);
                build(Client::builder(builder.build()).proxies(Proxies::all(proxy)))
            }
            false => client_by(builder_for(&server, jason)),
        };
        let uri = |path: &str| match by_proxy {
            true => format!("http://site.example{path}").parse().expect("a URI"),
            false => server.uri(path),
        };
        let page = fetch(&client, request("POST", uri("/"), "twelve bytes")).await;
        assert!(page.ends_with("leg 3, 12 octets\n"), "{page}");
        let challenge = by.status().as_u16();
        assert_eq!(statuses(&server.report()), [challenge, 400, 200]);
        // A 400 is the application's own from now on.
        let response = client.request(request("POST", uri("/status/400"), "x")).await.expect("a response");
        assert_eq!(response.status(), 400);
        text(response).await;
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (client, request) = (client.clone(), request("GET", uri("/"), ""));
            tasks.spawn(async move { fetch(&client, request).await });
        }
        without_hanging(tasks.join_all()).await;
        let mut legs = statuses(&server.report());
        legs.sort_unstable();
        let (served, others) = legs.split_at(65);
        assert!(served.iter().all(|status| *status == 200));
        assert_eq!(others, [400, 400, challenge]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_not_tried_by_all_where_extended_names_are_not_known() {
    let server = Server::builder().offer(Offer::judged("Digest", naming())).start().await.expect("a server");
    let client = client_by(builder_for(&server, legwork::Credentials::password(JASON, "not-the-pw")));
    all_refused(&client, &server, 64).await;
    let report = server.report();
    // A first that may be about the name, two at the most that others' challenges may have voided, and the last.
    assert!((2..=4).contains(&report.attempts()), "{report}");
}

#[tokio::test]
async fn a_wrong_password_is_tried_thrice_before_a_pause_where_extended_names_are_not_known() {
    let server = Server::builder().offer(Offer::judged("Digest", naming())).start().await.expect("a server");
    let client = client_by(builder_for(&server, legwork::Credentials::password(JASON, "not-the-pw")));
    for _ in 0..4 {
        all_refused(&client, &server, 1).await;
    }
    // The first may be about the name, and the second answers a challenge that a later one may have voided.
    let report = server.report();
    assert_eq!(report.attempts(), 3, "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_400_that_closes_or_is_the_applications_is_the_answer_after_one_more_leg() {
    let jason = || legwork::Credentials::password(JASON, PASSWORD);
    // To a server that closes with each answer.
    let builder =
        Server::builder().offer(Offer::judged("Digest", naming())).quirk(Quirk::Close(Close::Announced));
    let server = builder.start().await.expect("a server");
    let client = client_by(builder_for(&server, jason()));
    for _ in 0..3 {
        fetch(&client, request("PUT", server.uri("/"), "twelve bytes")).await;
        settled(&client).await;
    }
    assert_eq!(statuses(&server.report()), [401, 400, 200, 200, 200]);

    // To one that reads both, of an application that says 400.
    let reads_both =
        DigestAcceptor::new("the lab").user(JASON, PASSWORD).utf8().oddity(DigestOddity::NoProof);
    let server =
        Server::builder().offer(Offer::judged("Digest", reads_both)).start().await.expect("a server");
    let client = client_by(builder_for(&server, jason()));
    for (path, status) in [("/status/400", 400), ("/", 200), ("/status/400", 400)] {
        let response = client.request(request("POST", server.uri(path), "x")).await.expect("a response");
        assert_eq!(response.status(), status);
        text(response).await;
        settled(&client).await;
    }
    assert_eq!(statuses(&server.report()), [401, 400, 400, 200, 400, 400]);

    // A body that is not kept is not sent again.
    let silent = naming().oddity(DigestOddity::NoProof);
    let server = Server::builder().offer(Offer::judged("Digest", silent)).start().await.expect("a server");
    let builder = Client::builder(builder_for(&server, jason()).build())
        .environment(Environment::tokio().limits(Limits::default().replay(1000)));
    let client: Client<Upload> = builder.build_http();
    for (path, body) in [("/status/400", Upload::of(1, 10)), ("/", Upload::of(60, 1000))] {
        let post = http::Request::post(server.uri(path)).body(body).expect("a request");
        let response = client.request(post).await.expect("a response");
        assert_eq!(response.status(), 400);
        text(response).await;
        settled(&client).await;
    }
    assert_eq!(statuses(&server.report()), [401, 400, 400, 400]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_that_is_challenged_at_once_asks_for_one_more_challenge() {
    let gate = Gate::closed();
    let builder = Server::builder().offer(Offer::judged("Digest", acceptor()));
    let server = builder.quirk_when(When::leg(1), Quirk::HeldBy(gate.clone())).start().await;
    let server = server.expect("a server");
    let client = client_by(authenticator(&server));
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, page) = (client.clone(), || get(&server, "/"));
        let pages = [page(), page()];
        tasks.spawn(async move {
            for page in pages {
                fetch(&client, page).await;
            }
        });
    }
    without_hanging(gate.held(64)).await;
    gate.open();
    without_hanging(tasks.join_all()).await;
    let mut legs = statuses(&server.report());
    legs.sort_unstable();
    // Which of 64 challenges is the latest is known to the server only.
    assert_eq!(legs, [[200].repeat(128), [401].repeat(65)].concat());
}

/// The caller gives up while the raw name is on its way.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_given_up_between_the_two_names_bars_nobody() {
    let gate = Gate::closed();
    let builder = Server::builder().offer(Offer::judged("Digest", naming()));
    let server =
        builder.quirk_when(When::leg(3).connections(..=1), Quirk::HeldBy(gate.clone())).start().await;
    let server = server.expect("a server");
    let client = client_by(builder_for(&server, legwork::Credentials::password(JASON, PASSWORD)));
    let first = tokio::spawn({
        let (client, request) = (client.clone(), get(&server, "/"));
        async move { client.request(request).await.map(drop) }
    });
    without_hanging(gate.held(1)).await;
    first.abort();
    assert!(first.await.expect_err("it is given up").is_cancelled());
    gate.open();
    fetch(&client, get(&server, "/")).await;
}

/// So many pieces of a kilobyte, more of which are not kept to be sent again.
fn pieces(count: usize) -> Upload {
    Upload::of(count, 1000)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_for_a_declared_origin_goes_over_the_wire_once() {
    let server = serving(acceptor()).await;
    let declared = authenticator(&server).declare(server.origin(), "Digest").expect("a known scheme");
    let builder = Client::builder(declared.build())
        .environment(Environment::tokio().limits(Limits::default().replay(1000)));
    let client: Client<Upload> = builder.build_http();
    let post = || http::Request::post(server.uri("/")).body(pieces(60)).expect("a request");
    let mut tasks = JoinSet::new();
    for _ in 0..16 {
        let sending = client.request(post());
        tasks.spawn(async move { text(sending.await.expect("a response")).await });
    }
    for page in without_hanging(tasks.join_all()).await {
        assert!(page.ends_with("60000 octets\n"), "{page}");
    }
    let report = server.report();
    let asked = |leg: &&Leg| leg.status.is_some_and(|status| status == 401);
    assert!(report.legs().filter(asked).all(|leg| leg.content_length.as_deref() == Some("0")), "{report}");
    assert_eq!(report.body_octets(), 16 * 60_000, "{report}");

    // A request without a body goes as it is.
    let server = serving(acceptor()).await;
    let client =
        client_by(authenticator(&server).declare(server.origin(), "Digest").expect("a known scheme"));
    fetch(&client, get(&server, "/")).await;
    assert!(server.report().legs().all(|leg| leg.content_length.is_none()));
}

#[tokio::test]
async fn a_body_for_a_declared_origin_behind_a_declared_proxy_goes_over_the_wire_once() {
    for (at_proxy, at_origin) in [(true, true), (true, false), (false, true)] {
        let builder = Server::builder().user(USER, PASSWORD);
        let builder = match at_proxy {
            true => {
                let acceptor = DigestAcceptor::new("the proxy").user(USER, PASSWORD);
                builder.offer_as(Challenger::Proxy, Offer::judged("Digest", acceptor))
            }
            false => builder,
        };
        let builder = match at_origin {
            true => builder.offer(Offer::judged("Digest", acceptor())),
            false => builder,
        };
        let server = builder.start().await.expect("a server");
        let site: legwork::Origin = "http://site.example".parse().expect("an origin");
        let declared = builder_for(&server, carol())
            .credentials(site.clone(), carol())
            .proxy_credentials(server.origin(), carol())
            .declare(site, "Digest")
            .and_then(|builder| builder.declare_proxy(server.origin(), "Digest"))
            .expect("a known scheme");
        let proxy: Proxy = server.origin().to_string().parse().expect("a proxy");
        let client = build(Client::builder(declared.build()).proxies(Proxies::all(proxy)));
        for _ in 0..2 {
            let uri = "http://site.example/".parse().expect("a URI");
            let page = fetch(&client, request("POST", uri, "twelve bytes")).await;
            assert!(page.ends_with("12 octets\n"), "{page}");
        }
        let report = server.report();
        assert_eq!(report.body_octets(), 24, "{at_proxy} {at_origin}: {report}");
    }
}

// curl (`authneg`)
#[tokio::test]
async fn a_body_held_back_for_a_challenge_that_does_not_come_follows_once() {
    let server = serving(acceptor()).await;
    let client =
        client_by(authenticator(&server).declare(server.origin(), "Digest").expect("a known scheme"));
    for legs in [2, 3] {
        let page = fetch(&client, request("POST", server.uri("/public"), "twelve bytes")).await;
        assert!(page.ends_with(&format!("leg {legs}, 12 octets\n")), "it is remembered: {page}");
        settled(&client).await;
    }
    for _ in 0..2 {
        fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
        settled(&client).await;
    }
    assert_eq!(statuses(&server.report()), [200, 200, 200, 401, 200, 200]);
}

// px
#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_dies_without_another_challenge_fails_no_request() {
    for close in [None, Some(Quirk::Close(Close::Announced))] {
        let silent = acceptor().nonce_uses(3).oddity(DigestOddity::NoSecondChallenge);
        let builder = close.iter().cloned().fold(server([Offer::judged("Digest", silent)]), Builder::quirk);
        let server = builder.start().await.expect("a server");
        let client = client_by(authenticator(&server));
        for _ in 0..6 {
            fetch(&client, get(&server, "/")).await;
            settled(&client).await;
        }
        // The nonce is dead, a request without one is asked for another, and so on.
        assert_eq!(statuses(&server.report()), [401, 200, 200, 200, 401, 401, 200, 200, 200], "{close:?}");
        let page = fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
        assert!(page.ends_with("12 octets\n"), "{page}");
    }

    let silent = acceptor().nonce_uses(400).oddity(DigestOddity::NoSecondChallenge);
    let server = serving(silent).await;
    let client = client_by(authenticator(&server));
    all_at_once(&client, &server, 1_000).await;

    let wrong = client_by(builder_for(&server, legwork::Credentials::password(USER, "not-the-pw")));
    let before = server.report().attempts();
    all_refused(&wrong, &server, 32).await;
    assert_eq!(server.report().attempts() - before, 1);
}

/// A proxy's word to a login by a nonce that died is `401`, and no challenge.
#[derive(Clone)]
struct Forgetful(Arc<Recording>);

// px
#[tokio::test]
async fn a_nonce_that_died_at_a_proxy_that_says_401_is_asked_for_anew() {
    let (listener, recording) = (TcpListener::bind("127.0.0.1:0").await.expect("a port"), Recording::new());
    let address = listener.local_addr().expect("an address");
    tokio::spawn(Forgetful(Arc::clone(&recording)).serve(listener));
    let origin: legwork::Origin = format!("http://{address}").parse().expect("an origin");
    let client = Client::builder(builder().proxy_credentials(origin.clone(), carol()).build());
    let client = build(client.proxies(Proxies::all(Proxy::new(origin))));
    for _ in 0..2 {
        for _ in 0..2 {
            let uri = "http://site.example/".parse().expect("a URI");
            fetch(&client, request("POST", uri, "twelve bytes")).await;
        }
        recording.forget_nonces();
    }
    let uri = "http://site.example/".parse().expect("a URI");
    fetch(&client, request("GET", uri, "")).await;
}

impl Forgetful {
    /// One connection after the other.
    async fn serve(self, listener: TcpListener) {
        loop {
            let (stream, _) = listener.accept().await.expect("a client");
            let proxy = self.clone();
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                while let Some(answer) = proxy.answer(&mut stream).await {
                    stream.write_all(answer.as_bytes()).await.expect("it is sent");
                }
            });
        }
    }

    async fn answer(&self, stream: &mut BufReader<TcpStream>) -> Option<String> {
        let (mut head, mut length, mut login) = (String::new(), 0, None);
        stream.read_line(&mut head).await.ok().filter(|octets| *octets > 0)?;
        loop {
            let mut line = String::new();
            stream.read_line(&mut line).await.ok()?;
            let Some((name, value)) = line.trim_end().split_once(": ") else { break };
            match name {
                "content-length" => length = value.parse().expect("a length"),
                "proxy-authorization" => login = Some(http::HeaderValue::from_str(value).expect("a value")),
                _ => {}
            }
        }
        let mut content = vec![0; length];
        stream.read_exact(&mut content).await.ok()?;
        let mut words = head.split(' ');
        let method = words.next()?.parse().expect("a method");
        let target: http::Uri = words.next()?.parse().expect("a target");
        let answer = match login {
            None => {
                let fields =
                    self.0.challenges().into_iter().map(|it| format!("Proxy-Authenticate: {it}\r\n"));
                format!("407 Asked\r\n{}", fields.collect::<String>())
            }
            Some(field) => {
                let (_, credentials) = field.to_str().expect("ASCII").split_once(' ').expect("a scheme");
                let presentation = Presentation::new(credentials, &field, &method, &target, &content);
                match self.0.judge(&presentation) {
                    Judgement::Accepted { .. } => "200 Served\r\n".to_owned(),
                    _ => "401 Refused\r\n".to_owned(),
                }
            }
        };
        Some(format!("HTTP/1.1 {answer}Content-Length: 0\r\n\r\n"))
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_single_nonce_serves_all_requests_of_a_user() {
    for closes in [false, true] {
        for (tasks, method) in [(4, "GET"), (16, "GET"), (4, "POST"), (16, "POST")] {
            let acceptor = DigestAcceptor::new("the lab").user(USER, PASSWORD).oddity(DigestOddity::OneNonce);
            let builder = Server::builder().offer(Offer::judged("Digest", acceptor));
            let builder = if closes { builder.quirk(Quirk::Close(Close::Announced)) } else { builder };
            let server = builder.start().await.expect("a server");
            let client = build(Client::builder(authenticator(&server).build()));
            let mut set = JoinSet::new();
            for _ in 0..tasks {
                let (client, uri) = (client.clone(), server.uri("/"));
                set.spawn(async move {
                    for _ in 0..10 {
                        let body = if method == "POST" { "twelve bytes" } else { "" };
                        let sent = client.request(request(method, uri.clone(), body)).await;
                        let response = sent.expect("a response");
                        assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
                        text(response).await;
                    }
                });
            }
            set.join_all().await;
        }
    }
}
