use std::task::{Context, Poll};

use crate::service::BoxError;

/// What the pool has to know of a connection.
pub(in crate::client) trait Poolable {
    /// Whether it is told when the server closes it. Where it is not, that shows with the next
    /// request.
    const SEES_ITS_END: bool = true;

    /// What a request has for such a connection beside what HTTP's own request has.
    type Extra: Clone + Send + 'static;

    /// The next request has this.
    fn take_extra(&mut self, _: Self::Extra) {}

    /// How many requests it carries at a time.
    fn streams(&self) -> usize {
        1
    }

    /// The same connection for requests at the same time, if it carries more than one.
    fn branch(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Whether another request can be sent now.
    fn is_ready(&self) -> bool;

    /// Whether it is not ready, and will be in a moment of itself: what moves the connection has only to see that its last
    /// request and response have ended.
    fn is_about_to_be_ready(&self) -> bool {
        false
    }

    /// Whether no other request can ever be sent.
    fn is_closed(&self) -> bool;

    /// Its last response has been read to its end.
    fn rest(&mut self) {}

    /// Resolves when another request can be sent.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
}
