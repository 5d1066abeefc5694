use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use crate::service::body::tee::{Tee, TeeReader};
use crate::service::error::BoxError;
use crate::service::expectation::Expectation;

/// The body of one leg: nothing, or the caller's body, whose frames are kept while they are sent
/// so that they can be sent again. It may wait until the server has said that it wants it.
///
/// Small, since hyper has room for 32 requests in each connection.
pub struct LegBody<B>(Option<TeeReader<B>>);

impl<B> LegBody<B> {
    pub(in crate::service) fn empty() -> Self {
        Self(None)
    }

    pub(in crate::service) fn teed(tee: &Arc<Tee<B>>) -> Self {
        Self(Some(TeeReader::new(tee)))
    }

    /// Whether there is none.
    #[cfg(feature = "client")]
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The same, which waits for this. Where there is no body, nothing waits.
    pub(in crate::service) fn waiting_for(self, expectation: Expectation) -> Self {
        if let Some(reader) = &self.0 {
            reader.wait_for(expectation);
        }
        self
    }
}

impl<B> Body for LegBody<B>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        match &mut self.get_mut().0 {
            None => Poll::Ready(None),
            Some(reader) => reader.poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            None => true,
            Some(reader) => reader.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            None => SizeHint::with_exact(0),
            Some(reader) => reader.size_hint(),
        }
    }
}

impl<B> fmt::Debug for LegBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            None => "LegBody::Empty",
            Some(_) => "LegBody::Teed",
        })
    }
}
