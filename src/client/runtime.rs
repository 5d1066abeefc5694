//! What a service gets from its surroundings where they are tokio's.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::client::blocking::BlockingSteps;
use crate::service::{BoxFuture, Environment, Timer};

/// Timers, and threads of its own.
pub(super) fn environment() -> Environment {
    Environment {
        timer: Some(Arc::new(TokioTimer)),
        blocking: Some(Arc::new(BlockingSteps::default())),
        ..Environment::default()
    }
}

/// tokio's timers.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    /// Stands still where tokio's clock does.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}
