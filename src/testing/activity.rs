//! Knowing whether a connection is busy.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Notify;

/// Whether a connection has requests to answer, and whether it is to end after that.
#[derive(Debug, Default)]
pub(super) struct Activity {
    busy: AtomicUsize,
    ends: AtomicBool,
    pub(super) ended: Notify,
}

impl Activity {
    /// Begins an answer.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Answering(self.clone())
    }

    pub(super) fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }
}

/// An answer under way, from the request's head to the end of the response's content.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Answering {
    /// The connection is closed behind the answer. The head is long written by then, so nothing
    /// in it says so.
    pub(super) fn ends_the_connection(&self) {
        self.0.ends.store(true, Ordering::SeqCst);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        if self.0.ends.load(Ordering::SeqCst) {
            self.0.ended.notify_one();
        }
    }
}
