//! Any octets as a server's certificate: its channel bindings, or an error. A plain second reader
//! finds the same signature algorithm.

use legwork::channel_bindings::ChannelBindings;

/// Panics if anything is wrong. Says whether there are bindings.
pub fn check(input: &[u8]) -> bool {
    let expected = if input.len() > 64 * 1024 { None } else { octets_of_hash(input) };
    match (ChannelBindings::from_certificate(input), expected) {
        (Ok(bindings), Some(octets)) => {
            let hash = bindings.application_data().strip_prefix(b"tls-server-end-point:");
            assert_eq!(hash.map(<[u8]>::len), Some(octets));
            true
        }
        (Err(error), None) => {
            assert!(error.to_string().len() < 400, "{error}");
            false
        }
        (bindings, expected) => panic!("{bindings:?}, but {expected:?}"),
    }
}

/// A value's tag and contents, and what follows it.
type Value<'a> = (u8, &'a [u8], &'a [u8]);

/// Takes one value apart by the rules of X.690, sections 8.1 and 10.1, in 64-bit numbers.
fn value(input: &[u8]) -> Option<Value<'_>> {
    let (&tag, rest) = input.split_first()?;
    let (&first, mut rest) = rest.split_first()?;
    let mut length = u64::from(first);
    if first >= 0x80 {
        let digits = rest.get(..usize::from(first & 0x7f))?;
        let shortest = digits.first().is_some_and(|digit| *digit > 0);
        length =
            digits.iter().try_fold(0_u64, |sum, digit| sum.checked_mul(256)?.checked_add((*digit).into()))?;
        if !shortest || length < 0x80 {
            return None;
        }
        rest = &rest[digits.len()..];
    }
    let length = usize::try_from(length).ok().filter(|length| *length <= rest.len())?;
    Some((tag, &rest[..length], &rest[length..]))
}

/// The same, for a value that has this tag.
fn tagged(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    value(input).filter(|(found, ..)| *found == tag).map(|(_, contents, rest)| (contents, rest))
}

/// An object identifier with a dot behind each number, as text: slow and easy to read. What breaks
/// the rules of X.690, section 8.19 is none that anybody knows.
fn dotted(oid: &[u8]) -> String {
    let mut text = String::new();
    for number in oid.split_inclusive(|octet| *octet < 0x80) {
        if number[0] == 0x80 || number.len() > 9 || number[number.len() - 1] >= 0x80 {
            return "?".to_owned();
        }
        let number = number.iter().fold(0_u64, |sum, octet| sum * 128 + u64::from(octet & 0x7f));
        text += &format!("{number}.");
    }
    text
}

fn octets_of_hash(certificate: &[u8]) -> Option<usize> {
    let (fields, []) = tagged(0x30, certificate)? else { return None };
    let (_, fields) = tagged(0x30, fields)?;
    let (algorithm, fields) = tagged(0x30, fields)?;
    let (_, []) = tagged(0x03, fields)? else { return None };
    let (oid, parameters) = tagged(0x06, algorithm)?;
    // The first number stands for two: 1.2 is 42, 1.3 is 43, 2.16 is 96.
    match &*dotted(oid) {
        "42.840.113549.1.1.10." => octets_of_pss(parameters),
        "42.840.113549.1.1.4." | "42.840.113549.1.1.5." | "43.14.3.2.29." | "42.840.113549.1.1.11." => {
            Some(32)
        }
        "42.840.10045.4.1." | "42.840.10045.4.3.2." | "42.840.10040.4.3." | "96.840.1.101.3.4.3.2." => {
            Some(32)
        }
        "43.101.112." | "43.101.113." => Some(32),
        "42.840.113549.1.1.14." | "42.840.10045.4.3.1." | "96.840.1.101.3.4.3.1." => Some(28),
        "42.840.113549.1.1.12." | "42.840.10045.4.3.3." | "96.840.1.101.3.4.3.3." => Some(48),
        "42.840.113549.1.1.13." | "42.840.10045.4.3.4." | "96.840.1.101.3.4.3.4." => Some(64),
        _ => None,
    }
}

fn octets_of_pss(parameters: &[u8]) -> Option<usize> {
    let (mut fields, _) = tagged(0x30, parameters)?;
    let mut hash = "43.14.3.2.26.".to_owned();
    let mut mask = hash.clone();
    if fields.first() == Some(&0xa0) {
        let (field, rest) = tagged(0xa0, fields)?;
        hash = dotted(tagged(0x06, tagged(0x30, field)?.0)?.0);
        fields = rest;
    }
    if fields.first() == Some(&0xa1) {
        let (function, parameters) = tagged(0x06, tagged(0x30, tagged(0xa1, fields)?.0)?.0)?;
        mask = dotted(tagged(0x06, tagged(0x30, parameters)?.0)?.0);
        if dotted(function) != "42.840.113549.1.1.8." {
            return None;
        }
    }
    match &*hash {
        _ if mask != hash => None,
        "42.840.113549.2.5." | "43.14.3.2.26." | "96.840.1.101.3.4.2.1." => Some(32),
        "96.840.1.101.3.4.2.4." => Some(28),
        "96.840.1.101.3.4.2.2." => Some(48),
        "96.840.1.101.3.4.2.3." => Some(64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_have_bindings_and_their_beginnings_have_none() {
        for (name, input) in seeds::of("certificate") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                assert!(!check(&input[..end]), "{name} up to {end}");
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("certificate") {
            check(&input);
        }
    }
}
