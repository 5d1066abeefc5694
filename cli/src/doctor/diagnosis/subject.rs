//! Who is to log in.

use crate::account::Named;

/// Who is to log in, as far as the arguments tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// Nobody was named: whoever sits here, by ticket or by password.
    Anybody,
    Ticket,
    User(String),
    /// By a token, or whom netrc names.
    Somebody,
}

impl From<Named<'_>> for Subject {
    fn from(named: Named<'_>) -> Self {
        match named {
            Named::Nobody => Self::Anybody,
            Named::Ticket => Self::Ticket,
            Named::User(user) => Self::User(user.to_owned()),
            Named::Somebody => Self::Somebody,
        }
    }
}
