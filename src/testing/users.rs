//! The accounts that a test server knows.

use std::fmt;

use crate::credentials::Secret;

/// User names and passwords.
///
/// Names are compared without regard to case. An account with a domain answers to that domain and
/// to none, but not to another one, as with gss-ntlmssp; an account without a domain answers to
/// every domain, as local accounts of Windows do.
#[derive(Clone, Default)]
pub struct Users {
    accounts: Vec<TestUser>,
}

#[derive(Clone)]
struct TestUser {
    domain: Option<String>,
    user: String,
    password: Secret,
}

impl Users {
    /// Creates a list without anybody on it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds an account: `user`, `DOMAIN\user`, or `user@domain`, which is a user of that name.
    #[must_use]
    pub fn with(mut self, name: &str, password: impl Into<String>) -> Self {
        let (domain, user) = match name.split_once('\\') {
            Some((domain, user)) => (Some(domain.to_lowercase()), user),
            None => (None, name),
        };
        self.accounts.push(TestUser { domain, user: user.to_lowercase(), password: Secret::new(password) });
        self
    }

    /// Returns the password of a user in a domain, which may be empty.
    pub fn password(&self, domain: &str, user: &str) -> Option<&str> {
        let (domain, user) = (domain.to_lowercase(), user.to_lowercase());
        let answers_to = |account: &&TestUser| {
            let in_domain = account.domain.as_ref().is_none_or(|own| domain.is_empty() || *own == domain);
            in_domain && account.user == user
        };
        self.accounts.iter().find(answers_to).map(|account| account.password.expose())
    }
}

impl fmt::Debug for Users {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.accounts.iter().map(|account| (&account.domain, &account.user))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_answers_to_its_domain_and_to_none() {
        let users = Users::new().with("LAB\\carol", "carol-pw").with("erin@lab.test", "erin-pw");
        for (domain, user, password) in [
            ("LAB", "carol", Some("carol-pw")),
            ("lab", "CAROL", Some("carol-pw")),
            ("", "carol", Some("carol-pw")),
            ("OTHER", "carol", None),
            ("LAB", "carola", None),
            ("", "Erin@LAB.test", Some("erin-pw")),
            ("ANY", "erin@lab.test", Some("erin-pw")),
        ] {
            assert_eq!(users.password(domain, user), password, "{domain}\\{user}");
        }
        assert!(!format!("{users:?}").contains("-pw"));
    }
}
