//! Exclusive leases of connections, by origin and identity.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::uri::Authority;
use http::{HeaderValue, Uri};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::client::hyper::connection::Connection;
use crate::handshake::{Identity, IdentityKey};
use crate::protection_space::{self, InvalidOrigin, Origin};
use crate::service::{Channel, ErrorKind};

/// How many connections there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    pub(super) per_origin: usize,
    pub(super) total: usize,
    pub(super) idle_per_origin: usize,
    pub(super) idle_timeout: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self { per_origin: 64, total: 512, idle_per_origin: 64, idle_timeout: Duration::from_secs(90) }
    }
}

/// How often within the idle timeout idle connections are looked through.
const SWEEPS_PER_TIMEOUT: u32 = 4;

/// One origin as one identity: the pool's key, and what every request to it needs.
pub(super) struct Host {
    hash: u64,
    pub(super) origin: Origin,
    counts: Arc<Counts>,
    pub(super) key: IdentityKey,
    /// `Host` as it is sent (RFC 9110, section 7.2).
    pub(super) header: HeaderValue,
    /// What the connector is given.
    pub(super) target: Uri,
}

pub(super) struct Pool<B> {
    state: Mutex<State<B>>,
    limits: PoolLimits,
    hasher: RandomState,
    /// Told whenever the last connection is gone.
    empty: Notify,
}

struct State<B> {
    hosts: HashMap<u64, Vec<HostState<B>>, BuildHasherDefault<Hashed>>,
    origins: HashMap<Origin, Arc<Counts>>,
    /// The host of the last request, which the next is likely to be for.
    recent: Option<Arc<Host>>,
    open: usize,
    waiters: VecDeque<Arc<Waiter<B>>>,
    /// Counts the sweeps; an idle connection remembers the one before it was put back.
    sweep: u64,
    /// Counts the connections put back: between two sweeps, it tells which is the oldest.
    put_back: u64,
    sweeping: Option<JoinHandle<()>>,
    shut_down: bool,
}

struct HostState<B> {
    host: Arc<Host>,
    /// The most recently used last.
    idle: Vec<Idle<B>>,
}

struct Idle<B> {
    connection: Arc<Pooled<B>>,
    since: u64,
    turn: u64,
}

/// An origin's connections, of all identities. Changed under the pool's lock alone.
#[derive(Default)]
struct Counts {
    open: AtomicUsize,
    idle: AtomicUsize,
}

/// A connection that belongs to the pool, idle or leased. Made once per connection; a response's
/// body holds on to it without naming `B`.
pub(super) struct Pooled<B> {
    pool: Weak<Pool<B>>,
    host: Arc<Host>,
    channel: Mutex<Option<Channel<Connection<B>>>>,
}

/// A place in the pool's limits, with or without a connection in it. Dropped, it is free again.
pub(super) struct Permit<B> {
    pool: Arc<Pool<B>>,
    pub(super) host: Arc<Host>,
    spent: bool,
}

/// A connection checked out for one request.
pub(super) struct Lease<B> {
    connection: Arc<Pooled<B>>,
    permit: Permit<B>,
    pub(super) channel: Channel<Connection<B>>,
}

/// What a request gets from the pool.
pub(super) enum Checkout<B> {
    Lease(Lease<B>),
    Connect(Permit<B>),
}

enum Grant<B> {
    Connection(Arc<Pooled<B>>),
    Place,
    ShutDown,
}

struct Waiter<B> {
    host: Arc<Host>,
    /// Wants a connection that has seen no other request.
    fresh: bool,
    grant: Mutex<(Option<Grant<B>>, Option<Waker>)>,
}

impl<B> Pool<B> {
    pub(super) fn new(limits: PoolLimits) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State {
                hosts: HashMap::default(),
                origins: HashMap::new(),
                recent: None,
                open: 0,
                waiters: VecDeque::new(),
                sweep: 0,
                put_back: 0,
                sweeping: None,
                shut_down: false,
            }),
            limits,
            hasher: RandomState::new(),
            empty: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection to the origin of `uri` as `identity`, or the right to make one; resolves in
    /// the order of asking. `fresh` passes idle connections by.
    pub(super) async fn checkout(
        self: &Arc<Self>,
        uri: &Uri,
        identity: &Identity,
        fresh: bool,
    ) -> Result<Checkout<B>, ErrorKind> {
        let waiter = {
            let mut state = self.lock();
            if state.shut_down {
                return Err(ErrorKind::ShutDown);
            }
            let host = state.host(&self.hasher, uri, identity).map_err(ErrorKind::Origin)?;
            if !fresh {
                if let Some(connection) = state.pop_idle(&host) {
                    drop(state);
                    return Ok(self.lease(connection));
                }
            }
            if let Some(closed) = state.make_room(&host, &self.limits) {
                state.open(&host);
                drop(state);
                drop(closed);
                return Ok(Checkout::Connect(self.permit(host)));
            }
            let waiter = Arc::new(Waiter { host, fresh, grant: Mutex::default() });
            state.waiters.push_back(Arc::clone(&waiter));
            waiter
        };
        Waiting { pool: self, waiter: Some(waiter) }.await
    }

    fn lease(self: &Arc<Self>, connection: Arc<Pooled<B>>) -> Checkout<B> {
        let permit = self.permit(Arc::clone(&connection.host));
        let channel = connection.take().expect("an idle connection is whole");
        Checkout::Lease(Lease { connection, permit, channel })
    }

    fn permit(self: &Arc<Self>, host: Arc<Host>) -> Permit<B> {
        Permit { pool: Arc::clone(self), host, spent: false }
    }

    fn grant(self: &Arc<Self>, grant: Grant<B>, host: &Arc<Host>) -> Result<Checkout<B>, ErrorKind> {
        match grant {
            Grant::Connection(connection) => Ok(self.lease(connection)),
            Grant::Place => Ok(Checkout::Connect(self.permit(Arc::clone(host)))),
            Grant::ShutDown => Err(ErrorKind::ShutDown),
        }
    }

    /// Takes a connection back: for the first waiter that it serves, else as idle.
    fn put_back(&self, connection: Arc<Pooled<B>>) {
        let mut state = self.lock();
        let host = Arc::clone(&connection.host);
        if state.shut_down {
            state.close(&host);
            self.wake_if_empty(&state);
            return;
        }
        // A waiter for another origin whose own limit has room waits for the total alone.
        let per_origin = self.limits.per_origin;
        let first = state
            .waiters
            .iter()
            .position(|waiter| waiter.host.origin == host.origin || waiter.host.open() < per_origin);
        let Some(waiter) = first.and_then(|first| state.waiters.remove(first)) else {
            let closed = state.put_idle(connection, &self.limits);
            drop(state);
            drop(closed);
            return;
        };
        if !waiter.fresh && Arc::ptr_eq(&waiter.host, &host) {
            let waker = waiter.give(Grant::Connection(connection));
            drop(state);
            wake(waker);
        } else {
            // Blocked by this connection alone, which serves another identity or origin.
            state.close(&host);
            state.open(&waiter.host);
            let waker = waiter.give(Grant::Place);
            drop(state);
            wake(waker);
            drop(connection);
        }
    }

    /// A place has become free: for the first waiter that may have it.
    fn free(&self, host: &Host) {
        let mut state = self.lock();
        state.close(host);
        let limits = &self.limits;
        let first = state.waiters.iter().position(|waiter| state.may_open(&waiter.host, limits));
        if let Some(waiter) = first.and_then(|first| state.waiters.remove(first)) {
            state.open(&waiter.host);
            let waker = waiter.give(Grant::Place);
            drop(state);
            wake(waker);
        } else {
            self.wake_if_empty(&state);
        }
    }

    fn wake_if_empty(&self, state: &State<B>) {
        if state.open == 0 {
            self.empty.notify_waiters();
        }
    }

    /// Closes all idle connections.
    pub(super) fn close_idle(&self) {
        let mut state = self.lock();
        let closed = state.take_idle(|_| true);
        self.wake_if_empty(&state);
        drop(state);
        drop(closed);
    }

    /// Closes idle connections that have outlived the timeout, or that the server has closed.
    fn sweep(&self) {
        let mut state = self.lock();
        state.sweep += 1;
        let now = state.sweep;
        let closed = state.take_idle(|idle| {
            now - idle.since > u64::from(SWEEPS_PER_TIMEOUT) || idle.connection.is_closed()
        });
        state.forget_empty_hosts();
        self.wake_if_empty(&state);
        drop(state);
        drop(closed);
    }

    /// Sweeps from now on, until the pool is dropped; anew where the runtime that did it has ended.
    pub(super) fn keep_swept(self: &Arc<Self>)
    where
        B: Send + 'static,
    {
        let mut state = self.lock();
        if state.sweeping.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let interval = (self.limits.idle_timeout / SWEEPS_PER_TIMEOUT).max(Duration::from_millis(1));
        let pool = Arc::downgrade(self);
        state.sweeping = Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.sweep();
            }
        }));
    }

    /// Refuses new requests, closes what is idle, and waits for the rest.
    pub(super) async fn shut_down(&self) {
        let wakers: Vec<_> = {
            let mut state = self.lock();
            state.shut_down = true;
            state.waiters.drain(..).map(|waiter| waiter.give(Grant::ShutDown)).collect()
        };
        wakers.into_iter().for_each(wake);
        self.close_idle();
        loop {
            let emptied = self.empty.notified();
            if self.lock().open == 0 {
                return;
            }
            emptied.await;
        }
    }

    /// How many connections are open or being opened, and how many of them are idle.
    pub(super) fn counts(&self) -> (usize, usize) {
        let state = self.lock();
        (state.open, state.origins.values().map(|counts| counts.idle.load(Relaxed)).sum())
    }
}

impl<B> State<B> {
    fn host(
        &mut self,
        hasher: &RandomState,
        uri: &Uri,
        identity: &Identity,
    ) -> Result<Arc<Host>, InvalidOrigin> {
        if let Some(recent) = self.recent.as_ref().filter(|recent| recent.is_plainly_of(uri, identity)) {
            return Ok(Arc::clone(recent));
        }
        let hash = hash(hasher, uri, identity)?;
        let bucket = self.hosts.entry(hash).or_default();
        let known = bucket
            .iter()
            .find(|known| known.host.key.identity == *identity && known.host.origin.is_origin_of(uri));
        if let Some(known) = known {
            self.recent = Some(Arc::clone(&known.host));
            return Ok(Arc::clone(&known.host));
        }
        let origin = Origin::from_uri(uri)?;
        let counts = Arc::clone(self.origins.entry(origin.clone()).or_default());
        let host = Arc::new(Host::new(hash, origin, counts, identity)?);
        self.recent = Some(Arc::clone(&host));
        bucket.push(HostState { host: Arc::clone(&host), idle: Vec::new() });
        Ok(host)
    }

    fn of(&mut self, host: &Host) -> Option<&mut HostState<B>> {
        self.hosts.get_mut(&host.hash)?.iter_mut().find(|known| std::ptr::eq(&*known.host, host))
    }

    fn pop_idle(&mut self, host: &Host) -> Option<Arc<Pooled<B>>> {
        loop {
            let idle = self.of(host)?.idle.pop()?;
            host.counts.idle.fetch_sub(1, Relaxed);
            if !idle.connection.is_closed() {
                return Some(idle.connection);
            }
            self.close(host);
        }
    }

    /// Returns the connection that had to go instead, if one had to.
    fn put_idle(&mut self, connection: Arc<Pooled<B>>, limits: &PoolLimits) -> Option<Arc<Pooled<B>>> {
        let host = Arc::clone(&connection.host);
        self.put_back += 1;
        let (since, turn) = (self.sweep, self.put_back);
        let Some(known) = self.of(&host) else {
            self.close(&host);
            return Some(connection);
        };
        known.idle.push(Idle { connection, since, turn });
        let idle = host.counts.idle.fetch_add(1, Relaxed) + 1;
        if idle > limits.idle_per_origin {
            return self.take_oldest_idle(|other| other.origin == host.origin);
        }
        None
    }

    fn may_open(&self, host: &Host, limits: &PoolLimits) -> bool {
        host.open() < limits.per_origin && self.open < limits.total
    }

    /// Whether there is room for a connection to `host`, after closing an idle one if need be,
    /// which is returned.
    fn make_room(&mut self, host: &Host, limits: &PoolLimits) -> Option<Option<Arc<Pooled<B>>>> {
        if self.may_open(host, limits) {
            return Some(None);
        }
        let closed = match host.open() < limits.per_origin {
            true => self.take_oldest_idle(|_| true),
            false => self.take_oldest_idle(|other| other.origin == host.origin),
        }?;
        Some(Some(closed))
    }

    fn take_oldest_idle(&mut self, which: impl Fn(&Host) -> bool) -> Option<Arc<Pooled<B>>> {
        let oldest = self
            .hosts
            .values_mut()
            .flatten()
            .filter(|known| which(&known.host) && !known.idle.is_empty())
            .min_by_key(|known| known.idle[0].turn)?;
        let idle = oldest.idle.remove(0);
        let host = Arc::clone(&oldest.host);
        host.counts.idle.fetch_sub(1, Relaxed);
        self.close(&host);
        Some(idle.connection)
    }

    fn take_idle(&mut self, which: impl Fn(&Idle<B>) -> bool) -> Vec<Idle<B>> {
        let mut taken = Vec::new();
        for known in self.hosts.values_mut().flatten() {
            let (out, stay) = std::mem::take(&mut known.idle).into_iter().partition(&which);
            known.idle = stay;
            taken.extend::<Vec<_>>(out);
        }
        for idle in &taken {
            idle.connection.host.counts.idle.fetch_sub(1, Relaxed);
            self.close(&idle.connection.host);
        }
        taken
    }

    /// Hosts that nobody uses; a lease, a permit and a waiter each hold on to theirs.
    fn forget_empty_hosts(&mut self) {
        self.recent = None;
        self.hosts.retain(|_, bucket| {
            bucket.retain(|known| !known.idle.is_empty() || Arc::strong_count(&known.host) > 1);
            !bucket.is_empty()
        });
        self.origins.retain(|_, counts| Arc::strong_count(counts) > 1);
    }

    fn open(&mut self, host: &Host) {
        self.open += 1;
        host.counts.open.fetch_add(1, Relaxed);
    }

    fn close(&mut self, host: &Host) {
        self.open -= 1;
        host.counts.open.fetch_sub(1, Relaxed);
    }
}

impl Host {
    fn new(
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

    fn open(&self) -> usize {
        self.counts.open.load(Relaxed)
    }

    /// Whether this is the host of `uri` and `identity`, to be seen without parsing: the usual
    /// spelling. If not, it may still be.
    fn is_plainly_of(&self, uri: &Uri, identity: &Identity) -> bool {
        uri.authority().map(Authority::as_str) == self.target.authority().map(Authority::as_str)
            && uri.scheme() == self.target.scheme()
            && self.key.identity == *identity
    }
}

impl<B> Pooled<B> {
    fn take(&self) -> Option<Channel<Connection<B>>> {
        self.channel.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Whether the channel can take the next request where it is.
    fn is_ready_at_home(&self) -> bool {
        let mut channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        let ready = channel.as_mut().filter(|channel| channel.is_reusable() && channel.service.is_ready());
        ready.map(|channel| channel.state.ready = true).is_some()
    }

    fn fill(&self, channel: Channel<Connection<B>>) {
        *self.channel.lock().unwrap_or_else(PoisonError::into_inner) = Some(channel);
    }

    fn is_closed(&self) -> bool {
        let channel = self.channel.lock().unwrap_or_else(PoisonError::into_inner);
        channel.as_ref().is_none_or(|channel| channel.service.is_closed())
    }
}

impl<B> Permit<B> {
    /// The connection that was made on this permit.
    pub(super) fn connected(self, channel: Channel<Connection<B>>) -> Lease<B> {
        let connection = Arc::new(Pooled {
            pool: Arc::downgrade(&self.pool),
            host: Arc::clone(&self.host),
            channel: Mutex::new(None),
        });
        Lease { connection, permit: self, channel }
    }

    fn spend(mut self) {
        self.spent = true;
    }
}

impl<B> Drop for Permit<B> {
    fn drop(&mut self) {
        if !self.spent {
            self.pool.free(&self.host);
        }
    }
}

impl<B> Lease<B> {
    /// Takes the channel out for a conversation; the rest keeps the place.
    pub(super) fn split(self) -> (Channel<Connection<B>>, Place<B>) {
        (self.channel, Place { connection: self.connection, permit: self.permit })
    }
}

/// A lease whose channel is in a conversation.
pub(super) struct Place<B> {
    connection: Arc<Pooled<B>>,
    pub(super) permit: Permit<B>,
}

impl<B: Send + 'static> Place<B> {
    /// Parks the channel until the response's body has ended.
    pub(super) fn park(self, channel: Channel<Connection<B>>) -> Arc<dyn Parked> {
        self.connection.fill(channel);
        self.permit.spend();
        self.connection
    }
}

/// A leased connection, as a response's body sees it.
pub(super) trait Parked: Send + Sync {
    /// The response has been read to its end: the connection can go on.
    fn release(self: Arc<Self>);
    /// It has not: the connection is closed.
    fn discard(&self);
}

impl<B: Send + 'static> Parked for Pooled<B> {
    fn release(self: Arc<Self>) {
        let Some(pool) = self.pool.upgrade() else { return };
        if self.is_ready_at_home() {
            return pool.put_back(self);
        }
        let Some(channel) = self.take() else { return };
        if !channel.is_reusable() || channel.service.is_closed() {
            drop(channel);
            pool.free(&self.host);
        } else if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            // The connection's own task has not yet seen the end: a moment, as a rule.
            let permit = pool.permit(Arc::clone(&self.host));
            let patience = pool.limits.idle_timeout;
            runtime.spawn(async move {
                let ready = std::future::poll_fn(|cx| channel.service.poll_ready(cx));
                if let Ok(Ok(())) = tokio::time::timeout(patience, ready).await {
                    permit.spend();
                    self.fill(channel);
                    pool.put_back(self);
                }
            });
        } else {
            drop(channel);
            pool.free(&self.host);
        }
    }

    fn discard(&self) {
        if let Some(channel) = self.take() {
            drop(channel);
            if let Some(pool) = self.pool.upgrade() {
                pool.free(&self.host);
            }
        }
    }
}

impl<B> Waiter<B> {
    /// Under the pool's lock, as is the giving up of a waiter: a grant never goes to one that has
    /// given up, where it would be lost. Who calls wakes the waiter after that.
    fn give(&self, grant: Grant<B>) -> Option<Waker> {
        let mut slot = self.grant.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(grant);
        slot.1.take()
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

struct Waiting<'a, B> {
    pool: &'a Arc<Pool<B>>,
    waiter: Option<Arc<Waiter<B>>>,
}

impl<B> Future for Waiting<'_, B> {
    type Output = Result<Checkout<B>, ErrorKind>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let waiter = self.waiter.as_ref().expect("not polled after it was ready");
        let mut slot = waiter.grant.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(grant) = slot.0.take() else {
            slot.1 = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(slot);
        let host = Arc::clone(&waiter.host);
        self.waiter = None;
        Poll::Ready(self.pool.grant(grant, &host))
    }
}

impl<B> Drop for Waiting<'_, B> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        self.pool.lock().waiters.retain(|other| !Arc::ptr_eq(other, &waiter));
        let granted = waiter.grant.lock().unwrap_or_else(PoisonError::into_inner).0.take();
        match granted {
            Some(Grant::Connection(connection)) => self.pool.put_back(connection),
            Some(Grant::Place) => self.pool.free(&waiter.host),
            Some(Grant::ShutDown) | None => {}
        }
    }
}

/// A hash of origin and identity, without a copy of either.
fn hash(hasher: &RandomState, uri: &Uri, identity: &Identity) -> Result<u64, InvalidOrigin> {
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
    std::hash::Hash::hash(identity, &mut state);
    Ok(state.finish())
}

/// For keys that are hashes already.
#[derive(Default)]
struct Hashed(u64);

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
