//! A plain reader of `.netrc`: all words first, with what they are, then the entries.

use std::collections::HashMap;

use legwork::Origin;

#[derive(Debug, Default)]
pub(super) struct Entry {
    /// `None` is `default`.
    pub(super) machine: Option<String>,
    values: HashMap<String, String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Default {
    PassedOver,
    ForWhoeverAsks,
}

const KEYWORDS: [&str; 5] = ["login", "password", "account", "port", "protocol"];

/// The entries, if the file is well-formed.
pub(super) fn entries(input: &[u8]) -> Option<Vec<Entry>> {
    let text = std::str::from_utf8(input).ok().filter(|text| text.len() <= 256 * 1024)?;
    let mut lines = text.trim_start_matches('\u{feff}').split('\n').peekable();
    let mut entries: Vec<Entry> = Vec::new();
    let mut expected: Option<String> = None;
    while let Some(line) = lines.next() {
        let mut rest = line;
        loop {
            rest = rest.trim_start_matches([' ', '\t', '\r']);
            if rest.is_empty() || (expected.is_none() && rest.starts_with('#')) {
                break;
            }
            let word = match (&expected, rest.strip_prefix('"')) {
                (Some(_), Some(quoted)) => quoted_word(quoted, &mut rest)?,
                _ => bare_word(&mut rest)?,
            };
            let keyword = expected.take();
            match keyword.as_deref() {
                None => match word.to_ascii_lowercase().as_str() {
                    "default" => entries.push(Entry::default()),
                    keyword if keyword == "machine" || keyword == "macdef" || KEYWORDS.contains(&keyword) => {
                        expected = Some(keyword.to_owned());
                    }
                    _ => return None,
                },
                Some("machine") => {
                    entries.push(Entry { machine: Some(word), ..Entry::default() });
                }
                Some("macdef") => {
                    while lines.next_if(|line| !matches!(*line, "" | "\r")).is_some() {}
                    break;
                }
                Some(keyword) => {
                    let values = &mut entries.last_mut()?.values;
                    if values.insert(keyword.to_owned(), word).is_some() {
                        return None;
                    }
                }
            }
        }
    }
    expected.is_none().then_some(entries)
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
        (true, Default::ForWhoeverAsks) => entries.iter().filter(|entry| entry.machine.is_none()).collect(),
    };
    let value = |entry: &Entry, name: &str| entry.values.get(name).cloned();
    let entry = candidates.into_iter().find(|entry| {
        let port = value(entry, "port").is_none_or(|port| match port.parse::<u16>() {
            Ok(number) => number == origin.port(),
            Err(_) => port == "https" && origin.port() == 443,
        });
        let protocol = value(entry, "protocol").is_none_or(|protocol| protocol == "https");
        port && protocol && (login.is_none() || value(entry, "login").as_deref() == login)
    })?;
    Some((value(entry, "login")?, value(entry, "password")?))
}

fn without_brackets(host: &str) -> &str {
    match host.as_bytes() {
        [b'[', .., b']'] => &host[1..host.len() - 1],
        _ => host,
    }
}
