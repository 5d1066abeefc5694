use crate::credentials::user::Credentials;
use crate::protection_space::{Challenger, Origin};

/// Fixed credentials, each bound to one origin or proxy.
#[derive(Clone, Debug, Default)]
pub(crate) struct FixedCredentials {
    entries: Vec<(Challenger, Origin, Credentials)>,
}

impl FixedCredentials {
    /// No credentials yet.
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds credentials that go to `origin` and nowhere else; later ones replace earlier ones.
    pub(crate) fn with(mut self, challenger: Challenger, origin: Origin, credentials: Credentials) -> Self {
        self.entries.retain(|(c, o, _)| (*c, o) != (challenger, &origin));
        self.entries.push((challenger, origin, credentials));
        self
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The credentials for exactly this challenger and origin.
    pub(crate) fn find(&self, challenger: Challenger, origin: &Origin) -> Option<&Credentials> {
        self.entries
            .iter()
            .find(|(c, o, _)| *c == challenger && o == origin)
            .map(|(_, _, credentials)| credentials)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fixed_credentials_go_to_their_origin_alone() {
        let origin = |uri: &str| Origin::from_uri(&uri.parse().expect("a URI")).expect("an origin");
        let fixed = FixedCredentials::new().with(
            Challenger::Origin,
            origin("https://mail.example"),
            Credentials::password("alice", "pw"),
        );
        assert!(fixed.find(Challenger::Origin, &origin("https://MAIL.example:443")).is_some());
        for other in ["http://mail.example", "https://mail.example:444", "https://x.mail.example"] {
            assert!(fixed.find(Challenger::Origin, &origin(other)).is_none(), "{other}");
        }
        assert!(fixed.find(Challenger::Proxy, &origin("https://mail.example")).is_none());
    }
}
