use std::fmt;

use crate::scheme::SchemeError;

/// Why a handshake failed on this side, so that its response is not delivered.
#[derive(Debug)]
#[non_exhaustive]
pub enum HandshakeError {
    /// What the server sent could not be answered, and no further scheme was left.
    Scheme(SchemeError),
    /// The server accepted, but its final token does not hold: it may not be the server that it
    /// claims to be.
    FinalToken(SchemeError),
    /// The server has not proven who it is, which is required; the response is not delivered.
    Unproven,
    /// The server kept challenging; one request may take this many legs.
    TooManyLegs(u32),
    /// An action was answered with something else: a fault of the caller.
    OutOfTurn,
}

impl fmt::Display for HandshakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme(_) => f.write_str("the server's challenge could not be answered"),
            Self::FinalToken(_) => f.write_str("the server accepted the login but failed to prove itself"),
            Self::Unproven => f.write_str("the server has not proven who it is, which is required"),
            Self::TooManyLegs(legs) => write!(f, "the server still challenges after {legs} legs"),
            Self::OutOfTurn => f.write_str("the handshake was answered out of turn"),
        }
    }
}

impl std::error::Error for HandshakeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Scheme(error) | Self::FinalToken(error) => Some(error),
            Self::Unproven | Self::TooManyLegs(_) | Self::OutOfTurn => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;

    #[test]
    fn each_says_what_happened_and_where_there_is_one_its_source() {
        let scheme = || SchemeError::new("Digest", "the nonce is missing");
        for (error, words, has_source) in [
            (HandshakeError::Scheme(scheme()), "the server's challenge could not be answered", true),
            (
                HandshakeError::FinalToken(scheme()),
                "the server accepted the login but failed to prove itself",
                true,
            ),
            (HandshakeError::Unproven, "the server has not proven who it is, which is required", false),
            (HandshakeError::TooManyLegs(3), "the server still challenges after 3 legs", false),
            (HandshakeError::OutOfTurn, "the handshake was answered out of turn", false),
        ] {
            assert_eq!((error.to_string().as_str(), error.source().is_some()), (words, has_source));
        }
    }
}
