//! The encryption types: a key of one encrypts, decrypts and makes checksums, each use with keys of its own
//! that are derived from it (RFC 3961, section 3).
//!
//! | number | encryption type | keys are derived by | HMAC over |
//! |---|---|---|---|
//! | 17 | aes128-cts-hmac-sha1-96 | n-fold and AES (RFC 3961, section 5.1) | the plaintext |
//! | 18 | aes256-cts-hmac-sha1-96 | the same | the plaintext |
//! | 19 | aes128-cts-hmac-sha256-128 | HMAC-SHA-256 (RFC 8009, section 3) | the ciphertext |
//! | 20 | aes256-cts-hmac-sha384-192 | HMAC-SHA-384 | the ciphertext |
//!
//! RC4 and DES are left out on purpose.

mod aes_cts;
mod encryption_type;
mod hmac;
mod key;
mod key_usage;
mod random;
mod rfc3961;
mod rfc8009;
mod specific_keys;
#[cfg(test)]
mod tests;

pub use encryption_type::EncryptionType;
pub(crate) use key::Key;
pub(crate) use key_usage::KeyUsage;
pub(crate) use random::Random;
pub(crate) use specific_keys::{CONFOUNDER, ChecksumKey, DecryptError, MessageKeys};
