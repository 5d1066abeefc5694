//! What requests cost that are logged in, and what logins do, beside the same requests without us: over bare
//! connections of hyper's, over hyper-util's legacy client and over reqwest.
//!
//! ```text
//! cargo bench --all-features --bench requests    allocations and processor time
//! benches/instructions                           instructions, by callgrind
//! ```
//!
//! The runtime has one thread; the server is a process of its own. Ratios are medians over rounds
//! in which the subjects take turns.

mod allocations;
mod connection;
mod messages;
mod server;
mod settings;
mod subject;
mod template;

use std::time::Duration;
use std::{env, fs, io};

use http::Method;
use tokio::runtime::Runtime;

use crate::allocations::Counting;
use crate::server::Server;
use crate::subject::{Drive, Subject};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Tasks, with a connection each, when processor time is measured.
const TASKS: usize = 32;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["serve"] => server::serve(),
        ["drive", subject, method, requests] => drive(subject, method, requests),
        ref arguments if arguments.contains(&"--bench") => tables(15, 3_200),
        // By `cargo test`: whether it runs at all.
        _ => tables(1, 320),
    }
}

fn tables(rounds: usize, requests: u64) -> io::Result<()> {
    let server = Server::start()?;
    for method in [Method::GET, Method::POST] {
        println!("{:<16}{:>12}{:>10}{:>8}  quartiles", method.as_str(), "allocations", "us", "ratio");
        let allocations = Subject::ALL.map(|subject| {
            let runtime = runtime();
            allocations(&mut *runtime.block_on(subject.connect(&server, &method, 1)), &runtime)
        });
        let costs = costs(&server, &method, rounds, requests);
        // NTLM's messages by themselves are too short for this clock.
        let timed = |subject: &Subject| subject.reference() != Subject::TypeOne;
        for (i, subject) in Subject::ALL.into_iter().filter(timed).enumerate() {
            let reference = Subject::ALL.iter().position(|other| *other == subject.reference());
            let reference = reference.expect("it is one of them");
            let ratios = quartiles(costs.iter().map(|round| round[i] / round[reference]).collect());
            println!(
                "{:<16}{:>12}{:>10.1}{:>8.3}  {:.3} to {:.3} of {}",
                subject.name(),
                allocations[i],
                quartiles(costs.iter().map(|round| round[i]).collect())[1],
                ratios[1],
                ratios[0],
                ratios[2],
                subject.reference().name()
            );
        }
    }
    Ok(())
}

/// Allocations of one request: the difference between two runs, so that nothing else counts. The
/// median, since hyper renews its read buffer every hundred requests or so, or never, as the sizes
/// of the first responses have it.
fn allocations(subject: &mut dyn Drive, runtime: &Runtime) -> f64 {
    let mut of = |requests| {
        let before = allocations::count();
        runtime.block_on(subject.drive(requests));
        allocations::count() - before
    };
    let mut of_one = || (of(12) as f64 - of(2) as f64) / 10.0;
    quartiles((0..31).map(|_| of_one()).collect())[1]
}

/// Microseconds of processor time that each subject takes for a request, round by round.
fn costs(server: &Server, method: &Method, rounds: usize, requests: u64) -> Vec<[f64; Subject::ALL.len()]> {
    let runtime = runtime();
    let mut subjects = Subject::ALL.map(|subject| runtime.block_on(subject.connect(server, method, TASKS)));
    let mut round = |first: usize| {
        let mut costs = [0.0; Subject::ALL.len()];
        for turn in 0..costs.len() {
            let i = (first + turn) % costs.len();
            let before = processor_nanos();
            runtime.block_on(subjects[i].drive(requests));
            costs[i] = (processor_nanos() - before) / requests as f64 / 1e3;
        }
        costs
    };
    (0..rounds).map(&mut round).collect()
}

/// What this thread, which is the runtime's only one, has had of processors, the system's work for it included.
fn processor_nanos() -> f64 {
    let told = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux tells it");
    let nanos = told.split_whitespace().next().expect("the first of three");
    nanos.parse().expect("a number")
}

/// For `benches/instructions`: tells the allocations, and then sends so many requests in
/// [`observed`].
fn drive(subject: &str, method: &str, requests: &str) -> io::Result<()> {
    let subject = Subject::ALL.into_iter().find(|known| known.name() == subject);
    let subject = subject.ok_or_else(|| io::Error::other("no such subject"))?;
    let method: Method = method.parse().map_err(io::Error::other)?;
    let requests = requests.parse().map_err(io::Error::other)?;
    let server = Server::start()?;
    let runtime = runtime();
    let mut driven = runtime.block_on(subject.connect(&server, &method, 1));
    println!("{} {}", subject.reference().name(), allocations(&mut *driven, &runtime));
    observed(&mut *driven, &runtime, requests);
    Ok(())
}

/// Callgrind counts from here on, and until it returns.
#[inline(never)]
fn observed(driven: &mut dyn Drive, runtime: &Runtime, requests: u64) {
    runtime.block_on(driven.drive(requests));
}

/// As in a program that has a timer somewhere, with which tokio looks at the clock in each turn: ours has, for
/// idle connections.
fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.spawn(async { tokio::time::sleep(Duration::from_secs(24 * 60 * 60)).await });
    runtime
}

fn quartiles(mut values: Vec<f64>) -> [f64; 3] {
    values.sort_by(f64::total_cmp);
    [1, 2, 3].map(|quarter| values[values.len() * quarter / 4])
}
