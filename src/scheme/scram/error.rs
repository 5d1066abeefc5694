use std::fmt;

use crate::mechanism::{ErrorKind, MechanismError};

/// Why a SCRAM login failed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ScramError {
    /// The user name or the password cannot be used.
    Credentials(&'static str),
    /// A message or an attribute of the server is malformed.
    Malformed {
        /// Which.
        what: &'static str,
        /// In what way.
        reason: &'static str,
    },
    /// The server did not send what is due.
    Missing(&'static str),
    /// The server's nonce does not extend ours: its message belongs to another login.
    ForeignNonce,
    /// The iteration count is below the policy: who recorded the login could guess the password
    /// too fast.
    TooFewIterations {
        /// The server's.
        count: u64,
        /// The least that is allowed.
        min: u32,
    },
    /// The iteration count is above the policy: the work would take too long.
    TooManyIterations {
        /// The server's.
        count: u64,
        /// The most that is allowed.
        max: u32,
    },
    /// The server wants a mandatory extension, and there is none that is known.
    UnknownExtension,
    /// The server does not know the password: its signature does not match.
    WrongSignature,
    /// The server refuses the login.
    Refused(Option<ServerError>),
    /// The caller went on with a login that had failed or was complete.
    OutOfOrder,
}

/// Why a server refuses (`server-error-value` of RFC 5802, section 7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerError {
    /// `invalid-encoding`
    InvalidEncoding,
    /// `extensions-not-supported`
    ExtensionsNotSupported,
    /// `invalid-proof`
    InvalidProof,
    /// `channel-bindings-dont-match`
    ChannelBindingsDoNotMatch,
    /// `server-does-support-channel-binding`
    ServerDoesSupportChannelBinding,
    /// `channel-binding-not-supported`
    ChannelBindingNotSupported,
    /// `unsupported-channel-binding-type`
    UnsupportedChannelBindingType,
    /// `unknown-user`
    UnknownUser,
    /// `invalid-username-encoding`
    InvalidUsernameEncoding,
    /// `no-resources`
    NoResources,
    /// `other-error`, or an error that RFC 5802 does not name, which counts as that one.
    Other,
}

impl ServerError {
    /// Reads the value of `e`.
    pub(super) fn from_value(value: &str) -> Self {
        match value {
            "invalid-encoding" => Self::InvalidEncoding,
            "extensions-not-supported" => Self::ExtensionsNotSupported,
            "invalid-proof" => Self::InvalidProof,
            "channel-bindings-dont-match" => Self::ChannelBindingsDoNotMatch,
            "server-does-support-channel-binding" => Self::ServerDoesSupportChannelBinding,
            "channel-binding-not-supported" => Self::ChannelBindingNotSupported,
            "unsupported-channel-binding-type" => Self::UnsupportedChannelBindingType,
            "unknown-user" => Self::UnknownUser,
            "invalid-username-encoding" => Self::InvalidUsernameEncoding,
            "no-resources" => Self::NoResources,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidEncoding => "it could not read a message of ours (invalid-encoding)",
            Self::ExtensionsNotSupported => "it does not know an extension (extensions-not-supported)",
            Self::InvalidProof => "the password is wrong, or the account has another (invalid-proof)",
            Self::ChannelBindingsDoNotMatch => {
                "the channel bindings are another connection's (channel-bindings-dont-match)"
            }
            Self::ServerDoesSupportChannelBinding => {
                "it wants channel bindings, which SCRAM over HTTP has not (server-does-support-channel-binding)"
            }
            Self::ChannelBindingNotSupported => {
                "it does not support channel bindings (channel-binding-not-supported)"
            }
            Self::UnsupportedChannelBindingType => {
                "it does not know this type of channel bindings (unsupported-channel-binding-type)"
            }
            Self::UnknownUser => "there is no such user (unknown-user)",
            Self::InvalidUsernameEncoding => "it could not read the user name (invalid-username-encoding)",
            Self::NoResources => "it is out of resources (no-resources)",
            Self::Other => "it does not say why (other-error)",
        })
    }
}

impl fmt::Display for ScramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Credentials(reason) => f.write_str(reason),
            Self::Malformed { what, reason } => write!(f, "{what}: {reason}"),
            Self::Missing(what) => write!(f, "the server did not send {what}"),
            Self::ForeignNonce => f.write_str("the server's nonce does not extend ours"),
            Self::TooFewIterations { count, min } => {
                write!(f, "the server asks for {count} iterations, but at least {min} are needed")
            }
            Self::TooManyIterations { count, max } => {
                write!(f, "the server asks for {count} iterations, but at most {max} are allowed")
            }
            Self::UnknownExtension => f.write_str("the server wants an extension of SCRAM that is not known"),
            Self::WrongSignature => {
                f.write_str("the server's signature is wrong: it does not know the password")
            }
            Self::Refused(None) => f.write_str("the server refuses the login"),
            Self::Refused(Some(error)) => write!(f, "the server refuses the login: {error}"),
            Self::OutOfOrder => f.write_str("the login is over"),
        }
    }
}

impl std::error::Error for ScramError {}

impl From<ScramError> for MechanismError {
    fn from(error: ScramError) -> Self {
        let kind = match &error {
            ScramError::Credentials(_) => ErrorKind::Credentials,
            ScramError::Malformed { .. } | ScramError::ForeignNonce | ScramError::OutOfOrder => {
                ErrorKind::DefectiveToken
            }
            ScramError::Missing(_) => ErrorKind::MissingToken,
            ScramError::TooFewIterations { .. }
            | ScramError::TooManyIterations { .. }
            | ScramError::UnknownExtension => ErrorKind::Unsupported,
            ScramError::WrongSignature => ErrorKind::BadMic,
            ScramError::Refused(_) => ErrorKind::Refused,
        };
        Self::new(kind, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_error_of_the_standard_is_told_by_its_name() {
        // RFC 5802, section 7.
        for name in [
            "invalid-encoding",
            "extensions-not-supported",
            "invalid-proof",
            "channel-bindings-dont-match",
            "server-does-support-channel-binding",
            "channel-binding-not-supported",
            "unsupported-channel-binding-type",
            "unknown-user",
            "invalid-username-encoding",
            "no-resources",
            "other-error",
        ] {
            let words = ServerError::from_value(name).to_string();
            assert!(words.ends_with(&format!("({name})")), "{name}: {words}");
        }
        assert_eq!(ServerError::from_value("what-nobody-knows"), ServerError::Other);
    }

    #[test]
    fn each_error_is_told_in_words_and_has_its_kind() {
        let count = |count| ScramError::TooFewIterations { count, min: 4096 };
        for (error, kind, words) in [
            (ScramError::Credentials("it needs a password"), ErrorKind::Credentials, "it needs a password"),
            (
                ScramError::Malformed { what: "sid", reason: "it is too long" },
                ErrorKind::DefectiveToken,
                "sid: it is too long",
            ),
            (ScramError::Missing("sid"), ErrorKind::MissingToken, "the server did not send sid"),
            (ScramError::ForeignNonce, ErrorKind::DefectiveToken, "the server's nonce does not extend ours"),
            (
                count(1),
                ErrorKind::Unsupported,
                "the server asks for 1 iterations, but at least 4096 are needed",
            ),
            (
                ScramError::UnknownExtension,
                ErrorKind::Unsupported,
                "the server wants an extension of SCRAM that is not known",
            ),
            (
                ScramError::WrongSignature,
                ErrorKind::BadMic,
                "the server's signature is wrong: it does not know the password",
            ),
            (ScramError::Refused(None), ErrorKind::Refused, "the server refuses the login"),
            (ScramError::OutOfOrder, ErrorKind::DefectiveToken, "the login is over"),
        ] {
            assert_eq!(error.to_string(), words);
            let error = MechanismError::from(error);
            assert_eq!((error.kind(), error.to_string()), (kind, words.to_owned()));
        }
    }
}
