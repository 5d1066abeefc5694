//! The conversation as a sequence diagram.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use legwork::service::{LegReport, Observer, TokenReport};

/// Columns between the two lifelines.
const WIDTH: usize = 72;
/// Connections that are drawn; of the others only the number is told.
const MOST_CONNECTIONS: usize = 3;

/// Takes down every leg as it is reported.
#[derive(Clone, Default)]
pub(crate) struct Legs(Arc<Mutex<Vec<LegReport>>>);

impl Legs {
    pub(crate) fn take(&self) -> Vec<LegReport> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Observer for Legs {
    fn leg(&self, report: &LegReport) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(report.clone());
    }
}

/// Legs in the order in which they were reported, drawn connection by connection.
pub(crate) struct Diagram<'a>(pub(crate) &'a [LegReport]);

impl fmt::Display for Diagram<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return Ok(());
        }
        let mut connections: BTreeMap<u64, Vec<&LegReport>> = BTreeMap::new();
        for leg in self.0 {
            connections.entry(leg.connection).or_default().push(leg);
        }
        writeln!(f, "  client{:1$}server", "", WIDTH - 6)?;
        for (connection, legs) in connections.iter().take(MOST_CONNECTIONS) {
            line(f, ' ', "")?;
            line(f, ' ', &format!(" connection {connection}"))?;
            draw(f, legs)?;
        }
        if connections.len() > MOST_CONNECTIONS {
            line(f, ' ', "")?;
            line(
                f,
                ' ',
                &format!(" and {}", count(connections.len() - MOST_CONNECTIONS, "more connection")),
            )?;
        }
        line(f, ' ', "")
    }
}

fn draw(f: &mut fmt::Formatter<'_>, legs: &[&LegReport]) -> fmt::Result {
    let mut rest = legs;
    while let [leg, others @ ..] = rest {
        if leg.leg == 1 && rest.len() < legs.len() {
            line(f, ' ', "")?;
        }
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

fn is_alike(leg: &LegReport, other: &LegReport) -> bool {
    is_plain(other) && (&leg.request, leg.status) == (&other.request, other.status)
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
    writeln!(f, "     │◀{text:─>WIDTH$}┤")?;
    let (malformed, well_formed): (Vec<_>, Vec<_>) =
        leg.challenges.iter().partition(|token| token.error.is_some());
    let (bare, with_token): (Vec<_>, Vec<_>) = well_formed.into_iter().partition(|token| token.octets == 0);
    let mut names: Vec<_> = bare.iter().map(|token| token.scheme.as_str()).collect();
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

fn describe(token: &TokenReport) -> String {
    let what = match token.kind {
        "" => token.scheme.clone(),
        kind if kind.starts_with(&token.scheme) => kind.to_owned(),
        kind => format!("{}: {kind}", token.scheme),
    };
    if token.octets == 0 { what } else { format!("{what}, {} octets", token.octets) }
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
    if text.chars().count() <= WIDTH {
        return text.to_owned();
    }
    text.chars().take(WIDTH - 1).chain(['…']).collect()
}

/// `1 leg`, `2 legs`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
