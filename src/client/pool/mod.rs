//! Exclusive leases of connections, or of their branches, by origin and identity.

mod host;
mod lease;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod waiter;

pub(super) use host::{Host, Wanted};
pub(super) use lease::{Lease, Parked, Permit};

use std::hash::RandomState;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;

use crate::client::pool::host::Generation;
use crate::client::pool::lease::{Kind, Pooled};
use crate::client::pool::state::State;
use crate::client::pool::waiter::{Grant, Waiter, Waiting, wake};
use crate::service::{BoxError, ErrorKind};

/// How many connections there are, and for how long.
#[derive(Clone, Copy, Debug)]
pub(super) struct PoolLimits {
    pub(super) per_origin: usize,
    pub(super) total: usize,
    pub(super) idle_per_origin: usize,
    pub(super) idle_timeout: Duration,
    /// How long a request waits for a place.
    pub(super) wait_timeout: Duration,
}

impl Default for PoolLimits {
    fn default() -> Self {
        Self {
            per_origin: 64,
            total: 512,
            idle_per_origin: 64,
            idle_timeout: Duration::from_secs(90),
            // As long as the handshake of the request before may take.
            wait_timeout: Duration::from_secs(120),
        }
    }
}

/// What the pool has to know of a connection.
pub(super) trait Leaf {
    /// Whether it is told when the server closes it. Where it is not, that shows with the next
    /// request.
    const SEES_ITS_END: bool = true;

    /// How many requests it carries at a time.
    fn streams(&self) -> usize {
        1
    }

    /// The same connection for requests at the same time, if it carries more than one.
    fn branch(&self) -> Option<Self>
    where
        Self: Sized,
    {
        None
    }

    /// Whether another request can be sent now.
    fn is_ready(&self) -> bool;

    /// Whether no other request can ever be sent.
    fn is_closed(&self) -> bool;

    /// Resolves when another request can be sent.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxError>>;
}

/// How often within the idle timeout idle connections are looked through.
const SWEEPS_PER_TIMEOUT: u32 = 4;

/// For how long a request waits for a connection that is made for another one.
const PATIENCE: Duration = Duration::from_secs(1);

pub(super) struct Pool<L> {
    state: Mutex<State<L>>,
    limits: PoolLimits,
    hasher: RandomState,
    /// Told whenever the last connection is gone.
    empty: Notify,
}

/// What a request gets from the pool.
pub(super) enum Checkout<'a, L: Leaf> {
    Lease(Lease<'a, L>),
    Connect(Permit<'a, L>),
}

impl<L: Leaf> Pool<L> {
    /// `may_share` says that a connection by TLS may turn out to carry many requests at a time.
    pub(super) fn new(limits: PoolLimits, may_share: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(State::new(may_share)),
            limits,
            hasher: RandomState::new(),
            empty: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, State<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An idle connection, if there is one.
    pub(super) fn checkout_idle(&self, wanted: Wanted<'_>) -> Result<Option<Lease<'_, L>>, ErrorKind> {
        let mut state = self.lock();
        if state.shut_down {
            return Err(ErrorKind::ShutDown);
        }
        let host = state.host(&self.hasher, wanted).map_err(ErrorKind::Origin)?;
        Ok(state.pop_idle(&host).map(|connection| Lease::new(self, connection)))
    }

    /// A connection, or the right to make one; resolves in the order of asking, or when the time to wait
    /// for it is over. `fresh` passes idle connections by, unless they are shared: their end is seen by all
    /// requests on them.
    pub(super) async fn checkout(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        fresh: bool,
    ) -> Result<Checkout<'_, L>, ErrorKind> {
        let timeout = self.limits.wait_timeout;
        let waiting = tokio::time::timeout(timeout, self.wait_for(wanted, fresh));
        waiting.await.unwrap_or(Err(ErrorKind::Timeout("waiting for a free connection", timeout)))
    }

    async fn wait_for(
        self: &Arc<Self>,
        wanted: Wanted<'_>,
        fresh: bool,
    ) -> Result<Checkout<'_, L>, ErrorKind> {
        let waiter = {
            let mut state = self.lock();
            if state.shut_down {
                return Err(ErrorKind::ShutDown);
            }
            let host = state.host(&self.hasher, wanted).map_err(ErrorKind::Origin)?;
            let there = if fresh { state.branch(&host) } else { state.pop_idle(&host) };
            if let Some(connection) = there {
                drop(state);
                return Ok(Checkout::Lease(Lease::new(self, connection)));
            }
            if let Some(closed) = state.make_room(&host, &self.limits) {
                let generation = state.open(&host);
                drop(state);
                drop(closed);
                return Ok(Checkout::Connect(Permit::new(self, host, generation)));
            }
            let waiter = Waiter::new(host, fresh);
            state.waiters.push_back(Arc::clone(&waiter));
            waiter
        };
        let host = Arc::clone(&waiter.host);
        let waiting = Waiting::new(self, waiter);
        let granted = if host.awaits_first() {
            // Who makes the first connection may have stopped in the middle of it: a future need not
            // be polled to its end.
            tokio::time::timeout(PATIENCE, waiting).await
        } else {
            Ok(waiting.await)
        };
        match granted {
            // It was retired before this request came to use it.
            Ok(Ok(Checkout::Lease(lease))) if lease.is_retired() => drop(lease),
            Ok(granted) => return granted,
            Err(_) => host.counts.one_by_one.store(false, Relaxed),
        }
        Box::pin(self.wait_for(wanted, fresh)).await
    }

    fn grant(self: &Arc<Self>, grant: Grant<L>, host: Arc<Host>) -> Result<Checkout<'_, L>, ErrorKind> {
        match grant {
            Grant::Connection(connection) => Ok(Checkout::Lease(Lease::new(self, connection))),
            Grant::Place(since) => Ok(Checkout::Connect(Permit::new(self, host, since))),
            Grant::ShutDown => Err(ErrorKind::ShutDown),
        }
    }

    /// A connection was made. Where it can be shared, others that wait for one need none of their
    /// own; else they may make it now.
    fn connected(&self, mut connection: Box<Pooled<L>>) -> Lease<'_, L> {
        let mut state = self.lock();
        let host = Arc::clone(&connection.host);
        host.end_connecting(connection.generation());
        let is_shared = connection.carries_many();
        let had_to_wait = host.counts.one_by_one.swap(is_shared, Relaxed);
        let leased = if is_shared { state.share(connection) } else { connection };
        if !is_shared && !had_to_wait {
            return Lease::new(self, leased);
        }
        let wakers = state.serve(&self.limits);
        drop(state);
        wakers.into_iter().for_each(wake);
        Lease::new(self, leased)
    }

    /// A connection could not be made: others that wait for it try for themselves.
    fn failed(&self, host: &Host, since: Generation) {
        host.counts.one_by_one.store(false, Relaxed);
        self.give_up(host, since);
    }

    /// A connection is not made after all.
    fn give_up(&self, host: &Host, since: Generation) {
        let mut state = self.lock();
        host.end_connecting(since);
        state.close(host);
        let wakers = state.serve(&self.limits);
        self.wake_if_empty(&state);
        drop(state);
        wakers.into_iter().for_each(wake);
    }

    /// Takes a connection back: for the first waiter that it serves, else as idle.
    fn put_back(&self, connection: Box<Pooled<L>>) {
        let state = self.lock();
        match connection.kind {
            Kind::Exclusive => self.hand_on(state, connection),
            Kind::Shared(_) | Kind::Branch(_) => self.end_lease(state, connection),
        }
    }

    /// Takes back a lease of a connection that can be shared.
    fn end_lease(&self, mut state: MutexGuard<'_, State<L>>, ended: Box<Pooled<L>>) {
        let host = Arc::clone(&ended.host);
        match state.end_lease(ended) {
            Some(mut connection) => match connection.is_closed() {
                true => self.free_place(state, &host),
                false => self.hand_on(state, connection),
            },
            None => {
                // Others are on it still: there is room for one more.
                let first = state.waiters.iter().position(|waiter| Arc::ptr_eq(&waiter.host, &host));
                let Some(first) = first else { return };
                let Some(branch) = state.branch(&host) else { return };
                let waiter = state.waiters.remove(first).expect("it was just found there");
                let waker = waiter.give(Grant::Connection(branch));
                drop(state);
                wake(waker);
            }
        }
    }

    /// Passes a connection without requests on.
    fn hand_on(&self, mut state: MutexGuard<'_, State<L>>, connection: Box<Pooled<L>>) {
        let host = &connection.host;
        if state.shut_down {
            state.close(host);
            self.wake_if_empty(&state);
            return;
        }
        if connection.is_retired() {
            self.free_place(state, host);
            return;
        }
        // A waiter for another origin whose own limit has room waits for the total alone, unless a
        // connection is being made for it.
        let per_origin = self.limits.per_origin;
        let first = state.waiters.iter().position(|waiter| {
            let has_room = waiter.host.open() < per_origin && !waiter.host.awaits_first();
            waiter.host.origin == host.origin || has_room
        });
        let Some(waiter) = first.and_then(|first| state.waiters.remove(first)) else {
            let closed = state.put_idle(connection, &self.limits);
            drop(state);
            drop(closed);
            return;
        };
        let is_shared = matches!(connection.kind, Kind::Shared(_));
        let (leased, closed) = if Arc::ptr_eq(&waiter.host, host) && (is_shared || !waiter.fresh) {
            (state.lease_out(connection), None)
        } else {
            // Blocked by this connection alone, which serves another identity or origin.
            state.close(host);
            (None, Some(connection))
        };
        let grant = leased.map(Grant::Connection).unwrap_or_else(|| Grant::Place(state.open(&waiter.host)));
        let waker = waiter.give(grant);
        drop(state);
        wake(waker);
        drop(closed);
    }

    /// A place has become free: for the first waiter that may have it.
    fn free(&self, host: &Host) {
        self.free_place(self.lock(), host);
    }

    fn free_place(&self, mut state: MutexGuard<'_, State<L>>, host: &Host) {
        state.close(host);
        let limits = &self.limits;
        let first = state.waiters.iter().position(|waiter| state.may_open(&waiter.host, limits));
        if let Some(waiter) = first.and_then(|first| state.waiters.remove(first)) {
            let place = Grant::Place(state.open(&waiter.host));
            let waker = waiter.give(place);
            drop(state);
            wake(waker);
        } else {
            self.wake_if_empty(&state);
        }
    }

    fn wake_if_empty(&self, state: &State<L>) {
        if state.open == 0 {
            self.empty.notify_waiters();
        }
    }

    /// Uses up the connections to these hosts: those that are idle are closed at once, those that are
    /// in use or being made when they come back.
    pub(super) fn retire(&self, which: impl Fn(&Host) -> bool) {
        let mut state = self.lock();
        let closed = state.retire(which);
        // Among those that wait may be some for a connection that they are not to have any more.
        let wakers = state.serve(&self.limits);
        self.wake_if_empty(&state);
        drop(state);
        wakers.into_iter().for_each(wake);
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
        L: Send + 'static,
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
        self.retire(|_| true);
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
        (state.open, state.idle())
    }
}
