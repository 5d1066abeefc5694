use std::borrow::Cow;
use std::fmt;

/// The name of a scheme, compared without regard to case (RFC 9110, section 11.1).
///
/// ```
/// use legwork::scheme::SchemeName;
///
/// assert_eq!(SchemeName::from("negotiate"), SchemeName::NEGOTIATE);
/// ```
#[derive(Clone, Debug)]
pub struct SchemeName(Cow<'static, str>);

impl SchemeName {
    /// [`Basic`](crate::scheme::Basic).
    pub const BASIC: Self = Self::from_static("Basic");
    /// [`Bearer`](crate::scheme::Bearer).
    pub const BEARER: Self = Self::from_static("Bearer");
    /// [`Digest`](crate::scheme::Digest).
    pub const DIGEST: Self = Self::from_static("Digest");
    /// [`Negotiate`](crate::scheme::Negotiate).
    pub const NEGOTIATE: Self = Self::from_static("Negotiate");
    /// [`NtlmScheme`](crate::scheme::NtlmScheme).
    pub const NTLM: Self = Self::from_static("NTLM");
    /// [`Scram`](crate::scheme::Scram) with SHA-1.
    pub const SCRAM_SHA_1: Self = Self::from_static("SCRAM-SHA-1");
    /// [`Scram`](crate::scheme::Scram) with SHA-256.
    pub const SCRAM_SHA_256: Self = Self::from_static("SCRAM-SHA-256");

    /// Names a scheme that has no constant here.
    pub const fn from_static(name: &'static str) -> Self {
        Self(Cow::Borrowed(name))
    }

    /// Returns the name as it was spelled.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for SchemeName {
    fn from(name: &str) -> Self {
        Self(Cow::Owned(name.to_owned()))
    }
}

impl From<String> for SchemeName {
    fn from(name: String) -> Self {
        Self(Cow::Owned(name))
    }
}

impl PartialEq for SchemeName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for SchemeName {}

impl fmt::Display for SchemeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::scram::ScramHash;
    use crate::scheme::{Basic, Bearer, Digest, Negotiate, NtlmScheme, Scheme, Scram};

    #[test]
    fn each_constant_is_the_name_of_its_scheme() {
        let schemes: [(SchemeName, &dyn Scheme); 7] = [
            (SchemeName::BASIC, &Basic::default()),
            (SchemeName::BEARER, &Bearer::new()),
            (SchemeName::DIGEST, &Digest::default()),
            (SchemeName::NEGOTIATE, &Negotiate::default()),
            (SchemeName::NTLM, &NtlmScheme::default()),
            (SchemeName::SCRAM_SHA_1, &Scram::new().hash(ScramHash::Sha1)),
            (SchemeName::SCRAM_SHA_256, &Scram::new()),
        ];
        for (name, scheme) in schemes {
            assert_eq!(name.as_str(), scheme.name());
            assert_eq!(name.to_string(), scheme.name());
        }
    }

    #[test]
    fn a_name_is_kept_as_it_was_spelled_and_compared_without_regard_to_case() {
        let name = SchemeName::from("nEgOtIaTe".to_owned());
        assert_eq!(name.as_str(), "nEgOtIaTe");
        assert_eq!(name, SchemeName::NEGOTIATE);
        assert_eq!(name, SchemeName::from("NEGOTIATE"));
        assert_ne!(name, SchemeName::NTLM);
        assert_ne!(SchemeName::from_static("Hawk"), SchemeName::from("Hawk2"));
    }
}
