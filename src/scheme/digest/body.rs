//! The hash of a message's content, which `qop=auth-int` protects (RFC 7616, section 3.4.3).

use std::fmt;

use super::algorithm::{Algorithm, DigestHash, Hasher};

/// Hashes content octet by octet, as it is read or sent.
#[derive(Clone)]
pub struct BodyHasher {
    hash: DigestHash,
    hasher: Hasher,
}

impl BodyHasher {
    /// Hashes content that goes with this algorithm; nothing is hashed yet.
    pub fn new(algorithm: Algorithm) -> Self {
        Self { hash: algorithm.hash(), hasher: algorithm.hash().hasher() }
    }

    /// Takes the next octets of the content, before any transfer coding.
    pub fn update(&mut self, octets: &[u8]) {
        self.hasher.update(octets);
    }

    /// Ends the content, which is complete.
    pub fn finish(self) -> BodyDigest {
        BodyDigest { hash: self.hash, hex: (*self.hasher.finish()).into() }
    }
}

impl fmt::Debug for BodyHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BodyHasher").field("hash", &self.hash).finish_non_exhaustive()
    }
}

/// The hash of a whole content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BodyDigest {
    hash: DigestHash,
    hex: Box<str>,
}

impl BodyDigest {
    /// Hashes content that is at hand.
    pub fn of(algorithm: Algorithm, content: &[u8]) -> Self {
        let mut hasher = BodyHasher::new(algorithm);
        hasher.update(content);
        hasher.finish()
    }

    /// The hexadecimal digits, if they are those of `hash`.
    pub(crate) fn hex(&self, hash: DigestHash) -> Option<&str> {
        (self.hash == hash).then_some(&self.hex)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_is_hashed_in_whatever_pieces_it_comes() {
        let mut pieces = BodyHasher::new(Algorithm::Sha256Sess);
        pieces.update(b"a");
        pieces.update(b"");
        pieces.update(b"bc");
        assert_eq!(format!("{pieces:?}"), "BodyHasher { hash: Sha256, .. }");
        let whole = BodyDigest::of(Algorithm::Sha256, b"abc");
        assert_eq!(pieces.finish(), whole);
        assert!(whole.hex(DigestHash::Sha256).is_some_and(|hex| hex.starts_with("ba7816bf")));
        assert_eq!(whole.hex(DigestHash::Md5), None);
        assert_eq!(
            BodyDigest::of(Algorithm::Md5, b"").hex(DigestHash::Md5),
            Some("d41d8cd98f00b204e9800998ecf8427e")
        );
    }
}
