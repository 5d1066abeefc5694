//! Digest (RFC 7616): a name and a hash that only who knows the password can make, for each request.
//!
//! Nothing here does IO, draws random numbers or waits. A [`DigestChallenge`] is read from a
//! response; a [`DigestSession`] holds what one user's requests in its realm share, and makes
//! each request's field value; what it says of the request, a [`SentDigest`], is held against
//! the response: another challenge, or the server's own proof.
//!
//! ```
//! use http::Method;
//! use legwork::Credentials;
//! use legwork::challenge::Challenges;
//! use legwork::mechanism::Entropy;
//! use legwork::scheme::digest::{ClientNonce, DigestChallenge, DigestPolicy, DigestRequest, DigestSession};
//!
//! let challenges = Challenges::from_value(
//!     b"Digest realm=\"lab\", nonce=\"n1\", qop=\"auth\", algorithm=SHA-256, \
//!       Digest realm=\"lab\", nonce=\"n2\", qop=\"auth\", algorithm=MD5",
//! );
//! let policy = DigestPolicy::new();
//! let challenge = DigestChallenge::strongest(&challenges, &policy)?.expect("two of them");
//! let carol = Credentials::password("carol", "carol-pw");
//! let session = DigestSession::new(carol, policy, &challenge)?;
//!
//! let request = DigestRequest::new(&Method::GET, "/page", false);
//! let cnonce = ClientNonce::new(Entropy::new([7; 32])); // yours are random
//! let (authorization, sent) = session.authorize(&request, cnonce)?;
//! assert_eq!(sent.count(), Some(1));
//! let value = authorization.into_value();
//! assert!(value.to_str()?.starts_with("Digest username=\"carol\", realm=\"lab\", nonce=\"n1\", uri=\"/page\""));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Where the RFC leaves a choice
//!
//! - The strongest hash function wins, whatever the order. `auth` is preferred to `auth-int`, which
//!   costs the whole content before the first octet can be sent and which few servers check.
//!   Where there is nothing but `auth-int`, content that is not kept cannot be sent:
//!   [`Why::ContentNotKept`](crate::handshake::Why::ContentNotKept).
//! - Challenges without `qop` are answered unless the [policy](LegacyDigest) says otherwise. Those
//!   whose `qop` has unknown names alone are not: the server wants something that is not known here.
//! - A challenge without the commas between its parameters is malformed, and is not answered: what its parameters are
//!   would be a guess. The refusal [says where](crate::handshake::Why::Unreadable).
//! - Without `charset=UTF-8`, names and passwords go as UTF-8 all the same, unless the
//!   [policy](DigestCharset) says otherwise. They are not normalised: RFC 7616's rules for that
//!   need Unicode's tables, and browsers do without.
//! - With `charset=UTF-8`, a name beyond ASCII goes as `username*`. Servers that do not know that, such as CherryPy,
//!   answer `400`: the request is then sent once more with the name as it is, and where that is read, it is remembered.

pub(crate) mod algorithm;
mod body;
mod challenge;
mod info;
mod lifetime;
mod name;
mod nonce;
mod policy;
mod request;
pub(crate) mod response;
mod scheme;
mod sent;
mod session;
mod sharing;
mod space;
mod spelling;
mod terms;
#[cfg(test)]
mod tests;
mod user;

pub use self::algorithm::Algorithm;
pub use self::body::{BodyDigest, BodyHasher};
pub use self::challenge::DigestChallenge;
pub use self::info::ServerProof;
pub use self::nonce::{ClientNonce, Renewal};
pub use self::policy::{DigestCharset, DigestPolicy, LegacyDigest};
pub use self::request::DigestRequest;
pub use self::scheme::Digest;
pub use self::sent::SentDigest;
pub use self::session::DigestSession;
pub use self::space::DigestSpace;
