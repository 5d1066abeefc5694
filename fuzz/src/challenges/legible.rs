//! The rules of `legwork::challenge` for malformed values, taken literally: where a challenge begins
//! and ends, and what can be read of one that is malformed.

use legwork::challenge::Challenges;

use super::reference::{self, Challenge};

/// The list's elements, challenge by challenge: one that begins with a name and `=` belongs to the
/// challenge before it.
pub fn elements(value: &[u8]) -> Vec<Vec<&[u8]>> {
    let is_outside = outside_quotes(value);
    let commas = (0..value.len()).filter(|&at| value[at] == b',' && is_outside[at]);
    let mut challenges: Vec<Vec<&[u8]>> = Vec::new();
    let mut start = 0;
    for end in commas.chain([value.len()]) {
        let element = trimmed(&value[start..end]);
        start = end + 1;
        match challenges.last_mut() {
            _ if element.is_empty() => {}
            Some(challenge) if named(element).is_some() => challenge.push(element),
            _ => challenges.push(vec![element]),
        }
    }
    challenges
}

/// What can be read of a malformed challenge's elements; `None` if its scheme is not legible.
pub fn read(elements: &[&[u8]]) -> Option<Challenge> {
    let (first, others) = elements.split_first()?;
    let (scheme, body) = first.split_at(token_length(first));
    if scheme.is_empty() || named(first).is_some() || body.first().is_some_and(|&octet| !is_space(octet)) {
        return None;
    }
    let body = trimmed(body);
    let body = if reference::is_token68(body) { b"" } else { body };
    let mut params: Vec<reference::Param> = Vec::new();
    for (name, value) in [body].iter().chain(others).flat_map(|element| params_of(element)) {
        let is_new = params.iter().all(|(known, _)| !known.eq_ignore_ascii_case(&name));
        if is_new && params.len() < Challenges::MAX_PARAMS {
            params.push((name, value));
        }
    }
    Some(Challenge { scheme: text(scheme), token68: None, params })
}

/// Whether the last quote is missing, and a comma is behind the one before.
pub fn swallows(elements: &[&[u8]]) -> bool {
    let last = *elements.last().expect("no challenge is empty");
    let (mut opened, mut is_escaped) = (None, false);
    for (at, &octet) in last.iter().enumerate() {
        if octet == b'"' && !is_escaped {
            opened = if opened.is_none() { Some(at) } else { None };
        }
        is_escaped = octet == b'\\' && opened.is_some() && !is_escaped;
    }
    opened.is_some_and(|at| last[at..].contains(&b','))
}

fn params_of(element: &[u8]) -> Vec<reference::Param> {
    let is_outside = outside_quotes(element);
    let begins = |&at: &usize| {
        (at == 0 || is_space(element[at - 1]) && is_outside[at - 1]) && named(&element[at..]).is_some()
    };
    let starts: Vec<_> = (0..element.len()).filter(begins).collect();
    let ends = starts.iter().copied().skip(1).chain([element.len()]);
    let params = starts.iter().zip(ends).filter_map(|(&start, end)| {
        let (name, value) = named(&element[start..end])?;
        let value = match trimmed(value) {
            [] => return None,
            [b'"', quoted @ ..] => unquoted(quoted),
            value => value.to_vec(),
        };
        let is_text = value.iter().all(|octet| matches!(octet, b'\t' | b' '..=0x7E | 0x80..));
        is_text.then(|| (text(name), value))
    });
    params.collect()
}

/// A name, and what stands behind its `=`.
fn named(element: &[u8]) -> Option<(&[u8], &[u8])> {
    let (name, rest) = element.split_at(token_length(element));
    let value = trimmed(rest).strip_prefix(b"=")?;
    (!name.is_empty()).then_some((name, value))
}

/// Whether each octet is outside quotes; the quotes are not.
fn outside_quotes(value: &[u8]) -> Vec<bool> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let outside = value.iter().map(|&octet| {
        let was_quoted = is_quoted;
        is_quoted ^= octet == b'"' && !is_escaped;
        is_escaped = octet == b'\\' && is_quoted && !is_escaped;
        !was_quoted && !is_quoted
    });
    outside.collect()
}

/// Up to the next quote that is not escaped.
fn unquoted(quoted: &[u8]) -> Vec<u8> {
    match quoted {
        [] | [b'\\'] | [b'"', ..] => Vec::new(),
        [b'\\', octet, rest @ ..] | [octet, rest @ ..] => [vec![*octet], unquoted(rest)].concat(),
    }
}

fn token_length(octets: &[u8]) -> usize {
    octets.iter().take_while(|&&octet| reference::is_tchar(octet)).count()
}

fn trimmed(mut octets: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = octets {
        octets = rest;
    }
    octets
}

fn is_space(octet: u8) -> bool {
    matches!(octet, b' ' | b'\t')
}

fn text(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}
