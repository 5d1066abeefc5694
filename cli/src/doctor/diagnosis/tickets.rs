//! What is wrong with tickets, names and realms.

use crate::doctor::diagnosis::case::{Case, NTP};
use crate::doctor::diagnosis::subject::Subject;
use crate::doctor::facts::{Hop, Kerberos, NoTicket, Ticket};
use crate::doctor::finding::Finding;

impl Case<'_> {
    pub(super) fn kerberos(&self) -> Option<Finding> {
        let kerberos = self.kerberos?;
        let offers = self.challenging().is_some_and(|hop| hop.offers("Negotiate"));
        if !offers && *self.subject != Subject::Ticket {
            return None;
        }
        match self.subject {
            Subject::User(user) => self.realm_of(user, kerberos),
            Subject::Somebody => None,
            Subject::Anybody | Subject::Ticket => {
                if !offers {
                    let name = self.challenging().map_or_else(|| self.url.to_owned(), Hop::name);
                    let says =
                        format!("{name} does not offer Negotiate, and a ticket serves for nothing else");
                    return Some(
                        Finding::failure("ticket-not-taken", name, says)
                            .next("log in with -u NAME --try, or have Negotiate turned on at the server"),
                    );
                }
                self.ticket(kerberos)
            }
        }
    }

    pub(super) fn realm_of(&self, user: &str, kerberos: &Kerberos) -> Option<Finding> {
        let Some(realm) = kerberos.user_realm.as_deref() else { return self.without_realm(user, kerberos) };
        let has_kdc = !kerberos.kdcs.is_empty() || self.policy.names_kdcs();
        if has_kdc || kerberos.kdcs_by_dns {
            return None;
        }
        let fails = self
            .challenging()
            .is_some_and(|hop| hop.ntlm.is_none() && !hop.offers("Basic") && !hop.offers("Digest"));
        let says =
            format!("no KDC is known for the realm {realm} of {user}: it is not in {}", files(kerberos));
        let next = match &kerberos.default_realm {
            Some(default) => format!(
                "give the user with the right realm, such as {}@{default}, or name a KDC: --kdc \
                 {realm}=HOST",
                bare(user)
            ),
            None => format!("name the realm's KDC in krb5.conf, or by --kdc {realm}=HOST"),
        };
        let finding = Finding::failure("wrong-realm", "this machine", says).next(next);
        Some(Finding { fails, ..finding })
    }

    /// A name that only NTLM takes, where there is no NTLM.
    pub(super) fn without_realm(&self, user: &str, kerberos: &Kerberos) -> Option<Finding> {
        let hop = self.challenging()?;
        let has_other = hop.challenges.iter().any(|challenge| challenge.known && !challenge.is("Negotiate"));
        if has_other || hop.ntlm.is_some() || hop.is_only_http2() {
            return None;
        }
        let says = format!("{} takes only Kerberos inside Negotiate, and {user} names no realm", hop.name());
        let realm = kerberos.default_realm.as_deref().unwrap_or("REALM");
        let next = format!("give the user with the realm: -u {}@{realm}", bare(user));
        Some(Finding::failure("user-without-realm", "this machine", says).next(next))
    }

    pub(super) fn ticket(&self, kerberos: &Kerberos) -> Option<Finding> {
        let Ticket { target_name, error, reason, .. } = kerberos.ticket.as_ref()?;
        let words = error.as_deref().unwrap_or_default();
        let or_password = self.with_password();
        let here = "this machine";
        Some(match (*reason)? {
            NoTicket::NoCredentials => {
                let cache = in_cache(kerberos);
                let says = format!(
                    "there is no Kerberos ticket here{cache}, and Negotiate without a password needs one"
                );
                let next = format!("get a ticket: kinit {}{or_password}", principal(kerberos));
                Finding::failure("no-ticket", here, says).next(next)
            }
            NoTicket::Expired => {
                let owner = kerberos.cache_owner().unwrap_or("NAME@REALM");
                let until = kerberos.cache.as_ref().and_then(|cache| cache.expires.as_deref());
                let says = match until {
                    Some(until) => format!("the Kerberos ticket of {owner} expired on {until}"),
                    None => "the Kerberos ticket here has expired".to_owned(),
                };
                let next = format!("get another one: kinit {owner}{or_password}");
                Finding::failure("ticket-expired", here, says).next(next)
            }
            NoTicket::UnknownService => self.unknown_service(kerberos, target_name),
            NoTicket::UnknownRealm => {
                let says = format!("no KDC is known for the realm of {target_name}{}", host_realm(kerberos));
                Finding::failure("wrong-realm", here, says).next(
                    "correct [domain_realm] and [realms] in krb5.conf, or use the name that the realm \
                     knows the server by",
                )
            }
            NoTicket::NoKdc | NoTicket::Timeout => {
                let says = match &kerberos.host_realm {
                    Some(realm) if kerberos.user_realm.as_ref() != Some(realm) => {
                        format!("no KDC of {realm} answers, the realm that krb5.conf puts the host into")
                    }
                    _ => format!("no KDC answers: {}", kdcs(kerberos)),
                };
                Finding::failure("no-kdc", "the KDC", says)
                    .next("check the network, the VPN and krb5.conf: KDCs answer at port 88")
            }
            NoTicket::ClockSkew => {
                let says =
                    "this machine's clock and the KDC's differ by more than Kerberos takes (five minutes)";
                Finding::failure("clock-skew", "the KDC", says).next(NTP)
            }
            NoTicket::NoLibrary => {
                let says = format!("the system's Kerberos cannot be used: {words}");
                let next = format!(
                    "install it (Debian: libgssapi-krb5-2 and krb5-user; Fedora: \
                     krb5-workstation){or_password}"
                );
                Finding::failure("no-library", here, says).next(next)
            }
            NoTicket::Other => {
                let says = format!("there is no ticket for {target_name}: {words}");
                let next = format!(
                    "`KRB5_TRACE=/dev/stderr legwork doctor {}` shows what the library and the KDC say to \
                     each other",
                    self.url
                );
                Finding::failure("no-service-ticket", "the KDC", says).next(next)
            }
        })
    }

    pub(super) fn unknown_service(&self, kerberos: &Kerberos, target_name: &str) -> Finding {
        let owner_realm =
            kerberos.cache_owner().and_then(|owner| owner.rsplit_once('@')).map(|(_, realm)| realm);
        let host_realm = kerberos.host_realm.as_deref();
        if let (Some(owner), Some(host)) = (owner_realm, host_realm) {
            if owner != host {
                return Finding::failure(
                    "wrong-realm",
                    "this machine",
                    format!(
                        "krb5.conf puts {target_name} into the realm {host}, and the KDC of {owner}, which \
                         the ticket is from, knows no way there"
                    ),
                )
                .next(format!(
                    "correct [domain_realm] in {}: map the host to {owner}; or get a ticket in {host}: \
                     kinit NAME@{host}",
                    files(kerberos)
                ));
            }
        }
        let register = format!("have it registered (Active Directory: setspn -S {target_name} ACCOUNT)");
        match (&kerberos.canonical_host, &kerberos.ticket_for_canonical) {
            (Some(canonical), Some(Ticket { granted: true, target_name: known, .. })) => Finding::failure(
                "service-unknown",
                "the KDC",
                format!("the KDC does not know {target_name}: that is an alias, and the KDC knows {known}"),
            )
            .next(format!(
                "use {} in place of the alias, or --target-name {known}, or {register}",
                with_host(self.url, canonical)
            )),
            _ => Finding::failure(
                "service-unknown",
                "the KDC",
                format!("the KDC does not know {target_name}: the server is not registered by that name"),
            )
            .next(format!(
                "use the name that the realm knows the server by (not an address or an alias), or \
                 {register}"
            )),
        }
    }

    /// The other way in, if there is one.
    pub(super) fn with_password(&self) -> &'static str {
        let has_other = self.challenging().is_some_and(|hop| {
            hop.challenges.iter().any(|challenge| challenge.known && !challenge.is("Negotiate"))
        });
        if has_other { "; or log in by a password: -u NAME --try" } else { "" }
    }
}

fn files(kerberos: &Kerberos) -> String {
    match kerberos.configuration.as_slice() {
        [] => "krb5.conf, of which there is none".to_owned(),
        files => files.join(", "),
    }
}

fn in_cache(kerberos: &Kerberos) -> String {
    match &kerberos.cache {
        Some(cache) => format!(" ({})", cache.name),
        None => String::new(),
    }
}

fn principal(kerberos: &Kerberos) -> String {
    format!(
        "NAME@{}",
        kerberos.user_realm.as_deref().or(kerberos.default_realm.as_deref()).unwrap_or("REALM")
    )
}

fn host_realm(kerberos: &Kerberos) -> String {
    match &kerberos.host_realm {
        Some(realm) => format!(" (krb5.conf puts the host into {realm})"),
        None => String::new(),
    }
}

fn kdcs(kerberos: &Kerberos) -> String {
    let of_realm = kerberos.user_realm.as_deref().unwrap_or("the realm");
    match kerberos.kdcs.as_slice() {
        [] => format!("for {of_realm} none is named in krb5.conf"),
        kdcs => {
            let all: Vec<_> = kdcs
                .iter()
                .map(|kdc| {
                    format!("{} {}", kdc.address, if kdc.answers { "is there" } else { "is not there" })
                })
                .collect();
            format!("of {of_realm}, {}", all.join(", "))
        }
    }
}

/// The name without domain or realm.
fn bare(user: &str) -> &str {
    let name = user.rsplit_once('\\').map_or(user, |(_, name)| name);
    name.split('@').next().unwrap_or(name)
}

/// The URL with another host.
fn with_host(url: &str, host: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let port = authority.rsplit_once(':').filter(|(_, port)| port.bytes().all(|c| c.is_ascii_digit()));
    match port {
        Some((_, port)) => format!("{scheme}://{host}:{port}{path}"),
        None => format!("{scheme}://{host}{path}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_with_another_host_keeps_its_port_and_path() {
        assert_eq!(with_host("http://a.test:8080/x?y", "b.test"), "http://b.test:8080/x?y");
        assert_eq!(with_host("https://[2001:db8::1]/", "b.test"), "https://b.test/");
        assert_eq!(with_host("https://a.test", "b.test"), "https://b.test");
        assert_eq!((bare(r"LAB\carol"), bare("carol@lab.test"), bare("carol")), ("carol", "carol", "carol"));
    }
}
