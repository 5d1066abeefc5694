//! A Digest acceptor that verifies responses, counts and ages of nonces, and proves itself
//! (RFC 7616, sections 3.3 to 3.5).

mod acceptor;
mod nonces;
mod oddity;
mod presented;
#[cfg(test)]
mod tests;

pub use self::acceptor::{AcceptedDigest, DigestAcceptor, DigestVerdict, PresentedDigest};
pub use self::oddity::DigestOddity;
