//! A secret that programs show to a listener.

use std::fmt;
use std::path::Path;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::chain::chain;

/// The token. A program shows it as the password of Basic, with any name, or by Bearer.
#[derive(Clone)]
pub(crate) struct Token(Zeroizing<String>);

/// What is shorter can be guessed.
const SHORTEST: usize = 16;

impl Token {
    /// Reads the first line of a file.
    ///
    /// # Errors
    ///
    /// A sentence for the user.
    pub(crate) fn read(file: &Path) -> Result<Self, String> {
        let text = std::fs::read_to_string(file).map(Zeroizing::new);
        let text = text.map_err(|error| format!("--token-file {}: {}", file.display(), chain(&error)))?;
        let token = text.lines().next().unwrap_or_default().trim();
        if token.len() < SHORTEST {
            return Err(format!(
                "--token-file {}: a token has {SHORTEST} characters at least",
                file.display()
            ));
        }
        Ok(Self(Zeroizing::new(token.to_owned())))
    }

    #[cfg(test)]
    pub(crate) fn new(token: &str) -> Self {
        Self(Zeroizing::new(token.to_owned()))
    }

    /// Whether a value of `Authorization`, or of `Proxy-Authorization`, shows it.
    pub(super) fn is_in(&self, value: &HeaderValue) -> bool {
        let Some((scheme, shown)) = value.to_str().ok().and_then(|value| value.split_once(' ')) else {
            return false;
        };
        let shown = shown.trim();
        if scheme.eq_ignore_ascii_case("Bearer") {
            return self.is(shown.as_bytes());
        }
        let Ok(basic) = BASE64_STANDARD.decode(shown).map(Zeroizing::new) else { return false };
        let password = basic.iter().position(|octet| *octet == b':').map(|colon| &basic[colon + 1..]);
        scheme.eq_ignore_ascii_case("Basic") && password.is_some_and(|password| self.is(password))
    }

    /// In a time that does not tell where they differ.
    fn is(&self, shown: &[u8]) -> bool {
        let token = self.0.as_bytes();
        let differing = token.iter().zip(shown).fold(0, |differing, (a, b)| differing | (a ^ b));
        shown.len() == token.len() && std::hint::black_box(differing) == 0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_shown_by_basic_or_bearer() {
        let token = Token::new("0123456789abcdef");
        let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
        for shown in ["Bearer 0123456789abcdef", "bearer 0123456789abcdef", &basic("x:0123456789abcdef")] {
            assert!(token.is_in(&shown.parse().expect("a value")), "{shown}");
        }
        for other in [
            "Bearer 0123456789abcdeg",
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer ",
            "Bearer",
            "",
            "Basic 0123456789abcdef",
            "Digest 0123456789abcdef",
            &basic("0123456789abcdef"),
            &basic("0123456789abcdef:"),
            &basic("x:x:0123456789abcdef"),
        ] {
            assert!(!token.is_in(&other.parse().expect("a value")), "{other}");
        }
        assert!(!format!("{token:?}").contains("0123"));
    }
}
