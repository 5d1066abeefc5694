//! A protocol key: what a password, a keytab or a KDC gives (RFC 3961, section 3).

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::aes_cts::AesCts;
use crate::mechanism::kerberos::crypto::encryption_type::EncryptionType;
use crate::mechanism::kerberos::crypto::hmac::KeyedHmac;
use crate::mechanism::kerberos::crypto::key_usage::KeyUsage;
use crate::mechanism::kerberos::crypto::specific_keys::{ChecksumKey, MessageKeys};
use crate::mechanism::kerberos::crypto::{rfc3961, rfc8009};

/// A key, wiped when it is dropped. It is used for nothing itself: keys for one usage are derived from it, which
/// may be kept.
#[derive(Clone)]
pub(crate) struct Key {
    etype: EncryptionType,
    /// As many as the type has; zeros behind them. In a place of their own, so that they are left nowhere when the key is moved.
    octets: Arc<Zeroizing<[u8; 32]>>,
}

impl Key {
    /// The key with these octets, if they are as many as the type has.
    pub(crate) fn new(etype: EncryptionType, octets: &[u8]) -> Option<Self> {
        if octets.len() != etype.key_length() {
            return None;
        }
        Some(Self::filled(etype, |place| place[..octets.len()].copy_from_slice(octets)))
    }

    /// A fresh key, from randomness that nobody else gets.
    pub(crate) fn random(etype: EncryptionType, octets: Zeroizing<[u8; 32]>) -> Self {
        let length = etype.key_length();
        Self::filled(etype, |place| place[..length].copy_from_slice(&octets[..length]))
    }

    /// The key of a password, with the salt and the iterations that the KDC names. Slow on purpose.
    pub(crate) fn from_password(
        etype: EncryptionType,
        password: &str,
        salt: &[u8],
        iterations: NonZeroU32,
    ) -> Self {
        let (password, iterations) = (password.as_bytes(), iterations.get());
        let octets = match etype {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => {
                rfc3961::string_to_key(password, salt, iterations, etype.key_length())
            }
            EncryptionType::Aes128Sha256 | EncryptionType::Aes256Sha384 => {
                rfc8009::string_to_key(etype, password, salt, iterations)
            }
        };
        Self::filled(etype, |place| *place = *octets)
    }

    fn filled(etype: EncryptionType, fill: impl FnOnce(&mut [u8; 32])) -> Self {
        let mut octets = Arc::new(Zeroizing::new([0; 32]));
        fill(Arc::get_mut(&mut octets).expect("nobody else has it yet"));
        Self { etype, octets }
    }

    /// Its type.
    pub(crate) fn etype(&self) -> EncryptionType {
        self.etype
    }

    /// Its octets, for the message that hands it over.
    pub(crate) fn octets(&self) -> &[u8] {
        &self.octets[..self.etype.key_length()]
    }

    /// Keys that encrypt and decrypt messages of this usage: Ke and Ki.
    pub(crate) fn for_messages(&self, usage: KeyUsage) -> MessageKeys {
        let base = Base::new(self);
        let encryption = base.derive(usage.constant(0xaa), self.etype.key_length());
        let integrity = base.derive(usage.constant(0x55), integrity_key_length(self.etype));
        MessageKeys::new(
            self.etype,
            AesCts::new(&encryption[..self.etype.key_length()]),
            KeyedHmac::new(self.etype, &integrity[..integrity_key_length(self.etype)]),
        )
    }

    /// The key that makes and verifies checksums of this usage: Kc.
    pub(crate) fn for_checksums(&self, usage: KeyUsage) -> ChecksumKey {
        let length = integrity_key_length(self.etype);
        let key = Base::new(self).derive(usage.constant(0x99), length);
        ChecksumKey::new(self.etype, KeyedHmac::new(self.etype, &key[..length]))
    }

    #[cfg(test)]
    pub(super) fn derive(&self, constant: [u8; 5]) -> Vec<u8> {
        let length =
            if constant[4] == 0xaa { self.etype.key_length() } else { integrity_key_length(self.etype) };
        Base::new(self).derive(constant, length)[..length].to_vec()
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({}, ..)", self.etype)
    }
}

/// Octets in Ki and Kc: as long as a key, but half the hash with SHA-384 (RFC 8009, section 5).
fn integrity_key_length(etype: EncryptionType) -> usize {
    match etype {
        EncryptionType::Aes256Sha384 => 24,
        _ => etype.key_length(),
    }
}

/// A key made ready to derive others.
enum Base {
    Rfc3961(AesCts),
    Rfc8009(Box<KeyedHmac>),
}

impl Base {
    fn new(key: &Key) -> Self {
        match key.etype {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => {
                Self::Rfc3961(AesCts::new(key.octets()))
            }
            EncryptionType::Aes128Sha256 | EncryptionType::Aes256Sha384 => {
                Self::Rfc8009(Box::new(KeyedHmac::new(key.etype, key.octets())))
            }
        }
    }

    fn derive(&self, constant: [u8; 5], length: usize) -> Zeroizing<[u8; 32]> {
        match self {
            Self::Rfc3961(aes) => rfc3961::derive_key(aes, &constant, length),
            Self::Rfc8009(hmac) => rfc8009::derive_key(hmac, &constant, length),
        }
    }
}
