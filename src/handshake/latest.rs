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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenges;
    use crate::handshake::legs::Legs;

    #[test]
    fn the_latest_is_the_one_that_arrived_last_and_of_one_response_the_first_that_was_heard() {
        let (legs, latest) = (Arc::<Legs>::default(), LatestChallenge::default());
        let challenges = Challenges::from_value(b"Digest nonce=a, Digest nonce=b, Digest nonce=c");
        let [a, b, c] = [0, 1, 2].map(|at| challenges.iter().nth(at).expect("three challenges"));
        let carol = Credentials::password("carol", "pw");
        let (first, second) = (legs.send().challenged(), legs.send().challenged());
        for (heard, arrival, is) in [(a, first, a), (c, second, c), (b, second, c), (a, first, c)] {
            latest.hear(heard, arrival, &carol);
            let known = latest.get().expect("one was heard");
            assert_eq!(known.challenge.param_str("nonce"), is.param_str("nonce"));
        }
        assert_eq!(latest.earlier(), EarlierChallenges::Unknown);
        latest.learn(EarlierChallenges::Hold);
        assert_eq!(latest.earlier(), EarlierChallenges::Hold);
    }
}
