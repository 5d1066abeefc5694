//! Whole negotiations: with the acceptor of `testing`, with answers by hand, and as recorded.

mod answers;
mod negotiation;
mod recorded;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use md5::{Digest, Md5};

use crate::credentials::{Ambient, Credentials};
use crate::der;
use crate::mechanism::oid;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::spnego::token::{NegState, NegTokenResp};
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, MessageIntegrity, Moment,
    MutualAuthentication, Proves, SecurityContext, Step,
};
use crate::testing::acceptor::{Accept, Acceptor};
use crate::testing::spnego::{NegTokenInit, ServerMic, SpnegoAcceptor};

/// A mechanism with tokens of plain text and integrity by MD5 over a shared key.
#[derive(Clone, Debug)]
struct Keyed {
    name: &'static str,
    oid: &'static [u8],
    legs: Legs,
    integrity: bool,
    /// The entropy of every context.
    seen: Arc<Mutex<Vec<[u8; 32]>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Legs {
    /// No ticket: the first step fails.
    CannotStart,
    /// The KDC refuses the password: the first step fails.
    WrongPassword,
    /// Kerberos without mutual authentication: complete with the first token.
    One,
    /// Kerberos with it: the server sends the last token.
    Two,
    /// NTLM: the client sends the last token.
    Three,
}

impl Keyed {
    fn kerberos(legs: Legs) -> Self {
        Self { name: "Kerberos", oid: oid::KERBEROS, legs, integrity: true, seen: Arc::default() }
    }

    fn ntlm() -> Self {
        Self { name: "NTLM", oid: oid::NTLM, ..Self::kerberos(Legs::Three) }
    }

    fn without_integrity(self) -> Self {
        Self { integrity: false, ..self }
    }

    fn acceptor(&self) -> Box<dyn Acceptor> {
        Box::new(KeyedAcceptor { mechanism: self.clone() })
    }

    fn message(&self, text: &str) -> Vec<u8> {
        let prefix = if self.oid == oid::NTLM { "NTLMSSP\0" } else { "" };
        format!("{prefix}{text}").into_bytes()
    }

    /// The same in GSS-API's frame.
    fn framed(&self, text: &str) -> Vec<u8> {
        let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[self.oid]);
        der::encode(der::APPLICATION_0, &[&mechanism, &self.message(text)])
    }

    fn established(&self) -> Established {
        let mut established = Established::new(self.name, Some("alice".to_owned()), Binding::Connection);
        established.mutual = self.legs == Legs::Two;
        established.integrity = self.integrity("client", "server");
        established
    }

    fn integrity(&self, own: &'static str, peer: &'static str) -> Option<Box<dyn MessageIntegrity>> {
        self.integrity
            .then(|| -> Box<dyn MessageIntegrity> { Box::new(KeyedMic { own, peer, numbers: (0, 0) }) })
    }
}

impl Mechanism for Keyed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn oid(&self) -> &'static [u8] {
        self.oid
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        self.seen.lock().expect("no test panics with it").push(*moment.entropy.octets());
        assert_eq!(&*arguments.target_name, "HTTP/mail.example");
        Box::new(KeyedContext(self.clone()))
    }

    fn may_block(&self) -> bool {
        self.oid == oid::KERBEROS
    }

    fn authenticates_peer(&self) -> bool {
        self.oid == oid::KERBEROS
    }

    fn takes_ambient_credentials(&self) -> bool {
        self.oid == oid::KERBEROS
    }
}

struct KeyedContext(Keyed);

impl SecurityContext for KeyedContext {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Keyed { legs, .. } = self.0;
        let Some(input) = input else {
            let token = self.0.message("hello");
            let expects = match legs {
                Legs::CannotStart => return Err(MechanismError::new(ErrorKind::Credentials, "no ticket")),
                Legs::WrongPassword => {
                    return Err(MechanismError::new(ErrorKind::WrongPassword, "the KDC says no"));
                }
                Legs::One => {
                    return Ok(Step::Complete { token: Some(token), established: self.0.established() });
                }
                Legs::Two => Expects::Success,
                Legs::Three => Expects::Challenge,
            };
            return Ok(Step::Continue {
                token,
                context: self,
                expects,
                proves: if legs == Legs::Two { Proves::Secret } else { Proves::Nothing },
            });
        };
        if input == self.0.message("clock skew") {
            return Err(MechanismError::new(ErrorKind::DefectiveToken, "the clocks differ"));
        }
        if input != self.0.message("challenge") && input != self.0.framed("challenge") {
            return Err(MechanismError::new(ErrorKind::DefectiveToken, "not a challenge"));
        }
        let token = (legs == Legs::Three).then(|| self.0.message("response"));
        Ok(Step::Complete { token, established: self.0.established() })
    }
}

struct KeyedAcceptor {
    mechanism: Keyed,
}

impl Acceptor for KeyedAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let mechanism = &self.mechanism;
        let accepted = |token| Accept::Accepted {
            user: "alice".to_owned(),
            token,
            integrity: mechanism.integrity("server", "client"),
        };
        match (mechanism.legs, token) {
            (Legs::One, token) if token == mechanism.message("hello") => accepted(None),
            (Legs::Two, token) if token == mechanism.message("hello") => {
                accepted(Some(mechanism.message("challenge")))
            }
            (Legs::Three, token) if token == mechanism.message("hello") => {
                Accept::Continue(mechanism.message("challenge"))
            }
            (Legs::Three, token) if token == mechanism.message("response") => accepted(None),
            _ => Accept::Refused { why: "what?".to_owned(), token: None },
        }
    }
}

struct KeyedMic {
    own: &'static str,
    peer: &'static str,
    numbers: (u8, u8),
}

fn md5_mic(sender: &str, number: u8, message: &[u8]) -> Vec<u8> {
    let mut md5 = Md5::new();
    md5.update(b"key");
    md5.update(sender.as_bytes());
    md5.update([number]);
    md5.update(message);
    md5.finalize().to_vec()
}

impl MessageIntegrity for KeyedMic {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        self.numbers.0 += 1;
        Ok(md5_mic(self.own, self.numbers.0 - 1, message))
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        self.numbers.1 += 1;
        if mic != md5_mic(self.peer, self.numbers.1 - 1, message) {
            return Err(MechanismError::new(ErrorKind::BadMic, "the integrity code does not match"));
        }
        Ok(())
    }
}

fn arguments() -> Initiate {
    Initiate::new("HTTP/mail.example", Credentials::password("alice", "pw"))
}

fn moment() -> Moment {
    Moment::new(UNIX_EPOCH, [7; 32])
}

fn spnego(mechanisms: impl IntoIterator<Item = Keyed>) -> Spnego {
    Spnego::new(mechanisms.into_iter().map(|keyed| Arc::new(keyed) as Arc<dyn Mechanism>).collect())
}

fn first(spnego: &Spnego) -> (Vec<u8>, Box<dyn SecurityContext>) {
    went_on(spnego.initiate(arguments(), moment()).step(None))
}

#[track_caller]
fn went_on(step: Result<Step, MechanismError>) -> (Vec<u8>, Box<dyn SecurityContext>) {
    match step {
        Ok(Step::Continue { token, context, .. }) => (token, context),
        other => panic!("expected another leg, not {other:?}"),
    }
}

#[track_caller]
fn completed(step: Result<Step, MechanismError>) -> (Option<Vec<u8>>, Established) {
    match step {
        Ok(Step::Complete { token, established }) => (token, established),
        other => panic!("expected the end, not {other:?}"),
    }
}

#[track_caller]
fn kind(step: Result<Step, MechanismError>) -> ErrorKind {
    step.expect_err("an error").kind()
}

fn answer(
    state: impl Into<Option<NegState>>,
    supported_mech: Option<&[u8]>,
    response_token: Option<&[u8]>,
    mech_list_mic: Option<&[u8]>,
) -> Vec<u8> {
    NegTokenResp { state: state.into(), supported_mech, response_token, mech_list_mic }.encode()
}

/// A conversation as over HTTP: each token is a request, each answer a 401 or, at last, a 200.
fn converse(spnego: &Spnego, server: &mut dyn Acceptor) -> Result<Established, MechanismError> {
    let mut step = spnego.initiate(arguments(), moment()).step(None)?;
    for _ in 0..5 {
        let (token, context) = match step {
            Step::Continue { token, context, .. } => (token, Ok(context)),
            Step::Complete { token: Some(token), established } => (token, Err(established)),
            Step::Complete { token: None, established } => return Ok(established),
            Step::Consult { .. } => panic!("nobody is there to be asked"),
        };
        step = match (server.step(&token), context) {
            (Accept::Continue(token), Ok(context)) => context.step(Some(&token))?,
            (Accept::Accepted { token: None, .. }, Ok(context)) => return context.finish_without_token(),
            (Accept::Accepted { .. }, Err(established)) => return Ok(established),
            (Accept::Accepted { token: Some(token), .. }, Ok(context)) => {
                let step = context.step(Some(&token))?;
                assert!(
                    matches!(step, Step::Complete { token: None, .. }),
                    "nothing is left to say: {step:?}"
                );
                step
            }
            (Accept::Refused { token: Some(token), .. }, Ok(context)) => context.step(Some(&token))?,
            (answer, _) => panic!("the server is lost: {answer:?}"),
        };
    }
    panic!("the conversation does not end");
}
