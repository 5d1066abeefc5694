//! Who a connection is for: everything that keeps two requests off the same connection.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};

use http::HeaderValue;

use crate::credentials::Credentials;
#[cfg(any(test, feature = "client"))]
use crate::protection_space::Origin;

/// Who a request acts as. Fixed before a connection is chosen.
#[derive(Clone)]
#[non_exhaustive]
pub enum Identity {
    /// Nobody: no credentials are used.
    None,
    /// The credentials in the request's extensions.
    Credentials(Credentials),
    /// Whoever the authenticator's provider names: one principal per challenger, origin, scheme
    /// and realm.
    Provider(ProviderId),
    /// The caller set `Authorization` (or `Proxy-Authorization`) and the request passes untouched.
    CallersOwn(HeaderValue),
}

/// Names one provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(u64);

impl ProviderId {
    /// Creates an id that equals only its copies.
    pub fn unique() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl PartialEq for Identity {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Provider(a), Self::Provider(b)) => a == b,
            (Self::None, Self::None) => true,
            (Self::Credentials(a), Self::Credentials(b)) => a == b,
            (Self::CallersOwn(a), Self::CallersOwn(b)) => a == b,
            _ => false,
        }
    }
}

impl Eq for Identity {}

impl Hash for Identity {
    /// By kind and name; never by secret, so a table's hashes tell nothing.
    fn hash<H: Hasher>(&self, state: &mut H) {
        std::mem::discriminant(self).hash(state);
        match self {
            Self::None | Self::CallersOwn(_) => {}
            Self::Credentials(credentials) => credentials.hash(state),
            Self::Provider(id) => id.hash(state),
        }
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Credentials(credentials) => f.debug_tuple("Credentials").field(credentials).finish(),
            Self::Provider(id) => f.debug_tuple("Provider").field(id).finish(),
            Self::CallersOwn(_) => f.write_str("CallersOwn(..)"),
        }
    }
}

/// The part of a pool's key that stands beside the origin. A pool is one client's, and so are its TLS settings, target
/// names and rules for delegation: they need no part in it.
#[cfg(any(test, feature = "client"))]
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct IdentityKey {
    /// Who the origin sees.
    pub(crate) identity: Identity,
    /// The proxy in between, and who it sees.
    pub(crate) proxy: Option<(Origin, Identity)>,
}

#[cfg(any(test, feature = "client"))]
impl IdentityKey {
    /// `identity` at the origin; no proxy.
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, proxy: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // curl CVE-2016-0755, CVE-2026-3784
    #[test]
    fn whatever_differs_makes_another_key() {
        let alice = Identity::Credentials(Credentials::password("alice", "alice-pw"));
        let proxy: Origin = "http://proxy.example:3128".parse().expect("an origin");
        let other_proxy: Origin = "http://proxy.example:8080".parse().expect("an origin");
        let bob = Identity::Credentials(Credentials::password("bob", "bob-pw"));
        let key = IdentityKey::new(alice.clone());
        let keys = [
            key.clone(),
            IdentityKey::new(Identity::None),
            IdentityKey::new(Identity::Credentials(Credentials::password("alice", "new-pw"))),
            IdentityKey::new(Identity::Provider(ProviderId::unique())),
            IdentityKey::new(Identity::CallersOwn(HeaderValue::from_static("Bearer one"))),
            IdentityKey::new(Identity::CallersOwn(HeaderValue::from_static("Bearer two"))),
            IdentityKey { proxy: Some((proxy.clone(), Identity::None)), ..key.clone() },
            IdentityKey { proxy: Some((proxy.clone(), alice.clone())), ..key.clone() },
            IdentityKey { proxy: Some((proxy, bob)), ..key.clone() },
            IdentityKey { proxy: Some((other_proxy, Identity::None)), ..key.clone() },
        ];
        for (i, a) in keys.iter().enumerate() {
            for (j, b) in keys.iter().enumerate() {
                assert_eq!(a == b, i == j, "{a:?} and {b:?}");
            }
        }
        assert_eq!(key, IdentityKey::new(Identity::Credentials(Credentials::password("alice", "alice-pw"))));
    }

    #[test]
    fn debug_shows_who_it_is_and_no_secret() {
        let shown = |identity: Identity| format!("{identity:?}");
        assert_eq!(shown(Identity::None), "None");
        let carol = shown(Identity::Credentials(Credentials::password("carol", "carol-pw")));
        assert_eq!(carol, "Credentials(Credentials { username: \"carol\", .. })");
        let own = HeaderValue::from_static("Bearer a-token");
        assert_eq!(shown(Identity::CallersOwn(own)), "CallersOwn(..)");
    }
}
