//! Exclusive leases of connections, or of their branches, by origin and identity.

mod branches;
mod host;
mod lease;
mod limits;
mod poolable;
mod pooled;
mod queue;
mod shared;
mod state;
#[cfg(test)]
mod tests;
mod waiter;

pub(super) use host::{Host, WantedConnection};
pub(super) use lease::{Lease, Parked, Permit};
pub(super) use limits::PoolLimits;
pub(super) use poolable::Poolable;

use std::hash::RandomState;
use std::pin::{Pin, pin};
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::Notify;

use crate::client::pool::host::Generation;
use crate::client::pool::pooled::{Home, Pooled};
use crate::client::pool::state::{PoolState, Served};
use crate::client::pool::waiter::{Grant, Waiter, wake};
use crate::service::ErrorKind;

/// How often within the idle timeout idle connections are looked through.
const SWEEPS_PER_TIMEOUT: u32 = 4;

/// For how long a request waits for a connection that is made for another one.
const PATIENCE: Duration = Duration::from_secs(1);

/// How long a request waits before it first looks whether connections of others are idle, while connections
/// that it could use as they are are busy. Each wait is twice as long as the one before, up to the longest. A look
/// takes only what was idle at the one before, so an idle connection is spared for two waits at most.
const FIRST_LOOK: Duration = Duration::from_millis(5);
const LONGEST_PAUSE: Duration = Duration::from_millis(80);

pub(super) struct Pool<L> {
    state: Mutex<PoolState<L>>,
    limits: PoolLimits,
    hasher: RandomState,
    /// Told whenever the last connection is gone.
    empty: Notify,
}

/// What a request gets from the pool.
pub(super) enum Checkout<'a, L: Poolable> {
    Lease(Lease<'a, L>),
    Connect(Permit<'a, L>),
}

impl<L: Poolable> Pool<L> {
    /// `may_share` says that a connection over TLS may turn out to carry many requests at a time.
    pub(super) fn new(limits: PoolLimits, may_share: bool) -> Arc<Self> {
        Arc::new(Self {
            state: Mutex::new(PoolState::new(may_share)),
            limits,
            hasher: RandomState::new(),
            empty: Notify::new(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, PoolState<L>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// There is something for one of those that wait: a connection or a place at this host.
    fn serve_one(&self, mut state: MutexGuard<'_, PoolState<L>>, host: &Host) {
        // Whoever waits comes before the limit of idle connections: what is given away is not idle.
        let served = state.serve_one(Some(host), &self.limits);
        let trimmed = state.trim(host, &self.limits);
        // What had to go leaves a place for somebody.
        let by_trimming = trimmed.as_ref().and_then(|_| state.serve_one(None, &self.limits));
        self.wake_if_empty(&state);
        drop(state);
        // Not under the lock: it closes a socket, and wakes the task that moves it.
        drop(trimmed);
        served.into_iter().chain(by_trimming).for_each(tell);
    }

    /// There may be something for several of those that wait.
    fn serve_all(&self, mut state: MutexGuard<'_, PoolState<L>>) {
        let served = state.serve_all(&self.limits);
        self.wake_if_empty(&state);
        drop(state);
        served.into_iter().for_each(tell);
    }

    /// A request that waits may have what others have not used since it last looked.
    fn look_again(&self, waiter: &Waiter<L>) {
        let served = self.lock().look_again(waiter, &self.limits);
        served.into_iter().for_each(tell);
    }

    fn wake_if_empty(&self, state: &PoolState<L>) {
        if state.open == 0 {
            self.empty.notify_waiters();
        }
    }

    /// Uses up the connections to these hosts: those that are idle are closed at once, those that are
    /// in use or being made when they come back.
    pub(super) fn retire(&self, which: impl Fn(&Host) -> bool) {
        let mut state = self.lock();
        // The generation goes up first, so that what comes back from here on is closed; then what is idle is taken
        // out, all under one lock: no request can find a connection in between.
        let closed = state.retire(which);
        // Among those that wait may be some for a connection that they are not to have any more.
        self.serve_all(state);
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
        // After the idle ones are gone, which may have been all that a host was kept for.
        state.forget_empty_hosts();
        self.serve_all(state);
        drop(closed);
    }

    /// Refuses new requests, closes what is idle, and waits for the rest.
    pub(super) async fn shut_down(&self) {
        let wakers: Vec<_> = {
            let mut state = self.lock();
            // First of all, so that from now on there can only be fewer connections.
            state.shut_down = true;
            state.take_waiters().map(|waiter| waiter.give(Grant::ShutDown)).collect()
        };
        wakers.into_iter().for_each(wake);
        // After the flag is set: a connection that comes back now is closed instead of put back.
        self.retire(|_| true);
        loop {
            // Before the count is read: the last one may go in between.
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

impl<L: Poolable + Send + 'static> Pool<L> {
    /// An idle connection, if there is one.
    pub(super) fn checkout_idle(
        &self,
        wanted: WantedConnection<'_>,
    ) -> Result<Option<Lease<'_, L>>, ErrorKind> {
        let mut state = self.lock();
        if state.shut_down {
            return Err(ErrorKind::ShutDown);
        }
        let host = state.host(&self.hasher, wanted).map_err(ErrorKind::Origin)?;
        // Past those that wait: a connection is idle only while nobody waits who could use it, or while it is spared
        // for its own host's requests, of which this is one.
        let lease = state.pop_idle(&host).map(|connection| Lease::new(self, connection));
        // The closed ones have left places, for which others may have been waiting. Whoever found them has a
        // connection already.
        if state.has_found_closed() {
            self.serve_all(state);
        }
        Ok(lease)
    }

    /// A connection, or the right to make one; fails when the time to wait for it is over. `fresh` passes
    /// idle connections by, unless they are shared: their end is seen by all requests on them.
    ///
    /// Requests of one identity to one host are served in the order of asking. Among the others, a connection
    /// that comes back goes first to a request that can use it as it is, for as long as nobody is [due](waiter::Due).
    pub(super) async fn checkout(
        self: &Arc<Self>,
        wanted: WantedConnection<'_>,
        fresh: bool,
    ) -> Result<Checkout<'_, L>, ErrorKind> {
        let timeout = self.limits.wait_timeout;
        let waiting = tokio::time::timeout(timeout, self.wait_for(wanted, fresh));
        waiting.await.unwrap_or(Err(ErrorKind::Timeout("waiting for a free connection", timeout)))
    }

    async fn wait_for(
        self: &Arc<Self>,
        wanted: WantedConnection<'_>,
        fresh: bool,
    ) -> Result<Checkout<'_, L>, ErrorKind> {
        let (host, waiting) = {
            let mut state = self.lock();
            if state.shut_down {
                return Err(ErrorKind::ShutDown);
            }
            let host = state.host(&self.hasher, wanted).map_err(ErrorKind::Origin)?;
            let spared_since = state.spared_since(&host, fresh);
            let granted = state.grant(&host, fresh, spared_since, &self.limits);
            // Under the lock that had nothing for it: what becomes free from now on is offered to it.
            let waits = granted.is_none().then(|| state.join(Arc::clone(&host), fresh, &self.limits));
            if state.has_found_closed() {
                self.serve_all(state);
            } else {
                drop(state);
            }
            if let Some((grant, _closed)) = granted {
                // What had to go for it, `_closed`, is dropped here, behind the lock: closing a socket may take time
                // and wakes its task.
                return self.grant(grant, host);
            }
            let waiter = waits.expect("it waits, or it was granted something");
            (host, WaitForGrant::new(self, waiter))
        };
        // Over TLS nobody knows before the handshake whether the connection will be HTTP/2 and carry all requests
        // that wait. So the others wait for the first, but not for ever.
        let granted = if host.awaits_first() {
            // Who makes the first connection may have stopped in the middle of it: a future need not
            // be polled to its end.
            tokio::time::timeout(PATIENCE, look_again_and_again(waiting)).await
        } else {
            Ok(look_again_and_again(waiting).await)
        };
        match granted {
            // It was retired before this request came to use it.
            // A log-out may have come between the grant and this poll: who has waited must not be served by a
            // connection of before.
            Ok(Ok(Checkout::Lease(lease))) if lease.is_retired() => drop(lease),
            Ok(granted) => return granted,
            // Nobody waits for that connection any more: each makes its own.
            Err(_) => host.counts.one_by_one.store(false, Relaxed),
        }
        // From the beginning, at the end of the queue. The time that was waited counts: the timeout is around all of
        // it.
        Box::pin(self.wait_for(wanted, fresh)).await
    }

    fn grant(self: &Arc<Self>, grant: Grant<L>, host: Arc<Host>) -> Result<Checkout<'_, L>, ErrorKind> {
        match grant {
            Grant::Connection(connection) => Ok(Checkout::Lease(Lease::new(&**self, connection))),
            Grant::Place(since) => Ok(Checkout::Connect(Permit::new(self, host, since))),
            Grant::ShutDown => Err(ErrorKind::ShutDown),
        }
    }

    /// Sweeps from now on, until the pool is dropped; again where the runtime that did it has ended.
    pub(super) fn keep_swept(self: &Arc<Self>) {
        let mut state = self.lock();
        if state.sweeping.as_ref().is_some_and(|task| !task.is_finished()) {
            return;
        }
        let interval = (self.limits.idle_timeout / SWEEPS_PER_TIMEOUT).max(Duration::from_millis(1));
        // Weak, or the pool would live for as long as its own sweeper.
        let pool = Arc::downgrade(self);
        state.sweeping = Some(tokio::spawn(async move {
            loop {
                tokio::time::sleep(interval).await;
                let Some(pool) = pool.upgrade() else { return };
                pool.sweep();
            }
        }));
    }
}

impl<L: Poolable + Send + 'static> Home<L> for Pool<L> {
    /// A connection was made. Where it can be shared, others that wait for one need none of their
    /// own; else they may make it now.
    fn connected(&self, mut connection: Box<Pooled<L>>) -> Box<Pooled<L>> {
        let mut state = self.lock();
        let host = Arc::clone(&connection.host);
        // It is there: whoever waited for it must not wait for the next one as well.
        host.end_connecting(connection.generation());
        let is_shared = connection.carries_many();
        // What the connection turned out to be is what the next one is taken to be: HTTP/2 again, so that one is made
        // at a time, or HTTP/1.1, so that each request makes its own.
        let had_to_wait = host.counts.one_by_one.swap(is_shared, Relaxed);
        let leased = if is_shared { state.share(connection) } else { connection };
        if !is_shared && !had_to_wait {
            return leased;
        }
        self.serve_all(state);
        leased
    }

    /// A connection could not be made: others that wait for it try for themselves.
    fn failed(&self, host: &Host, since: Generation) {
        // A server that cannot be reached makes one request after the other wait for its timeout otherwise.
        host.counts.one_by_one.store(false, Relaxed);
        self.give_up(host, since);
    }

    /// A connection is not made after all.
    fn give_up(&self, host: &Host, since: Generation) {
        let mut state = self.lock();
        host.end_connecting(since);
        // After the count of those being made, by which it is decided whether somebody may make the next one.
        state.free(host);
        self.serve_all(state);
    }

    /// Takes back a lease that has ended.
    fn put_back(&self, connection: Box<Pooled<L>>) {
        let host = Arc::clone(&connection.host);
        let mut state = self.lock();
        state.put_back(connection);
        if !state.is_settled(&host, &self.limits) {
            self.serve_one(state, &host);
        }
    }

    /// A place has become free.
    fn free(&self, host: &Host) {
        let mut state = self.lock();
        state.free(host);
        self.serve_one(state, host);
    }

    fn idle_timeout(&self) -> Duration {
        self.limits.idle_timeout
    }
}

/// Resolves when the waiter is given something; dropped before, it leaves the queue.
struct WaitForGrant<'a, L: Poolable + Send + 'static> {
    pool: &'a Arc<Pool<L>>,
    waiter: Option<Arc<Waiter<L>>>,
}

impl<'a, L: Poolable + Send + 'static> WaitForGrant<'a, L> {
    fn new(pool: &'a Arc<Pool<L>>, waiter: Arc<Waiter<L>>) -> Self {
        Self { pool, waiter: Some(waiter) }
    }

    /// Takes the place of what has been idle since it last looked, though others might use that as it is.
    fn look_again(&self) {
        if let Some(waiter) = &self.waiter {
            self.pool.look_again(waiter);
        }
    }
}

impl<'a, L: Poolable + Send + 'static> Future for WaitForGrant<'a, L> {
    type Output = Result<Checkout<'a, L>, ErrorKind>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // The slot has a lock of its own, so that a waiter is polled without the pool's.
        let waiter = self.waiter.as_ref().expect("not polled after it was ready");
        let mut slot = waiter.grant.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(grant) = slot.0.take() else {
            // In one go with the look: who gives something sees either an empty slot or this waker.
            slot.1 = Some(cx.waker().clone());
            return Poll::Pending;
        };
        drop(slot);
        let host = Arc::clone(&waiter.host);
        self.waiter = None;
        Poll::Ready(self.pool.grant(grant, host))
    }
}

impl<L: Poolable + Send + 'static> Drop for WaitForGrant<'_, L> {
    fn drop(&mut self) {
        let Some(waiter) = self.waiter.take() else { return };
        // Out of the queue first: after that nobody gives it anything more.
        self.pool.lock().leave(&waiter);
        let granted = waiter.grant.lock().unwrap_or_else(PoisonError::into_inner).0.take();
        match granted {
            Some(Grant::Connection(connection)) => self.pool.put_back(connection),
            Some(Grant::Place(since)) => self.pool.give_up(&waiter.host, since),
            Some(Grant::ShutDown) | None => {}
        }
    }
}

/// Waits, and looks every now and then whether others leave their connections idle.
async fn look_again_and_again<'a, L: Poolable + Send + 'static>(
    waiting: WaitForGrant<'a, L>,
) -> Result<Checkout<'a, L>, ErrorKind> {
    let mut waiting = pin!(waiting);
    let mut pause = FIRST_LOOK;
    loop {
        if let Ok(granted) = tokio::time::timeout(pause, waiting.as_mut()).await {
            return granted;
        }
        // A request with connections of its own prefers to wait for one of them. If nobody uses the others' idle ones
        // meanwhile, their place is worth more to this one.
        waiting.look_again();
        pause = LONGEST_PAUSE.min(pause * 2);
    }
}

/// Wakes a waiter that was served. What had to go for it goes first.
fn tell<L>((waker, closed): Served<L>) {
    drop(closed);
    wake(waker);
}

impl<L> Drop for Pool<L> {
    /// The task that sweeps would notice only when it next wakes.
    fn drop(&mut self) {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        if let Some(sweeping) = state.sweeping.take() {
            sweeping.abort();
        }
    }
}
