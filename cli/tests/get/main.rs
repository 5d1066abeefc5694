//! `legwork get` as its users run it: what it prints, to where, what goes over the wire, and its exit codes.
#![cfg(unix)]

mod answers;
#[path = "../shared/command.rs"]
mod command;
mod content;
mod endings;
mod passwords;
#[path = "../shared/program.rs"]
mod program;
mod proxies;
mod refusals;
mod support;
mod traces;
