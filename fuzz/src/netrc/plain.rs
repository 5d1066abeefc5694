//! A plain reader of `.netrc`: all words first, with what they are, then the entries.

use std::collections::HashMap;

use legwork::Origin;

#[derive(Debug, Default)]
pub(super) struct Entry {
    /// `None` is `default`.
    pub(super) machine: Option<String>,
    values: HashMap<String, String>,
    /// The number of its line, from 0.
    begins_in: usize,
    /// Whether something else stands before it there.
    is_inside_line: bool,
    /// Where something cannot be read.
    unreadable_in: Option<usize>,
}

impl Entry {
    /// Host and line that are told, if it cannot be used.
    pub(super) fn told(&self) -> Option<(Option<&str>, usize)> {
        let incomplete = !self.values.contains_key("login") || !self.values.contains_key("password");
        let line = self.unreadable_in.or(incomplete.then_some(self.begins_in))?;
        let host = self.machine.as_deref().filter(|_| !self.is_inside_line);
        Some((host, line + 1))
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    PassedOver,
    ForWhoeverAsks,
}

const KEYWORDS: [&str; 5] = ["login", "password", "account", "port", "protocol"];

/// The entries, if it is a file of entries.
pub(super) fn entries(input: &[u8]) -> Option<Vec<Entry>> {
    let text = std::str::from_utf8(input).ok().filter(|text| text.len() <= 256 * 1024)?;
    let mut lines = text.trim_start_matches('\u{feff}').split('\n').enumerate().peekable();
    let mut entries: Vec<Entry> = Vec::new();
    let mut expected: Option<Keyword> = None;
    while let Some((at, line)) = lines.next() {
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r']);
            if rest.is_empty() || (expected.is_none() && rest.starts_with('#')) {
                break;
            }
            let is_first = line.trim_start_matches([' ', '\t', '\r']).len() == rest.len();
            let keyword = expected.take();
            let read = match (&keyword, rest.strip_prefix('"')) {
                (Some(_), Some(quoted)) => quoted_word(quoted, &mut rest),
                _ => bare_word(&mut rest),
            };
            let unreadable_in = match (keyword, read) {
                (Some(keyword), None) if keyword.name == "machine" => return None,
                (_, None) => Some(at),
                (None, Some(word)) => match word.to_ascii_lowercase().as_str() {
                    "default" => {
                        let new = Entry { begins_in: at, is_inside_line: !is_first, ..Entry::default() };
                        entries.push(new);
                        None
                    }
                    name if name == "machine" || name == "macdef" || KEYWORDS.contains(&name) => {
                        expected = Some(Keyword { name: name.to_owned(), at, is_first });
                        None
                    }
                    _ => Some(at),
                },
                (Some(Keyword { name, at, is_first }), Some(word)) => match name.as_str() {
                    "machine" => {
                        entries.push(Entry {
                            machine: Some(word),
                            begins_in: at,
                            is_inside_line: !is_first,
                            ..Entry::default()
                        });
                        None
                    }
                    "macdef" => {
                        while lines.next_if(|(_, line)| !matches!(*line, "" | "\r")).is_some() {}
                        break;
                    }
                    _ => entries.last_mut()?.values.insert(name, word).is_some().then_some(at),
                },
            };
            if let Some(at) = unreadable_in {
                entries.last_mut()?.unreadable_in.get_or_insert(at);
                while lines.next_if(|(_, line)| !begins_entry(line)).is_some() {}
                break;
            }
        }
    }
    match expected {
        Some(keyword) if keyword.name == "machine" => return None,
        Some(keyword) => {
            entries.last_mut()?.unreadable_in.get_or_insert(keyword.at);
        }
        None => {}
    }
    Some(entries)
}

/// A keyword whose value is yet to come.
struct Keyword {
    name: String,
    at: usize,
    is_first: bool,
}

fn begins_entry(line: &str) -> bool {
    let first = line.split([' ', '\t', '\r']).find(|word| !word.is_empty());
    first.is_some_and(|word| matches!(word.to_ascii_lowercase().as_str(), "machine" | "default" | "macdef"))
}

fn bare_word(rest: &mut &str) -> Option<String> {
    let end = rest.find([' ', '\t', '\r']).unwrap_or(rest.len());
    let (word, behind) = rest.split_at(end);
    *rest = behind;
    let well_formed = !word.contains(char::is_control);
    well_formed.then(|| word.to_owned())
}

fn quoted_word<'a>(quoted: &'a str, rest: &mut &'a str) -> Option<String> {
    let (mut text, mut escaped) = (String::new(), false);
    for (at, character) in quoted.char_indices() {
        match (escaped, character) {
            (true, 'n') => text.push('\n'),
            (true, 'r') => text.push('\r'),
            (true, 't') => text.push('\t'),
            (false, '"') => {
                *rest = &quoted[at + 1..];
                let ends = rest.is_empty() || rest.starts_with([' ', '\t', '\r']);
                return ends.then_some(text);
            }
            (false, '\\') => {
                escaped = true;
                continue;
            }
            (_, other) => text.push(other),
        }
        escaped = false;
    }
    None
}

/// What an `https` origin gets.
pub(super) fn find(
    entries: &[Entry],
    origin: &Origin,
    login: Option<&str>,
    default: Default,
) -> Option<(String, String)> {
    let host = without_brackets(origin.host());
    let named: Vec<_> = entries
        .iter()
        .filter(|entry| {
            let machine = entry.machine.as_ref().map(|name| without_brackets(name));
            machine.is_some_and(|name| name.eq_ignore_ascii_case(host))
        })
        .collect();
    let candidates = match (named.is_empty(), default) {
        (false, _) => named,
        (true, Default::PassedOver) => return None,
        // One that cannot be used may hide the host's own.
        (true, Default::ForWhoeverAsks) if entries.iter().any(|entry| entry.told().is_some()) => return None,
        (true, Default::ForWhoeverAsks) => entries.iter().filter(|entry| entry.machine.is_none()).collect(),
    };
    let value = |entry: &Entry, name: &str| entry.values.get(name).cloned();
    let entry = candidates.into_iter().find(|entry| {
        let port = value(entry, "port").is_none_or(|port| match port.parse::<u16>() {
            Ok(number) => number == origin.port(),
            Err(_) => port.eq_ignore_ascii_case("https") && origin.port() == 443,
        });
        let protocol = value(entry, "protocol").is_none_or(|protocol| protocol.eq_ignore_ascii_case("https"));
        // Of one that cannot be used, nobody knows whose it is if it does not say so.
        let is_login = match value(entry, "login") {
            Some(own) => login.is_none_or(|login| own == login),
            None => login.is_none() || entry.told().is_some(),
        };
        port && protocol && is_login
    })?;
    match entry.told() {
        None => Some((value(entry, "login")?, value(entry, "password")?)),
        Some(_) => None,
    }
}

fn without_brackets(host: &str) -> &str {
    match host.as_bytes() {
        [b'[', .., b']'] => &host[1..host.len() - 1],
        _ => host,
    }
}
