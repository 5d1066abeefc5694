//! Which servers take IAKERB only without SPNEGO around it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many are remembered.
const MAX: usize = 1_024;

/// Servers by their target names. What is remembered of one saves a leg, and decides nothing: where it has become wrong, the
/// other form is tried.
#[derive(Debug, Default)]
pub(super) struct BareServers(Mutex<HashSet<Arc<str>>>);

impl BareServers {
    /// The server has answered IAKERB without SPNEGO, after it had not with.
    pub(super) fn note(&self, target_name: &Arc<str>) {
        let mut servers = self.lock();
        if servers.len() >= MAX && !servers.contains(target_name) {
            let any = servers.iter().next().cloned();
            any.and_then(|any| servers.take(&any));
        }
        servers.insert(Arc::clone(target_name));
    }

    /// It does not any more.
    pub(super) fn forget(&self, target_name: &str) {
        self.lock().remove(target_name);
    }

    /// Whether it does.
    pub(super) fn has(&self, target_name: &str) -> bool {
        self.lock().contains(target_name)
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_many_are_remembered_and_the_latest_among_them() {
        let servers = BareServers::default();
        for server in 0..3 * MAX {
            let target_name = format!("HTTP/www{server}.lab.test").into();
            servers.note(&target_name);
            assert!(servers.has(&target_name) && servers.lock().len() <= MAX);
        }
        assert_eq!(servers.lock().len(), MAX);
    }
}
