//! What the proxy has done so far.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

/// Counters that all connections share. `Display` is one line.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    tunnels: AtomicU64,
    tunnels_closed: AtomicU64,
    refused: AtomicU64,
    pub(super) to_upstream: AtomicU64,
    pub(super) to_local: AtomicU64,
    /// What the last refusal said, until somebody has read it.
    news: Mutex<News>,
}

#[derive(Debug, Default)]
struct News {
    last: String,
    unread: bool,
}

impl Counts {
    /// A tunnel that is open until the guard is dropped.
    pub(super) fn tunnel(self: &Arc<Self>) -> Counted {
        self.tunnels.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    pub(super) fn refused(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        if news.last != why {
            *news = News { last: why.to_owned(), unread: true };
        }
    }

    /// Why the last request was refused, if nobody has been told that yet.
    pub(crate) fn news(&self) -> Option<String> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut news.unread).then(|| news.last.clone())
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // In this order, so that none seems to have closed before it opened.
        let closed = of(&self.tunnels_closed);
        let tunnels = of(&self.tunnels);
        write!(
            f,
            "{} tunnels open of {tunnels}, {} octets out, {} in, {} refused",
            tunnels - closed,
            of(&self.to_upstream),
            of(&self.to_local),
            of(&self.refused)
        )
    }
}

/// One tunnel in the counters.
pub(super) struct Counted(Arc<Counts>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.tunnels_closed.fetch_add(1, Ordering::Relaxed);
    }
}
