//! What a KDC refuses with, in sentences that say what to do: the same whoever has asked it, the system's library or we.

use crate::mechanism::ErrorKind;

/// The service is not in the KDC's database.
pub(super) fn unknown_service(target: &str) -> (ErrorKind, String) {
    let sentence = format!(
        "server not found in the KDC's database: {target} (wrong host name, or another target name is needed)"
    );
    (ErrorKind::Credentials, sentence)
}

/// Pre-authentication by the password has failed.
pub(super) fn wrong_password(user: &str) -> (ErrorKind, String) {
    (ErrorKind::WrongPassword, format!("the KDC refused the password of {user}"))
}

/// Too many wrong passwords, or the administrator has disabled it.
pub(super) fn locked(user: &str) -> (ErrorKind, String) {
    (ErrorKind::AccountLocked, format!("the account of {user} is locked or disabled at the KDC"))
}

/// The password has to be changed first, or the account is past its end.
pub(super) fn expired(user: &str) -> (ErrorKind, String) {
    (ErrorKind::WrongPassword, format!("the password or the account of {user} has expired"))
}

/// The clocks are too far apart.
pub(super) fn clock_skew() -> (ErrorKind, String) {
    let sentence =
        "clock skew: this machine's clock and the KDC's differ too much (by more than five minutes, mostly)";
    (ErrorKind::Credentials, sentence.to_owned())
}

/// IAKERB: the server does not know whom to ask.
pub(super) fn unknown_to_relay(user: &str) -> (ErrorKind, String) {
    let sentence =
        format!("the server takes IAKERB, and knows no KDC for the realm of {user} (its krb5.conf, or DNS)");
    (ErrorKind::Unavailable, sentence)
}

/// IAKERB: whom the server asks does not answer.
pub(super) fn silent_to_relay(user: &str) -> (ErrorKind, String) {
    let sentence = format!("the server takes IAKERB, and no KDC for the realm of {user} answers it");
    (ErrorKind::Unavailable, sentence)
}
