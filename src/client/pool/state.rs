//! What the pool holds, under its lock.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use tokio::task::JoinHandle;

use crate::client::pool::host::{Counts, Hashed, Host, Wanted, hash};
use crate::client::pool::lease::Pooled;
use crate::client::pool::waiter::Waiter;
use crate::client::pool::{Leaf, PoolLimits};
use crate::protection_space::{InvalidOrigin, Origin};

/// All that is behind the pool's lock.
pub(super) struct State<L> {
    pub(super) hosts: HashMap<u64, Vec<HostState<L>>, BuildHasherDefault<Hashed>>,
    pub(super) origins: HashMap<Origin, Arc<Counts>>,
    /// The host of the last request, which the next is likely to be for.
    pub(super) recent: Option<Arc<Host>>,
    pub(super) open: usize,
    pub(super) waiters: VecDeque<Arc<Waiter<L>>>,
    /// Counts the sweeps; an idle connection remembers the one before it was put back.
    pub(super) sweep: u64,
    /// Counts the connections put back: between two sweeps, it tells which is the oldest.
    pub(super) put_back: u64,
    pub(super) sweeping: Option<JoinHandle<()>>,
    pub(super) shut_down: bool,
}

/// A host and its idle connections.
pub(super) struct HostState<L> {
    host: Arc<Host>,
    /// The most recently used last.
    idle: Vec<Idle<L>>,
}

/// A connection that nobody uses; since which sweep, and its turn among those put back.
pub(super) struct Idle<L> {
    pub(super) connection: Box<Pooled<L>>,
    pub(super) since: u64,
    turn: u64,
}

impl<L> State<L> {
    pub(super) fn new() -> Self {
        Self {
            hosts: HashMap::default(),
            origins: HashMap::new(),
            recent: None,
            open: 0,
            waiters: VecDeque::new(),
            sweep: 0,
            put_back: 0,
            sweeping: None,
            shut_down: false,
        }
    }

    /// How many connections are idle.
    pub(super) fn idle(&self) -> usize {
        self.origins.values().map(|counts| counts.idle.load(Relaxed)).sum()
    }

    pub(super) fn host(
        &mut self,
        hasher: &RandomState,
        wanted: Wanted<'_>,
    ) -> Result<Arc<Host>, InvalidOrigin> {
        if let Some(recent) = self.recent.as_ref().filter(|recent| recent.is_plainly(wanted)) {
            return Ok(Arc::clone(recent));
        }
        let hash = hash(hasher, wanted)?;
        let bucket = self.hosts.entry(hash).or_default();
        if let Some(known) = bucket.iter().find(|known| known.host.is(wanted)) {
            self.recent = Some(Arc::clone(&known.host));
            return Ok(Arc::clone(&known.host));
        }
        let origin = Origin::from_uri(wanted.uri)?;
        let counts = Arc::clone(self.origins.entry(origin.clone()).or_default());
        let host = Arc::new(Host::new(hash, origin, counts, wanted)?);
        self.recent = Some(Arc::clone(&host));
        bucket.push(HostState { host: Arc::clone(&host), idle: Vec::new() });
        Ok(host)
    }

    fn of(&mut self, host: &Host) -> Option<&mut HostState<L>> {
        self.hosts.get_mut(&host.hash)?.iter_mut().find(|known| std::ptr::eq(&*known.host, host))
    }

    pub(super) fn pop_idle(&mut self, host: &Host) -> Option<Box<Pooled<L>>>
    where
        L: Leaf,
    {
        loop {
            let mut idle = self.of(host)?.idle.pop()?;
            host.counts.idle.fetch_sub(1, Relaxed);
            if !idle.connection.is_closed() {
                return Some(idle.connection);
            }
            self.close(host);
        }
    }

    /// Returns the connection that had to go instead, if one had to.
    pub(super) fn put_idle(
        &mut self,
        connection: Box<Pooled<L>>,
        limits: &PoolLimits,
    ) -> Option<Box<Pooled<L>>> {
        self.put_back += 1;
        let (since, turn) = (self.sweep, self.put_back);
        let Some(known) = self.of(&connection.host) else {
            self.close(&connection.host);
            return Some(connection);
        };
        known.idle.push(Idle { connection, since, turn });
        let idle = known.host.counts.idle.fetch_add(1, Relaxed) + 1;
        if idle > limits.idle_per_origin {
            let host = Arc::clone(&known.host);
            return self.take_oldest_idle(|other| other.origin == host.origin);
        }
        None
    }

    pub(super) fn may_open(&self, host: &Host, limits: &PoolLimits) -> bool {
        host.open() < limits.per_origin && self.open < limits.total
    }

    /// Whether there is room for a connection to `host`, after closing an idle one if need be,
    /// which is returned.
    pub(super) fn make_room(&mut self, host: &Host, limits: &PoolLimits) -> Option<Option<Box<Pooled<L>>>> {
        if self.may_open(host, limits) {
            return Some(None);
        }
        let closed = match host.open() < limits.per_origin {
            true => self.take_oldest_idle(|_| true),
            false => self.take_oldest_idle(|other| other.origin == host.origin),
        }?;
        Some(Some(closed))
    }

    fn take_oldest_idle(&mut self, which: impl Fn(&Host) -> bool) -> Option<Box<Pooled<L>>> {
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

    pub(super) fn take_idle(&mut self, mut which: impl FnMut(&mut Idle<L>) -> bool) -> Vec<Idle<L>> {
        let mut taken = Vec::new();
        for known in self.hosts.values_mut().flatten() {
            for mut idle in std::mem::take(&mut known.idle) {
                let list = if which(&mut idle) { &mut taken } else { &mut known.idle };
                list.push(idle);
            }
        }
        for idle in &taken {
            idle.connection.host.counts.idle.fetch_sub(1, Relaxed);
            self.close(&idle.connection.host);
        }
        taken
    }

    /// Hosts that nobody uses; a lease, a permit and a waiter each hold on to theirs.
    pub(super) fn forget_empty_hosts(&mut self) {
        self.recent = None;
        self.hosts.retain(|_, bucket| {
            bucket.retain(|known| !known.idle.is_empty() || Arc::strong_count(&known.host) > 1);
            !bucket.is_empty()
        });
        self.origins.retain(|_, counts| Arc::strong_count(counts) > 1);
    }

    pub(super) fn open(&mut self, host: &Host) {
        self.open += 1;
        host.counts.open.fetch_add(1, Relaxed);
    }

    pub(super) fn close(&mut self, host: &Host) {
        self.open -= 1;
        host.counts.open.fetch_sub(1, Relaxed);
    }
}
