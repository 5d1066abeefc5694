//! Everything about many connections: connectors, the pool, timers, threads.

mod blocking;
pub mod hyper;
pub mod proxy;
mod runtime;
pub mod tunnel;

pub use blocking::BlockingSteps;
pub use runtime::TokioTimer;
