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
    news: Mutex<News>,
}

/// What refusals have said, each reason once.
#[derive(Debug, Default)]
struct News {
    unread: Vec<String>,
    read: Vec<String>,
}

/// How many reasons are kept. Past it, all count as new.
const REASONS: usize = 16;

impl Counts {
    /// A tunnel that is open until the guard is dropped.
    pub(super) fn tunnel(self: &Arc<Self>) -> Counted {
        self.tunnels.fetch_add(1, Ordering::Relaxed);
        Counted(Arc::clone(self))
    }

    pub(super) fn refused(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = news.unread.iter().chain(&news.read).any(|known| known == why);
        if !is_known && news.unread.len() < REASONS {
            news.unread.push(why.to_owned());
        }
    }

    /// Why requests were refused, as far as nobody has been told that yet.
    pub(crate) fn news(&self) -> Vec<String> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = std::mem::take(&mut news.unread);
        if news.read.len() + unread.len() > REASONS {
            news.read.clear();
        }
        news.read.extend_from_slice(&unread);
        unread
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
