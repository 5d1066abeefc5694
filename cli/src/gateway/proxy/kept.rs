//! A request's body that is lent to one way after the other, until one of them begins to send it.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use legwork::service::BoxError;

use crate::gateway::answer::Body;

/// A body whose owner can tell whether it is still whole.
pub(super) struct Kept(Arc<Mutex<Lent>>);

struct Lent {
    body: Body,
    is_whole: bool,
}

struct Borrowed(Arc<Mutex<Lent>>);

impl Kept {
    pub(super) fn new(body: Body) -> Self {
        Self(Arc::new(Mutex::new(Lent { body, is_whole: true })))
    }

    /// The body, for a way that may not come to sending it.
    pub(super) fn lend(&self) -> Body {
        Borrowed(Arc::clone(&self.0)).boxed_unsync()
    }

    /// Whether nobody has asked for any of it.
    pub(super) fn is_whole(&self) -> bool {
        let lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lent.is_whole || lent.body.is_end_stream()
    }
}

impl HttpBody for Borrowed {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let mut lent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lent.is_whole = false;
        Pin::new(&mut lent.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).body.size_hint()
    }
}
