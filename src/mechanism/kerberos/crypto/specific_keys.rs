//! The keys of one usage: what really encrypts and makes checksums (RFC 3961, section 5.3; RFC 8009, section 5).

use std::fmt;

use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::aes_cts::{AesCts, BLOCK};
use crate::mechanism::kerberos::crypto::encryption_type::EncryptionType;
use crate::mechanism::kerberos::crypto::hmac::KeyedHmac;

/// Octets of randomness in front of each plaintext.
pub(crate) const CONFOUNDER: usize = BLOCK;

/// Ke and Ki of one usage, made ready. They can be kept as long as the key that they come from.
pub(crate) struct MessageKeys {
    etype: EncryptionType,
    encryption: AesCts,
    integrity: KeyedHmac,
}

impl MessageKeys {
    pub(super) fn new(etype: EncryptionType, encryption: AesCts, integrity: KeyedHmac) -> Self {
        Self { etype, encryption, integrity }
    }

    /// The type of the key that they come from.
    pub(crate) fn etype(&self) -> EncryptionType {
        self.etype
    }

    /// Encrypts; the confounder is randomness that is used once.
    pub(crate) fn encrypt(&self, confounder: &[u8; CONFOUNDER], plaintext: &[u8]) -> Vec<u8> {
        let length = self.etype.checksum_length();
        let mut octets = Vec::with_capacity(CONFOUNDER + plaintext.len() + length);
        octets.extend_from_slice(confounder);
        octets.extend_from_slice(plaintext);
        self.encrypt_in_place(octets)
    }

    /// Encrypts a plaintext behind its confounder.
    pub(crate) fn encrypt_in_place(&self, mut octets: Vec<u8>) -> Vec<u8> {
        let code = if self.covers_ciphertext() {
            self.encryption.encrypt(&mut octets);
            self.integrity.code(&[&[0; BLOCK], &octets])
        } else {
            let code = self.integrity.code(&[&octets]);
            self.encryption.encrypt(&mut octets);
            code
        };
        octets.extend_from_slice(&code[..self.etype.checksum_length()]);
        octets
    }

    /// Decrypts what [`encrypt`](Self::encrypt) made.
    ///
    /// # Errors
    ///
    /// [`DecryptError`] if it was made by another key or for another usage, or was changed.
    pub(crate) fn decrypt(&self, ciphertext: &[u8]) -> Result<Zeroizing<Vec<u8>>, DecryptError> {
        let end = ciphertext.len().checked_sub(self.etype.checksum_length());
        let Some(end) = end.filter(|end| *end >= CONFOUNDER) else { return Err(DecryptError::TooShort) };
        let (encrypted, code) = ciphertext.split_at(end);
        if self.covers_ciphertext() && !self.integrity.verify(&[&[0; BLOCK], encrypted], code) {
            return Err(DecryptError::Integrity);
        }
        let mut plaintext = Zeroizing::new(encrypted.to_vec());
        self.encryption.decrypt(&mut plaintext);
        if !self.covers_ciphertext() && !self.integrity.verify(&[&plaintext], code) {
            return Err(DecryptError::Integrity);
        }
        plaintext.drain(..CONFOUNDER);
        Ok(plaintext)
    }

    /// What a message was encrypted with, so that a published one can be made again.
    #[cfg(test)]
    pub(super) fn confounder_of(&self, ciphertext: &[u8]) -> [u8; CONFOUNDER] {
        let mut octets = ciphertext[..ciphertext.len() - self.etype.checksum_length()].to_vec();
        self.encryption.decrypt(&mut octets);
        octets[..CONFOUNDER].try_into().expect("a block")
    }

    /// Whether the code is computed over an initial vector of zeros and the ciphertext (RFC 8009, section 5), or over
    /// the plaintext (RFC 3961, section 5.3).
    fn covers_ciphertext(&self) -> bool {
        match self.etype {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => false,
            EncryptionType::Aes128Sha256 | EncryptionType::Aes256Sha384 => true,
        }
    }
}

impl fmt::Debug for MessageKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageKeys({}, ..)", self.etype)
    }
}

/// Kc of one usage, made ready. It can be kept as long as the key that it comes from.
#[derive(Clone)]
pub(crate) struct ChecksumKey {
    etype: EncryptionType,
    hmac: KeyedHmac,
}

impl ChecksumKey {
    pub(super) fn new(etype: EncryptionType, hmac: KeyedHmac) -> Self {
        Self { etype, hmac }
    }

    /// The type of the key that it comes from, which says what type its checksums are.
    pub(crate) fn etype(&self) -> EncryptionType {
        self.etype
    }

    /// The checksum of the parts, one after the other.
    pub(crate) fn checksum(&self, parts: &[&[u8]]) -> Vec<u8> {
        self.hmac.code(parts)[..self.etype.checksum_length()].to_vec()
    }

    /// Whether this is the checksum of the parts.
    pub(crate) fn verify(&self, parts: &[&[u8]], checksum: &[u8]) -> bool {
        checksum.len() == self.etype.checksum_length() && self.hmac.verify(parts, checksum)
    }
}

impl fmt::Debug for ChecksumKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ChecksumKey({}, ..)", self.etype)
    }
}

/// Why something cannot be decrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DecryptError {
    /// It has no room for a confounder and a checksum.
    TooShort,
    /// The checksum does not match: another key, another usage, or somebody changed it.
    Integrity,
}

impl fmt::Display for DecryptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the ciphertext is too short",
            Self::Integrity => "the key does not fit, or the ciphertext was changed",
        })
    }
}

impl std::error::Error for DecryptError {}
