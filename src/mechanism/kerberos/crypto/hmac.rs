//! HMAC with the hash function of the encryption type.

use hmac::{Hmac, KeyInit, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::encryption_type::EncryptionType;
use crate::stack::{self, Depth};

/// HMAC that has taken in its key, for many messages; wiped when it is dropped.
#[derive(Clone)]
pub(super) enum KeyedHmac {
    Sha1(Hmac<Sha1>),
    Sha256(Hmac<Sha256>),
    Sha384(Hmac<Sha384>),
}

impl KeyedHmac {
    pub(super) fn new(etype: EncryptionType, key: &[u8]) -> Self {
        let any = "HMAC takes keys of every length";
        stack::wiped(Depth::Hash, || match etype {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => {
                Self::Sha1(Hmac::new_from_slice(key).expect(any))
            }
            EncryptionType::Aes128Sha256 => Self::Sha256(Hmac::new_from_slice(key).expect(any)),
            EncryptionType::Aes256Sha384 => Self::Sha384(Hmac::new_from_slice(key).expect(any)),
        })
    }

    /// The code of the parts, one after the other; behind it zeros, where the hash function has less than 48 octets.
    pub(super) fn code(&self, parts: &[&[u8]]) -> Zeroizing<[u8; 48]> {
        stack::wiped(Depth::Hash, || match self {
            Self::Sha1(hmac) => finish(hmac, parts),
            Self::Sha256(hmac) => finish(hmac, parts),
            Self::Sha384(hmac) => finish(hmac, parts),
        })
    }

    /// Whether the parts have this code, which may be cut short. Takes the same time wherever the two differ.
    pub(super) fn verify(&self, parts: &[&[u8]], code: &[u8]) -> bool {
        stack::wiped(Depth::Hash, || match self {
            Self::Sha1(hmac) => updated(hmac, parts).verify_truncated_left(code).is_ok(),
            Self::Sha256(hmac) => updated(hmac, parts).verify_truncated_left(code).is_ok(),
            Self::Sha384(hmac) => updated(hmac, parts).verify_truncated_left(code).is_ok(),
        })
    }
}

fn updated<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> M {
    let mut mac = keyed.clone();
    parts.iter().for_each(|part| mac.update(part));
    mac
}

fn finish<M: Mac + Clone>(keyed: &M, parts: &[&[u8]]) -> Zeroizing<[u8; 48]> {
    let code = updated(keyed, parts).finalize().into_bytes();
    let mut octets = Zeroizing::new([0; 48]);
    octets[..code.len()].copy_from_slice(&code);
    octets
}
