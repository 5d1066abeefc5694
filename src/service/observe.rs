//! Looking on while a handshake runs, for programs that show or log it.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

use crate::challenge::Challenges;
use crate::mechanism::describe_token;
use crate::protection_space::Challenger;

/// Told of every leg. Called while the request is under way: it should return at once.
pub trait Observer: Send + Sync {
    /// A leg's response has come.
    fn leg(&self, report: &LegReport);
}

/// One leg: a request and its response. Names token types and sizes; holds neither tokens nor secrets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegReport {
    /// Names the connection; counted from 1 within one client.
    pub connection: u64,
    /// Which leg of the request on this connection, from 1.
    pub leg: u32,
    /// The request line's method and path; of `CONNECT` its host and port.
    pub request: String,
    /// What the request carried for the origin and the proxy.
    pub authorization: Vec<TokenReport>,
    /// Whether the request's body was kept back.
    pub body_withheld: bool,
    /// The response's status.
    pub status: StatusCode,
    /// The challenges, or the final token, of the response.
    pub challenges: Vec<TokenReport>,
}

/// What one field value carried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenReport {
    /// Whose field it is.
    pub challenger: Challenger,
    /// The scheme's name as sent.
    pub scheme: String,
    /// What kind of token it is, such as `NTLM AUTHENTICATE`; empty where there is none.
    pub kind: &'static str,
    /// The token's size in octets, decoded; 0 for Basic, where it would tell the password's.
    pub octets: usize,
}

impl fmt::Display for TokenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.scheme)?;
        match (self.kind, self.octets) {
            ("", 0) => Ok(()),
            ("", octets) => write!(f, " ({octets} octets)"),
            (kind, 0) => write!(f, " {kind}"),
            (kind, octets) => write!(f, " {kind} ({octets} octets)"),
        }
    }
}

pub(super) fn authorization(challenger: Challenger, value: &HeaderValue) -> Option<TokenReport> {
    let text = value.to_str().ok()?;
    let (scheme, token) = text.split_once(' ').unwrap_or((text, ""));
    if scheme.eq_ignore_ascii_case("Basic") {
        return Some(TokenReport {
            challenger,
            scheme: scheme.to_owned(),
            kind: "name and password",
            octets: 0,
        });
    }
    let token = Zeroizing::new(BASE64_STANDARD.decode(token).unwrap_or_default());
    Some(TokenReport {
        challenger,
        scheme: scheme.to_owned(),
        kind: describe_token(&token),
        octets: token.len(),
    })
}

pub(super) fn challenges(challenger: Challenger, headers: &HeaderMap) -> Vec<TokenReport> {
    Challenges::parse(headers, challenger.challenge_field())
        .iter()
        .map(|challenge| {
            let token = challenge.token().ok().flatten().unwrap_or_default();
            TokenReport {
                challenger,
                scheme: challenge.scheme().to_owned(),
                kind: describe_token(&token),
                octets: token.len(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn basic_is_reported_without_the_length_of_its_password() {
        let value = HeaderValue::from_static("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
        let report = authorization(Challenger::Origin, &value).expect("a report");
        assert_eq!((report.octets, report.to_string().as_str()), (0, "Basic name and password"));
    }
}
