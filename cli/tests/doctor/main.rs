//! `legwork doctor` as its users run it: what it prints, its exit codes, and what it sends.
#![cfg(unix)]

mod attempts;
mod hostile;
mod report;
mod support;
