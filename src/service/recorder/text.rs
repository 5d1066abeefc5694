//! A recording as text: a sequence diagram for each connection.

use std::fmt;

use crate::service::event::{Ending, Event, EventKind, Work};
use crate::service::observe::{LegReport, TokenReport};
use crate::service::recorder::escape::visible;
use crate::service::recorder::recording::{Entry, Recording, count};
use crate::service::recorder::span_of_time::span;

/// Columns between the two lifelines.
const WIDTH: usize = 72;
/// Connections that are drawn; of the others only the number is told.
const MOST_CONNECTIONS: usize = 8;

pub(super) struct Text<'a>(pub(super) &'a Recording);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut connections = self.0.connections();
        connections.retain(|_, entries| entries.iter().any(|entry| is_drawn(entry)));
        if !connections.is_empty() {
            writeln!(f, "  client{:1$}server", "", WIDTH - 6)?;
            for (connection, entries) in connections.iter().take(MOST_CONNECTIONS) {
                line(f, ' ', "")?;
                line(f, ' ', &format!(" connection {connection}{}", whereto(entries)))?;
                draw(f, entries)?;
            }
            if connections.len() > MOST_CONNECTIONS {
                let more = count(connections.len() - MOST_CONNECTIONS, "more connection");
                line(f, ' ', "")?;
                line(f, ' ', &format!(" and {more}"))?;
            }
            line(f, ' ', "")?;
        }
        for text in self.0.elsewhere().filter_map(note) {
            writeln!(f, "  {}", visible(&text))?;
        }
        match self.0.left_out {
            0 => Ok(()),
            more => writeln!(f, "  and {more} more legs and events that were not kept"),
        }
    }
}

fn is_drawn(entry: &Entry) -> bool {
    match entry {
        Entry::Leg(_) => true,
        Entry::Event(event) => wait(event).is_some(),
    }
}

/// Where a connection leads to.
fn whereto(entries: &[&Entry]) -> String {
    let leg = entries.iter().find_map(|entry| match entry {
        Entry::Leg(leg) => Some(leg),
        Entry::Event(_) => None,
    });
    match leg.map(|leg| (&leg.origin, &leg.proxy)) {
        Some((origin, Some(proxy))) => format!(" to {origin} through {proxy}"),
        Some((origin, None)) => format!(" to {origin}"),
        None => String::new(),
    }
}

fn draw(f: &mut fmt::Formatter<'_>, entries: &[&Entry]) -> fmt::Result {
    let mut rest = entries;
    let mut is_first = true;
    while let [entry, others @ ..] = rest {
        rest = others;
        let leg = match entry {
            Entry::Leg(leg) => leg,
            Entry::Event(event) => {
                if let Some(text) = wait(event) {
                    line(f, ' ', &format!("  ({text})"))?;
                }
                continue;
            }
        };
        if leg.leg == 1 && !std::mem::take(&mut is_first) {
            line(f, ' ', "")?;
        }
        is_first = false;
        request(f, leg)?;
        response(f, leg)?;
        let alike = others.iter().take_while(|other| is_plain(leg) && is_alike(leg, other)).count();
        if alike > 0 {
            line(f, ' ', &format!("  {alike} more like it"))?;
        }
        rest = &others[alike..];
    }
    Ok(())
}

/// Nothing about it has to do with authentication.
fn is_plain(leg: &LegReport) -> bool {
    leg.authorization.is_empty() && leg.challenges.is_empty()
}

fn is_alike(leg: &LegReport, other: &Entry) -> bool {
    match other {
        Entry::Leg(other) => is_plain(other) && (&leg.request, leg.status) == (&other.request, other.status),
        Entry::Event(_) => false,
    }
}

fn request(f: &mut fmt::Formatter<'_>, leg: &LegReport) -> fmt::Result {
    let withheld = if leg.body_withheld { " (body withheld)" } else { "" };
    let text = fit(&format!("─ {}{withheld} ", leg.request));
    writeln!(f, "   {} ├{text:─<WIDTH$}▶│", leg.leg)?;
    for token in &leg.authorization {
        line(f, ' ', &format!("  {}", describe(token)))?;
    }
    Ok(())
}

fn response(f: &mut fmt::Formatter<'_>, leg: &LegReport) -> fmt::Result {
    let text = fit(&format!(" {} ─", leg.status));
    writeln!(f, "     │◀{text:─>WIDTH$}┤ {}", span(leg.elapsed))?;
    let (malformed, well_formed): (Vec<_>, Vec<_>) =
        leg.challenges.iter().partition(|token| token.error.is_some());
    let (bare, with_token): (Vec<_>, Vec<_>) = well_formed.into_iter().partition(|token| token.octets == 0);
    let mut names: Vec<_> = bare.iter().map(|token| describe(token)).collect();
    names.dedup();
    if !names.is_empty() {
        line(f, '>', &format!("{}  ", names.join(", ")))?;
    }
    for token in with_token {
        line(f, '>', &format!("{}  ", describe(token)))?;
    }
    for token in malformed {
        line(f, '>', &format!("{token}  "))?;
    }
    Ok(())
}

/// A token, or what a challenge says in place of one.
pub(super) fn describe(token: &TokenReport) -> String {
    if let Some(error) = &token.error {
        return error.to_string();
    }
    let what = match token.kind {
        "" => token.scheme.clone(),
        kind if kind.starts_with(&token.scheme) => kind.to_owned(),
        kind => format!("{}: {kind}", token.scheme),
    };
    match (token.octets, &token.realm) {
        (0, None) => what,
        (0, Some(realm)) => format!("{what} ({realm})"),
        (octets, _) => format!("{what}, {octets} octets"),
    }
}

/// What a login has waited for, where that is worth a line.
pub(super) fn wait(event: &Event) -> Option<String> {
    match &event.kind {
        EventKind::WorkEnded { work: Work::Step, error: None, .. } => None,
        EventKind::WorkEnded { work, elapsed, error } => Some(match error {
            None => format!("waited {} for {work}", span(*elapsed)),
            Some(error) => format!("waited {} for {work}: {error}", span(*elapsed)),
        }),
        EventKind::NotConnected { error, elapsed } => {
            Some(format!("no connection after {}: {error}", span(*elapsed)))
        }
        _ => None,
    }
}

/// What went wrong beside the connections.
pub(super) fn note(event: &Event) -> Option<String> {
    let request = event.request_number.map(|number| format!("request {number}: ")).unwrap_or_default();
    let origin = event.origin.as_ref().map(ToString::to_string).unwrap_or_default();
    match &event.kind {
        EventKind::RequestEnded { ending, .. } => match ending {
            Ending::Failed { error } => Some(format!("{request}{error}")),
            Ending::GivenUp => Some(format!("{request}given up")),
            Ending::Answered { .. } => ending.refusal().map(|refusal| format!("{request}{refusal}")),
        },
        EventKind::Restarted { error } => {
            Some(format!("{request}began again on another connection: {error}"))
        }
        EventKind::NotConnected { error, elapsed } => {
            Some(format!("no connection to {origin} after {}: {error}", span(*elapsed)))
        }
        _ => None,
    }
}

/// Text between the lifelines, to the left or (`>`) to the right.
fn line(f: &mut fmt::Formatter<'_>, side: char, text: &str) -> fmt::Result {
    let text = fit(text);
    match side {
        '>' => writeln!(f, "     │ {text:>WIDTH$}│"),
        _ => writeln!(f, "     │{text:<WIDTH$} │"),
    }
}

/// At most as much as there is room for.
fn fit(text: &str) -> String {
    let text = visible(text);
    if text.chars().count() <= WIDTH {
        return text;
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}
