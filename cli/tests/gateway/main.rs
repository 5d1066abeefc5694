//! `legwork gateway` between programs that know of no login and real servers that want one. `tests/run` starts them.
#![cfg(unix)]

mod behind_squid;
mod browser;
mod folder;
mod gateway;
mod git;
#[path = "../shared/lab.rs"]
mod lab;
mod mcp;
#[cfg(feature = "pac")]
mod pac;
mod refusing_to_start;
mod service;
mod squid;
mod system;
#[cfg(target_os = "linux")]
mod terminal;
mod uploads;
mod users;
