//! Looking on while a handshake runs, for programs that show or log it.

use std::fmt;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::header::HeaderValue;
use http::{HeaderMap, StatusCode};
use zeroize::Zeroizing;

use crate::challenge::{Challenge, ChallengeError, Challenges};
use crate::handshake::Actor;
use crate::mechanism::describe_token;
use crate::protection_space::{Challenger, Origin};
use crate::service::event::Event;

/// Told of every leg, and of what else happens to requests and connections. Called while the request is under
/// way: it should return at once.
///
/// ```
/// use legwork::service::{Environment, Event, EventKind, LegReport, Observer};
///
/// struct Log;
///
/// impl Observer for Log {
///     fn leg(&self, leg: &LegReport) {
///         println!("{} {}: {} after {:?}", leg.origin, leg.request, leg.status, leg.elapsed);
///     }
///
///     fn event(&self, event: &Event) {
///         if let EventKind::NotConnected { error, .. } = &event.kind {
///             println!("{error}");
///         }
///     }
/// }
///
/// let environment = Environment::new().observer(Log);
/// # let _ = environment;
/// ```
///
/// [`Recorder`](crate::service::Recorder) is one that keeps what it is told, and shows it.
pub trait Observer: Send + Sync {
    /// A leg's response has come.
    fn leg(&self, report: &LegReport);

    /// Something else has happened. Default: it is ignored.
    fn event(&self, event: &Event) {
        let _ = event;
    }
}

/// One leg: a request and its response. Names token types and sizes; holds neither tokens nor secrets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct LegReport {
    /// The number of the request that it belongs to, counted from 1 within one
    /// [`Environment`](crate::service::Environment).
    pub request_number: u64,
    /// Names the connection; counted from 1 within one [`Environment`](crate::service::Environment).
    pub connection: u64,
    /// Which leg of the request on this connection, from 1.
    pub leg: u32,
    /// The origin server that the connection leads to; of a tunnel that is being opened, its target.
    pub origin: Origin,
    /// The proxy that the leg was sent to. `None` inside of a tunnel.
    pub proxy: Option<Origin>,
    /// Who the request acts as at the origin, when the response came.
    pub actor: Actor,
    /// Who it acts as at the proxy.
    pub proxy_actor: Option<Actor>,
    /// When the leg was sent, by the [timer's](crate::service::Timer::now) clock.
    pub begun: Instant,
    /// How long it took until the head of the response was there.
    pub elapsed: Duration,
    /// The request line's method and path, without the query; of `CONNECT` its host and port.
    pub request: String,
    /// What the request carried for the origin and the proxy.
    pub authorization: Vec<TokenReport>,
    /// Whether the request's body was kept back: the leg went without it, or was answered while the body
    /// waited for the server's word.
    pub body_withheld: bool,
    /// The response's status.
    pub status: StatusCode,
    /// The challenges, or the final token, of the response; for each challenger those last that are
    /// malformed.
    pub challenges: Vec<TokenReport>,
}

/// What one field value carried.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TokenReport {
    /// Whose field it is.
    pub challenger: Challenger,
    /// The scheme's name as sent; empty where it cannot be read.
    pub scheme: String,
    /// What kind of token it is, such as `NTLM AUTHENTICATE`; empty where there is none.
    pub kind: &'static str,
    /// The token's size in octets, decoded; 0 for Basic, where it would tell the password's.
    pub octets: usize,
    /// Of a challenge: its realm, as far as it has at most 256 octets. It is the server's text, with whatever
    /// characters that has.
    pub realm: Option<String>,
    /// Of a malformed challenge: what is wrong, and where. Basic and Bearer answer it all the same.
    pub error: Option<ChallengeError>,
}

impl fmt::Display for TokenReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(error) = &self.error {
            return error.fmt(f);
        }
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
            realm: None,
            error: None,
        });
    }
    let token = Zeroizing::new(BASE64_STANDARD.decode(token).unwrap_or_default());
    Some(TokenReport {
        challenger,
        scheme: scheme.to_owned(),
        kind: describe_token(&token),
        octets: token.len(),
        realm: None,
        error: None,
    })
}

/// What is kept of a realm.
const MAX_REALM_OCTETS: usize = 256;

fn realm(challenge: &Challenge) -> Option<String> {
    let realm = challenge.realm()?;
    let end = (0..=realm.len().min(MAX_REALM_OCTETS)).rev().find(|&end| realm.is_char_boundary(end))?;
    Some(realm[..end].to_owned())
}

pub(super) fn challenges(challenger: Challenger, headers: &HeaderMap) -> Vec<TokenReport> {
    let challenges = Challenges::parse(headers, challenger.challenge_field());
    let well_formed = challenges.iter().map(|challenge| {
        let token = challenge.token().ok().flatten().unwrap_or_default();
        TokenReport {
            challenger,
            scheme: challenge.scheme().to_owned(),
            kind: describe_token(&token),
            octets: token.len(),
            realm: realm(challenge),
            error: None,
        }
    });
    let malformed = challenges.errors().iter().map(|error| TokenReport {
        challenger,
        scheme: error.scheme().unwrap_or_default().to_owned(),
        kind: "",
        octets: 0,
        realm: None,
        error: Some(error.clone()),
    });
    well_formed.chain(malformed).collect()
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

    #[test]
    fn a_realm_is_reported_up_to_its_limit_and_in_whole_characters() {
        let mut headers = HeaderMap::new();
        let line = format!("Basic realm=\"x{}\"", "ä".repeat(MAX_REALM_OCTETS));
        headers.append(http::header::WWW_AUTHENTICATE, line.parse().expect("a value"));
        let reports = challenges(Challenger::Origin, &headers);
        let realm = reports[0].realm.as_deref().expect("a realm");
        assert_eq!(realm, format!("x{}", "ä".repeat((MAX_REALM_OCTETS - 1) / 2)));
    }

    #[test]
    fn a_malformed_challenge_is_reported_with_what_is_wrong() {
        let mut headers = HeaderMap::new();
        let line = HeaderValue::from_static("Basic realm=my realm, =x, NTLM TlRM");
        headers.append(http::header::WWW_AUTHENTICATE, line);
        let reports = challenges(Challenger::Origin, &headers);
        let told: Vec<_> = reports.iter().map(|it| (it.scheme.as_str(), it.to_string())).collect();
        assert_eq!(
            told,
            [
                ("NTLM", "NTLM (3 octets)".to_owned()),
                ("Basic", "Basic challenge: unexpected octet, at octet 15 of field line 0".to_owned()),
                ("", "no scheme where a challenge begins, at octet 22 of field line 0".to_owned()),
            ],
        );
    }
}
