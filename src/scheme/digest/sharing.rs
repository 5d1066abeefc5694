//! How far a server's nonces may be shared, as far as it has shown.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::sent::SentDigest;

/// How far a server's nonces may be shared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum NonceScope {
    /// One may be used by all connections at the same time, in any order.
    #[default]
    All,
    /// By one connection, where its counts rise by themselves.
    Connection,
    /// It is for one request.
    Request,
}

/// What a server has shown of how it treats its nonces, in one protection space.
///
/// It starts from the best that a server can do, and falls at the first sign that it does not, so that
/// no request fails for it.
#[derive(Debug, Default)]
pub(super) struct Sharing(Mutex<SharingState>);

#[derive(Debug, Default)]
struct SharingState {
    scope: NonceScope,
    /// A second use of a nonce was accepted.
    reused: bool,
    /// With nonces for one request: how many requests go by until one uses its nonce twice.
    until_retry: u32,
}

/// With nonces for one request, one of so many requests tries whether that still holds.
const RETRY_AFTER: u32 = 1024;

/// A nonce that was younger when it was called stale was so for its count, or its second use. An older
/// one may have lived long enough.
const SHORT_LIFE: Duration = Duration::from_secs(1);

impl Sharing {
    pub(super) fn scope(&self) -> NonceScope {
        self.state().scope
    }

    /// Whether a nonce for one request is to be tried a second time.
    pub(super) fn tries_again(&self) -> bool {
        let mut state = self.state();
        let is_due = state.until_retry == 0;
        state.until_retry = if is_due { RETRY_AFTER } else { state.until_retry - 1 };
        is_due
    }

    /// An answer was accepted.
    pub(super) fn accepted(&self, sent: &SentDigest) {
        let Some(count) = sent.count() else { return };
        sent.nonce.accepted(count);
        if count > 1 {
            let mut state = self.state();
            state.reused = true;
            if state.scope == NonceScope::Request {
                state.scope = NonceScope::Connection;
            }
        }
    }

    /// An answer's nonce was called stale at this age.
    pub(super) fn called_stale(&self, sent: &SentDigest, age: Duration) {
        if age < SHORT_LIFE {
            self.state().note_misuse(sent);
        }
    }

    /// An answer was refused, whose nonce is not the challenge's, though the password was accepted
    /// before. Tells whether that may be for the nonce, and so says nothing about the password.
    /// `is_replaced` says that another request has brought another nonce to share meanwhile.
    pub(super) fn refused(&self, sent: &SentDigest, is_replaced: bool) -> bool {
        let mut state = self.state();
        state.note_misuse(sent) || is_replaced && state.scope == NonceScope::All
    }

    fn state(&self) -> MutexGuard<'_, SharingState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SharingState {
    /// Learns from an answer that was not accepted. Tells whether its nonce may have been used wrongly.
    fn note_misuse(&mut self, sent: &SentDigest) -> bool {
        let Some(count) = sent.count() else { return false };
        let is_overtaken = count < sent.nonce.count();
        let is_second_use = count > 1 && !self.reused;
        // The use before it was out, and it may have come first.
        let may_overtake = count > 1 && !sent.follows_accepted();
        match self.scope {
            NonceScope::All if is_overtaken || may_overtake => self.scope = NonceScope::Connection,
            NonceScope::All | NonceScope::Connection if is_second_use && !is_overtaken => {
                (self.scope, self.until_retry) = (NonceScope::Request, RETRY_AFTER);
            }
            NonceScope::All | NonceScope::Connection | NonceScope::Request => {}
        }
        is_overtaken || is_second_use || may_overtake
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::digest::tests::{authorize, carol};

    const CHALLENGE: &str = "Digest realm=lab, nonce=first, qop=auth";

    #[test]
    fn a_refused_use_among_several_at_once_leaves_the_nonce_to_one_connection() {
        // The server saw the last one first, and wants them in order.
        for refused in [1, 2] {
            let (session, sharing) = (carol(CHALLENGE), Sharing::default());
            let sent = [(); 3].map(|()| authorize(&session));
            sharing.accepted(&sent[0]);
            assert!(sharing.refused(&sent[refused], false));
            assert_eq!(sharing.scope(), NonceScope::Connection);
        }
    }

    #[test]
    fn a_use_that_may_have_overtaken_another_says_nothing_though_later_uses_were_accepted() {
        let (session, sharing) = (carol(CHALLENGE), Sharing::default());
        let sent = [(); 4].map(|()| authorize(&session));
        sharing.accepted(&sent[0]);
        sharing.accepted(&sent[1]);
        assert!(sharing.refused(&sent[3], false));
        assert_eq!(sharing.scope(), NonceScope::Connection);
    }

    #[test]
    fn a_refused_second_use_on_its_own_leaves_the_nonce_to_one_request() {
        let (session, sharing) = (carol(CHALLENGE), Sharing::default());
        sharing.accepted(&authorize(&session));
        assert!(sharing.refused(&authorize(&session), false));
        assert_eq!(sharing.scope(), NonceScope::Request);
    }
}
