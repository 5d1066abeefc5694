//! Clients that ask and tell what came of it, each over another stack.

use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::ClientBuilder;
use legwork::handshake::{AuthenticatorBuilder, Outcome, Refusal, Why};
use legwork::service::{BoxFuture, Environment, Error, Timer};
use legwork::{Client, Credentials, Origin};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::scripted::{Scripted, Wants};
use crate::support::{self, PASSWORD, USER, without_hanging};

/// What came of a request: its status, and what is told of the login.
#[derive(Clone, Debug)]
pub(crate) struct Told {
    pub(crate) status: u16,
    pub(crate) outcome: Option<Outcome>,
}

impl Told {
    pub(crate) fn refusal(&self) -> &Refusal {
        match &self.outcome {
            Some(Outcome::Refused(refusal)) => refusal,
            other => panic!("no refusal, but {} and {other:?}", self.status),
        }
    }

    pub(crate) fn is_paused(&self) -> bool {
        match &self.outcome {
            Some(Outcome::Refused(refusal)) => {
                refusal.tried.iter().any(|tried| matches!(tried.why, Why::Paused(_)))
            }
            _ => false,
        }
    }
}

type Answering = Pin<Box<dyn Future<Output = Result<Told, Error>> + Send>>;

/// Sends a `GET` and reads the response.
#[derive(Clone)]
pub(crate) struct Asks {
    send: Arc<dyn Fn(String) -> Answering + Send + Sync>,
    connections: Arc<dyn Fn() -> (usize, usize) + Send + Sync>,
}

/// The three stacks.
pub(crate) const STACKS: [Stack; 3] = [Asks::over_hyper, Asks::over_reqwest, Asks::over_legacy];

type Stack = fn(AuthenticatorBuilder) -> Asks;

/// Each scheme over hyper, and NTLM over the other stacks too.
pub(crate) fn each_scheme() -> [(Wants, &'static [Stack]); 4] {
    Wants::ALL.map(|wants| (wants, if wants == Wants::Ntlm { &STACKS[..] } else { &STACKS[..1] }))
}

impl Asks {
    pub(crate) fn over_hyper(authenticator: AuthenticatorBuilder) -> Self {
        Self::over(Client::builder(authenticator.build()))
    }

    pub(crate) fn over(builder: ClientBuilder) -> Self {
        let client: support::HttpClient =
            builder.environment(Environment::tokio().timer(Clock)).max_per_origin(64).build_http();
        let counted = client.clone();
        Self::of(move |request| client.request(request), move || counted.connections())
    }

    pub(crate) fn over_reqwest(authenticator: AuthenticatorBuilder) -> Self {
        let client = Client::builder(authenticator.build())
            .environment(Environment::tokio().timer(Clock))
            .max_per_origin(64);
        let client = client.build_reqwest(support::settings).expect("settings that fit");
        let counted = client.clone();
        let send = move |uri: String| -> Answering {
            let client = client.clone();
            Box::pin(async move {
                let response = client.get(uri).send().await?;
                let (status, outcome) = (response.status().as_u16(), response.extensions().get().cloned());
                let _ = response.bytes().await;
                Ok(Told { status, outcome })
            })
        };
        Self { send: Arc::new(send), connections: Arc::new(move || counted.connections()) }
    }

    pub(crate) fn over_legacy(authenticator: AuthenticatorBuilder) -> Self {
        let settings = legacy::Client::builder(TokioExecutor::new());
        let builder = Client::builder(authenticator.build())
            .environment(Environment::tokio().timer(Clock))
            .max_per_origin(64);
        let client = builder.build_legacy::<_, Full<Bytes>>(settings, HttpConnector::new());
        let counted = client.clone();
        Self::of(move |request| client.request(request), move || counted.connections())
    }

    fn of<F, R>(
        send: impl Fn(Request<Full<Bytes>>) -> F + Send + Sync + 'static,
        connections: impl Fn() -> (usize, usize) + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = Result<Response<R>, Error>> + Send + 'static,
        R: Body<Data: Send> + Send,
    {
        let send = move |uri: String| -> Answering {
            let sending = send(request(&uri));
            Box::pin(async move {
                let response = sending.await?;
                let (status, outcome) = (response.status().as_u16(), response.extensions().get().cloned());
                let _ = response.into_body().collect().await;
                Ok(Told { status, outcome })
            })
        };
        Self { send: Arc::new(send), connections: Arc::new(connections) }
    }

    pub(crate) async fn get(&self, uri: String) -> Result<Told, Error> {
        without_hanging((self.send)(uri)).await
    }

    /// The same without an end to waiting: what holds a clock that is moved.
    pub(crate) fn begin(&self, uri: String) -> tokio::task::JoinHandle<Result<Told, Error>> {
        tokio::spawn((self.send)(uri))
    }

    /// Has the server close its connections, and lets the client learn of it where it looks before
    /// the next request.
    pub(crate) async fn lose_connections(&self, server: &Scripted) {
        server.close_idle().await;
        for _ in 0..5 {
            if (self.connections)() != (0, 0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
    }

    /// So many tasks ask so often each, for the path that is made of task and turn.
    pub(crate) async fn all(
        &self,
        server: &Scripted,
        (tasks, requests): (usize, usize),
        path: impl Fn(usize, usize) -> String + Clone + Send + 'static,
    ) -> Vec<Told> {
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let uris: Vec<_> = (0..requests).map(|turn| server.uri(&path(task, turn))).collect();
            let asks = self.clone();
            set.spawn(async move {
                let mut told = Vec::new();
                for uri in uris {
                    told.push(asks.get(uri).await.expect("a response"));
                }
                told
            });
        }
        set.join_all().await.concat()
    }
}

fn request(uri: &str) -> Request<Full<Bytes>> {
    Request::get(uri).body(Full::default()).expect("a request")
}

/// Logs in with carol's old password.
pub(crate) fn carols(server: &Scripted) -> AuthenticatorBuilder {
    with_password(&server.origin(), PASSWORD)
}

pub(crate) fn mistaken(server: &Scripted) -> AuthenticatorBuilder {
    with_password(&server.origin(), "wrong-pw")
}

pub(crate) fn with_password(origin: &Origin, password: &str) -> AuthenticatorBuilder {
    support::builder()
        .credentials(origin.clone(), Credentials::password(USER, password))
        .dangerous_secrets_over_plain_http(true)
}

/// The system's clock, and what [`pass`] has put it forward by: the clients' waits and pauses go by it.
struct Clock;

thread_local! {
    /// Each test has a thread and a runtime of its own.
    static AHEAD: watch::Sender<Duration> = watch::Sender::default();
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let ends = self.now() + duration;
        let mut ahead = AHEAD.with(watch::Sender::subscribe);
        Box::pin(async move {
            loop {
                let left = ends.saturating_duration_since(Self.now());
                if left.is_zero() {
                    return;
                }
                let _ = tokio::time::timeout(left, ahead.changed()).await;
            }
        })
    }

    fn now(&self) -> Instant {
        Instant::now() + AHEAD.with(|ahead| *ahead.borrow())
    }
}

/// Puts the clients' clock forward.
pub(crate) async fn pass(duration: Duration) {
    AHEAD.with(|ahead| ahead.send_modify(|ahead| *ahead += duration));
    tokio::task::yield_now().await;
}

pub(crate) const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// With the rules switched off: for comparison.
pub(crate) fn unguarded(authenticator: AuthenticatorBuilder) -> AuthenticatorBuilder {
    authenticator.lockout_guard(false)
}
