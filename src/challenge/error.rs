//! What was malformed, and where.

use std::fmt;

use base64::DecodeError;

/// Why a challenge is not well-formed, or its token cannot be decoded. Holds no value and no token.
///
/// Positions count from 0: octets in the field value, and field lines among those of one name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChallengeError {
    kind: ChallengeErrorKind,
    scheme: Option<String>,
    line: usize,
    offset: usize,
}

/// The kinds of [`ChallengeError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ChallengeErrorKind {
    /// A list element begins with something that no scheme's name can begin with.
    InvalidScheme,
    /// A line begins with a parameter, which then belongs to no challenge.
    MissingScheme,
    /// An octet that cannot stand there: a control character, text after a value, a value that
    /// needed quotes.
    UnexpectedOctet,
    /// A parameter without a value.
    MissingValue,
    /// A quoted string without its end; the offset is that of its beginning.
    UnterminatedQuote,
    /// A parameter that the challenge already has.
    DuplicateParam,
    /// A parameter of a challenge that has a token68, which excludes it.
    TokenAndParams,
    /// More parameters than [`MAX_PARAMS`](super::Challenges::MAX_PARAMS).
    TooManyParams,
    /// More challenges than [`MAX_CHALLENGES`](super::Challenges::MAX_CHALLENGES); the rest is
    /// not read.
    TooManyChallenges,
    /// More octets than [`MAX_OCTETS`](super::Challenges::MAX_OCTETS); this line and the rest are
    /// not read.
    TooManyOctets,
    /// A token68 that is not base64.
    InvalidToken,
}

impl ChallengeError {
    pub(super) fn new(kind: ChallengeErrorKind, scheme: Option<&str>, line: usize, offset: usize) -> Self {
        Self { kind, scheme: scheme.map(str::to_owned), line, offset }
    }

    /// For a token68 that begins at `start`.
    pub(super) fn invalid_token(scheme: &str, line: usize, start: usize, error: &DecodeError) -> Self {
        let offset = match error {
            DecodeError::InvalidByte(offset, _) | DecodeError::InvalidLastSymbol { offset, .. } => *offset,
            DecodeError::InvalidLength(_) | DecodeError::InvalidPadding => 0,
        };
        Self::new(ChallengeErrorKind::InvalidToken, Some(scheme), line, start + offset)
    }

    pub(crate) fn kind(&self) -> ChallengeErrorKind {
        self.kind
    }

    /// Returns the challenge's scheme as received, where it was legible.
    pub fn scheme(&self) -> Option<&str> {
        self.scheme.as_deref()
    }

    /// Returns on which line of the field it is, counted from 0.
    pub fn line(&self) -> usize {
        self.line
    }

    /// Returns at which octet of that line's value it is, counted from 0; where something is missing, the place
    /// after what is there.
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl fmt::Display for ChallengeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(scheme) = &self.scheme {
            write!(f, "{scheme} challenge: ")?;
        }
        let Self { kind, offset, line, .. } = self;
        write!(f, "{kind}, at octet {offset} of field line {line}")
    }
}

impl std::error::Error for ChallengeError {}

impl fmt::Display for ChallengeErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidScheme => "no scheme where a challenge begins",
            Self::MissingScheme => "a parameter before any scheme",
            Self::UnexpectedOctet => "unexpected octet",
            Self::MissingValue => "a parameter without a value",
            Self::UnterminatedQuote => "a quoted string without an end",
            Self::DuplicateParam => "a parameter that occurs twice",
            Self::TokenAndParams => "parameters beside a token68",
            Self::TooManyParams => "too many parameters",
            Self::TooManyChallenges => "too many challenges",
            Self::TooManyOctets => "too many octets",
            Self::InvalidToken => "the token68 is not base64",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_told_in_words_with_its_place() {
        use ChallengeErrorKind::*;
        for (kind, words) in [
            (InvalidScheme, "no scheme where a challenge begins"),
            (MissingScheme, "a parameter before any scheme"),
            (UnexpectedOctet, "unexpected octet"),
            (MissingValue, "a parameter without a value"),
            (UnterminatedQuote, "a quoted string without an end"),
            (DuplicateParam, "a parameter that occurs twice"),
            (TokenAndParams, "parameters beside a token68"),
            (TooManyParams, "too many parameters"),
            (TooManyChallenges, "too many challenges"),
            (TooManyOctets, "too many octets"),
            (InvalidToken, "the token68 is not base64"),
        ] {
            let error = ChallengeError::new(kind, Some("Digest"), 1, 7);
            assert_eq!(error.to_string(), format!("Digest challenge: {words}, at octet 7 of field line 1"));
            let error = ChallengeError::new(kind, None, 1, 7);
            assert_eq!(error.to_string(), format!("{words}, at octet 7 of field line 1"));
        }
    }

    #[test]
    fn a_token_of_the_wrong_length_is_malformed_from_its_beginning() {
        for (error, offset) in [
            (DecodeError::InvalidLength(5), 10),
            (DecodeError::InvalidPadding, 10),
            (DecodeError::InvalidByte(3, b'~'), 13),
        ] {
            assert_eq!(ChallengeError::invalid_token("NTLM", 0, 10, &error).offset(), offset, "{error}");
        }
    }
}
