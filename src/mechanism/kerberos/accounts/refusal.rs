//! What a KDC has refused is not tried again for a while.
//!
//! Whoever drives a login has a guard of its own, which may allow another attempt after a pause, or because it was told to.
//! What is kept here is for logins that do not share that guard, and for those that are under way already. So it ends by
//! itself: the pauses are those of the guard, after which a directory has forgotten an attempt.

use std::time::{Duration, SystemTime};

use crate::mechanism::{ErrorKind, MechanismError};

const MINUTE: Duration = Duration::from_secs(60);
/// After the first refusal of a password that was taken before.
const FIRST: Duration = MINUTE.saturating_mul(5);
/// After every other. A directory counts wrong passwords over 15 to 30 minutes.
const LONG: Duration = MINUTE.saturating_mul(32);
/// For an account that is locked.
const LOCKED: Duration = MINUTE.saturating_mul(15);

/// A KDC's word on an account.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    error: MechanismError,
    since: SystemTime,
    pause: Duration,
}

impl Refusal {
    /// Of an account whose password was taken before, or not, and refused since, or not.
    pub(super) fn new(error: MechanismError, now: SystemTime, was_taken: bool, is_first: bool) -> Self {
        let pause = match error.kind() {
            ErrorKind::AccountLocked => LOCKED,
            _ if was_taken && is_first => FIRST,
            _ => LONG,
        };
        Self { error, since: now, pause }
    }

    /// The error, while it holds. A clock that is set back by more than the pause ends it.
    pub(super) fn at(&self, now: SystemTime) -> Option<MechanismError> {
        let apart = now.duration_since(self.since).unwrap_or_else(|before| before.duration());
        if apart >= self.pause {
            return None;
        }
        let error =
            MechanismError::new(self.error.kind(), format!("{} (and was not asked again)", self.error));
        Some(if self.error.is_relayed() { error.relayed() } else { error })
    }
}
