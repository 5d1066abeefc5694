//! Leases of connections that carry many requests at a time: one is a branch of the connection, with an
//! authentication of its own.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use crate::client::pool::host::Host;
use crate::client::pool::poolable::Poolable;
use crate::client::pool::pooled::{LeaseKind, Pooled};
use crate::client::pool::shared::SharedConnection;
use crate::client::pool::state::{HostState, PoolState};

impl<L: Poolable> HostState<L> {
    /// Room on a connection that carries other requests.
    pub(super) fn branch(&mut self) -> Option<Box<Pooled<L>>> {
        self.shared.iter_mut().find_map(SharedConnection::lease)
    }

    /// Takes an idle connection that can be shared.
    pub(super) fn pop_shareable(&mut self) -> Option<Box<Pooled<L>>> {
        let at = self.idle.iter().rposition(|idle| matches!(idle.connection.kind, LeaseKind::Shared(_)))?;
        self.host.counts.idle.fetch_sub(1, Relaxed);
        Some(self.idle.remove(at).connection)
    }
}

impl<L: Poolable> PoolState<L> {
    /// Shares a connection that was just made, for one request at first.
    pub(super) fn share(&mut self, mut connection: Box<Pooled<L>>) -> Box<Pooled<L>> {
        self.shareable += 1;
        connection.kind = LeaseKind::Shared(self.shareable);
        // It ended before its first request: leased as it is, it fails there like any other.
        let Some(branch) = connection.branch() else { return connection };
        let host = Arc::clone(&connection.host);
        let known = self.of(&host).expect("a host is known while there are connections to it");
        known.shared.push(SharedConnection { connection, leases: 1 });
        branch
    }

    /// What is leased of a connection that nobody uses: itself, or a branch.
    pub(super) fn lease_out(&mut self, connection: Box<Pooled<L>>) -> Option<Box<Pooled<L>>> {
        if let LeaseKind::Exclusive = connection.kind {
            return Some(connection);
        }
        let host = Arc::clone(&connection.host);
        let mut shared = SharedConnection { connection, leases: 0 };
        let Some(branch) = shared.lease() else {
            // Closed or used up since it was put back: its place is free, and the next one is looked at.
            self.close(&host);
            return None;
        };
        let known = self.of(&host).expect("a host is known while there are connections to it");
        known.shared.push(shared);
        Some(branch)
    }

    /// A branch of a connection to this host that is in use or idle.
    pub(super) fn branch(&mut self, host: &Host) -> Option<Box<Pooled<L>>> {
        loop {
            let known = self.of(host)?;
            if let Some(branch) = known.branch() {
                return Some(branch);
            }
            let connection = known.pop_shareable()?;
            if let Some(branch) = self.lease_out(connection) {
                return Some(branch);
            }
        }
    }

    /// The connection that is free now that this lease of it has ended: itself, or what it was the
    /// last branch of.
    pub(super) fn end_lease(&mut self, mut ended: Box<Pooled<L>>) -> Option<Box<Pooled<L>>> {
        let LeaseKind::Branch(number) = ended.kind else { return Some(ended) };
        let host = Arc::clone(&ended.host);
        let shared = &mut self.of(&host)?.shared;
        let is_it = |shared: &SharedConnection<L>| matches!(shared.connection.kind, LeaseKind::Shared(its) if its == number);
        let at = shared.iter().position(is_it)?;
        // A branch that was used leaves its login behind, for the next branch, and the connection is no new one any more: a
        // failure may be its idle time's.
        shared[at].connection.graft(&mut ended);
        shared[at].leases -= 1;
        (shared[at].leases == 0).then(|| shared.swap_remove(at).connection)
    }
}
