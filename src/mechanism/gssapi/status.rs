//! What the library's statuses mean, in sentences that say what to do.

use crate::credentials::Credentials;
use crate::mechanism::gssapi::library::GssapiFailure;
use crate::mechanism::{ErrorKind, MechanismError, kdc_refusal};

/// What was being done when a call failed.
pub(super) struct Attempt<'a> {
    /// Empty while credentials are acquired.
    pub(super) target_name: &'a str,
    pub(super) credentials: &'a Credentials,
}

impl Attempt<'_> {
    fn user(&self) -> &str {
        self.credentials.username().unwrap_or("the system's user")
    }

    fn by_keytab(&self) -> bool {
        self.credentials.as_ambient().is_some_and(|ambient| ambient.client_keytab_name().is_some())
    }
}

/// Routine errors (RFC 2744, section 3.9.1).
const BAD_MECH: u32 = 1;
const NO_CRED: u32 = 7;
const DEFECTIVE_TOKEN: u32 = 9;
const CREDENTIALS_EXPIRED: u32 = 11;

/// libkrb5's error codes, less the base of their table (`krb5_err.et`; up to 127, RFC 4120, section
/// 7.5.9).
mod krb5 {
    const BASE: u32 = -1_765_328_384_i32 as u32;

    pub(super) const NAME_EXP: u32 = 1;
    pub(super) const C_PRINCIPAL_UNKNOWN: u32 = 6;
    pub(super) const S_PRINCIPAL_UNKNOWN: u32 = 7;
    pub(super) const POLICY: u32 = 12;
    pub(super) const CLIENT_REVOKED: u32 = 18;
    pub(super) const KEY_EXP: u32 = 23;
    pub(super) const PREAUTH_FAILED: u32 = 24;
    pub(super) const BAD_INTEGRITY: u32 = 31;
    pub(super) const TKT_EXPIRED: u32 = 32;
    pub(super) const SKEW: u32 = 37;
    pub(super) const MODIFIED: u32 = 41;
    /// `KRB_AP_ERR_IAKERB_KDC_NOT_FOUND` and `KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE`.
    pub(super) const IAKERB_KDC_NOT_FOUND: u32 = 85;
    pub(super) const IAKERB_KDC_NO_RESPONSE: u32 = 86;
    pub(super) const KDCREP_SKEW: u32 = 148;
    pub(super) const REALM_UNKNOWN: u32 = 154;
    pub(super) const KDC_UNREACH: u32 = 156;
    pub(super) const KT_NOTFOUND: u32 = 181;
    pub(super) const FCC_NOFILE: u32 = 195;
    pub(super) const MIT_PREAUTH_FAILED: u32 = 210;
    pub(super) const REALM_CANT_RESOLVE: u32 = 220;
    pub(super) const CONFIG_NODEFREALM: u32 = 224;

    /// The code that a minor status stands for, if it is one of libkrb5's.
    pub(super) fn code(minor: u32) -> Option<u32> {
        Some(minor.wrapping_sub(BASE)).filter(|code| *code < 256)
    }

    /// The minor status that stands for a code.
    pub(super) fn minor(code: u32) -> u32 {
        BASE.wrapping_add(code)
    }
}

/// The error for a failed call.
pub(super) fn explain(failure: &GssapiFailure, attempt: &Attempt<'_>) -> MechanismError {
    let (user, target) = (attempt.user(), attempt.target_name);
    let is_password = attempt.credentials.as_password().is_some();
    let (kind, sentence) = match krb5::code(failure.minor) {
        Some(krb5::C_PRINCIPAL_UNKNOWN) => (ErrorKind::Credentials, format!("the KDC does not know {user}")),
        Some(krb5::S_PRINCIPAL_UNKNOWN) => kdc_refusal::unknown_service(target),
        Some(krb5::PREAUTH_FAILED | krb5::BAD_INTEGRITY | krb5::MIT_PREAUTH_FAILED) if is_password => {
            kdc_refusal::wrong_password(user)
        }
        Some(krb5::PREAUTH_FAILED | krb5::MIT_PREAUTH_FAILED) => {
            (ErrorKind::Credentials, format!("the KDC refused the key of {user}: is the keytab out of date?"))
        }
        Some(krb5::CLIENT_REVOKED) => kdc_refusal::locked(user),
        Some(krb5::KEY_EXP | krb5::NAME_EXP) => kdc_refusal::expired(user),
        Some(krb5::SKEW | krb5::KDCREP_SKEW) => kdc_refusal::clock_skew(),
        Some(krb5::TKT_EXPIRED) => {
            (ErrorKind::Credentials, format!("the ticket of {user} has expired: run kinit"))
        }
        Some(krb5::KDC_UNREACH) => (
            ErrorKind::Unavailable,
            format!("no KDC answers: is the network up, and krb5.conf right? ({})", failure.words),
        ),
        Some(krb5::REALM_UNKNOWN | krb5::REALM_CANT_RESOLVE) => (
            ErrorKind::Unavailable,
            format!("no KDC is known for the realm of {}", if target.is_empty() { user } else { target }),
        ),
        Some(krb5::CONFIG_NODEFREALM) => (
            ErrorKind::Credentials,
            "there is no default realm in krb5.conf: give the user as user@REALM".to_owned(),
        ),
        Some(krb5::KT_NOTFOUND) => (ErrorKind::Credentials, format!("the keytab has no key of {user}")),
        Some(krb5::POLICY) => {
            (ErrorKind::Credentials, format!("the KDC's policy forbids it: {}", failure.words))
        }
        _ => match failure.routine_error() {
            CREDENTIALS_EXPIRED => {
                (ErrorKind::Credentials, format!("the ticket of {user} has expired: run kinit"))
            }
            BAD_MECH => (
                ErrorKind::Unavailable,
                format!("this GSS-API library does not have the mechanism ({})", failure.words),
            ),
            NO_CRED if attempt.by_keytab() => {
                (ErrorKind::Credentials, format!("no ticket, and the keytab gets none ({})", failure.words))
            }
            NO_CRED if !is_password => {
                (ErrorKind::Credentials, format!("no ticket: run kinit ({})", failure.words))
            }
            NO_CRED => (ErrorKind::Credentials, failure.words.clone()),
            DEFECTIVE_TOKEN => (
                ErrorKind::DefectiveToken,
                format!("the server's Kerberos token is malformed: {}", failure.words),
            ),
            _ => (ErrorKind::Credentials, failure.words.clone()),
        },
    };
    MechanismError::new(kind, sentence)
}

/// The error for a KDC's error that the server has relayed. Its code counts: minor statuses change where
/// another mechanism of the library has used them before.
pub(super) fn explain_relayed(
    code: i64,
    has_attempted: bool,
    failure: &GssapiFailure,
    attempt: &Attempt<'_>,
) -> MechanismError {
    let user = attempt.user();
    let code = u32::try_from(code).unwrap_or(u32::MAX);
    let (kind, sentence) = match code {
        krb5::PREAUTH_FAILED if !has_attempted => (
            ErrorKind::Refused,
            "the server says that a KDC has refused a password, of which nothing was sent".to_owned(),
        ),
        krb5::C_PRINCIPAL_UNKNOWN => {
            (ErrorKind::UnknownUser, format!("the KDC behind the server does not know {user}"))
        }
        krb5::IAKERB_KDC_NOT_FOUND => kdc_refusal::unknown_to_relay(user),
        krb5::IAKERB_KDC_NO_RESPONSE => kdc_refusal::silent_to_relay(user),
        _ => {
            let minor = krb5::minor(code);
            return explain(&GssapiFailure { minor, ..failure.clone() }, attempt);
        }
    };
    MechanismError::new(kind, sentence)
}

/// Whether another ticket could do better than one that was kept.
pub(super) fn is_about_the_ticket(failure: &GssapiFailure) -> bool {
    const DEFECTIVE_CREDENTIAL: u32 = 10;
    matches!(failure.routine_error(), NO_CRED | DEFECTIVE_CREDENTIAL | CREDENTIALS_EXPIRED)
        || matches!(
            krb5::code(failure.minor),
            Some(krb5::BAD_INTEGRITY | krb5::TKT_EXPIRED | krb5::MODIFIED | krb5::FCC_NOFILE)
        )
}

/// Checks that the owner of the acquired credentials is the one to log in.
///
/// # Errors
///
/// [`ErrorKind::Credentials`] if it is another principal, or if either is unknown.
pub(super) fn check_same(acquired: Option<&str>, found: Option<&str>) -> Result<(), MechanismError> {
    if acquired.is_some() && acquired == found {
        return Ok(());
    }
    let [acquired, found] = [acquired, found].map(|name| name.unwrap_or("an unknown principal"));
    let sentence = format!("the GSS-API library logs in as {found}, not as {acquired}");
    Err(MechanismError::new(ErrorKind::Credentials, sentence))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::credentials::Ambient;

    fn failure(routine_error: u32, code: i64) -> GssapiFailure {
        let minor = (code - 1_765_328_384) as u32;
        GssapiFailure { major: routine_error << 16, minor, words: "the library's words".into() }
    }

    #[test]
    fn a_refused_password_is_told_from_an_unknown_user() {
        let credentials = Credentials::password("alice@LAB.TEST", "alice-pw");
        let attempt = Attempt { target_name: "", credentials: &credentials };
        for (code, kind) in
            [(24, ErrorKind::WrongPassword), (6, ErrorKind::Credentials), (156, ErrorKind::Unavailable)]
        {
            let error = explain(&failure(7, code), &attempt);
            assert_eq!(error.kind(), kind, "{error}");
            assert!(!error.to_string().contains("alice-pw"));
        }
    }

    #[test]
    fn what_a_kdc_says_by_the_server_is_told_apart_by_its_code() {
        let credentials = Credentials::password("alice@LAB.TEST", "alice-pw");
        let attempt = Attempt { target_name: "HTTP/host", credentials: &credentials };
        let failure = GssapiFailure { major: 13 << 16, minor: 100_001, words: "the library's words".into() };
        for (code, kind, words) in [
            (24, ErrorKind::WrongPassword, "the KDC refused the password of alice@LAB.TEST"),
            (18, ErrorKind::AccountLocked, "locked or disabled"),
            (6, ErrorKind::UnknownUser, "does not know alice@LAB.TEST"),
            (85, ErrorKind::Unavailable, "knows no KDC for the realm of alice@LAB.TEST"),
            (86, ErrorKind::Unavailable, "no KDC for the realm of alice@LAB.TEST answers it"),
            (7, ErrorKind::Credentials, "server not found in the KDC's database: HTTP/host"),
            (14, ErrorKind::Credentials, "the library's words"),
            (i64::MAX, ErrorKind::Credentials, "the library's words"),
        ] {
            let error = explain_relayed(code, true, &failure, &attempt);
            assert_eq!(error.kind(), kind, "{code}: {error}");
            assert!(error.to_string().contains(words), "{code}: {error}");
        }
    }

    #[test]
    fn a_user_other_than_the_owner_of_the_credentials_is_an_error() {
        let (alice, bob) = (Some("alice@LAB.TEST"), Some("bob@LAB.TEST"));
        assert!(check_same(alice, alice).is_ok());
        for (acquired, found) in [(alice, bob), (alice, None), (None, bob), (None, None)] {
            let error = check_same(acquired, found).expect_err("somebody else");
            assert_eq!(error.kind(), ErrorKind::Credentials);
            for name in [acquired, found].into_iter().flatten() {
                assert!(error.to_string().contains(name), "{error}");
            }
        }
    }

    #[test]
    fn who_has_no_ticket_is_told_to_run_kinit() {
        let credentials = Credentials::ambient(Ambient::new());
        let attempt = Attempt { target_name: "HTTP/host", credentials: &credentials };
        for failed in [failure(7, 195), failure(11, 300), failure(13, 32)] {
            let error = explain(&failed, &attempt);
            assert!(error.to_string().contains("run kinit"), "{error}");
            assert_eq!(error.kind(), ErrorKind::Credentials);
        }
        let error = explain(&failure(13, 7), &attempt);
        assert!(error.to_string().contains("server not found in the KDC's database: HTTP/host"), "{error}");
    }

    #[test]
    fn another_ticket_helps_where_this_one_has_expired_or_cannot_be_read() {
        for routine_error in [7, 10, 11] {
            assert!(is_about_the_ticket(&failure(routine_error, 1_765_328_384)), "{routine_error}");
        }
        for (code, is_about_it) in [(31, true), (32, true), (41, true), (195, true), (6, false), (24, false)]
        {
            assert_eq!(is_about_the_ticket(&failure(13, code)), is_about_it, "{code}");
        }
    }

    #[test]
    fn without_a_code_of_kerberos_a_password_is_told_the_librarys_words() {
        let credentials = Credentials::password("alice@LAB.TEST", "alice-pw");
        let attempt = Attempt { target_name: "", credentials: &credentials };
        let no_code = GssapiFailure { minor: 0, ..failure(7, 0) };
        let error = explain(&no_code, &attempt);
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert_eq!(error.to_string(), "the library's words");
    }

    #[test]
    fn what_a_kdc_says_to_a_keytab_and_to_a_password_is_told_with_its_remedy() {
        let by_password = Credentials::password("alice@LAB.TEST", "alice-pw");
        let keytab = Ambient::new().principal("alice@LAB.TEST").client_keytab("FILE:/k");
        let by_keytab = Credentials::ambient(keytab);
        for (credentials, routine_error, code, kind, words) in [
            (&by_keytab, 13, 24, ErrorKind::Credentials, "refused the key of"),
            (&by_keytab, 13, 210, ErrorKind::Credentials, "is the keytab out of date?"),
            (&by_keytab, 13, 181, ErrorKind::Credentials, "the keytab has no key of"),
            (
                &by_keytab,
                7,
                195,
                ErrorKind::Credentials,
                "no ticket, and the keytab gets none (the library's",
            ),
            (&by_password, 13, 210, ErrorKind::WrongPassword, "refused the password of alice@LAB.TEST"),
            (&by_password, 13, 31, ErrorKind::WrongPassword, "refused the password of alice@LAB.TEST"),
            (&by_password, 13, 12, ErrorKind::Credentials, "policy forbids it: the library's words"),
            (&by_password, 13, 32, ErrorKind::Credentials, "the ticket of alice@LAB.TEST has expired"),
            (
                &by_password,
                13,
                154,
                ErrorKind::Unavailable,
                "no KDC is known for the realm of alice@LAB.TEST",
            ),
            (
                &by_password,
                13,
                220,
                ErrorKind::Unavailable,
                "no KDC is known for the realm of alice@LAB.TEST",
            ),
            (&by_password, 13, 224, ErrorKind::Credentials, "give the user as user@REALM"),
            (&by_password, 13, 156, ErrorKind::Unavailable, "krb5.conf right? (the library's words)"),
            (
                &by_password,
                1,
                300,
                ErrorKind::Unavailable,
                "does not have the mechanism (the library's words)",
            ),
            (&by_password, 9, 300, ErrorKind::DefectiveToken, "token is malformed: the library's words"),
        ] {
            let attempt = Attempt { target_name: "", credentials };
            let error = explain(&failure(routine_error, code), &attempt);
            assert_eq!(error.kind(), kind, "{routine_error} {code}: {error}");
            assert!(error.to_string().contains(words), "{routine_error} {code}: {error}");
        }
        let attempt = Attempt { target_name: "HTTP/host", credentials: &by_password };
        let error = explain(&failure(13, 154), &attempt);
        assert!(error.to_string().contains("for the realm of HTTP/host"), "{error}");
    }

    #[test]
    fn a_relayed_refusal_of_a_password_that_was_not_sent_is_the_servers_word() {
        let credentials = Credentials::password("alice@LAB.TEST", "alice-pw");
        let attempt = Attempt { target_name: "HTTP/host", credentials: &credentials };
        let error = explain_relayed(24, false, &failure(13, 0), &attempt);
        assert_eq!(error.kind(), ErrorKind::Refused);
        assert!(error.to_string().contains("of which nothing was sent"), "{error}");
    }
}
