use std::fmt;
use std::sync::Arc;

use crate::scheme::named::Scheme;

/// The schemes that may be used, the strongest first.
///
/// ```
/// use legwork::Authenticator;
/// use legwork::scheme::{Digest, Negotiate, NtlmScheme, Schemes};
///
/// let only_ntlm = Authenticator::builder().schemes(NtlmScheme::default()).build();
/// let schemes = Schemes::new().with(Negotiate::default()).with(Digest::default());
/// let two = Authenticator::builder().schemes(schemes).build();
/// # let _ = (only_ntlm, two);
/// ```
#[derive(Clone, Default)]
pub struct Schemes(Vec<Arc<dyn Scheme>>);

impl Schemes {
    /// Creates an empty list.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a scheme after the others.
    #[must_use]
    pub fn with(mut self, scheme: impl Scheme + 'static) -> Self {
        self.0.push(Arc::new(scheme));
        self
    }

    pub(crate) fn into_vec(self) -> Vec<Arc<dyn Scheme>> {
        self.0
    }
}

impl<S: Scheme + 'static> From<S> for Schemes {
    fn from(scheme: S) -> Self {
        Self::new().with(scheme)
    }
}

impl From<Arc<dyn Scheme>> for Schemes {
    fn from(scheme: Arc<dyn Scheme>) -> Self {
        Self(vec![scheme])
    }
}

impl<const N: usize> From<[Arc<dyn Scheme>; N]> for Schemes {
    fn from(schemes: [Arc<dyn Scheme>; N]) -> Self {
        Self(schemes.into())
    }
}

impl FromIterator<Arc<dyn Scheme>> for Schemes {
    fn from_iter<I: IntoIterator<Item = Arc<dyn Scheme>>>(schemes: I) -> Self {
        Self(schemes.into_iter().collect())
    }
}

impl fmt::Debug for Schemes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.0).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheme::{Basic, Bearer, Digest};

    #[test]
    fn shared_schemes_keep_their_order() {
        let basic = || Arc::new(Basic::new()) as Arc<dyn Scheme>;
        let digest = || Arc::new(Digest::new()) as Arc<dyn Scheme>;
        for (schemes, names) in [
            (Schemes::from(basic()), vec!["Basic"]),
            (Schemes::from([digest(), basic()]), vec!["Digest", "Basic"]),
            ([basic(), digest()].into_iter().collect(), vec!["Basic", "Digest"]),
            (Schemes::from(digest()).with(Bearer::new()), vec!["Digest", "Bearer"]),
        ] {
            assert_eq!(schemes.into_vec().iter().map(|scheme| scheme.name()).collect::<Vec<_>>(), names);
        }
    }
}
