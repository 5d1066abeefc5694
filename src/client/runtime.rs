//! tokio's timers, for the service's [`Timer`].

use std::time::Duration;

use crate::service::{BoxFuture, Timer};

/// tokio's timers.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
}
