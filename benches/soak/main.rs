//! A million requests of many users, by all schemes, over 200 connections, while the server closes connections wherever it
//! likes, callers give up, and passwords change: nothing may go wrong but what the script did, and nothing may grow.
//!
//! ```text
//! cargo bench --all-features --bench soak                                     a million requests, some minutes
//! cargo bench --all-features --bench soak -- --requests 20000 --seed 7        fewer, by another script
//! ```
//!
//! The seed draws the script: who asks for what, and what is done to it. The server is a process of its own. After each
//! twentieth of the requests all connections are closed, and what the client's process still holds is a row of the table.

#[path = "../requests/allocations.rs"]
mod allocations;
mod asked;
mod clients;
mod cut;
mod figures;
mod script;
mod server;
#[path = "../requests/settings.rs"]
mod settings;
mod users;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Instant;
use std::{env, io};

use tokio::runtime::Runtime;
use tokio::task::JoinSet;

use crate::allocations::Counting;
use crate::asked::{Asked, Tally};
use crate::clients::Clients;
use crate::figures::Figures;
use crate::script::{Draw, Plan};
use crate::server::Server;
use crate::users::Users;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// More than there are connections, so that requests wait for them.
const TASKS: u64 = 240;
const ROUNDS: u64 = 20;
/// How many requests there are to a change of a password.
const CHANGE_EVERY: u64 = 2_000;

fn main() -> io::Result<ExitCode> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "serve") {
        server::serve()?;
        return Ok(ExitCode::SUCCESS);
    }
    // By `cargo test`: whether it runs at all.
    let usual = if arguments.iter().any(|argument| argument == "--bench") { 1_000_000 } else { 2_000 };
    let requests = number(&arguments, "--requests")?.unwrap_or(usual).max(ROUNDS * TASKS);
    let seed = number(&arguments, "--seed")?.unwrap_or(1);
    println!("{requests} requests, seed {seed}");
    let runtime = Runtime::new()?;
    let run = runtime.block_on(run(requests, seed))?;
    match run {
        Ok(()) => Ok(ExitCode::SUCCESS),
        Err(what) => {
            println!("seed {seed}: {what}");
            Ok(ExitCode::FAILURE)
        }
    }
}

fn number(arguments: &[String], option: &str) -> io::Result<Option<u64>> {
    let Some(at) = arguments.iter().position(|argument| argument == option) else { return Ok(None) };
    let value = arguments.get(at + 1).ok_or_else(|| io::Error::other(format!("{option} wants a number")))?;
    value.parse().map(Some).map_err(io::Error::other)
}

/// What went wrong, if anything did.
async fn run(requests: u64, seed: u64) -> io::Result<Result<(), String>> {
    let server = Server::start()?;
    let users = Arc::new(Users::new(&server));
    let clients = Clients::new(&server);
    let tally = Arc::new(Tally::default());
    let mut figures = Figures::default();
    let begun = Instant::now();
    for round in 0..ROUNDS {
        let mut all = JoinSet::new();
        let each = requests.div_ceil(ROUNDS * TASKS);
        for task in 0..TASKS {
            let draw = Draw::of([seed, round, task]);
            let (clients, users, tally) = (clients.clone(), Arc::clone(&users), Arc::clone(&tally));
            all.spawn(ask(each, draw, clients, users, tally));
        }
        let changes = (each * TASKS).div_ceil(CHANGE_EVERY);
        let draw = Draw::of([seed, round, TASKS]);
        all.spawn(change(changes, draw, clients.clone(), Arc::clone(&users), Arc::clone(&tally)));
        while let Some(done) = all.join_next().await {
            if let Err(what) = done.expect("no panic") {
                return Ok(Err(format!("round {round}: {what}")));
            }
        }
        if let Err(what) = figures.take(&clients, &tally).await {
            return Ok(Err(format!("round {round}: {what}")));
        }
    }
    println!("{tally}\n{:.0} s", begun.elapsed().as_secs_f64());
    Ok(figures.are_flat())
}

/// One task's requests, each by whoever the script says.
async fn ask(
    requests: u64,
    mut draw: Draw,
    clients: Clients,
    users: Arc<Users>,
    tally: Arc<Tally>,
) -> Result<(), String> {
    for _ in 0..requests {
        let plan = Plan::drawn(&mut draw);
        Asked::new(plan, &mut draw, &users).send(&clients, &users, &tally).await?;
    }
    Ok(())
}

/// Changes passwords one after the other.
async fn change(
    changes: u64,
    mut draw: Draw,
    clients: Clients,
    users: Arc<Users>,
    tally: Arc<Tally>,
) -> Result<(), String> {
    for _ in 0..changes {
        let change = users.change_at_the_server(&mut draw).await?;
        // With the old password, which a connection that is logged in does not show.
        for _ in 0..draw.below(4) {
            let asked = Asked::by(change.user, Plan::Get, &mut draw, &users);
            asked.send(&clients, &users, &tally).await?;
        }
        tally.changed(change.refused_before);
        users.change_here(change);
    }
    Ok(())
}
