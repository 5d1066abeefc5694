//! What the pool holds, under its lock.

use std::collections::{HashMap, VecDeque};
use std::hash::{BuildHasherDefault, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use tokio::task::JoinHandle;

use crate::client::pool::host::{Counts, Generation, Hashed, Host, Wanted, hash};
use crate::client::pool::lease::Pooled;
use crate::client::pool::shared::Shared;
use crate::client::pool::waiter::{Grant, Waiter};
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
    /// Counts the connections that can be shared.
    pub(super) shareable: u64,
    /// Whether connections by TLS may turn out to be such.
    may_share: bool,
    pub(super) sweeping: Option<JoinHandle<()>>,
    pub(super) shut_down: bool,
}

/// A host and its idle connections.
pub(super) struct HostState<L> {
    pub(super) host: Arc<Host>,
    /// The most recently used last.
    pub(super) idle: Vec<Idle<L>>,
    /// Those with requests on them that take more at the same time.
    pub(super) shared: Vec<Shared<L>>,
}

/// A connection that nobody uses; since which sweep, and its turn among those put back.
pub(super) struct Idle<L> {
    pub(super) connection: Box<Pooled<L>>,
    pub(super) since: u64,
    turn: u64,
}

impl<L: Leaf> State<L> {
    pub(super) fn new(may_share: bool) -> Self {
        Self {
            hosts: HashMap::default(),
            origins: HashMap::new(),
            recent: None,
            open: 0,
            waiters: VecDeque::new(),
            sweep: 0,
            put_back: 0,
            shareable: 0,
            may_share,
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
        let one_by_one = self.may_share && origin.is_secure();
        let counts = self.origins.entry(origin.clone()).or_insert_with(|| Arc::new(Counts::new(one_by_one)));
        let counts = Arc::clone(counts);
        let host = Arc::new(Host::new(hash, origin, counts, wanted)?);
        self.recent = Some(Arc::clone(&host));
        bucket.push(HostState { host: Arc::clone(&host), idle: Vec::new(), shared: Vec::new() });
        Ok(host)
    }

    pub(super) fn of(&mut self, host: &Host) -> Option<&mut HostState<L>> {
        self.hosts.get_mut(&host.hash)?.iter_mut().find(|known| std::ptr::eq(&*known.host, host))
    }

    /// A connection that nobody uses, or a branch of one that can be shared.
    pub(super) fn pop_idle(&mut self, host: &Host) -> Option<Box<Pooled<L>>> {
        loop {
            let known = self.of(host)?;
            if !known.shared.is_empty() {
                if let Some(branch) = known.branch() {
                    return Some(branch);
                }
            }
            let mut idle = known.idle.pop()?;
            host.counts.idle.fetch_sub(1, Relaxed);
            if idle.connection.is_closed() {
                self.close(host);
            } else if let Some(leased) = self.lease_out(idle.connection) {
                return Some(leased);
            }
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

    /// Gives to each waiter what there is for it.
    pub(super) fn serve(&mut self, limits: &PoolLimits) -> Vec<Option<Waker>> {
        let (mut wakers, mut passed) = (Vec::new(), VecDeque::new());
        while let Some(waiter) = self.waiters.pop_front() {
            let grant = match self.branch(&waiter.host) {
                Some(branch) => Grant::Connection(branch),
                None if self.may_open(&waiter.host, limits) => Grant::Place(self.open(&waiter.host)),
                None => {
                    passed.push_back(waiter);
                    continue;
                }
            };
            wakers.push(waiter.give(grant));
        }
        self.waiters = passed;
        wakers
    }

    pub(super) fn may_open(&self, host: &Host, limits: &PoolLimits) -> bool {
        host.open() < limits.per_origin && self.open < limits.total && !host.awaits_first()
    }

    /// Whether there is room for a connection to `host`, after closing an idle one if need be,
    /// which is returned.
    pub(super) fn make_room(&mut self, host: &Host, limits: &PoolLimits) -> Option<Option<Box<Pooled<L>>>> {
        if self.may_open(host, limits) {
            return Some(None);
        }
        if host.awaits_first() {
            return None;
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

    /// Uses up the connections to these hosts. Those that are idle have left the pool.
    pub(super) fn retire(&mut self, which: impl Fn(&Host) -> bool) -> Vec<Idle<L>> {
        self.hosts
            .values()
            .flatten()
            .filter(|known| which(&known.host))
            .for_each(|known| known.host.retire());
        self.take_idle(|idle| idle.connection.is_retired())
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

    /// Room for a connection, which is now to be made.
    pub(super) fn open(&mut self, host: &Host) -> Generation {
        self.open += 1;
        host.counts.open.fetch_add(1, Relaxed);
        host.begin_connecting()
    }

    pub(super) fn close(&mut self, host: &Host) {
        self.open -= 1;
        host.counts.open.fetch_sub(1, Relaxed);
    }
}
