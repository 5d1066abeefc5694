//! The request's body across its legs.

use std::sync::Arc;

use http::{Method, Uri};
use http_body::Body;

use crate::mechanism::Moments;
use crate::scheme::{Content, RequestContext};
use crate::service::body::{LegBody, Progress, Tee};
use crate::service::head::DeclaredLength;
use crate::service::line::Line;

/// What a request's body is, before and after it has been sent.
pub(crate) enum Payload<B> {
    Empty,
    /// Not looked at yet.
    Untouched(B),
    Teed(Arc<Tee<B>>),
}

/// Whether a body can be sent once more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Replay {
    /// On the same connection.
    Here,
    /// The last leg is still being uploaded: on another connection.
    Elsewhere,
    /// Too much has gone.
    Never,
    /// The body itself failed.
    Failed,
}

impl<B> Payload<B> {
    /// Ends the connection that still sends the body, if one does.
    pub(super) fn cut_off(&self) {
        if let Self::Teed(tee) = self {
            tee.cut_off();
        }
    }
}

impl<B: Body> Payload<B> {
    pub(crate) fn new(body: B) -> Self {
        if body.is_end_stream() { Self::Empty } else { Self::Untouched(body) }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self, Self::Empty)
    }

    /// The request as a scheme sees it.
    pub(super) fn context<'a>(
        &'a self,
        method: &'a Method,
        target: &'a Uri,
        moments: &'a dyn Moments,
    ) -> RequestContext<'a> {
        let content: Option<&dyn Content> = match self {
            Self::Teed(tee) if tee.progress() == Progress::Ended => Some(&**tee),
            Self::Empty | Self::Untouched(_) | Self::Teed(_) => None,
        };
        RequestContext::new(method, target, !self.is_empty(), moments).with_content(content)
    }

    /// The body of a leg that carries it.
    pub(super) fn leg<L: Line<B>>(&mut self, line: &mut L, limit: u64, length: DeclaredLength) -> LegBody<B> {
        let tee = match std::mem::replace(self, Self::Empty) {
            Self::Empty => return LegBody::empty(),
            Self::Untouched(body) => Tee::of(body, limit, length, line.take_tee()),
            Self::Teed(tee) => tee,
        };
        let leg = LegBody::teed(&tee);
        *self = Self::Teed(tee);
        leg
    }

    /// The request has ended: lets go of what is kept of the body. The tee can be used again, unless
    /// the rest of the body still goes through it.
    pub(super) fn into_spare(self) -> Option<Arc<Tee<B>>> {
        match self {
            Self::Empty | Self::Untouched(_) => None,
            Self::Teed(tee) => Tee::cleared(tee),
        }
    }

    /// Whether the body can be sent once more after a leg that carried it.
    pub(super) fn replay(&self) -> Replay {
        match self {
            Self::Empty | Self::Untouched(_) => Replay::Here,
            Self::Teed(tee) => match tee.progress() {
                Progress::Ended => Replay::Here,
                Progress::Streaming => Replay::Elsewhere,
                Progress::Overflowed => Replay::Never,
                Progress::Failed => Replay::Failed,
            },
        }
    }
}
