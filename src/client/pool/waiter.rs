//! Requests that wait for a connection.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Waker;

#[cfg(test)]
use crate::client::planted::Fault;
use crate::client::pool::host::{Generation, Host};
use crate::client::pool::pooled::Pooled;

/// What a waiter is given.
pub(super) enum Grant<L> {
    /// A connection of its own host.
    Connection(Box<Pooled<L>>),
    /// Room for a new one, counted already.
    Place(Generation),
    ShutDown,
}

/// A request in the queue.
pub(super) struct Waiter<L> {
    pub(super) host: Arc<Host>,
    /// Wants a connection that has seen no other request.
    pub(super) fresh: bool,
    /// Its number in the order of asking.
    pub(super) ticket: u64,
    pub(super) due: Due,
    /// The turn at which it last looked what is idle.
    pub(super) looked: AtomicU64,
    pub(super) grant: Mutex<(Option<Grant<L>>, Option<Waker>)>,
}

/// From which turn on nobody who came later is served before a request: by then twice as many places have
/// become free as requests waited before it, and once more as many as there are in all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Due {
    /// Of the places of its origin, where those are all taken.
    pub(super) at_origin: u64,
    /// Of all places.
    pub(super) in_all: u64,
}

impl<L> Waiter<L> {
    /// For a request that comes at this turn.
    pub(super) fn new(host: Arc<Host>, fresh: bool, ticket: u64, due: Due, turn: u64) -> Arc<Self> {
        Arc::new(Self { host, fresh, ticket, due, looked: AtomicU64::new(turn), grant: Mutex::default() })
    }

    /// Under the pool's lock, as is the giving up of a waiter: a grant never goes to one that has
    /// given up, where it would be lost. Who calls wakes the waiter after that.
    pub(super) fn give(&self, grant: Grant<L>) -> Option<Waker> {
        let mut slot = self.grant.lock().unwrap_or_else(PoisonError::into_inner);
        slot.0 = Some(grant);
        #[cfg(test)]
        if Fault::WaiterNotWoken.is_planted() {
            return None;
        }
        slot.1.take()
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
