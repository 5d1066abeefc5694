//! Connections that carry many requests at a time.

use crate::client::pool::poolable::Poolable;
use crate::client::pool::pooled::Pooled;

/// A connection while branches of it are leased. Without any it is idle, as others are.
pub(super) struct SharedConnection<L> {
    pub(super) connection: Box<Pooled<L>>,
    pub(super) leases: usize,
}

impl<L: Poolable> SharedConnection<L> {
    pub(super) fn lease(&mut self) -> Option<Box<Pooled<L>>> {
        if self.connection.is_retired() || !self.connection.takes_more_than(self.leases) {
            return None;
        }
        let branch = self.connection.branch()?;
        self.leases += 1;
        Some(branch)
    }
}
