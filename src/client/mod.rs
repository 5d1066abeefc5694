//! Everything about many connections: connectors, the pool, timers, threads.

mod ahead;
mod blocking;
mod builder;
pub mod connect;
mod connection;
mod dispatch;
mod environment;
pub mod hyper;
mod lane;
pub mod legacy;
mod log_out;
mod pool;
pub mod proxy;
pub mod redirect;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod response_body;
mod retries;
mod runtime;
pub mod tunnel;
mod userinfo;

pub use ahead::AuthenticateFirst;
pub use blocking::BlockingSteps;
pub use log_out::LogOut;
pub use runtime::TokioTimer;
