//! Requests that are dropped at random points.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http_body_util::BodyExt;
use legwork::Client;
use legwork::service::{Environment, LegReport, Observer};
use legwork::testing::{Gate, Offer, Quirk, Server, When};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::support::*;

const TASKS: usize = 40;
const REQUESTS: usize = 250;
const PLACES: usize = 12;

// hyper-util's cache
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_requests_dropped_at_random_points_leave_nothing_behind() {
    let gate = Gate::closed();
    let server = server_of_three([Offer::Negotiate, Offer::Ntlm])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .page(vec![b'p'; 16 << 10])
        .start()
        .await
        .expect("a server");
    let server = Arc::new(server);
    let legs = watch::Sender::new(0_u64);
    let client = build(
        Client::builder(authenticator(&server).lockout_bounds(lenient()).build())
            .max_per_origin(PLACES)
            .environment(Environment::tokio().observer(Legs(legs.clone()))),
    );
    let mut set = JoinSet::new();
    for task in 0..TASKS {
        let (client, server, legs) = (client.clone(), Arc::clone(&server), legs.subscribe());
        set.spawn(async move { cancel_at_random(&client, &server, legs, Random(task as u64)).await });
    }
    let mut answered = 0;
    while let Some(done) = set.join_next().await {
        answered += done.expect("no task fails");
    }
    assert!(answered > TASKS * REQUESTS / 8, "{answered} requests were answered");

    let report = server.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0));
    for connection in report.connections() {
        assert!(users(connection).len() <= 1, "one identity on one connection");
    }
    // Every place can still be had at once, and every request succeeds.
    without_hanging(async { settled(&client).await }).await;
    assert!(client.connections().0 <= PLACES);
    let held: Vec<_> = (0..PLACES).map(|_| tokio::spawn(client.request(get(&server, "/held")))).collect();
    let opened = server.report().connections().len();
    let logins = tokio::spawn({
        let gate = gate.clone();
        async move {
            // Where a connection has to log in, its first legs are held too.
            gate.held(PLACES).await;
            gate.open();
        }
    });
    for held in held {
        let response = without_hanging(held).await.expect("no panic").expect("a response");
        assert_eq!(response.status(), 200);
        text(response).await;
    }
    without_hanging(logins).await.expect("all places were taken at once");
    assert!(server.report().connections().len() <= opened + PLACES);
    for _ in 0..200 {
        fetch(&client, get(&server, "/")).await;
    }
    settled(&client).await;
    client.close_idle();
    assert_eq!(client.connections(), (0, 0));
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_for_many_origins_and_identities_whatever_is_dropped() {
    const TOTAL: usize = 5;
    let mut servers = Vec::new();
    for offer in [Offer::Negotiate, Offer::Ntlm, Offer::Ntlm] {
        servers.push(server_of_three([offer]).start().await.expect("a server"));
    }
    let servers = Arc::new(servers);
    let authenticator =
        servers.iter().fold(builder(), |builder, server| builder.credentials(server.origin(), carol()));
    let builder = Client::builder(authenticator.lockout_bounds(lenient()).build());
    let client = build(builder.max_per_origin(2).max_total(TOTAL).max_idle_per_origin(1));
    let mut set = JoinSet::new();
    for task in 0..32 {
        let (client, servers, mut random) = (client.clone(), Arc::clone(&servers), Random(1000 + task));
        set.spawn(async move {
            for _ in 0..60 {
                let server = &servers[random.below(3) as usize];
                let request = match random.below(3) {
                    0 => acting_as(get(server, "/"), alice()),
                    1 => acting_as(get(server, "/"), bob()),
                    _ => get(server, "/"),
                };
                let response = client.request(request);
                let polls = if random.below(3) == 0 { random.below(6) } else { u64::MAX };
                let Some(response) = (Impatient { inner: response, polls }).await else { continue };
                let response = response.expect("a response");
                assert_eq!(response.status(), 200);
                let (open, idle) = client.connections();
                assert!(open <= TOTAL && idle < open, "{open} open, {idle} idle");
                text(response).await;
            }
        });
    }
    without_hanging(async {
        while let Some(done) = set.join_next().await {
            done.expect("no task fails");
        }
    })
    .await;
    without_hanging(client.shut_down()).await;
    assert_eq!(client.connections(), (0, 0));
    for server in &*servers {
        let report = without_hanging(server.wait_for(|report| report.open() == 0)).await;
        assert_eq!(report.misplaced(), 0);
        assert!(report.connections().iter().all(|connection| users(connection).len() <= 1));
    }
}

/// Sends requests, of which about half are given up somewhere; tells how many were answered.
async fn cancel_at_random(
    client: &HttpClient,
    server: &Server,
    mut legs: watch::Receiver<u64>,
    mut random: Random,
) -> usize {
    let mut answered = 0;
    for _ in 0..REQUESTS {
        let request = match random.below(4) {
            0 => request("POST", server.uri("/"), "twelve bytes"),
            1 => acting_as(get(server, "/"), alice()),
            _ => get(server, "/"),
        };
        let response = client.request(request);
        let response = match random.below(10) {
            // After some polls.
            0..=2 => match (Impatient { inner: response, polls: random.below(6) }).await {
                Some(response) => response,
                None => continue,
            },
            // After some legs, wherever they are.
            3..=4 => {
                let until = *legs.borrow_and_update() + random.below(60);
                tokio::select! {
                    response = response => response,
                    _ = legs.wait_for(|legs| *legs >= until) => continue,
                }
            }
            _ => response.await,
        };
        let mut response = response.expect("a response");
        assert_eq!(response.status(), 200);
        answered += 1;
        match random.below(6) {
            0 => drop(response),
            1 => {
                let frame = response.body_mut().frame().await.expect("a frame");
                assert!(frame.expect("no error").is_data());
            }
            _ => drop(text(response).await),
        }
    }
    answered
}

/// Counts the legs.
struct Legs(watch::Sender<u64>);

impl Observer for Legs {
    fn leg(&self, _: &LegReport) {
        self.0.send_modify(|legs| *legs += 1);
    }
}

/// Gives up after so many polls.
struct Impatient<F> {
    inner: F,
    polls: u64,
}

impl<F: Future + Unpin> Future for Impatient<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match Pin::new(&mut self.inner).poll(cx) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls == 0 => Poll::Ready(None),
            Poll::Pending => {
                self.polls -= 1;
                Poll::Pending
            }
        }
    }
}

/// SplitMix64: small, and the same at each run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % bound
    }
}
