use std::fmt;

use crate::challenge::ChallengeError;
use crate::credentials::InvalidToken;
use crate::mechanism::{ErrorKind, MechanismError};

const CONTENT_NOT_KEPT: &str = "its answer covers the request's whole content, which is not kept";

/// Why a scheme could not answer.
#[derive(Debug)]
pub struct SchemeError {
    scheme: &'static str,
    cause: Cause,
}

#[derive(Debug)]
enum Cause {
    Challenge(ChallengeError),
    AuthenticationInfo(ChallengeError),
    Mechanism(MechanismError),
    Token(InvalidToken),
    ContentNotKept,
    Other(&'static str),
}

impl SchemeError {
    /// Says that the scheme cannot answer, for this reason.
    pub fn new(scheme: &'static str, reason: &'static str) -> Self {
        Self { scheme, cause: Cause::Other(reason) }
    }

    pub(crate) fn challenge(scheme: &'static str, error: ChallengeError) -> Self {
        Self { scheme, cause: Cause::Challenge(error) }
    }

    pub(crate) fn authentication_info(scheme: &'static str, error: ChallengeError) -> Self {
        Self { scheme, cause: Cause::AuthenticationInfo(error) }
    }

    pub(crate) fn mechanism(scheme: &'static str, error: MechanismError) -> Self {
        Self { scheme, cause: Cause::Mechanism(error) }
    }

    pub(crate) fn token(scheme: &'static str, error: InvalidToken) -> Self {
        Self { scheme, cause: Cause::Token(error) }
    }

    /// The answer covers the whole content, which is not kept.
    pub(crate) fn content_not_kept(scheme: &'static str) -> Self {
        Self { scheme, cause: Cause::ContentNotKept }
    }

    /// Whether the answer covers the whole content, which is not kept.
    pub(crate) fn is_for_content(&self) -> bool {
        matches!(self.cause, Cause::ContentNotKept)
    }

    /// Returns what the mechanism behind the scheme said, if it was the one that failed.
    pub fn as_mechanism(&self) -> Option<&MechanismError> {
        match &self.cause {
            Cause::Mechanism(error) => Some(error),
            Cause::Challenge(_)
            | Cause::AuthenticationInfo(_)
            | Cause::Token(_)
            | Cause::ContentNotKept
            | Cause::Other(_) => None,
        }
    }

    /// Whether the server left out what would prove who it is, rather than sent something wrong.
    pub(crate) fn lacks_proof(&self) -> bool {
        self.as_mechanism().is_some_and(|error| error.kind() == ErrorKind::MissingToken)
    }

    /// What it comes to, in one line, where the scheme's name stands beside it.
    pub(crate) fn reason(&self) -> String {
        match &self.cause {
            Cause::Challenge(error) => format!("malformed challenge: {error}"),
            Cause::AuthenticationInfo(error) => format!("malformed Authentication-Info: {error}"),
            Cause::Mechanism(error) => error.to_string(),
            Cause::Token(error) => error.to_string(),
            Cause::ContentNotKept => CONTENT_NOT_KEPT.to_owned(),
            Cause::Other(reason) => (*reason).to_owned(),
        }
    }

    /// Returns the scheme's name.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }
}

impl fmt::Display for SchemeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Challenge(_) => write!(f, "{}: the challenge is malformed", self.scheme),
            Cause::AuthenticationInfo(_) => {
                write!(f, "{}: the Authentication-Info is malformed", self.scheme)
            }
            Cause::Mechanism(_) => write!(f, "{}: the mechanism failed", self.scheme),
            Cause::Token(_) => write!(f, "{}: the token cannot be sent", self.scheme),
            Cause::ContentNotKept => write!(f, "{}: {CONTENT_NOT_KEPT}", self.scheme),
            Cause::Other(reason) => write!(f, "{}: {reason}", self.scheme),
        }
    }
}

impl std::error::Error for SchemeError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Cause::Challenge(error) | Cause::AuthenticationInfo(error) => Some(error),
            Cause::Mechanism(error) => Some(error),
            Cause::Token(error) => Some(error),
            Cause::ContentNotKept | Cause::Other(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::error::Error;

    use super::*;
    use crate::challenge::Challenges;
    use crate::credentials::Secret;

    #[test]
    fn each_cause_is_told_in_one_level_with_the_rest_behind_it() {
        let malformed = || Challenges::from_value(b"Digest realm=\"x").errors()[0].clone();
        let where_it_is = malformed().to_string();
        let refused = MechanismError::new(ErrorKind::Refused, "the server says no");
        let invalid = InvalidToken::check(&Secret::new("")).expect_err("empty");
        for (error, text, reason, source) in [
            (
                SchemeError::challenge("Digest", malformed()),
                "Digest: the challenge is malformed",
                format!("malformed challenge: {where_it_is}"),
                Some(&*where_it_is),
            ),
            (
                SchemeError::authentication_info("Digest", malformed()),
                "Digest: the Authentication-Info is malformed",
                format!("malformed Authentication-Info: {where_it_is}"),
                Some(&*where_it_is),
            ),
            (
                SchemeError::mechanism("NTLM", refused),
                "NTLM: the mechanism failed",
                "the server says no".to_owned(),
                Some("the server says no"),
            ),
            (
                SchemeError::token("Bearer", invalid),
                "Bearer: the token cannot be sent",
                "the token is empty".to_owned(),
                Some("the token is empty"),
            ),
            (
                SchemeError::content_not_kept("Digest"),
                "Digest: its answer covers the request's whole content, which is not kept",
                "its answer covers the request's whole content, which is not kept".to_owned(),
                None,
            ),
            (
                SchemeError::new("Basic", "it needs a password"),
                "Basic: it needs a password",
                "it needs a password".to_owned(),
                None,
            ),
        ] {
            assert_eq!(error.to_string(), text);
            assert_eq!(error.reason(), reason);
            assert_eq!(error.source().map(ToString::to_string).as_deref(), source, "{text}");
            assert!(text.starts_with(error.scheme()), "{text}");
            assert_eq!(error.as_mechanism().is_some(), error.scheme() == "NTLM", "{text}");
        }
    }
}
