//! Names as NTLM counts them: split into user and domain, in UTF-16LE, in upper case.

use zeroize::Zeroizing;

use crate::mechanism::{ErrorKind, MechanismError};

/// The longest name or password in UTF-16 code units. Windows stops at 256; a security buffer's
/// length has 16 bits, and all that goes into one message has to fit.
const LONGEST: usize = 4096;

/// A user and the domain that holds the account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct AccountName<'a> {
    pub(super) domain: &'a str,
    pub(super) user: &'a str,
}

impl<'a> AccountName<'a> {
    /// Reads `DOMAIN\user`; every other form is a user without a domain, `user@domain` too.
    pub(super) fn parse(username: &'a str) -> Result<Self, MechanismError> {
        let (domain, user) = username.split_once('\\').unwrap_or(("", username));
        if user.is_empty() {
            return Err(MechanismError::new(ErrorKind::Credentials, "NTLM needs a user name"));
        }
        Ok(Self { domain, user })
    }
}

/// Refuses a text that is too long for a message.
pub(super) fn check_length(what: &str, text: &str) -> Result<(), MechanismError> {
    // UTF-16 never has more code units than UTF-8 has octets.
    if text.len() <= LONGEST {
        return Ok(());
    }
    let length = text.encode_utf16().count();
    if length <= LONGEST {
        return Ok(());
    }
    Err(MechanismError::new(
        ErrorKind::Credentials,
        format!("the {what} has {length} UTF-16 code units, of which NTLM here takes {LONGEST}"),
    ))
}

/// A text in UTF-16LE, wiped when it is dropped: passwords go this way too.
pub(crate) fn utf16(text: &str) -> Zeroizing<Vec<u8>> {
    // With room for as many code units as UTF-8 has octets; so nothing is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(2 * text.len()));
    push_utf16(&mut octets, text);
    octets
}

/// Appends a text in UTF-16LE.
pub(crate) fn push_utf16(octets: &mut Vec<u8>, text: &str) {
    octets.reserve(2 * text.len());
    match text.is_ascii() {
        true => {
            let start = octets.len();
            octets.resize(start + 2 * text.len(), 0);
            octets[start..].chunks_exact_mut(2).zip(text.bytes()).for_each(|(unit, octet)| unit[0] = octet);
        }
        false => octets.extend(text.encode_utf16().flat_map(u16::to_le_bytes)),
    }
}

/// A user name in upper case, one UTF-16 code unit at a time; see the module's documentation for
/// what is left alone.
pub(crate) fn uppercase(name: &str) -> String {
    name.chars().map(uppercase_character).collect()
}

fn uppercase_character(character: char) -> char {
    let mut mapped = character.to_uppercase();
    match (mapped.next(), mapped.next()) {
        (Some(upper), None)
            if character.len_utf16() == 1
                && upper.len_utf16() == 1
                && character.is_ascii() == upper.is_ascii() =>
        {
            upper
        }
        _ => character,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_divides_domain_and_user_and_an_at_sign_does_not() {
        for (username, domain, user) in [
            ("LAB\\carol", "LAB", "carol"),
            ("carol@lab.test", "", "carol@lab.test"),
            ("carol", "", "carol"),
            ("\\carol", "", "carol"),
            ("LAB\\a\\b", "LAB", "a\\b"),
            ("LAB\\carol@lab.test", "LAB", "carol@lab.test"),
        ] {
            assert_eq!(AccountName::parse(username), Ok(AccountName { domain, user }), "{username}");
        }
        for nobody in ["", "LAB\\"] {
            let refused = AccountName::parse(nobody).map_err(|e| e.kind());
            assert_eq!(refused, Err(ErrorKind::Credentials), "{nobody:?}");
        }
    }

    #[test]
    fn upper_case_maps_one_code_unit_to_one() {
        for (name, upper) in [
            ("Carol-7", "CAROL-7"),
            ("jürgen", "JÜRGEN"),
            ("ÿéñ", "ŸÉÑ"),
            ("straße", "STRAßE"),
            ("ıſ", "ıſ"),
            ("σςλ", "ΣΣΛ"),
            ("иван", "ИВАН"),
            ("\u{10428}", "\u{10428}"), // a Deseret letter that has an upper case beyond U+FFFF
        ] {
            assert_eq!(uppercase(name), upper, "{name}");
        }
    }

    #[test]
    fn texts_that_no_message_could_carry_are_refused() {
        assert_eq!(check_length("password", &"ä".repeat(LONGEST)), Ok(()));
        let error = check_length("password", &"ä".repeat(LONGEST + 1)).expect_err("one too many");
        assert_eq!(error.kind(), ErrorKind::Credentials);
        assert!(!error.to_string().contains('ä'));
    }

    #[test]
    fn there_is_room_for_a_text_before_it_is_written() {
        for text in ["name".repeat(50), "é".repeat(100)] {
            let mut octets = Vec::new();
            push_utf16(&mut octets, &text);
            assert_eq!(octets.len(), 2 * text.chars().count());
            assert!(octets.capacity() >= 2 * text.len(), "{}", octets.capacity());
        }
    }
}
