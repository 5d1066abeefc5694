//! A request that can be sent, and who it acts as.

use http::Request;

use crate::handshake::Acting;
use crate::service::payload::Payload;

/// A request that can be sent, for the first time or again.
pub(crate) struct PreparedRequest<B> {
    pub(crate) request: Request<Payload<B>>,
    pub(crate) acting: Acting,
}
