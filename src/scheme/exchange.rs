use std::sync::Arc;

use http::HeaderMap;

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::mechanism::{Binding, Expects, Inquiry, MechanismError, Proves, StepJob, Stepped};
use crate::protection_space::Challenger;
use crate::scheme::error::SchemeError;
use crate::scheme::request::RequestContext;

/// One login, challenge by challenge.
pub trait Exchange: Send {
    /// What `challenge` is in answer to what this exchange has sent. `is_accepted` says that the
    /// credentials have been accepted in this space before.
    fn continuation(&self, challenge: &Challenge, is_accepted: bool) -> Continuation;

    /// Which challenge was answered with what was sent last, by its [order](Challenge::order). It may have
    /// come to another request of the space. `None` if it was none, or if later challenges make none void
    /// in this scheme.
    fn answered(&self) -> Option<u64> {
        None
    }

    /// Tells how to treat a refusal without a challenge that this exchange can answer. What was sent may have been of
    /// an older state of the server: then nothing of that is used again.
    fn unchallenged(&mut self, _is_accepted: bool) -> Continuation {
        Continuation::Refuses
    }

    /// What was to be sent was not: nobody has seen it.
    fn not_sent(&mut self) {}

    /// Whether what was made last may be challenged only for its age: Digest's nonce may have become too
    /// old. A large body then waits until the server has taken it.
    fn may_be_out_of_date(&self) -> bool {
        false
    }

    /// Answers a challenge, or speaks first where there is none yet.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if the challenge is malformed or the credentials cannot serve.
    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError>;

    /// The server has answered what was sent by `400 Bad Request`. Says the same to it in another way, where there
    /// is one and the server may not have understood the first; nothing is known of the credentials by that.
    fn rephrase(&mut self, _request: RequestContext<'_>) -> Option<Result<Reply, SchemeError>> {
        None
    }

    /// Takes back the step that a [`Reply::Step`] asked for.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] with the mechanism's error.
    fn resume(&mut self, _stepped: Stepped) -> Result<Reply, SchemeError> {
        Err(SchemeError::new("a scheme without steps", "it was told to resume one"))
    }

    /// Takes the answer that a [`Reply::Consult`] asked for, or why there is none.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if it cannot do without.
    fn consulted(&mut self, _answer: Result<Vec<u8>, MechanismError>) -> Result<Reply, SchemeError> {
        Err(SchemeError::new("a scheme that consults nobody", "it was given an answer"))
    }

    /// Answers what a [`Reply::Gather`] was said to, with [`content`](RequestContext::content) if there is any.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if it cannot do without.
    fn gathered(&mut self, _request: RequestContext<'_>) -> Result<Reply, SchemeError> {
        Err(SchemeError::new("a scheme that covers no content", "it was told of some"))
    }

    /// The mechanisms that were wanted more than the one that is used, each with why it is not
    /// ([`SecurityContext::passed_over`](crate::mechanism::SecurityContext::passed_over)).
    fn passed_over(&self) -> Option<&Arc<str>> {
        None
    }

    /// The server accepted.
    ///
    /// # Errors
    ///
    /// [`SchemeError`] if its final word is wrong, or missing where the mechanism needs it.
    fn conclude(&mut self, acceptance: Acceptance<'_>) -> Result<Reply, SchemeError>;
}

/// What a challenge is to an exchange.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Continuation {
    /// It goes on with the exchange, and says nothing about the credentials.
    GoesOn,
    /// It may be answered again, as another login: what was sent was of an older state of the
    /// server than another request has seen since.
    Superseded,
    /// It refuses what was sent, but may be answered again, as another login: what was sent was
    /// made with what an earlier request has left behind.
    Renews,
    /// It takes no notice of what was sent, which may not have been understood: the exchange can say the same in another
    /// form, on this connection.
    TakesAnotherForm,
    /// It stands for itself, and refuses what was sent.
    Refuses,
}

/// A response that accepts a login.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Acceptance<'a> {
    /// Who accepts it.
    pub challenger: Challenger,
    /// This scheme's final token, in place of a challenge (RFC 4559, section 5).
    pub challenge: Option<&'a Challenge>,
    /// The response's fields, with `Authentication-Info` where the scheme has it.
    pub fields: &'a HeaderMap,
}

impl<'a> Acceptance<'a> {
    /// Creates an acceptance with this final token and these fields.
    pub fn new(challenger: Challenger, challenge: Option<&'a Challenge>, fields: &'a HeaderMap) -> Self {
        Self { challenger, challenge, fields }
    }
}

/// What an exchange wants done next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Reply {
    /// Send this.
    Send {
        /// The field value.
        authorization: Authorization,
        /// Whether the request's body can go with it.
        expects: Expects,
        /// What it was made with.
        proves: Proves,
    },
    /// Run a mechanism's step and [`resume`](Exchange::resume).
    Step(StepJob),
    /// Ask somebody else than the server, and tell by [`consulted`](Exchange::consulted).
    Consult(Inquiry),
    /// Keep the request's content as a whole, if that can be, and tell by [`gathered`](Exchange::gathered).
    Gather,
    /// The exchange is complete.
    Done(Proof),
    /// There is nothing to say before a challenge.
    Listen,
}

/// What a completed exchange has shown.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Proof {
    /// The mechanism behind the scheme, such as NTLM behind Negotiate.
    pub mechanism: &'static str,
    /// Who is logged in, as far as the mechanism tells.
    pub principal: Option<String>,
    /// Whether the server has proven who it is.
    pub mutual: bool,
    /// What the login is tied to.
    pub binding: Binding,
}

impl Proof {
    /// Creates a completed exchange in which the server has not proven who it is.
    pub fn new(mechanism: &'static str, principal: Option<String>, binding: Binding) -> Self {
        Self { mechanism, principal, mutual: false, binding }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::{Method, Uri};

    use super::*;
    use crate::credentials::Credentials;
    use crate::mechanism::{ErrorKind, FixedMoment, Initiate};
    use crate::scheme::{Basic, Knowledge, Scheme};

    #[test]
    fn a_scheme_of_one_message_has_no_use_for_what_others_ask_for() {
        let arguments = Initiate::new("HTTP/host", Credentials::password("alice", "pw"));
        let mut basic = Basic::new().begin(arguments, &Knowledge::default());
        let (uri, moments) = (Uri::from_static("/"), FixedMoment(SystemTime::UNIX_EPOCH));
        let request = RequestContext::new(&Method::GET, &uri, false, &moments);
        let timeout = || MechanismError::new(ErrorKind::Timeout, "too late");
        for (reply, text) in [
            (basic.resume(Stepped::failed(timeout())), "a scheme without steps: it was told to resume one"),
            (basic.consulted(Err(timeout())), "a scheme that consults nobody: it was given an answer"),
            (basic.gathered(request), "a scheme that covers no content: it was told of some"),
        ] {
            assert_eq!(reply.expect_err(text).to_string(), text);
        }
        assert_eq!(basic.unchallenged(true), Continuation::Refuses);
        assert!(basic.rephrase(request).is_none());
        assert!(!basic.may_be_out_of_date());
        assert!(basic.answered().is_none() && basic.passed_over().is_none());
    }

    #[test]
    fn a_proof_does_not_claim_that_the_server_has_proven_itself() {
        let proof = Proof::new("Basic", Some("alice".to_owned()), Binding::Request);
        assert_eq!((proof.mechanism, proof.principal.as_deref()), ("Basic", Some("alice")));
        assert!(!proof.mutual);
        assert_eq!(proof.binding, Binding::Request);
    }
}
