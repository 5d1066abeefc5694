//! Who a request acts as, as far as that can be told without a secret.

use std::fmt;

use crate::credentials::Credentials;
use crate::handshake::identity::Identity;

/// Who a request acts as: a name, never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Actor {
    /// Nobody: no credentials are used.
    Nobody,
    /// The user of this name, as the caller gave it or as the mechanism tells it.
    Named(String),
    /// The logged-on user, whose name is the system's to know.
    System,
    /// Whoever holds the bearer token.
    Bearer,
    /// Whoever the caller's own `Authorization` names.
    CallersOwn,
    /// Whoever the provider of credentials names; it has not been asked yet.
    NotAsked,
    /// Somebody whose name is [left out](crate::service::Environment::without_user_names).
    LeftOut,
}

impl Actor {
    /// The name, where there is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Named(name) => Some(name),
            _ => None,
        }
    }

    /// The same without the name.
    #[must_use]
    pub(crate) fn without_name(self) -> Self {
        match self {
            Self::Named(_) => Self::LeftOut,
            other => other,
        }
    }
}

impl From<&Credentials> for Actor {
    fn from(credentials: &Credentials) -> Self {
        match credentials.username() {
            Some(name) => Self::Named(name.to_owned()),
            None if credentials.as_bearer_token().is_some() => Self::Bearer,
            None => Self::System,
        }
    }
}

impl From<&Identity> for Actor {
    fn from(identity: &Identity) -> Self {
        match identity {
            Identity::None => Self::Nobody,
            Identity::Credentials(credentials) => credentials.into(),
            Identity::Provider(_) => Self::NotAsked,
            Identity::CallersOwn(_) => Self::CallersOwn,
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nobody => "nobody",
            Self::Named(name) => name,
            Self::System => "the system's user",
            Self::Bearer => "the holder of a bearer token",
            Self::CallersOwn => "whoever the request's own field names",
            Self::NotAsked => "not asked for yet",
            Self::LeftOut => "a user",
        })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::credentials::Ambient;

    #[test]
    fn an_actor_has_the_name_and_nothing_of_the_secret() {
        let of = |credentials: Credentials| Actor::from(&credentials);
        assert_eq!(of(Credentials::password("carol", "carol-pw")), Actor::Named("carol".to_owned()));
        assert_eq!(of(Credentials::bearer_token("b-token")), Actor::Bearer);
        assert_eq!(of(Credentials::ambient(Ambient::new())), Actor::System);
        let named = Ambient::new().principal("alice@LAB");
        assert_eq!(of(Credentials::ambient(named)), Actor::Named("alice@LAB".to_owned()));
        let own = Identity::CallersOwn(HeaderValue::from_static("Bearer b-token"));
        assert!(!format!("{0:?} {0}", Actor::from(&own)).contains("b-token"));
    }

    #[test]
    fn a_name_can_be_left_out() {
        let carol = Actor::Named("carol".to_owned());
        assert_eq!((carol.name(), carol.clone().without_name()), (Some("carol"), Actor::LeftOut));
        assert_eq!(Actor::System.without_name(), Actor::System);
    }

    #[test]
    fn each_actor_is_told_in_words() {
        for (actor, words) in [
            (Actor::Nobody, "nobody"),
            (Actor::Named("carol".to_owned()), "carol"),
            (Actor::System, "the system's user"),
            (Actor::Bearer, "the holder of a bearer token"),
            (Actor::NotAsked, "not asked for yet"),
            (Actor::LeftOut, "a user"),
        ] {
            assert_eq!(actor.to_string(), words);
        }
    }
}
