//! Digest at servers that take RFC 7616 at its word, which Apache, lighttpd and squid do not: counts that must rise, nonces
//! that serve once, and nonces that another request's challenge replaces.
//!
//! Many tasks share one client, first at an unknown origin and then at a known one. Where it says what fails, the first number
//! is that of the unknown origin.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::Uri;
use legwork::handshake::Outcome;
use legwork::scheme::digest::Algorithm;
use legwork::testing::{
    Builder, Close, DigestAcceptor, Gate, Judge, Judgement, Offer, Presentation, Quirk, Server,
};
use legwork::unversioned::testing::DigestOddity;
use legwork::{Credentials, Origin};
use tokio::task::JoinSet;

use crate::any_client::{AnyClient, CLIENTS, Make};
use crate::support::*;

const TASKS: usize = 64;
const REQUESTS: usize = 2_000;

/// How many legs a hundred requests may take where a connection can have a nonce to itself: 64 connections are challenged at
/// first, and those that began with a shared nonce once more when it turns out that they may not.
const SHARED: usize = 107;

/// The same where each request needs a challenge of its own.
const ONE_TIME: usize = 207;

/// The same where a try goes to the backend that did not make its nonce as often as not: it takes 200 on average.
const BALANCED: usize = 225;

/// WEBrick answers each second with another nonce, and has to be asked in more than one.
const PAUSE: Duration = Duration::from_millis(1_100);

/// A server, and its own account of what came.
struct Strict {
    page: Uri,
    account: Account,
    /// How many legs a hundred requests may take.
    legs: usize,
}

enum Account {
    /// One line a request, as `tests/lab/README.md` has it.
    Log(&'static str),
    Report(Server),
}

/// One request, as the server saw it.
#[derive(Clone, Copy, PartialEq)]
struct Leg {
    has_login: bool,
    is_served: bool,
}

/// What came of many requests.
#[derive(Debug, Default)]
struct Crowd {
    served: usize,
    /// Why the others were not.
    failed: BTreeMap<String, usize>,
    legs: usize,
    refused_logins: usize,
}

impl Strict {
    /// The server of this name among the lab's.
    fn real(key: &str, log: &str, legs: usize) -> Self {
        let site = site(key);
        Self { page: site.uri("/login"), account: Account::Log(site.value(log)), legs }
    }

    async fn scripted(
        judge: impl Judge + 'static,
        quirks: impl IntoIterator<Item = Quirk>,
        legs: usize,
    ) -> Self {
        let builder = quirks.into_iter().fold(Server::builder(), Builder::quirk);
        let server = builder.offer(Offer::judged("Digest", judge)).start().await.expect("a server");
        Self { page: server.uri("/login"), account: Account::Report(server), legs }
    }

    fn client(&self, make: Make, password: &str) -> AnyClient {
        let origin = Origin::from_uri(&self.page).expect("an absolute URI");
        make(builder().credentials(origin, Credentials::password("user", password)))
    }

    /// What comes of so many requests by so many tasks.
    async fn crowd(&self, client: &AnyClient, tasks: usize, requests: usize) -> Crowd {
        static CROWDS: AtomicUsize = AtomicUsize::new(0);

        let mark = format!("?crowd-{}-{}", std::process::id(), CROWDS.fetch_add(1, Ordering::Relaxed));
        let page: Uri = format!("{}{mark}", self.page).parse().expect("a URI");
        let mut running = JoinSet::new();
        for task in 0..tasks {
            let (client, page) = (client.clone(), page.clone());
            running.spawn(async move {
                let mut failed = Vec::new();
                for _ in (task..requests).step_by(tasks) {
                    failed.extend(failure(&client, &page).await);
                }
                failed
            });
        }
        let mut crowd = Crowd::default();
        for reason in running.join_all().await.into_iter().flatten() {
            *crowd.failed.entry(reason).or_default() += 1;
        }
        crowd.served = requests - crowd.failed.values().sum::<usize>();
        let legs = self.legs(&mark, crowd.served, requests).await;
        crowd.legs = legs.len();
        crowd.refused_logins = refused_logins(&legs);
        crowd
    }

    /// The requests with this mark, once so many are served, and a login is refused if there were more: a line is written a
    /// moment after its response.
    async fn legs(&self, mark: &str, served: usize, requests: usize) -> Vec<Leg> {
        let begun = Instant::now();
        loop {
            let legs = self.account.legs(mark);
            let is_refused = served == requests || refused_logins(&legs) > 0;
            if legs.len() >= requests
                && legs.iter().filter(|leg| leg.is_served).count() >= served
                && is_refused
            {
                return legs;
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{served} were served, and the log has fewer");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

fn refused_logins(legs: &[Leg]) -> usize {
    legs.iter().filter(|leg| leg.has_login && !leg.is_served).count()
}

impl Account {
    fn legs(&self, mark: &str) -> Vec<Leg> {
        match self {
            Self::Log(path) => {
                let log = std::fs::read_to_string(path).expect("an access log");
                let marked = log.lines().filter(|line| line.contains(&format!("{mark} ")));
                let leg = |line: &str| Leg {
                    has_login: line.contains(" login=Digest"),
                    is_served: line.contains(" 200 login="),
                };
                marked.map(leg).collect()
            }
            Self::Report(server) => {
                let report = server.report();
                let marked = report.legs().filter(|leg| leg.target.ends_with(mark));
                let leg = |leg: &legwork::testing::Leg| Leg {
                    has_login: leg.authorization.is_some(),
                    is_served: leg.user.is_some(),
                };
                marked.map(leg).collect()
            }
        }
    }
}

/// Why the page did not come.
async fn failure(client: &AnyClient, page: &Uri) -> Option<String> {
    let response = match client.try_send(page.clone(), None).await {
        Ok(response) => response,
        Err(error) => return Some(format!("{error}: {:?}", error.source().map(ToString::to_string))),
    };
    let page = Page::read(response).await;
    match page.outcome {
        _ if page.status == 200 => None,
        Some(Outcome::Refused(refusal)) => Some(refusal.to_string()),
        _ => Some(format!("{} without a reason", page.status)),
    }
}

async fn all_are_served(server: Strict, make: Make, tasks: usize, requests: usize) {
    let client = server.client(make, "passwd");
    let legs = requests * server.legs / 100;
    for origin in ["unknown", "known"] {
        let crowd = server.crowd(&client, tasks, requests).await;
        assert_eq!(crowd.served, requests, "at the {origin} origin: {crowd:?}");
        assert!(crowd.legs <= legs, "at the {origin} origin: more than {legs} legs: {crowd:?}");
    }
}

/// So often at most, however many want to.
async fn tries_a_wrong_password(server: Strict, tries: usize) {
    for (name, make) in CLIENTS {
        let client = server.client(make, "not-the-pw");
        let crowd = server.crowd(&client, TASKS, TASKS).await;
        assert_eq!(crowd.served, 0, "{name}: {crowd:?}");
        assert!((1..=tries).contains(&crowd.refused_logins), "{name}: {crowd:?}");
    }
}

/// Counts must rise, and one that does not gets `stale=true`.
async fn http_auth() -> Strict {
    Strict::real("HTTP_AUTH", "HTTP_AUTH_ACCESS_LOG", SHARED)
}

/// Counts must rise, and one that does not gets what a wrong password gets.
async fn go_http_auth() -> Strict {
    Strict::real("GO_HTTP_AUTH", "GO_HTTP_AUTH_ACCESS_LOG", SHARED)
}

/// Counts must be near the number of requests.
async fn tomcat() -> Strict {
    Strict::real("TOMCAT", "TOMCAT_ACCESS_LOG", SHARED)
}

/// Counts must come one after the other.
async fn tomcat_strict() -> Strict {
    Strict::real("TOMCAT_STRICT", "TOMCAT_STRICT_ACCESS_LOG", SHARED)
}

async fn trac() -> Strict {
    Strict::real("TRAC", "TRAC_ACCESS_LOG", ONE_TIME)
}

/// A session ends with its nonce, which is that of the second.
async fn webrick() -> Strict {
    Strict::real("WEBRICK", "WEBRICK_ACCESS_LOG", SHARED)
}

fn acceptor() -> DigestAcceptor {
    DigestAcceptor::new("Login Required").algorithms([Algorithm::Md5]).user("user", "passwd")
}

/// One nonce for all, which each challenge replaces without a word, and one request a connection.
async fn esp32() -> Strict {
    esp32_with([]).await
}

async fn esp32_with(quirks: impl IntoIterator<Item = Quirk>) -> Strict {
    let acceptor = acceptor().oddity(DigestOddity::OneNonce).oddity(DigestOddity::NoProof);
    let quirks = quirks.into_iter().chain([Quirk::Close(Close::Announced)]);
    Strict::scripted(acceptor, quirks, SHARED).await
}

/// A balancer before two backends, each of which knows its own nonces and calls the other's stale.
struct Balanced {
    backends: [DigestAcceptor; 2],
    requests: AtomicU64,
    /// Whose turn is the request of this number.
    turn: fn(u64) -> u64,
}

impl Balanced {
    async fn server(turn: fn(u64) -> u64) -> Strict {
        let backends = [acceptor(), acceptor()];
        Strict::scripted(Self { backends, requests: AtomicU64::new(0), turn }, [], BALANCED).await
    }

    fn next(&self) -> &DigestAcceptor {
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        &self.backends[usize::from((self.turn)(number) % 2 == 1)]
    }
}

impl Judge for Balanced {
    fn challenges(&self) -> Vec<String> {
        Judge::challenges(self.next())
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        let backend = self.next();
        let judgement = Judge::judge(backend, presentation);
        let Judgement::Refused { challenges, .. } = judgement else { return judgement };
        // As a challenge that goes on: for that of a refusal the server asks `challenges` too, which takes a turn.
        let challenges = challenges.unwrap_or_else(|| Judge::challenges(backend));
        Judgement::Continued { challenge: challenges.concat() }
    }
}

/// A request goes to either backend by chance.
async fn balanced_by_chance() -> Strict {
    let by_chance = |number| BuildHasherDefault::<DefaultHasher>::default().hash_one(number);
    Balanced::server(by_chance).await
}

/// A request goes to the other backend than the one before it.
async fn balanced_in_turn() -> Strict {
    Balanced::server(|number| number).await
}

/// A test for each server and client.
macro_rules! crowds {
    ($($(#[$attribute:meta])* $server:ident;)*) => {$(
        mod $server {
            use super::*;

            #[tokio::test(flavor = "multi_thread")]
            $(#[$attribute])*
            async fn serves_all_over_hyper() {
                all_are_served($server().await, AnyClient::hyper, TASKS, REQUESTS).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            $(#[$attribute])*
            async fn serves_all_over_reqwest() {
                all_are_served($server().await, AnyClient::reqwest, TASKS, REQUESTS).await;
            }

            #[tokio::test(flavor = "multi_thread")]
            $(#[$attribute])*
            async fn serves_all_over_the_legacy_client() {
                all_are_served($server().await, AnyClient::legacy, TASKS, REQUESTS).await;
            }
        }
    )*};
}

crowds! {
    #[ignore = "needs the lab: tests/run"]
    http_auth;
    #[ignore = "needs the lab: tests/run"]
    go_http_auth;
    #[ignore = "needs the lab: tests/run"]
    tomcat;
    #[ignore = "needs the lab: tests/run"]
    tomcat_strict;
    #[ignore = "needs the lab: tests/run"]
    trac;
    #[ignore = "needs the lab: tests/run"]
    webrick;
    esp32;
    balanced_by_chance;
    balanced_in_turn;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_wrong_password_is_tried_once() {
    for server in [
        http_auth().await,
        go_http_auth().await,
        tomcat().await,
        tomcat_strict().await,
        trac().await,
        webrick().await,
    ] {
        tries_a_wrong_password(server, 1).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_twice_more_at_most_where_its_nonce_was_replaced() {
    for server in [esp32().await, balanced_by_chance().await, balanced_in_turn().await] {
        tries_a_wrong_password(server, 3).await;
    }
}

#[tokio::test]
#[ignore = "needs the lab: tests/run"]
async fn a_session_that_webrick_ends_costs_one_leg_once() {
    let server = webrick().await;
    for (name, make) in CLIENTS {
        let client = server.client(make, "passwd");
        // The login and the `nextnonce` of its second; the next one, with the session of the one before; and so on.
        for legs in [2..=2, 1..=2, 1..=2, 1..=1, 1..=1] {
            let crowd = server.crowd(&client, 1, 1).await;
            assert!(crowd.served == 1 && legs.contains(&crowd.legs), "{name}: {crowd:?}");
            tokio::time::sleep(PAUSE).await;
        }
    }
}

#[tokio::test]
async fn one_task_alone_is_served_by_backends_in_turn() {
    for (_, make) in CLIENTS {
        all_are_served(balanced_in_turn().await, make, 1, 100).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn eight_that_an_esp32_challenges_together_are_served() {
    for (name, make) in CLIENTS {
        let gate = Gate::closed();
        let server = esp32_with([Quirk::HeldBy(gate.clone())]).await;
        let client = server.client(make, "passwd");
        let all_have_come = async {
            gate.held(8).await;
            gate.open();
        };
        let (crowd, ()) = tokio::join!(server.crowd(&client, 8, 8), all_have_come);
        assert_eq!(crowd.served, 8, "{name}: {crowd:?}");
    }
}
