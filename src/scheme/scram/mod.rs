//! SCRAM over HTTP (RFC 7804; RFC 5802 and RFC 7677): a password that the server never sees, and a
//! server that proves that it knows it.
//!
//! ```text
//! ──▶ GET
//! ◀── 401  WWW-Authenticate: SCRAM-SHA-256 realm="lab"
//! ──▶ GET  Authorization: SCRAM-SHA-256 realm="lab", data="n,,n=user,r=ours"
//! ◀── 401  WWW-Authenticate: SCRAM-SHA-256 sid="A", data="r=ours+theirs,s=salt,i=4096"
//! ──▶ GET  Authorization: SCRAM-SHA-256 sid="A", data="c=biws,r=ours+theirs,p=proof"
//! ◀── 200  Authentication-Info: sid="A", data="v=signature"
//! ```
//!
//! (`data` is in base64.) Its messages, for other protocols than HTTP, are in
//! [`unversioned::scram`](crate::unversioned::scram).
//!
//! # What is checked
//!
//! - The server's nonce extends ours.
//! - The iteration count is within [bounds](Scram::max_iterations), before any work is done.
//! - The server's signature is in the final response. Without it the login has failed: somebody
//!   else could have written the page. This cannot be turned off.
//!
//! # Names and passwords
//!
//! Both are prepared by SASLprep (RFC 4013), with the feature `saslprep`. Without it, ASCII, which
//! stands for itself, is all that is taken: octets that were not prepared would be a wrong
//! password at a server that prepares them.
//!
//! # One round trip
//!
//! A server that sends `sr` lets a client log in again with only the final message (RFC 7804, section
//! 5.1), with a count that begins at the iteration count. The [`Authenticator`](crate::Authenticator) keeps what that takes:
//! the keys, never the password. Where the server has another `sr` by then, or has forgotten the
//! login, the exchange goes on from there; at worst it is as long as the first one. RFC 7804 does
//! not say how the server knows whose login it is, the name being only in the first message: the
//! `sid` of that login is sent along. Each of these messages has a new nonce of ours and a count
//! that was not used before, so no answer can be played back.
//!
//! # No channel bindings
//!
//! RFC 7804 defines only the schemes without `-PLUS`: the login is not tied to its TLS connection.
//!
//! # Example
//!
//! A server that wants ten million iterations:
//!
//! ```
//! use legwork::scheme::scram::Scram;
//!
//! let patient = Scram::new().max_iterations(10_000_000);
//! ```

pub(crate) mod attributes;
pub(crate) mod error;
pub(crate) mod exchange;
pub(crate) mod hash;
pub(crate) mod keys;
pub(crate) mod login;
pub(crate) mod memory;
pub(crate) mod message;
mod options;
pub(crate) mod prepare;
mod scheme;
#[cfg(test)]
mod tests;

pub use self::hash::ScramHash;
pub use self::options::Scram;
