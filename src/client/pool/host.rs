//! The pool's key, and what goes with it.

use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use http::uri::Authority;
use http::{HeaderValue, Uri};

use crate::handshake::{Identity, IdentityKey};
use crate::protection_space::{self, InvalidOrigin, Origin};
use crate::service::origin_form;

/// What a request wants a connection for: all that goes into the pool's key.
#[derive(Clone, Copy)]
pub(in crate::client) struct Wanted<'a> {
    /// An absolute URI.
    pub(in crate::client) uri: &'a Uri,
    pub(in crate::client) identity: &'a Identity,
    /// The proxy in between, and who it sees.
    pub(in crate::client) via: Option<&'a (Origin, Identity)>,
}

/// One origin as one identity, by one way: the pool's key, and what every request to it needs.
pub(in crate::client) struct Host {
    pub(super) hash: u64,
    pub(in crate::client) origin: Origin,
    pub(super) counts: Arc<Counts>,
    /// Goes up when the connections to it are retired. Changed only under the pool's lock.
    generation: AtomicU64,
    /// How many connections of this generation are being made. Changed only under the pool's lock.
    connecting: AtomicUsize,
    pub(in crate::client) key: IdentityKey,
    /// `Host` as it is sent (RFC 9110, section 7.2).
    pub(in crate::client) header: HeaderValue,
    /// What the connector is given.
    pub(in crate::client) target: Uri,
}

/// The connections to a host between two retirements. What began in an earlier one is used up when it
/// comes back.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Generation(u64);

/// An origin's connections, of all identities. Changed only under the pool's lock.
pub(super) struct Counts {
    pub(super) open: AtomicUsize,
    pub(super) idle: AtomicUsize,
    /// Whether connections are made one by one, since each may carry all requests that wait.
    pub(super) one_by_one: AtomicBool,
}

impl Counts {
    pub(super) fn new(one_by_one: bool) -> Self {
        Self { open: AtomicUsize::new(0), idle: AtomicUsize::new(0), one_by_one: AtomicBool::new(one_by_one) }
    }
}

impl Host {
    pub(super) fn new(
        hash: u64,
        origin: Origin,
        counts: Arc<Counts>,
        wanted: Wanted<'_>,
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
        let mut key = IdentityKey::new(wanted.identity.clone());
        key.proxy = wanted.via.cloned();
        let (generation, connecting) = (AtomicU64::new(0), AtomicUsize::new(0));
        Ok(Self { hash, origin, counts, generation, connecting, key, header, target })
    }

    pub(super) fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Relaxed))
    }

    /// Uses up all connections to it: those that there are, and those that are being made.
    pub(super) fn retire(&self) {
        self.generation.fetch_add(1, Relaxed);
        self.connecting.store(0, Relaxed);
    }

    /// A connection is being made from now on.
    pub(super) fn begin_connecting(&self) -> Generation {
        self.connecting.fetch_add(1, Relaxed);
        self.generation()
    }

    /// A connection that was being made since this generation is no longer.
    pub(super) fn end_connecting(&self, since: Generation) {
        if since == self.generation() {
            self.connecting.fetch_sub(1, Relaxed);
        }
    }

    /// Whether a connection is being made that may carry others' requests too.
    pub(super) fn awaits_first(&self) -> bool {
        self.connecting.load(Relaxed) > 0 && self.counts.one_by_one.load(Relaxed)
    }

    /// Whether this is the wanted host, to be seen without parsing: the usual spelling. If not, it
    /// may still be.
    pub(super) fn is_plainly(&self, wanted: Wanted<'_>) -> bool {
        let uri = wanted.uri;
        uri.authority().map(Authority::as_str) == self.target.authority().map(Authority::as_str)
            && uri.scheme() == self.target.scheme()
            && self.is_as(wanted)
    }

    /// Whether this is the wanted host, written in whatever way.
    pub(super) fn is(&self, wanted: Wanted<'_>) -> bool {
        self.is_as(wanted) && self.origin.is_origin_of(wanted.uri)
    }

    /// Whether it is for the same identities, by the same way.
    fn is_as(&self, wanted: Wanted<'_>) -> bool {
        self.key.identity == *wanted.identity && self.key.proxy.as_ref() == wanted.via
    }

    /// The request target for who is spoken to: the origin itself or, at its other side, a proxy
    /// (RFC 9112, sections 3.2.1 and 3.2.2).
    pub(in crate::client) fn target_of(&self, uri: &Uri) -> Uri {
        if !self.is_forwarded() {
            return origin_form(uri);
        }
        let mut parts = self.target.clone().into_parts();
        parts.path_and_query = uri.path_and_query().cloned();
        Uri::from_parts(parts).expect("scheme, authority and path are a URI")
    }

    /// Whether its requests are sent to a proxy as they are, rather than through a tunnel.
    pub(in crate::client) fn is_forwarded(&self) -> bool {
        self.key.proxy.is_some() && !self.origin.is_secure()
    }
}

/// A hash of what goes into the key, without a copy of it.
pub(super) fn hash(hasher: &RandomState, wanted: Wanted<'_>) -> Result<u64, InvalidOrigin> {
    let (secure, host, port) = protection_space::parts(wanted.uri)?;
    let mut state = hasher.build_hasher();
    let mut lower = [0; 64];
    for chunk in host.as_bytes().chunks(lower.len()) {
        let lower = &mut lower[..chunk.len()];
        lower.copy_from_slice(chunk);
        lower.make_ascii_lowercase();
        state.write(lower);
    }
    state.write_u32(u32::from(port) << 1 | u32::from(secure));
    Hash::hash(wanted.identity, &mut state);
    if let Some(via) = wanted.via {
        Hash::hash(via, &mut state);
    }
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
