//! How many times a password that is wrong, or has become wrong, reaches a server; and that a right one
//! is never barred. Each number is counted by the server.
//!
//! Where it is cheap, a test runs its scene without the guard as well, and finds more.

mod changed;
pub(crate) mod clients;
mod kdc;
mod odd;
mod right;
mod scripted;
mod spread;
mod unanswered;
