//! Words for a shell, in commands that a user may paste.

use std::borrow::Cow;

/// A word that a shell takes as it is, whatever a user or a server has put into it.
pub(crate) fn quoted(word: &str) -> Cow<'_, str> {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"@._/:-".contains(&octet);
    match !word.is_empty() && word.bytes().all(is_plain) {
        true => Cow::Borrowed(word),
        false => Cow::Owned(format!("'{}'", word.replace('\'', r"'\''"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_a_quoted_word_as_it_is() {
        for word in ["carol@LAB.TEST", "https://mail.example:8443/ews/"] {
            assert_eq!(quoted(word), word);
        }
        for word in [
            "LAB\\carol",
            "a b",
            "$(id)",
            "`id`",
            "a;id",
            "a&b",
            "o'neil'",
            "'; id; '",
            "",
            "~",
            "a\nid",
            "ä",
        ] {
            let script = format!("printf %s {}", quoted(word));
            let output = std::process::Command::new("sh").args(["-c", &script]).output().expect("a shell");
            assert_eq!(String::from_utf8_lossy(&output.stdout), word, "{script}");
        }
    }
}
