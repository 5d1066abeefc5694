//! What becomes of mechanisms and schemes where NTLM is shut out.

use std::fmt;
use std::sync::Arc;

/// What is left of a mechanism, or of a scheme, that must not use NTLM.
pub enum WithoutNtlm<T: ?Sized> {
    /// All of it: it has no NTLM.
    Same,
    /// This, in its place.
    Other(Arc<T>),
    /// Nothing: it is NTLM.
    Nothing,
}

impl<T: ?Sized> WithoutNtlm<T> {
    /// What is left of `whole`, of which this was said.
    pub(crate) fn of(self, whole: &Arc<T>) -> Option<Arc<T>> {
        match self {
            Self::Same => Some(Arc::clone(whole)),
            Self::Other(other) => Some(other),
            Self::Nothing => None,
        }
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for WithoutNtlm<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Same => f.write_str("Same"),
            Self::Other(other) => f.debug_tuple("Other").field(other).finish(),
            Self::Nothing => f.write_str("Nothing"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_printed_in_a_word() {
        for (left, text) in [
            (WithoutNtlm::Same, "Same"),
            (WithoutNtlm::Other(Arc::new("Kerberos")), "Other(\"Kerberos\")"),
            (WithoutNtlm::Nothing, "Nothing"),
        ] {
            assert_eq!(format!("{left:?}"), text);
        }
    }
}
