//! One user's login in one realm, shared by the requests that use it.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use http::HeaderMap;

use super::algorithm::Hex;
use super::body::BodyDigest;
use super::challenge::DigestChallenge;
use super::covered::CoveredRequest;
use super::info::{Info, ServerProof};
use super::name::NAME;
use super::nonce::{ClientNonce, Nonce, NonceCounts, NonceRenewal, Nonces};
use super::policy::DigestPolicy;
use super::request::DigestRequest;
use super::response::{self, Qop};
use super::sent::{SentDigest, SentProtection};
use super::spelling::Spelling;
use super::terms::Terms;
use crate::authorization::Authorization;
use crate::credentials::Credentials;
use crate::mechanism::MutualAuthentication;
use crate::protection_space::Challenger;
use crate::scheme::SchemeError;
use crate::stack::{self, Depth};

/// One user's login in one realm: the present nonce, its count, and the key that the password is
/// reduced to.
///
/// Any number of requests use it at the same time, from any thread; nothing waits but for a few
/// hashes. It holds the password's equal, wiped when it is dropped.
pub struct DigestSession {
    credentials: Credentials,
    policy: DigestPolicy,
    nonces: Mutex<Nonces>,
    /// A server has taken an answer.
    accepted: AtomicBool,
}

impl DigestSession {
    /// Creates a login that answers this challenge.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if the policy refuses the challenge or the credentials cannot serve: no
    /// password, a colon in the name, control characters.
    pub fn new(
        credentials: Credentials,
        policy: DigestPolicy,
        challenge: &DigestChallenge,
    ) -> Result<Self, SchemeError> {
        challenge.allowed_by(&policy)?;
        let terms = Terms::new(&credentials, challenge, policy.charset)?;
        let nonces = Mutex::new(Nonces::new(Nonce::new(Arc::new(terms))));
        Ok(Self { credentials, policy, nonces, accepted: AtomicBool::new(false) })
    }

    /// Returns the field value for a request, and what to remember of it until its response is there.
    ///
    /// `cnonce` is used for nothing else.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if the server wants the content covered and its hash is not known, or if
    /// the nonce has been used 2³² times. No count is spent on an error.
    pub fn authorize(
        &self,
        request: &DigestRequest<'_>,
        cnonce: ClientNonce,
    ) -> Result<(Authorization, SentDigest), SchemeError> {
        authorize(&self.present(), request, cnonce, Spelling::default(), None)
    }

    /// Takes the challenge to a request: to one that had been sent with an answer, or, `None`, without.
    ///
    /// The nonce is taken unless it comes too late. Of many requests that are told at the same
    /// time that their nonce is too old, the first brings the next one and the others are
    /// superseded: all of them are to be sent again. Whether the credentials were good is
    /// [said by the challenge](DigestChallenge::is_stale).
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), or if the challenge is for another realm: that wants a login of its
    /// own, perhaps by another user. The login then stays as it was.
    pub fn challenged(
        &self,
        sent: Option<&SentDigest>,
        challenge: &DigestChallenge,
    ) -> Result<NonceRenewal, SchemeError> {
        let nonce = self.nonce_of(challenge, &self.nonces())?;
        if let Some(sent) = sent.filter(|_| !challenge.is_stale()) {
            self.learns_of_sessions(sent);
        }
        Ok(self.share_unless_late(sent, nonce))
    }

    /// Takes the answer to a request that was accepted, with these fields (or trailers): checks what the
    /// server says of itself and takes its `nextnonce`.
    ///
    /// `body` is the hash of the response's content, where it is known; it is needed
    /// [with only `auth-int`](SentDigest::response_hasher).
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if the server's proof is wrong, or, where it is required, missing or beyond
    /// checking.
    pub fn concluded(
        &self,
        sent: &SentDigest,
        challenger: Challenger,
        fields: &HeaderMap,
        body: Option<&BodyDigest>,
        rule: MutualAuthentication,
    ) -> Result<ServerProof, SchemeError> {
        self.conclude(sent, challenger, fields, body, rule).map(|(proof, _)| proof)
    }

    /// Returns the challenge that it answers at present.
    pub fn challenge(&self) -> DigestChallenge {
        self.present().terms().challenge.clone()
    }

    /// The same as [`concluded`](Self::concluded), and the nonce that is to come next.
    pub(super) fn conclude(
        &self,
        sent: &SentDigest,
        challenger: Challenger,
        fields: &HeaderMap,
        body: Option<&BodyDigest>,
        rule: MutualAuthentication,
    ) -> Result<(ServerProof, Option<Nonce>), SchemeError> {
        let info = match (Info::parse(challenger, fields), rule) {
            (Ok(info), _) => info,
            (Err(error), MutualAuthentication::Required) => {
                return Err(SchemeError::authentication_info(NAME, error));
            }
            // What is not legible proves nothing, as if it were not there.
            (Err(_), MutualAuthentication::Preferred | MutualAuthentication::Off) => Info::default(),
        };
        let proof = info.verify(sent, body, rule)?;
        self.accepted.store(true, Relaxed);
        let mut nonces = self.nonces();
        let next = info.next_nonce().map(|text| nonces.after(&sent.nonce, text));
        if let Some(next) = next.as_ref().filter(|_| sent.nonce.is(nonces.present())) {
            nonces.share(next.clone());
        }
        Ok((proof, next))
    }

    /// The nonce of a challenge: a new one, or one that is known.
    ///
    /// # Errors
    ///
    /// As [`challenged`](Self::challenged).
    pub(super) fn hear(
        &self,
        challenge: &DigestChallenge,
        now: Instant,
        counts: &NonceCounts,
    ) -> Result<Nonce, SchemeError> {
        let mut nonces = self.nonces();
        let nonce = self.nonce_of(challenge, &nonces)?.heard(now, counts);
        nonces.know(nonce.clone());
        Ok(nonce)
    }

    fn nonce_of(&self, challenge: &DigestChallenge, nonces: &Nonces) -> Result<Nonce, SchemeError> {
        challenge.allowed_by(&self.policy)?;
        let known = nonces.present().terms();
        if challenge.realm() != known.challenge.realm() {
            return Err(SchemeError::new(NAME, "the challenge is for another realm than the login"));
        }
        let terms = match known.for_challenge(challenge) {
            Some(terms) => terms,
            None => Terms::new(&self.credentials, challenge, self.policy.charset)?,
        };
        Ok(nonces.on(Arc::new(terms)))
    }

    /// Requests share this nonce from now on, unless the challenge that brought it comes too late.
    pub(super) fn share_unless_late(&self, sent: Option<&SentDigest>, nonce: Nonce) -> NonceRenewal {
        let mut nonces = self.nonces();
        let present = nonces.present();
        let is_late = match sent {
            _ if nonces.alive().is_none() => false,
            Some(sent) => !sent.nonce.is(present),
            None => nonce.terms().challenge.has_key_of(&present.terms().challenge),
        };
        if is_late { NonceRenewal::Superseded } else { nonces.share(nonce) }
    }

    /// The nonce that requests share.
    pub(super) fn present(&self) -> Nonce {
        self.nonces().present().clone()
    }

    /// The nonce for a request that speaks first; `None` if the server no longer knows it.
    pub(super) fn alive(&self) -> Option<Nonce> {
        self.nonces().alive().cloned()
    }

    /// The server refused an answer without a challenge: it does not know the nonce any more, perhaps.
    pub(super) fn bury(&self, sent: &SentDigest) {
        self.nonces().bury(&sent.nonce);
    }

    /// Whether it can answer this challenge: one of its realm that the policy lets pass.
    pub(super) fn is_for(&self, challenge: &DigestChallenge) -> bool {
        challenge.realm() == self.nonces().present().terms().challenge.realm()
            && challenge.allowed_by(&self.policy).is_ok()
    }

    /// Keeps a nonce that came with a challenge and was not used.
    pub(super) fn keep_unused(&self, nonce: Nonce) {
        self.nonces().keep_unused(nonce);
    }

    /// A nonce that was kept.
    pub(super) fn take_unused(&self) -> Option<Nonce> {
        self.nonces().take_unused()
    }

    /// Whether requests share another nonce now.
    pub(super) fn has_replaced(&self, sent: &SentDigest) -> bool {
        !sent.nonce.is(self.nonces().present())
    }

    /// An answer was refused. Tells whether that may be for its session, which this server does not carry
    /// on over a `nextnonce`, or does: the next ones are made as it wants them.
    pub(super) fn learns_of_sessions(&self, sent: &SentDigest) -> bool {
        self.nonces().note_refusal(&sent.nonce)
    }

    /// Whether a server has taken an answer of it.
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted.load(Relaxed)
    }

    /// Keeps only the nonce in use.
    pub(super) fn forget_other_nonces(&self) {
        self.nonces().forget_others();
    }

    #[cfg(test)]
    pub(super) fn other_nonces(&self) -> usize {
        self.nonces().others()
    }

    fn nonces(&self) -> MutexGuard<'_, Nonces> {
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DigestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestSession").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

/// The field value for a request that uses this nonce, and what to remember of it. `before` is what an earlier answer
/// covered.
pub(super) fn authorize(
    nonce: &Nonce,
    request: &DigestRequest<'_>,
    cnonce: ClientNonce,
    spelling: Spelling,
    before: Option<&Arc<CoveredRequest>>,
) -> Result<(Authorization, SentDigest), SchemeError> {
    let algorithm = nonce.terms().challenge.algorithm();
    let qop = nonce.terms().challenge.choose(request.has_body_hash(algorithm))?;
    let covered = match before.filter(|before| before.is_of(request, algorithm, qop)) {
        Some(before) => Arc::clone(before),
        None => Arc::new(CoveredRequest::new(request, algorithm, qop)?),
    };
    let sent = issue(nonce, qop, covered, cnonce, spelling)?;
    let response = stack::wiped(Depth::Hash, || {
        response::complete(nonce.begin_response(&sent.key), sent.protection(), sent.request.hash())
    });
    Ok((sent.field(&response)?, sent))
}

/// Takes a count, which is all that has to happen one request after the other.
fn issue(
    nonce: &Nonce,
    qop: Option<Qop>,
    request: Arc<CoveredRequest>,
    cnonce: ClientNonce,
    spelling: Spelling,
) -> Result<SentDigest, SchemeError> {
    let terms = nonce.terms();
    let algorithm = terms.challenge.algorithm();
    let session = algorithm.is_session().then(|| nonce.session(&cnonce).clone());
    let protection = match qop {
        None => None,
        Some(qop) => {
            let count = nonce.issue();
            let count = count.ok_or(SchemeError::new(NAME, "the nonce has been used too often"))?;
            let cnonce = session.as_ref().map_or(cnonce, |session| session.cnonce);
            let follows_accepted = nonce.follows_accepted(count);
            Some(SentProtection {
                qop,
                count,
                follows_accepted,
                digits: Hex::of(&count.to_be_bytes()),
                cnonce,
            })
        }
    };
    Ok(SentDigest {
        algorithm,
        key: session.map_or_else(|| Arc::clone(&terms.login.key), |session| session.key),
        nonce: nonce.clone(),
        protection,
        request,
        spelling,
    })
}
