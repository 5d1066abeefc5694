//! One continuation step as a value that can be moved to another thread.

use std::fmt;
use std::sync::Arc;

use crate::mechanism::{Initiate, Mechanism, MechanismError, Moment, SecurityContext, Step};

/// A mechanism's next step: it owns the context and the peer's token.
pub struct StepJob {
    work: Work,
    may_block: bool,
}

enum Work {
    Initiate { mechanism: Arc<dyn Mechanism>, arguments: Initiate },
    Continue { context: Box<dyn SecurityContext>, input: Vec<u8> },
}

impl StepJob {
    /// The first step of a new context.
    pub fn initiate(mechanism: Arc<dyn Mechanism>, arguments: Initiate) -> Self {
        let may_block = mechanism.may_block();
        Self { work: Work::Initiate { mechanism, arguments }, may_block }
    }

    /// A further step, with the peer's token.
    pub fn proceed(context: Box<dyn SecurityContext>, input: Vec<u8>, may_block: bool) -> Self {
        Self { work: Work::Continue { context, input }, may_block }
    }

    /// Whether [`run`](Self::run) may block and belongs off the executor.
    pub fn may_block(&self) -> bool {
        self.may_block
    }

    /// Runs the step.
    pub fn run(self, moment: Moment) -> Stepped {
        Stepped(match self.work {
            Work::Initiate { mechanism, arguments } => mechanism.initiate(arguments, moment).step(None),
            Work::Continue { context, input } => context.step(Some(&input)),
        })
    }
}

impl fmt::Debug for StepJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepJob").field("may_block", &self.may_block).finish_non_exhaustive()
    }
}

/// What a [`StepJob`] came to; goes back to the exchange that asked for it.
#[derive(Debug)]
pub struct Stepped(Result<Step, MechanismError>);

impl Stepped {
    /// The step's result.
    ///
    /// # Errors
    ///
    /// What the security context returned.
    pub fn into_result(self) -> Result<Step, MechanismError> {
        self.0
    }
}
