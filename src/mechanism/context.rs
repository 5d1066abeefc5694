use std::fmt;
use std::sync::Arc;

use crate::mechanism::error::{ErrorKind, MechanismError};
use crate::mechanism::initiate::{Initiate, Moment};
use crate::mechanism::inquiry::Inquiry;
use crate::mechanism::oid;
use crate::mechanism::proves::Proves;
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

    /// What was refused may be tried again: whoever keeps refusals beside the guard forgets them
    /// ([`Authenticator::forget_refusals`](crate::handshake::Authenticator::forget_refusals)).
    fn forget_refusals(&self) {}

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

    /// Goes on after a [`Step::Consult`], with the answer or with why there is none, at a moment that is used for nothing
    /// else.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if it cannot do without the answer, or the answer is a refusal or malformed; of a mechanism
    /// that consults nobody, always.
    fn consulted(
        self: Box<Self>,
        _answer: Result<Vec<u8>, MechanismError>,
        _moment: Moment,
    ) -> Result<Step, MechanismError> {
        Err(MechanismError::new(
            ErrorKind::Unsupported,
            "a mechanism that consults nobody was given an answer",
        ))
    }

    /// Whether the next step may take much of a processor's time, such as a key from a password, and belongs off the
    /// executor.
    fn takes_time(&self) -> bool {
        false
    }

    /// What to begin in its place where the peer does not take the first token, which is all it has got, and says
    /// nothing else: the same in another form. There is none, mostly.
    fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        None
    }

    /// The mechanisms that were wanted more than the one that this context is of, each with why it is not used:
    /// `Kerberos: no KDC answers`. Where one mechanism is chosen among several (RFC 4178) that is known once the first
    /// token is there, and the server's pick may add to it.
    fn passed_over(&self) -> Option<&Arc<str>> {
        None
    }

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
    /// Ask somebody else than the peer, such as a KDC, and go on with what they say
    /// ([`SecurityContext::consulted`]).
    Consult {
        /// Who is asked what.
        inquiry: Inquiry,
        /// The context to tell.
        context: Box<dyn SecurityContext>,
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
            Self::Consult { inquiry, .. } => {
                f.debug_struct("Consult").field("inquiry", inquiry).finish_non_exhaustive()
            }
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

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::mechanism::KdcInquiry;

    struct Silent;

    impl SecurityContext for Silent {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            Err(MechanismError::new(ErrorKind::Refused, "it says nothing"))
        }
    }

    #[test]
    fn what_a_context_does_not_know_is_an_error() {
        let moment = Moment::new(SystemTime::UNIX_EPOCH, [1; 32]);
        let error = Box::new(Silent).consulted(Ok(Vec::new()), moment).expect_err("it has not asked");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert_eq!(error.to_string(), "a mechanism that consults nobody was given an answer");
        let error = Box::new(Silent).finish_without_token().expect_err("it wants a token");
        assert_eq!(error.kind(), ErrorKind::MissingToken);
    }

    #[test]
    fn no_token_is_printed() {
        let secret = || b"a token".to_vec();
        let inquiry = Inquiry::Kdc(KdcInquiry::new("LAB.TEST", [].into(), secret()));
        let established = Established::new("NTLM", Some("alice".to_owned()), Binding::Connection);
        for (step, text) in [
            (
                Step::Continue {
                    token: secret(),
                    context: Box::new(Silent),
                    expects: Expects::Challenge,
                    proves: Proves::Nothing,
                },
                "Continue { token: 7 octets, expects: Challenge, proves: Nothing, .. }",
            ),
            (
                Step::Consult { inquiry, context: Box::new(Silent) },
                "Consult { inquiry: Kdc(KdcInquiry { realm: \"LAB.TEST\", addresses: [], message: 7 octets, \
                 proves: Nothing, needs_stream: false }), .. }",
            ),
            (
                Step::Complete { token: Some(secret()), established },
                "Complete { token: Some(7), established: Established { mechanism: \"NTLM\", \
                 principal: Some(\"alice\"), mutual: false, binding: Connection, .. } }",
            ),
        ] {
            assert_eq!(format!("{step:?}"), text);
        }
    }
}
