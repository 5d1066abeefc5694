use crate::client::blocking::BlockingSteps;
use crate::client::runtime::TokioTimer;
use crate::service::Environment;

/// Over tokio.
impl Environment {
    /// Creates an environment with [`TokioTimer`] and [`BlockingSteps`] of its own.
    pub fn tokio() -> Self {
        Self::new().timer(TokioTimer).blocking(BlockingSteps::default())
    }
}
