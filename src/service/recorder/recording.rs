//! What was kept.

use std::collections::BTreeMap;
use std::time::{Instant, SystemTime};

use crate::service::event::{Event, EventKind};
use crate::service::observe::LegReport;

/// What a [`Recorder`](crate::service::Recorder) has kept. Shown as it is, it is text for a terminal.
///
/// Whatever servers wrote is shown with its control characters, and those that change the direction of text, as `\u{1b}`.
#[derive(Clone, Debug)]
pub struct Recording {
    pub(super) entries: Vec<Entry>,
    pub(super) left_out: u64,
    /// One moment by both clocks.
    pub(super) clocks: (Instant, SystemTime),
}

#[derive(Clone, Debug)]
pub(super) enum Entry {
    Leg(Box<LegReport>),
    Event(Box<Event>),
}

impl Recording {
    /// The legs, in the order in which they were answered.
    pub fn legs(&self) -> impl Iterator<Item = &LegReport> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Leg(leg) => Some(&**leg),
            Entry::Event(_) => None,
        })
    }

    /// The events, in the order in which they happened.
    pub fn events(&self) -> impl Iterator<Item = &Event> {
        self.entries.iter().filter_map(|entry| match entry {
            Entry::Event(event) => Some(&**event),
            Entry::Leg(_) => None,
        })
    }

    /// How many legs and events came after the recorder was full.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// What belongs to each connection, in order.
    pub(super) fn connections(&self) -> BTreeMap<u64, Vec<&Entry>> {
        let mut connections: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for entry in &self.entries {
            let connection = match entry {
                Entry::Leg(leg) => Some(leg.connection),
                Entry::Event(event) => event.connection,
            };
            if let Some(connection) = connection {
                connections.entry(connection).or_default().push(entry);
            }
        }
        connections
    }

    /// What happened beside the connections, but for the beginnings of requests.
    pub(super) fn elsewhere(&self) -> impl Iterator<Item = &Event> {
        let is_told = |event: &&Event| {
            event.connection.is_none() && !matches!(event.kind, EventKind::RequestBegan { .. })
        };
        self.events().filter(is_told)
    }

    /// When the first of it began.
    pub(super) fn begins(&self) -> Option<Instant> {
        self.entries.iter().map(Entry::begins).min()
    }

    /// When the last of it was over.
    pub(super) fn ends(&self) -> Option<Instant> {
        self.entries.iter().map(Entry::ends).max()
    }
}

impl Default for Recording {
    fn default() -> Self {
        Self { entries: Vec::new(), left_out: 0, clocks: (Instant::now(), SystemTime::now()) }
    }
}

impl Entry {
    pub(super) fn begins(&self) -> Instant {
        match self {
            Self::Leg(leg) => leg.begun,
            Self::Event(event) => {
                let elapsed = match &event.kind {
                    EventKind::RequestEnded { elapsed, .. }
                    | EventKind::Connected { elapsed, .. }
                    | EventKind::NotConnected { elapsed, .. }
                    | EventKind::WorkEnded { elapsed, .. } => *elapsed,
                    _ => return event.at,
                };
                event.at.checked_sub(elapsed).unwrap_or(event.at)
            }
        }
    }

    pub(super) fn ends(&self) -> Instant {
        match self {
            Self::Leg(leg) => leg.begun + leg.elapsed,
            Self::Event(event) => event.at,
        }
    }
}

/// `1 leg`, `2 legs`.
pub(super) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
