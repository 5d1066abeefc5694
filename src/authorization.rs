//! The value of `Authorization` and `Proxy-Authorization` (RFC 9110, section 11.6.2).

use std::fmt;

use base64::Engine;
use bytes::Bytes;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::challenge::is_tchar;
use crate::credentials::{InvalidToken, Secret};
use crate::token68::BASE64;

/// Octets that are encoded at once, a multiple of three. What they become fits into the nearest cache, so that clearing it
/// first costs little.
const PIECE: usize = 1_152;

/// An outgoing field value: a scheme name and what follows it.
///
/// The value is always marked sensitive, so that HPACK never indexes it, and `Debug` shows the
/// only the scheme.
#[derive(Clone)]
pub struct Authorization {
    scheme: &'static str,
    value: HeaderValue,
}

impl Authorization {
    /// `scheme` followed by `token` as token68, base64 with padding (RFC 9110, section 11.2).
    pub fn token68(scheme: &'static str, token: &[u8]) -> Self {
        Self::visible(scheme, Bytes::from(encoded(scheme, token)))
    }

    /// The same for a token that has the password in it: the value is wiped with its last copy.
    pub(crate) fn secret_token68(scheme: &'static str, token: &[u8]) -> Self {
        Self::visible(scheme, Bytes::from_owner(Zeroizing::new(encoded(scheme, token))))
    }

    /// `scheme` followed by a token as it is: the `b64token` of RFC 6750, section 2.1, and whatever
    /// else servers hand out.
    ///
    /// # Errors
    ///
    /// [`InvalidToken`] if it has a character that cannot be sent.
    pub fn token(scheme: &'static str, token: &Secret) -> Result<Self, InvalidToken> {
        InvalidToken::check(token)?;
        let text = Zeroizing::new([scheme, " ", token.expose()].concat().into_bytes());
        Ok(Self::visible(scheme, Bytes::from_owner(text)))
    }

    /// `scheme` followed by parameters in this order (RFC 9110, section 11.4).
    ///
    /// # Errors
    ///
    /// [`InvalidParam`] for a value that its form cannot carry: a control character in quotes, or
    /// anything but a token without them.
    pub fn params<'a>(
        scheme: &'static str,
        params: impl IntoIterator<Item = (&'static str, ParamValue<'a>)>,
    ) -> Result<Self, InvalidParam> {
        let mut text = ParamText::new(scheme, 512);
        for param in params {
            text.push(param)?;
        }
        text.into_authorization()
    }

    /// A value that is known to be visible ASCII.
    fn visible(scheme: &'static str, value: Bytes) -> Self {
        let mut value =
            HeaderValue::from_maybe_shared(value).expect("a scheme name and a token are visible ASCII");
        value.set_sensitive(true);
        Self { scheme, value }
    }

    /// Returns the scheme's name as it is sent.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    pub(crate) fn value(&self) -> &HeaderValue {
        &self.value
    }

    /// Returns the field value, marked sensitive.
    pub fn into_value(self) -> HeaderValue {
        self.value
    }
}

/// A scheme's name and a token in base64, in a text that did not move as it grew.
fn encoded(scheme: &'static str, token: &[u8]) -> Vec<u8> {
    let mut text = Vec::with_capacity(scheme.len() + 1 + token.len().div_ceil(3) * 4);
    text.extend_from_slice(scheme.as_bytes());
    text.push(b' ');
    for piece in token.chunks(PIECE) {
        let start = text.len();
        text.resize(start + piece.len().div_ceil(3) * 4, 0);
        BASE64.encode_slice(piece, &mut text[start..]).expect("three octets make four");
    }
    text
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

/// A scheme name and parameters, in the making.
#[derive(Clone)]
pub(crate) struct ParamText {
    scheme: &'static str,
    text: Vec<u8>,
}

impl ParamText {
    /// Without parameters so far, and with room for so many octets of them.
    pub(crate) fn new(scheme: &'static str, room: usize) -> Self {
        let mut text = Vec::with_capacity(scheme.len() + room);
        text.extend_from_slice(scheme.as_bytes());
        Self { scheme, text }
    }

    /// How many octets a parameter takes where others come before it and nothing in it is escaped.
    pub(crate) fn room_for((name, value): (&str, ParamValue<'_>)) -> usize {
        let value = match value {
            ParamValue::Token(token) => token.len(),
            ParamValue::Quoted(value) => value.len() + 2,
        };
        ", =".len() + name.len() + value
    }

    /// How many octets its parameters take, with the space in front.
    #[inline]
    pub(crate) fn room(&self) -> usize {
        self.text.len() - self.scheme.len()
    }

    /// Adds a parameter.
    ///
    /// # Errors
    ///
    /// [`InvalidParam`] if the value's form cannot carry it.
    #[inline]
    pub(crate) fn push(&mut self, (name, value): (&'static str, ParamValue<'_>)) -> Result<(), InvalidParam> {
        self.push_name(name);
        if value.write(&mut self.text) { Ok(()) } else { Err(InvalidParam { name }) }
    }

    /// Adds a parameter whose value is known to have nothing but digits or letters: it is not looked at.
    #[inline]
    pub(crate) fn push_plain(&mut self, (name, value): (&'static str, ParamValue<'_>)) {
        self.push_name(name);
        match value {
            ParamValue::Token(token) => self.text.extend_from_slice(token.as_bytes()),
            ParamValue::Quoted(value) => {
                self.text.push(b'"');
                self.text.extend_from_slice(value);
                self.text.push(b'"');
            }
        }
    }

    #[inline]
    fn push_name(&mut self, name: &'static str) {
        self.text.extend_from_slice(if self.room() == 0 { b" " } else { b", " });
        self.text.extend_from_slice(name.as_bytes());
        self.text.push(b'=');
    }

    /// Adds the parameters of another text.
    pub(crate) fn append(&mut self, other: &Self) {
        if self.room() > 0 && other.room() > 0 {
            self.text.push(b',');
        }
        self.text.extend_from_slice(&other.text[other.scheme.len()..]);
    }

    /// Makes the field value of it.
    pub(crate) fn into_authorization(self) -> Result<Authorization, InvalidParam> {
        let value = HeaderValue::from_maybe_shared(Bytes::from(self.text));
        let mut value = value.map_err(|_| InvalidParam { name: self.scheme })?;
        value.set_sensitive(true);
        Ok(Authorization { scheme: self.scheme, value })
    }
}

/// A parameter's value and the form in which it is sent. Some recipients read a parameter in only one
/// form.
#[derive(Clone, Copy)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: RFC 9110 has these two")]
pub enum ParamValue<'a> {
    /// As it is: a token (RFC 9110, section 5.6.2).
    Token(&'a str),
    /// In quotes, with backslashes before quotes and backslashes (RFC 9110, section 5.6.4).
    Quoted(&'a [u8]),
}

impl ParamValue<'_> {
    /// Appends the value; `false` if its form cannot carry it.
    #[inline]
    fn write(self, text: &mut Vec<u8>) -> bool {
        match self {
            Self::Token(token) => {
                text.extend_from_slice(token.as_bytes());
                !token.is_empty() && traits(token.as_bytes()) & NO_TCHAR == 0
            }
            Self::Quoted(value) => {
                let traits = traits(value);
                text.push(b'"');
                match traits & ESCAPED {
                    0 => text.extend_from_slice(value),
                    _ => value.iter().for_each(|&octet| match octet {
                        b'"' | b'\\' => text.extend_from_slice(&[b'\\', octet]),
                        _ => text.push(octet),
                    }),
                }
                text.push(b'"');
                traits & CONTROL == 0
            }
        }
    }
}

/// What no token has (RFC 9110, section 5.6.2).
const NO_TCHAR: u8 = 1;
/// What has a backslash before it in quotes (section 5.6.4).
const ESCAPED: u8 = 2;
/// What cannot stand in quotes.
const CONTROL: u8 = 4;

const fn traits_of(octet: u8) -> u8 {
    match octet {
        b'"' | b'\\' => NO_TCHAR | ESCAPED,
        b'\t' => NO_TCHAR,
        _ if octet.is_ascii_control() => NO_TCHAR | CONTROL,
        _ if is_tchar(octet) => 0,
        _ => NO_TCHAR,
    }
}

const TRAITS: [u8; 256] = {
    let mut of_all = [0; 256];
    let mut octet = 0;
    while octet < 256 {
        of_all[octet] = traits_of(octet as u8);
        octet += 1;
    }
    of_all
};

/// Those of all octets together.
fn traits(octets: &[u8]) -> u8 {
    octets.iter().fold(0, |all, &octet| all | TRAITS[usize::from(octet)])
}

impl fmt::Debug for ParamValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Token(token) => write!(f, "Token({} octets)", token.len()),
            Self::Quoted(value) => write!(f, "Quoted({} octets)", value.len()),
        }
    }
}

/// Why a parameter cannot be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InvalidParam {
    name: &'static str,
}

impl InvalidParam {
    /// Returns the name of the parameter.
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl fmt::Display for InvalidParam {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the value of {} has characters that cannot be sent", self.name)
    }
}

impl std::error::Error for InvalidParam {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_base64_with_padding_and_sensitive() {
        let value = Authorization::token68("NTLM", b"NTLMSSP\0\x01").into_value();
        assert_eq!(value, "NTLM TlRMTVNTUAAB");
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_token_goes_as_it_is_and_nothing_else_does() {
        let sent = |token: &str| Authorization::token("Bearer", &Secret::new(token));
        let value = sent("12|mF_9.B5f-4.1JqM==").expect("a token").into_value();
        assert_eq!(value, "Bearer 12|mF_9.B5f-4.1JqM==");
        assert!(value.is_sensitive());
        for token in ["", "a b", "a\r\nHost: evil", "a,b", "ä"] {
            assert!(sent(token).is_err(), "{token:?}");
        }
    }

    #[test]
    fn parameters_are_sent_in_the_form_that_they_are_given_in() {
        let params = [
            ("realm", ParamValue::Quoted(b"the \"lab\" \\ Z\xfcrich")),
            ("qop", ParamValue::Token("auth")),
            ("opaque", ParamValue::Quoted(b"")),
        ];
        let value = Authorization::params("Digest", params).expect("they can be sent").into_value();
        assert_eq!(
            value.as_bytes(),
            b"Digest realm=\"the \\\"lab\\\" \\\\ Z\xfcrich\", qop=auth, opaque=\"\""
        );
        assert!(value.is_sensitive());
    }

    #[test]
    fn a_value_that_cannot_be_sent_is_named() {
        for value in [ParamValue::Token(""), ParamValue::Token("a b"), ParamValue::Quoted(b"a\r\nHost: x")] {
            let error = Authorization::params("Digest", [("realm", value)]).expect_err("an error");
            assert_eq!(error.to_string(), "the value of realm has characters that cannot be sent");
        }
    }

    #[test]
    fn debug_shows_the_scheme_alone() {
        let text = format!("{:?}", Authorization::token68("Basic", b"user:secret"));
        assert_eq!(text, "Authorization { scheme: \"Basic\", .. }");
    }

    #[test]
    fn octets_are_told_apart_as_the_grammar_has_them() {
        for (octets, traits) in [
            (&b"az09!#$%&'*+-.^_`|~"[..], 0),
            (b" ,;:/()<>@[]{}=?\t\x80\xff", NO_TCHAR),
            (b"\"\\", NO_TCHAR | ESCAPED),
            (b"\0\x01\r\n\x1f\x7f", NO_TCHAR | CONTROL),
        ] {
            for octet in octets {
                assert_eq!(
                    (traits_of(*octet), TRAITS[usize::from(*octet)]),
                    (traits, traits),
                    "{octet:#04x}"
                );
            }
        }
        let realm = ("realm", ParamValue::Quoted(b"a\ttab"));
        assert!(Authorization::params("Digest", [realm]).is_ok(), "a tab is no control character in quotes");
    }

    #[test]
    fn a_scheme_is_known_and_a_parameter_is_not_shown() {
        assert_eq!(Authorization::token68("NTLM", b"token").scheme(), "NTLM");
        assert_eq!(format!("{:?}", ParamValue::Quoted(b"secret")), "Quoted(6 octets)");
        assert_eq!(format!("{:?}", ParamValue::Token("secret-too")), "Token(10 octets)");
    }
}
