//! What an established NTLM login costs per request, beside a bare hyper connection and
//! hyper-util's client without authentication.
//!
//! ```text
//! cargo bench --all-features --bench established    allocations and requests/s
//! benches/instructions                              instructions, by callgrind
//! ```
//!
//! The runtime has one thread; the server is a process of its own. Ratios are medians over rounds
//! in which the subjects take turns.

mod allocations;
mod server;
mod subject;

use std::time::Instant;
use std::{env, io};

use http::Method;
use tokio::runtime::Runtime;

use crate::allocations::Counting;
use crate::server::Server;
use crate::subject::Subject;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tasks, with a connection each, when requests/s are measured.
const TASKS: usize = 16;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => server::serve(),
        ["drive", subject, method, requests] => drive(subject, method, requests),
        ref arguments if arguments.contains(&"--bench") => tables(31, 8_000),
        // By `cargo test`: whether it runs at all.
        _ => tables(1, 1_000),
    }
}

fn tables(rounds: usize, requests: u64) -> io::Result<()> {
    let server = Server::start()?;
    for method in [Method::GET, Method::POST] {
        println!(
            "{:<14}{:>12}{:>14}{:>10}{:>10}",
            method.as_str(),
            "allocations",
            "requests/s",
            "of bare",
            "of legacy"
        );
        let allocations = Subject::ALL.map(|subject| allocations(subject, &server, &method));
        let rates = rates(&server, &method, rounds, requests);
        for (i, subject) in Subject::ALL.into_iter().enumerate() {
            let of = |other: usize| median(rates.iter().map(|round| round[i] / round[other]).collect());
            println!(
                "{:<14}{:>12}{:>14.0}{:>10.3}{:>10.3}",
                subject.name(),
                allocations[i],
                median(rates.iter().map(|round| round[i]).collect()),
                of(0),
                of(3)
            );
        }
    }
    Ok(())
}

/// Allocations of one request: the difference between two runs, so that nothing else counts. The
/// median, since hyper renews its read buffer every hundred requests or so, or never, as the sizes
/// of the first responses have it.
fn allocations(subject: Subject, server: &Server, method: &Method) -> f64 {
    let runtime = runtime();
    let mut subject = runtime.block_on(subject.connect(server, method, 1));
    let mut of = |requests| {
        let before = allocations::count();
        runtime.block_on(subject.drive(requests));
        allocations::count() - before
    };
    let mut of_one = || (of(12) as f64 - of(2) as f64) / 10.0;
    median((0..101).map(|_| of_one()).collect())
}

/// Requests per second of each subject, round by round.
fn rates(server: &Server, method: &Method, rounds: usize, requests: u64) -> Vec<[f64; 4]> {
    let runtime = runtime();
    let mut subjects = Subject::ALL.map(|subject| runtime.block_on(subject.connect(server, method, TASKS)));
    let mut round = |first: usize| {
        let mut rates = [0.0; 4];
        for turn in 0..rates.len() {
            let i = (first + turn) % rates.len();
            let start = Instant::now();
            runtime.block_on(subjects[i].drive(requests));
            rates[i] = requests as f64 / start.elapsed().as_secs_f64();
        }
        rates
    };
    (0..rounds).map(&mut round).collect()
}

/// For callgrind: nothing but these requests, and what must come before.
fn drive(subject: &str, method: &str, requests: &str) -> io::Result<()> {
    let subject = Subject::ALL.into_iter().find(|known| known.name() == subject);
    let subject = subject.ok_or_else(|| io::Error::other("no such subject"))?;
    let method: Method = method.parse().map_err(io::Error::other)?;
    let requests = requests.parse().map_err(io::Error::other)?;
    let server = Server::start()?;
    let runtime = runtime();
    let mut subject = runtime.block_on(subject.connect(&server, &method, 1));
    runtime.block_on(subject.drive(requests));
    Ok(())
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
