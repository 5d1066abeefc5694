//! What is left of a secret: in what the library says, and in the memory of a process that has logged in.
#![cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "memory is searched on Linux alone"))]

mod clients;
#[cfg(target_os = "linux")]
mod memory;
mod schemes;
#[path = "../it/tapped.rs"]
mod tapped;
mod texts;
