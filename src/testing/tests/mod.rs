//! Conversations with the server, leg by leg, over real connections.

mod client;
mod conversations;
#[cfg(feature = "kerberos")]
mod kdc;
#[cfg(feature = "kerberos")]
mod kerberos;
mod odd;
