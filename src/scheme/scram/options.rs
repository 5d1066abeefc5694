use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::hash::ScramHash;
use crate::scheme::scram::keys::KeyCache;

/// How to log in by SCRAM: the hash function, how much work a server may ask for, and the keys of
/// the last 64 logins, which spare a further one milliseconds of work. Cheap to clone; clones share the keys, whatever
/// their hash function.
#[derive(Clone, Debug)]
pub struct Scram {
    pub(super) hash: ScramHash,
    min_iterations: u32,
    max_iterations: u32,
    pub(super) cache: KeyCache,
}

impl Scram {
    /// The least that a server may ask for (RFC 7677, section 4): what makes guessing the password
    /// from a recorded login slow.
    pub const MIN_ITERATIONS: u32 = 4096;

    /// The most that a server may ask for, unless the caller allows more: under a second of work.
    pub const MAX_ITERATIONS: u32 = 1_000_000;

    /// Creates SCRAM-SHA-256.
    pub fn new() -> Self {
        Self {
            hash: ScramHash::default(),
            min_iterations: Self::MIN_ITERATIONS,
            max_iterations: Self::MAX_ITERATIONS,
            cache: KeyCache::new(),
        }
    }

    /// Sets another hash function, and with it another scheme.
    #[must_use]
    pub fn hash(mut self, hash: ScramHash) -> Self {
        self.hash = hash;
        self
    }

    /// Sets the most iterations that a server may ask for.
    #[must_use]
    pub fn max_iterations(mut self, count: u32) -> Self {
        self.max_iterations = count;
        self
    }

    /// Sets the fewest iterations that a server may ask for. Below
    /// [`MIN_ITERATIONS`](Self::MIN_ITERATIONS), who records a login, or stands in for the server,
    /// can try passwords faster than RFC 7677 allows for.
    #[must_use]
    pub fn dangerous_min_iterations(mut self, count: u32) -> Self {
        self.min_iterations = count;
        self
    }

    /// Wipes the keys of the last logins, of all clones. Logins that are under way keep theirs.
    pub fn forget_keys(&self) {
        self.cache.clear();
    }

    /// Returns the scheme's registered name.
    pub fn scheme(&self) -> &'static str {
        self.hash.scheme()
    }

    pub(super) fn check_iterations(&self, count: u64) -> Result<u32, ScramError> {
        if count < self.min_iterations.into() {
            return Err(ScramError::TooFewIterations { count, min: self.min_iterations });
        }
        match u32::try_from(count) {
            Ok(count) if count <= self.max_iterations => Ok(count),
            _ => Err(ScramError::TooManyIterations { count, max: self.max_iterations }),
        }
    }
}

impl Default for Scram {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::credentials::{Credentials, Secret};
    use crate::scheme::scram::keys::derive_keys;

    #[test]
    fn by_default_the_hash_is_sha_256() {
        assert_eq!(Scram::default().scheme(), "SCRAM-SHA-256");
        assert_eq!(format!("{:?}", Scram::default()), format!("{:?}", Scram::new()));
    }

    #[test]
    fn the_keys_of_all_clones_are_forgotten_at_once() {
        let (scram, alice) = (Scram::new(), Credentials::password("alice", "pw"));
        let keys = Arc::new(derive_keys(ScramHash::Sha256, &Secret::new("pw"), b"salt", 1));
        scram.clone().cache.keep(&alice, b"salt", 1, &keys);
        scram.forget_keys();
        assert!(scram.clone().cache.find(ScramHash::Sha256, &alice, b"salt", 1).is_none());
    }
}
