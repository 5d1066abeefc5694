//! The request's body across its legs.

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Uri};
use http_body::Body;

use crate::handshake::Outlook;
use crate::mechanism::Moments;
use crate::scheme::{Content, RequestContext};
use crate::service::body::{LegBody, Tee, TeeProgress};
use crate::service::error::BoxError;
use crate::service::head::DeclaredLength;
use crate::service::leg_service::LegService;

/// What a request's body is, before and after it has been sent.
pub(crate) enum Payload<B> {
    Empty,
    /// Not looked at yet.
    Untouched(B),
    Teed(Arc<Tee<B>>),
}

/// How much of a body reaches the server together with the head, in octets: TCP sends ten segments
/// before it hears anything (RFC 6928). To wait with so little costs a round trip and spares nothing.
const FIRST_FLIGHT: u64 = 16 * 1024;

/// Whether a body can be sent again.
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
            Self::Teed(tee) if tee.progress() == TeeProgress::Ended => Some(&**tee),
            Self::Empty | Self::Untouched(_) | Self::Teed(_) => None,
        };
        RequestContext::new(method, target, !self.is_empty(), moments).with_content(content)
    }

    /// The body of a leg that carries it.
    pub(super) fn leg<L: LegService<B>>(
        &mut self,
        service: &mut L,
        limit: u64,
        length: DeclaredLength,
    ) -> LegBody<B> {
        self.tee(service, limit, length).map_or_else(LegBody::empty, LegBody::teed)
    }

    /// Whether a leg with this outlook is to wait before it sends the body. A body that cannot be sent
    /// again waits wherever it may be sent in vain; one that can, where that costs more than the wait.
    pub(super) fn is_to_wait<L: LegService<B>>(
        &mut self,
        outlook: Outlook,
        service: &mut L,
        limit: u64,
        length: DeclaredLength,
        cx: &mut Context<'_>,
    ) -> bool
    where
        B::Error: Into<BoxError>,
    {
        if outlook == Outlook::Clear {
            return false;
        }
        let Some(tee) = self.tee(service, limit, length) else { return false };
        match (outlook, tee.length()) {
            (Outlook::Doubtful, Some(length)) => length > FIRST_FLIGHT,
            _ => !tee.is_at_hand(cx),
        }
    }

    /// Reads the body to its end, as far as it is kept, so that it is known before it is sent.
    ///
    /// # Errors
    ///
    /// The body's own.
    pub(super) fn poll_gather<L: LegService<B>>(
        &mut self,
        service: &mut L,
        limit: u64,
        length: DeclaredLength,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), BoxError>>
    where
        B::Error: Into<BoxError>,
    {
        match self.tee(service, limit, length) {
            Some(tee) => tee.poll_gather(cx),
            None => Poll::Ready(Ok(())),
        }
    }

    /// What keeps the body; `None` where there is none.
    fn tee<L: LegService<B>>(
        &mut self,
        service: &mut L,
        limit: u64,
        length: DeclaredLength,
    ) -> Option<&Arc<Tee<B>>> {
        *self = match std::mem::replace(self, Self::Empty) {
            Self::Untouched(body) => Self::Teed(Tee::of(body, limit, length, service.take_tee())),
            other => other,
        };
        match self {
            Self::Teed(tee) => Some(tee),
            Self::Empty | Self::Untouched(_) => None,
        }
    }

    /// The request has ended: lets go of what is kept of the body. The tee can be used again, unless
    /// the rest of the body still goes through it.
    pub(super) fn into_spare(self) -> Option<Arc<Tee<B>>> {
        match self {
            Self::Empty | Self::Untouched(_) => None,
            Self::Teed(tee) => Tee::cleared(tee),
        }
    }

    /// Whether the body can be sent again after a leg that carried it.
    pub(super) fn replay(&self) -> Replay {
        match self {
            Self::Empty | Self::Untouched(_) => Replay::Here,
            Self::Teed(tee) => match tee.progress() {
                TeeProgress::Ended => Replay::Here,
                TeeProgress::Streaming => Replay::Elsewhere,
                TeeProgress::Overflowed => Replay::Never,
                TeeProgress::Failed => Replay::Failed,
            },
        }
    }
}
