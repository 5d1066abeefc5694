//! tokio's timers and threads, for the service's [`Timer`] and [`Blocking`].

use std::time::Duration;

use crate::mechanism::{Moment, StepJob, Stepped};
use crate::service::{Blocking, BoxFuture, Timer};

/// tokio's timers.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct TokioTimer;

impl Timer for TokioTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep(duration))
    }
}

/// tokio's threads for blocking work.
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs)]
pub struct TokioBlocking;

impl Blocking for TokioBlocking {
    fn run(&self, job: StepJob, moment: Moment) -> BoxFuture<Stepped> {
        let running = tokio::task::spawn_blocking(move || job.run(moment));
        Box::pin(async move {
            match running.await {
                Ok(stepped) => stepped,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    Err(_) => std::future::pending().await,
                },
            }
        })
    }
}
