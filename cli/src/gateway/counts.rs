//! What the gateway has done so far.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use legwork::handshake::Why;
use legwork::service::{BoxError, Event, EventKind, LegReport, Observer};

use super::answer::Body;

/// Counters that all connections share. `Display` is one line.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    connections: AtomicU64,
    connections_closed: AtomicU64,
    tunnels: AtomicU64,
    tunnels_closed: AtomicU64,
    refused: AtomicU64,
    upstream_connections: AtomicU64,
    logins: AtomicU64,
    logins_refused: AtomicU64,
    pauses: AtomicU64,
    pub(super) to_upstream: AtomicU64,
    pub(super) to_local: AtomicU64,
    pac: Mutex<Option<PacCounts>>,
    news: Mutex<News>,
}

/// What there is to say of a PAC file.
#[derive(Clone, Debug)]
pub(super) struct PacCounts {
    /// Where it came from, and when, as a sentence.
    pub(super) source: String,
    /// How often it was asked.
    asked: u64,
    /// How often it gave no way.
    failed: u64,
    /// Why, the last time.
    pub(super) failure: Option<String>,
}

/// One of the numbers.
pub(super) struct Number {
    /// For Prometheus.
    pub(super) name: &'static str,
    /// For people.
    pub(super) says: &'static str,
    pub(super) value: u64,
    pub(super) can_fall: bool,
}

/// What there is to tell, each line once.
#[derive(Debug, Default)]
struct News {
    unread: Vec<String>,
    read: Vec<String>,
}

/// How many reasons are kept. Past it, all count as new.
const REASONS: usize = 16;

impl Counts {
    /// A program's connection, until the guard is dropped.
    pub(super) fn connection(self: &Arc<Self>) -> Counted {
        self.connections.fetch_add(1, Ordering::Relaxed);
        Counted { counts: Arc::clone(self), closed: |counts| &counts.connections_closed }
    }

    /// A tunnel that is open until the guard is dropped.
    pub(super) fn tunnel(self: &Arc<Self>) -> Counted {
        self.tunnels.fetch_add(1, Ordering::Relaxed);
        Counted { counts: Arc::clone(self), closed: |counts| &counts.tunnels_closed }
    }

    pub(super) fn refused(&self, why: &str) {
        self.refused.fetch_add(1, Ordering::Relaxed);
        self.note(&format!("refused: {why}"));
    }

    /// Has a line told to whoever has started the gateway.
    pub(super) fn note(&self, line: &str) {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = news.unread.iter().chain(&news.read).any(|known| known == line);
        if !is_known && news.unread.len() < REASONS {
            news.unread.push(line.to_owned());
        }
    }

    /// A PAC file is in use from now on.
    pub(crate) fn has_pac(&self, source: String) {
        let mut pac = self.pac.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *pac {
            Some(pac) => pac.source = source,
            none => *none = Some(PacCounts { source, asked: 0, failed: 0, failure: None }),
        }
    }

    /// The PAC file was asked, and may have failed.
    pub(super) fn asked_pac(&self, failure: Option<String>) {
        if let Some(pac) = &mut *self.pac.lock().unwrap_or_else(PoisonError::into_inner) {
            pac.asked += 1;
            if failure.is_some() {
                pac.failed += 1;
                pac.failure = failure;
            }
        }
    }

    pub(super) fn pac(&self) -> Option<PacCounts> {
        self.pac.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What there is to tell, as far as nobody has been told that yet.
    pub(crate) fn news(&self) -> Vec<String> {
        let mut news = self.news.lock().unwrap_or_else(PoisonError::into_inner);
        let unread = std::mem::take(&mut news.unread);
        if news.read.len() + unread.len() > REASONS {
            news.read.clear();
        }
        news.read.extend_from_slice(&unread);
        unread
    }

    /// What there is to show.
    pub(super) fn numbers(&self) -> Vec<Number> {
        let number = |name, says, value| Number { name, says, value, can_fall: false };
        let gauge = |name, says, value| Number { name, says, value, can_fall: true };
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        // In this order, so that none seems to have closed before it opened.
        let (closed, tunnels_closed) = (of(&self.connections_closed), of(&self.tunnels_closed));
        let (connections, tunnels) = (of(&self.connections), of(&self.tunnels));
        let pac = self.pac().into_iter().flat_map(|pac| {
            [
                number("legwork_gateway_pac_calls_total", "Questions to the PAC file", pac.asked),
                number(
                    "legwork_gateway_pac_failures_total",
                    "Questions that the PAC file gave no way for",
                    pac.failed,
                ),
            ]
        });
        let numbers = [
            gauge(
                "legwork_gateway_connections",
                "Connections of programs that are open",
                connections - closed,
            ),
            number("legwork_gateway_connections_total", "Connections of programs", connections),
            gauge("legwork_gateway_tunnels", "Tunnels that are open", tunnels - tunnels_closed),
            number("legwork_gateway_tunnels_total", "Tunnels", tunnels),
            number(
                "legwork_gateway_upstream_connections_total",
                "Connections to proxies and origins for requests outside of tunnels",
                of(&self.upstream_connections),
            ),
            number(
                "legwork_gateway_logins_total",
                "Requests with which a login was accepted",
                of(&self.logins),
            ),
            number(
                "legwork_gateway_logins_refused_total",
                "Logins that were refused",
                of(&self.logins_refused),
            ),
            number(
                "legwork_gateway_pauses_total",
                "Logins that were not tried, after refusals",
                of(&self.pauses),
            ),
            number("legwork_gateway_refusals_total", "Requests that were refused", of(&self.refused)),
            number(
                "legwork_gateway_octets_total",
                "Octets of contents and tunnels, both ways",
                of(&self.to_upstream) + of(&self.to_local),
            ),
        ];
        numbers.into_iter().chain(pac).collect()
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

/// One of what is counted, in the counters.
pub(super) struct Counted {
    counts: Arc<Counts>,
    closed: fn(&Counts) -> &AtomicU64,
}

impl Drop for Counted {
    fn drop(&mut self) {
        (self.closed)(&self.counts).fetch_add(1, Ordering::Relaxed);
    }
}

/// Counts what the library does.
#[derive(Clone)]
pub(super) struct Counting(pub(super) Arc<Counts>);

impl Observer for Counting {
    fn leg(&self, _: &LegReport) {}

    fn event(&self, event: &Event) {
        let add = |counter: &AtomicU64| {
            counter.fetch_add(1, Ordering::Relaxed);
        };
        match &event.kind {
            EventKind::Connected { .. } => add(&self.0.upstream_connections),
            EventKind::RequestEnded { ending, .. } => {
                if ending.login().is_some() {
                    add(&self.0.logins);
                }
                let Some(refusal) = ending.refusal() else { return };
                add(&self.0.logins_refused);
                if refusal.tried.iter().any(|tried| matches!(tried.why, Why::Paused(_) | Why::RefusedBefore))
                {
                    add(&self.0.pauses);
                }
            }
            _ => {}
        }
    }
}

/// A body whose octets are counted.
pub(super) fn counted<B>(body: B, counts: Arc<Counts>, counter: fn(&Counts) -> &AtomicU64) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let body = body.map_frame(move |frame| {
        let octets = frame.data_ref().map_or(0, Bytes::len);
        counter(&counts).fetch_add(octets as u64, Ordering::Relaxed);
        frame
    });
    body.map_err(Into::into).boxed_unsync()
}
