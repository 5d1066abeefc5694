//! SASLprep (RFC 4013) for names and passwords.

use std::borrow::Cow;

use crate::scheme::scram::error::ScramError;

/// Prepares a text so that both sides hash the same octets for what a user takes to be the same.
///
/// ASCII stands for itself. Without the feature `saslprep` everything else is an error: octets
/// that were not prepared would not match what the server has stored, and the user would be told
/// that the password is wrong.
pub(crate) fn prepare(text: &str) -> Result<Cow<'_, str>, ScramError> {
    if text.chars().any(|character| character.is_ascii_control()) {
        return Err(ScramError::Credentials("the user name or password has control characters"));
    }
    if text.is_ascii() { Ok(Cow::Borrowed(text)) } else { prepare_unicode(text) }
}

#[cfg(feature = "saslprep")]
fn prepare_unicode(text: &str) -> Result<Cow<'_, str>, ScramError> {
    stringprep::saslprep(text)
        .map_err(|_| ScramError::Credentials("SASLprep prohibits a character of the user name or password"))
}

#[cfg(not(feature = "saslprep"))]
fn prepare_unicode(_: &str) -> Result<Cow<'_, str>, ScramError> {
    Err(ScramError::Credentials("a user name or password outside ASCII needs the feature \"saslprep\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_stands_for_itself_and_control_characters_are_refused() {
        assert_eq!(prepare("p=a,b c").expect("ASCII"), "p=a,b c");
        for bad in ["a\0", "a\n", "\u{7f}"] {
            prepare(bad).expect_err("a control character");
        }
    }

    /// RFC 4013, section 3.
    #[cfg(feature = "saslprep")]
    #[test]
    fn prepares_the_examples_of_rfc_4013() {
        for (text, prepared) in
            [("I\u{ad}X", "IX"), ("user", "user"), ("USER", "USER"), ("\u{aa}", "a"), ("\u{2168}", "IX")]
        {
            assert_eq!(prepare(text).expect("allowed"), prepared);
        }
        for prohibited in ["\u{7}", "\u{627}\u{31}"] {
            prepare(prohibited).expect_err("prohibited");
        }
    }
}
