//! Credentials in variables of the environment.

use std::env::{self, VarError};
use std::fmt;

use crate::credentials::{Credentials, CredentialsFuture, CredentialsProvider, CredentialsQuery};
use crate::protection_space::{Challenger, Origin};

/// A user name and a password in two variables of the environment, for one origin.
///
/// They are read when a connection logs in. Neither of them set, or both empty, means that there
/// are none; one without the other is an error. Bearer, which wants a token, gets none.
///
/// ```
/// use legwork::credentials::EnvironmentCredentials;
///
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let wiki = EnvironmentCredentials::new("https://wiki.example".parse()?, "WIKI_USER", "WIKI_PASSWORD");
/// let proxy = EnvironmentCredentials::new("http://proxy.example:3128".parse()?, "PROXY_USER", "PROXY_PASSWORD")
///     .for_proxy();
/// # let _ = (wiki, proxy); Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EnvironmentCredentials {
    challenger: Challenger,
    origin: Origin,
    username: String,
    password: String,
}

impl EnvironmentCredentials {
    /// Takes the names of the variables with the user name and the password for this origin server.
    pub fn new(origin: Origin, username: impl Into<String>, password: impl Into<String>) -> Self {
        Self { challenger: Challenger::Origin, origin, username: username.into(), password: password.into() }
    }

    /// Gives the credentials to a proxy: the origin is its address.
    #[must_use]
    pub fn for_proxy(mut self) -> Self {
        self.challenger = Challenger::Proxy;
        self
    }

    fn look(
        &self,
        query: CredentialsQuery<'_>,
        variable: impl Fn(&str) -> Result<String, VarError>,
    ) -> Result<Option<Credentials>, EnvironmentError> {
        if (query.challenger, query.origin) != (self.challenger, &self.origin) {
            return Ok(None);
        }
        let read = |name: &String| match variable(name) {
            Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
            Err(VarError::NotPresent) => Ok(None),
            Err(VarError::NotUnicode(_)) => Err(EnvironmentError::NotUnicode(name.clone())),
        };
        match (read(&self.username)?, read(&self.password)?) {
            (Some(username), Some(password)) => {
                Ok(query.password(Some(Credentials::password(username, password))))
            }
            (None, None) => Ok(None),
            (Some(_), None) => Err(EnvironmentError::Missing(self.password.clone())),
            (None, Some(_)) => Err(EnvironmentError::Missing(self.username.clone())),
        }
    }
}

impl CredentialsProvider for EnvironmentCredentials {
    fn credentials(&self, query: CredentialsQuery<'_>) -> CredentialsFuture {
        let found = self.look(query, |name| env::var(name));
        Box::pin(std::future::ready(found.map_err(Into::into)))
    }
}

/// Why variables of the environment are no credentials. Holds names and no values.
#[derive(Clone, Debug, PartialEq, Eq)]
enum EnvironmentError {
    /// This variable is not set, and the other one is.
    Missing(String),
    /// This variable's value is not Unicode.
    NotUnicode(String),
}

impl fmt::Display for EnvironmentError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(name) => {
                write!(f, "the environment variable {name} is not set, but its companion is")
            }
            Self::NotUnicode(name) => {
                write!(f, "the value of the environment variable {name} is not Unicode")
            }
        }
    }
}

impl std::error::Error for EnvironmentError {}

#[cfg(test)]
mod tests {
    use std::task::{Context, Poll, Waker};

    use super::*;

    fn look(
        challenger: Challenger,
        origin: &str,
        user: Result<&str, VarError>,
        password: Result<&str, VarError>,
    ) -> Result<Option<Credentials>, EnvironmentError> {
        let provider =
            EnvironmentCredentials::new("https://wiki.example".parse().expect("an origin"), "U", "P");
        let origin = origin.parse().expect("an origin");
        let variable = |name: &str| match name {
            "U" => user.clone().map(str::to_owned),
            "P" => password.clone().map(str::to_owned),
            other => panic!("{other} is read"),
        };
        provider.look(CredentialsQuery::new(challenger, &origin, "Basic", None), variable)
    }

    #[test]
    fn the_variables_are_for_one_origin() {
        let found = |challenger, origin| look(challenger, origin, Ok("u"), Ok("pw")).expect("no error");
        let expected = Some(Credentials::password("u", "pw"));
        assert_eq!(found(Challenger::Origin, "https://wiki.example"), expected);
        for other in ["http://wiki.example", "https://wiki.example:444", "https://x.wiki.example"] {
            assert_eq!(found(Challenger::Origin, other), None);
        }
        assert_eq!(found(Challenger::Proxy, "https://wiki.example"), None);
    }

    #[test]
    fn half_of_them_is_an_error_that_names_the_variable_alone() {
        let at = |user, password| look(Challenger::Origin, "https://wiki.example", user, password);
        let unset = || Err(VarError::NotPresent);
        assert_eq!(at(unset(), unset()), Ok(None));
        assert_eq!(at(Ok(""), unset()), Ok(None));
        assert_eq!(at(Ok("u"), unset()), Err(EnvironmentError::Missing("P".to_owned())));
        assert_eq!(at(Ok(""), Ok("secret-pw")), Err(EnvironmentError::Missing("U".to_owned())));
        let broken = Err(VarError::NotUnicode("secret-pw".into()));
        assert_eq!(at(Ok("u"), broken), Err(EnvironmentError::NotUnicode("P".to_owned())));
    }

    #[test]
    fn a_proxys_variables_are_for_the_proxy() {
        let origin: Origin = "http://proxy.example:3128".parse().expect("an origin");
        let provider = EnvironmentCredentials::new(origin.clone(), "U", "P").for_proxy();
        let found = |challenger| {
            let query = CredentialsQuery::new(challenger, &origin, "Basic", None);
            provider.look(query, |_| Ok("text".to_owned())).expect("no error")
        };
        assert_eq!(found(Challenger::Proxy), Some(Credentials::password("text", "text")));
        assert_eq!(found(Challenger::Origin), None);
    }

    #[test]
    fn variables_that_are_not_there_are_no_credentials() {
        let origin: Origin = "https://wiki.example".parse().expect("an origin");
        let [user, password] = ["USER", "PASSWORD"].map(|name| format!("LEGWORK_NOBODY_SETS_{name}"));
        let ask = |user: &str, password: &str| {
            let provider = EnvironmentCredentials::new(origin.clone(), user, password);
            let query = CredentialsQuery::new(Challenger::Origin, &origin, "Basic", None);
            let mut future = provider.credentials(query);
            match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Ready(answer) => answer,
                Poll::Pending => panic!("nothing to wait for"),
            }
        };
        assert_eq!(ask(&user, &password).expect("no error"), None);
        // Every test runs with a PATH.
        let error = ask("PATH", &password).expect_err("half of them");
        assert_eq!(
            error.to_string(),
            "the environment variable LEGWORK_NOBODY_SETS_PASSWORD is not set, but its companion is"
        );
    }

    #[test]
    fn a_value_that_is_not_unicode_is_named_by_its_variable() {
        let error = EnvironmentError::NotUnicode("P".to_owned());
        assert_eq!(error.to_string(), "the value of the environment variable P is not Unicode");
    }
}
