//! Who looks on: the observer, and with the feature `tracing` whoever subscribes to its spans.

use std::sync::Arc;

use crate::handshake::Actor;
use crate::service::event::Event;
use crate::service::observe::{LegReport, Observer};
use crate::service::spans::{self, Spans};

/// Who looks on. With nobody in it, nothing is made to be shown.
#[derive(Clone, Default)]
pub(super) struct Audience {
    pub(super) observer: Option<Arc<dyn Observer>>,
    pub(super) leaves_names_out: bool,
}

impl Audience {
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.observer.is_none() && !spans::are_wanted()
    }

    pub(super) fn leg(&self, mut report: LegReport) {
        if self.leaves_names_out {
            report.actor = report.actor.without_name();
            report.proxy_actor = report.proxy_actor.map(Actor::without_name);
        }
        Spans.leg(&report);
        if let Some(observer) = &self.observer {
            observer.leg(&report);
        }
    }

    /// Tells of it, and gives back what was told.
    pub(super) fn event(&self, mut event: Event) -> Event {
        if self.leaves_names_out {
            event = event.without_names();
        }
        Spans.event(&event);
        if let Some(observer) = &self.observer {
            observer.event(&event);
        }
        event
    }
}
