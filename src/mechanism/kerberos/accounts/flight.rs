//! One login gets a ticket, and others wait for it.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, SystemTime};

use crate::mechanism::{Awaited, ErrorKind, MechanismError};

/// Who carries the messages to a KDC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::mechanism::kerberos) enum Carrier {
    /// Somebody on this side.
    Own,
    /// The server of this target name.
    Server(Arc<str>),
}

/// What a login is getting.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// The ticket that gets others.
    First,
    /// The one for this target name.
    Service(Arc<str>),
}

/// After this nobody waits for a flight any more: it may be that of a request that its program has stopped polling.
const OVERDUE: Duration = Duration::from_secs(20);

/// A ticket that is being got.
pub(super) struct Flight {
    pub(super) wanted: Wanted,
    pub(super) carrier: Carrier,
    since: SystemTime,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// How it ended. One that was given up has ended well: whoever looks again sees that there is no ticket.
    outcome: Option<Result<(), MechanismError>>,
    waiting: Vec<Waker>,
}

impl Flight {
    pub(super) fn new(wanted: Wanted, carrier: Carrier, since: SystemTime) -> Arc<Self> {
        Arc::new(Self { wanted, carrier, since, state: Mutex::default() })
    }

    /// Whether it takes too long to wait for it.
    pub(super) fn is_overdue(&self, now: SystemTime) -> bool {
        let apart = now.duration_since(self.since).unwrap_or_else(|before| before.duration());
        apart >= OVERDUE
    }

    /// Whether it is for the first ticket, from a KDC that is asked from this side.
    pub(super) fn is_first_of_own(&self) -> bool {
        self.wanted == Wanted::First && self.carrier == Carrier::Own
    }

    /// Wakes those who wait. Not to be called with a lock held.
    pub(super) fn end(&self, outcome: Result<(), MechanismError>) {
        let waiting = {
            let mut state = self.lock();
            state.outcome.get_or_insert(outcome);
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Ready at its end, for somebody whose messages are carried so.
    pub(super) fn awaited(self: &Arc<Self>, carrier: &Carrier) -> Awaited {
        let concern = match (&self.carrier, carrier) {
            (own, other) if own == other => Concern::EveryFailure,
            // A server may have made it up.
            (Carrier::Server(_), Carrier::Own) => Concern::None,
            _ => Concern::Refusals,
        };
        Awaited::new(Ended { flight: Arc::clone(self), concern })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Flight {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flight")
            .field("wanted", &self.wanted)
            .field("carrier", &self.carrier)
            .finish_non_exhaustive()
    }
}

/// Which failures are also those of somebody who waits: the others may be its carrier's fault.
#[derive(Clone, Copy)]
enum Concern {
    EveryFailure,
    Refusals,
    None,
}

struct Ended {
    flight: Arc<Flight>,
    concern: Concern,
}

impl Future for Ended {
    type Output = Result<(), MechanismError>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.flight.lock();
        let Some(outcome) = &state.outcome else {
            if !state.waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
                state.waiting.push(cx.waker().clone());
            }
            return Poll::Pending;
        };
        Poll::Ready(match (outcome, self.concern) {
            (Err(error), Concern::EveryFailure) => Err(error.clone()),
            (Err(error), Concern::Refusals) if is_refusal(error) => Err(error.clone()),
            _ => Ok(()),
        })
    }
}

/// Whether it is a KDC's word on an account.
pub(super) fn is_refusal(error: &MechanismError) -> bool {
    matches!(error.kind(), ErrorKind::WrongPassword | ErrorKind::UnknownUser | ErrorKind::AccountLocked)
}
