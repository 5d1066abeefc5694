//! Everything about many connections: connectors, the pool, timers.

pub mod hyper;
mod runtime;

pub use runtime::{TokioBlocking, TokioTimer};
