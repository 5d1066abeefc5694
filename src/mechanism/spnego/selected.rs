//! The rest of a negotiation, once the server has picked: the mechanism's legs, and the exchange of
//! mechListMIC (RFC 4178, section 5).

use std::sync::Arc;

use crate::mechanism::spnego::token::{NegState, NegTokenResp, defective};
use crate::mechanism::{
    ErrorKind, Established, Expects, MechanismError, Moment, Proves, SecurityContext, Step,
};

/// Whether the mechanism inside is done on this side.
pub(super) enum InnerProgress {
    Stepping(Box<dyn SecurityContext>),
    Done(Established),
}

impl InnerProgress {
    pub(super) fn takes_time(&self) -> bool {
        matches!(self, Self::Stepping(inner) if inner.takes_time())
    }
}

/// Which of the offered mechanisms the server picked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Choice {
    /// The one offered first: nobody can have gained by tampering with the list, and the
    /// integrity codes are optional (RFC 4178, section 5).
    First,
    /// Another one, perhaps since somebody removed those before it from the list on its way. The
    /// integrity codes of the list are required in both directions.
    Other,
}

/// The server has picked a mechanism.
struct Selected {
    negotiated: Negotiated,
    progress: InnerProgress,
}

impl SecurityContext for Selected {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else { return Err(missing_token()) };
        // A supportedMech in a later answer is ignored (MS-SPNG, section 3.3.5).
        self.negotiated.receive(self.progress, &NegTokenResp::decode(input)?)
    }

    fn takes_time(&self) -> bool {
        self.progress.takes_time()
    }

    fn passed_over(&self) -> Option<&Arc<str>> {
        self.negotiated.passed_over.as_ref()
    }

    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        self.negotiated.check()?;
        match self.progress {
            InnerProgress::Stepping(inner) => inner.finish_without_token(),
            InnerProgress::Done(established) => Ok(established),
        }
    }
}

/// The mechanism consults somebody before it answers the server.
struct Consulting {
    negotiated: Negotiated,
    context: Box<dyn SecurityContext>,
    /// What the server's answer says beside the mechanism's token.
    state: Option<NegState>,
    mech_list_mic: Option<Vec<u8>>,
}

impl SecurityContext for Consulting {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(unexpected_token())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let step = self.context.consulted(answer, moment)?;
        let answer = NegTokenResp {
            state: self.state,
            mech_list_mic: self.mech_list_mic.as_deref(),
            ..NegTokenResp::default()
        };
        self.negotiated.advance(step, &answer)
    }

    fn takes_time(&self) -> bool {
        self.context.takes_time()
    }
}

/// What is settled, and what of the exchange of integrity codes is done.
pub(super) struct Negotiated {
    choice: Choice,
    mechanism: &'static str,
    mech_types: Vec<u8>,
    mic_sent: bool,
    mic_verified: bool,
    /// The mechanisms that were wanted more.
    passed_over: Option<Arc<str>>,
}

impl Negotiated {
    pub(super) fn new(
        choice: Choice,
        mechanism: &'static str,
        mech_types: Vec<u8>,
        passed_over: Option<Arc<str>>,
    ) -> Self {
        Self { choice, mechanism, mech_types, mic_sent: false, mic_verified: false, passed_over }
    }

    /// Takes an answer of the server.
    pub(super) fn receive(
        self,
        progress: InnerProgress,
        answer: &NegTokenResp<'_>,
    ) -> Result<Step, MechanismError> {
        if answer.state == Some(NegState::Reject) {
            return Err(explain(progress, answer.response_token));
        }
        match (progress, answer.response_token) {
            (InnerProgress::Stepping(inner), Some(token)) => {
                let step = inner.step(Some(token))?;
                self.advance(step, answer)
            }
            (InnerProgress::Stepping(inner), None) if answer.state == Some(NegState::AcceptCompleted) => {
                let established = inner.finish_without_token()?;
                self.confirm(established, answer)
            }
            (InnerProgress::Stepping(_), None) => Err(missing_token()),
            (InnerProgress::Done(_), Some(_)) => Err(unexpected_token()),
            (InnerProgress::Done(established), None) => self.confirm(established, answer),
        }
    }

    /// Sends what the mechanism wants sent, or concludes if that is nothing.
    pub(super) fn advance(mut self, step: Step, answer: &NegTokenResp<'_>) -> Result<Step, MechanismError> {
        let (token, mut established) = match step {
            Step::Complete { token, established } => {
                let Some(token) = token.filter(|token| !token.is_empty()) else {
                    return self.confirm(established, answer);
                };
                (token, established)
            }
            Step::Consult { inquiry, context } => {
                let mech_list_mic = answer.mech_list_mic.map(<[u8]>::to_vec);
                let context = Consulting { negotiated: self, context, state: answer.state, mech_list_mic };
                return Ok(Step::Consult { inquiry, context: Box::new(context) });
            }
            Step::Continue { token, context, expects, proves } => {
                still_open(answer)?;
                let response = NegTokenResp {
                    state: Some(NegState::AcceptIncomplete),
                    response_token: Some(&token),
                    ..NegTokenResp::default()
                };
                return Ok(Step::Continue {
                    token: response.encode(),
                    context: Box::new(Selected {
                        negotiated: self,
                        progress: InnerProgress::Stepping(context),
                    }),
                    expects,
                    proves,
                });
            }
        };
        // The initiator sends the mechanism's last token, and the integrity code with it (RFC
        // 4178, section 5). Windows requires the code even of a first choice if NTLM's last
        // message has an integrity code of its own (krb5, `mech_requires_mechlistMIC`).
        still_open(answer)?;
        self.verify(&mut established, answer.mech_list_mic)?;
        let mic = self.sign(&mut established)?;
        let response = NegTokenResp {
            state: Some(self.own_state()),
            response_token: Some(&token),
            mech_list_mic: mic.as_deref(),
            ..NegTokenResp::default()
        };
        Ok(self.await_success(response.encode(), established))
    }

    /// The mechanism is complete and has nothing to send; the integrity codes may be missing.
    fn confirm(
        mut self,
        mut established: Established,
        answer: &NegTokenResp<'_>,
    ) -> Result<Step, MechanismError> {
        self.verify(&mut established, answer.mech_list_mic)?;
        let open = matches!(answer.state, Some(NegState::AcceptIncomplete | NegState::RequestMic));
        let mic = if open && !self.mic_sent { self.sign(&mut established)? } else { None };
        let Some(mic) = mic else {
            self.check()?;
            return Ok(Step::Complete { token: None, established });
        };
        let response = NegTokenResp {
            state: Some(self.own_state()),
            mech_list_mic: Some(&mic),
            ..NegTokenResp::default()
        };
        if self.mic_verified {
            return Ok(Step::Complete { token: Some(response.encode()), established });
        }
        Ok(self.await_success(response.encode(), established))
    }

    /// Sends the token with which this side is done, to hear what the server says to it.
    fn await_success(self, token: Vec<u8>, established: Established) -> Step {
        Step::Continue {
            token,
            proves: Proves::of(&established),
            context: Box::new(Selected { negotiated: self, progress: InnerProgress::Done(established) }),
            expects: Expects::Success,
        }
    }

    /// Checks the server's integrity code, if it sent one. One that this mechanism cannot check
    /// counts as not sent.
    fn verify(&mut self, established: &mut Established, mic: Option<&[u8]>) -> Result<(), MechanismError> {
        let (Some(mic), Some(integrity)) = (mic, &mut established.integrity) else { return Ok(()) };
        if self.mic_verified {
            return Err(defective("the server sent a second mechListMIC"));
        }
        integrity.verify(&self.mech_types, mic)?;
        self.mic_verified = true;
        Ok(())
    }

    /// Makes our integrity code. RFC 4178, section 5 goes without where the mechanism has no
    /// integrity; this is stricter if such a mechanism was not our first choice.
    fn sign(&mut self, established: &mut Established) -> Result<Option<Vec<u8>>, MechanismError> {
        let Some(integrity) = &mut established.integrity else {
            return match self.choice {
                Choice::First => Ok(None),
                Choice::Other => Err(MechanismError::new(
                    ErrorKind::Unsupported,
                    format!("the server picked {}, which cannot protect the choice", self.mechanism),
                )),
            };
        };
        self.mic_sent = true;
        integrity.mic(&self.mech_types).map(Some)
    }

    /// Whether the choice is as protected as it must be.
    fn check(&self) -> Result<(), MechanismError> {
        if self.choice == Choice::First || (self.mic_sent && self.mic_verified) {
            return Ok(());
        }
        Err(MechanismError::new(
            ErrorKind::MissingToken,
            format!(
                "the server picked {}, not the first choice, and accepted without the exchange of mechListMIC",
                self.mechanism
            ),
        ))
    }

    /// Our state once the mechanism is complete.
    fn own_state(&self) -> NegState {
        if self.mic_verified { NegState::AcceptCompleted } else { NegState::AcceptIncomplete }
    }
}

/// The server must not be done while the mechanism still has a token for it.
fn still_open(answer: &NegTokenResp<'_>) -> Result<(), MechanismError> {
    if answer.state == Some(NegState::AcceptCompleted) {
        return Err(defective("the server says accept-completed before the mechanism is complete"));
    }
    Ok(())
}

/// A refusal, in the mechanism's words if the server sent its error token (Kerberos does).
pub(super) fn explain(progress: InnerProgress, error_token: Option<&[u8]>) -> MechanismError {
    let (InnerProgress::Stepping(inner), Some(token)) = (progress, error_token) else { return rejected() };
    match inner.step(Some(token)) {
        Ok(_) => rejected(),
        Err(error) => {
            let kind = match error.kind() {
                kind @ (ErrorKind::TicketRefused
                | ErrorKind::WrongPassword
                | ErrorKind::UnknownUser
                | ErrorKind::AccountLocked) => kind,
                // A KDC behind the server.
                kind if error.is_relayed() => kind,
                _ => ErrorKind::Refused,
            };
            let is_relayed = error.is_relayed();
            let error = MechanismError::new(kind, format!("the server rejected the negotiation: {error}"));
            if is_relayed { error.relayed() } else { error }
        }
    }
}

fn rejected() -> MechanismError {
    MechanismError::new(ErrorKind::Refused, "the server rejected the negotiation")
}

pub(super) fn missing_token() -> MechanismError {
    MechanismError::new(ErrorKind::MissingToken, "the server's answer lacks the mechanism's token")
}

pub(super) fn unexpected_token() -> MechanismError {
    defective("the server sent a token to a mechanism that is complete")
}
