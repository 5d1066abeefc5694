//! Who is logged out.

use crate::credentials::Credentials;
use crate::handshake::{Identity, IdentityKey};
use crate::protection_space::Origin;

/// Names whose connections a client's `log_out` closes.
///
/// ```
/// # fn example(client: legwork::Client<()>, alice: legwork::Credentials) -> Result<(), Box<dyn std::error::Error>> {
/// use legwork::handshake::Identity;
///
/// // Alice, wherever she is logged in.
/// client.log_out(alice.clone());
/// // Everybody at one origin.
/// client.log_out("https://mail.example".parse::<legwork::Origin>()?);
/// // Whoever the provider named, now that it names somebody else.
/// client.log_out(client.authenticator().identity());
/// // Alice where requests named her themselves, and nobody whom the provider named.
/// client.log_out(Identity::Credentials(alice));
/// # Ok(())
/// # }
/// ```
///
/// # What is kept
///
/// Logging out closes connections and does nothing else. The server is not told. Credentials that the
/// program, its provider or the system has are used again by the next request that acts as their
/// owner. What was derived from them to make later logins cheaper is kept as well, and serves nobody
/// else: Kerberos tickets, in the system's cache and in `mechanism::gssapi`, Digest's sessions, SCRAM's
/// keys. So are cookies.
///
/// A connection that has changed its protocol (a WebSocket) is its caller's, and stays open. A client
/// does not know the proxy that its connector goes through by itself, such as a
/// [`Tunnel`](crate::client::tunnel::Tunnel) or a proxy of reqwest's: a login there ends with
/// `close_idle`, or with the origins that are reached through it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LogOut {
    /// Everybody at this origin; or everybody who goes through the proxy of this address.
    Origin(Origin),
    /// Whoever logged in with these credentials, at an origin or a proxy.
    ///
    /// Among them may be anybody whom the authenticator chose: by its fixed credentials, its provider
    /// or as the logged-on user. The client cannot tell which of them it was, so it closes all of these
    /// connections. Where that costs too many logins, [`Identity`](Self::Identity) is exact.
    ///
    /// The same name with another password is another user: after a password was changed, log out the
    /// credentials with the old one.
    Credentials(Credentials),
    /// Exactly this identity, at an origin or a proxy.
    Identity(Identity),
}

impl LogOut {
    /// Whether connections to this origin, kept by this key, are among those to close.
    pub(super) fn covers(&self, origin: &Origin, key: &IdentityKey) -> bool {
        let via = key.proxy.as_ref();
        let mut identities = std::iter::once(&key.identity).chain(via.map(|(_, identity)| identity));
        match self {
            Self::Origin(gone) => origin == gone || via.is_some_and(|(proxy, _)| proxy == gone),
            Self::Identity(gone) => identities.any(|identity| identity == gone),
            Self::Credentials(gone) => identities.any(|identity| match identity {
                Identity::Credentials(credentials) => credentials == gone,
                Identity::Provider(_) => true,
                Identity::None | Identity::CallersOwn(_) => false,
            }),
        }
    }
}

impl From<Origin> for LogOut {
    fn from(origin: Origin) -> Self {
        Self::Origin(origin)
    }
}

impl From<Credentials> for LogOut {
    fn from(credentials: Credentials) -> Self {
        Self::Credentials(credentials)
    }
}

impl From<Identity> for LogOut {
    fn from(identity: Identity) -> Self {
        Self::Identity(identity)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::handshake::ProviderId;

    fn origin(uri: &str) -> Origin {
        uri.parse().expect("an origin")
    }

    fn alice() -> Credentials {
        Credentials::password("alice", "alice-pw")
    }

    fn bob() -> Credentials {
        Credentials::password("bob", "bob-pw")
    }

    #[test]
    fn connections_end_by_either_of_their_two_logins() {
        let (mail, proxy) = (origin("https://mail.example"), origin("http://proxy.example:3128"));
        let key = |identity, at_proxy: Option<Identity>| {
            let mut key = IdentityKey::new(identity);
            key.proxy = at_proxy.map(|identity| (proxy.clone(), identity));
            key
        };
        let provider = Identity::Provider(ProviderId::unique());
        let bearer = Identity::CallersOwn(HeaderValue::from_static("Bearer one"));
        let keys = [
            key(Identity::None, None),
            key(Identity::Credentials(alice()), None),
            key(Identity::Credentials(bob()), None),
            key(provider.clone(), None),
            key(bearer.clone(), None),
            key(Identity::None, Some(Identity::Credentials(alice()))),
            key(Identity::Credentials(alice()), Some(Identity::Credentials(bob()))),
            key(Identity::Credentials(bob()), Some(provider.clone())),
        ];
        let cases: [(LogOut, &[usize]); 9] = [
            (mail.clone().into(), &[0, 1, 2, 3, 4, 5, 6, 7]),
            (proxy.clone().into(), &[5, 6, 7]),
            (origin("http://mail.example").into(), &[]),
            (alice().into(), &[1, 3, 5, 6, 7]),
            (Credentials::password("alice", "new-pw").into(), &[3, 7]),
            (Identity::Credentials(alice()).into(), &[1, 5, 6]),
            (provider.into(), &[3, 7]),
            (bearer.into(), &[4]),
            (Identity::None.into(), &[0, 5]),
        ];
        for (gone, expected) in cases {
            let covered: Vec<_> = (0..keys.len()).filter(|&at| gone.covers(&mail, &keys[at])).collect();
            assert_eq!(covered, expected, "{gone:?}");
        }
    }
}
