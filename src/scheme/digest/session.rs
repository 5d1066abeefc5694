//! One user's login in one realm, shared by the requests that use it.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::HeaderMap;

use super::NAME;
use super::algorithm::{Algorithm, Hex};
use super::body::{BodyDigest, BodyHasher};
use super::challenge::DigestChallenge;
use super::info::{Info, ServerProof};
use super::nonce::{ClientNonce, Nonces, Renewal};
use super::policy::DigestPolicy;
use super::request::DigestRequest;
use super::response::{self, Protection, Qop};
use super::user::{self, Login};
use crate::authorization::{Authorization, ParamValue};
use crate::credentials::Credentials;
use crate::mechanism::MutualAuthentication;
use crate::protection_space::Challenger;
use crate::scheme::SchemeError;

/// One user's login in one realm: the present nonce, its count, and the key that the password is
/// reduced to.
///
/// Any number of requests use it at the same time, from any thread; nothing waits but for a few
/// hashes. It holds the password's equal, wiped when it is dropped.
pub struct DigestSession {
    credentials: Credentials,
    policy: DigestPolicy,
    state: Mutex<State>,
}

struct State {
    terms: Arc<Terms>,
    nonces: Nonces,
    session: Option<SessionKey>,
    /// A server has taken an answer.
    accepted: bool,
}

/// What a challenge and the credentials come to.
struct Terms {
    challenge: DigestChallenge,
    login: Arc<Login>,
}

/// The key of an algorithm with `-sess`, and the client's nonce that it was made with.
///
/// It lives from one challenge to the next, a `nextnonce` between them changes neither (RFC 7616,
/// section 3.4.2). The client's nonce stays the same as well: servers that keep no sessions make
/// the key anew from what each request says.
#[derive(Clone)]
struct SessionKey {
    key: Arc<Hex>,
    cnonce: ClientNonce,
}

impl DigestSession {
    /// A login that answers this challenge.
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
        let login = Arc::new(user::log_in(&credentials, challenge, policy.charset)?);
        let terms = Arc::new(Terms { challenge: challenge.clone(), login });
        let nonces = Nonces::new(Arc::clone(challenge.nonce()));
        let state = Mutex::new(State { terms, nonces, session: None, accepted: false });
        Ok(Self { credentials, policy, state })
    }

    /// The field value for a request, and what to remember of it until its response is there.
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
        request.check()?;
        let (terms, sent) = self.issue(request, cnonce)?;
        let body = match &sent.protection {
            Some(SentProtection { qop: Qop::AuthInt, .. }) => request.body_hash(sent.algorithm),
            Some(_) | None => None,
        };
        let hash = sent.algorithm.hash();
        let request_hash =
            response::request_hash(hash, request.method.as_str(), &sent.target, body.as_deref());
        let response = response::response(hash, &sent.key, &sent.nonce, sent.protection(), &request_hash);
        Ok((terms.field(&sent, &response)?, sent))
    }

    /// A request was challenged: one that had been sent with an answer, or, `None`, without.
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
    ) -> Result<Renewal, SchemeError> {
        challenge.allowed_by(&self.policy)?;
        let mut state = self.state();
        let known = &state.terms;
        if challenge.realm() != known.challenge.realm() {
            return Err(SchemeError::new(NAME, "the challenge is for another realm than the login"));
        }
        let is_late = match sent {
            Some(sent) => sent.nonce != *state.nonces.present(),
            None => challenge.has_key_of(&known.challenge),
        };
        if is_late {
            return Ok(Renewal::Superseded);
        }
        let login = if challenge.has_key_of(&known.challenge) {
            Arc::clone(&known.login)
        } else {
            Arc::new(user::log_in(&self.credentials, challenge, self.policy.charset)?)
        };
        state.terms = Arc::new(Terms { challenge: challenge.clone(), login });
        state.session = None;
        Ok(state.nonces.renew(challenge.nonce()))
    }

    /// A request was accepted, by a response with these fields (or trailers): checks what the
    /// server says of itself and takes its `nextnonce`.
    ///
    /// `body` is the hash of the response's content, where it is known; it is needed
    /// [with `auth-int` alone](SentDigest::response_hasher).
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
        let info = match (Info::parse(challenger, fields), rule) {
            (Ok(info), _) => info,
            (Err(error), MutualAuthentication::Required) => {
                return Err(SchemeError::authentication_info(NAME, error));
            }
            // What is not legible proves nothing, as if it were not there.
            (Err(_), MutualAuthentication::Preferred | MutualAuthentication::Off) => Info::default(),
        };
        let proof = info.verify(sent, body, rule)?;
        let mut state = self.state();
        state.accepted = true;
        if let Some(next_nonce) = info.next_nonce() {
            if sent.nonce == *state.nonces.present() {
                state.nonces.renew(&next_nonce);
            }
        }
        Ok(proof)
    }

    /// The challenge that it answers at present.
    pub fn challenge(&self) -> DigestChallenge {
        self.state().terms.challenge.clone()
    }

    /// Whether it can answer this challenge: one of its realm that the policy lets pass.
    pub(super) fn is_for(&self, challenge: &DigestChallenge) -> bool {
        challenge.realm() == self.state().terms.challenge.realm()
            && challenge.allowed_by(&self.policy).is_ok()
    }

    /// Whether, since this was sent, another request has brought another nonce, or used a higher count.
    pub(super) fn has_overtaken(&self, sent: &SentDigest) -> bool {
        let state = self.state();
        sent.nonce != *state.nonces.present()
            || sent.count().is_some_and(|count| count < state.nonces.count())
    }

    /// Whether a server has taken an answer of it.
    pub(super) fn was_accepted(&self) -> bool {
        self.state().accepted
    }

    /// Takes a count, which is all that has to happen one request after the other.
    fn issue(
        &self,
        request: &DigestRequest<'_>,
        cnonce: ClientNonce,
    ) -> Result<(Arc<Terms>, SentDigest), SchemeError> {
        let mut state = self.state();
        let terms = Arc::clone(&state.terms);
        let algorithm = terms.challenge.algorithm();
        let qop = terms.challenge.choose(request.has_body_hash(algorithm))?;
        let session = algorithm.is_session().then(|| state.session(&cnonce));
        let protection = match qop {
            None => None,
            Some(qop) => {
                let count = state.nonces.issue();
                let count = count.ok_or(SchemeError::new(NAME, "the nonce has been used too often"))?;
                let cnonce = session.as_ref().map_or(cnonce, |session| session.cnonce.clone());
                Some(SentProtection { qop, count, digits: format!("{count:08x}"), cnonce })
            }
        };
        let sent = SentDigest {
            algorithm,
            key: session.map_or_else(|| Arc::clone(&terms.login.key), |session| session.key),
            nonce: Arc::clone(state.nonces.present()),
            protection,
            target: request.target.as_ref().into(),
        };
        Ok((terms, sent))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for DigestSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DigestSession").field("credentials", &self.credentials).finish_non_exhaustive()
    }
}

impl State {
    /// Begins with the first request after a challenge.
    fn session(&mut self, cnonce: &ClientNonce) -> SessionKey {
        let (terms, nonce) = (&self.terms, self.nonces.present());
        let session = self.session.get_or_insert_with(|| {
            let hash = terms.challenge.algorithm().hash();
            let key = response::session_key(hash, &terms.login.key, nonce, cnonce.text());
            SessionKey { key: Arc::new(key), cnonce: cnonce.clone() }
        });
        session.clone()
    }
}

impl Terms {
    /// Which parameters are quoted, and which are not, is what RFC 7616, section 3.4 says.
    fn field(&self, sent: &SentDigest, response: &Hex) -> Result<Authorization, SchemeError> {
        let challenge = &self.challenge;
        let quoted = |value| ParamValue::Quoted(value);
        let mut params = vec![
            self.login.name.param(),
            ("realm", quoted(challenge.realm())),
            ("nonce", quoted(&sent.nonce)),
            ("uri", quoted(sent.target.as_bytes())),
            ("response", quoted(response.as_bytes())),
        ];
        params.extend(challenge.algorithm_as_sent().map(|name| ("algorithm", ParamValue::Token(name))));
        params.extend(challenge.opaque().map(|opaque| ("opaque", quoted(opaque))));
        if let Some(protection) = &sent.protection {
            params.push(("qop", ParamValue::Token(protection.qop.name())));
            params.push(("nc", ParamValue::Token(&protection.digits)));
            params.push(("cnonce", quoted(protection.cnonce.text().as_bytes())));
        }
        if challenge.wants_user_hash() {
            params.push(("userhash", ParamValue::Token("true")));
        }
        Authorization::params(NAME, params)
            .map_err(|_| SchemeError::new(NAME, "the answer has characters that cannot be sent"))
    }
}

/// What was sent with a request, to be held against its response.
#[derive(Clone)]
pub struct SentDigest {
    pub(super) algorithm: Algorithm,
    pub(super) key: Arc<Hex>,
    pub(super) nonce: Arc<[u8]>,
    pub(super) protection: Option<SentProtection>,
    pub(super) target: Box<str>,
}

#[derive(Clone)]
pub(super) struct SentProtection {
    pub(super) qop: Qop,
    pub(super) count: u32,
    pub(super) digits: String,
    pub(super) cnonce: ClientNonce,
}

impl SentDigest {
    /// How often the nonce had been used with this request; `None` as before RFC 2617.
    pub fn count(&self) -> Option<u32> {
        self.protection.as_ref().map(|protection| protection.count)
    }

    /// Whether it was an answer to this challenge's nonce.
    pub(super) fn used_nonce_of(&self, challenge: &DigestChallenge) -> bool {
        self.nonce == *challenge.nonce()
    }

    /// For the content of the response, if the server's proof covers it, as far as these fields
    /// tell: a proof may also come in a trailer.
    pub fn response_hasher(&self, challenger: Challenger, fields: &HeaderMap) -> Option<BodyHasher> {
        let own = self.protection.as_ref().map(|protection| protection.qop);
        let said = Info::parse(challenger, fields).ok().and_then(|info| info.qop().ok()?);
        (own.is_some() && said.or(own) == Some(Qop::AuthInt)).then(|| BodyHasher::new(self.algorithm))
    }

    pub(super) fn protection(&self) -> Option<Protection<'_>> {
        self.protection.as_ref().map(|protection| Protection {
            qop: protection.qop,
            count: &protection.digits,
            cnonce: protection.cnonce.text(),
        })
    }
}

impl fmt::Debug for SentDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SentDigest")
            .field("algorithm", &self.algorithm)
            .field("target", &self.target)
            .field("count", &self.count())
            .finish_non_exhaustive()
    }
}
