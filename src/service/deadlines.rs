//! How long a handshake may take: as a whole, for each leg, and for reading a challenge's body.

use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::mechanism::Moments;
use crate::service::environment::{BoxFuture, Environment, Limits};
use crate::service::error::ErrorKind;

/// The timers that run for one request; none of them does before it is challenged or a handshake
/// begins.
#[derive(Default)]
pub(super) struct Deadlines {
    handshake: Option<BoxFuture<()>>,
    /// When the handshake has to be through, or how long it may still take once a wait is over.
    handshake_ends: Option<Instant>,
    handshake_left: Option<Duration>,
    leg: Option<BoxFuture<()>>,
    drain: Option<BoxFuture<()>>,
}

impl Deadlines {
    /// A handshake begins, unless it has begun.
    pub(super) fn handshake_begins(&mut self, environment: &Environment) {
        if self.handshake.is_none() && self.handshake_left.is_none() {
            self.handshake_lasts(environment.limits.handshake_timeout, environment);
        }
    }

    fn handshake_lasts(&mut self, left: Duration, environment: &Environment) {
        self.handshake = environment.sleep(left);
        self.handshake_ends = environment.instant().checked_add(left);
    }

    /// Another request tries the same credentials: the time does not run meanwhile.
    pub(super) fn wait_begins(&mut self, environment: &Environment) {
        self.handshake_begins(environment);
        self.handshake = None;
        let ends = self.handshake_ends.take();
        self.handshake_left = ends.map(|ends| ends.saturating_duration_since(environment.instant()));
    }

    /// The wait is over.
    pub(super) fn wait_ends(&mut self, environment: &Environment) {
        if let Some(left) = self.handshake_left.take() {
            self.handshake_lasts(left, environment);
        }
    }

    /// A leg goes out. One that is answered by another challenge is bounded; one that is the request
    /// itself takes the time that its application takes, and the handshake is over with it.
    pub(super) fn leg_begins(&mut self, environment: &Environment, expects_challenge: bool) {
        if expects_challenge {
            self.handshake_begins(environment);
            self.leg = environment.sleep(environment.limits.leg_timeout);
        } else {
            (self.handshake, self.handshake_ends) = (None, None);
        }
    }

    /// A leg's response has come.
    pub(super) fn leg_ends(&mut self) {
        self.leg = None;
    }

    /// A challenge's body is about to be read.
    pub(super) fn drain_begins(&mut self, environment: &Environment) {
        self.drain = environment.sleep(environment.limits.drain_timeout);
    }

    /// A challenge's body has been read to its end.
    pub(super) fn drain_ends(&mut self) {
        self.drain = None;
    }

    /// Ready when a challenge's body has taken too long.
    pub(super) fn poll_drain(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        poll(&mut self.drain, cx)
    }

    /// Ready when a leg, or the handshake, has taken too long.
    pub(super) fn poll(&mut self, limits: &Limits, cx: &mut Context<'_>) -> Poll<ErrorKind> {
        if poll(&mut self.leg, cx).is_ready() {
            return Poll::Ready(ErrorKind::Timeout("waiting for a leg's response", limits.leg_timeout));
        }
        poll(&mut self.handshake, cx).map(|()| ErrorKind::Timeout("authenticating", limits.handshake_timeout))
    }
}

fn poll(deadline: &mut Option<BoxFuture<()>>, cx: &mut Context<'_>) -> Poll<()> {
    match deadline {
        Some(deadline) => deadline.as_mut().poll(cx),
        None => Poll::Pending,
    }
}
