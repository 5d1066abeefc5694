//! What ties an authentication to the TLS connection that carries it (RFC 5056, RFC 5929).
//!
//! Someone in between who passes a login on to another server does so on another TLS connection, and
//! so with another certificate than the one that the client saw. A server with Extended Protection
//! compares the two and lets nobody in for whom they differ.
//!
//! The client's own connectors tell the bindings of their connections. For a connection that was
//! made by other means they are taken from the server's certificate, the first of those that it
//! sent:
//!
//! ```
//! use legwork::channel_bindings::ChannelBindings;
//! use legwork::service::ConnectionInfo;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let certificate = include_bytes!("../../tests/vectors/certificates/rsa-sha384.der");
//! // By tokio-rustls: stream.get_ref().1.peer_certificates(), on resumed sessions too.
//! let bindings = ChannelBindings::from_certificate(certificate)?;
//! let info = ConnectionInfo::new("https://mail.example".parse()?).channel_bindings(bindings);
//! # let _ = info; Ok(())
//! # }
//! ```
//!
//! # Which hash
//!
//! `tls-server-end-point` is a hash of the certificate (RFC 5929, section 4.1):
//!
//! | the certificate is signed by | its hash |
//! |---|---|
//! | RSA, ECDSA or DSA with MD5 or SHA-1 | SHA-256 |
//! | the same with SHA-224, SHA-256, SHA-384 or SHA-512 | that one |
//! | RSASSA-PSS | the one of its parameters, by the two lines above |
//! | RSASSA-PSS with another hash function in the mask | not defined |
//! | Ed25519, Ed448 | SHA-256: the RFC does not define it, and servers that have any take this |
//! | anything else, SHA-3 for instance | none that is known here |
//!
//! Where there is none, a login goes without bindings, and a server that requires them refuses it.

mod certificate;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use certificate::CertificateError;

/// Channel bindings: the application data that both ends derive from their TLS connection, such
/// as `tls-server-end-point:` and the hash of the server's certificate (RFC 5929, section 4).
///
/// Servers with Extended Protection refuse an authentication without them.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ChannelBindings {
    application_data: Arc<[u8]>,
}

impl ChannelBindings {
    /// Takes bindings with this application data: the channel binding's unique prefix, a colon, and
    /// its octets (RFC 5056, section 2.1).
    pub fn from_application_data(data: impl Into<Arc<[u8]>>) -> Self {
        Self { application_data: data.into() }
    }

    /// `tls-server-end-point` of a server's certificate in DER, as it came on the wire.
    ///
    /// # Errors
    ///
    /// [`CertificateError`] if it is no certificate, or is signed in a way for which no hash is
    /// defined (see [the module](self#which-hash)).
    pub fn from_certificate(certificate: &[u8]) -> Result<Self, CertificateError> {
        certificate::hash(certificate).map(|hash| Self::tls_server_end_point(&hash))
    }

    /// `tls-server-end-point` for the hash of a server's certificate, taken by the caller with
    /// the hash function that RFC 5929, section 4.1 names.
    pub fn tls_server_end_point(certificate_hash: &[u8]) -> Self {
        Self::from_application_data([b"tls-server-end-point:", certificate_hash].concat())
    }

    /// Returns the octets that the mechanisms hash or send.
    pub fn application_data(&self) -> &[u8] {
        &self.application_data
    }
}

/// Whether logins are tied to their TLS connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ChannelBindingsUse {
    /// Wherever the bindings of the connection are known: the default.
    #[default]
    WhereKnown,
    /// Never: for servers behind something that ends TLS for them, and that have bindings of
    /// their own all the same. Whoever stands in between can then pass a login on.
    Off,
}

/// What NTLM says of channel bindings where there are none to send.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AbsentChannelBindings {
    /// Nothing: the default. A server that accepts logins without bindings takes the client for
    /// one that does not know them.
    #[default]
    LeftOut,
    /// 16 zero octets, as MS-NLMP 3.1.5.1.2 has it and Windows does. A server can take them for
    /// those of a client that knows bindings and has another connection.
    Zeros,
}

impl fmt::Debug for ChannelBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChannelBindings({} octets)", self.application_data.len())
    }
}
