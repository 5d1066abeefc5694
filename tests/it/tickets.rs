//! Mechanisms of the system's: they wait for somebody else, and log in by one message.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::time::Duration;

use http::header::HOST;
use legwork::client::BlockingSteps;
use legwork::handshake::Why;
use legwork::mechanism::{
    Binding, Established, Expects, Initiate, Mechanism, MechanismError, Moment, Proves, SecurityContext, Step,
};
use legwork::scheme::Negotiate;
use legwork::service::Environment;
use legwork::testing::{Accept, Acceptor, Offer, Server};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

/// A mechanism that asks a KDC for a ticket and sends it, under the name of its target.
#[derive(Clone, Debug, Default)]
struct Tickets(Arc<Kdc>);

#[derive(Debug, Default)]
struct Kdc {
    asked: AtomicUsize,
    /// While it is there, the KDC does not answer.
    dead: Mutex<Option<mpsc::Receiver<()>>>,
}

impl Tickets {
    /// A KDC that answers when the sender is dropped.
    fn dead() -> (Self, mpsc::Sender<()>) {
        let (alive, dead) = mpsc::channel();
        (Self(Arc::new(Kdc { asked: AtomicUsize::new(0), dead: Mutex::new(Some(dead)) })), alive)
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }

    fn client(&self, server: &Server, steps: BlockingSteps) -> HttpClient {
        let scheme = Negotiate::new(self.clone());
        build(
            Client::builder(authenticator(server).schemes(scheme).build())
                .environment(Environment::tokio().blocking(steps)),
        )
    }
}

impl Mechanism for Tickets {
    fn name(&self) -> &'static str {
        "Tickets"
    }

    fn oid(&self) -> &'static [u8] {
        &[1]
    }

    fn initiate(&self, arguments: Initiate, _: Moment) -> Box<dyn SecurityContext> {
        Box::new(Asking { kdc: Arc::clone(&self.0), arguments })
    }

    fn may_block(&self) -> bool {
        true
    }
}

struct Asking {
    kdc: Arc<Kdc>,
    arguments: Initiate,
}

impl SecurityContext for Asking {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        self.kdc.asked.fetch_add(1, Ordering::SeqCst);
        if let Some(dead) = &*self.kdc.dead.lock().unwrap_or_else(PoisonError::into_inner) {
            let _ = dead.recv();
        }
        let token = format!("a ticket for {}", self.arguments.target_name).into_bytes();
        Ok(Step::Continue {
            token,
            context: self,
            expects: Expects::Success,
            proves: Proves::Ticket { is_new: false },
        })
    }

    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        Ok(Established::new("Tickets", None, Binding::Request))
    }
}

/// Takes every ticket for 127.0.0.1.
struct TakesTickets;

impl Acceptor for TakesTickets {
    fn step(&mut self, token: &[u8]) -> Accept {
        match token {
            b"a ticket for HTTP/127.0.0.1" => {
                Accept::Accepted { user: "alice".into(), token: None, integrity: None }
            }
            _ => Accept::Refused { why: format!("{:?}", String::from_utf8_lossy(token)), token: None },
        }
    }
}

async fn ticket_server() -> Server {
    server([Offer::custom("Negotiate", || TakesTickets)]).start().await.expect("a server")
}

#[tokio::test]
async fn a_known_origin_takes_one_round_trip_and_an_upload_goes_once() {
    let server = ticket_server().await;
    let tickets = Tickets::default();
    let client = tickets.client(&server, BlockingSteps::default());
    fetch(&client, get(&server, "/")).await;
    assert_eq!(statuses(&server.report()), [401, 200]);
    for requests in 1..4 {
        fetch(&client, request("POST", server.uri("/"), "a body")).await;
        assert_eq!(statuses(&server.report()).len(), 2 + requests, "one leg each");
        assert_eq!(tickets.asked(), 1 + requests, "with a ticket of its own");
    }
    let bodies: Vec<_> = server.report().legs().map(|leg| leg.body_octets).collect();
    assert_eq!(bodies, [0, 0, 6, 6, 6]);
}

// dotnet 51980: the name is the URI's
#[tokio::test]
async fn a_host_field_of_the_callers_own_does_not_change_the_target() {
    let server = ticket_server().await;
    let client = Tickets::default().client(&server, BlockingSteps::default());
    let mut request = get(&server, "/");
    request.headers_mut().insert(HOST, "elsewhere.example".parse().expect("a host"));
    fetch(&client, request).await;
}

#[tokio::test]
async fn a_kdc_that_never_answers_stalls_nobody_else() {
    let (here, elsewhere) = (ticket_server().await, server([Offer::Ntlm]).start().await.expect("a server"));
    let (tickets, alive) = Tickets::dead();
    let stalled = tickets.client(&here, BlockingSteps::new(4, Duration::from_millis(200)));
    let others = client(&elsewhere);
    let mut stuck = JoinSet::new();
    for i in 0..64 {
        // Each user's password would have to be tried, were there a ticket for it.
        let request = acting_as(get(&here, "/"), Credentials::password(format!("user{}", i % 2), "pw"));
        let client = stalled.clone();
        stuck.spawn(async move { client.request(request).await.expect("the server's answer") });
    }
    let mut served = JoinSet::new();
    for _ in 0..64 {
        let (client, request) = (others.clone(), get(&elsewhere, "/"));
        served.spawn(async move { fetch(&client, request).await });
    }
    without_hanging(async {
        assert_eq!(served.join_all().await.len(), 64);
        for response in stuck.join_all().await {
            assert_eq!(response.status(), 401);
            let Why::CannotStart(why) = &refusal(&response).tried[0].why else { panic!("{response:?}") };
            assert!(why.contains("no answer within 200ms: is the KDC reachable?"), "{why}");
        }
    })
    .await;
    assert_eq!(tickets.asked(), 2, "one thread for each user");
    let report = elsewhere.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0));
    assert!(report.handshakes() <= report.connections().len());
    assert!(here.report().legs().all(|leg| leg.authorization.is_none()), "nothing was sent");
    drop(alive);
}
