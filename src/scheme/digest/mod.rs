//! Digest (RFC 7616): a name and a hash that only someone who knows the password can compute, for each request.
//!
//! ```
//! use legwork::Authenticator;
//! use legwork::scheme::Digest;
//!
//! let strict = Digest::new().without_legacy();
//! let authenticator = Authenticator::builder().schemes(strict).build();
//! # let _ = authenticator;
//! ```
//!
//! Its messages, for other programs than HTTP clients, are in [`unversioned::digest`](crate::unversioned::digest).
//!
//! # Where the RFC leaves a choice
//!
//! - The strongest hash function wins, whatever the order. `auth` is preferred to `auth-int`, which
//!   costs the whole content before the first octet can be sent and which few servers check.
//!   Where there is nothing but `auth-int`, content that is not kept cannot be sent:
//!   [`Why::ContentNotKept`](crate::handshake::Why::ContentNotKept).
//! - Challenges without `qop` are answered unless [`without_legacy`](Digest::without_legacy) says otherwise. Those
//!   whose `qop` has only unknown names are not: the server wants something that is not known here.
//! - A challenge without the commas between its parameters is malformed, and is not answered: what its parameters are
//!   would be a guess. The refusal [says where](crate::handshake::Why::Unreadable).
//! - Without `charset=UTF-8`, names and passwords go as UTF-8 all the same, unless the
//!   [charset](crate::scheme::Charset) says otherwise. They are not normalised: RFC 7616's rules for that
//!   need Unicode's tables, and browsers do without.
//! - With `charset=UTF-8`, a name beyond ASCII goes as `username*`. Servers that do not know that, such as CherryPy,
//!   answer `400`: the request is then sent again with the name as it is, and where that is read, it is remembered.

pub(crate) mod algorithm;
pub(crate) mod body;
pub(crate) mod challenge;
mod covered;
mod frame;
pub(crate) mod info;
mod lifetime;
mod name;
pub(crate) mod nonce;
pub(crate) mod policy;
pub(crate) mod request;
pub(crate) mod response;
mod scheme;
pub(crate) mod sent;
pub(crate) mod session;
mod sharing;
pub(crate) mod space;
mod spelling;
mod terms;
#[cfg(test)]
mod tests;
mod user;

pub use self::algorithm::Algorithm;
pub use self::scheme::Digest;
