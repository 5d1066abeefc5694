//! What is left to the caller.

use crate::scheme::charset::Charset;

/// How challenges are answered where the protocol leaves a choice.
///
/// ```
/// use legwork::scheme::digest::LegacyDigest;
/// use legwork::unversioned::digest::DigestPolicy;
///
/// let strict = DigestPolicy::new().legacy(LegacyDigest::Refused);
/// # let _ = strict;
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DigestPolicy {
    pub(super) legacy: LegacyDigest,
    pub(super) charset: Charset,
}

impl DigestPolicy {
    /// Does what most clients do.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets what to do with challenges without `qop`.
    #[must_use]
    pub fn legacy(mut self, legacy: LegacyDigest) -> Self {
        self.legacy = legacy;
        self
    }

    /// Sets the encoding for challenges that name none.
    #[must_use]
    pub fn charset(mut self, charset: Charset) -> Self {
        self.charset = charset;
        self
    }
}

/// Whether challenges without `qop` are answered, as RFC 2069 has it.
///
/// Such an answer carries neither a nonce of the client nor a count: it can be repeated as long
/// as the nonce lives, and one who chooses nonces can prepare tables for common passwords.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum LegacyDigest {
    /// They are, as by curl, Chromium, Firefox and .NET: cameras and other devices know nothing
    /// else. Whoever could remove `qop` from a challenge could ask for Basic as well.
    #[default]
    Allowed,
    /// They are not.
    Refused,
}
