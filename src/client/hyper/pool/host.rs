//! The pool's key, and what goes with it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use http::uri::Authority;
use http::{HeaderValue, Uri};

use crate::handshake::{Identity, IdentityKey};
use crate::protection_space::{self, InvalidOrigin, Origin};

/// One origin as one identity: the pool's key, and what every request to it needs.
pub(in crate::client::hyper) struct Host {
    pub(super) hash: u64,
    pub(in crate::client::hyper) origin: Origin,
    pub(super) counts: Arc<Counts>,
    pub(in crate::client::hyper) key: IdentityKey,
    /// `Host` as it is sent (RFC 9110, section 7.2).
    pub(in crate::client::hyper) header: HeaderValue,
    /// What the connector is given.
    pub(in crate::client::hyper) target: Uri,
}

/// An origin's connections, of all identities. Changed under the pool's lock alone.
#[derive(Default)]
pub(super) struct Counts {
    pub(super) open: AtomicUsize,
    pub(super) idle: AtomicUsize,
}

impl Host {
    pub(super) fn new(
        hash: u64,
        origin: Origin,
        counts: Arc<Counts>,
        identity: &Identity,
    ) -> Result<Self, InvalidOrigin> {
        let default_port = if origin.is_secure() { 443 } else { 80 };
        let host_port = match origin.port() {
            port if port == default_port => origin.host().to_owned(),
            port => format!("{}:{port}", origin.host()),
        };
        let target = Uri::builder()
            .scheme(if origin.is_secure() { "https" } else { "http" })
            .authority(host_port.as_str())
            .path_and_query("/")
            .build()
            .map_err(|_| InvalidOrigin::Host)?;
        let header = HeaderValue::from_str(&host_port).map_err(|_| InvalidOrigin::Host)?;
        Ok(Self { hash, origin, counts, key: IdentityKey::new(identity.clone()), header, target })
    }

    pub(super) fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    /// Whether this is the host of `uri` and `identity`, to be seen without parsing: the usual
    /// spelling. If not, it may still be.
    pub(super) fn is_plainly_of(&self, uri: &Uri, identity: &Identity) -> bool {
        uri.authority().map(Authority::as_str) == self.target.authority().map(Authority::as_str)
            && uri.scheme() == self.target.scheme()
            && self.key.identity == *identity
    }
}

/// A hash of origin and identity, without a copy of either.
pub(super) fn hash(hasher: &RandomState, uri: &Uri, identity: &Identity) -> Result<u64, InvalidOrigin> {
    let (secure, host, port) = protection_space::parts(uri)?;
    let mut state = hasher.build_hasher();
    let mut lower = [0; 64];
    for chunk in host.as_bytes().chunks(lower.len()) {
        let lower = &mut lower[..chunk.len()];
        lower.copy_from_slice(chunk);
        lower.make_ascii_lowercase();
        state.write(lower);
    }
    state.write_u32(u32::from(port) << 1 | u32::from(secure));
    Hash::hash(identity, &mut state);
    Ok(state.finish())
}

/// For keys that are hashes already.
#[derive(Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("the keys are 64-bit numbers")
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}
