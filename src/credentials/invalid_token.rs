use std::fmt;

use crate::credentials::Secret;

/// Why a bearer token cannot be sent. Holds the one character that is in the way, and nothing else
/// of the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidToken(Reason);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reason {
    Empty,
    Character { character: char, offset: usize },
}

impl InvalidToken {
    /// Checks a token: visible ASCII but for the comma and the double quote, which the grammar of
    /// header fields has for itself.
    ///
    /// RFC 6750, section 2.1, has fewer characters. Servers hand out others all the same: Laravel's
    /// tokens have a `|`, Salesforce's a `!`, Twitter's a `%`.
    pub(crate) fn check(token: &Secret) -> Result<(), Self> {
        if token.expose().is_empty() {
            return Err(Self(Reason::Empty));
        }
        let can_be_sent = |character: char| character.is_ascii_graphic() && !matches!(character, ',' | '"');
        match token.expose().char_indices().find(|&(_, character)| !can_be_sent(character)) {
            Some((offset, character)) => Err(Self(Reason::Character { character, offset })),
            None => Ok(()),
        }
    }

    /// Returns the first character that cannot be sent, and at which octet of the token it is, counted from 0;
    /// `None` where the token is empty.
    pub fn character(&self) -> Option<(char, usize)> {
        match self.0 {
            Reason::Empty => None,
            Reason::Character { character, offset } => Some((character, offset)),
        }
    }
}

impl fmt::Display for InvalidToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Reason::Empty => f.write_str("the token is empty"),
            Reason::Character { character, offset } => {
                write!(f, "the token has {character:?} at octet {offset}, which cannot be sent")
            }
        }
    }
}

impl std::error::Error for InvalidToken {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_servers_hand_out_can_be_sent() {
        for token in ["mF_9.B5f-4.1JqM==", "12|laravel", "00Dx0!AQ.x", "AAAA%2Bx%3D", "a:b@c/d=e;f", "=="] {
            assert_eq!(InvalidToken::check(&Secret::new(token)), Ok(()), "{token}");
        }
    }

    #[test]
    fn the_character_that_cannot_be_sent_is_named_and_nothing_else() {
        for (token, expected) in [
            ("", "the token is empty"),
            ("from-a-file\n", "the token has '\\n' at octet 11, which cannot be sent"),
            ("a b", "the token has ' ' at octet 1, which cannot be sent"),
            ("a\r\nHost: x", "the token has '\\r' at octet 1, which cannot be sent"),
            ("a,b", "the token has ',' at octet 1, which cannot be sent"),
            ("\"quoted\"", "the token has '\"' at octet 0, which cannot be sent"),
            ("aä", "the token has 'ä' at octet 1, which cannot be sent"),
            ("a\0", "the token has '\\0' at octet 1, which cannot be sent"),
        ] {
            let error = InvalidToken::check(&Secret::new(token)).expect_err(token);
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_character_is_told_with_its_place() {
        let character = |token| InvalidToken::check(&Secret::new(token)).expect_err("not sent").character();
        assert_eq!(character(""), None);
        assert_eq!(character("ab\ncd\n"), Some(('\n', 2)));
    }
}
