//! `legwork doctor` as its users run it: what it prints, its exit codes, and what it sends.
#![cfg(unix)]

mod attempts;
#[path = "../shared/command.rs"]
mod command;
mod hostile;
mod report;
mod support;
