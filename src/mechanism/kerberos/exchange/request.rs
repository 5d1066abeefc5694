//! What an exchange wants to have sent, and what comes of the answer.

use std::fmt;

use crate::mechanism::Proves;

/// A message for a KDC.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct KdcRequest {
    /// Any KDC of this realm will do.
    pub(crate) realm: String,
    /// The message, without the length that goes in front of it over TCP.
    pub(crate) message: Vec<u8>,
    /// What a refusal says something about. Where a server relays it, the secret is
    /// [`Relayed`](Proves::Relayed).
    pub(crate) proves: Proves,
    /// How it may be sent.
    pub(crate) transport: Transport,
}

/// How a message gets to a KDC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Transport {
    /// As one likes.
    Any,
    /// The reply is too long for a datagram: not over UDP.
    Stream,
}

impl fmt::Debug for KdcRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KdcRequest")
            .field("realm", &self.realm)
            .field("message", &format_args!("{} octets", self.message.len()))
            .field("proves", &self.proves)
            .field("transport", &self.transport)
            .finish()
    }
}

/// What an answer of a KDC has come to.
#[derive(Debug)]
pub(crate) enum Next<E, T> {
    /// Send this too, and give the exchange the answer.
    Send {
        /// For a KDC of the realm that it names.
        request: KdcRequest,
        /// The exchange from here on.
        exchange: E,
    },
    /// The exchange is over.
    Granted(T),
}
