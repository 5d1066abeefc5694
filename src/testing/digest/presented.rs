//! What a client presents, read strictly.

use http::HeaderValue;

use crate::challenge::{Challenge, Challenges};
use crate::scheme::digest::response::Qop;

/// The parameters of `Authorization: Digest` (RFC 7616, section 3.4).
pub(super) struct DigestParams {
    pub(super) name: PresentedName,
    /// It came as `username*`.
    pub(super) is_name_extended: bool,
    pub(super) realm: Vec<u8>,
    pub(super) nonce: String,
    pub(super) target: String,
    pub(super) response: Vec<u8>,
    pub(super) algorithm: Option<String>,
    pub(super) opaque: Option<Vec<u8>>,
    pub(super) protection: Option<PresentedQop>,
}

/// How the user is named.
pub(super) enum PresentedName {
    Octets(Vec<u8>),
    Hashed(Vec<u8>),
}

/// What comes with a `qop`.
pub(super) struct PresentedQop {
    pub(super) qop: Qop,
    pub(super) digits: String,
    pub(super) count: u32,
    pub(super) cnonce: String,
}

impl DigestParams {
    pub(super) fn parse(field: &HeaderValue) -> Result<Self, &'static str> {
        let challenges = Challenges::from_value(field.as_bytes());
        let mut read = challenges.iter();
        let (Some(params), None, []) = (read.next(), read.next(), challenges.errors()) else {
            return Err("the field is malformed");
        };
        if !params.is("Digest") {
            return Err("another scheme");
        }
        check_quotes(field.as_bytes())?;
        let text = |name: &str| {
            let value = params.param(name)?;
            String::from_utf8(value.to_vec()).ok()
        };
        let must = |value: Option<String>, why| value.ok_or(why);
        Ok(Self {
            name: PresentedName::parse(params)?,
            is_name_extended: params.param("username*").is_some(),
            realm: params.param("realm").ok_or("there is no realm")?.to_vec(),
            nonce: must(text("nonce"), "there is no nonce")?,
            target: must(text("uri"), "there is no uri")?,
            response: params.param("response").ok_or("there is no response")?.to_vec(),
            algorithm: text("algorithm"),
            opaque: params.param("opaque").map(<[u8]>::to_vec),
            protection: match params.param("qop") {
                None if params.param("nc").or(params.param("cnonce")).is_some() => {
                    return Err("nc or cnonce without qop");
                }
                None => None,
                Some(qop) => {
                    let digits = must(text("nc"), "there is no nc")?;
                    let is_count = digits.len() == 8 && digits.bytes().all(|octet| octet.is_ascii_hexdigit());
                    let count = u32::from_str_radix(&digits, 16).ok().filter(|_| is_count);
                    Some(PresentedQop {
                        qop: Qop::from_name(qop).ok_or("the qop is unknown")?,
                        count: count.ok_or("the nc has not eight hexadecimal digits")?,
                        digits,
                        cnonce: must(text("cnonce"), "there is no cnonce")?,
                    })
                }
            },
        })
    }
}

impl PresentedName {
    fn parse(params: &Challenge) -> Result<Self, &'static str> {
        let is_hashed = params.param("userhash").is_some_and(|value| value.eq_ignore_ascii_case(b"true"));
        match (params.param("username"), params.param("username*")) {
            (Some(hash), None) if is_hashed => Ok(Self::Hashed(hash.to_vec())),
            (Some(octets), None) => Ok(Self::Octets(octets.to_vec())),
            (None, Some(extended)) if !is_hashed => {
                Ok(Self::Octets(decode(extended).ok_or("the username* is malformed")?))
            }
            _ => Err("username and username*, or neither, or a hash of the latter"),
        }
    }
}

/// `UTF-8''…` (RFC 8187, section 3.2.1).
fn decode(extended: &[u8]) -> Option<Vec<u8>> {
    let mut rest = extended.strip_prefix(b"UTF-8''")?;
    let mut octets = Vec::new();
    while let Some((&octet, after)) = rest.split_first() {
        rest = after;
        if octet == b'%' {
            let (digits, after) = rest.split_at_checked(2)?;
            octets.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            octets.push(octet);
        }
    }
    Some(octets)
}

/// Which values are quoted (RFC 7616, section 3.4). A quote within a value has a backslash before
/// it, so none of these stands there.
fn check_quotes(field: &[u8]) -> Result<(), &'static str> {
    let has = |text: String| field.windows(text.len()).any(|window| window == text.as_bytes());
    for name in ["algorithm", "qop", "nc", "userhash", "username*"] {
        if has(format!(" {name}=\"")) {
            return Err("algorithm, qop, nc, userhash or username* within quotes");
        }
    }
    for name in ["username", "realm", "nonce", "uri", "response", "cnonce", "opaque"] {
        if has(format!(" {name}=")) && !has(format!(" {name}=\"")) {
            return Err("username, realm, nonce, uri, response, cnonce or opaque without quotes");
        }
    }
    Ok(())
}
