//! Requests in the order in which they asked: those of one host among themselves, and all of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::client::pool::host::Host;
use crate::client::pool::waiter::Waiter;

/// Requests that wait, each under the number of its ticket.
///
/// Whoever is first among the requests of its host is served before the others of that host, whatever
/// becomes free: so the first ones are all that has to be looked at.
pub(super) struct WaiterQueue<L> {
    /// By host, then by ticket.
    all: BTreeMap<(HostNumber, u64), Arc<Waiter<L>>>,
    /// The first of each host.
    firsts: BTreeMap<u64, Arc<Waiter<L>>>,
}

/// Where a host is in memory. A waiter holds on to its host, so there is no other one there.
type HostNumber = usize;

fn number(host: &Host) -> HostNumber {
    std::ptr::from_ref(host) as usize
}

impl<L> WaiterQueue<L> {
    pub(super) fn new() -> Self {
        Self { all: BTreeMap::new(), firsts: BTreeMap::new() }
    }

    /// Lets a request wait. Its ticket is higher than all before.
    pub(super) fn join(&mut self, waiter: Arc<Waiter<L>>) {
        if self.first_of(&waiter.host).is_none() {
            self.firsts.insert(waiter.ticket, Arc::clone(&waiter));
        }
        self.all.insert((number(&waiter.host), waiter.ticket), waiter);
    }

    /// Takes a request out, wherever it is. Tells whether it was there.
    pub(super) fn leave(&mut self, waiter: &Waiter<L>) -> bool {
        let was_there = self.all.remove(&(number(&waiter.host), waiter.ticket)).is_some();
        if self.firsts.remove(&waiter.ticket).is_some() {
            let next = self.first_of(&waiter.host).map(Arc::clone);
            self.firsts.extend(next.map(|next| (next.ticket, next)));
        }
        was_there
    }

    /// All of them, who wait no longer.
    pub(super) fn take_all(&mut self) -> impl Iterator<Item = Arc<Waiter<L>>> + use<L> {
        self.firsts.clear();
        std::mem::take(&mut self.all).into_values()
    }

    pub(super) fn first_of(&self, host: &Host) -> Option<&Arc<Waiter<L>>> {
        let host = number(host);
        self.all.range((host, 0)..=(host, u64::MAX)).next().map(|(_, waiter)| waiter)
    }

    /// The next after this ticket of those that are the first of their hosts.
    pub(super) fn first_behind(&self, ticket: u64) -> Option<&Arc<Waiter<L>>> {
        self.firsts.range(ticket + 1..).next().map(|(_, waiter)| waiter)
    }

    /// The first of each host, in the order of asking.
    pub(super) fn firsts(&self) -> impl Iterator<Item = &Arc<Waiter<L>>> {
        self.firsts.values()
    }

    pub(super) fn is_first(&self, waiter: &Waiter<L>) -> bool {
        self.firsts.contains_key(&waiter.ticket)
    }

    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.firsts.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.all.len()
    }
}
