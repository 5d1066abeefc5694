//! Everything about many connections: connectors, the pool, timers, threads.

mod blocking;
mod builder;
mod dispatch;
pub mod hyper;
mod pool;
pub mod proxy;
mod response_body;
mod runtime;
pub mod tunnel;

pub use blocking::BlockingSteps;
pub use runtime::TokioTimer;
