//! One continuation step as a value that can be moved to another thread.

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use crate::credentials::Credentials;
use crate::mechanism::{ErrorKind, Initiate, Mechanism, MechanismError, Moment, SecurityContext, Step};
use crate::stack::{self, Depth};

/// A mechanism's next step: it owns the context and the peer's token.
pub struct StepJob {
    work: Work,
    may_block: bool,
}

enum Work {
    Initiate { mechanism: Arc<dyn Mechanism>, arguments: Initiate },
    Continue { context: Box<dyn SecurityContext>, input: Vec<u8> },
    Consulted { context: Box<dyn SecurityContext>, answer: Result<Vec<u8>, MechanismError> },
    Compute(Box<dyn FnOnce() -> Box<dyn Any + Send> + Send>),
}

impl StepJob {
    /// Creates the first step of a new context.
    pub fn initiate(mechanism: Arc<dyn Mechanism>, arguments: Initiate) -> Self {
        let may_block = mechanism.may_block();
        Self { work: Work::Initiate { mechanism, arguments }, may_block }
    }

    /// Creates a further step, with the peer's token.
    pub fn proceed(context: Box<dyn SecurityContext>, input: Vec<u8>, may_block: bool) -> Self {
        let may_block = may_block || context.takes_time();
        Self { work: Work::Continue { context, input }, may_block }
    }

    /// Creates a further step, with the answer to what the context has [asked](Step::Consult).
    pub fn consulted(context: Box<dyn SecurityContext>, answer: Result<Vec<u8>, MechanismError>) -> Self {
        let may_block = context.takes_time();
        Self { work: Work::Consulted { context, answer }, may_block }
    }

    /// Work of a scheme's own that takes processor time, such as many rounds of a hash.
    pub fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static, takes_time: bool) -> Self {
        Self { work: Work::Compute(Box::new(|| Box::new(work()))), may_block: takes_time }
    }

    /// Returns whether [`run`](Self::run) may block and belongs off the executor.
    pub fn may_block(&self) -> bool {
        self.may_block
    }

    /// Whether it computes, and waits for nobody.
    #[cfg(feature = "client")]
    pub(crate) fn computes(&self) -> bool {
        matches!(self.work, Work::Consulted { .. } | Work::Compute(_))
    }

    /// What the step gets from elsewhere and leaves behind for others, if it may block: with
    /// Kerberos, a ticket.
    pub(crate) fn shared_work(&self) -> Option<SharedWork> {
        match &self.work {
            Work::Initiate { mechanism, arguments } if self.may_block => Some(SharedWork {
                mechanism: Arc::as_ptr(mechanism).addr(),
                target_name: Arc::clone(&arguments.target_name),
                credentials: arguments.credentials.clone(),
            }),
            _ => None,
        }
    }

    /// Runs the step.
    pub fn run(self, moment: Moment) -> Stepped {
        self.run_at(|| Ok(moment))
    }

    /// The same with a moment that is asked for only by a step that needs one.
    pub(crate) fn run_at(self, moment: impl FnOnce() -> Result<Moment, MechanismError>) -> Stepped {
        Stepped(stack::wiped(Depth::Step, || match self.work {
            Work::Initiate { mechanism, arguments } => moment()
                .and_then(|moment| mechanism.initiate(arguments, moment).step(None))
                .map(StepOutput::Step),
            Work::Continue { context, input } => context.step(Some(&input)).map(StepOutput::Step),
            Work::Consulted { context, answer } => {
                moment().and_then(|moment| context.consulted(answer, moment)).map(StepOutput::Step)
            }
            Work::Compute(work) => Ok(StepOutput::Computed(work())),
        }))
    }
}

impl fmt::Debug for StepJob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StepJob").field("may_block", &self.may_block).finish_non_exhaustive()
    }
}

/// Names what several first steps have in common: one mechanism, one user, one target. While a step
/// is at it, others gain by waiting for its result. Comparable as long as one of the steps is there.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct SharedWork {
    mechanism: usize,
    target_name: Arc<str>,
    credentials: Credentials,
}

/// What a [`StepJob`] came to; goes back to the exchange that asked for it.
#[derive(Debug)]
pub struct Stepped(Result<StepOutput, MechanismError>);

#[derive(Debug)]
enum StepOutput {
    Step(Step),
    Computed(Box<dyn Any + Send>),
}

impl Stepped {
    /// Reports a step that was not run, or not to its end.
    pub fn failed(error: MechanismError) -> Self {
        Self(Err(error))
    }

    /// Returns why the step failed, if it did.
    pub fn failure(&self) -> Option<&MechanismError> {
        self.0.as_ref().err()
    }

    /// Returns the step's result.
    ///
    /// # Errors
    ///
    /// What the security context returned.
    pub fn into_result(self) -> Result<Step, MechanismError> {
        match self.0? {
            StepOutput::Step(step) => Ok(step),
            StepOutput::Computed(_) => Err(out_of_turn()),
        }
    }

    /// Returns what was [computed](StepJob::compute).
    ///
    /// # Errors
    ///
    /// Why it could not be computed.
    pub fn into_computed<T: 'static>(self) -> Result<T, MechanismError> {
        match self.0? {
            StepOutput::Computed(computed) => computed.downcast().map(|it| *it).map_err(|_| out_of_turn()),
            StepOutput::Step(_) => Err(out_of_turn()),
        }
    }
}

fn out_of_turn() -> MechanismError {
    MechanismError::new(ErrorKind::Unsupported, "the step's result is that of another one")
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::mechanism::ntlm::Ntlm;

    #[test]
    fn a_step_is_not_taken_for_work_of_a_schemes_own_nor_the_other_way_round() {
        let moment = || Moment::new(SystemTime::UNIX_EPOCH, [1; 32]);
        let computed = || StepJob::compute(|| 7_u8, false).run(moment());
        let stepped = || {
            let arguments = Initiate::new("HTTP/host", Credentials::password("alice", "pw"));
            StepJob::initiate(Arc::new(Ntlm::new()), arguments).run(moment())
        };
        assert_eq!(computed().into_computed::<u8>(), Ok(7));
        assert!(matches!(stepped().into_result(), Ok(Step::Continue { .. })));
        for error in [
            computed().into_result().map(drop),
            stepped().into_computed::<u8>().map(drop),
            computed().into_computed::<u16>().map(drop),
        ] {
            let error = error.expect_err("another step's result");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
            assert_eq!(error.to_string(), "the step's result is that of another one");
        }
    }
}
