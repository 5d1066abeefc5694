//! `legwork::challenge` against the ABNF and its own rules, and what must hold for malformed values
//! too.

pub mod legible;
pub mod reference;
#[cfg(test)]
mod tests;

use http::header::{HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use legwork::challenge::{ChallengeError, Challenges};

use self::reference::Challenge;

/// The plain parser follows every way through the grammar; longer values cost it too much.
const REFERENCE_OCTETS: usize = 256;

/// Panics if anything is wrong. Says whether the plain parser accepted the value, if it was asked.
pub fn check(value: &[u8]) -> Option<bool> {
    check_errors(value);
    check_lines(value);
    check_resynchronisation(value);
    (value.len() <= REFERENCE_OCTETS).then(|| {
        check_each_challenge(value);
        check_against_reference(value)
    })
}

/// Checks each challenge by itself: a well-formed one is read as if it were the only one, and a malformed one
/// gives an error and what is legible of it.
fn check_each_challenge(value: &[u8]) {
    let ours = Challenges::from_value(value);
    if is_limited(&ours) {
        return;
    }
    let (mut well_formed, mut malformed, mut schemes) = (Vec::new(), Vec::new(), Vec::new());
    for elements in legible::elements(value) {
        match reference::parse(&elements.join(&b", "[..])).filter(|challenges| within_limits(challenges)) {
            Some(challenges) => well_formed.extend(challenges),
            None => {
                let read = legible::read(&elements);
                schemes.push(read.as_ref().map(|challenge| challenge.scheme.clone()));
                malformed.extend(read.filter(|_| !legible::swallows(&elements)));
            }
        }
    }
    assert_eq!(read(&ours), well_formed, "{}", value.escape_ascii());
    assert_eq!(read(ours.malformed()), malformed, "{}", value.escape_ascii());
    let ours: Vec<_> = ours.errors().iter().map(|error| error.scheme().map(str::to_owned)).collect();
    assert_eq!(ours, schemes, "{}", value.escape_ascii());
}

/// Accepted: the same challenges and no error. Rejected: at least one error.
fn check_against_reference(value: &[u8]) -> bool {
    let ours = Challenges::from_value(value);
    let Some(expected) = reference::parse(value).filter(|challenges| within_limits(challenges)) else {
        assert!(!ours.errors().is_empty(), "not well-formed, but no error: {}", value.escape_ascii());
        return false;
    };
    assert_eq!(ours.errors(), [], "{}", value.escape_ascii());
    assert_eq!(read(&ours), expected, "{}", value.escape_ascii());
    true
}

fn within_limits(challenges: &[Challenge]) -> bool {
    challenges.len() <= Challenges::MAX_CHALLENGES
        && challenges.iter().all(|challenge| challenge.params.len() <= Challenges::MAX_PARAMS)
}

/// Errors are few, point into the value, and can be printed; so can the challenges.
fn check_errors(value: &[u8]) {
    let challenges = Challenges::from_value(value);
    assert!(challenges.iter().count() + challenges.errors().len() <= Challenges::MAX_CHALLENGES + 1);
    let tokens = challenges.iter().filter_map(|challenge| challenge.token().err());
    for error in challenges.errors().iter().cloned().chain(tokens) {
        assert!(error.offset() <= value.len(), "{error}");
    }
    for challenge in challenges.iter().chain(challenges.malformed()) {
        let names: Vec<_> = challenge.params().map(|(name, _)| name.to_ascii_lowercase()).collect();
        assert!((1..names.len()).all(|i| !names[i..].contains(&names[i - 1])), "a name occurs twice");
    }
    let _ = format!("{challenges:?}");
}

/// Each field line is a list of its own.
fn check_lines(value: &[u8]) {
    let mut headers = HeaderMap::new();
    let mut expected = Vec::new();
    let mut malformed = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in value.split(|&octet| octet == b'\n').enumerate() {
        let Ok(line) = HeaderValue::from_bytes(line) else { return };
        let alone = Challenges::from_value(line.as_bytes());
        expected.extend(read(&alone));
        malformed.extend(read(alone.malformed()));
        errors.extend(alone.errors().iter().map(|error| (index, what(error), error.offset())));
        headers.append(WWW_AUTHENTICATE, line);
    }
    if expected.len() + errors.len() <= Challenges::MAX_CHALLENGES {
        let together = Challenges::parse(&headers, WWW_AUTHENTICATE);
        assert_eq!(read(&together), expected);
        assert_eq!(read(together.malformed()), malformed);
        let together = together.errors().iter();
        assert!(together.map(|error| (error.line(), what(error), error.offset())).eq(errors));
    }
}

/// Whatever stands before a comma outside quotes, the challenge after it is read. Whatever stands
/// after a challenge, it is kept, unless its own parameters are meant.
fn check_resynchronisation(value: &[u8]) {
    let alone = Challenges::from_value(value);
    if is_limited(&alone) {
        return;
    }
    // The value may end within quotes, or there behind a backslash.
    let ends: [&[u8]; 3] = [b"", b"\"", b"\\\""];
    let found = ends.iter().any(|end| {
        let challenges = Challenges::from_value(&[value, end, b", Last l68"].concat());
        is_limited(&challenges) || challenges.iter().last().is_some_and(|last| last.token68() == Some("l68"))
    });
    assert!(found, "the last challenge is lost: {}", value.escape_ascii());

    let challenges = Challenges::from_value(&[b"First f68, Second, ", value].concat());
    assert_eq!(challenges.iter().next().and_then(|first| first.token68()), Some("f68"));
}

fn is_limited(challenges: &Challenges) -> bool {
    challenges.errors().iter().any(|error| error.to_string().contains("too many challenges"))
}

fn read<'a>(challenges: impl IntoIterator<Item = &'a legwork::challenge::Challenge>) -> Vec<Challenge> {
    let read = challenges.into_iter().map(|challenge| Challenge {
        scheme: challenge.scheme().to_owned(),
        token68: challenge.token68().map(str::to_owned),
        params: challenge.params().map(|(name, value)| (name.to_owned(), value.to_vec())).collect(),
    });
    read.collect()
}

/// What is malformed, without the place.
fn what(error: &ChallengeError) -> String {
    let shown = error.to_string();
    shown.split(", at octet").next().expect("there is a first part").to_owned()
}
