//! What the server says after a login: its proof, and the next nonce (RFC 7616, section 3.5).

use std::str;
use std::sync::Arc;

use http::HeaderMap;

use super::body::{BodyDigest, BodyHasher};
use super::challenge::DigestChallenge;
use super::name::NAME;
use super::response::{self, Protection, Qop};
use super::sent::SentDigest;
use crate::challenge::{AuthenticationInfo, ChallengeError};
use crate::mechanism::MutualAuthentication;
use crate::protection_space::Challenger;
use crate::scheme::SchemeError;
use crate::stack::{self, Depth};

/// What the server has shown of itself. A proof that does not hold is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "complete by definition: what can be said of a proof that is not wrong"
)]
pub enum ServerProof {
    /// It knows the password, or its hash.
    Verified,
    /// It sent no proof, or nothing legible.
    Absent,
    /// Its proof covers the response's content, whose hash is not known.
    Unverifiable,
    /// Nobody asked for one.
    NotChecked,
}

/// `Authentication-Info` or `Proxy-Authentication-Info` in Digest's meaning. A value may be quoted
/// or not: Apache quotes some, and not those that the RFC has it quote.
#[derive(Default)]
pub(super) struct Info(AuthenticationInfo);

impl Info {
    /// Without the field, it says nothing.
    pub(super) fn parse(challenger: Challenger, fields: &HeaderMap) -> Result<Self, ChallengeError> {
        let info = AuthenticationInfo::parse(fields, challenger.info_field())?;
        Ok(Self(info.unwrap_or_default()))
    }

    /// One that is too long to go back with every request is not taken; the present nonce serves
    /// until the server says otherwise.
    pub(super) fn next_nonce(&self) -> Option<Arc<[u8]>> {
        let nonce = self.0.param("nextnonce")?;
        (1..=DigestChallenge::MAX_PARAM_OCTETS).contains(&nonce.len()).then(|| nonce.into())
    }

    /// What the proof covers, if the server says so.
    pub(super) fn qop(&self) -> Result<Option<Qop>, SchemeError> {
        let Some(name) = self.0.param("qop") else { return Ok(None) };
        match Qop::from_name(name) {
            Some(qop) => Ok(Some(qop)),
            None => Err(SchemeError::new(NAME, "the qop of the server's proof (rspauth) is unknown")),
        }
    }

    /// Holds the proof against what was sent.
    pub(super) fn verify(
        &self,
        sent: &SentDigest,
        body: Option<&BodyDigest>,
        rule: MutualAuthentication,
    ) -> Result<ServerProof, SchemeError> {
        let error = |reason| Err(SchemeError::new(NAME, reason));
        let is_required = match rule {
            MutualAuthentication::Off => return Ok(ServerProof::NotChecked),
            MutualAuthentication::Preferred => false,
            MutualAuthentication::Required => true,
        };
        let proof = match self.0.param("rspauth") {
            Some(proof) => proof,
            None if is_required => return error("the server did not prove who it is (rspauth)"),
            None => return Ok(ServerProof::Absent),
        };
        if !self.belongs_to(sent) {
            return error("the server's proof (rspauth) belongs to another request");
        }

        let hash = sent.algorithm.hash();
        let protection = match sent.protection() {
            Some(own) => Some(Protection { qop: self.qop()?.unwrap_or(own.qop), ..own }),
            // Before RFC 2617 there was no choice.
            None => None,
        };
        let covered = match (protection.map(|protection| protection.qop), body) {
            (None | Some(Qop::Auth), _) => None,
            (Some(Qop::AuthInt), Some(body)) => match body.hex(hash) {
                Some(hex) => Some(hex),
                None => return error("the response's content was hashed by another algorithm"),
            },
            (Some(Qop::AuthInt), None) if is_required => {
                return error("the server's proof (rspauth) covers the content, whose hash is not known");
            }
            (Some(Qop::AuthInt), None) => return Ok(ServerProof::Unverifiable),
        };
        let request_hash = response::request_hash(hash, "", sent.request.target(), covered);
        let expected = stack::wiped(Depth::Hash, || {
            response::complete(sent.nonce.begin_response(&sent.key), protection, &request_hash)
        });
        if !response::same(&expected, proof) {
            return error("the server's proof of who it is (rspauth) is wrong");
        }
        Ok(ServerProof::Verified)
    }

    /// What it repeats of the request must be the request's.
    fn belongs_to(&self, sent: &SentDigest) -> bool {
        let Some(protection) = &sent.protection else { return true };
        let cnonce = protection.cnonce.as_bytes();
        self.0.param("nc").is_none_or(|digits| hexadecimal(digits) == Some(protection.count))
            && self.0.param("cnonce").is_none_or(|repeated| repeated == cnonce)
    }
}

/// At most eight digits.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    let fits = digits.len() <= 8 && digits.iter().all(u8::is_ascii_hexdigit);
    let digits = str::from_utf8(digits).ok().filter(|_| fits)?;
    u32::from_str_radix(digits, 16).ok()
}

impl SentDigest {
    /// Returns a hasher for the content of the response, if the server's proof covers it, as far as these fields
    /// tell: a proof may also come in a trailer.
    pub fn response_hasher(&self, challenger: Challenger, fields: &HeaderMap) -> Option<BodyHasher> {
        let own = self.protection.as_ref().map(|protection| protection.qop);
        let said = Info::parse(challenger, fields).ok().and_then(|info| info.qop().ok()?);
        (own.is_some() && said.or(own) == Some(Qop::AuthInt)).then(|| BodyHasher::new(self.algorithm))
    }
}
