use crate::mechanism::{ErrorKind, MechanismError};

/// An error about a token that breaks the rules.
pub(super) fn defective(message: impl Into<String>) -> MechanismError {
    MechanismError::new(ErrorKind::DefectiveToken, message)
}
