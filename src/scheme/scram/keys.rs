//! The keys that a password comes down to, and the cache that spares making them again.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::credentials::{Credentials, Secret};
use crate::scheme::scram::hash::{Octets, ScramHash};

/// What a password comes down to for one salt and iteration count (RFC 5802, section 3): the
/// client's key and the server's. Wiped when it is dropped and never printed.
///
/// The keys stand for the password at the server that they were made for.
pub struct ScramKeys {
    pub(super) hash: ScramHash,
    pub(super) client: Octets,
    pub(super) server: Octets,
}

/// Salts and hashes a password, `iterations` times: milliseconds of work for a processor, which an
/// executor should not be kept from its other tasks for.
///
/// The password is taken as it stands: a login prepares it before.
///
/// ```
/// use legwork::credentials::Secret;
/// use legwork::scheme::scram::ScramHash;
/// use legwork::unversioned::scram::derive_keys;
///
/// let keys = derive_keys(ScramHash::Sha256, &Secret::new("pencil"), b"salt", 4096);
/// assert_eq!(format!("{keys:?}"), "ScramKeys(..)");
/// ```
pub fn derive_keys(hash: ScramHash, password: &Secret, salt: &[u8], iterations: u32) -> ScramKeys {
    let salted_password = hash.hi(password.expose().as_bytes(), salt, iterations);
    ScramKeys {
        hash,
        client: hash.hmac(&salted_password, b"Client Key"),
        server: hash.hmac(&salted_password, b"Server Key"),
    }
}

impl ScramKeys {
    /// `ClientProof`: the client's key under a signature that only who has the key can take off.
    pub(crate) fn client_proof(&self, auth_message: &str) -> Octets {
        let mut proof = self.hash.hmac(&self.stored(), auth_message.as_bytes());
        proof.iter_mut().zip(self.client.iter()).for_each(|(signature, key)| *signature ^= key);
        proof
    }

    /// `ServerSignature`.
    pub(crate) fn server_signature(&self, auth_message: &str) -> Octets {
        self.hash.hmac(&self.server, auth_message.as_bytes())
    }

    fn stored(&self) -> Octets {
        self.hash.digest(&self.client)
    }
}

impl fmt::Debug for ScramKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ScramKeys(..)")
    }
}

/// The keys of the last logins, by hash, credentials, salt and iteration count, so that a further
/// login costs no milliseconds. Cheap to clone; all clones share the keys.
#[derive(Clone, Default)]
pub(crate) struct KeyCache(Arc<Mutex<Vec<CachedKeys>>>);

struct CachedKeys {
    credentials: Credentials,
    salt: Vec<u8>,
    iterations: u32,
    keys: Arc<ScramKeys>,
}

impl KeyCache {
    /// How many keys are kept; the one unused for longest goes first.
    const MAX_KEYS: usize = 64;

    /// Creates a cache without keys.
    pub(super) fn new() -> Self {
        Self::default()
    }

    /// Wipes all keys that no login is using.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub(super) fn find(
        &self,
        hash: ScramHash,
        credentials: &Credentials,
        salt: &[u8],
        iterations: u32,
    ) -> Option<Arc<ScramKeys>> {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = entries.iter().position(|entry| {
            (entry.keys.hash, entry.iterations) == (hash, iterations)
                && entry.salt == salt
                && entry.credentials == *credentials
        })?;
        let entry = entries.remove(at);
        let keys = Arc::clone(&entry.keys);
        entries.push(entry);
        Some(keys)
    }

    pub(super) fn keep(
        &self,
        credentials: &Credentials,
        salt: &[u8],
        iterations: u32,
        keys: &Arc<ScramKeys>,
    ) {
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() == Self::MAX_KEYS {
            entries.remove(0);
        }
        let (credentials, keys) = (credentials.clone(), Arc::clone(keys));
        entries.push(CachedKeys { credentials, salt: salt.to_owned(), iterations, keys });
    }
}

impl fmt::Debug for KeyCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let keys = self.0.lock().unwrap_or_else(PoisonError::into_inner).len();
        f.debug_struct("KeyCache").field("keys", &keys).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(hash: ScramHash) -> Arc<ScramKeys> {
        Arc::new(derive_keys(hash, &Secret::new("pw"), b"salt", 1))
    }

    #[test]
    fn keys_are_found_for_exactly_what_they_were_made_for() {
        let (cache, alice) = (KeyCache::new(), Credentials::password("alice", "pw"));
        cache.keep(&alice, b"salt", 1, &keys(ScramHash::Sha256));
        assert!(cache.find(ScramHash::Sha256, &alice, b"salt", 1).is_some());
        assert!(cache.find(ScramHash::Sha1, &alice, b"salt", 1).is_none());
        assert!(cache.find(ScramHash::Sha256, &alice, b"salt", 2).is_none());
        assert!(cache.find(ScramHash::Sha256, &alice, b"sal", 1).is_none());
        for other in [Credentials::password("alice", "other"), Credentials::password("bob", "pw")] {
            assert!(cache.find(ScramHash::Sha256, &other, b"salt", 1).is_none());
        }
        cache.clear();
        assert!(cache.find(ScramHash::Sha256, &alice, b"salt", 1).is_none());
    }

    #[test]
    fn the_cache_is_bounded_and_forgets_what_is_unused_for_longest() {
        let (cache, alice) = (KeyCache::new(), Credentials::password("alice", "pw"));
        let keys = keys(ScramHash::Sha256);
        for salt in 0..KeyCache::MAX_KEYS {
            cache.keep(&alice, &salt.to_be_bytes(), 1, &keys);
        }
        assert!(cache.find(ScramHash::Sha256, &alice, &0_usize.to_be_bytes(), 1).is_some());
        cache.keep(&alice, b"one more", 1, &keys);
        assert!(cache.find(ScramHash::Sha256, &alice, &0_usize.to_be_bytes(), 1).is_some());
        assert!(cache.find(ScramHash::Sha256, &alice, &1_usize.to_be_bytes(), 1).is_none());
        assert_eq!(format!("{cache:?}"), format!("KeyCache {{ keys: {} }}", KeyCache::MAX_KEYS));
    }
}
