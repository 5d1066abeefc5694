//! Keys of the encryption types with SHA-2 (RFC 8009).

use pbkdf2::pbkdf2_hmac;
use sha2::{Sha256, Sha384};
use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::encryption_type::EncryptionType;
use crate::mechanism::kerberos::crypto::hmac::KeyedHmac;

/// `string-to-key` (section 4): salted with the type's name too, so that two types never share a key.
pub(super) fn string_to_key(
    etype: EncryptionType,
    password: &[u8],
    salt: &[u8],
    iterations: u32,
) -> Zeroizing<[u8; 32]> {
    let salt = [etype.name().as_bytes(), &[0], salt].concat();
    let mut intermediate = Zeroizing::new([0; 32]);
    let octets = &mut intermediate[..etype.key_length()];
    match etype {
        EncryptionType::Aes256Sha384 => pbkdf2_hmac::<Sha384>(password, &salt, iterations, octets),
        _ => pbkdf2_hmac::<Sha256>(password, &salt, iterations, octets),
    }
    derive_key(&KeyedHmac::new(etype, octets), b"kerberos", etype.key_length())
}

/// `KDF-HMAC-SHA2(key, label, length)` (section 3): one block of it, since no key is longer than the hash.
pub(super) fn derive_key(base: &KeyedHmac, label: &[u8], length: usize) -> Zeroizing<[u8; 32]> {
    let bits = 8 * length as u32;
    let code = base.code(&[&1_u32.to_be_bytes(), label, &[0], &bits.to_be_bytes()]);
    let mut key = Zeroizing::new([0; 32]);
    key[..length].copy_from_slice(&code[..length]);
    key
}
