//! What the system's statuses mean, in sentences that say what to do.

use std::io;

use windows_sys::Win32::Foundation::{
    SEC_E_CONTEXT_EXPIRED, SEC_E_CROSSREALM_DELEGATION_FAILURE, SEC_E_DELEGATION_POLICY,
    SEC_E_DELEGATION_REQUIRED, SEC_E_DOWNGRADE_DETECTED, SEC_E_INSUFFICIENT_MEMORY, SEC_E_INTERNAL_ERROR,
    SEC_E_INVALID_TOKEN, SEC_E_LOGON_DENIED, SEC_E_MESSAGE_ALTERED, SEC_E_MUTUAL_AUTH_FAILED,
    SEC_E_NO_AUTHENTICATING_AUTHORITY, SEC_E_NO_CREDENTIALS, SEC_E_OUT_OF_SEQUENCE, SEC_E_POLICY_NLTM_ONLY,
    SEC_E_SECPKG_NOT_FOUND, SEC_E_TARGET_UNKNOWN, SEC_E_TIME_SKEW, SEC_E_UNKNOWN_CREDENTIALS,
    SEC_E_UNSUPPORTED_FUNCTION, SEC_E_WRONG_PRINCIPAL,
};

use crate::credentials::Credentials;
use crate::mechanism::sspi::library::SspiFailure;
use crate::mechanism::{ErrorKind, MechanismError};

/// What was being done when a call failed.
pub(super) struct Attempt<'a> {
    pub(super) target_name: &'a str,
    pub(super) credentials: &'a Credentials,
}

/// The error for a failed call.
pub(super) fn explain(failure: SspiFailure, attempt: &Attempt<'_>) -> MechanismError {
    let target = attempt.target_name;
    let user = attempt.credentials.username().unwrap_or("the logged-on user");
    let is_password = attempt.credentials.as_password().is_some();
    let (kind, sentence) = match failure.0 {
        SEC_E_LOGON_DENIED if is_password => {
            (ErrorKind::WrongPassword, format!("the domain refused the password of {user}"))
        }
        SEC_E_LOGON_DENIED => (ErrorKind::Credentials, format!("the domain refused {user}")),
        SEC_E_NO_CREDENTIALS | SEC_E_UNKNOWN_CREDENTIALS => {
            (ErrorKind::Credentials, format!("the system has no credentials that serve for {user}"))
        }
        SEC_E_TARGET_UNKNOWN | SEC_E_WRONG_PRINCIPAL => (
            ErrorKind::Credentials,
            format!("no account of the domain is the service {target} (wrong host name, or another target name is needed)"),
        ),
        SEC_E_NO_AUTHENTICATING_AUTHORITY | SEC_E_DOWNGRADE_DETECTED => {
            (ErrorKind::Unavailable, format!("no domain controller answers for {user} and {target}"))
        }
        SEC_E_TIME_SKEW => (
            ErrorKind::Credentials,
            "clock skew: this machine's clock and the domain's differ too much (by more than five minutes, mostly)"
                .to_owned(),
        ),
        SEC_E_CONTEXT_EXPIRED => (ErrorKind::Credentials, format!("the ticket of {user} has expired")),
        SEC_E_DELEGATION_POLICY | SEC_E_DELEGATION_REQUIRED | SEC_E_CROSSREALM_DELEGATION_FAILURE => {
            (ErrorKind::Credentials, format!("the domain's policy does not let {target} act as {user}"))
        }
        SEC_E_MUTUAL_AUTH_FAILED => {
            (ErrorKind::BadMic, format!("{target} did not prove who it is"))
        }
        SEC_E_MESSAGE_ALTERED | SEC_E_OUT_OF_SEQUENCE => {
            (ErrorKind::BadMic, format!("the integrity code in the token of {target} is wrong"))
        }
        SEC_E_INVALID_TOKEN => (ErrorKind::DefectiveToken, format!("the token of {target} is malformed")),
        SEC_E_SECPKG_NOT_FOUND => {
            (ErrorKind::Unavailable, "the system does not have this security package".to_owned())
        }
        SEC_E_UNSUPPORTED_FUNCTION | SEC_E_POLICY_NLTM_ONLY => {
            (ErrorKind::Unsupported, "the security package, or the system's policy, does not allow it".to_owned())
        }
        SEC_E_INTERNAL_ERROR | SEC_E_INSUFFICIENT_MEMORY => {
            (ErrorKind::Unavailable, "the system's security authority fails".to_owned())
        }
        status => (ErrorKind::Credentials, words(status)),
    };
    MechanismError::new(kind, format!("{sentence} (SSPI 0x{:08x})", failure.0))
}

/// The system's own words, as one line.
fn words(status: i32) -> String {
    let error = io::Error::from_raw_os_error(status).to_string();
    let words = error.split(" (os error").next().unwrap_or_default();
    words.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Ambient;

    fn explained(status: i32, credentials: &Credentials) -> MechanismError {
        explain(SspiFailure(status), &Attempt { target_name: "HTTP/mail.example", credentials })
    }

    #[test]
    fn a_refused_password_is_told_from_a_refused_logon_session() {
        let alice = Credentials::password("CORP\\alice", "alice-pw");
        let error = explained(SEC_E_LOGON_DENIED, &alice);
        assert_eq!(error.kind(), ErrorKind::WrongPassword);
        assert_eq!(error.to_string(), "the domain refused the password of CORP\\alice (SSPI 0x8009030c)");
        let error = explained(SEC_E_LOGON_DENIED, &Credentials::ambient(Ambient::new()));
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(error.to_string().contains("the logged-on user"), "{error}");
    }

    #[test]
    fn every_status_has_a_sentence_and_its_number() {
        let alice = Credentials::password("CORP\\alice", "alice-pw");
        for (status, kind, sentence) in [
            (SEC_E_TARGET_UNKNOWN, ErrorKind::Credentials, "the service HTTP/mail.example"),
            (SEC_E_NO_AUTHENTICATING_AUTHORITY, ErrorKind::Unavailable, "no domain controller"),
            (SEC_E_TIME_SKEW, ErrorKind::Credentials, "clock skew"),
            (SEC_E_INVALID_TOKEN, ErrorKind::DefectiveToken, "malformed"),
            (SEC_E_SECPKG_NOT_FOUND, ErrorKind::Unavailable, "security package"),
            (0x0009_0320, ErrorKind::Credentials, "(SSPI 0x00090320)"),
            (-1, ErrorKind::Credentials, "(SSPI 0xffffffff)"),
        ] {
            let error = explained(status, &alice);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.to_string().contains(sentence), "{error}");
            assert!(error.to_string().contains(&format!("(SSPI 0x{status:08x})")), "{error}");
            assert!(!error.to_string().contains("alice-pw"));
        }
    }
}
