//! What `spans` has, where the feature `tracing` is off: nothing.

use crate::handshake::Actor;
use crate::service::event::Event;
use crate::service::observe::{LegReport, Observer};

#[inline]
pub(super) fn are_wanted() -> bool {
    false
}

pub(super) struct Spans;

impl Observer for Spans {
    fn leg(&self, _: &LegReport) {}
}

pub(super) struct RequestSpan;

pub(super) struct Entered;

impl RequestSpan {
    pub(super) fn begin(_: &Event) -> Self {
        Self
    }

    pub(super) fn enter(&self) -> Entered {
        Entered
    }

    pub(super) fn acts_as(&self, _: &Actor) {}

    pub(super) fn end(&self, _: &Event) {}
}
