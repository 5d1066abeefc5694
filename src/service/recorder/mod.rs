//! Conversations kept, to be shown.

mod escape;
mod mermaid;
mod page;
mod recording;
mod span_of_time;
mod text;

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::service::event::Event;
use crate::service::observe::{LegReport, Observer};
use crate::service::recorder::recording::Entry;

pub use recording::Recording;

/// An [`Observer`] that keeps what it is told, to show it: as text, as a Mermaid diagram, or as a page of HTML.
///
/// What it keeps has no secrets in it: kinds of tokens and their sizes, no tokens. Names of users, paths and the words of
/// servers are there; [`without_user_names`](crate::service::Environment::without_user_names) leaves the names out. A clone
/// shares what is kept.
///
/// It keeps the first [1000](Self::DEFAULT_LIMIT) legs and events, or as many as it is [told to](Self::with_limit), and counts
/// those that come after them. Until they are [taken](Self::take) they stay in memory, some hundred octets each.
///
/// ```
/// # #[cfg(all(feature = "client", feature = "testing"))]
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use legwork::service::{Environment, Recorder};
/// use legwork::testing::{Offer, Server};
/// use legwork::{Authenticator, Client, Credentials};
///
/// let server = Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).start().await?;
/// let carol = Credentials::password("carol", "carol-pw");
/// let authenticator = Authenticator::builder().credentials(server.origin(), carol).build();
/// let recorder = Recorder::new();
/// let client = Client::builder(authenticator)
///     .environment(Environment::tokio().observer(recorder.clone()))
///     .build_http::<String>();
/// client.get(server.uri("/")).await?;
///
/// let recording = recorder.take();
/// assert_eq!(recording.legs().count(), 3);
/// println!("{recording}");
/// # let file = std::env::temp_dir().join("legwork-recorder-doctest.html");
/// std::fs::write(&file, recording.page().to_string())?;
/// # std::fs::remove_file(&file)?;
/// # Ok(())
/// # }
/// # #[cfg(not(all(feature = "client", feature = "testing")))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct Recorder {
    recording: Arc<Mutex<Recording>>,
    limit: usize,
}

impl Recorder {
    /// How many legs and events are kept by default.
    pub const DEFAULT_LIMIT: usize = 1000;

    /// A recorder that has been told nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Keeps at most so many legs and events.
    #[must_use]
    pub fn with_limit(mut self, entries: usize) -> Self {
        self.limit = entries;
        self
    }

    /// What has been kept. The recorder starts afresh.
    pub fn take(&self) -> Recording {
        std::mem::take(&mut *self.lock())
    }

    /// A copy of what has been kept so far.
    pub fn recording(&self) -> Recording {
        self.lock().clone()
    }

    fn keep(&self, entry: impl FnOnce() -> Entry) {
        let mut recording = self.lock();
        if recording.entries.len() < self.limit {
            recording.entries.push(entry());
        } else {
            recording.left_out += 1;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Recording> {
        self.recording.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self { recording: Arc::default(), limit: Self::DEFAULT_LIMIT }
    }
}

impl Observer for Recorder {
    fn leg(&self, report: &LegReport) {
        self.keep(|| Entry::Leg(Box::new(report.clone())));
    }

    fn event(&self, event: &Event) {
        self.keep(|| Entry::Event(Box::new(event.clone())));
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorder").field("limit", &self.limit).finish_non_exhaustive()
    }
}

impl Recording {
    /// The source of a [Mermaid](https://mermaid.js.org) sequence diagram, as it goes into Markdown between
    /// ```` ```mermaid ```` and ```` ``` ````.
    pub fn mermaid(&self) -> impl fmt::Display + '_ {
        mermaid::Mermaid(self)
    }

    /// A page of HTML that stands by itself: without scripts, which its content security policy forbids, and with nothing to
    /// be loaded.
    pub fn page(&self) -> impl fmt::Display + '_ {
        page::Page(self)
    }
}

impl fmt::Display for Recording {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        text::Text(self).fmt(f)
    }
}

#[cfg(test)]
mod tests;
