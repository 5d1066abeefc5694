//! What a login that was tried tells, and what it does not.

use crate::doctor::diagnosis::case::{Case, NTP};
use crate::doctor::facts::{Attempt, AttemptResult, Hop, Role, With};
use crate::doctor::finding::{Certainty, Finding};

impl Case<'_> {
    /// Only a KDC says so much of an account.
    pub(super) fn said_by_kdc(&self) -> Option<Finding> {
        let attempt = self.attempt?;
        let user = attempt.user.as_deref().unwrap_or("the user");
        let place = "the KDC";
        match attempt.result {
            AttemptResult::Expired => Some(
                Finding::failure(
                    "password-expired",
                    place,
                    format!(
                        "the KDC says that the password of {user}, or the account, has expired; the server \
                         was not sent anything"
                    ),
                )
                .next(format!("change the password: kpasswd {user}")),
            ),
            AttemptResult::Locked => Some(
                Finding::failure(
                    "account-locked",
                    place,
                    format!(
                        "the KDC says that the account of {user} is locked or disabled; the server was not \
                         sent anything"
                    ),
                )
                .next(
                    "have it unlocked by whoever runs the realm, or wait until it is; trying again keeps \
                     it locked",
                ),
            ),
            _ => None,
        }
    }

    /// The login is right, and the page is not this user's.
    pub(super) fn no_access(&self) -> Option<Finding> {
        let attempt = self.attempt.filter(|attempt| attempt.result == AttemptResult::LoggedIn)?;
        let place = self.hops.last().map(Hop::name).unwrap_or_else(|| self.url.to_owned());
        let says = format!("{place} takes the login, and gives this user no access to the page (403)");
        let finding = Finding::note("no-access", &place, says).next("ask for access, or try another page");
        (attempt.status == Some(403)).then_some(finding)
    }

    /// What an attempt came to, where nothing before it says why.
    pub(super) fn refusal(&self) -> Option<Finding> {
        let attempt = self.attempt?;
        let advice = self.advice;
        let place = match attempt.role {
            Some(Role::Proxy) => self.hops.first().map(Hop::name),
            _ => self.hops.last().map(Hop::name),
        };
        let place = place.unwrap_or_else(|| self.url.to_owned());
        let words = attempt.says.clone().unwrap_or_default();
        let and_next = |finding: Finding| match advice.map(|advice| advice.next.as_str()) {
            Some(next) if !next.is_empty() => finding.next(next),
            _ => finding,
        };
        if words.contains("clock skew") {
            let (place, says) = match attempt.result {
                AttemptResult::CannotStart => (
                    "the KDC".to_owned(),
                    "this machine's clock and the KDC's differ by more than Kerberos takes (five minutes)"
                        .to_owned(),
                ),
                _ => {
                    let says =
                        format!("{place} refuses the ticket: its clock and this machine's differ too much");
                    (place, says)
                }
            };
            return Some(Finding::failure("clock-skew", place, says).next(NTP));
        }
        match (attempt.result, attempt.with) {
            (
                AttemptResult::LoggedIn
                | AttemptResult::NotAsked
                | AttemptResult::Expired
                | AttemptResult::Locked,
                _,
            ) => None,
            (AttemptResult::Denied | AttemptResult::Refused, With::Ticket) => {
                Some(self.ticket_refused(attempt, &place))
            }
            // The KDC has taken the password, and the server has looked at a ticket.
            (AttemptResult::Refused, With::Password) if names_a_ticket(&words) => {
                Some(self.ticket_refused(attempt, &place))
            }
            (AttemptResult::Refused, With::Password) if attempt.mechanism_is_kdc() => {
                Some(and_next(Finding::failure("password-refused", "the KDC", words)))
            }
            (AttemptResult::Refused, With::Password) if attempt.is_by_token() => {
                Some(and_next(Finding::failure("token-refused", &place, words)))
            }
            (AttemptResult::Refused, With::Password) => {
                let scheme = attempt.scheme.as_deref().unwrap_or("the login");
                let user = attempt.user.as_deref().unwrap_or("the user");
                let status = attempt.status.unwrap_or(401);
                // Bindings are a matter of NTLM and of Negotiate.
                let is_bound = place.contains("https:") && matches!(scheme, "NTLM" | "Negotiate");
                let bindings = match is_bound {
                    true => ", or the server's Extended Protection does not take this TLS connection",
                    false => "",
                };
                let says = format!(
                    "{place} refused the login of {user} by {scheme}; a {status} does not tell whether the \
                     name or the password is wrong, the password has expired, or the account is \
                     locked{bindings}"
                );
                Some(Finding::failure("password-refused", &place, says).next(
                    "do not try again before you know: ask whoever runs the directory for the account's \
                     state, or ask a KDC, which tells (kinit NAME@REALM); each try may count towards a \
                     lockout",
                ))
            }
            (AttemptResult::Denied, With::Password) => {
                Some(and_next(Finding::failure("access-denied", &place, words)))
            }
            (AttemptResult::CannotStart, _) => {
                Some(and_next(Finding::failure("login-cannot-start", &place, words)))
            }
            (AttemptResult::Undecided, _) => {
                Some(and_next(Finding::failure("login-undecided", &place, words)))
            }
        }
    }

    /// A KDC has granted the ticket, so that no password is in doubt.
    pub(super) fn ticket_refused(&self, attempt: &Attempt, place: &str) -> Finding {
        let words = attempt.says.clone().unwrap_or_default();
        let hop = self.challenging();
        if words.contains("which is for another server") {
            let finding = Finding::failure("ticket-refused", place, words);
            return match self.policy.target_name() {
                Some(_) => finding.next(
                    "leave out --target-name, or name the host itself there. Where that is right, the \
                     server's keytab is not",
                ),
                None => finding
                    .next("nothing is wrong with the ticket or the user: the server needs a new keytab"),
            };
        }
        if names_a_ticket(&words) {
            return Finding::failure("ticket-refused", place, words)
                .next("nothing is wrong with the ticket or the user: the server needs a new keytab");
        }
        let certificate = hop.and_then(|hop| hop.tls.as_ref()?.certificate.as_ref());
        let issued = certificate
            .map(|it| format!(" (it is for {}, from {})", it.subject, it.issuer))
            .unwrap_or_default();
        let own = "have TLS passed through to the server, or Extended Protection turned off there";
        match attempt.without_channel_bindings {
            Some(true) => Finding::failure(
                "channel-bindings",
                place,
                format!(
                    "{place} takes the ticket only without channel bindings: the certificate that is seen \
                     here{issued} is not the server's own, so TLS ends before it"
                ),
            )
            .next(own),
            Some(false) => Finding::failure(
                "channel-bindings",
                place,
                format!(
                    "{place} refuses a ticket that the KDC has granted, and gives no reason: with Extended \
                     Protection it wants logins tied to its own certificate, and the one seen here{issued} \
                     may be another's, where something before it ends TLS; or the user has no access"
                ),
            )
            .certainty(Certainty::Possible)
            .next(format!("compare the certificate with the server's own; if it is another one, {own}")),
            None => Finding::failure(
                "channel-bindings",
                place,
                format!(
                    "{place} refuses a ticket that the KDC has granted, and gives no reason: over plain \
                     http no login can be tied to TLS, which a server with Extended Protection may demand; \
                     or the user has no access"
                ),
            )
            .certainty(Certainty::Possible)
            .next(
                "use https; where that is refused too, ask whoever runs the server about access and \
                 Extended Protection",
            ),
        }
    }
}

/// Whether a server says of a ticket what is wrong with it.
fn names_a_ticket(words: &str) -> bool {
    ["which is for another server", "keytab", "cannot decrypt the ticket"]
        .iter()
        .any(|part| words.contains(part))
}

impl Attempt {
    /// Whether what went out is a token, and nobody's password.
    pub(crate) fn is_by_token(&self) -> bool {
        self.scheme.as_deref().is_some_and(|scheme| scheme.eq_ignore_ascii_case("Bearer"))
    }

    fn mechanism_is_kdc(&self) -> bool {
        self.says.as_deref().is_some_and(|words| words.contains("KDC"))
    }
}
