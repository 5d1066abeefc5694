//! The messages of [Digest](crate::scheme::digest).
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
//! use legwork::unversioned::Entropy;
//! use legwork::unversioned::digest::{ClientNonce, DigestChallenge, DigestPolicy, DigestRequest, DigestSession};
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

pub use crate::scheme::digest::body::{BodyDigest, BodyHasher};
pub use crate::scheme::digest::challenge::DigestChallenge;
pub use crate::scheme::digest::info::ServerProof;
pub use crate::scheme::digest::nonce::{ClientNonce, NonceRenewal};
pub use crate::scheme::digest::policy::DigestPolicy;
pub use crate::scheme::digest::request::DigestRequest;
pub use crate::scheme::digest::sent::SentDigest;
pub use crate::scheme::digest::session::DigestSession;
pub use crate::scheme::digest::space::DigestSpace;
