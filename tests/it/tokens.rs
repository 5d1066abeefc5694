//! Credentials that go along with each request: bearer tokens, and Basic.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use legwork::credentials::{BearerTokens, Secret};
use legwork::testing::{Judge, Judgement, Offer, Presentation, Server};
use legwork::{Client, Credentials};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::challenges::{ask, holding, refused, stacks};
use crate::support::*;

/// A server that takes one token, until it is changed.
#[derive(Clone)]
struct Current(Arc<Mutex<String>>);

impl Current {
    fn new(token: &str) -> Self {
        Self(Arc::new(Mutex::new(token.to_owned())))
    }

    fn set(&self, token: &str) {
        *self.0.lock().expect("not poisoned") = token.to_owned();
    }

    async fn server(&self) -> Server {
        server([Offer::judged("Bearer", self.clone())]).start().await.expect("a server")
    }
}

impl Judge for Current {
    fn challenges(&self) -> Vec<String> {
        vec!["Bearer realm=\"api\"".to_owned()]
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        match *self.0.lock().expect("not poisoned") == presentation.credentials {
            true => Judgement::accepted("alice"),
            false => Judgement::Refused {
                why: "expired".to_owned(),
                challenges: Some(vec!["Bearer realm=\"api\", error=\"invalid_token\"".to_owned()]),
            },
        }
    }
}

/// What takes this token.
pub(crate) fn offer(token: &str) -> Offer {
    Offer::judged("Bearer", Current::new(token))
}

#[tokio::test(flavor = "multi_thread")]
async fn many_requests_with_an_expired_token_fetch_one_and_none_fails() {
    let current = Current::new("token-1");
    let server = current.server().await;
    let fetches = Arc::new(AtomicUsize::new(0));
    // The fetches wait for this, so that the old token has been refused by then.
    let gate = Arc::new(Semaphore::new(1));
    let tokens = BearerTokens::new(server.origin(), {
        let (fetches, gate) = (Arc::clone(&fetches), Arc::clone(&gate));
        move || {
            let (fetches, gate) = (Arc::clone(&fetches), Arc::clone(&gate));
            async move {
                gate.acquire().await?.forget();
                Ok(Secret::new(format!("token-{}", fetches.fetch_add(1, Ordering::SeqCst) + 1)))
            }
        }
    });
    let authenticator = builder().provider(tokens).dangerous_secrets_over_plain_http(true);
    let client: HttpClient = build(Client::builder(authenticator.build()));
    fetch(&client, get(&server, "/")).await;
    assert_eq!(fetches.load(Ordering::SeqCst), 1);
    let before = server.report().legs().count();

    current.set("token-2");
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let (client, request) = (client.clone(), get(&server, "/"));
        tasks.spawn(async move { fetch(&client, request).await });
    }
    without_hanging(async {
        while server.report().legs().filter(|leg| leg.status.is_some_and(|status| status == 401)).count() < 2
        {
            tokio::task::yield_now().await;
        }
        gate.add_permits(64);
        assert_eq!(tasks.join_all().await.len(), 64);
    })
    .await;
    assert_eq!(fetches.load(Ordering::SeqCst), 2, "one fetch for all");
    let legs = server.report().legs().count() - before;
    assert!(legs <= 2 * 64, "no request takes more than a refusal and an answer: {legs}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_token_or_password_is_tried_once_whatever_the_number_of_requests() {
    for (offer, credentials) in [
        (Offer::judged("Bearer", Current::new("good")), Credentials::bearer_token("bad")),
        (Offer::basic("the lab"), Credentials::password(USER, "not-the-pw")),
    ] {
        let scheme = offer.scheme().to_owned();
        let server = server([offer]).start().await.expect("a server");
        let authenticator =
            builder().credentials(server.origin(), credentials).dangerous_secrets_over_plain_http(true);
        let client: HttpClient = build(Client::builder(authenticator.build()));
        all_refused(&client, &server, 256).await;
        assert_eq!(server.report().attempts(), 1, "{scheme}: {}", server.report());
    }
}

#[tokio::test]
async fn a_token_is_sent_as_the_server_made_it_or_refused_by_its_character() {
    for stack in stacks() {
        let server = Current::new("12|laravel").server().await;
        let good = holding(&server, Credentials::bearer_token("12|laravel"));
        let told = ask(stack, &server, good, 2).await;
        assert!(told.iter().all(|(status, _)| *status == 200), "{told:?}");
        assert_eq!((statuses(&server.report()), server.report().attempts()), (vec![401, 200, 200], 2));

        let with_line_feed = holding(&server, Credentials::bearer_token("12|laravel\n"));
        let told = ask(stack, &server, with_line_feed, 1).await;
        let refusal = refused(&told[0]).to_string();
        let reason = "Bearer: could not start: the token has '\\n' at octet 10, which cannot be sent";
        assert!(refusal.ends_with(reason), "{refusal}");
        assert_eq!(server.report().attempts(), 2, "nothing of it is sent");
    }
}

#[tokio::test]
async fn basic_goes_ahead_to_what_lies_beside_and_below_and_nowhere_else() {
    let server = server([Offer::basic("the lab")]).start().await.expect("a server");
    let client: HttpClient =
        build(Client::builder(authenticator(&server).dangerous_secrets_over_plain_http(true).build()));
    for path in ["/docs/a", "/docs/b", "/docs/c/d", "/docsters", "/", "/anything"] {
        fetch(&client, get(&server, path)).await;
    }
    let statuses = statuses(&server.report());
    assert_eq!(statuses[..4], [401, 200, 200, 200], "/docs/ is known after one challenge");
    assert_eq!(statuses[4..], [401, 200, 200, 200], "so is / after another one");
}

#[tokio::test]
async fn a_known_origin_takes_one_round_trip_and_the_token_is_part_of_the_identity() {
    let server = Current::new("good").server().await;
    let builder = authenticator(&server).dangerous_secrets_over_plain_http(true);
    let client: HttpClient = build(Client::builder(builder.build()));
    let good = || acting_as(get(&server, "/"), Credentials::bearer_token("good"));
    fetch(&client, good()).await;
    fetch(&client, good()).await;
    assert_eq!(statuses(&server.report()), [401, 200, 200]);

    // curl CVE-2022-22576: another token is somebody else.
    let bad = acting_as(get(&server, "/"), Credentials::bearer_token("bad"));
    assert_eq!(client.request(bad).await.expect("a response").status(), 401);
    let report = server.report();
    assert_eq!(report.connections().len(), 2);
    let users: Vec<_> = report.connections()[1].legs.iter().filter_map(|leg| leg.user.clone()).collect();
    assert!(users.is_empty(), "{report}");
}
