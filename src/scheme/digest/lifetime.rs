//! How old a server lets its nonces become, as far as it has shown.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::nonce::Nonce;

/// Up to which age a nonce is good, as far as answers have shown it in one protection space.
#[derive(Debug, Default)]
pub(super) struct Lifetime(Mutex<SeenAges>);

#[derive(Debug, Default)]
struct SeenAges {
    /// The greatest age at which one was accepted.
    accepted: Duration,
    /// The least age at which one was called stale.
    stale: Option<Duration>,
    /// When the last nonces came.
    births: VecDeque<(Arc<[u8]>, Instant)>,
}

/// For so long a nonce is thought to be good where no server has said otherwise. Apache's and IIS's are good for
/// minutes.
const ASSUMED: Duration = Duration::from_secs(60);

/// One that was younger when it was called stale was so for its count, or its second use.
const SHORT_LIFE: Duration = Duration::from_secs(1);

/// Of how many nonces it is known when they came: as many logins are kept in a realm.
const MAX_BIRTHS: usize = 64;

impl Lifetime {
    /// How old a nonce is, if that is known.
    pub(super) fn age(&self, nonce: &Nonce, now: Instant) -> Option<Duration> {
        let state = self.state();
        let mut births = state.births.iter().rev();
        let (_, birth) = births.find(|(text, _)| text == nonce.text())?;
        Some(now.saturating_duration_since(*birth))
    }

    /// Whether a nonce of this age may be too old to be accepted.
    pub(super) fn is_doubtful(&self, age: Duration) -> bool {
        age > self.state().bound()
    }

    /// A nonce came, no earlier than at this time.
    pub(super) fn hear(&self, nonce: &Nonce, now: Instant) {
        let mut state = self.state();
        if state.births.iter().any(|(text, _)| text == nonce.text()) {
            return;
        }
        if state.births.len() == MAX_BIRTHS {
            state.births.pop_front();
        }
        state.births.push_back((Arc::clone(nonce.text()), now));
    }

    /// A nonce of this age was accepted.
    pub(super) fn accepted(&self, age: Duration) {
        let mut state = self.state();
        state.accepted = state.accepted.max(age);
        // What was called stale at a lower age was so for another reason, such as the server's new start.
        state.stale.take_if(|stale| *stale <= age);
    }

    /// A nonce of this age was called stale.
    pub(super) fn called_stale(&self, age: Duration) {
        if age >= SHORT_LIFE {
            let mut state = self.state();
            state.stale = Some(state.stale.map_or(age, |stale| stale.min(age)));
        }
    }

    fn state(&self) -> MutexGuard<'_, SeenAges> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeenAges {
    /// Past this age a nonce is doubtful. The truth lies between the greatest age that was accepted and the
    /// least that was not.
    fn bound(&self) -> Duration {
        match self.stale {
            Some(stale) => self.accepted.max(stale / 2).min(stale),
            None => self.accepted.saturating_add(ASSUMED),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn seconds(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    fn bound(lifetime: &Lifetime) -> Duration {
        lifetime.state().bound()
    }

    #[test]
    fn a_nonce_is_doubtful_a_minute_past_the_age_at_which_one_was_accepted() {
        let lifetime = Lifetime::default();
        assert_eq!(bound(&lifetime), seconds(60));
        lifetime.accepted(seconds(240));
        lifetime.accepted(seconds(30));
        assert_eq!(bound(&lifetime), seconds(300));
    }

    #[test]
    fn one_that_was_called_stale_sets_the_bound() {
        let lifetime = Lifetime::default();
        lifetime.accepted(seconds(0));
        lifetime.called_stale(seconds(2));
        assert_eq!(bound(&lifetime), seconds(1), "not by a hair less than the age of the last one");
        lifetime.called_stale(seconds(4));
        lifetime.accepted(Duration::from_millis(1_500));
        assert_eq!(bound(&lifetime), Duration::from_millis(1_500));
    }

    #[test]
    fn what_is_called_stale_at_once_was_misused_and_sets_none() {
        let lifetime = Lifetime::default();
        lifetime.called_stale(Duration::from_millis(999));
        assert_eq!(bound(&lifetime), seconds(60));
    }

    #[test]
    fn a_server_that_was_started_anew_is_not_taken_for_one_with_short_lives() {
        let lifetime = Lifetime::default();
        lifetime.called_stale(seconds(5));
        assert_eq!(bound(&lifetime), Duration::from_millis(2_500));
        lifetime.accepted(seconds(5));
        assert_eq!(bound(&lifetime), seconds(65));
    }
}
