//! A connection as the report has it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::shared::ServerState;

/// A connection in the report, which says that it is closed when this is dropped.
pub(super) struct Open {
    pub(super) shared: Arc<ServerState>,
    pub(super) number: usize,
}

impl Open {
    pub(super) fn new(shared: Arc<ServerState>, peer: Option<SocketAddr>) -> Self {
        let number = shared.recorder.opened(peer);
        Self { shared, number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.recorder.closed(self.number);
    }
}
