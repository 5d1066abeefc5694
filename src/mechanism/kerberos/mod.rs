//! Kerberos of our own: no system library, no IO, no clock and no source of randomness (RFC 4120, RFC 4121).
//!
//! | module | holds |
//! |---|---|
//! | [`crypto`] | encryption types: keys from passwords, encryption, checksums (RFC 3961, 3962, 8009) |
//! | [`messages`] | what client, KDC and server write to each other (RFC 4120) |
//! | [`gss`] | the tokens around these: frames, checksum, MIC tokens (RFC 4121), IAKERB |
//! | [`exchange`] | a client's exchanges with a KDC and a service, step by step |
#![allow(
    dead_code,
    unused_imports,
    reason = "the client, the KDC and the acceptor that use it are yet to come"
)]

pub(crate) mod crypto;
pub(crate) mod exchange;
pub(crate) mod gss;
pub(crate) mod messages;
#[cfg(test)]
mod tests;
