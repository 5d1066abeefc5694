//! The beginning of a negotiation: [`SpnegoStart`] sends the list, [`Offered`] awaits the server's pick.
//! What follows is in `selected`.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use md5::Md5;
use zeroize::Zeroize;

use crate::mechanism::oid;
use crate::mechanism::spnego::selected::{
    Choice, InnerProgress, Negotiated, explain, missing_token, unexpected_token,
};
use crate::mechanism::spnego::token::{self, NegState, NegTokenResp, defective};
use crate::mechanism::{
    ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, Moment, MutualAuthentication,
    Proves, SecurityContext, Step,
};

/// What an NTLM message begins with that no SPNEGO frame is around.
const NTLM_SIGNATURE: &[u8] = b"NTLMSSP\0";

/// Before the first token.
pub(super) struct SpnegoStart {
    mechanisms: Vec<Arc<dyn Mechanism>>,
    lost_ntlm: bool,
    arguments: Initiate,
    moment: Moment,
    /// Those that cannot start: the kind of the first one's error, and what all say.
    kind: Option<ErrorKind>,
    failures: Vec<String>,
}

impl SpnegoStart {
    pub(super) fn new(
        mut mechanisms: Vec<Arc<dyn Mechanism>>,
        lost_ntlm: bool,
        mut arguments: Initiate,
        moment: Moment,
    ) -> Self {
        // The list has an integrity code.
        arguments.integrity = true;
        if arguments.mutual_authentication == MutualAuthentication::Required {
            mechanisms.retain(|mechanism| mechanism.authenticates_peer());
        }
        if arguments.credentials.as_ambient().is_some() {
            mechanisms.retain(|mechanism| mechanism.takes_ambient_credentials());
        }
        if arguments.only_kdc {
            mechanisms.retain(|mechanism| mechanism.asks_kdc());
        }
        Self { mechanisms, lost_ntlm, arguments, moment, kind: None, failures: Vec::new() }
    }

    /// Begins the first mechanism from `index` on that can start.
    fn start(self, index: usize) -> Result<Step, MechanismError> {
        let Some(mechanism) = self.mechanisms.get(index) else { return Err(self.nothing_starts()) };
        let moment = moment_for(&self.moment, index, self.mechanisms.len());
        let step = mechanism.initiate(self.arguments.clone(), moment).step(None);
        self.started(index, step)
    }

    /// Offers the mechanism if it has its first token. A password that was refused meanwhile is not tried in another
    /// one.
    fn started(mut self, index: usize, step: Result<Step, MechanismError>) -> Result<Step, MechanismError> {
        match step {
            Ok(Step::Continue { token, context, expects, proves }) => {
                Ok(self.offer(index, Some(token), InnerProgress::Stepping(context), expects, proves))
            }
            // Kerberos without mutual authentication is done with its first token, but the
            // negotiation is not: the server may still pick another mechanism.
            Ok(Step::Complete { token, established }) => {
                let proves = Proves::of(&established);
                Ok(self.offer(index, token, InnerProgress::Done(established), Expects::Success, proves))
            }
            Ok(Step::Consult { inquiry, context }) => {
                Ok(Step::Consult { inquiry, context: Box::new(Starting { start: self, index, context }) })
            }
            Err(error)
                if matches!(
                    error.kind(),
                    ErrorKind::WrongPassword | ErrorKind::UnknownUser | ErrorKind::AccountLocked
                ) =>
            {
                Err(error)
            }
            Err(error) => {
                self.kind.get_or_insert(error.kind());
                self.failures.push(format!("{}: {error}", self.mechanisms[index].name()));
                self.start(index + 1)
            }
        }
    }

    /// Offers the mechanisms from `first` on, with that one's first token.
    fn offer(
        self,
        first: usize,
        mech_token: Option<Vec<u8>>,
        optimistic: InnerProgress,
        expects: Expects,
        proves: Proves,
    ) -> Step {
        let mut mechanisms = self.mechanisms;
        mechanisms.drain(..first);
        let mech_types = token::mech_type_list(mechanisms.iter().map(|mechanism| mechanism.oid()));
        Step::Continue {
            token: token::neg_token_init(&mech_types, mech_token.as_deref()),
            context: Box::new(Offered {
                mechanisms,
                before: first,
                mech_types,
                arguments: self.arguments,
                moment: self.moment,
                optimistic,
                passed_over: joined(&self.failures),
            }),
            expects,
            proves,
        }
    }

    /// The kind is that of the mechanism that was wanted most, as with krb5's SPNEGO.
    fn nothing_starts(mut self) -> MechanismError {
        let Some(kind) = self.kind else {
            return MechanismError::new(ErrorKind::Unsupported, "SPNEGO has no mechanism to offer");
        };
        if self.lost_ntlm {
            self.failures.push("NTLM: shut out (AuthenticatorBuilder::without_ntlm)".to_owned());
        }
        MechanismError::new(kind, format!("no mechanism can start: {}", self.failures.join(SEPARATOR)))
    }
}

impl SecurityContext for SpnegoStart {
    /// The first mechanism that can start makes the optimistic token, and those before it are not
    /// offered. Those after it are offered untried: they begin if the server picks them.
    ///
    /// The input is ignored. Only an acceptor that speaks first sends any (NegTokenInit2 and its
    /// hints, MS-SPNG, section 2.2.1), and nothing in it binds the client.
    fn step(self: Box<Self>, _hints: Option<&[u8]>) -> Result<Step, MechanismError> {
        self.start(0)
    }
}

/// A mechanism consults somebody before it has its first token.
struct Starting {
    start: SpnegoStart,
    index: usize,
    context: Box<dyn SecurityContext>,
}

impl SecurityContext for Starting {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(unexpected_token())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let step = self.context.consulted(answer, moment);
        self.start.started(self.index, step)
    }

    /// The mechanisms behind it are next if it cannot start.
    fn takes_time(&self) -> bool {
        let behind = &self.start.mechanisms[self.index + 1..];
        self.context.takes_time() || behind.iter().any(|mechanism| mechanism.may_block())
    }
}

/// The list is sent, and the server may pick any mechanism of it.
struct Offered {
    /// In the order sent.
    mechanisms: Vec<Arc<dyn Mechanism>>,
    /// How many were left out before the first, so that entropy is never derived twice.
    before: usize,
    /// The list as it was sent, for the integrity code.
    mech_types: Vec<u8>,
    arguments: Initiate,
    moment: Moment,
    optimistic: InnerProgress,
    /// Those before the first of the list, each with why it could not start.
    passed_over: Option<Arc<str>>,
}

impl SecurityContext for Offered {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else { return Err(missing_token()) };
        if input.starts_with(NTLM_SIGNATURE) {
            return self.step_bare(input);
        }
        if token::unframed(input).is_ok_and(|(oid, _)| oid == self.mechanisms[0].oid()) {
            return self.step_framed(input);
        }
        let mut answer = NegTokenResp::decode(input)?;
        if answer.state == Some(NegState::Reject) {
            return Err(explain(self.optimistic, answer.response_token));
        }
        if let InnerProgress::Done(_) = self.optimistic {
            // A proof of who the server is that nobody asked for.
            answer.response_token = None;
        }
        // RFC 4178, section 4.2.2 requires supportedMech here; some Java acceptors leave it out
        // when they go on with the optimistic token (krb5, `init_ctx_nego`).
        let chosen = match answer.supported_mech {
            None => 0,
            Some(oid) => self.position(oid)?,
        };
        if chosen != 0 {
            return self.begin(chosen, &answer);
        }
        let name = self.mechanisms[0].name();
        let negotiated = Negotiated::new(Choice::First, name, self.mech_types, self.passed_over);
        negotiated.receive(self.optimistic, &answer)
    }

    fn takes_time(&self) -> bool {
        self.optimistic.takes_time()
    }

    fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        match &self.optimistic {
            InnerProgress::Stepping(inner) => inner.instead(),
            InnerProgress::Done(_) => None,
        }
    }

    fn passed_over(&self) -> Option<&Arc<str>> {
        self.passed_over.as_ref()
    }

    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        match self.optimistic {
            InnerProgress::Stepping(inner) => inner.finish_without_token(),
            InnerProgress::Done(established) => Ok(established),
        }
    }
}

impl Offered {
    /// The place of the server's pick in our list.
    fn position(&self, oid: &[u8]) -> Result<usize, MechanismError> {
        self.mechanisms.iter().position(|mechanism| oid::same_mechanism(mechanism.oid(), oid)).ok_or_else(
            || {
                MechanismError::new(
                    ErrorKind::Unsupported,
                    format!("the server picked a mechanism that was not offered: {}", oid::dotted(oid)),
                )
            },
        )
    }

    /// Drops the optimistic mechanism and begins the server's pick.
    fn begin(self: Box<Self>, chosen: usize, answer: &NegTokenResp<'_>) -> Result<Step, MechanismError> {
        match answer.state {
            // RFC 4178, section 4.2.2 has it request-mic; Windows Server 2003 and older say
            // accept-incomplete. The integrity codes are exchanged in either case.
            Some(NegState::RequestMic | NegState::AcceptIncomplete) => {}
            Some(NegState::AcceptCompleted | NegState::Reject) | None => {
                return Err(defective("the server picked another mechanism without beginning it"));
            }
        }
        if answer.response_token.is_some() {
            return Err(defective("the server sent a token of a mechanism that has not begun"));
        }
        let (before, mechanism) = (&self.mechanisms[..chosen], &self.mechanisms[chosen]);
        let reasons =
            before.iter().map(|before| format!("{}: the server picked {}", before.name(), mechanism.name()));
        let passed_over =
            self.passed_over.iter().map(|failed| failed.to_string()).chain(reasons).collect::<Vec<_>>();
        let of = self.before + self.mechanisms.len();
        let moment = moment_for(&self.moment, self.before + chosen, of);
        let step = mechanism.initiate(self.arguments, moment).step(None)?;
        Negotiated::new(Choice::Other, mechanism.name(), self.mech_types, joined(&passed_over))
            .advance(step, answer)
    }

    /// Goes on without SPNEGO where the server answers with the first mechanism's own token, in
    /// GSS-API's frame, as Kerberos acceptors do that know no SPNEGO. Nobody gains by such an
    /// answer: it goes on with what was offered first.
    fn step_framed(self: Box<Self>, input: &[u8]) -> Result<Step, MechanismError> {
        match self.optimistic {
            InnerProgress::Stepping(inner) => inner.step(Some(input)),
            // A proof of who the server is that nobody asked for.
            InnerProgress::Done(established) => Ok(Step::Complete { token: None, established }),
        }
    }

    /// Goes on without SPNEGO where the server has stepped out of it: the inner context takes
    /// over, and what it sends is bare, too.
    ///
    /// pyspnego answers in kind like this. Only for a sole mechanism, since no integrity code can
    /// protect the choice in this form.
    fn step_bare(self: Box<Self>, input: &[u8]) -> Result<Step, MechanismError> {
        if !matches!(&self.mechanisms[..], [sole] if sole.oid() == oid::NTLM) {
            return Err(MechanismError::new(
                ErrorKind::Unsupported,
                "the server answered with a bare NTLM message, which nothing protects where more than NTLM \
                 was offered",
            ));
        }
        match self.optimistic {
            InnerProgress::Stepping(inner) => inner.step(Some(input)),
            InnerProgress::Done(_) => Err(unexpected_token()),
        }
    }
}

/// Between what is said of one mechanism and of the next.
const SEPARATOR: &str = "; ";

/// What is said of several mechanisms. `None` if nothing is.
fn joined(reasons: &[String]) -> Option<Arc<str>> {
    (!reasons.is_empty()).then(|| reasons.join(SEPARATOR).into())
}

/// The moment for the mechanism at this place of the whole list of so many: the caller's, with entropy of its
/// own where there are others, so that no two contexts share any.
fn moment_for(moment: &Moment, index: usize, of: usize) -> Moment {
    if of == 1 {
        return Moment::new(moment.now, *moment.entropy.octets());
    }
    let mut octets = [0; 32];
    for (half, out) in octets.chunks_mut(16).enumerate() {
        // HMAC is a pseudorandom function with MD5, too, and MD5 is at hand for NTLM.
        let mut hmac =
            Hmac::<Md5>::new_from_slice(moment.entropy.octets()).expect("HMAC takes keys of every length");
        hmac.update(b"legwork SPNEGO");
        hmac.update(&(index as u64).to_be_bytes());
        hmac.update(&[half as u8]);
        out.copy_from_slice(&hmac.finalize().into_bytes());
    }
    let derived = Moment::new(moment.now, octets);
    octets.zeroize();
    derived
}
