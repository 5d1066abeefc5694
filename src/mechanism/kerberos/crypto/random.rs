//! As much randomness as a context needs, out of what it was given.

use std::fmt;

use zeroize::Zeroizing;

use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::encryption_type::EncryptionType;
use crate::mechanism::kerberos::crypto::hmac::KeyedHmac;

/// Confounders, keys and nonces of one context, each used once: HMAC-SHA-256 over a counter, by the context's entropy.
pub(crate) struct Random {
    hmac: KeyedHmac,
    count: u64,
}

impl Random {
    /// From entropy that is used for nothing else.
    pub(crate) fn new(entropy: &Entropy) -> Self {
        Self { hmac: KeyedHmac::new(EncryptionType::Aes128Sha256, entropy.octets()), count: 0 }
    }

    /// The next octets, at most 32.
    pub(crate) fn octets<const N: usize>(&mut self) -> Zeroizing<[u8; N]> {
        self.count += 1;
        let code = self.hmac.code(&[b"legwork Kerberos", &self.count.to_be_bytes()]);
        let mut octets = Zeroizing::new([0; N]);
        octets.copy_from_slice(&code[..N.min(32)]);
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
