use std::fmt;

use crate::mechanism::error::{ErrorKind, MechanismError};
use crate::mechanism::initiate::{Initiate, Moment};
use crate::mechanism::oid;
use crate::mechanism::without_ntlm::WithoutNtlm;

/// A security mechanism as an initiator sees it.
pub trait Mechanism: Send + Sync + fmt::Debug {
    /// The mechanism's common name, for errors and outcomes: `NTLM`, `Kerberos`, `SPNEGO`.
    fn name(&self) -> &'static str;

    /// The object identifier as DER content octets, without tag and length.
    fn oid(&self) -> &'static [u8];

    /// Begins a context at a moment that is used for nothing else. Only captures its arguments:
    /// what may fail or block happens in the first step.
    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext>;

    /// Whether steps may block (a ticket from a KDC) and belong off the executor.
    fn may_block(&self) -> bool {
        false
    }

    /// Whether the peer can prove in this mechanism who it is. One that cannot is not used where
    /// mutual authentication is [required](crate::mechanism::MutualAuthentication::Required).
    fn authenticates_peer(&self) -> bool {
        false
    }

    /// Whether it shows a password only to a KDC, so that a server's refusals of it are none of its
    /// business.
    fn asks_kdc(&self) -> bool {
        false
    }

    /// Whether it can use the [system's credentials](crate::credentials::Ambient); else it takes a
    /// password.
    fn takes_ambient_credentials(&self) -> bool {
        false
    }

    /// What is left of it where NTLM [is shut out](crate::handshake::AuthenticatorBuilder::without_ntlm). One
    /// that may use NTLM though it has another object identifier has to say so.
    fn without_ntlm(&self) -> WithoutNtlm<dyn Mechanism> {
        if self.oid() == oid::NTLM { WithoutNtlm::Nothing } else { WithoutNtlm::Same }
    }
}

/// A security context that is not established yet.
///
/// A step consumes the context, so that a finished or failed one cannot be stepped again.
pub trait SecurityContext: Send {
    /// The continuation step: `None` first, then each token of the peer.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the peer's token is malformed or refuses, or if the credentials
    /// cannot serve.
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError>;

    /// The peer accepted without sending the token that this context still expects.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] where the mechanism cannot do without it, which is the default.
    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        Err(MechanismError::new(ErrorKind::MissingToken, "the server accepted without the final token"))
    }
}

/// What a step came to.
#[non_exhaustive]
pub enum Step {
    /// Send the token and step again with what comes back.
    Continue {
        /// For the peer.
        token: Vec<u8>,
        /// The context to step next.
        context: Box<dyn SecurityContext>,
        /// Which kind of response carries the next token.
        expects: Expects,
        /// What the token was made with: whether a refusal of it counts against the password.
        proves: Proves,
    },
    /// The context is established on this side; send the token if there is one.
    Complete {
        /// For the peer.
        token: Option<Vec<u8>>,
        /// What came of it.
        established: Established,
    },
}

impl fmt::Debug for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Continue { token, expects, proves, .. } => f
                .debug_struct("Continue")
                .field("token", &format_args!("{} octets", token.len()))
                .field("expects", expects)
                .field("proves", proves)
                .finish_non_exhaustive(),
            Self::Complete { token, established } => f
                .debug_struct("Complete")
                .field("token", &token.as_ref().map(Vec::len))
                .field("established", established)
                .finish(),
        }
    }
}

/// Which response answers a token.
///
/// Kerberos with mutual authentication *continues* on what is the final leg, NTLM's first
/// message continues on one that is not: only the mechanism knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Expects {
    /// The peer has all that it needs: the request itself can go with this token.
    Success,
    /// The peer will answer with another challenge.
    Challenge,
}

/// What a token was made with, and so what a refusal of it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Proves {
    /// Nothing that anybody holds: a first message that only opens the conversation.
    Nothing,
    /// The secret: a refusal counts as a wrong password.
    Secret,
    /// The secret, for a KDC behind the server, which relays what the KDC says to it (IAKERB): that is the
    /// verdict, and a challenge without it says nothing.
    Relayed,
    /// A ticket that a KDC has granted: a refusal says nothing about the password.
    Ticket {
        /// The KDC was asked just now, so that it has taken the password.
        is_new: bool,
    },
}

impl Proves {
    /// What the last token of an established context was made with.
    pub(crate) fn of(established: &Established) -> Self {
        match established.binding {
            Binding::Connection => Self::Secret,
            Binding::Request => Self::Ticket { is_new: false },
        }
    }
}

/// Who a context is shared with once it is established.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum Binding {
    /// The whole connection is authenticated: later requests on it carry nothing.
    Connection,
    /// Each request carries its own authorization.
    Request,
}

/// An established security context.
#[non_exhaustive]
pub struct Established {
    /// The mechanism that was used in the end, such as `NTLM` inside SPNEGO.
    pub mechanism: &'static str,
    /// The name of the initiator, as far as the mechanism tells.
    pub principal: Option<String>,
    /// Whether the peer has proven who it is.
    pub mutual: bool,
    /// What servers tie this mechanism's contexts to, until they say otherwise.
    pub binding: Binding,
    /// Message integrity, where the mechanism has it and it was [asked for](Initiate::integrity).
    pub integrity: Option<Box<dyn MessageIntegrity>>,
}

impl Established {
    /// Creates an established context without mutual authentication or integrity.
    pub fn new(mechanism: &'static str, principal: Option<String>, binding: Binding) -> Self {
        Self { mechanism, principal, mutual: false, binding, integrity: None }
    }
}

impl fmt::Debug for Established {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Established")
            .field("mechanism", &self.mechanism)
            .field("principal", &self.principal)
            .field("mutual", &self.mutual)
            .field("binding", &self.binding)
            .finish_non_exhaustive()
    }
}

/// `GSS_GetMIC` and `GSS_VerifyMIC` (RFC 2743, sections 2.3.1 and 2.3.2).
pub trait MessageIntegrity: Send {
    /// The integrity code of a message that this side sends.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the context cannot make one (any more).
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError>;

    /// Checks the integrity code of a message that the peer sent.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] with [`ErrorKind::BadMic`] if it does not match.
    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError>;
}
