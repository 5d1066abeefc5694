//! Digest as a scheme of the handshake.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use http::Uri;

use super::NAME;
use super::algorithm::Algorithm;
use super::challenge::DigestChallenge;
use super::info::ServerProof;
use super::nonce::ClientNonce;
use super::policy::DigestPolicy;
use super::request::DigestRequest;
use super::session::{DigestSession, SentDigest};
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::mechanism::{Binding, Expects, Initiate, MutualAuthentication, Proves};
use crate::protection_space::{Paths, ProtectionSpace};
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};

/// The Digest scheme (RFC 7616).
///
/// Requests of one user in one realm share the server's nonce, on all connections: the next one
/// takes one round trip. A nonce that has become too old is replaced, and the request sent again, as
/// often as a request may take [legs](crate::handshake::AuthenticatorBuilder::max_legs).
#[derive(Clone, Copy, Debug, Default)]
pub struct Digest {
    policy: DigestPolicy,
}

impl Digest {
    /// Digest by this policy.
    pub fn new(policy: DigestPolicy) -> Self {
        Self { policy }
    }
}

impl Scheme for Digest {
    fn name(&self) -> &'static str {
        NAME
    }

    fn binding(&self) -> Binding {
        Binding::Request
    }

    fn authenticates_server(&self) -> bool {
        true
    }

    fn is_voided_by_challenges(&self) -> bool {
        true
    }

    /// By the hash function: the strongest of several challenges is answered.
    fn strength(&self, challenge: &Challenge) -> u8 {
        let algorithm = DigestChallenge::parse(challenge).map(|challenge| challenge.algorithm());
        match algorithm {
            Ok(Algorithm::Sha512_256 | Algorithm::Sha512_256Sess) => 3,
            Ok(Algorithm::Sha256 | Algorithm::Sha256Sess) => 2,
            Ok(Algorithm::Md5 | Algorithm::Md5Sess) => 1,
            Err(_) => 0,
        }
    }

    /// What its `domain` lists on this origin, else all of it (RFC 7616, section 3.3).
    fn paths(&self, challenge: &Challenge, space: &ProtectionSpace, _: &Uri) -> Paths {
        match DigestChallenge::parse(challenge) {
            Ok(challenge) => challenge.space(space.challenger, &space.origin).paths(),
            Err(_) => Paths::All,
        }
    }

    fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
        let sessions = knowledge.of::<Sessions>();
        Box::new(DigestExchange {
            session: sessions.of(&arguments.credentials),
            sessions,
            policy: self.policy,
            credentials: arguments.credentials,
            rule: arguments.mutual_authentication,
            sent: None,
            is_fresh: false,
        })
    }
}

/// The logins in one realm, by user; the last one in use comes last.
#[derive(Default)]
struct Sessions(Mutex<Vec<(Credentials, Arc<DigestSession>)>>);

impl Sessions {
    /// How many users' logins are kept in a realm.
    const MAX: usize = 64;

    fn of(&self, credentials: &Credentials) -> Option<Arc<DigestSession>> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = sessions.iter().position(|(known, _)| known == credentials)?;
        sessions[at..].rotate_left(1);
        sessions.last().map(|(_, session)| Arc::clone(session))
    }

    /// Adds a login, unless another request was faster.
    fn add(&self, credentials: &Credentials, session: DigestSession) -> Arc<DigestSession> {
        if let Some(known) = self.of(credentials) {
            return known;
        }
        let session = Arc::new(session);
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.push((credentials.clone(), Arc::clone(&session)));
        if sessions.len() > Self::MAX {
            sessions.remove(0);
        }
        session
    }
}

struct DigestExchange {
    sessions: Arc<Sessions>,
    session: Option<Arc<DigestSession>>,
    policy: DigestPolicy,
    credentials: Credentials,
    rule: MutualAuthentication,
    sent: Option<SentDigest>,
    /// What was sent last answers the nonce of a challenge to this very request.
    is_fresh: bool,
}

impl DigestExchange {
    /// Takes a challenge's nonce.
    fn take(&mut self, challenge: &Challenge) -> Result<DigestChallenge, SchemeError> {
        let challenge = DigestChallenge::parse(challenge)?;
        match &self.session {
            Some(session) => {
                session.challenged(self.sent.as_ref(), &challenge)?;
            }
            None => {
                let session = DigestSession::new(self.credentials.clone(), self.policy, &challenge)?;
                self.session = Some(self.sessions.add(&self.credentials, session));
            }
        }
        Ok(challenge)
    }
}

impl Exchange for DigestExchange {
    /// A nonce that is too old says nothing about the password. One that was replaced, or whose count
    /// was overtaken, may be refused for that. And servers that want counts in order, or have been
    /// started anew, say nothing but 401 (httpd's `AuthDigestNcCheck`): once in a request, an answer to
    /// a nonce of an earlier one is given again. A challenge of another realm wants a login of its own.
    fn continuation(&self, challenge: &Challenge, is_accepted: bool) -> Continuation {
        let (Some(session), Some(sent)) = (&self.session, &self.sent) else { return Continuation::Refuses };
        let Ok(challenge) = DigestChallenge::parse(challenge) else { return Continuation::Refuses };
        if !session.is_for(&challenge) {
            return Continuation::Refuses;
        }
        // Without a lockout guard nobody but the session knows of a proof.
        let is_accepted = is_accepted || session.was_accepted();
        let is_new = !sent.used_nonce_of(&challenge);
        match () {
            () if challenge.is_stale() => Continuation::GoesOn,
            () if is_accepted && is_new && session.has_overtaken(sent) => Continuation::Superseded,
            () if is_accepted && is_new && !self.is_fresh => Continuation::Renews,
            () => Continuation::Refuses,
        }
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        let asked = match challenge {
            Some(challenge) => Some(self.take(challenge)?),
            None if self.session.is_none() => return Ok(Reply::Listen),
            None => None,
        };
        let Some(session) = &self.session else {
            return Err(SchemeError::new(NAME, "there is no challenge to answer"));
        };
        let challenge = session.challenge();
        let content = request.content.filter(|_| challenge.needs_body_digest()).map(|content| {
            let mut hasher = challenge.body_hasher();
            content.read(&mut |octets| hasher.update(octets));
            hasher.finish()
        });
        let moment = request.moments.moment().map_err(|error| SchemeError::mechanism(NAME, error))?;
        let request = DigestRequest::from(request).with_body_digest(content.as_ref());
        let (authorization, sent) = session.authorize(&request, ClientNonce::new(moment.entropy))?;
        self.is_fresh = asked.is_some_and(|challenge| sent.used_nonce_of(&challenge));
        self.sent = Some(sent);
        Ok(Reply::Send { authorization, expects: Expects::Success, proves: Proves::Secret })
    }

    fn conclude(&mut self, acceptance: Acceptance<'_>) -> Result<Reply, SchemeError> {
        let (Some(session), Some(sent)) = (&self.session, &self.sent) else {
            return Err(SchemeError::new(NAME, "there is no exchange to conclude"));
        };
        let Acceptance { challenger, fields, .. } = acceptance;
        let proof = session.concluded(sent, challenger, fields, None, self.rule)?;
        Ok(Reply::Done(Proof {
            mechanism: NAME,
            principal: self.credentials.username().map(str::to_owned),
            mutual: proof == ServerProof::Verified,
            binding: Binding::Request,
        }))
    }
}

impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sessions(..)")
    }
}
