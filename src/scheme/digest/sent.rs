//! What was sent with a request.

use std::fmt;
use std::sync::Arc;

use super::algorithm::{Algorithm, Hex, Key};
use super::challenge::DigestChallenge;
use super::covered::CoveredRequest;
use super::name::NAME;
use super::nonce::{ClientNonce, Nonce};
use super::response::{Protection, Qop};
use super::spelling::Spelling;
use super::user::SentName;
use crate::authorization::{Authorization, InvalidParam};
use crate::scheme::SchemeError;

/// What was sent with a request, to be held against its response.
#[derive(Clone)]
pub struct SentDigest {
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<Key>,
    pub(super) nonce: Nonce,
    pub(super) protection: Option<SentProtection>,
    pub(super) request: Arc<CoveredRequest>,
    /// How the user's name was written, if it is beyond ASCII.
    pub(super) spelling: Spelling,
}

#[derive(Clone)]
pub(super) struct SentProtection {
    pub(super) qop: Qop,
    pub(super) count: u32,
    /// The server had accepted the use before it.
    pub(super) follows_accepted: bool,
    pub(super) digits: Hex,
    pub(super) cnonce: ClientNonce,
}

impl SentDigest {
    /// Returns how often the nonce had been used with this request; `None` as before RFC 2617.
    pub fn count(&self) -> Option<u32> {
        self.protection.as_ref().map(|protection| protection.count)
    }

    /// Whether the server had accepted the use of its nonce before this one.
    pub(super) fn follows_accepted(&self) -> bool {
        self.protection.as_ref().is_some_and(|protection| protection.follows_accepted)
    }

    /// Whether its user's name can be written in more than one way.
    pub(super) fn has_spellings(&self) -> bool {
        matches!(self.nonce.terms().login.name, SentName::Extended(..))
    }

    /// It was not sent: nobody has seen the count.
    pub(super) fn take_back(&self) {
        if let Some(count) = self.count() {
            self.nonce.take_back(count);
        }
    }

    /// Whether it was an answer to this challenge's nonce.
    pub(super) fn used_nonce_of(&self, challenge: &DigestChallenge) -> bool {
        self.nonce.text() == challenge.nonce()
    }

    /// The field's value.
    pub(super) fn field(&self, response: &Hex) -> Result<Authorization, SchemeError> {
        self.try_field(response)
            .map_err(|_| SchemeError::new(NAME, "the answer has characters that cannot be sent"))
    }

    fn try_field(&self, response: &Hex) -> Result<Authorization, InvalidParam> {
        let protection = self.protection.as_ref();
        let frame = self.nonce.frame((self.spelling, protection.map(|protection| protection.qop)))?;
        let protection = protection.map(|protection| (&protection.digits, protection.cnonce.digits()));
        frame.around(self.request.target(), response, protection)
    }

    pub(super) fn protection(&self) -> Option<Protection<'_>> {
        self.protection.as_ref().map(|protection| Protection {
            qop: protection.qop,
            count: protection.digits.as_bytes(),
            cnonce: protection.cnonce.as_bytes(),
        })
    }
}

impl fmt::Debug for SentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentDigest")
            .field("algorithm", &self.algorithm)
            .field("target", &self.request.target())
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
