//! As much randomness as a context needs, out of what it was given.

use std::fmt;

use aes::Aes256Enc;
use aes::cipher::{BlockCipherEncrypt, KeyInit};
use zeroize::Zeroizing;

use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::aes_cts::BLOCK;

/// Confounders, keys and nonces of one context, each used once: AES in counter mode by the context's entropy, as in
/// CTR_DRBG (NIST SP 800-90A, section 10.2.1) without its updates, which a few octets need not.
pub(crate) struct Random {
    /// In a box, so that its round keys are left nowhere when it is moved. They are wiped when it is dropped.
    aes: Box<Aes256Enc>,
    count: u128,
}

impl Random {
    /// From entropy that is used for nothing else.
    pub(crate) fn new(entropy: &Entropy) -> Self {
        Self { aes: Box::new(Aes256Enc::new(entropy.octets().into())), count: 0 }
    }

    /// The next octets.
    pub(crate) fn octets<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        let mut octets = Zeroizing::new([0; N]);
        for chunk in octets.chunks_mut(BLOCK) {
            self.count += 1;
            let mut block = Zeroizing::new(self.count.to_be_bytes());
            self.aes.encrypt_block((&mut *block).into());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        octets
    }

    /// The next number below 2^30, for nonces and sequence numbers: there are peers that take larger ones for negative
    /// and write them back as such.
    pub(crate) fn number(&mut self) -> u32 {
        u32::from_be_bytes(*self.octets()) >> 2
    }
}

impl fmt::Debug for Random {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Random(..)")
    }
}
