//! The schemes that carry a mechanism's tokens as token68: NTLM and Negotiate (RFC 4559).

use std::sync::Arc;

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
#[cfg(all(unix, feature = "gssapi"))]
use crate::mechanism::gssapi::Gssapi;
#[cfg(feature = "kerberos")]
use crate::mechanism::kerberos::{Kerberos, NegotiatedIakerb};
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::spnego::Spnego;
#[cfg(all(windows, feature = "sspi"))]
use crate::mechanism::sspi::Sspi;
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, Proves, SecurityContext,
    Step, StepJob, Stepped, WithoutNtlm,
};
use crate::scheme::{
    Acceptance, Continuation, Exchange, Knowledge, Proof, Reply, RequestContext, Scheme, SchemeError,
};

/// The NTLM scheme: raw NTLM messages ([MS-NTHT]).
#[derive(Clone, Debug)]
pub struct NtlmScheme {
    mechanism: Arc<dyn Mechanism>,
}

impl NtlmScheme {
    /// Creates NTLM as this mechanism speaks it: [`Ntlm`], or the system's.
    pub fn new(ntlm: impl Mechanism + 'static) -> Self {
        Self { mechanism: Arc::new(ntlm) }
    }
}

impl Default for NtlmScheme {
    /// The system's NTLM on Windows (feature `sspi`), which takes the logged-on user's credentials
    /// too; elsewhere [`Ntlm`].
    fn default() -> Self {
        #[cfg(all(windows, feature = "sspi"))]
        return Self::new(Sspi::ntlm());
        #[cfg(not(all(windows, feature = "sspi")))]
        Self::new(Ntlm::default())
    }
}

impl Scheme for NtlmScheme {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    fn binding(&self) -> Binding {
        Binding::Connection
    }

    fn takes(&self, credentials: &Credentials) -> bool {
        takes(self.mechanism.as_ref(), credentials)
    }

    fn begin(&self, arguments: Initiate, _: &Knowledge) -> Box<dyn Exchange> {
        Box::new(TokenExchange::new(self.name(), Arc::clone(&self.mechanism), arguments))
    }
}

/// Every mechanism takes a password; those of the system take its credentials as well.
fn takes(mechanism: &dyn Mechanism, credentials: &Credentials) -> bool {
    let ambient = credentials.as_ambient().is_some() && mechanism.takes_ambient_credentials();
    ambient || credentials.as_password().is_some()
}

/// The Negotiate scheme: SPNEGO, or any other mechanism that stands in its place (RFC 4559).
///
/// What it tries, as far as each can start; in brackets, where NTLM is
/// [shut out](crate::handshake::AuthenticatorBuilder::without_ntlm):
///
/// | | Kerberos by a ticket | Kerberos by a password | IAKERB | NTLM |
/// |---|---|---|---|---|
/// | [`default`](Self::default), unix with the feature `gssapi` | no (yes) | no (yes) | no | by a password (no) |
/// | the same without `gssapi`; Windows without `sspi` | no | no | no | by a password (no: nothing is left) |
/// | the same on Windows, with `sspi` | yes | yes | as Windows has it | as the policy has it (no) |
/// | [`Negotiate::ntlm`] | no | no | no | by a password (no: nothing is left) |
/// | `Negotiate::kerberos(Gssapi::kerberos())` | yes | yes | no | no |
/// | `Negotiate::kerberos_or_ntlm(Gssapi::kerberos())` | yes | yes | no | by a password (no) |
/// | `Negotiate::kerberos(Kerberos::new())` | no | yes | no | no |
/// | `Negotiate::kerberos_or_ntlm(Kerberos::new())` | no | yes | no | by a password (no) |
/// | `Negotiate::kerberos_or_iakerb(Kerberos::new())` | no | yes | yes | no |
/// | `Negotiate::kerberos_or_iakerb_or_ntlm(Kerberos::new())` | no | yes | yes | by a password (no) |
/// | `Negotiate::new(Kerberos::new().iakerb())` | no | no | yes | no |
/// | `Negotiate::new(Gssapi::iakerb())` | yes, and the server asks the KDC | no | yes | no |
/// | `Negotiate::new(Gssapi::spnego())` | yes | yes | no | with a plugin, as the system's user (no) |
/// | `Negotiate::new(Sspi::negotiate())` | yes | yes | as Windows has it | as the policy has it (no) |
/// | `Negotiate::new(Sspi::without_ntlm())` | yes | yes | as Windows has it | no |
/// | `Negotiate::new(Sspi::kerberos())` | yes | yes | no | no |
///
/// `Gssapi` takes the feature `gssapi` on unix, `Sspi` the feature `sspi` on Windows, `Kerberos` the feature `kerberos` anywhere.
/// A ticket in the table is one that somebody else has got, as `kinit` does; those got by a password are kept, and shown as long
/// as they hold.
#[derive(Clone, Debug)]
pub struct Negotiate {
    mechanism: Arc<dyn Mechanism>,
    /// What takes its place where NTLM is shut out, and nothing is left of it.
    instead: Option<Arc<dyn Mechanism>>,
}

impl Negotiate {
    /// Creates Negotiate over this mechanism.
    pub fn new(mechanism: impl Mechanism + 'static) -> Self {
        Self { mechanism: Arc::new(mechanism), instead: None }
    }

    /// Creates SPNEGO with NTLM inside, both our own.
    pub fn ntlm() -> Self {
        Self::new(Spnego::new(vec![Arc::new(Ntlm::default())]))
    }
}

#[cfg(any(feature = "kerberos", all(unix, feature = "gssapi")))]
impl Negotiate {
    /// Creates SPNEGO with Kerberos inside, and nothing weaker: the system's
    /// (`Gssapi`, feature `gssapi`), or our own (`Kerberos`, feature `kerberos`).
    pub fn kerberos(kerberos: impl Mechanism + 'static) -> Self {
        Self::new(Spnego::new(vec![Arc::new(kerberos)]))
    }

    /// Creates SPNEGO with Kerberos inside, and NTLM for passwords: where Kerberos cannot
    /// start (no ticket, no KDC, no library), or where the server picks it.
    pub fn kerberos_or_ntlm(kerberos: impl Mechanism + 'static) -> Self {
        Self::new(Spnego::new(vec![Arc::new(kerberos), Arc::new(Ntlm::default())]))
    }
}

#[cfg(feature = "kerberos")]
impl Negotiate {
    /// Creates SPNEGO with our own Kerberos inside, and IAKERB where that cannot start, since no KDC is named or none
    /// answers. Where a server takes IAKERB only without SPNEGO, as MIT's do, it goes without, and the server is remembered.
    pub fn kerberos_or_iakerb(kerberos: Kerberos) -> Self {
        Self::new(NegotiatedIakerb::new(kerberos, Vec::new()))
    }

    /// Creates the same, with NTLM behind both.
    pub fn kerberos_or_iakerb_or_ntlm(kerberos: Kerberos) -> Self {
        Self::new(NegotiatedIakerb::new(kerberos, vec![Arc::new(Ntlm::default())]))
    }
}

impl Default for Negotiate {
    /// The system's Negotiate on Windows (feature `sspi`): Kerberos, NTLM, whatever the domain's
    /// policy says. Elsewhere [`ntlm`](Self::ntlm); where that is shut out, the system's Kerberos on unix
    /// (feature `gssapi`).
    fn default() -> Self {
        #[cfg(all(windows, feature = "sspi"))]
        return Self::new(Sspi::negotiate());
        #[cfg(all(unix, feature = "gssapi"))]
        return Self { instead: Some(Self::kerberos(Gssapi::kerberos()).mechanism), ..Self::ntlm() };
        #[cfg(not(any(all(windows, feature = "sspi"), all(unix, feature = "gssapi"))))]
        Self::ntlm()
    }
}

impl Scheme for Negotiate {
    fn name(&self) -> &'static str {
        "Negotiate"
    }

    fn mechanism(&self) -> &'static str {
        self.mechanism.name()
    }

    /// Until the server has shown otherwise (a request-bound Kerberos login is the exception).
    fn binding(&self) -> Binding {
        Binding::Connection
    }

    fn without_ntlm(&self) -> WithoutNtlm<dyn Scheme> {
        let mechanism = match (self.mechanism.without_ntlm(), &self.instead) {
            (WithoutNtlm::Same, _) => return WithoutNtlm::Same,
            (WithoutNtlm::Other(mechanism), _) => mechanism,
            (WithoutNtlm::Nothing, Some(instead)) => Arc::clone(instead),
            (WithoutNtlm::Nothing, None) => return WithoutNtlm::Nothing,
        };
        WithoutNtlm::Other(Arc::new(Self { mechanism, instead: None }))
    }

    fn forget_refusals(&self) {
        self.mechanism.forget_refusals();
    }

    fn asks_kdc(&self) -> bool {
        self.mechanism.asks_kdc()
    }

    fn authenticates_server(&self) -> bool {
        self.mechanism.authenticates_peer()
    }

    fn takes(&self, credentials: &Credentials) -> bool {
        takes(self.mechanism.as_ref(), credentials)
    }

    fn begin(&self, arguments: Initiate, _: &Knowledge) -> Box<dyn Exchange> {
        Box::new(TokenExchange::new(self.name(), Arc::clone(&self.mechanism), arguments))
    }
}

struct TokenExchange {
    scheme: &'static str,
    mechanism: Arc<dyn Mechanism>,
    arguments: Initiate,
    state: TokenExchangeState,
    /// What to begin if the step that is out shows that the server rejects the first token.
    instead: Option<Arc<dyn Mechanism>>,
    /// As far as the mechanism's contexts have told.
    passed_over: Option<Arc<str>>,
}

enum TokenExchangeState {
    New,
    Stepping,
    Continuing(Box<dyn SecurityContext>),
    Consulting(Box<dyn SecurityContext>),
    Complete(Established),
    Failed,
}

impl TokenExchange {
    fn new(scheme: &'static str, mechanism: Arc<dyn Mechanism>, arguments: Initiate) -> Self {
        Self {
            scheme,
            mechanism,
            arguments,
            state: TokenExchangeState::New,
            instead: None,
            passed_over: None,
        }
    }

    fn initiate(&self) -> Reply {
        Reply::Step(StepJob::initiate(Arc::clone(&self.mechanism), self.arguments.clone()))
    }

    /// The server has not taken the mechanism's first token.
    fn initiate_instead(&mut self, instead: Arc<dyn Mechanism>) -> Reply {
        self.state = TokenExchangeState::Stepping;
        self.mechanism = instead;
        self.initiate()
    }

    fn proceed(&mut self, context: Box<dyn SecurityContext>, token: Vec<u8>) -> Reply {
        self.instead = context.instead();
        Reply::Step(StepJob::proceed(context, token, self.mechanism.may_block()))
    }

    fn token(&self, challenge: Option<&Challenge>) -> Result<Option<Vec<u8>>, SchemeError> {
        let Some(challenge) = challenge else { return Ok(None) };
        let token = challenge.token().map_err(|error| SchemeError::challenge(self.scheme, error))?;
        Ok(token.filter(|octets| !octets.is_empty()))
    }

    fn error(&self, reason: &'static str) -> SchemeError {
        SchemeError::new(self.scheme, reason)
    }
}

impl Exchange for TokenExchange {
    fn continuation(&self, challenge: &Challenge, _: bool) -> Continuation {
        let has_token = challenge.token68().is_some_and(|token| !token.is_empty());
        match &self.state {
            _ if has_token => Continuation::GoesOn,
            TokenExchangeState::Continuing(context) if context.instead().is_some() => {
                Continuation::TakesAnotherForm
            }
            _ => Continuation::Refuses,
        }
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        _: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        let token = self.token(challenge)?;
        match (std::mem::replace(&mut self.state, TokenExchangeState::Stepping), token) {
            (TokenExchangeState::New, None) => Ok(self.initiate()),
            // Each request of a login that holds for one alone has a context of its own.
            (TokenExchangeState::Complete(_), None) if challenge.is_none() => Ok(self.initiate()),
            (TokenExchangeState::New, Some(_)) => {
                Err(self.error("the server sent a token before the first message"))
            }
            (TokenExchangeState::Continuing(context), Some(token)) => Ok(self.proceed(context, token)),
            (TokenExchangeState::Continuing(context), None) => match context.instead() {
                Some(instead) => Ok(self.initiate_instead(instead)),
                None => Err(self.error("the server's token is missing")),
            },
            (
                TokenExchangeState::Complete(_)
                | TokenExchangeState::Stepping
                | TokenExchangeState::Consulting(_)
                | TokenExchangeState::Failed,
                _,
            ) => {
                self.state = TokenExchangeState::Failed;
                Err(self.error("the server challenges a finished exchange"))
            }
        }
    }

    fn resume(&mut self, stepped: Stepped) -> Result<Reply, SchemeError> {
        let step = match (stepped.into_result(), self.instead.take()) {
            (Ok(step), _) => step,
            (Err(error), Some(instead)) if error.kind() == ErrorKind::Refused && !error.is_relayed() => {
                return Ok(self.initiate_instead(instead));
            }
            (Err(error), _) => {
                self.state = TokenExchangeState::Failed;
                return Err(SchemeError::mechanism(self.scheme, error));
            }
        };
        match step {
            Step::Continue { token, context, expects, proves } => {
                if let Some(passed_over) = context.passed_over() {
                    self.passed_over = Some(Arc::clone(passed_over));
                }
                self.state = TokenExchangeState::Continuing(context);
                Ok(Reply::Send {
                    authorization: Authorization::token68(self.scheme, &token),
                    expects,
                    proves,
                })
            }
            Step::Consult { inquiry, context } => {
                self.state = TokenExchangeState::Consulting(context);
                Ok(Reply::Consult(inquiry))
            }
            Step::Complete { token: Some(token), established } => {
                let proves = Proves::of(&established);
                self.state = TokenExchangeState::Complete(established);
                Ok(Reply::Send {
                    authorization: Authorization::token68(self.scheme, &token),
                    expects: Expects::Success,
                    proves,
                })
            }
            Step::Complete { token: None, established } => {
                let proof = proof(&established);
                self.state = TokenExchangeState::Complete(established);
                Ok(Reply::Done(proof))
            }
        }
    }

    fn consulted(&mut self, answer: Result<Vec<u8>, MechanismError>) -> Result<Reply, SchemeError> {
        match std::mem::replace(&mut self.state, TokenExchangeState::Stepping) {
            TokenExchangeState::Consulting(context) => Ok(Reply::Step(StepJob::consulted(context, answer))),
            _ => {
                self.state = TokenExchangeState::Failed;
                Err(self.error("it was given an answer that it has not asked for"))
            }
        }
    }

    fn passed_over(&self) -> Option<&Arc<str>> {
        self.passed_over.as_ref()
    }

    fn conclude(&mut self, acceptance: Acceptance<'_>) -> Result<Reply, SchemeError> {
        let token = self.token(acceptance.challenge)?;
        match (std::mem::replace(&mut self.state, TokenExchangeState::Stepping), token) {
            (TokenExchangeState::Complete(established), _) => {
                let proof = proof(&established);
                self.state = TokenExchangeState::Complete(established);
                Ok(Reply::Done(proof))
            }
            (TokenExchangeState::Continuing(context), Some(token)) => Ok(self.proceed(context, token)),
            (TokenExchangeState::Continuing(context), None) => {
                let established = context
                    .finish_without_token()
                    .map_err(|error| SchemeError::mechanism(self.scheme, error))?;
                let proof = proof(&established);
                self.state = TokenExchangeState::Complete(established);
                Ok(Reply::Done(proof))
            }
            (
                TokenExchangeState::New
                | TokenExchangeState::Stepping
                | TokenExchangeState::Consulting(_)
                | TokenExchangeState::Failed,
                _,
            ) => {
                self.state = TokenExchangeState::Failed;
                Err(self.error("there is no exchange to conclude"))
            }
        }
    }
}

fn proof(established: &Established) -> Proof {
    Proof {
        mechanism: established.mechanism,
        principal: established.principal.clone(),
        mutual: established.mutual,
        binding: established.binding,
    }
}

#[cfg(all(test, feature = "kerberos"))]
mod tests {
    use std::time::SystemTime;

    use http::{HeaderMap, Method, Uri};

    use super::*;
    use crate::challenge::Challenges;
    use crate::mechanism::{FixedMoment, Moments};
    use crate::protection_space::Challenger;

    #[test]
    fn each_negotiate_offers_what_it_is_named_after() {
        let kerberos = Kerberos::new;
        for (name, negotiate, has_kerberos, has_more) in [
            ("ntlm", Negotiate::ntlm(), false, false),
            ("kerberos", Negotiate::kerberos(kerberos()), true, true),
            ("kerberos_or_ntlm", Negotiate::kerberos_or_ntlm(kerberos()), true, true),
            ("kerberos_or_iakerb", Negotiate::kerberos_or_iakerb(kerberos()), true, true),
            ("kerberos_or_iakerb_or_ntlm", Negotiate::kerberos_or_iakerb_or_ntlm(kerberos()), true, true),
        ] {
            let Negotiate { mechanism, .. } = negotiate;
            assert_eq!(mechanism.name(), "SPNEGO", "{name}");
            assert_eq!(mechanism.asks_kdc(), has_kerberos, "{name}");
            assert_eq!(mechanism.authenticates_peer(), has_kerberos, "{name}");
            let is_left = !matches!(mechanism.without_ntlm(), WithoutNtlm::Nothing);
            assert_eq!(is_left, has_more, "{name}: what is left without NTLM");
        }
    }

    #[test]
    fn what_is_out_of_turn_is_an_error() {
        let moments = FixedMoment(SystemTime::UNIX_EPOCH);
        let uri = Uri::from_static("/");
        let request = RequestContext::new(&Method::GET, &uri, false, &moments);
        let begun = || {
            let arguments = Initiate::new("HTTP/host", Credentials::password("alice", "pw"));
            NtlmScheme::new(Ntlm::new()).begin(arguments, &Knowledge::default())
        };
        let said = |reply: Result<Reply, SchemeError>| reply.expect_err("out of turn").to_string();

        let error = said(begun().consulted(Ok(Vec::new())));
        assert_eq!(error, "NTLM: it was given an answer that it has not asked for");

        let fields = HeaderMap::new();
        let acceptance = Acceptance::new(Challenger::Origin, None, &fields);
        assert_eq!(said(begun().conclude(acceptance)), "NTLM: there is no exchange to conclude");

        // The server sends a new challenge instead of its token.
        let mut exchange = begun();
        let Ok(Reply::Step(job)) = exchange.respond(None, request) else { panic!("a step") };
        let sent = exchange.resume(job.run(moments.moment().expect("a moment")));
        assert!(matches!(sent, Ok(Reply::Send { expects: Expects::Challenge, .. })));
        let challenges = Challenges::from_value(b"NTLM");
        let bare = challenges.iter().next();
        assert_eq!(said(exchange.respond(bare, request)), "NTLM: the server's token is missing");
    }
}
