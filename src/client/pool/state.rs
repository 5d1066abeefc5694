//! What the pool holds, under its lock.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, RandomState};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::Waker;

use tokio::task::JoinHandle;

use crate::client::pool::host::{Generation, Hashed, Host, OriginCounts, WantedConnection, authority, hash};
use crate::client::pool::limits::PoolLimits;
use crate::client::pool::poolable::Poolable;
use crate::client::pool::pooled::{LeaseKind, Pooled};
use crate::client::pool::queue::WaiterQueue;
use crate::client::pool::shared::SharedConnection;
use crate::client::pool::waiter::{Due, Grant, Waiter};
use crate::protection_space::{InvalidOrigin, Origin};

/// How many hosts that nobody uses do not matter.
pub(super) const FEW_HOSTS: usize = 64;

/// How many hosts are found without a hash: a program asks a few in turn.
const RECENT_HOSTS: usize = 4;

/// All that is behind the pool's lock.
pub(super) struct PoolState<L> {
    pub(super) hosts: HashMap<u64, Vec<HostState<L>>, BuildHasherDefault<Hashed>>,
    pub(super) origins: HashMap<Origin, Arc<OriginCounts>>,
    /// The hosts of the last few requests, which the next ones are likely to be for; the latest to come first.
    recent: [Option<Arc<Host>>; RECENT_HOSTS],
    pub(super) open: usize,
    pub(super) queue: WaiterQueue<L>,
    /// Counts those that ever waited.
    tickets: u64,
    /// Counts the sweeps; an idle connection remembers the one before it was put back.
    pub(super) sweep: u64,
    /// Counts how often a place became free, with an idle connection in it or empty: the pool's clock.
    turns: u64,
    /// No connection has been idle since before this turn.
    idle_from: u64,
    /// Idle connections turned out to be closed, whose places were offered to nobody yet.
    found_closed: bool,
    /// Counts the connections that can be shared.
    pub(super) shareable: u64,
    /// With how many hosts those that nobody uses are forgotten at once, without waiting for a sweep: so those that
    /// are looked through are hardly more than those in use.
    tidy_at: usize,
    /// Whether connections over TLS may turn out to be such.
    may_share: bool,
    pub(super) sweeping: Option<JoinHandle<()>>,
    pub(super) shut_down: bool,
}

/// What a request is given, and the idle connection that had to go for it.
pub(super) type Granted<L> = (Grant<L>, Option<Box<Pooled<L>>>);

/// A waiter that was given something is to be woken, and the connection that had to go for it to be dropped.
pub(super) type Served<L> = (Option<Waker>, Option<Box<Pooled<L>>>);

/// A host and its idle connections.
pub(super) struct HostState<L> {
    pub(super) host: Arc<Host>,
    /// The most recently used last.
    pub(super) idle: Vec<Idle<L>>,
    /// Those with requests on them that take more at the same time.
    pub(super) shared: Vec<SharedConnection<L>>,
}

/// A connection that nobody uses; since which sweep, and since which turn.
pub(super) struct Idle<L> {
    pub(super) connection: Box<Pooled<L>>,
    pub(super) since: u64,
    turn: u64,
}

impl<L: Poolable> PoolState<L> {
    pub(super) fn new(may_share: bool) -> Self {
        Self {
            hosts: HashMap::default(),
            origins: HashMap::new(),
            recent: Default::default(),
            open: 0,
            queue: WaiterQueue::new(),
            tickets: 0,
            sweep: 0,
            turns: 0,
            idle_from: 0,
            found_closed: false,
            shareable: 0,
            tidy_at: FEW_HOSTS,
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
        wanted: WantedConnection<'_>,
    ) -> Result<Arc<Host>, InvalidOrigin> {
        // As it is written, first: a program writes the same host the same way, and parsing costs more than looking it up.
        if let Some(recent) = self.recent.iter().flatten().find(|recent| recent.is_plainly(wanted)) {
            return Ok(Arc::clone(recent));
        }
        if let Some(authority) = wanted.uri.authority() {
            let hash = hash(hasher, authority.as_str(), wanted);
            if let Some(known) = self.known(hash, |host| host.is_plainly(wanted)) {
                return Ok(known);
            }
        }
        // It is new, or written in an unusual way.
        let origin = Origin::from_uri(wanted.uri)?;
        let hash = hash(hasher, &authority(&origin), wanted);
        if let Some(known) = self.known(hash, |host| host.is(wanted, &origin)) {
            return Ok(known);
        }
        // Before the new one is added, and rarely: the limit is twice what was left the last time, so that looking
        // through them costs each new host a constant share.
        if self.hosts.len() > self.tidy_at {
            self.forget_empty_hosts();
        }
        let one_by_one = self.may_share && origin.is_secure();
        // All identities of an origin share one limit: the server sees one client.
        let counts =
            self.origins.entry(origin.clone()).or_insert_with(|| Arc::new(OriginCounts::new(one_by_one)));
        let counts = Arc::clone(counts);
        let host = Arc::new(Host::new(hash, origin, counts, wanted)?);
        self.note_recent(&host);
        self.hosts.entry(hash).or_default().push(HostState {
            host: Arc::clone(&host),
            idle: Vec::new(),
            shared: Vec::new(),
        });
        Ok(host)
    }

    /// A host that is known by this hash, which is one of the recent ones from now on.
    fn known(&mut self, hash: u64, is_it: impl Fn(&Host) -> bool) -> Option<Arc<Host>> {
        let known = self.hosts.get(&hash)?.iter().find(|known| is_it(&known.host))?;
        let host = Arc::clone(&known.host);
        self.note_recent(&host);
        Some(host)
    }

    /// It takes the place of the one that has been there for longest.
    fn note_recent(&mut self, host: &Arc<Host>) {
        self.recent.rotate_right(1);
        self.recent[0] = Some(Arc::clone(host));
    }

    pub(super) fn of(&mut self, host: &Host) -> Option<&mut HostState<L>> {
        self.hosts.get_mut(&host.hash)?.iter_mut().find(|known| std::ptr::eq(&*known.host, host))
    }

    /// A connection that nobody uses, or a branch of one that can be shared.
    pub(super) fn pop_idle(&mut self, host: &Host) -> Option<Box<Pooled<L>>> {
        loop {
            let known = self.of(host)?;
            // Before the idle ones: a connection that is in use and takes one more request saves keeping another one
            // open.
            if !known.shared.is_empty() {
                if let Some(branch) = known.branch() {
                    return Some(branch);
                }
            }
            // The most recently used, which is the least likely to have been closed, so that the others can grow old.
            let mut idle = known.idle.pop()?;
            host.counts.idle.fetch_sub(1, Relaxed);
            // Asked when it is taken: the server may have closed it since it was put back. A request on it would
            // fail, and move on to another one later than it could.
            if idle.connection.is_closed() {
                self.close(host);
                self.found_closed = true;
                continue;
            }
            idle.connection.look_whether_it_is_ready();
            if let Some(leased) = self.lease_out(idle.connection) {
                return Some(leased);
            }
        }
    }

    /// Takes back a lease that has ended. What is not used up is idle now, or has other leases still.
    pub(super) fn put_back(&mut self, connection: Box<Pooled<L>>) {
        // The common kind goes straight through: with HTTP/1.1 every request comes by here.
        let is_exclusive = matches!(connection.kind, LeaseKind::Exclusive);
        let free = if is_exclusive { Some(connection) } else { self.end_lease(connection) };
        let Some(mut free) = free else { return };
        if self.shut_down || free.is_retired() || (!is_exclusive && free.is_closed()) {
            return self.free(&free.host);
        }
        // The turn before the connection: it is idle since this one.
        self.turn(&free.host);
        let (since, turn) = (self.sweep, self.turns);
        let Some(known) = self.of(&free.host) else { return self.close(&free.host) };
        known.host.counts.idle.fetch_add(1, Relaxed);
        known.idle.push(Idle { connection: free, since, turn });
    }

    /// A connection has left its place, which is free.
    pub(super) fn free(&mut self, host: &Host) {
        self.turn(host);
        self.close(host);
    }

    /// A place of this host's origin has become free, with an idle connection in it or empty.
    fn turn(&mut self, host: &Host) {
        self.turns += 1;
        host.counts.turns.fetch_add(1, Relaxed);
    }

    /// Whether nothing follows from what has become free at this host: nobody waits for it, no connection has
    /// to go, and it was not the last one.
    #[inline]
    pub(super) fn is_settled(&self, host: &Host, limits: &PoolLimits) -> bool {
        self.queue.is_empty() && self.open > 0 && host.counts.idle.load(Relaxed) <= limits.idle_per_origin
    }

    /// The connection that has to go, if too many are idle at this origin.
    pub(super) fn trim(&mut self, host: &Host, limits: &PoolLimits) -> Option<Box<Pooled<L>>> {
        let too_many = host.counts.idle.load(Relaxed) > limits.idle_per_origin;
        too_many.then(|| self.take_oldest_idle(Some(host), u64::MAX)).flatten()
    }

    /// What there is for a request to `host`: a connection, or room for one, after an idle one of others has
    /// gone if need be. `fresh` passes its own idle connections by, unless they are shared.
    ///
    /// Idle connections of others are spared if they came back after the turn `spared_since`.
    pub(super) fn grant(
        &mut self,
        host: &Host,
        fresh: bool,
        spared_since: u64,
        limits: &PoolLimits,
    ) -> Option<Granted<L>> {
        if let Some(connection) = self.own(host, fresh) {
            return Some((Grant::Connection(connection), None));
        }
        // Only when there is nothing of its own: a place means a handshake, on the wire and for the login.
        let closed = self.make_room(host, spared_since, limits)?;
        Some((Grant::Place(self.open(host)), closed))
    }

    /// A connection that a request to `host` can use as it is.
    fn own(&mut self, host: &Host, fresh: bool) -> Option<Box<Pooled<L>>> {
        if fresh { self.branch(host) } else { self.pop_idle(host) }
    }

    /// Since which turn idle connections are spared for those who can use them as they are.
    ///
    /// Who has connections in use is about to get one of them back, so the idle ones of others go to it only
    /// once half as many places have become free again as there are connections: nobody wanted them by then.
    pub(super) fn spared_since(&self, host: &Host, fresh: bool) -> u64 {
        match host.has_own() && !fresh {
            true => self.turns.saturating_sub(self.open as u64 / 2),
            false => u64::MAX,
        }
    }

    /// Has a request wait.
    pub(super) fn join(&mut self, host: Arc<Host>, fresh: bool, limits: &PoolLimits) -> Arc<Waiter<L>> {
        let due = |turns: u64, before: usize, places: usize| {
            turns.saturating_add(2 * before as u64).saturating_add(places as u64)
        };
        let counts = &host.counts;
        // Counted before it joins: how many were there before it is what makes it due.
        let before = counts.waiting.fetch_add(1, Relaxed);
        let due = Due {
            at_origin: due(counts.turns.load(Relaxed), before, limits.per_origin),
            in_all: due(self.turns, self.queue.len(), limits.total),
        };
        self.tickets += 1;
        let waiter = Waiter::new(host, fresh, self.tickets, due, self.turns);
        self.queue.join(Arc::clone(&waiter));
        waiter
    }

    pub(super) fn leave(&mut self, waiter: &Waiter<L>) {
        if self.queue.leave(waiter) {
            waiter.host.counts.waiting.fetch_sub(1, Relaxed);
        }
    }

    /// All that wait, who do so no longer.
    pub(super) fn take_waiters(&mut self) -> impl Iterator<Item = Arc<Waiter<L>>> + use<L> {
        self.queue.take_all().inspect(|waiter| {
            waiter.host.counts.waiting.fetch_sub(1, Relaxed);
        })
    }

    /// Whether others have been served before it for long enough.
    fn is_due(&self, waiter: &Waiter<L>, limits: &PoolLimits) -> bool {
        match waiter.host.open() < limits.per_origin {
            true => self.turns >= waiter.due.in_all,
            false => waiter.host.counts.turns.load(Relaxed) >= waiter.due.at_origin,
        }
    }

    /// Serves one of those that wait, if there is something for it: first who is due, then who can use as it
    /// is what became free at `host`, then all in the order of asking.
    pub(super) fn serve_one(&mut self, host: Option<&Host>, limits: &PoolLimits) -> Option<Served<L>> {
        if self.queue.is_empty() {
            return None;
        }
        let due = self.queue.firsts().filter(|waiter| self.is_due(waiter, limits));
        // Collected first: serving one takes it out of the queue that is being walked.
        let due: Vec<_> = due.map(Arc::clone).collect();
        let served = due.iter().find_map(|waiter| self.serve(waiter, u64::MAX, limits));
        // Own before any: a connection that comes back is worth a login to those of its own host, and nothing to the
        // others until it is closed. That they are not passed over for ever is what `is_due` is for.
        served.or_else(|| self.serve_own(host?)).or_else(|| self.serve_any(limits))
    }

    /// Serves the first of all for whom there is something.
    fn serve_any(&mut self, limits: &PoolLimits) -> Option<Served<L>> {
        // As a rule that is the very first.
        let mut ticket = 0;
        while let Some(waiter) = self.queue.first_behind(ticket).map(Arc::clone) {
            let spared_since = self.spared_since(&waiter.host, waiter.fresh);
            let served = self.serve(&waiter, spared_since.max(waiter.looked.load(Relaxed)), limits);
            if served.is_some() {
                return served;
            }
            ticket = waiter.ticket;
        }
        None
    }

    /// Serves the first that waits for this host, if there is a connection that it can use as it is.
    fn serve_own(&mut self, host: &Host) -> Option<Served<L>> {
        let waiter = Arc::clone(self.queue.first_of(host)?);
        let connection = self.own(host, waiter.fresh)?;
        self.leave(&waiter);
        Some((waiter.give(Grant::Connection(connection)), None))
    }

    /// Serves as many of those that wait as there is something for.
    pub(super) fn serve_all(&mut self, limits: &PoolLimits) -> Vec<Served<L>> {
        self.found_closed = false;
        std::iter::from_fn(|| self.serve_one(None, limits)).collect()
    }

    /// Serves this one, if there is something for it.
    fn serve(&mut self, waiter: &Waiter<L>, spared_since: u64, limits: &PoolLimits) -> Option<Served<L>> {
        let (grant, closed) = self.grant(&waiter.host, waiter.fresh, spared_since, limits)?;
        self.leave(waiter);
        Some((waiter.give(grant), closed))
    }

    /// Serves this one, if there is something for it that has been idle since it last looked.
    pub(super) fn look_again(&mut self, waiter: &Waiter<L>, limits: &PoolLimits) -> Option<Served<L>> {
        // Noted also where there is nothing for it: the next look takes what has been idle since this one.
        let looked = waiter.looked.swap(self.turns, Relaxed);
        let is_first = self.queue.is_first(waiter);
        is_first.then(|| self.serve(waiter, looked, limits)).flatten()
    }

    /// Whether idle connections turned out to be closed, since places were last offered to all that wait.
    #[inline]
    pub(super) fn has_found_closed(&self) -> bool {
        self.found_closed && !self.queue.is_empty()
    }

    fn may_open(&self, host: &Host, limits: &PoolLimits) -> bool {
        host.open() < limits.per_origin && self.open < limits.total && !host.awaits_first()
    }

    /// Whether there is room for a connection to `host`, after closing an idle one if need be,
    /// which is returned.
    fn make_room(
        &mut self,
        host: &Host,
        spared_since: u64,
        limits: &PoolLimits,
    ) -> Option<Option<Box<Pooled<L>>>> {
        if self.may_open(host, limits) {
            return Some(None);
        }
        if host.awaits_first() {
            return None;
        }
        let closed = match host.open() < limits.per_origin {
            true => self.take_oldest_idle(None, spared_since),
            false if host.counts.idle.load(Relaxed) == 0 => None,
            false => self.take_oldest_idle(Some(host), spared_since),
        }?;
        Some(Some(closed))
    }

    /// Takes what has been idle for longest, at this host's origin or of all, if it is not spared.
    ///
    /// Many may ask in vain, one after the other: how long it has been idle is remembered for them.
    fn take_oldest_idle(&mut self, at: Option<&Host>, spared_since: u64) -> Option<Box<Pooled<L>>> {
        let idle_from = at.map_or(self.idle_from, |host| host.counts.idle_from.load(Relaxed));
        // A walk over all hosts for each of a thousand requests that wait would be quadratic. What the last one found
        // holds until something becomes idle.
        if spared_since < idle_from {
            return None;
        }
        // Of each host the first in the list: connections are put back at its end.
        let oldest = self
            .hosts
            .values_mut()
            .flatten()
            .filter(|known| at.is_none_or(|host| known.host.origin == host.origin) && !known.idle.is_empty())
            .min_by_key(|known| known.idle[0].turn);
        let turn = oldest.as_ref().map_or(self.turns + 1, |oldest| oldest.idle[0].turn);
        let Some(oldest) = oldest.filter(|_| turn <= spared_since) else {
            match at {
                Some(host) => host.counts.idle_from.store(turn, Relaxed),
                None => self.idle_from = turn,
            }
            return None;
        };
        // The oldest at its origin goes, not the oldest at its host: the limit is the origin's.
        let idle = oldest.idle.remove(0);
        let host = Arc::clone(&oldest.host);
        host.counts.idle.fetch_sub(1, Relaxed);
        // The place is free from here on, though the connection still has to be dropped by whoever has called.
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
        // They would hold on to their hosts.
        self.recent = Default::default();
        self.hosts.retain(|_, bucket| {
            bucket.retain(|known| !known.idle.is_empty() || Arc::strong_count(&known.host) > 1);
            !bucket.is_empty()
        });
        self.origins.retain(|_, counts| Arc::strong_count(counts) > 1);
        self.tidy_at = 2 * self.hosts.len() + FEW_HOSTS;
    }

    /// Room for a connection, which is now to be made.
    pub(super) fn open(&mut self, host: &Host) -> Generation {
        self.open += 1;
        host.enter();
        host.begin_connecting()
    }

    pub(super) fn close(&mut self, host: &Host) {
        self.open -= 1;
        host.leave();
    }
}
