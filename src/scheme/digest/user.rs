//! The user's name and password as octets, and the form in which the name is sent.

use std::fmt::Write;
use std::sync::Arc;

use zeroize::Zeroizing;

use super::algorithm::{Hex, Key};
use super::challenge::DigestChallenge;
use super::name::NAME;
use super::response;
use super::spelling::Spelling;
use crate::authorization::ParamValue;
use crate::credentials::Credentials;
use crate::scheme::SchemeError;
use crate::scheme::charset::Charset;

/// A name as it is sent.
pub(super) enum SentName {
    /// `username="…"`, in the charset of the hash. Other than ASCII goes as it is, as in Chromium,
    /// Firefox and curl: who names no charset does not know `username*` either.
    Plain(Vec<u8>),
    /// `username*=UTF-8''…` (RFC 8187), or the name itself where the server does not read that.
    Extended(String, Vec<u8>),
    /// `username="…"` with a hash, and `userhash=true`.
    Hashed(Hex),
}

impl SentName {
    /// The parameter's name and value.
    pub(super) fn param(&self, spelling: Spelling) -> (&'static str, ParamValue<'_>) {
        match self {
            Self::Plain(octets) => ("username", ParamValue::Quoted(octets)),
            Self::Extended(text, octets) => match spelling {
                Spelling::Extended => ("username*", ParamValue::Token(text)),
                Spelling::Raw => ("username", ParamValue::Quoted(octets)),
            },
            Self::Hashed(hex) => ("username", ParamValue::Quoted(hex.as_bytes())),
        }
    }
}

/// What name and password come to in a realm.
pub(super) struct UserInRealm {
    pub(super) name: SentName,
    /// `H(username:realm:password)`, the password's equal in this realm.
    pub(super) key: Arc<Key>,
}

/// For a challenge, in its charset or that of the policy.
pub(super) fn log_in(
    credentials: &Credentials,
    challenge: &DigestChallenge,
    charset: Charset,
) -> Result<UserInRealm, SchemeError> {
    let Some((username, password)) = credentials.as_password() else {
        return Err(SchemeError::new(NAME, "it needs a password"));
    };
    let password = password.expose();
    if username.contains(':') {
        return Err(SchemeError::new(NAME, "a user name with a colon cannot be sent"));
    }
    if username.chars().chain(password.chars()).any(char::is_control) {
        return Err(SchemeError::new(NAME, "the user name or password has control characters"));
    }

    let encoded = match charset {
        Charset::Latin1 if !challenge.is_utf8() => latin1(username).zip(latin1(password)),
        Charset::Latin1 | Charset::Utf8 => None,
    };
    let (name_octets, password_octets) = match &encoded {
        Some((name, password)) => (name.as_slice(), password.as_slice()),
        None => (username.as_bytes(), password.as_bytes()),
    };
    let name = if challenge.wants_user_hash() {
        SentName::Hashed(response::user_hash(challenge.algorithm(), name_octets, challenge.realm()))
    } else if username.is_ascii() || !challenge.is_utf8() {
        SentName::Plain(name_octets.to_vec())
    } else {
        SentName::Extended(extended(username), name_octets.to_vec())
    };
    let key = response::key(challenge.algorithm().hash(), name_octets, challenge.realm(), password_octets);
    Ok(UserInRealm { name, key: Arc::new(key) })
}

/// `None` if a character is not in ISO-8859-1.
fn latin1(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    for character in text.chars() {
        octets.push(u8::try_from(u32::from(character)).ok()?);
    }
    Some(octets)
}

/// `ext-value` in UTF-8 and without a language (RFC 8187, section 3.2.1).
fn extended(text: &str) -> String {
    let mut value = String::from("UTF-8''");
    for octet in text.bytes() {
        if octet.is_ascii_alphanumeric() || b"!#$&+-.^_`|~".contains(&octet) {
            value.push(octet.into());
        } else {
            write!(value, "%{octet:02X}").expect("a String takes everything");
        }
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::algorithm::DigestHash;
    use super::*;
    use crate::challenge::Challenges;

    fn name(challenge: &str, charset: Charset, username: &str) -> Result<(SentName, Key), SchemeError> {
        let challenges = Challenges::from_value(challenge.as_bytes());
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one"))?;
        let login = log_in(&Credentials::password(username, "pass-wörd"), &challenge, charset)?;
        Ok((login.name, (*login.key).clone()))
    }

    fn key(username: &[u8], password: &[u8]) -> Key {
        response::key(DigestHash::Md5, username, b"r", password)
    }

    const UTF8: &str = "Digest realm=r, nonce=n, charset=utf-8";
    const SILENT: &str = "Digest realm=r, nonce=n";

    #[test]
    fn a_name_beyond_ascii_goes_as_utf8_unless_the_policy_says_otherwise() {
        let (SentName::Plain(plain), hash) = name(SILENT, Charset::Utf8, "J\u{e4}s\u{f8}n").expect("good")
        else {
            panic!("not as it is")
        };
        assert_eq!(plain, "Jäsøn".as_bytes());
        assert_eq!(hash, key("Jäsøn".as_bytes(), "pass-wörd".as_bytes()));

        let (SentName::Plain(plain), hash) = name(SILENT, Charset::Latin1, "Jäsøn").expect("good") else {
            panic!("not as it is")
        };
        assert_eq!(plain, b"J\xe4s\xf8n");
        assert_eq!(hash, key(b"J\xe4s\xf8n", b"pass-w\xf6rd"));

        let (SentName::Plain(plain), hash) = name(SILENT, Charset::Latin1, "J€").expect("good") else {
            panic!("not as it is")
        };
        assert_eq!(plain, "J€".as_bytes());
        assert_eq!(hash, key("J€".as_bytes(), "pass-wörd".as_bytes()));
    }

    #[test]
    fn a_server_that_names_utf8_gets_an_extended_name() {
        for charset in [Charset::Utf8, Charset::Latin1] {
            let (SentName::Extended(text, _), hash) =
                name(UTF8, charset, "J\u{e4}s\u{f8}n Doe'*%").expect("good")
            else {
                panic!("not extended")
            };
            assert_eq!(text, "UTF-8''J%C3%A4s%C3%B8n%20Doe%27%2A%25");
            assert_eq!(hash, key("Jäsøn Doe'*%".as_bytes(), "pass-wörd".as_bytes()));
        }
        let (name, _) = name(UTF8, Charset::Utf8, "a \"b\" \\c").expect("good");
        assert!(matches!(name, SentName::Plain(plain) if plain == b"a \"b\" \\c"));
    }

    #[test]
    fn what_cannot_be_sent_is_an_error_without_the_secret() {
        for username in ["a:b", "a\nb", "a\u{7f}", "a\u{85}"] {
            let Err(error) = name(SILENT, Charset::Utf8, username) else { panic!("{username:?}") };
            assert!(!error.to_string().contains("pass-"), "{error}");
        }
    }

    #[test]
    fn credentials_without_a_password_cannot_serve() {
        let challenges = Challenges::from_value(SILENT.as_bytes());
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
        let Err(error) = log_in(&Credentials::bearer_token("a-token"), &challenge, Charset::Utf8) else {
            panic!("a token is no password")
        };
        assert_eq!(error.to_string(), "Digest: it needs a password");
    }
}
