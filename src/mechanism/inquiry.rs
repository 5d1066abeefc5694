//! What a security context asks of somebody else than its peer.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::mechanism::{MechanismError, Proves};

/// What a security context wants to be told before it can go on.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inquiry {
    /// What a KDC says to a message.
    Kdc(KdcInquiry),
    /// That another login is done with what this one needs as well, such as a ticket. The answer is empty.
    Another(Awaited),
}

impl Inquiry {
    /// Returns what is shown of a secret by asking.
    pub fn proves(&self) -> Proves {
        match self {
            Self::Kdc(inquiry) => inquiry.proves,
            Self::Another(_) => Proves::Nothing,
        }
    }
}

/// A message for a KDC (RFC 4120, section 7.2).
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdcInquiry {
    /// Any KDC of this realm will do.
    pub realm: Arc<str>,
    /// Where the realm's KDCs are, the most wanted first: a host name or an address, with `:port` where that is not 88.
    pub addresses: Arc<[String]>,
    /// The message, without the length that goes in front of it over TCP.
    pub message: Vec<u8>,
    /// What a refusal says something about.
    pub proves: Proves,
    /// The reply is too long for a datagram: not over UDP.
    pub needs_stream: bool,
}

impl KdcInquiry {
    /// Creates an inquiry whose message is made without the secret and may go over UDP.
    pub fn new(realm: impl Into<Arc<str>>, addresses: Arc<[String]>, message: Vec<u8>) -> Self {
        Self { realm: realm.into(), addresses, message, proves: Proves::Nothing, needs_stream: false }
    }

    /// Sets what the message is made with.
    #[must_use]
    pub fn with_proves(mut self, proves: Proves) -> Self {
        self.proves = proves;
        self
    }

    /// Sets whether it has to go over TCP.
    #[must_use]
    pub fn with_needs_stream(mut self, needs_stream: bool) -> Self {
        self.needs_stream = needs_stream;
        self
    }
}

impl fmt::Debug for KdcInquiry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KdcInquiry")
            .field("realm", &self.realm)
            .field("addresses", &self.addresses)
            .field("message", &format_args!("{} octets", self.message.len()))
            .field("proves", &self.proves)
            .field("needs_stream", &self.needs_stream)
            .finish()
    }
}

/// Ready once another login is done with what this one needs as well: with an error where it has failed, so that those
/// who have waited do not all wait again, one after the other.
///
/// The other login ends in bounded time, or is given up, which makes this ready, too. Where neither happens, since its
/// program keeps it and does not go on with it, whoever waits goes on after 30 s as if this were ready.
pub struct Awaited(Pin<Box<dyn Future<Output = Result<(), MechanismError>> + Send>>);

impl Awaited {
    /// Creates one that is ready when `other` is.
    pub fn new(other: impl Future<Output = Result<(), MechanismError>> + Send + 'static) -> Self {
        Self(Box::pin(other))
    }
}

impl Future for Awaited {
    type Output = Result<(), MechanismError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for Awaited {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Awaited(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wait_for_another_login_shows_nothing_of_a_secret() {
        let inquiry = Inquiry::Another(Awaited::new(std::future::ready(Ok(()))));
        assert_eq!(inquiry.proves(), Proves::Nothing);
        assert_eq!(format!("{inquiry:?}"), "Another(Awaited(..))");
    }
}
