//! What a challenge and the credentials come to.

use std::sync::Arc;

use super::NAME;
use super::algorithm::Hex;
use super::challenge::DigestChallenge;
use super::policy::DigestCharset;
use super::session::SentDigest;
use super::user::{self, Login};
use crate::authorization::{Authorization, ParamValue};
use crate::credentials::Credentials;
use crate::scheme::SchemeError;

/// What a challenge and the credentials come to.
pub(super) struct Terms {
    pub(super) challenge: DigestChallenge,
    pub(super) login: Arc<Login>,
}

impl Terms {
    pub(super) fn new(
        credentials: &Credentials,
        challenge: &DigestChallenge,
        charset: DigestCharset,
    ) -> Result<Self, SchemeError> {
        let login = Arc::new(user::log_in(credentials, challenge, charset)?);
        Ok(Self { challenge: challenge.clone(), login })
    }

    /// Those of another challenge, where name and key come out the same.
    pub(super) fn for_challenge(&self, challenge: &DigestChallenge) -> Option<Self> {
        let login = challenge.has_key_of(&self.challenge).then(|| Arc::clone(&self.login))?;
        Some(Self { challenge: challenge.clone(), login })
    }

    /// Which parameters are quoted, and which are not, is what RFC 7616, section 3.4 says.
    pub(super) fn field(&self, sent: &SentDigest, response: &Hex) -> Result<Authorization, SchemeError> {
        let challenge = &self.challenge;
        let quoted = |value| ParamValue::Quoted(value);
        let token = |value| ParamValue::Token(value);
        let protection = sent.protection.as_ref();
        let params = [
            Some(self.login.name.param(sent.spelling)),
            Some(("realm", quoted(challenge.realm()))),
            Some(("nonce", quoted(sent.nonce.text()))),
            Some(("uri", quoted(sent.target.as_bytes()))),
            Some(("response", quoted(response.as_bytes()))),
            challenge.algorithm_as_sent().map(|name| ("algorithm", token(name))),
            challenge.opaque().map(|opaque| ("opaque", quoted(opaque))),
            protection.map(|protection| ("qop", token(protection.qop.name()))),
            protection.map(|protection| ("nc", token(&protection.digits))),
            protection.map(|protection| ("cnonce", quoted(protection.cnonce.text().as_bytes()))),
            challenge.wants_user_hash().then_some(("userhash", token("true"))),
        ];
        Authorization::params(NAME, params.into_iter().flatten())
            .map_err(|_| SchemeError::new(NAME, "the answer has characters that cannot be sent"))
    }
}
