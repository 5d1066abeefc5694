//! What a service gets from its surroundings where they are tokio's.

use std::sync::Arc;

use crate::client::blocking::BlockingSteps;
use crate::client::runtime::TokioTimer;
use crate::service::Environment;

/// Timers, and threads of its own.
pub(super) fn environment() -> Environment {
    Environment {
        timer: Some(Arc::new(TokioTimer)),
        blocking: Some(Arc::new(BlockingSteps::default())),
        ..Environment::default()
    }
}
