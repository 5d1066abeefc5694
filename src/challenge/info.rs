//! `Authentication-Info` and `Proxy-Authentication-Info` (RFC 9110, sections 11.6.3 and 11.7.3;
//! RFC 7615).

use http::HeaderMap;
use http::header::{AsHeaderName, HeaderValue};

use super::error::{ChallengeError, ChallengeErrorKind};
use super::limits::MAX_OCTETS;
use super::params::Params;
use super::parser;

/// What a server adds to its answer once the credentials are verified: a list of parameters, whose
/// meaning belongs to the scheme.
///
/// It may come as a trailer too (RFC 7615, section 3).
///
/// ```
/// use legwork::challenge::AuthenticationInfo;
///
/// let info = AuthenticationInfo::from_value(b"nextnonce=\"abc\", qop=auth")?;
/// assert_eq!(info.param("NextNonce"), Some(&b"abc"[..]));
/// # Ok::<(), legwork::challenge::ChallengeError>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct AuthenticationInfo {
    params: Params,
}

impl AuthenticationInfo {
    /// Reads every line of `field`; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`ChallengeError`] if it is malformed, or has more parameters or octets than a challenge may
    /// have.
    pub fn parse(headers: &HeaderMap, field: impl AsHeaderName) -> Result<Option<Self>, ChallengeError> {
        let mut lines = headers.get_all(field).iter().map(HeaderValue::as_bytes).peekable();
        if lines.peek().is_none() {
            return Ok(None);
        }
        Self::from_lines(lines).map(Some)
    }

    /// Reads a single field value.
    ///
    /// # Errors
    ///
    /// As [`parse`](Self::parse).
    pub fn from_value(value: &[u8]) -> Result<Self, ChallengeError> {
        Self::from_lines([value])
    }

    fn from_lines<'a>(lines: impl IntoIterator<Item = &'a [u8]>) -> Result<Self, ChallengeError> {
        let mut params = Params::default();
        let mut room = MAX_OCTETS;
        for (line, value) in lines.into_iter().enumerate() {
            let error = |(kind, offset)| ChallengeError::new(kind, None, line, offset);
            let Some(rest) = room.checked_sub(value.len()) else {
                return Err(error((ChallengeErrorKind::TooManyOctets, room)));
            };
            room = rest;
            parser::params(&mut params, value).map_err(error)?;
        }
        Ok(Self { params })
    }

    /// Returns a parameter's value after unquoting; its name is matched in any case.
    pub fn param(&self, name: &str) -> Option<&[u8]> {
        self.params.find(name)
    }

    /// Names as received and values after unquoting, in the order received.
    pub fn params(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.params.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_field_are_one_list() {
        let mut headers = HeaderMap::new();
        let field = "authentication-info";
        assert!(AuthenticationInfo::parse(&headers, field).expect("nothing is malformed").is_none());
        headers.append(field, HeaderValue::from_static(" rspauth=\"a\\\"b\" ,, nc = 00000001"));
        headers.append(field, HeaderValue::from_static("qop=auth"));
        let info = AuthenticationInfo::parse(&headers, field).expect("well-formed").expect("a field");
        let params: Vec<_> = info.params().collect();
        assert_eq!(params, [("rspauth", &b"a\"b"[..]), ("nc", b"00000001"), ("qop", b"auth")]);
        assert_eq!(format!("{info:?}"), "AuthenticationInfo { params: 3 of 15 octets }");
    }

    #[test]
    fn what_is_malformed_is_placed() {
        for (value, expected) in [
            ("a=b, a=c", "a parameter that occurs twice, at octet 5 of field line 0"),
            ("Digest a=b", "unexpected octet, at octet 7 of field line 0"),
            ("a=\"b", "a quoted string without an end, at octet 2 of field line 0"),
            ("a", "a parameter without a value, at octet 1 of field line 0"),
        ] {
            let error = AuthenticationInfo::from_value(value.as_bytes()).expect_err(value);
            assert_eq!(error.to_string(), expected, "{value}");
        }
        let many: String = (0..40).map(|i| format!("p{i}=v, ")).collect();
        let error = AuthenticationInfo::from_value(many.as_bytes()).expect_err("a limit");
        assert_eq!(error.kind(), ChallengeErrorKind::TooManyParams);
        let long = "a".repeat(MAX_OCTETS + 1);
        let error = AuthenticationInfo::from_value(long.as_bytes()).expect_err("a limit");
        assert_eq!(error.kind(), ChallengeErrorKind::TooManyOctets);
    }
}
