//! Any octets as the token of a server that cannot take a ticket: a short line of text, or nothing.

use std::time::{Duration, UNIX_EPOCH};

use legwork::mechanism::explain_krb_error;

/// Panics if anything is wrong. Says whether there was something to explain.
///
/// The first octet says what the rest is: a whole token, or a message in an otherwise good one.
pub fn check(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else { return false };
    let token = match form % 2 {
        0 => rest.to_vec(),
        _ => framed(rest),
    };
    let now = UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let Some(sentence) = explain_krb_error(&token, now) else { return false };
    assert!(sentence.chars().count() < 400, "{sentence}");
    assert!(!sentence.contains(char::is_control), "{sentence:?}");
    true
}

/// A message behind Kerberos' frame (RFC 2743, section 3.1; RFC 4121, section 4.1).
fn framed(message: &[u8]) -> Vec<u8> {
    let kerberos = b"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x03\x00";
    let length = kerberos.len() + message.len();
    let length = match u8::try_from(length) {
        Ok(short @ 0..=0x7f) => vec![short],
        Ok(one) => vec![0x81, one],
        Err(_) => [&[0x83], &length.to_be_bytes()[5..]].concat(),
    };
    [b"\x60", length.as_slice(), kerberos, message].concat()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_explained_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("krb_error") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("krb_error") {
            check(&input);
        }
    }
}
