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
//! (`data` is in base64.) [`ScramExchange`] is this conversation, without IO, clock or random
//! source. [`ClientFirst`], [`Derivation`] and [`ClientFinal`] are the messages alone, as other
//! protocols than HTTP carry them.
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
//! A server that sends `sr` lets a client log in again by the final message alone (RFC 7804, section
//! 5.1), with a count that begins at the iteration count. [`ScramMemory`] keeps what that takes:
//! the keys, never the password. Where the server has another `sr` by then, or has forgotten the
//! login, the exchange goes on from there; at worst it is as long as the first one. RFC 7804 does
//! not say how the server knows whose login it is, the name being in the first message alone: the
//! `sid` of that login is sent along. Each of these messages has a new nonce of ours and a count
//! that was not used before, so no answer can be played back.
//!
//! # No channel bindings
//!
//! RFC 7804 defines the schemes without `-PLUS` alone: the login is not tied to its TLS connection.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use legwork::challenge::Challenges;
//! use legwork::credentials::Credentials;
//! use legwork::mechanism::{Moment, Proves};
//! use legwork::scheme::scram::{Scram, ScramExchange, ScramMemory, ScramStep};
//!
//! let challenges = Challenges::from_value(b"SCRAM-SHA-256 realm=\"lab\"");
//! let moment = Moment::new(SystemTime::now(), [7; 32]); // from the system's random source
//! let user = Credentials::password("user", "pencil");
//! let mut exchange = ScramExchange::new(&Scram::new(), user, moment, Arc::new(ScramMemory::new()));
//!
//! let step = exchange.respond(challenges.iter().next())?;
//! let ScramStep::Send { authorization, proves, .. } = step else { panic!("the first message") };
//! assert_eq!((authorization.scheme(), proves), ("SCRAM-SHA-256", Proves::Nothing));
//! # Ok::<(), legwork::scheme::scram::ScramError>(())
//! ```
//!
//! One thing changed: a server that wants ten million iterations.
//!
//! ```
//! use legwork::scheme::scram::Scram;
//!
//! let patient = Scram::new().max_iterations(10_000_000);
//! ```

mod attributes;
mod error;
mod exchange;
pub(crate) mod hash;
mod keys;
mod login;
mod memory;
mod message;
mod options;
pub(crate) mod prepare;
mod scheme;
#[cfg(test)]
mod tests;

pub use self::attributes::ScramAttributes;
pub use self::error::{ScramError, ServerError};
pub use self::exchange::{ScramExchange, ScramStep};
pub use self::hash::ScramHash;
pub use self::keys::{KeyCache, ScramKeys, derive_keys};
pub use self::login::{ClientFinal, ClientFirst, Derivation, Login};
pub use self::memory::ScramMemory;
pub use self::message::{ServerFinal, ServerFirst};
pub use self::options::Scram;
