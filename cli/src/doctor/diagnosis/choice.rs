//! Which scheme would log in.

use crate::doctor::diagnosis::case::Case;
use crate::doctor::diagnosis::subject::Subject;
use crate::doctor::facts::{Choice, Kerberos, With};
use crate::policy::Scheme;

impl Case<'_> {
    /// Which scheme would log in: the first that the server offers and this user can take, as the library goes.
    pub(crate) fn choice(&self) -> Option<Choice> {
        let hop = self.challenging()?;
        let granted = self.kerberos.is_some_and(Kerberos::is_granted);
        let by_ticket = match self.subject {
            Subject::Ticket => true,
            Subject::Anybody => granted,
            Subject::User(_) | Subject::Somebody => false,
        };
        let choice = |scheme: &str, mechanism, with, why: String| {
            Some(Choice { role: hop.role, scheme: scheme.to_owned(), mechanism, with, why })
        };
        if by_ticket {
            let can = hop.offers("Negotiate") && self.policy.allows(Scheme::Negotiate);
            let owner = self.kerberos.and_then(Kerberos::cache_owner).unwrap_or("whoever has one");
            let why = format!("it is the scheme that takes the ticket of {owner}");
            return can.then(|| choice("Negotiate", Some("Kerberos"), With::Ticket, why)).flatten();
        }
        let offered = hop.schemes().join(", ");
        let first = |why: &str| match hop.schemes().len() {
            1 => format!("it is the only scheme on offer; {why}"),
            _ => format!("it is the strongest of {offered} that takes a password; {why}"),
        };
        if hop.offers("Negotiate") && self.policy.allows(Scheme::Negotiate) {
            if let Some(why) = self.password_for_kerberos() {
                return choice("Negotiate", Some("Kerberos"), With::Password, first(&why));
            }
            let inside = hop.ntlm.is_some() || hop.offers("NTLM");
            if inside && !self.policy.shuts_ntlm_out() {
                let why = first(match self.subject {
                    Subject::User(_) => "no KDC is known for the user, which leaves NTLM inside Negotiate",
                    _ => "it has NTLM inside, for DOMAIN\\name",
                });
                return choice("Negotiate", Some("NTLM"), With::Password, why);
            }
        }
        let rest = [
            ("Bearer", Scheme::Bearer),
            ("SCRAM-SHA-256", Scheme::Scram),
            ("NTLM", Scheme::Ntlm),
            ("Digest", Scheme::Digest),
            ("Basic", Scheme::Basic),
        ];
        let (name, scheme) = rest.into_iter().find(|(name, scheme)| {
            let is_token = *scheme == Scheme::Bearer;
            hop.offers(name)
                && self.policy.allows(*scheme)
                && (!is_token || *self.subject == Subject::Somebody)
        })?;
        let mechanism = (scheme == Scheme::Ntlm).then_some("NTLM");
        let why = match hop.schemes().len() {
            1 => "it is the only scheme on offer".to_owned(),
            _ => format!("it is the strongest of {offered} that takes a password"),
        };
        choice(name, mechanism, With::Password, why)
    }

    /// Why a password would go to a KDC, if it would.
    pub(super) fn password_for_kerberos(&self) -> Option<String> {
        let kerberos = self.kerberos?;
        let Subject::User(_) = self.subject else { return None };
        let realm = kerberos.user_realm.as_deref()?;
        let is_known = !kerberos.kdcs.is_empty() || kerberos.kdcs_by_dns || self.policy.names_kdcs();
        (kerberos.library.is_some() && is_known).then(|| format!("the KDC of {realm} is asked"))
    }
}
