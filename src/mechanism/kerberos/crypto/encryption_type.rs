//! The numbers and lengths of the encryption types.

use std::fmt;

/// An encryption type that is supported, the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EncryptionType {
    /// aes128-cts-hmac-sha1-96 (RFC 3962).
    Aes128Sha1,
    /// aes256-cts-hmac-sha1-96 (RFC 3962).
    Aes256Sha1,
    /// aes128-cts-hmac-sha256-128 (RFC 8009).
    Aes128Sha256,
    /// aes256-cts-hmac-sha384-192 (RFC 8009).
    Aes256Sha384,
}

impl EncryptionType {
    /// In the order in which a client asks for them: MIT's and Windows' default puts 256 bits first, and those
    /// of RFC 3962, which every KDC has, before those of RFC 8009.
    pub const ALL: [Self; 4] = [Self::Aes256Sha1, Self::Aes128Sha1, Self::Aes256Sha384, Self::Aes128Sha256];

    /// The type with this number in the IANA registry, if it is supported.
    pub(crate) fn from_number(number: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|etype| etype.number() == number)
    }

    /// Its number in the IANA registry.
    pub(crate) fn number(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 17,
            Self::Aes256Sha1 => 18,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// The number of its checksum type (RFC 3962, section 7; RFC 8009, section 6).
    pub(crate) fn checksum_type(self) -> i32 {
        match self {
            Self::Aes128Sha1 => 15,
            Self::Aes256Sha1 => 16,
            Self::Aes128Sha256 => 19,
            Self::Aes256Sha384 => 20,
        }
    }

    /// Its name in the IANA registry, which keys of RFC 8009 are salted with as well.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Aes128Sha1 => "aes128-cts-hmac-sha1-96",
            Self::Aes256Sha1 => "aes256-cts-hmac-sha1-96",
            Self::Aes128Sha256 => "aes128-cts-hmac-sha256-128",
            Self::Aes256Sha384 => "aes256-cts-hmac-sha384-192",
        }
    }

    /// Octets in a key.
    pub(crate) fn key_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes128Sha256 => 16,
            Self::Aes256Sha1 | Self::Aes256Sha384 => 32,
        }
    }

    /// Octets in a checksum, and in the one at the end of what is encrypted.
    pub(crate) fn checksum_length(self) -> usize {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => 12,
            Self::Aes128Sha256 => 16,
            Self::Aes256Sha384 => 24,
        }
    }

    /// Iterations of PBKDF2 where a KDC names none (RFC 3962, section 4; RFC 8009, section 4).
    pub(crate) fn default_iterations(self) -> u32 {
        match self {
            Self::Aes128Sha1 | Self::Aes256Sha1 => 4_096,
            Self::Aes128Sha256 | Self::Aes256Sha384 => 32_768,
        }
    }
}

impl fmt::Display for EncryptionType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
