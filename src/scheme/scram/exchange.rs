//! A login over HTTP: challenges in, field values out.

use std::fmt;
use std::mem;
use std::sync::Arc;

use crate::authorization::Authorization;
use crate::challenge::{AuthenticationInfo, Challenge};
use crate::credentials::Credentials;
use crate::mechanism::{Expects, Moment, Proves};
use crate::scheme::scram::Scram;
use crate::scheme::scram::attributes::ScramAttributes;
use crate::scheme::scram::attributes::authorization;
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::login::{ClientFinal, ClientFirst, Derivation, ScramLogin, client_nonce};
use crate::scheme::scram::memory::{OneRoundTripLogin, ScramMemory, ServerNonce};
use crate::scheme::scram::message::ServerFinal;

/// One login for one request, with the moment that it is begun in.
///
/// It does not depend on the connection: `sid` ties its requests together.
///
/// ```text
/// respond(challenge)   realm, client-first ──▶ 401        two round trips
/// respond(challenge)   Derive
/// resume(client-final) sid, client-final   ──▶ 200
/// conclude(info)       the server's signature
///
/// respond(_)           realm, client-final ──▶ 200        one, where the memory has the login
/// conclude(info)
/// ```
#[derive(Debug)]
pub struct ScramExchange {
    scram: Scram,
    credentials: Credentials,
    moment: Moment,
    nonces: u8,
    memory: Arc<ScramMemory>,
    realm: Option<Vec<u8>>,
    offered: Option<ServerNonce>,
    state: ScramState,
}

/// What an exchange wants done next.
#[derive(Debug)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: a message, or the work before it")]
pub enum ScramStep {
    /// Send this.
    Send {
        /// The field value.
        authorization: Authorization,
        /// Whether the request's body can go with it.
        expects: Expects,
        /// Whether it was derived from the password.
        proves: Proves,
    },
    /// [Run](Derivation::run) this, on another thread if it is not [cached](Derivation::is_cached),
    /// and [`resume`](ScramExchange::resume).
    Derive(Derivation),
}

enum ScramState {
    New,
    FirstSent(ClientFirst),
    Deriving { sid: Vec<u8> },
    FinalSent { client_final: ClientFinal, sid: Vec<u8> },
    AgainSent { client_final: ClientFinal, ticket: OneRoundTripLogin, attempt: SrAttempt },
    Over,
}

/// How many `sr` have been tried.
#[derive(Clone, Copy, PartialEq, Eq)]
enum SrAttempt {
    First,
    Second,
}

impl ScramExchange {
    /// Creates a login that is begun at this moment. `memory` belongs to the challenger.
    pub fn new(scram: &Scram, credentials: Credentials, moment: Moment, memory: Arc<ScramMemory>) -> Self {
        Self {
            scram: scram.clone(),
            credentials,
            moment,
            nonces: 0,
            memory,
            realm: None,
            offered: None,
            state: ScramState::New,
        }
    }

    /// Returns whether `challenge`, in answer to what was sent, goes on with this login; else it refuses it.
    pub fn is_continued_by(&self, challenge: &Challenge) -> bool {
        match self.state {
            ScramState::FirstSent(_) => challenge.param("data").is_some(),
            // What the server has forgotten says nothing of the password.
            ScramState::AgainSent { .. } => true,
            ScramState::New
            | ScramState::Deriving { .. }
            | ScramState::FinalSent { .. }
            | ScramState::Over => false,
        }
    }

    /// Answers a challenge, or speaks first where there is none yet.
    ///
    /// # Errors
    ///
    /// [`ScramError`] if the challenge is malformed or refuses, or if the credentials cannot serve.
    /// The exchange is over then.
    pub fn respond(&mut self, challenge: Option<&Challenge>) -> Result<ScramStep, ScramError> {
        let state = mem::replace(&mut self.state, ScramState::Over);
        let attributes = challenge.map(ScramAttributes::from_challenge).transpose()?;
        let nonce = attributes.as_ref().and_then(|attributes| self.server_nonce(attributes));
        match (state, attributes) {
            (ScramState::New, None) => {
                let now = self.moment.now;
                let known = self.memory.take_latest(self.scram.hash, &self.credentials, now);
                self.begin(known)
            }
            (ScramState::New, Some(attributes)) => {
                self.realm = attributes.realm;
                self.offered = nonce;
                let known = self.take();
                self.begin(known)
            }
            (ScramState::FirstSent(client_first), Some(attributes)) => {
                let data = attributes.data.ok_or(ScramError::Missing("its first message"))?;
                let derivation = client_first.receive(&data)?;
                let sid = attributes.sid.ok_or(ScramError::Missing("sid with its first message"))?;
                self.state = ScramState::Deriving { sid };
                Ok(ScramStep::Derive(derivation))
            }
            (ScramState::FinalSent { .. }, Some(attributes)) => Err(refusal(attributes.data.as_deref())),
            (ScramState::AgainSent { ticket, attempt, .. }, Some(attributes)) => {
                self.recover(&ticket, attempt, attributes, nonce)
            }
            (_, None) => Err(ScramError::Missing("a challenge to go on with")),
            (ScramState::Deriving { .. } | ScramState::Over, Some(_)) => Err(ScramError::OutOfOrder),
        }
    }

    /// Takes back what [`ScramStep::Derive`] asked for.
    ///
    /// # Errors
    ///
    /// [`ScramError::OutOfOrder`] if it was not asked for.
    pub fn resume(&mut self, client_final: ClientFinal) -> Result<ScramStep, ScramError> {
        let ScramState::Deriving { sid } = mem::replace(&mut self.state, ScramState::Over) else {
            return Err(ScramError::OutOfOrder);
        };
        let authorization = authorization(self.scram.hash, None, Some(&sid), client_final.message())?;
        self.state = ScramState::FinalSent { client_final, sid };
        Ok(ScramStep::Send { authorization, expects: Expects::Success, proves: Proves::Secret })
    }

    /// Concludes a login that the server accepted; `info` is what it says of the login. Without the server's signature in it
    /// the login has failed.
    ///
    /// # Errors
    ///
    /// [`ScramError`] if the signature is wrong or missing. The response is then another server's
    /// than the user's, and not to be trusted.
    pub fn conclude(&mut self, info: Option<&AuthenticationInfo>) -> Result<ScramLogin, ScramError> {
        let state = mem::replace(&mut self.state, ScramState::Over);
        let info = info.map(ScramAttributes::from_info).transpose()?.unwrap_or_default();
        let renewed = self.server_nonce(&info);
        match state {
            ScramState::FinalSent { client_final, sid } => {
                let login = client_final.verify(info.data.as_deref())?;
                if let Some(nonce) = renewed.or_else(|| self.offered.take()) {
                    let sid = Some(info.sid.unwrap_or(sid));
                    self.memory.remember(&self.credentials, self.realm.take(), login.clone(), sid, nonce);
                }
                Ok(login)
            }
            ScramState::AgainSent { client_final, ticket, .. } => {
                let verified = client_final.verify(info.data.as_deref());
                if verified.is_err() {
                    self.memory.forget(self.scram.hash, &self.credentials, ticket.realm.as_deref());
                }
                verified
            }
            ScramState::New | ScramState::FirstSent(_) | ScramState::Deriving { .. } | ScramState::Over => {
                Err(ScramError::OutOfOrder)
            }
        }
    }

    /// By the memory where it has the login, else from the beginning.
    fn begin(&mut self, known: Option<OneRoundTripLogin>) -> Result<ScramStep, ScramError> {
        match known {
            Some(ticket) => self.again(ticket, SrAttempt::First),
            None => self.first(),
        }
    }

    /// What the memory has for the challenge's realm.
    fn take(&self) -> Option<OneRoundTripLogin> {
        let (realm, offered) = (self.realm.as_deref(), self.offered.as_ref());
        self.memory.take(self.scram.hash, &self.credentials, realm, offered, self.moment.now)
    }

    fn first(&mut self) -> Result<ScramStep, ScramError> {
        let nonce = self.nonce();
        let client_first = ClientFirst::with_nonce(&self.scram, &self.credentials, nonce)?;
        let authorization =
            authorization(self.scram.hash, self.realm.as_deref(), None, &client_first.message())?;
        self.state = ScramState::FirstSent(client_first);
        Ok(ScramStep::Send { authorization, expects: Expects::Challenge, proves: Proves::Nothing })
    }

    fn again(&mut self, ticket: OneRoundTripLogin, attempt: SrAttempt) -> Result<ScramStep, ScramError> {
        let client_final = ticket.login.again(&self.nonce(), ticket.count, &ticket.sr);
        let (realm, sid) = (ticket.realm.as_deref(), ticket.sid.as_deref());
        let authorization = authorization(self.scram.hash, realm, sid, client_final.message())?;
        self.state = ScramState::AgainSent { client_final, ticket, attempt };
        Ok(ScramStep::Send { authorization, expects: Expects::Success, proves: Proves::Secret })
    }

    /// The server did not take a login of one round trip: with the new `sr` if that is all, else
    /// from the beginning. A password that has been changed is refused there.
    fn recover(
        &mut self,
        ticket: &OneRoundTripLogin,
        attempt: SrAttempt,
        attributes: ScramAttributes,
        nonce: Option<ServerNonce>,
    ) -> Result<ScramStep, ScramError> {
        self.realm = attributes.realm.or_else(|| ticket.realm.clone());
        self.offered = nonce;
        match &self.offered {
            Some(renewed) if attributes.stale && attempt == SrAttempt::First && renewed.sr != ticket.sr => {
                self.memory.replace(&self.credentials, ticket, renewed);
                match self.take() {
                    Some(ticket) => self.again(ticket, SrAttempt::Second),
                    None => self.first(),
                }
            }
            Some(_) | None => {
                self.memory.forget(self.scram.hash, &self.credentials, ticket.realm.as_deref());
                self.first()
            }
        }
    }

    /// Each message that begins a login has a nonce of its own.
    fn nonce(&mut self) -> String {
        let nonce = client_nonce(&self.moment.entropy, self.nonces);
        self.nonces = self.nonces.saturating_add(1);
        nonce
    }

    fn server_nonce(&self, attributes: &ScramAttributes) -> Option<ServerNonce> {
        let sr = attributes.server_nonce.clone()?;
        let expires = attributes.time_to_live.and_then(|time| self.moment.now.checked_add(time));
        Some(ServerNonce { sr, expires })
    }
}

/// What a challenge in answer to the final message says.
fn refusal(data: Option<&[u8]>) -> ScramError {
    let said = data.map(ServerFinal::parse);
    match said {
        Some(Ok(ServerFinal::Error(error))) => ScramError::Refused(Some(error)),
        Some(Ok(ServerFinal::Signature(_)) | Err(_)) | None => ScramError::Refused(None),
    }
}

impl fmt::Debug for ScramState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::New => "New",
            Self::FirstSent(_) => "FirstSent",
            Self::Deriving { .. } => "Deriving",
            Self::FinalSent { .. } => "FinalSent",
            Self::AgainSent { .. } => "AgainSent",
            Self::Over => "Over",
        })
    }
}
