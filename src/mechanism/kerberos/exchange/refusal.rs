//! What a KDC's error says, in sentences that say what to do.

use crate::mechanism::kerberos::exchange::policy::Policy;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::messages::KrbError;
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_C_PRINCIPAL_UNKNOWN, KDC_ERR_CLIENT_REVOKED, KDC_ERR_ETYPE_NOSUPP, KDC_ERR_KEY_EXPIRED,
    KDC_ERR_NAME_EXPIRED, KDC_ERR_POLICY, KDC_ERR_PREAUTH_FAILED, KDC_ERR_PREAUTH_REQUIRED,
    KDC_ERR_S_PRINCIPAL_UNKNOWN, KDC_ERR_TGT_REVOKED, KDC_ERR_WRONG_REALM, KRB_AP_ERR_BAD_INTEGRITY,
    KRB_AP_ERR_BADKEYVER, KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE, KRB_AP_ERR_IAKERB_KDC_NOT_FOUND,
    KRB_AP_ERR_MODIFIED, KRB_AP_ERR_SKEW, KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_TKT_NYV,
    KRB_ERR_RESPONSE_TOO_BIG,
};
use crate::mechanism::krb_error::readable;
use crate::mechanism::{ErrorKind, MechanismError, Proves, kdc_refusal};

/// A request that a KDC has refused.
pub(super) struct Refused<'a> {
    pub(super) client: &'a Principal,
    pub(super) server: &'a Principal,
    /// What the request was made with.
    pub(super) proves: Proves,
    pub(super) policy: &'a Policy,
}

impl Refused<'_> {
    /// The error for a KDC's.
    pub(super) fn explain(&self, error: &KrbError<'_>) -> MechanismError {
        let user = &*self.client.to_string();
        let words = words(error);
        let (kind, sentence) = match error.error_code {
            KDC_ERR_PREAUTH_FAILED | KRB_AP_ERR_BAD_INTEGRITY if self.proves == Proves::Secret => {
                kdc_refusal::wrong_password(user)
            }
            KDC_ERR_PREAUTH_FAILED | KRB_AP_ERR_BAD_INTEGRITY if self.proves == Proves::Nothing => {
                let sentence = "the KDC says that it has refused a password, of which nothing was sent";
                (ErrorKind::Refused, sentence.to_owned())
            }
            KRB_AP_ERR_BAD_INTEGRITY | KRB_AP_ERR_MODIFIED | KRB_AP_ERR_BADKEYVER if self.is_by_ticket() => (
                ErrorKind::TicketRefused,
                format!("the KDC cannot read the ticket of {user} any more: log in again"),
            ),
            KRB_AP_ERR_TKT_EXPIRED => {
                (ErrorKind::TicketRefused, format!("the ticket of {user} has expired: log in again"))
            }
            KDC_ERR_TGT_REVOKED => {
                (ErrorKind::TicketRefused, format!("the ticket of {user} was revoked: log in again{words}"))
            }
            // One of the clocks was set since it was granted: the next one comes with what they differ by now.
            KRB_AP_ERR_TKT_NYV => {
                (ErrorKind::TicketRefused, format!("the ticket of {user} is not valid yet: log in again"))
            }
            KRB_AP_ERR_SKEW if self.is_by_ticket() => (ErrorKind::TicketRefused, kdc_refusal::clock_skew().1),
            KDC_ERR_C_PRINCIPAL_UNKNOWN => {
                (ErrorKind::UnknownUser, format!("the KDC of {} does not know {user}", self.server.realm))
            }
            KDC_ERR_S_PRINCIPAL_UNKNOWN => kdc_refusal::unknown_service(&self.server.to_string()),
            KDC_ERR_CLIENT_REVOKED => kdc_refusal::locked(user),
            KDC_ERR_KEY_EXPIRED | KDC_ERR_NAME_EXPIRED => kdc_refusal::expired(user),
            KRB_AP_ERR_SKEW => kdc_refusal::clock_skew(),
            KDC_ERR_ETYPE_NOSUPP => {
                let asked: Vec<_> = self.policy.encryption_types().iter().map(ToString::to_string).collect();
                let sentence = format!(
                    "the KDC has no key for what was asked for, {}: {} may have only RC4, and gets keys of AES with the next \
                     password{words}",
                    asked.join(", "),
                    if self.is_by_ticket() { self.server.to_string() } else { user.to_owned() },
                );
                (ErrorKind::Unsupported, sentence)
            }
            KDC_ERR_PREAUTH_REQUIRED => {
                (ErrorKind::Unsupported, format!("the KDC asks again how {user} is authenticated{words}"))
            }
            KDC_ERR_WRONG_REALM => {
                let other = error.crealm.as_deref().unwrap_or("which it does not name");
                let other = readable(other.as_bytes());
                let sentence = format!(
                    "the KDC of {} says that {user} is in another realm: {other} (give the user as user@REALM)",
                    self.client.realm
                );
                (ErrorKind::Credentials, sentence)
            }
            KDC_ERR_POLICY => (ErrorKind::Credentials, format!("the KDC's policy forbids it{words}")),
            KRB_ERR_RESPONSE_TOO_BIG => {
                (ErrorKind::Unavailable, "the KDC's reply does not fit, not over TCP either".to_owned())
            }
            KRB_AP_ERR_IAKERB_KDC_NOT_FOUND => kdc_refusal::unknown_to_relay(user),
            KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE => kdc_refusal::silent_to_relay(user),
            code => (
                ErrorKind::Credentials,
                format!(
                    "the KDC refused {user} a ticket for {} with Kerberos error {code}{words}",
                    self.server
                ),
            ),
        };
        MechanismError::new(kind, sentence)
    }

    fn is_by_ticket(&self) -> bool {
        matches!(self.proves, Proves::Ticket { .. })
    }
}

/// The KDC's own words, in parentheses.
fn words(error: &KrbError<'_>) -> String {
    match error.e_text.map(readable) {
        Some(text) if !text.is_empty() => format!(" ({text})"),
        _ => String::new(),
    }
}
