//! The pool's key, and what goes with it.

use std::borrow::Cow;
use std::hash::{BuildHasher, Hash, Hasher, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};

use http::uri::{Authority, Scheme};
use http::{HeaderValue, Uri};

#[cfg(test)]
use crate::client::planted::Fault;
use crate::handshake::{Identity, IdentityKey};
use crate::protection_space::{InvalidOrigin, Origin};
use crate::service::origin_form;

/// What a request wants a connection for: all that goes into the pool's key.
#[derive(Clone, Copy)]
pub(in crate::client) struct WantedConnection<'a> {
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
    pub(super) counts: Arc<OriginCounts>,
    /// Goes up when the connections to it are retired. Changed only under the pool's lock.
    generation: AtomicU64,
    /// How many connections of this generation are being made. Changed only under the pool's lock.
    connecting: AtomicUsize,
    /// How many connections there are to it. Changed only under the pool's lock.
    own: AtomicUsize,
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
pub(super) struct OriginCounts {
    pub(super) open: AtomicUsize,
    pub(super) idle: AtomicUsize,
    /// None of those that are idle has been so since before this turn.
    pub(super) idle_from: AtomicU64,
    /// How many requests wait.
    pub(super) waiting: AtomicUsize,
    /// How often a place became free: with an idle connection in it, or empty.
    pub(super) turns: AtomicU64,
    /// Whether connections are made one by one, since each may carry all requests that wait.
    pub(super) one_by_one: AtomicBool,
}

impl OriginCounts {
    pub(super) fn new(one_by_one: bool) -> Self {
        Self {
            open: AtomicUsize::new(0),
            idle: AtomicUsize::new(0),
            idle_from: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            one_by_one: AtomicBool::new(one_by_one),
        }
    }
}

impl Host {
    pub(super) fn new(
        hash: u64,
        origin: Origin,
        counts: Arc<OriginCounts>,
        wanted: WantedConnection<'_>,
    ) -> Result<Self, InvalidOrigin> {
        let authority = authority(&origin);
        let target = Uri::builder()
            .scheme(if origin.is_secure() { "https" } else { "http" })
            .authority(&*authority)
            .path_and_query("/")
            .build()
            .map_err(|_| InvalidOrigin::Host)?;
        let header = HeaderValue::from_str(&authority).map_err(|_| InvalidOrigin::Host)?;
        let mut key = IdentityKey::new(wanted.identity.clone());
        key.proxy = wanted.via.cloned();
        let (generation, connecting, own) = (AtomicU64::new(0), AtomicUsize::new(0), AtomicUsize::new(0));
        Ok(Self { hash, origin, counts, generation, connecting, own, key, header, target })
    }

    /// How many connections there are to its origin, of all identities.
    pub(super) fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    /// Whether there are connections that it can use as they are.
    pub(super) fn has_own(&self) -> bool {
        self.own.load(Relaxed) > 0
    }

    /// A connection to it has its place from now on.
    pub(super) fn enter(&self) {
        self.own.fetch_add(1, Relaxed);
        self.counts.open.fetch_add(1, Relaxed);
    }

    /// A connection to it has left its place.
    pub(super) fn leave(&self) {
        self.own.fetch_sub(1, Relaxed);
        self.counts.open.fetch_sub(1, Relaxed);
    }

    pub(super) fn generation(&self) -> Generation {
        Generation(self.generation.load(Relaxed))
    }

    /// Uses up all connections to it: those that there are, and those that are being made.
    pub(super) fn retire(&self) {
        self.generation.fetch_add(1, Relaxed);
        // Those that are being made belong to the generation before. They do not count for whether the next one is
        // the first.
        self.connecting.store(0, Relaxed);
    }

    /// A connection is being made from now on.
    pub(super) fn begin_connecting(&self) -> Generation {
        self.connecting.fetch_add(1, Relaxed);
        self.generation()
    }

    /// A connection that was being made since this generation is no longer.
    pub(super) fn end_connecting(&self, since: Generation) {
        // Retired in the meantime, it was taken off the count already.
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
    pub(super) fn is_plainly(&self, wanted: WantedConnection<'_>) -> bool {
        let uri = wanted.uri;
        uri.authority().map(Authority::as_str) == self.target.authority().map(Authority::as_str)
            && uri.scheme() == self.target.scheme()
            && self.is_as(wanted)
    }

    /// Whether this is the wanted host, whose origin is this one.
    pub(super) fn is(&self, wanted: WantedConnection<'_>, origin: &Origin) -> bool {
        self.is_as(wanted) && self.origin == *origin
    }

    /// Whether it is for the same identities, by the same way.
    fn is_as(&self, wanted: WantedConnection<'_>) -> bool {
        #[cfg(test)]
        if Fault::NoIdentityInKey.is_planted() {
            return true;
        }
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

/// Host and port of an origin as they are usually written.
pub(super) fn authority(origin: &Origin) -> Cow<'_, str> {
    match origin.has_default_port() {
        true => Cow::Borrowed(origin.host()),
        false => Cow::Owned(format!("{}:{}", origin.host(), origin.port())),
    }
}

/// A hash of what goes into the key, without a copy of it: with this authority for the wanted one.
pub(super) fn hash(hasher: &RandomState, authority: &str, wanted: WantedConnection<'_>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write(authority.as_bytes());
    state.write_u8(u8::from(wanted.uri.scheme() == Some(&Scheme::HTTPS)));
    #[cfg(test)]
    if Fault::NoIdentityInKey.is_planted() {
        return state.finish();
    }
    // By name, not by secret: see the identity's own `Hash`. Two passwords of one user share a bucket, and differ by
    // `is`.
    Hash::hash(wanted.identity, &mut state);
    if let Some(via) = wanted.via {
        Hash::hash(via, &mut state);
    }
    state.finish()
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
