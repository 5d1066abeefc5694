//! Digest over sockets, against an acceptor that counts.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use hyper_util::client::legacy::connect::HttpConnector;
use legwork::Client;
use legwork::handshake::{AuthenticatorBuilder, HandshakeError, Why};
use legwork::mechanism::MutualAuthentication;
use legwork::scheme::digest::Algorithm;
use legwork::service::{ErrorKind, Limits};
use legwork::testing::{
    Close, DigestAcceptor, DigestOddity, Judge, Judgement, Offer, Presentation, Quirk, Server, Verdict,
};
use tokio::task::JoinSet;

use crate::support::*;

fn acceptor() -> DigestAcceptor {
    DigestAcceptor::new("the lab").user(USER, PASSWORD)
}

async fn serving(acceptor: impl Judge + 'static) -> Server {
    server([Offer::judged("Digest", acceptor)]).start().await.expect("a server")
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
    let builder = || Client::builder(authenticator(&server).build()).limits(Limits::default().replay(1000));
    let whole: &'static str = Box::leak("x".repeat(60_000).into_boxed_str());
    fetch(&build(builder()), request("POST", server.uri("/"), whole)).await;
    let client: Client<HttpConnector, Upload> = builder().build_http();
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
