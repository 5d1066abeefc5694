//! The hash functions (RFC 7616, section 3.2), and what they are applied to.

use std::fmt;
use std::ops::Deref;

use md5::Md5;
use sha2::{Digest, Sha256, Sha512_256};
use zeroize::{Zeroize, Zeroizing};

use crate::stack::{self, Depth};

/// A hash in lower-case hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Hex {
    digits: [u8; 64],
    length: usize,
}

/// Digits that are as good as the password, wiped when they are dropped.
pub(crate) type Key = Zeroizing<String>;

impl Hex {
    fn new() -> Self {
        Self { digits: [0; 64], length: 0 }
    }

    /// Two digits for each octet, of which there are 32 at most.
    pub(super) fn of(octets: &[u8]) -> Self {
        let mut hex = Self::new();
        hex.set(octets);
        hex
    }

    /// The digits, without a look at whether they are text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.digits[..self.length]
    }

    /// As the published examples have it: other characters than digits, but none to be escaped.
    #[cfg(test)]
    pub(super) fn verbatim(text: &str) -> Self {
        assert!(text.bytes().all(|octet| octet.is_ascii_graphic() && !b"\"\\".contains(&octet)), "{text:?}");
        let mut hex = Self::new();
        hex.length = text.len();
        hex.digits[..hex.length].copy_from_slice(text.as_bytes());
        hex
    }

    fn set(&mut self, octets: &[u8]) {
        // Calculated, not looked up: many at once, and in a time that tells nothing of them.
        let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
        self.length = 2 * octets.len();
        for (octet, pair) in octets.iter().zip(self.digits.chunks_exact_mut(2)) {
            pair.copy_from_slice(&[digit(octet >> 4), digit(octet & 0xf)]);
        }
    }
}

impl Deref for Hex {
    type Target = str;

    fn deref(&self) -> &str {
        std::str::from_utf8(self.as_bytes()).expect("digits are ASCII")
    }
}

impl Zeroize for Hex {
    fn zeroize(&mut self) {
        self.digits.zeroize();
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hex(..)")
    }
}

/// The `algorithm` of a challenge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// `MD5`, also where the challenge names none.
    Md5,
    /// `MD5-sess`.
    Md5Sess,
    /// `SHA-256`.
    Sha256,
    /// `SHA-256-sess`.
    Sha256Sess,
    /// `SHA-512-256`: SHA-512/256, which is not the beginning of SHA-512.
    Sha512_256,
    /// `SHA-512-256-sess`.
    Sha512_256Sess,
}

impl Algorithm {
    const ALL: [Self; 6] =
        [Self::Md5, Self::Md5Sess, Self::Sha256, Self::Sha256Sess, Self::Sha512_256, Self::Sha512_256Sess];

    /// Finds the algorithm of this name, in any case.
    pub fn from_name(name: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name().as_bytes().eq_ignore_ascii_case(name))
    }

    /// Returns its registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Md5Sess => "MD5-sess",
            Self::Sha256 => "SHA-256",
            Self::Sha256Sess => "SHA-256-sess",
            Self::Sha512_256 => "SHA-512-256",
            Self::Sha512_256Sess => "SHA-512-256-sess",
        }
    }

    /// Returns whether the key is made once for a session, with its nonces (section 3.4.2).
    pub const fn is_session(self) -> bool {
        matches!(self, Self::Md5Sess | Self::Sha256Sess | Self::Sha512_256Sess)
    }

    pub(crate) const fn hash(self) -> DigestHash {
        match self {
            Self::Md5 | Self::Md5Sess => DigestHash::Md5,
            Self::Sha256 | Self::Sha256Sess => DigestHash::Sha256,
            Self::Sha512_256 | Self::Sha512_256Sess => DigestHash::Sha512_256,
        }
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A hash function, the weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum DigestHash {
    Md5,
    Sha256,
    Sha512_256,
}

impl DigestHash {
    pub(crate) fn hasher(self) -> Hasher {
        match self {
            Self::Md5 => Hasher::Md5(Md5::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
            Self::Sha512_256 => Hasher::Sha512_256(Sha512_256::new()),
        }
    }

    /// `H(part ":" part ":" …)` (section 3.3).
    pub(crate) fn of(self, parts: &[&[u8]]) -> Hex {
        self.hasher_of(parts).finish()
    }

    /// The same where nobody may learn of it.
    pub(crate) fn key_of(self, parts: &[&[u8]]) -> Key {
        stack::wiped(Depth::Hash, || {
            let mut hex = Zeroizing::new(Hex::new());
            self.hasher_of(parts).finish_into(&mut hex);
            Key::new((**hex).to_owned())
        })
    }

    /// What is hashed first of several parts, without the colon behind them.
    pub(crate) fn hasher_of(self, parts: &[&[u8]]) -> Hasher {
        let mut hasher = self.hasher();
        if let [first, others @ ..] = parts {
            hasher.update(first);
            hasher.go_on(others);
        }
        hasher
    }
}

/// A hash in the making.
#[derive(Clone)]
pub(crate) enum Hasher {
    Md5(Md5),
    Sha256(Sha256),
    Sha512_256(Sha512_256),
}

impl Hasher {
    pub(crate) fn update(&mut self, octets: &[u8]) {
        match self {
            Self::Md5(hasher) => hasher.update(octets),
            Self::Sha256(hasher) => hasher.update(octets),
            Self::Sha512_256(hasher) => hasher.update(octets),
        }
    }

    /// Hashes these too, each behind a colon.
    pub(crate) fn go_on(&mut self, parts: &[&[u8]]) {
        match self {
            Self::Md5(hasher) => go_on(hasher, parts),
            Self::Sha256(hasher) => go_on(hasher, parts),
            Self::Sha512_256(hasher) => go_on(hasher, parts),
        }
    }

    pub(crate) fn finish(self) -> Hex {
        let mut hex = Hex::new();
        self.finish_into(&mut hex);
        hex
    }

    fn finish_into(self, hex: &mut Hex) {
        let mut set = |octets: &mut [u8]| {
            hex.set(octets);
            octets.zeroize();
        };
        match self {
            Self::Md5(hasher) => set(&mut hasher.finalize()),
            Self::Sha256(hasher) => set(&mut hasher.finalize()),
            Self::Sha512_256(hasher) => set(&mut hasher.finalize()),
        }
    }
}

fn go_on(hasher: &mut impl Digest, parts: &[&[u8]]) {
    for part in parts {
        hasher.update(b":");
        hasher.update(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_in_any_case_and_nothing_else_is() {
        for algorithm in Algorithm::ALL {
            assert_eq!(Algorithm::from_name(algorithm.name().as_bytes()), Some(algorithm));
            assert_eq!(Algorithm::from_name(algorithm.name().to_lowercase().as_bytes()), Some(algorithm));
            assert_eq!(algorithm.is_session(), algorithm.name().ends_with("-sess"));
        }
        for name in ["", "MD5 ", "SHA-512", "SHA256", "MD5-session", "token"] {
            assert_eq!(Algorithm::from_name(name.as_bytes()), None, "{name}");
        }
    }

    #[test]
    fn the_hash_functions_are_the_published_ones() {
        // RFC 1321, A.5; FIPS 180-4's examples of SHA-256 and SHA-512/256.
        for (hash, expected) in [
            (DigestHash::Md5, "900150983cd24fb0d6963f7d28e17f72"),
            (DigestHash::Sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"),
            (DigestHash::Sha512_256, "53048e2681941ef99b2e29b76b4c7dabe4c2d0c634fc6d46e0e2f13107e7af23"),
        ] {
            assert_eq!(*hash.of(&[b"abc"]), *expected);
        }
        assert_eq!(DigestHash::Md5.of(&[b"a", b"b"]), DigestHash::Md5.of(&[b"a:b"]));
        assert!(DigestHash::Md5 < DigestHash::Sha256 && DigestHash::Sha256 < DigestHash::Sha512_256);
    }

    #[test]
    fn an_algorithm_is_printed_by_its_name_and_a_hash_is_not_printed() {
        for algorithm in Algorithm::ALL {
            assert_eq!(algorithm.to_string(), algorithm.name());
        }
        assert_eq!(format!("{:?}", DigestHash::Md5.of(&[b"abc"])), "Hex(..)");
    }
}
