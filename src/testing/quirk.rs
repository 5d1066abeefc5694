//! What the server does differently from a well-behaved one, and when.

use std::ops::{Bound, RangeBounds};
use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};

use super::fault::Fault;
use super::gate::Gate;
use super::persistence::Persistence;

/// An odd behaviour. Those that are set for a leg all take effect; of two that exclude each
/// other, the later one does.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Quirk {
    /// The connection ends with the leg.
    Close(Close),
    /// The answer is HTTP/1.0 and the connection ends behind it, announced only by the version.
    Http10,
    /// `401` and `407` carry this content.
    RefusalBody(RefusalBody),
    /// `401` and `407` go out before the request's content has been read, as with IIS. The
    /// content is still read to its end, unless the client awaits `100 Continue`.
    EarlyRefusal,
    /// The token that continues a handshake is sent with a fault. If it is left out, the
    /// handshake is over on this side too.
    ChallengeToken(Fault),
    /// The token that ends a handshake is sent with a fault.
    FinalToken(Fault),
    /// All challenges share one field line, separated by commas.
    JoinedChallenges,
    /// No authentication is demanded and none is looked at.
    Open,
    /// The answer is `401` whatever has been proven. What was proven stands.
    Deny,
    /// Every answer to a challenge is answered with that challenge again, unverified.
    ChallengeAgain,
    /// Any authorization on an authenticated connection drops its state first, as with Apache.
    /// Otherwise the state stays until the new handshake has an outcome.
    AuthorizationDropsState,
    /// Once a handshake has failed on the connection, the next one is answered by a bare
    /// challenge, as with Apache and squid.
    BareAfterFailure,
    /// How long an authenticated connection stays so.
    Persistence(Persistence),
    /// The response head is sent octet by octet with this pause in between.
    TrickledHead(Duration),
    /// The answer waits behind the gate. What the request carried has been read, verified and
    /// reported by then.
    HeldBy(Gate),
    /// Over HTTP/2, the stream is reset in place of an answer.
    #[cfg(feature = "http2")]
    Reset(Reset),
    /// The response has this field in addition.
    Field(HeaderName, HeaderValue),
}

/// How a connection ends with a leg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Close {
    /// `Connection: close` is in the answer.
    Announced,
    /// The connection is closed behind an answer that did not say so.
    Unannounced,
    /// The request is read to its end and processed; then the connection is closed. To the client it is a server that
    /// may have acted on the request.
    WithoutAnswer,
}

/// Why a stream is reset (RFC 9113, section 7).
#[cfg(feature = "http2")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reset {
    /// `HTTP_1_1_REQUIRED`.
    Http1Required,
    /// `REFUSED_STREAM`: the request was not looked at.
    RefusedStream,
    /// `INTERNAL_ERROR`.
    InternalError,
}

#[cfg(feature = "http2")]
impl From<Reset> for h2::Reason {
    fn from(reset: Reset) -> Self {
        match reset {
            Reset::Http1Required => Self::HTTP_1_1_REQUIRED,
            Reset::RefusedStream => Self::REFUSED_STREAM,
            Reset::InternalError => Self::INTERNAL_ERROR,
        }
    }
}

/// The content of a `401` or `407`.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum RefusalBody {
    /// A short text; the default.
    Short,
    /// No content.
    Empty,
    /// A short text whose last octet comes this much later.
    Late(Duration),
    /// A short text whose last octet waits behind the gate.
    HeldBy(Gate),
    /// This many octets.
    Large(u64),
    /// Octets without end.
    Endless,
}

/// The legs that a [`Quirk`] is limited to. Conditions add up.
///
/// ```
/// use legwork::testing::{Close, Quirk, Server, When};
///
/// // The first two connections are closed in the middle of their handshakes.
/// let builder = Server::builder()
///     .quirk_when(When::leg(2).connections(..=2), Quirk::Close(Close::Announced));
/// ```
#[derive(Clone, Debug)]
pub struct When {
    legs: (Bound<usize>, Bound<usize>),
    connections: (Bound<usize>, Bound<usize>),
    method: Option<Method>,
    path: Option<String>,
}

impl When {
    /// Selects every leg.
    pub fn always() -> Self {
        const ALL: (Bound<usize>, Bound<usize>) = (Bound::Unbounded, Bound::Unbounded);
        Self { legs: ALL, connections: ALL, method: None, path: None }
    }

    /// Selects the leg with this number on its connection, from 1.
    pub fn leg(number: usize) -> Self {
        Self::legs(number..=number)
    }

    /// Selects the legs with these numbers on their connections, from 1.
    pub fn legs(numbers: impl RangeBounds<usize>) -> Self {
        Self { legs: bounds(&numbers), ..Self::always() }
    }

    /// Selects requests for paths with this prefix.
    pub fn path(prefix: impl Into<String>) -> Self {
        Self { path: Some(prefix.into()), ..Self::always() }
    }

    /// Selects requests with this method.
    pub fn method(method: Method) -> Self {
        Self { method: Some(method), ..Self::always() }
    }

    /// Selects only legs on the connections with these numbers, from 1.
    #[must_use]
    pub fn connections(self, numbers: impl RangeBounds<usize>) -> Self {
        Self { connections: bounds(&numbers), ..self }
    }

    /// Selects only legs for paths with this prefix.
    #[must_use]
    pub fn with_path(self, prefix: impl Into<String>) -> Self {
        Self { path: Some(prefix.into()), ..self }
    }

    /// Selects only legs with this method.
    #[must_use]
    pub fn with_method(self, method: Method) -> Self {
        Self { method: Some(method), ..self }
    }

    fn holds(&self, facts: &Facts<'_>) -> bool {
        self.legs.contains(&facts.leg)
            && self.connections.contains(&facts.connection)
            && self.method.as_ref().is_none_or(|method| method == facts.method)
            && self.path.as_ref().is_none_or(|prefix| facts.path.starts_with(prefix.as_str()))
    }
}

impl Default for When {
    fn default() -> Self {
        Self::always()
    }
}

fn bounds(range: &impl RangeBounds<usize>) -> (Bound<usize>, Bound<usize>) {
    (range.start_bound().cloned(), range.end_bound().cloned())
}

/// What conditions are about.
pub(super) struct Facts<'a> {
    pub(super) connection: usize,
    pub(super) leg: usize,
    pub(super) method: &'a Method,
    pub(super) path: &'a str,
}

/// All quirks of a server.
#[derive(Debug, Default)]
pub(super) struct Script(Vec<(When, Quirk)>);

impl Script {
    pub(super) fn push(&mut self, when: When, quirk: Quirk) {
        self.0.push((when, quirk));
    }

    /// What the quirks come to for one leg.
    pub(super) fn effects(&self, facts: &Facts<'_>) -> Effects {
        let mut effects = Effects::default();
        for (_, quirk) in self.0.iter().filter(|(when, _)| when.holds(facts)) {
            effects.apply(quirk.clone());
        }
        effects
    }
}

/// The quirks of one leg, resolved.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub(super) close: Option<Close>,
    pub(super) version: Version,
    pub(super) refusal_body: Option<RefusalBody>,
    pub(super) refusal: RefusalTiming,
    pub(super) challenge_fault: Option<Fault>,
    pub(super) final_fault: Option<Fault>,
    pub(super) challenges: ChallengeLayout,
    pub(super) admission: Admission,
    pub(super) on_authorization: OnAuthorization,
    pub(super) after_failure: AfterFailure,
    pub(super) persistence: Option<Persistence>,
    pub(super) trickle: Option<Duration>,
    pub(super) gates: Vec<Gate>,
    #[cfg(feature = "http2")]
    pub(super) reset: Option<Reset>,
    pub(super) fields: Vec<(HeaderName, HeaderValue)>,
}

/// The version of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Version {
    #[default]
    Http11,
    Http10,
}

/// When a refusal goes out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum RefusalTiming {
    #[default]
    AfterTheBody,
    Early,
}

/// How challenges are laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum ChallengeLayout {
    #[default]
    OnePerLine,
    Joined,
}

/// Who gets in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Admission {
    #[default]
    Authenticated,
    Everyone,
    NobodyAnyMore,
    NobodyEver,
}

/// What authorization on an authenticated connection does to its state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum OnAuthorization {
    #[default]
    KeepState,
    DropState,
}

/// How a handshake behind a failed one is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum AfterFailure {
    #[default]
    BeginAnew,
    AnswerBare,
}

impl Effects {
    fn apply(&mut self, quirk: Quirk) {
        match quirk {
            Quirk::Close(close) => self.close = Some(close),
            Quirk::Http10 => self.version = Version::Http10,
            Quirk::RefusalBody(body) => self.refusal_body = Some(body),
            Quirk::EarlyRefusal => self.refusal = RefusalTiming::Early,
            Quirk::ChallengeToken(fault) => self.challenge_fault = Some(fault),
            Quirk::FinalToken(fault) => self.final_fault = Some(fault),
            Quirk::JoinedChallenges => self.challenges = ChallengeLayout::Joined,
            Quirk::Open => self.admission = Admission::Everyone,
            Quirk::Deny => self.admission = Admission::NobodyAnyMore,
            Quirk::ChallengeAgain => self.admission = Admission::NobodyEver,
            Quirk::AuthorizationDropsState => self.on_authorization = OnAuthorization::DropState,
            Quirk::BareAfterFailure => self.after_failure = AfterFailure::AnswerBare,
            Quirk::Persistence(persistence) => self.persistence = Some(persistence),
            Quirk::TrickledHead(pause) => self.trickle = Some(pause),
            #[cfg(feature = "http2")]
            Quirk::Reset(reset) => self.reset = Some(reset),
            Quirk::HeldBy(gate) => self.gates.push(gate),
            Quirk::Field(name, value) => self.fields.push((name, value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(connection: usize, leg: usize, path: &str) -> Facts<'_> {
        Facts { connection, leg, method: &Method::GET, path }
    }

    #[test]
    fn conditions_add_up() {
        let when = When::leg(2).connections(..=3).with_path("/mail");
        assert!(when.holds(&facts(3, 2, "/mail/x")));
        for other in [facts(4, 2, "/mail"), facts(3, 1, "/mail"), facts(3, 2, "/")] {
            assert!(!when.holds(&other));
        }
        assert!(!When::method(Method::HEAD).holds(&facts(1, 1, "/")));
        assert!(When::always().holds(&facts(9, 9, "/")));
    }

    #[test]
    fn the_later_of_two_that_exclude_each_other_wins_and_others_compose() {
        let mut script = Script::default();
        script.push(When::always(), Quirk::Close(Close::Announced));
        script.push(When::leg(2), Quirk::Close(Close::WithoutAnswer));
        script.push(When::always(), Quirk::Http10);
        assert_eq!(script.effects(&facts(1, 1, "/")).close, Some(Close::Announced));
        let second = script.effects(&facts(1, 2, "/"));
        assert_eq!((second.close, second.version), (Some(Close::WithoutAnswer), Version::Http10));
    }
}
