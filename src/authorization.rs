//! The value of `Authorization` and `Proxy-Authorization` (RFC 9110, section 11.6.2).

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::credentials::Secret;

/// An outgoing field value: a scheme name and what follows it.
///
/// The value is always marked sensitive, so that HPACK never indexes it, and `Debug` shows the
/// scheme alone.
#[derive(Clone)]
pub struct Authorization {
    scheme: &'static str,
    value: HeaderValue,
}

impl Authorization {
    /// `scheme` followed by `token` as token68, base64 with padding (RFC 9110, section 11.2).
    pub fn token68(scheme: &'static str, token: &[u8]) -> Self {
        let mut text = Zeroizing::new(String::with_capacity(scheme.len() + 1 + token.len() * 4 / 3 + 4));
        text.push_str(scheme);
        text.push(' ');
        BASE64_STANDARD.encode_string(token, &mut text);
        let mut value = HeaderValue::from_str(&text).expect("a scheme name and base64 are visible ASCII");
        value.set_sensitive(true);
        Self { scheme, value }
    }

    /// `scheme` followed by a token as it is (`b64token`, RFC 6750, section 2.1); `None` if it is
    /// none.
    pub fn b64token(scheme: &'static str, token: &Secret) -> Option<Self> {
        let is_token = |octet: &u8| octet.is_ascii_alphanumeric() || b"-._~+/".contains(octet);
        let octets = token.expose().trim_end_matches('=').as_bytes();
        if octets.is_empty() || !octets.iter().all(is_token) {
            return None;
        }
        let text = Zeroizing::new(format!("{scheme} {}", token.expose()));
        let mut value = HeaderValue::from_str(&text).ok()?;
        value.set_sensitive(true);
        Some(Self { scheme, value })
    }

    /// The scheme's name as it is sent.
    pub fn scheme(&self) -> &'static str {
        self.scheme
    }

    /// The field value, marked sensitive.
    pub fn into_value(self) -> HeaderValue {
        self.value
    }
}

impl fmt::Debug for Authorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorization").field("scheme", &self.scheme).finish_non_exhaustive()
    }
}

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
    fn a_b64token_goes_as_it_is_and_nothing_else_does() {
        let sent = |token: &str| Authorization::b64token("Bearer", &Secret::new(token));
        let value = sent("mF_9.B5f-4.1JqM==").expect("a token").into_value();
        assert_eq!(value, "Bearer mF_9.B5f-4.1JqM==");
        assert!(value.is_sensitive());
        for token in ["", "==", "a b", "a\r\nHost: evil", "a,b", "a=b", "ä"] {
            assert!(sent(token).is_none(), "{token:?}");
        }
    }

    #[test]
    fn debug_shows_the_scheme_alone() {
        let text = format!("{:?}", Authorization::token68("Basic", b"user:secret"));
        assert_eq!(text, "Authorization { scheme: \"Basic\", .. }");
    }
}
