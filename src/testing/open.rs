//! A connection as the report has it.

use std::net::SocketAddr;
use std::sync::Arc;

use super::shared::ServerState;

/// A connection in the report, which says that it is closed when this is dropped.
pub(super) struct OpenConnection {
    pub(super) shared: Arc<ServerState>,
    pub(super) number: usize,
}

impl OpenConnection {
    pub(super) fn new(shared: Arc<ServerState>, peer: Option<SocketAddr>) -> Self {
        let number = shared.recorder.opened(peer);
        Self { shared, number }
    }
}

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.shared.recorder.closed(self.number);
    }
}
