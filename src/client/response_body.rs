use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use crate::client::pool::Parked;

/// A response's body. It holds the connection until its end; dropped before, it closes it, or by
/// HTTP/2 its stream.
pub struct ResponseBody<R: Body = Incoming> {
    received: R,
    connection: Option<Box<dyn Parked>>,
}

impl<R: Body> ResponseBody<R> {
    pub(super) fn new(received: R, connection: Box<dyn Parked>) -> Self {
        Self { received, connection: Some(connection) }
    }

    /// Whether nothing is to come. What may decompress, as in reqwest, tells it only by the size.
    fn has_ended(&self) -> bool {
        self.received.is_end_stream() || self.received.size_hint().exact() == Some(0)
    }
}

impl<R: Body + Unpin> Body for ResponseBody<R> {
    type Data = R::Data;
    type Error = R::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<R::Data>, R::Error>>> {
        let frame = ready!(Pin::new(&mut self.received).poll_frame(cx));
        if frame.is_none() {
            if let Some(connection) = self.connection.take() {
                connection.release();
            }
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }
}

impl<R: Body> Drop for ResponseBody<R> {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take() {
            if self.has_ended() { connection.release() } else { connection.discard() }
        }
    }
}

impl<R: Body> fmt::Debug for ResponseBody<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
