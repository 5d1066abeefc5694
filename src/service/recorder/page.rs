//! A recording as a page of HTML.

use std::fmt;
use std::time::{Duration, Instant};

use http::StatusCode;

use crate::handshake::Protocol;
use crate::service::event::{Ending, Event, EventKind};
use crate::service::observe::{LegReport, TokenReport};
use crate::service::recorder::escape::html;
use crate::service::recorder::recording::{Entry, Recording, count};
use crate::service::recorder::span_of_time::{date, span};
use crate::service::recorder::text::{describe, note};

/// Nothing runs and nothing is loaded, whatever may have got into the page.
const HEAD: &str = concat!(
    "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
    "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n",
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
    "<meta name=\"referrer\" content=\"no-referrer\">\n<title>Conversation</title>\n<style>\n",
    include_str!("page.css"),
    "</style>\n</head>\n<body>\n<main>\n",
);

pub(super) struct Page<'a>(pub(super) &'a Recording);

impl fmt::Display for Page<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(HEAD)?;
        let time = Time::of(self.0);
        summary(f, self.0, &time)?;
        timeline(f, self.0, &time)?;
        requests(f, self.0, &time)?;
        for (connection, entries) in self.0.connections() {
            self::connection(f, connection, &entries, &time)?;
        }
        if self.0.left_out > 0 {
            let more = self.0.left_out;
            writeln!(f, "<p class=\"sub\">And {more} more legs and events that were not kept.</p>")?;
        }
        writeln!(
            f,
            "<footer>No passwords, tokens, cookies or bodies are on this page. Names of users, paths and what servers \
             wrote are.</footer>\n</main>\n</body>\n</html>"
        )
    }
}

/// The time that the page covers.
struct Time {
    begins: Instant,
    whole: Duration,
}

impl Time {
    fn of(recording: &Recording) -> Self {
        let begins = recording.begins().unwrap_or(recording.clocks.0);
        let whole = recording.ends().unwrap_or(begins).saturating_duration_since(begins);
        Self { begins, whole }
    }

    fn since(&self, at: Instant) -> Duration {
        at.saturating_duration_since(self.begins)
    }

    fn offset(&self, at: Instant) -> String {
        format!("+{}", span(self.since(at)))
    }

    /// In hundredths of the whole.
    fn share(&self, time: Duration) -> f64 {
        match self.whole.is_zero() {
            true => 0.0,
            false => (time.as_secs_f64() / self.whole.as_secs_f64() * 100.0).min(100.0),
        }
    }
}

fn summary(f: &mut fmt::Formatter<'_>, recording: &Recording, time: &Time) -> fmt::Result {
    let requests =
        recording.events().filter(|event| matches!(event.kind, EventKind::RequestBegan { .. })).count();
    let (instant, clock) = recording.clocks;
    // The recorder may have been made long before.
    let begun = match time.begins.checked_duration_since(instant) {
        Some(later) => clock.checked_add(later),
        None => clock.checked_sub(instant.saturating_duration_since(time.begins)),
    };
    let begun = begun.map(date).unwrap_or_default();
    let (legs, connections) = (recording.legs().count(), recording.connections().len());
    writeln!(
        f,
        "<h1>{}, {}, {}</h1>\n<p class=\"sub\">{} from {begun}</p>",
        count(requests, "request"),
        count(connections, "connection"),
        count(legs, "leg"),
        span(time.whole),
    )
}

fn timeline(f: &mut fmt::Formatter<'_>, recording: &Recording, time: &Time) -> fmt::Result {
    let connections = recording.connections();
    if connections.is_empty() {
        return Ok(());
    }
    writeln!(f, "<h2>Time</h2>\n<div class=\"card lanes\">")?;
    for (connection, entries) in &connections {
        write!(
            f,
            "<div class=\"lane\"><a href=\"#c{connection}\">connection {connection}</a><div class=\"track\">"
        )?;
        for entry in entries {
            let Some((class, title)) = bar(entry) else { continue };
            let left = time.share(time.since(entry.begins()));
            let width = time.share(entry.ends().saturating_duration_since(entry.begins()));
            write!(
                f,
                "<div class=\"bar {class}\" style=\"left:{left:.2}%;width:{:.2}%\" title=\"{}\"></div>",
                width.min(100.0 - left),
                html(&title),
            )?;
        }
        writeln!(f, "</div></div>")?;
    }
    write!(
        f,
        "<div class=\"scale\"><span>0</span><span>{}</span></div>\n<div class=\"key\">",
        span(time.whole)
    )?;
    let key = [
        ("ok", "answered"),
        ("ask", "challenged"),
        ("bad", "failed"),
        ("other", "anything else"),
        ("wait", "connecting, or waiting for somebody else"),
    ];
    for (class, what) in key {
        write!(f, "<span><i class=\"{class}\"></i>{what}</span>")?;
    }
    writeln!(f, "</div>\n</div>")
}

fn bar(entry: &Entry) -> Option<(&'static str, String)> {
    match entry {
        Entry::Leg(leg) => {
            let title = format!("{}. {}: {}, {}", leg.leg, leg.request, leg.status, span(leg.elapsed));
            Some((class_of(leg.status), title))
        }
        Entry::Event(event) => match &event.kind {
            EventKind::Connected { elapsed, .. } => Some(("wait", format!("connecting, {}", span(*elapsed)))),
            EventKind::WorkEnded { work, elapsed, .. } => {
                Some(("wait", format!("{work}, {}", span(*elapsed))))
            }
            EventKind::NotConnected { elapsed, .. } => {
                Some(("bad", format!("not connected, {}", span(*elapsed))))
            }
            _ => None,
        },
    }
}

fn class_of(status: StatusCode) -> &'static str {
    match status.as_u16() {
        401 | 407 => "ask",
        200..=299 | 304 => "ok",
        400..=599 => "bad",
        _ => "other",
    }
}

/// All requests, and what came of each; then what else went wrong.
fn requests(f: &mut fmt::Formatter<'_>, recording: &Recording, time: &Time) -> fmt::Result {
    let began: Vec<_> =
        recording.events().filter(|event| matches!(event.kind, EventKind::RequestBegan { .. })).collect();
    if !began.is_empty() {
        writeln!(
            f,
            "<h2>Requests</h2>\n<div class=\"card\"><table>\n<tr><th class=\"c1\">no.</th><th class=\"c2\">request</th>\
             <th class=\"c3\">as</th><th>what came of it</th><th class=\"c5\">begun</th><th class=\"c6\">took</th></tr>"
        )?;
        for event in began {
            let end = recording.events().find(|other| is_end_of(event, other));
            let last = recording.legs().filter(|leg| event.request_number == Some(leg.request_number)).last();
            request(f, (event, last, end), time)?;
        }
        writeln!(f, "</table></div>")?;
    }
    let others = recording.elsewhere().filter(|event| !matches!(event.kind, EventKind::RequestEnded { .. }));
    let notes: Vec<_> = others.filter_map(|event| Some((event, note(event)?))).collect();
    if notes.is_empty() {
        return Ok(());
    }
    writeln!(f, "<h2>Beside the connections</h2>\n<div class=\"card\">")?;
    for (event, text) in notes {
        let class = if matches!(event.kind, EventKind::NotConnected { .. }) { "bad" } else { "wait" };
        writeln!(f, "<div class=\"note {class}\">{} {}</div>", time.offset(event.at), html(&text))?;
    }
    writeln!(f, "</div>")
}

fn is_end_of(began: &Event, other: &Event) -> bool {
    matches!(other.kind, EventKind::RequestEnded { .. }) && other.request_number == began.request_number
}

fn request(
    f: &mut fmt::Formatter<'_>,
    (began, last, end): (&Event, Option<&LegReport>, Option<&Event>),
    time: &Time,
) -> fmt::Result {
    let EventKind::RequestBegan { method, path, actor } = &began.kind else { return Ok(()) };
    let (ending, elapsed) = match end.map(|end| &end.kind) {
        Some(EventKind::RequestEnded { ending, elapsed }) => (Some(ending), Some(*elapsed)),
        _ => (None, None),
    };
    let (class, text, why) = ending.map_or(("", "under way".to_owned(), None), came_of);
    let principal = ending.and_then(Ending::login).and_then(|login| login.principal.clone());
    // When it began, the provider had not been asked.
    let actor = last.map_or(actor, |leg| &leg.actor);
    let number = began.request_number.unwrap_or_default();
    let url = began.origin.as_ref().map(ToString::to_string).unwrap_or_default();
    let line = match method.as_str() {
        "CONNECT" => format!("CONNECT {path}"),
        method => format!("{method} {url}{path}"),
    };
    let proxy = began.proxy.as_ref().map(|proxy| format!(" through {proxy}")).unwrap_or_default();
    writeln!(
        f,
        "<tr><td class=\"n\">{number}</td><td><code>{}</code>{}</td><td>{}</td><td class=\"{class}\">{}</td>\
         <td class=\"n\">{}</td><td class=\"n\">{}</td></tr>",
        html(&line),
        html(&proxy),
        html(&principal.unwrap_or_else(|| actor.to_string())),
        html(&text),
        time.offset(began.at),
        elapsed.map(span).unwrap_or_default(),
    )?;
    match why {
        Some(why) => {
            writeln!(f, "<tr class=\"why\"><td colspan=\"6\" class=\"{class}\">{}</td></tr>", html(&why))
        }
        None => Ok(()),
    }
}

/// What came of a request, and why it was no success.
fn came_of(ending: &Ending) -> (&'static str, String, Option<String>) {
    let status = match ending {
        Ending::Failed { error } => return ("bad", "no response".to_owned(), Some(error.clone())),
        Ending::GivenUp => return ("bad", "given up".to_owned(), None),
        Ending::Answered { status, .. } => status,
    };
    match (ending.refusal(), ending.login()) {
        (Some(refusal), _) => ("bad", status.to_string(), Some(refusal.to_string())),
        (None, Some(login)) => {
            let by = match login.scheme == login.mechanism {
                true => login.scheme.to_owned(),
                false => format!("{} ({})", login.scheme, login.mechanism),
            };
            ("ok", format!("{status}, logged in by {by} in {}", count(login.legs as usize, "leg")), None)
        }
        (None, None) => (if status.is_success() { "ok" } else { "" }, status.to_string(), None),
    }
}

fn connection(f: &mut fmt::Formatter<'_>, number: u64, entries: &[&Entry], time: &Time) -> fmt::Result {
    let leg = entries.iter().find_map(|entry| match entry {
        Entry::Leg(leg) => Some(leg),
        Entry::Event(_) => None,
    });
    let peer = match leg.map(|leg| (&leg.origin, &leg.proxy)) {
        Some((origin, Some(proxy))) => format!("to {origin} through {proxy}"),
        Some((origin, None)) => format!("to {origin}"),
        None => String::new(),
    };
    writeln!(
        f,
        "<h2 id=\"c{number}\">Connection {number}<small>{}</small></h2>\n<div class=\"card\">",
        html(&peer)
    )?;
    for entry in entries {
        match entry {
            Entry::Leg(leg) => self::leg(f, leg, time)?,
            Entry::Event(event) => {
                if let Some((class, text)) = happened(event) {
                    writeln!(
                        f,
                        "<div class=\"note {class}\">{} {}</div>",
                        time.offset(entry.begins()),
                        html(&text)
                    )?;
                }
            }
        }
    }
    writeln!(f, "</div>")
}

fn happened(event: &Event) -> Option<(&'static str, String)> {
    match &event.kind {
        EventKind::Connected { protocol, elapsed } => {
            let protocol = match protocol {
                Protocol::Http1 => "HTTP/1.1",
                Protocol::Http2 | Protocol::Http2Alone => "HTTP/2",
            };
            Some(("wait", format!("connected in {}, over {protocol}", span(*elapsed))))
        }
        EventKind::NotConnected { error, elapsed } => {
            Some(("bad", format!("no connection after {}: {error}", span(*elapsed))))
        }
        EventKind::WorkEnded { work, elapsed, error: None } => {
            Some(("wait", format!("{}: {work}", span(*elapsed))))
        }
        EventKind::WorkEnded { work, elapsed, error: Some(error) } => {
            Some(("bad", format!("{}: {work}: {error}", span(*elapsed))))
        }
        _ => None,
    }
}

fn leg(f: &mut fmt::Formatter<'_>, leg: &LegReport, time: &Time) -> fmt::Result {
    write!(
        f,
        "<div class=\"leg {}\"><div class=\"time\">{}<br>request {}</div><div class=\"body\"><div class=\"out\">\
         <span class=\"dir\">→</span><span class=\"what mono\">{}</span>",
        class_of(leg.status),
        time.offset(leg.begun),
        leg.request_number,
        html(&leg.request),
    )?;
    if leg.body_withheld {
        f.write_str("<span class=\"chip\">body withheld</span>")?;
    }
    chips(f, &leg.authorization)?;
    write!(
        f,
        "</div><div class=\"in\"><span class=\"dir\">←</span><span class=\"what\">{}</span>",
        html(&leg.status.to_string())
    )?;
    chips(f, &leg.challenges)?;
    writeln!(f, "</div></div><div class=\"time took\">{}</div></div>", span(leg.elapsed))
}

fn chips(f: &mut fmt::Formatter<'_>, tokens: &[TokenReport]) -> fmt::Result {
    for token in tokens {
        let class = if token.error.is_some() { "chip bad" } else { "chip" };
        write!(f, "<span class=\"{class}\">{}</span>", html(&describe(token)))?;
    }
    Ok(())
}
