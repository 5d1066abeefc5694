//! Why a request got no response, and whether another connection may serve it.

use http::Method;

use crate::handshake::{BodyUse, Renewal};
use crate::mechanism::Moments;
use crate::service::channel::ChannelState;
#[cfg(feature = "reqwest")]
use crate::service::error::Astray;
use crate::service::error::{BoxError, Error, ErrorKind, OldPeer};
use crate::service::head::is_idempotent;
use crate::service::leg_error::LegError;
use crate::service::prepared_request::PreparedRequest;
use crate::service::retryable::is_given_up;
#[cfg(feature = "client")]
use crate::service::watch::Watched;

/// Why there is no response, and the request, where another connection may serve it.
pub(crate) struct FailedRequest<B> {
    pub(crate) error: Error,
    pub(crate) retry: Option<(Retry, PreparedRequest<B>)>,
}

/// On which grounds a request may move to another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Nothing of it was sent.
    Unsent,
    /// The connection was closed before an answer, and sending twice is safe.
    Closed,
    /// The handshake must begin anew.
    Renew,
}

impl<B> FailedRequest<B> {
    /// A failure that no other connection helps with.
    pub(super) fn new(kind: ErrorKind) -> Box<Self> {
        Box::new(Self { error: Error::new(kind), retry: None })
    }

    /// The request that may begin again, where somebody looks on, and why it has to.
    #[cfg(feature = "client")]
    pub(crate) fn restart(&self) -> Option<(Watched, String)> {
        let (_, pending) = self.retry.as_ref()?;
        let watched = pending.request.extensions().get::<Watched>()?;
        Some((watched.clone(), watched.in_words(&self.error)))
    }

    /// The connection cannot serve the request; another one may, on these grounds.
    pub(super) fn retry(grounds: Retry, kind: ErrorKind, request: PreparedRequest<B>) -> Box<Self> {
        let mut failure = Self::new(kind);
        failure.retry = Some((grounds, request));
        failure
    }
}

/// A connection that was lost in the middle of a request.
pub(super) struct LostConnection {
    pub(super) error: BoxError,
    /// The connection did not take the leg.
    pub(super) not_called: bool,
    /// How the leg that was out treated the body.
    pub(super) sent: BodyUse,
    /// It has said that the body is to come, and waited for the server's word.
    pub(super) held: bool,
    /// How many legs were answered before.
    pub(super) legs: u32,
    pub(super) has_body: bool,
}

/// Whether the request of a lost connection is sent again, and what its caller is told if not.
pub(super) struct RetryDecision {
    /// On which grounds the request may move to another connection.
    pub(super) retry: Option<Retry>,
    /// What its caller is told if it does not.
    pub(super) kind: ErrorKind,
    /// The server may have acted on the request.
    pub(super) acted_on: bool,
}

impl LostConnection {
    /// Decides whether the request may move to another connection. The handshakes learn of the loss.
    pub(super) fn judge(mut self, state: &mut ChannelState) -> RetryDecision {
        self.error = match self.error.downcast::<LegError>().map(|told| *told) {
            Ok(LegError::NotConnected(source)) => {
                state.logins.not_sent();
                let kind = ErrorKind::Connect(source);
                return RetryDecision { retry: None, kind, acted_on: false };
            }
            Ok(told) => told.into(),
            Err(error) => error,
        };
        #[cfg(feature = "reqwest")]
        if let Some(astray) = self.error.downcast_ref::<Astray>() {
            // No challenge was pending where it went: nobody has verified anything.
            state.logins.not_sent();
            let acted_on = astray.was_served && self.sent == BodyUse::Carried;
            let is_safe = !acted_on || is_idempotent(state.saved.method());
            let (retry, kind) = match astray.is_redirected {
                true => (None, ErrorKind::Connection(self.error)),
                false => (is_safe.then_some(Retry::Renew), ErrorKind::NewConnectionNeeded(Renewal::Astray)),
            };
            return RetryDecision { retry, kind, acted_on };
        }
        let told = self.error.downcast_ref::<LegError>();
        if let Some(LegError::Http1Required(_)) = told {
            if state.logins.origin().needs_http1() {
                state.logins.not_sent();
                let kind = ErrorKind::NewConnectionNeeded(Renewal::Http1Needed);
                return RetryDecision { retry: Some(Retry::Renew), kind, acted_on: false };
            }
        }
        let is_reset = told.is_some_and(LegError::is_reset);
        let is_given_up = is_given_up(&*self.error);
        let unsent = self.not_called || matches!(told, Some(LegError::Unsent(_)));
        let in_handshake = self.legs > 0 && state.logins.is_bound_under_way();
        let expects_challenge = in_handshake && state.logins.expects_challenge();
        let unseen = unsent || expects_challenge || self.sent == BodyUse::Withheld || self.held;
        let safe = unseen || is_idempotent(state.saved.method());
        let carries_body = !unseen && self.has_body;
        if unsent {
            state.logins.not_sent();
        }
        let on_trial = !unsent && state.logins.lose_connection(state.environment.instant());
        // An idle connection may have been about to end; a new one was closed over what it was sent.
        let is_new = !state.used && self.legs == 0;
        let can_be_dropped = safe || *state.saved.method() == Method::CONNECT;
        let by_hint = !unsent && is_new && can_be_dropped && state.logins.drop_hints();
        // Some servers hang up where they are asked whether they want the body.
        let by_expectation = self.held && !unsent && is_new && !on_trial;
        if by_expectation {
            state.logins.origin().memory().note_never_says_continue();
        }
        let retry = match () {
            // On another connection it would take as long again.
            () if is_given_up => None,
            // The login would come as far as this again.
            () if in_handshake && self.error.is::<OldPeer>() => None,
            () if by_hint || by_expectation => Some(Retry::Renew),
            // Some servers hang up on a wrong password: unproven, it is sent again once at most. So is a
            // body.
            () if in_handshake && safe && !on_trial && !carries_body => Some(Retry::Renew),
            () if unsent => Some(Retry::Unsent),
            // A stream that is reset by itself is reset on purpose.
            () if is_reset => None,
            () if safe && (state.used || self.legs > 0) => Some(Retry::Closed),
            () => None,
        };
        let kind = match retry {
            Some(_) if in_handshake => ErrorKind::NewConnectionNeeded(Renewal::ClosedInHandshake),
            _ => ErrorKind::Connection(self.error),
        };
        RetryDecision { retry, kind, acted_on: !unseen }
    }
}
