//! A recording as a sequence diagram for Mermaid: a lifeline for each connection, in the order of time.

use std::fmt;

use crate::service::recorder::escape::mermaid as escaped;
use crate::service::recorder::recording::{Entry, Recording};
use crate::service::recorder::span_of_time::span;
use crate::service::recorder::text::{describe, note, wait};

pub(super) struct Mermaid<'a>(pub(super) &'a Recording);

impl fmt::Display for Mermaid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "sequenceDiagram\n    participant C as client")?;
        for (connection, entries) in self.0.connections() {
            let leg = entries.iter().find_map(|entry| match entry {
                Entry::Leg(leg) => Some(leg),
                Entry::Event(_) => None,
            });
            let peer = leg.map(|leg| leg.proxy.as_ref().unwrap_or(&leg.origin).to_string());
            let peer = escaped(&peer.unwrap_or_default());
            writeln!(f, "    participant K{connection} as {peer} (connection {connection})")?;
        }
        for entry in &self.0.entries {
            match entry {
                Entry::Leg(leg) => {
                    let withheld = if leg.body_withheld { " (body withheld)" } else { "" };
                    let mut out = vec![format!("{}. {}{withheld}", leg.leg, leg.request)];
                    out.extend(leg.authorization.iter().map(describe));
                    let mut back = vec![leg.status.to_string()];
                    back.extend(leg.challenges.iter().map(describe));
                    back.push(span(leg.elapsed));
                    writeln!(f, "    C->>K{}: {}", leg.connection, joined(&out))?;
                    writeln!(f, "    K{}-->>C: {}", leg.connection, joined(&back))?;
                }
                Entry::Event(event) => {
                    if let Some(text) = note(event).or_else(|| wait(event)) {
                        writeln!(f, "    Note over C: {}", escaped(&text))?;
                    }
                }
            }
        }
        match self.0.left_out {
            0 => Ok(()),
            more => writeln!(f, "    Note over C: and {more} more legs and events that were not kept"),
        }
    }
}

fn joined(parts: &[String]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| escaped(part)).collect();
    parts.join("<br/>")
}
