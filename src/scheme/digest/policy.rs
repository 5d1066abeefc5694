//! What is left to the caller.

use crate::scheme::charset::Charset;

/// How challenges are answered where the protocol leaves a choice.
///
/// ```
/// use legwork::unversioned::digest::DigestPolicy;
///
/// let strict = DigestPolicy::new().without_legacy();
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

    /// Leaves challenges without `qop` unanswered.
    #[must_use]
    pub fn without_legacy(mut self) -> Self {
        self.legacy = LegacyDigest::Refused;
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
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LegacyDigest {
    #[default]
    Allowed,
    Refused,
}
