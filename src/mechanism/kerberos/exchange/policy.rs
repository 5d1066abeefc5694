//! What a client asks for, and what it takes.

use std::ops::RangeInclusive;

use crate::mechanism::kerberos::crypto::EncryptionType;

/// Which encryption types are asked for, and how much work a KDC may make of a password.
///
/// A KDC's error is not authenticated: whoever forges one that wants few iterations gets what a password is quickly guessed
/// from, and one that wants many keeps the client busy. Hence both bounds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Policy {
    encryption_types: Vec<EncryptionType>,
    iterations_rfc3962: RangeInclusive<u32>,
    iterations_rfc8009: RangeInclusive<u32>,
}

impl Policy {
    /// With these types instead of all that are supported, the most wanted first.
    #[must_use]
    pub(crate) fn with_encryption_types(mut self, types: impl Into<Vec<EncryptionType>>) -> Self {
        self.encryption_types = types.into();
        self
    }

    /// With other bounds for the iterations of RFC 3962's types, the two with SHA-1.
    #[must_use]
    pub(crate) fn with_iterations_rfc3962(mut self, iterations: RangeInclusive<u32>) -> Self {
        self.iterations_rfc3962 = iterations;
        self
    }

    /// With other bounds for the iterations of RFC 8009's types, the two with SHA-2.
    #[must_use]
    pub(crate) fn with_iterations_rfc8009(mut self, iterations: RangeInclusive<u32>) -> Self {
        self.iterations_rfc8009 = iterations;
        self
    }

    /// The types, the most wanted first.
    pub(crate) fn encryption_types(&self) -> &[EncryptionType] {
        &self.encryption_types
    }

    /// The numbers of the types, as a request has them.
    pub(super) fn numbers(&self) -> Vec<i32> {
        self.encryption_types.iter().map(|etype| etype.number()).collect()
    }

    /// The type with this number, if it was asked for.
    pub(super) fn asked_for(&self, number: i32) -> Option<EncryptionType> {
        EncryptionType::from_number(number).filter(|etype| self.encryption_types.contains(etype))
    }

    /// How many iterations of PBKDF2 a KDC may name for a type.
    pub(super) fn iterations(&self, etype: EncryptionType) -> &RangeInclusive<u32> {
        match etype {
            EncryptionType::Aes128Sha1 | EncryptionType::Aes256Sha1 => &self.iterations_rfc3962,
            EncryptionType::Aes128Sha256 | EncryptionType::Aes256Sha384 => &self.iterations_rfc8009,
        }
    }
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            encryption_types: EncryptionType::ALL.to_vec(),
            iterations_rfc3962: 4_096..=1_000_000,
            iterations_rfc8009: 32_768..=1_000_000,
        }
    }
}
