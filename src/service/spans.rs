//! Spans and events for [`tracing`], with names and fields that programs may rely on.
//!
//! They come of the feature `tracing`: nothing is to be called. Where nobody subscribes, a request costs the look
//! at one number that says so. What follows is an interface: names and fields are kept, as semantic versioning has
//! it; others may be added. The texts of messages, and what is in `error`, `reason`, `sent` and `received`, are for people, and
//! may change. [The manual](crate::manual::tracing) shows how it is used.
//!
//! The target of all of them is [`TARGET`]: `RUST_LOG=legwork=debug` shows everything, `legwork=info` the requests and
//! what went wrong, `legwork=warn` only what went wrong.
//!
//! # The span of a request
//!
//! `legwork.request`, at the level INFO, from the call to the head of the response that is delivered. Its parent is the span that
//! the caller is in when it calls. `CONNECT` to a proxy is a request with a span of its own, in that of the request
//! which needs the tunnel. The client is in the span while it works for the request, and with it the providers and connectors
//! that it asks; the layer is in it while a login is under way. What hyper does in tasks of its own is not in it.
//!
//! | field | type | what it is |
//! |---|---|---|
//! | `request` | u64 | the request's number, from 1 within one [`Environment`](crate::service::Environment) |
//! | `method` | text | `GET` |
//! | `origin` | text | `https://mail.example`; not there if the URI names none |
//! | `proxy` | text | the proxy in between, if there is one |
//! | `path` | text | the path without the query; of `CONNECT` host and port |
//! | `identity` | text | the user's name, or what an [`Actor`] is shown as; who is logged in, once that is known. It is recorded when it is known, and again only if it is another by then |
//! | `status` | u64 | that of the response |
//! | `outcome` | text | `answered` (without a login), `logged-in`, `refused`, `failed` (there is no response) or `given-up` (the future was dropped) |
//! | `scheme`, `mechanism` | text | of the login, or the scheme that was refused |
//! | `legs` | u64 | how many the login took on its connection |
//! | `mutual` | bool | whether the server has proven who it is |
//! | `evidence` | text | of a refusal, see below |
//! | `pause` | f64 | how many seconds the credentials rest, where they do |
//! | `error` | text | why there is no response |
//! | `elapsed` | f64 | seconds |
//! | `otel.kind`, `otel.status_code` | text | `client`; `ERROR` if there is no response: what tracing-opentelemetry reads |
//!
//! # Events
//!
//! Each has its name in its metadata, and is in the span of its request.
//!
//! | name | level | when | fields |
//! |---|---|---|---|
//! | `legwork.leg` | DEBUG | a leg was answered | `request`, `connection`, `leg`, `origin`, `proxy`, `identity`, `line` (method and path), `sent`, `received` (what kinds of token, and their sizes), `body_withheld`, `status`, `elapsed` |
//! | `legwork.logged_in` | DEBUG | a login was accepted | `request`, `origin`, `proxy`, `challenger` (`origin` or `proxy`), `scheme`, `mechanism`, `passed_over` (those that were wanted more, and why they were not used), `identity`, `legs`, `mutual` |
//! | `legwork.refused` | WARN | a challenge stands | `request`, `origin`, `proxy`, `challenger`, `scheme`, `evidence`, `pause`, `legs`, `reason` |
//! | `legwork.failed` | WARN | there is no response | `request`, `origin`, `proxy`, `error`, `elapsed` |
//! | `legwork.given_up` | DEBUG | the future was dropped | `request`, `origin`, `proxy`, `elapsed` |
//! | `legwork.connected` | DEBUG | a connection is there | `connection`, `origin`, `proxy`, `protocol` (`http1` or `http2`), `elapsed` |
//! | `legwork.not_connected` | WARN | it could not be made | `connection`, `origin`, `proxy`, `error`, `elapsed` |
//! | `legwork.restarted` | DEBUG | a request begins again on another connection | `request`, `origin`, `proxy`, `error` |
//! | `legwork.waits` | DEBUG | a request waits | `request`, `connection`, `work` (`turn`, `other-login`, `credentials`, `step` or `kdc`), `realm` |
//! | `legwork.waited` | DEBUG | it has waited | the same, `elapsed`, `error` |
//!
//! # Evidence
//!
//! What the refusal says of the credentials, by [the scheme that says the most](crate::handshake::Refusal::evidence).
//!
//! | `evidence` | [`Why`] |
//! |---|---|
//! | `refused` | the server, or a KDC, refused them |
//! | `denied` | they are good, and have no access |
//! | `refused-before` | not tried: they were refused before |
//! | `undecided` | they were tried, and no answer tells |
//! | `paused` | not tried: they rest, for the seconds in `pause` |
//! | `cannot-start` | nothing was sent, since the scheme could not start |
//! | `no-credentials` | there are none |
//! | `barred` | a rule is against it: no TLS, no mutual authentication, HTTP/2, a proxy in between, NTLM shut out, content that is not kept |
//! | `unreadable` | the challenge cannot be read |
//! | `unsupported` | nothing answers it |
//! | `no-challenge` | there was no challenge |
//!
//! # What is not in them
//!
//! No passwords, hashes, keys, tokens, nonces or cookies; no queries, bodies or header fields. Names of users are in `identity`, and
//! may be in `reason` and `error`; [`without_user_names`](crate::service::Environment::without_user_names) leaves them out.
//! Paths are there as they are.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tracing::field::{Empty, display};
use tracing::{Level, Span, debug, info_span, warn};

use crate::handshake::{Actor, Login, Outcome, Pause, Protocol, Refusal, Tried, Why};
use crate::service::event::{Ending, Event, EventKind, Work};
use crate::service::observe::{LegReport, Observer, TokenReport};

/// The target of all spans and events.
pub const TARGET: &str = "legwork";

/// Whether anybody subscribes to any of it.
#[inline]
pub(super) fn are_wanted() -> bool {
    tracing::enabled!(target: TARGET, Level::WARN)
}

/// Makes events of reports.
pub(super) struct Spans;

impl Observer for Spans {
    fn leg(&self, leg: &LegReport) {
        if !tracing::enabled!(target: TARGET, Level::DEBUG) {
            return;
        }
        debug!(
            name: "legwork.leg",
            target: TARGET,
            request = leg.request_number,
            connection = leg.connection,
            leg = leg.leg,
            origin = %leg.origin,
            proxy = leg.proxy.as_ref().map(display),
            identity = %leg.actor,
            line = leg.request,
            sent = tokens(&leg.authorization),
            received = tokens(&leg.challenges),
            body_withheld = leg.body_withheld,
            status = leg.status.as_u16(),
            elapsed = leg.elapsed.as_secs_f64(),
            "a leg was answered"
        );
    }

    fn event(&self, event: &Event) {
        let Event { request_number: request, connection, origin, proxy, .. } = event;
        let (origin, proxy) = (origin.as_ref().map(display), proxy.as_ref().map(display));
        match &event.kind {
            EventKind::Connected { protocol, elapsed } => debug!(
                name: "legwork.connected",
                target: TARGET,
                connection,
                origin,
                proxy,
                protocol = name_of_protocol(*protocol),
                elapsed = elapsed.as_secs_f64(),
                "connected"
            ),
            EventKind::NotConnected { error, elapsed } => warn!(
                name: "legwork.not_connected",
                target: TARGET,
                connection,
                origin,
                proxy,
                error = error.as_str(),
                elapsed = elapsed.as_secs_f64(),
                "cannot connect"
            ),
            EventKind::Restarted { error } => debug!(
                name: "legwork.restarted",
                target: TARGET,
                request,
                origin,
                proxy,
                error = error.as_str(),
                "begins again on another connection"
            ),
            EventKind::WorkBegan { work } => debug!(
                name: "legwork.waits",
                target: TARGET,
                request,
                connection,
                work = name_of_work(work),
                realm = realm_of(work),
                "waits"
            ),
            EventKind::WorkEnded { work, elapsed, error } => debug!(
                name: "legwork.waited",
                target: TARGET,
                request,
                connection,
                work = name_of_work(work),
                realm = realm_of(work),
                elapsed = elapsed.as_secs_f64(),
                error = error.as_deref(),
                "has waited"
            ),
            EventKind::RequestEnded { ending, elapsed } => ended(event, ending, *elapsed),
            // That is the span's beginning.
            EventKind::RequestBegan { .. } => {}
        }
    }
}

/// What came of a request, as events. Both challengers may have had their say.
fn ended(event: &Event, ending: &Ending, elapsed: Duration) {
    let request = event.request_number;
    let (origin, proxy) = (event.origin.as_ref().map(display), event.proxy.as_ref().map(display));
    let elapsed = elapsed.as_secs_f64();
    match ending {
        Ending::Answered { .. } => ending.outcomes().for_each(|outcome| told(event, outcome)),
        Ending::Failed { error } => warn!(
            name: "legwork.failed",
            target: TARGET,
            request,
            origin,
            proxy,
            error = error.as_str(),
            elapsed,
            "there is no response"
        ),
        Ending::GivenUp => {
            debug!(name: "legwork.given_up", target: TARGET, request, origin, proxy, elapsed, "given up");
        }
    }
}

fn told(event: &Event, outcome: &Outcome) {
    let request = event.request_number;
    let (origin, proxy) = (event.origin.as_ref().map(display), event.proxy.as_ref().map(display));
    match outcome {
        Outcome::LoggedIn(login) => debug!(
            name: "legwork.logged_in",
            target: TARGET,
            request,
            origin,
            proxy,
            challenger = %login.challenger,
            scheme = login.scheme,
            mechanism = login.mechanism,
            identity = login.principal.as_deref(),
            passed_over = login.passed_over.as_deref(),
            legs = login.legs,
            mutual = login.mutual,
            "logged in"
        ),
        Outcome::Refused(refusal) => {
            let said = Evidence::of(refusal);
            warn!(
                name: "legwork.refused",
                target: TARGET,
                request,
                origin,
                proxy,
                challenger = %refusal.challenger,
                scheme = said.scheme,
                evidence = said.evidence,
                pause = said.pause.map(|pause| pause.length.as_secs_f64()),
                legs = refusal.legs,
                reason = %refusal,
                "not logged in"
            );
        }
    }
}

/// The span of a request, and the identity that was recorded last.
///
/// `tracing` has no way to look at a field, and subscribers such as `fmt` append what is recorded: a login of three
/// legs would show its user three times.
pub(super) struct RequestSpan {
    span: Span,
    identity: Mutex<Option<String>>,
}

impl RequestSpan {
    /// Its parent is the span that its caller is in.
    pub(super) fn begin(event: &Event) -> Self {
        let EventKind::RequestBegan { method, path, actor } = &event.kind else {
            return Self::of(Span::none());
        };
        let this = Self::of(info_span!(
            target: TARGET,
            "legwork.request",
            request = event.request_number,
            method = method.as_str(),
            origin = event.origin.as_ref().map(display),
            proxy = event.proxy.as_ref().map(display),
            path,
            identity = Empty,
            status = Empty,
            outcome = Empty,
            scheme = Empty,
            mechanism = Empty,
            legs = Empty,
            mutual = Empty,
            evidence = Empty,
            pause = Empty,
            error = Empty,
            elapsed = Empty,
            otel.kind = "client",
            otel.status_code = Empty,
        ));
        this.acts_as(actor);
        this
    }

    fn of(span: Span) -> Self {
        Self { span, identity: Mutex::default() }
    }

    pub(super) fn enter(&self) -> tracing::span::Entered<'_> {
        self.span.enter()
    }

    /// Who it has turned out to be that the request acts as. A provider is asked only after a challenge, so the first leg
    /// of most requests has nothing to say.
    pub(super) fn acts_as(&self, actor: &Actor) {
        if *actor != Actor::NotAsked && !self.span.is_disabled() {
            self.identify(actor.to_string());
        }
    }

    fn identify(&self, name: String) {
        let mut identity = self.identity.lock().unwrap_or_else(PoisonError::into_inner);
        if identity.as_ref() != Some(&name) {
            self.span.record("identity", name.as_str());
            *identity = Some(name);
        }
    }

    fn is_identified(&self) -> bool {
        self.identity.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    pub(super) fn end(&self, event: &Event) {
        let EventKind::RequestEnded { ending, elapsed } = &event.kind else { return };
        if self.span.is_disabled() {
            return;
        }
        if !self.is_identified() {
            self.identify(Actor::NotAsked.to_string());
        }
        self.span.record("elapsed", elapsed.as_secs_f64());
        self.span.record("outcome", outcome(ending));
        match ending {
            Ending::Answered { status, .. } => {
                self.span.record("status", status.as_u16());
            }
            Ending::Failed { error } => {
                self.span.record("error", error.as_str()).record("otel.status_code", "ERROR");
            }
            Ending::GivenUp => {}
        }
        match (ending.refusal(), ending.login()) {
            (Some(refusal), _) => self.refused(refusal),
            (None, Some(login)) => self.logged_in(login),
            (None, None) => {}
        }
    }

    fn logged_in(&self, login: &Login) {
        let span = &self.span;
        span.record("scheme", login.scheme).record("mechanism", login.mechanism);
        span.record("legs", login.legs).record("mutual", login.mutual);
        if let Some(principal) = &login.principal {
            self.identify(principal.clone());
        }
    }

    fn refused(&self, refusal: &Refusal) {
        let (span, said) = (&self.span, Evidence::of(refusal));
        span.record("legs", refusal.legs).record("mutual", refusal.mutual);
        span.record("scheme", said.scheme).record("evidence", said.evidence);
        if let Some(pause) = said.pause {
            span.record("pause", pause.length.as_secs_f64());
        }
    }
}

/// What a refusal says of the credentials.
struct Evidence<'a> {
    scheme: Option<&'a str>,
    evidence: &'static str,
    pause: Option<Pause>,
}

impl<'a> Evidence<'a> {
    /// By the scheme that says the most.
    fn of(refusal: &'a Refusal) -> Self {
        let nothing = Self { scheme: None, evidence: "no-challenge", pause: None };
        refusal.evidence().map_or(nothing, Self::of_scheme)
    }

    fn of_scheme(Tried { scheme, why, .. }: &'a Tried) -> Self {
        let (evidence, pause) = match why {
            Why::Refused(_) => ("refused", None),
            Why::Denied => ("denied", None),
            Why::RefusedBefore => ("refused-before", None),
            Why::Undecided(_) => ("undecided", None),
            Why::Paused(pause) => ("paused", Some(*pause)),
            Why::CannotStart(_) => ("cannot-start", None),
            Why::NoCredentials => ("no-credentials", None),
            Why::RevealsSecret
            | Why::NoMutualAuthentication
            | Why::NoProxySupport
            | Why::Http2
            | Why::ContentNotKept
            | Why::NtlmShutOut { .. } => ("barred", None),
            Why::Unreadable(_) => ("unreadable", None),
            Why::Unsupported => ("unsupported", None),
        };
        Self { scheme: Some(scheme), evidence, pause }
    }
}

fn outcome(ending: &Ending) -> &'static str {
    match ending {
        Ending::Answered { .. } if ending.refusal().is_some() => "refused",
        Ending::Answered { .. } if ending.login().is_some() => "logged-in",
        Ending::Answered { .. } => "answered",
        Ending::Failed { .. } => "failed",
        Ending::GivenUp => "given-up",
    }
}

fn tokens(reports: &[TokenReport]) -> String {
    let texts: Vec<_> = reports.iter().map(TokenReport::to_string).collect();
    texts.join(", ")
}

fn name_of_protocol(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Http1 => "http1",
        Protocol::Http2 | Protocol::Http2Alone => "http2",
    }
}

fn name_of_work(work: &Work) -> &'static str {
    match work {
        Work::Turn => "turn",
        Work::OtherLogin => "other-login",
        Work::Credentials => "credentials",
        Work::Step => "step",
        Work::Kdc(_) => "kdc",
    }
}

fn realm_of(work: &Work) -> Option<&str> {
    match work {
        Work::Kdc(realm) => Some(realm),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_refusal_says_has_a_name_and_so_has_a_protocol() {
        let malformed = crate::challenge::Challenges::from_value(b"Digest realm=\"");
        for (why, name) in [
            (Why::Refused(None), "refused"),
            (Why::Denied, "denied"),
            (Why::RefusedBefore, "refused-before"),
            (Why::Undecided("no answer".to_owned()), "undecided"),
            (Why::CannotStart("no ticket".to_owned()), "cannot-start"),
            (Why::NoCredentials, "no-credentials"),
            (Why::RevealsSecret, "barred"),
            (Why::Http2, "barred"),
            (Why::Unreadable(malformed.errors()[0].clone()), "unreadable"),
            (Why::Unsupported, "unsupported"),
        ] {
            assert_eq!(Evidence::of_scheme(&Tried::new("NTLM", why)).evidence, name);
        }
        let protocols = [Protocol::Http1, Protocol::Http2, Protocol::Http2Alone];
        assert_eq!(protocols.map(name_of_protocol), ["http1", "http2", "http2"]);
    }

    #[test]
    fn work_has_a_name_and_a_kdcs_has_its_realm() {
        for (work, name, realm) in [
            (Work::Turn, "turn", None),
            (Work::OtherLogin, "other-login", None),
            (Work::Credentials, "credentials", None),
            (Work::Step, "step", None),
            (Work::Kdc("LAB.TEST".to_owned()), "kdc", Some("LAB.TEST")),
        ] {
            assert_eq!((name_of_work(&work), realm_of(&work)), (name, realm));
        }
    }
}
