//! A name and its realm.

use std::fmt;

use crate::mechanism::kerberos::messages::PrincipalName;

/// A user or a service of a realm: `alice@EXAMPLE.COM`, `HTTP/mail.example@EXAMPLE.COM`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Principal {
    pub(crate) name: PrincipalName,
    /// As the KDC writes it: upper and lower case differ.
    pub(crate) realm: String,
}

impl Principal {
    /// A name in a realm.
    pub(crate) fn new(name: PrincipalName, realm: impl Into<String>) -> Self {
        Self { name, realm: realm.into() }
    }

    /// The service of a realm's KDC that grants tickets for services of this realm.
    pub(crate) fn ticket_granting(realm: &str) -> Self {
        Self::new(PrincipalName::ticket_granting(realm), realm)
    }

    /// What it is called, as it is displayed.
    pub(crate) fn text(&self) -> String {
        [&*self.name.name_string.join("/"), "@", &*self.realm].concat()
    }

    /// The salt of a password where the KDC names none (RFC 4120, section 4).
    pub(super) fn default_salt(&self) -> Vec<u8> {
        let mut salt = self.realm.clone();
        self.name.name_string.iter().for_each(|component| salt.push_str(component));
        salt.into_bytes()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)?;
        f.write_str("@")?;
        f.write_str(&self.realm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_salt_is_the_realm_and_all_components_of_the_name() {
        let alice = Principal::new(PrincipalName::user("alice"), "LAB.TEST");
        assert_eq!(alice.default_salt(), b"LAB.TESTalice");
        assert_eq!(Principal::ticket_granting("LAB.TEST").default_salt(), b"LAB.TESTkrbtgtLAB.TEST");
    }
}
