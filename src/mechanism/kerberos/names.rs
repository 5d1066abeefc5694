//! Who logs in where: principals for what users and servers are called.

use std::net::IpAddr;

use crate::mechanism::kerberos::exchange::Principal;
use crate::mechanism::kerberos::messages::PrincipalName;
use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::{ErrorKind, MechanismError};

/// The principal of a user name.
///
/// # Errors
///
/// [`ErrorKind::Credentials`] if its realm is not known.
pub(super) fn user(name: &str, kerberos: &Kerberos) -> Result<Principal, MechanismError> {
    let known = |realm: &str| kerberos.kdcs(realm).is_some();
    if let Some((domain, user)) = name.split_once('\\') {
        if !domain.contains('.') || user.is_empty() {
            return Err(unusable(format!("{name} names a NetBIOS domain; Kerberos wants user@REALM")));
        }
        let realm = if known(domain) { domain.to_owned() } else { domain.to_uppercase() };
        return Ok(Principal::new(components(user), realm));
    }
    let Some((user, suffix)) = name.rsplit_once('@') else {
        let Some(realm) = kerberos.realm_by_default() else {
            return Err(unusable(format!("the realm of {name} is not known: give the user as user@REALM")));
        };
        return Ok(Principal::new(components(name), realm));
    };
    if user.is_empty() || suffix.is_empty() {
        return Err(unusable(format!("{name} is no name for Kerberos, which wants user@REALM")));
    }
    let realm = if known(suffix) { suffix.to_owned() } else { suffix.to_uppercase() };
    if user.contains('@') {
        return Ok(Principal::new(PrincipalName::enterprise(user), realm));
    }
    match kerberos.realm_by_default() {
        // The domain of a mail address, say: the KDC knows whose it is (RFC 6806, section 5).
        Some(by_default) if realm != suffix && realm != by_default && !known(&realm) => {
            Ok(Principal::new(PrincipalName::enterprise(name), by_default))
        }
        _ => Ok(Principal::new(components(user), realm)),
    }
}

/// The name of a service in the user's realm, of a target name such as `HTTP/mail.example`.
///
/// # Errors
///
/// [`ErrorKind::Credentials`] if no ticket can be had for it.
pub(super) fn service(target_name: &str, realm: &str) -> Result<PrincipalName, MechanismError> {
    service_and_host(target_name, realm).map(|(service, host)| PrincipalName::service(service, host))
}

/// The parts of that name, for someone who only wants to know whether there is one.
pub(super) fn service_and_host<'a>(
    target_name: &'a str,
    realm: &str,
) -> Result<(&'a str, &'a str), MechanismError> {
    let (name, of_realm) = match target_name.rsplit_once('@') {
        Some((name, of_realm)) => (name, Some(of_realm)),
        None => (target_name, None),
    };
    if let Some(other) = of_realm.filter(|of_realm| *of_realm != realm) {
        return Err(unusable(format!(
            "{name} is in the realm {other}, the user in {realm}: there are no tickets for another realm yet"
        )));
    }
    let Some((service, host)) =
        name.split_once('/').filter(|(service, host)| !service.is_empty() && !host.is_empty())
    else {
        return Err(unusable(format!("{target_name} is no target name for Kerberos, which wants HTTP/host")));
    };
    // Whoever has given an address a principal says so by the realm.
    if of_realm.is_none() && is_address(host) {
        return Err(unusable(format!(
            "there are no tickets for an address, {host}: use the host's name, or give its target name \
             (AuthenticatorBuilder::target_name)"
        )));
    }
    Ok((service, host))
}

fn is_address(host: &str) -> bool {
    let is = |host: &str| {
        let host = host.trim_matches(['[', ']']);
        // As a rule it is a name, and that shows at once.
        let may_be = host.contains(':') || host.starts_with(|first: char| first.is_ascii_digit());
        may_be && host.parse::<IpAddr>().is_ok()
    };
    is(host) || host.rsplit_once(':').is_some_and(|(host, _)| is(host))
}

/// `alice`, or `alice/admin`.
fn components(name: &str) -> PrincipalName {
    let name_string = name.split('/').map(str::to_owned).collect();
    PrincipalName { name_type: PrincipalName::NT_PRINCIPAL, name_string }
}

fn unusable(sentence: String) -> MechanismError {
    MechanismError::new(ErrorKind::Credentials, sentence)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kerberos() -> Kerberos {
        Kerberos::new().kdc("LAB.TEST", ["kdc"]).kdc("lower.test", ["kdc"])
    }

    #[track_caller]
    fn is(name: &str, kerberos: &Kerberos, principal: &str, name_type: i32) {
        let found = user(name, kerberos).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!((&*found.to_string(), found.name.name_type), (principal, name_type), "{name}");
        assert_eq!(found.text(), principal);
    }

    #[test]
    fn a_user_name_says_which_realm_it_is_in() {
        let (plain, enterprise) = (PrincipalName::NT_PRINCIPAL, PrincipalName::NT_ENTERPRISE);
        for (name, principal) in [
            ("alice@LAB.TEST", "alice@LAB.TEST"),
            ("alice@lab.test", "alice@LAB.TEST"),
            ("lab.test\\alice", "alice@LAB.TEST"),
            ("alice/admin@LAB.TEST", "alice/admin@LAB.TEST"),
            ("alice@lower.test", "alice@lower.test"),
            ("lower.test\\alice", "alice@lower.test"),
            ("alice@other.test", "alice@OTHER.TEST"),
        ] {
            is(name, &kerberos(), principal, plain);
        }
        is("alice@mail.example@LAB.TEST", &kerberos(), "alice@mail.example@LAB.TEST", enterprise);
        let with_default = kerberos().default_realm("LAB.TEST");
        is("alice", &with_default, "alice@LAB.TEST", plain);
        is("alice@lab.test", &with_default, "alice@LAB.TEST", plain);
        is("alice@OTHER.TEST", &with_default, "alice@OTHER.TEST", plain);
        is("alice@lower.test", &with_default, "alice@lower.test", plain);
        is("alice@mail.example", &with_default, "alice@mail.example@LAB.TEST", enterprise);
    }

    #[test]
    fn a_name_without_a_realm_says_what_is_wanted() {
        for (name, words) in [
            ("alice", "the realm of alice is not known: give the user as user@REALM"),
            ("CORP\\alice", "CORP\\alice names a NetBIOS domain; Kerberos wants user@REALM"),
            ("@LAB.TEST", "is no name for Kerberos"),
            ("alice@", "is no name for Kerberos"),
        ] {
            let error = user(name, &kerberos()).expect_err("no realm");
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(error.to_string().contains(words), "{error}");
        }
        assert!(user("CORP\\alice", &kerberos().default_realm("LAB.TEST")).is_err());
    }

    #[test]
    fn a_service_is_named_by_its_host() {
        for name in ["HTTP/www.lab.test", "HTTP/www.lab.test@LAB.TEST"] {
            let found = service(name, "LAB.TEST").unwrap_or_else(|error| panic!("{name}: {error}"));
            assert_eq!(found, PrincipalName::service("HTTP", "www.lab.test"));
        }
        assert!(service("HTTP/192.0.2.1@LAB.TEST", "LAB.TEST").is_ok(), "it was given this name");
        for (name, words) in [
            ("HTTP/192.0.2.1", "no tickets for an address, 192.0.2.1"),
            ("HTTP/[2001:db8::1]", "no tickets for an address"),
            ("HTTP/[2001:db8::1]:8080", "no tickets for an address"),
            ("HTTP/192.0.2.1:8080", "no tickets for an address"),
            ("HTTP/www.lab.test@OTHER.TEST", "in the realm OTHER.TEST, the user in LAB.TEST"),
            ("www.lab.test", "wants HTTP/host"),
            ("HTTP/", "wants HTTP/host"),
        ] {
            let error = service(name, "LAB.TEST").expect_err("no ticket");
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
