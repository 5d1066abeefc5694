//! What ties an authentication to the TLS connection that carries it (RFC 5056, RFC 5929).

use std::fmt;
use std::sync::Arc;

/// Channel bindings: the application data that both ends derive from their TLS connection, such
/// as `tls-server-end-point:` and the hash of the server's certificate (RFC 5929, section 4).
///
/// Servers with Extended Protection refuse an authentication without them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelBindings {
    application_data: Arc<[u8]>,
}

impl ChannelBindings {
    /// Bindings with this application data: the channel binding's unique prefix, a colon, and
    /// its octets (RFC 5056, section 2.1).
    pub fn from_application_data(data: impl Into<Arc<[u8]>>) -> Self {
        Self { application_data: data.into() }
    }

    /// `tls-server-end-point` for the hash of a server's certificate, taken by the caller with
    /// the hash function that RFC 5929, section 4.1 names.
    pub fn tls_server_end_point(certificate_hash: &[u8]) -> Self {
        Self::from_application_data([b"tls-server-end-point:", certificate_hash].concat())
    }

    /// The octets that the mechanisms hash or send.
    pub fn application_data(&self) -> &[u8] {
        &self.application_data
    }
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelBindings({} octets)", self.application_data.len())
    }
}
