//! What an established NTLM login costs over reqwest and over hyper-util's legacy client, beside the
//! same client without authentication; and what a lane costs to make.
//!
//! ```text
//! cargo bench --all-features --bench lanes
//! ```
//!
//! The runtime has one thread; the server is a process of its own. Ratios are medians over rounds
//! in which the subjects take turns.

#[path = "../established/server.rs"]
mod server;

use std::net::SocketAddr;
use std::time::Instant;
use std::{env, io};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Body;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::{Authenticator, Client, Credentials};
use rustls::ClientConfig;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::server::{PASSWORD, Server, USER};

/// Tasks, with a connection each.
const TASKS: u64 = 16;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "serve") {
        return server::serve();
    }
    // By `cargo test`: whether it runs at all.
    let is_bench = arguments.iter().any(|argument| argument == "--bench");
    let (rounds, requests, lanes) = if is_bench { (31, 4_000, 1_000) } else { (1, 160, 10) };
    let server = Server::start()?;
    let tls = tls();
    rates(&server, &tls, rounds, requests);
    let settings = {
        let tls = tls.clone();
        move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone())
    };
    let each = micros(lanes, || drop(settings().build().expect("settings that fit")));
    println!("a lane with TLS that was set up before: {each:.1} us");
    Ok(())
}

fn rates(server: &Server, tls: &ClientConfig, rounds: usize, requests: u64) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let subjects = Subject::all(server, tls);
    // Connects and logs in.
    for subject in &subjects {
        runtime.block_on(subject.drive(64 * TASKS));
    }
    let round = |first: usize| turn(&runtime, &subjects, first, requests);
    let rates: Vec<Vec<f64>> = (0..rounds).map(round).collect();
    let median = |i: usize, of: &dyn Fn(&[f64]) -> f64| {
        let mut values: Vec<f64> = rates.iter().map(|round| round[i] / of(round)).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    println!("{:<26}{:>12}{:>12}", "", "requests/s", "of plain");
    for (i, subject) in subjects.iter().enumerate() {
        let plain = i - i % 2;
        println!(
            "{:<26}{:>12.0}{:>12.3}",
            subject.name(),
            median(i, &|_| 1.0),
            median(i, &|round| round[plain])
        );
    }
}

/// Requests per second of each subject, beginning with another one each time.
fn turn(runtime: &Runtime, subjects: &[Subject], first: usize, requests: u64) -> Vec<f64> {
    let mut rates = vec![0.0; subjects.len()];
    for i in 0..subjects.len() {
        let i = (first + i) % subjects.len();
        let start = Instant::now();
        runtime.block_on(subjects[i].drive(requests));
        rates[i] = requests as f64 / start.elapsed().as_secs_f64();
    }
    rates
}

/// Each plain client, and the lanes over it behind it.
enum Subject {
    Reqwest(reqwest::Client, String),
    ReqwestLanes(legwork::client::reqwest::Client, String),
    Legacy(legacy::Client<HttpConnector, Full<Bytes>>, String),
    LegacyLanes(legwork::client::legacy::Client<HttpConnector, Full<Bytes>>, String),
}

impl Subject {
    fn all(server: &Server, tls: &ClientConfig) -> [Self; 4] {
        let url = |address: SocketAddr| format!("http://{address}/");
        let authenticator = || {
            let origin = url(server.ntlm).parse().expect("an origin");
            Authenticator::builder().credentials(origin, Credentials::password(USER, PASSWORD)).build()
        };
        let tls = tls.clone();
        let settings = move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone());
        let connector = || {
            let mut connector = HttpConnector::new();
            connector.set_nodelay(true);
            connector
        };
        let plain = settings().build().expect("settings that fit");
        let lanes = Client::builder(authenticator()).build_reqwest(settings).expect("settings that fit");
        let legacy = legacy::Client::builder(TokioExecutor::new());
        let legacy_lanes = Client::builder(authenticator()).build_legacy(legacy.clone(), connector());
        [
            Self::Reqwest(plain, url(server.open)),
            Self::ReqwestLanes(lanes, url(server.ntlm)),
            Self::Legacy(legacy.build(connector()), url(server.open)),
            Self::LegacyLanes(legacy_lanes, url(server.ntlm)),
        ]
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Reqwest(..) => "reqwest",
            Self::ReqwestLanes(..) => "legwork over reqwest",
            Self::Legacy(..) => "legacy client",
            Self::LegacyLanes(..) => "legwork over legacy client",
        }
    }

    /// Sends so many requests, shared out among the tasks, and reads the answers.
    async fn drive(&self, requests: u64) {
        let mut tasks = JoinSet::new();
        for _ in 0..TASKS {
            match self {
                Self::Reqwest(client, url) => {
                    let (client, url) = (client.clone(), url.clone());
                    tasks.spawn(repeat(requests, move || {
                        let sending = client.get(&url).send();
                        async move { read(sending.await.expect("a response")).await }
                    }));
                }
                Self::ReqwestLanes(client, url) => {
                    let (client, url) = (client.clone(), url.clone());
                    tasks.spawn(repeat(requests, move || {
                        let sending = client.get(&url).send();
                        async move { read(sending.await.expect("a response")).await }
                    }));
                }
                Self::Legacy(client, url) => {
                    let (client, url) = (client.clone(), url.clone());
                    tasks.spawn(repeat(requests, move || {
                        let sending = client.request(get(&url));
                        async move { collect(sending.await.expect("a response")).await }
                    }));
                }
                Self::LegacyLanes(client, url) => {
                    let (client, url) = (client.clone(), url.clone());
                    tasks.spawn(repeat(requests, move || {
                        let sending = client.request(get(&url));
                        async move { collect(sending.await.expect("a response")).await }
                    }));
                }
            }
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("no panic");
        }
    }
}

/// One task's share of so many requests.
async fn repeat<F: Future<Output = ()>>(requests: u64, request: impl Fn() -> F) {
    for _ in 0..requests / TASKS {
        request().await;
    }
}

async fn collect<B: Body<Error: std::fmt::Debug>>(response: Response<B>) {
    response.into_body().collect().await.expect("a body");
}

async fn read(response: reqwest::Response) {
    assert_eq!(response.status(), StatusCode::OK);
    response.bytes().await.expect("a body");
}

fn get(url: &str) -> Request<Full<Bytes>> {
    Request::get(url).body(Full::default()).expect("a request")
}

fn tls() -> ClientConfig {
    ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .expect("ring knows them")
        .with_root_certificates(rustls::RootCertStore::empty())
        .with_no_client_auth()
}

/// Of one call, on average.
fn micros(calls: u32, mut call: impl FnMut()) -> f64 {
    let start = Instant::now();
    (0..calls).for_each(|_| call());
    start.elapsed().as_secs_f64() * 1e6 / f64::from(calls)
}
