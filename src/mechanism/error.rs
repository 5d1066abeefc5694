use std::fmt;

/// Why a step failed. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MechanismError {
    kind: ErrorKind,
    message: String,
    is_relayed: bool,
}

/// The kinds of [`MechanismError`], after the major status codes of RFC 2743, section 1.2.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The peer's token is malformed (`GSS_S_DEFECTIVE_TOKEN`).
    DefectiveToken,
    /// The token a peer should have sent is missing.
    MissingToken,
    /// An integrity code does not match (`GSS_S_BAD_SIG`).
    BadMic,
    /// The peer offers nothing that this side supports or allows (`GSS_S_BAD_MECH`).
    Unsupported,
    /// The peer refused (`GSS_S_FAILURE` with a reject).
    Refused,
    /// The peer cannot take a ticket that was granted for it (a KRB-ERROR). The credentials are good.
    TicketRefused,
    /// The credentials cannot serve (`GSS_S_DEFECTIVE_CREDENTIAL`, `GSS_S_NO_CRED`): no ticket, or
    /// a name that cannot be used.
    Credentials,
    /// Who keeps the accounts (a KDC) refused the password. It is tried nowhere else: that would
    /// count as another attempt.
    WrongPassword,
    /// Who keeps the accounts (a KDC, whose word the server has passed on) does not know the user.
    UnknownUser,
    /// Who keeps the accounts says that this one is locked, or disabled: many a KDC does not tell which.
    AccountLocked,
    /// What the mechanism needs is not there (`GSS_S_UNAVAILABLE`): the system's library, a KDC.
    Unavailable,
    /// A step that may block took too long.
    Timeout,
}

impl MechanismError {
    /// Creates an error of this kind; the message says what was wrong and where.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), is_relayed: false }
    }

    /// Marks it as a word of the KDC that only the server has passed on: the server may have made it up, so it weighs
    /// no more than the server's own.
    #[must_use]
    pub fn relayed(mut self) -> Self {
        self.is_relayed = true;
        self
    }

    /// Returns whether the server has passed it on.
    pub fn is_relayed(&self) -> bool {
        self.is_relayed
    }

    /// Returns its kind.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl fmt::Display for MechanismError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for MechanismError {}
