//! tokio's runtime: whether it is there, and its clock.

use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use crate::service::{BoxFuture, ErrorKind, Timer};

/// What connects and measures time is tokio's.
///
/// # Errors
///
/// [`ErrorKind::NoRuntime`] outside of a runtime.
pub(super) fn in_runtime() -> Result<(), ErrorKind> {
    Handle::try_current().map(drop).map_err(|_| ErrorKind::NoRuntime)
}

/// tokio's timers.
///
/// # Panics
///
/// [`sleep`](Timer::sleep) panics outside of a tokio runtime, and in one whose timers are not enabled
/// (`Builder::enable_time`).
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }

    /// Stands still where tokio's clock does.
    fn now(&self) -> Instant {
        tokio::time::Instant::now().into_std()
    }
}
