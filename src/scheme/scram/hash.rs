//! The hash functions of SCRAM, and what is built of them: `H`, `HMAC` and `Hi` (RFC 5802, section
//! 2.2).

use hmac::digest::Digest;
use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::Sha256;
use zeroize::{Zeroize, Zeroizing};

use crate::stack::{self, Depth};

/// What a hash function gives, wiped when it is dropped.
pub(crate) type Octets = Zeroizing<Vec<u8>>;

/// The hash function of a SCRAM mechanism, which is part of its name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ScramHash {
    /// SCRAM-SHA-256 (RFC 7677), which every implementation has (RFC 7804, section 5).
    #[default]
    Sha256,
    /// SCRAM-SHA-1 (RFC 5802): for servers that store nothing better.
    Sha1,
}

impl ScramHash {
    /// Returns the scheme's registered name.
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Sha256 => "SCRAM-SHA-256",
            Self::Sha1 => "SCRAM-SHA-1",
        }
    }

    /// `H(octets)`
    pub(crate) fn digest(self, octets: &[u8]) -> Octets {
        stack::wiped(Depth::Hash, || {
            Zeroizing::new(match self {
                Self::Sha256 => Sha256::digest(octets).to_vec(),
                Self::Sha1 => Sha1::digest(octets).to_vec(),
            })
        })
    }

    /// `HMAC(key, text)`
    pub(crate) fn hmac(self, key: &[u8], text: &[u8]) -> Octets {
        stack::wiped(Depth::Hash, || match self {
            Self::Sha256 => hmac::<Hmac<Sha256>>(key, text),
            Self::Sha1 => hmac::<Hmac<Sha1>>(key, text),
        })
    }

    /// `Hi(password, salt, iterations)`: PBKDF2 with one block of output.
    pub(crate) fn hi(self, password: &[u8], salt: &[u8], iterations: u32) -> Octets {
        match self {
            Self::Sha256 => hi::<Hmac<Sha256>>(password, salt, iterations),
            Self::Sha1 => hi::<Hmac<Sha1>>(password, salt, iterations),
        }
    }
}

fn hmac<M: Mac + KeyInit>(key: &[u8], text: &[u8]) -> Octets {
    let mac = <M as KeyInit>::new_from_slice(key).expect("HMAC takes keys of any length");
    Zeroizing::new(mac.chain_update(text).finalize().into_bytes().to_vec())
}

fn hi<M: Mac + KeyInit + Clone>(password: &[u8], salt: &[u8], iterations: u32) -> Octets {
    // Keyed once: each iteration begins with a copy of this state.
    let keyed = <M as KeyInit>::new_from_slice(password).expect("HMAC takes keys of any length");
    let first_block = 1_u32.to_be_bytes();
    let mut last = keyed.clone().chain_update(salt).chain_update(first_block).finalize().into_bytes();
    let mut sum = Zeroizing::new(last.to_vec());
    for _ in 1..iterations {
        last = keyed.clone().chain_update(&last).finalize().into_bytes();
        sum.iter_mut().zip(&last).for_each(|(sum, octet)| *sum ^= octet);
    }
    last.as_mut_slice().zeroize();
    sum
}

/// Compares without telling by its time where the two differ.
pub(crate) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |sum, (a, b)| sum | (a ^ b)) == 0
}
