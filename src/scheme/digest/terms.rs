//! What a challenge and the credentials come to.

use std::sync::Arc;

use super::challenge::DigestChallenge;
use super::user::{self, UserInRealm};
use crate::credentials::Credentials;
use crate::scheme::SchemeError;
use crate::scheme::charset::Charset;

/// What a challenge and the credentials come to.
pub(super) struct Terms {
    pub(super) challenge: DigestChallenge,
    pub(super) login: Arc<UserInRealm>,
}

impl Terms {
    pub(super) fn new(
        credentials: &Credentials,
        challenge: &DigestChallenge,
        charset: Charset,
    ) -> Result<Self, SchemeError> {
        let login = Arc::new(user::log_in(credentials, challenge, charset)?);
        Ok(Self { challenge: challenge.clone(), login })
    }

    /// Those of another challenge, where name and key come out the same.
    pub(super) fn for_challenge(&self, challenge: &DigestChallenge) -> Option<Self> {
        let login = challenge.has_key_of(&self.challenge).then(|| Arc::clone(&self.login))?;
        Some(Self { challenge: challenge.clone(), login })
    }
}
