//! AES in CBC mode with ciphertext stealing (RFC 3962, section 5).

use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use aes::{Aes128, Aes256};
use cts::cipher::InnerIvInit;
use cts::{CbcCs3, Decrypt, Encrypt};

use crate::stack::{self, Depth};

/// Octets in a block.
pub(super) const BLOCK: usize = 16;

/// AES with its round keys, which are wiped when it is dropped and, in their boxes, left nowhere when it is moved.
pub(super) enum AesCts {
    Aes128(Box<Aes128>),
    Aes256(Box<Aes256>),
}

impl AesCts {
    /// By a key of 16 octets, or of 32.
    ///
    /// The round keys are wiped from the stack at once: what is moved to the heap after them takes along, where it has
    /// no value, what is on the stack, and no wiping at the end of the step gets there.
    pub(super) fn new(key: &[u8]) -> Self {
        stack::wiped(Depth::Hash, || match key.len() {
            16 => Self::Aes128(Box::new(Aes128::new_from_slice(key).expect("16 octets"))),
            _ => Self::Aes256(Box::new(Aes256::new_from_slice(key).expect("16 octets or 32"))),
        })
    }

    /// Encrypts at least one block in place. The initial vector is zero: what it is for, the confounder does.
    pub(super) fn encrypt(&self, octets: &mut [u8]) {
        match self {
            Self::Aes128(aes) => encrypt(&**aes, octets),
            Self::Aes256(aes) => encrypt(&**aes, octets),
        }
    }

    /// Decrypts at least one block in place.
    pub(super) fn decrypt(&self, octets: &mut [u8]) {
        match self {
            Self::Aes128(aes) => decrypt(&**aes, octets),
            Self::Aes256(aes) => decrypt(&**aes, octets),
        }
    }
}

fn encrypt<C: BlockCipherEncrypt>(aes: &C, octets: &mut [u8]) {
    // With one block there is none to steal from, and it is not swapped either. The crate would encrypt it twice.
    if octets.len() == BLOCK {
        aes.encrypt_block(octets.try_into().expect("one block"));
        return;
    }
    CbcCs3::inner_iv_init(aes, &Default::default()).encrypt(octets).expect("a confounder is a block");
}

fn decrypt<C: BlockCipherDecrypt>(aes: &C, octets: &mut [u8]) {
    if octets.len() == BLOCK {
        aes.decrypt_block(octets.try_into().expect("one block"));
        return;
    }
    CbcCs3::inner_iv_init(aes, &Default::default())
        .decrypt(octets)
        .expect("the caller has checked the length");
}
