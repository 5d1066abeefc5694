//! The latest challenge in a protection space, for schemes whose challenges may be [voided by later
//! ones](crate::scheme::Scheme::is_voided_by_challenges).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::handshake::legs::Arrival;

/// The latest challenge in a protection space, whichever request got it, and what has been seen of those
/// before it.
#[derive(Debug, Default)]
pub(super) struct LatestChallenge(Mutex<ChallengeHistory>);

#[derive(Debug, Default)]
struct ChallengeHistory {
    latest: Option<Latest>,
    earlier: EarlierChallenges,
}

/// A challenge, and whose request got it.
#[derive(Clone, Debug)]
pub(super) struct Latest {
    pub(super) challenge: Arc<Challenge>,
    pub(super) arrival: Arrival,
    pub(super) credentials: Credentials,
}

/// What becomes of challenges when a later one is made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum EarlierChallenges {
    #[default]
    Unknown,
    /// A login was refused whose challenge a later one may have voided.
    Doubtful,
    /// They can be answered all the same: such an answer was accepted.
    Hold,
    /// They are void: the server has a single nonce.
    AreVoid,
}

impl LatestChallenge {
    /// Takes note of a challenge to a request with these credentials.
    pub(super) fn hear(&self, challenge: &Challenge, arrival: Arrival, credentials: &Credentials) {
        let mut state = self.lock();
        if state.latest.as_ref().is_none_or(|latest| latest.arrival.number < arrival.number) {
            let (challenge, credentials) = (Arc::new(challenge.clone()), credentials.clone());
            state.latest = Some(Latest { challenge, arrival, credentials });
        }
    }

    pub(super) fn get(&self) -> Option<Latest> {
        self.lock().latest.clone()
    }

    pub(super) fn earlier(&self) -> EarlierChallenges {
        self.lock().earlier
    }

    /// Remembers what becomes of earlier challenges, as the answer to one has shown.
    pub(super) fn learn(&self, earlier: EarlierChallenges) {
        self.lock().earlier = earlier;
    }

    fn lock(&self) -> MutexGuard<'_, ChallengeHistory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
