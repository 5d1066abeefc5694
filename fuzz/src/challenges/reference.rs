//! The ABNF of RFC 9110, rule by rule. A rule answers with every way in which it matches, so that
//! nothing is decided by the order of alternatives; [`parse`] asserts that a whole value has at
//! most one reading.

use std::collections::BTreeSet;

/// A challenge as plain data. A scheme alone has neither token68 nor params.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Challenge {
    pub scheme: String,
    pub token68: Option<String>,
    pub params: Vec<Param>,
}

/// A name, and a value after unquoting.
pub type Param = (String, Vec<u8>);

/// Where a rule's match ends, and what it means.
type Ways<T> = BTreeSet<(usize, T)>;

/// The challenges of a whole field value; `None` if it is not well-formed.
///
/// `OWS #challenge OWS`, and no name twice in a challenge (RFC 9110, section 11.2).
pub fn parse(value: &[u8]) -> Option<Vec<Challenge>> {
    let mut readings = BTreeSet::new();
    for start in ows(value, 0) {
        for (end, challenges) in list(value, start, challenge) {
            if ows(value, end).contains(&value.len()) {
                readings.insert(challenges);
            }
        }
    }
    assert!(readings.len() <= 1, "the ABNF is ambiguous: {readings:?}");
    readings.pop_first().filter(|challenges| challenges.iter().all(names_are_unique))
}

fn names_are_unique(challenge: &Challenge) -> bool {
    let names: BTreeSet<_> = challenge.params.iter().map(|(name, _)| name.to_ascii_lowercase()).collect();
    names.len() == challenge.params.len()
}

/// `#element`: `[ element ] *( OWS "," OWS [ element ] )` (section 5.6.1.2).
fn list<T: Clone + Ord>(value: &[u8], at: usize, element: fn(&[u8], usize) -> Ways<T>) -> Ways<Vec<T>> {
    let optional_element = |at: usize, before: &[T]| {
        let mut ways = Ways::from([(at, before.to_vec())]);
        ways.extend(element(value, at).into_iter().map(|(end, last)| (end, [before, &[last]].concat())));
        ways
    };
    let mut ways = optional_element(at, &[]);
    let mut unfinished = ways.clone();
    while let Some((at, before)) = unfinished.pop_first() {
        for comma in ows(value, at) {
            if value.get(comma) != Some(&b',') {
                continue;
            }
            for start in ows(value, comma + 1) {
                for way in optional_element(start, &before) {
                    if ways.insert(way.clone()) {
                        unfinished.insert(way);
                    }
                }
            }
        }
    }
    ways
}

/// `auth-scheme [ 1*SP ( token68 / #auth-param ) ]` (section 11.3), and two leniencies.
fn challenge(value: &[u8], at: usize) -> Ways<Challenge> {
    let mut ways = Ways::new();
    for (end, scheme) in token(value, at) {
        let bare = Challenge { scheme, token68: None, params: Vec::new() };
        ways.insert((end, bare.clone()));
        // First leniency: HTAB as well as SP.
        for start in some(value, end, |octet| matches!(octet, b' ' | b'\t')) {
            for (end, token68) in token68(value, start) {
                ways.insert((end, Challenge { token68: Some(token68), ..bare.clone() }));
            }
            for (end, params) in list(value, start, auth_param) {
                ways.insert((end, Challenge { params, ..bare.clone() }));
            }
        }
        // Second leniency: a list of params that begins with a comma needs no SP before it.
        if value.get(end) == Some(&b',') {
            for (end, params) in list(value, end, auth_param) {
                ways.insert((end, Challenge { params, ..bare.clone() }));
            }
        }
    }
    ways
}

/// `1*( ALPHA / DIGIT / "-" / "." / "_" / "~" / "+" / "/" ) *"="` (section 11.2).
fn token68(value: &[u8], at: usize) -> Ways<String> {
    let mut ways = Ways::new();
    for middle in some(value, at, |octet| octet.is_ascii_alphanumeric() || b"-._~+/".contains(&octet)) {
        for end in any(value, middle, |octet| octet == b'=') {
            ways.insert((end, ascii(&value[at..end])));
        }
    }
    ways
}

/// Whether all of it is one.
pub(super) fn is_token68(value: &[u8]) -> bool {
    token68(value, 0).iter().any(|(end, _)| *end == value.len())
}

/// `token BWS "=" BWS ( token / quoted-string )` (section 11.2).
fn auth_param(value: &[u8], at: usize) -> Ways<Param> {
    let mut ways = Ways::new();
    for (end, name) in token(value, at) {
        for equals in ows(value, end) {
            if value.get(equals) != Some(&b'=') {
                continue;
            }
            for start in ows(value, equals + 1) {
                for (end, text) in token(value, start) {
                    ways.insert((end, (name.clone(), text.into_bytes())));
                }
                if let Some((end, text)) = quoted_string(value, start) {
                    ways.insert((end, (name.clone(), text)));
                }
            }
        }
    }
    ways
}

/// `DQUOTE *( qdtext / quoted-pair ) DQUOTE` (section 5.6.4), which matches in one way at most.
fn quoted_string(value: &[u8], at: usize) -> Option<(usize, Vec<u8>)> {
    let mut text = Vec::new();
    let mut rest = value[at..].strip_prefix(b"\"")?;
    loop {
        rest = match rest {
            [b'"', rest @ ..] => return Some((value.len() - rest.len(), text)),
            // quoted-pair = "\" ( HTAB / SP / VCHAR / obs-text )
            [b'\\', escaped @ (b'\t' | b' ' | 0x21..=0x7E | 0x80..=0xFF), rest @ ..] => {
                text.push(*escaped);
                rest
            }
            // qdtext = HTAB / SP / %x21 / %x23-5B / %x5D-7E / obs-text
            [octet @ (b'\t' | b' ' | 0x21 | 0x23..=0x5B | 0x5D..=0x7E | 0x80..=0xFF), rest @ ..] => {
                text.push(*octet);
                rest
            }
            _ => return None,
        };
    }
}

/// `1*tchar` (section 5.6.2).
fn token(value: &[u8], at: usize) -> Ways<String> {
    some(value, at, is_tchar).into_iter().map(|end| (end, ascii(&value[at..end]))).collect()
}

pub(super) fn is_tchar(octet: u8) -> bool {
    matches!(
        octet,
        b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`'
            | b'|' | b'~' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z'
    )
}

/// `OWS` and `BWS`: `*( SP / HTAB )` (section 5.6.3).
fn ows(value: &[u8], at: usize) -> Vec<usize> {
    any(value, at, |octet| matches!(octet, b' ' | b'\t'))
}

/// `*octet`: where it can end.
fn any(value: &[u8], at: usize, allowed: fn(u8) -> bool) -> Vec<usize> {
    [vec![at], some(value, at, allowed)].concat()
}

/// `1*octet`: where it can end.
fn some(value: &[u8], at: usize, allowed: fn(u8) -> bool) -> Vec<usize> {
    (at..value.len()).take_while(|&place| allowed(value[place])).map(|place| place + 1).collect()
}

fn ascii(octets: &[u8]) -> String {
    octets.iter().copied().map(char::from).collect()
}
