//! What a handshake wants done, and what it is told.

use http::{HeaderMap, HeaderName, Response, StatusCode, Version, header};

use crate::authorization::Authorization;
use crate::credentials::{Credentials, CredentialsQuery};
use crate::handshake::{HandshakeError, Outcome, Turn};
use crate::mechanism::{Inquiry, MechanismError, StepJob, Stepped};
use crate::protection_space::{Challenger, Origin, Realm};

/// What to do next.
#[derive(Debug)]
#[non_exhaustive]
pub enum Action {
    /// Send the request, with this authorization if there is one.
    Send {
        /// The field value.
        authorization: Option<Authorization>,
        /// What to do with the request's body.
        body: BodyUse,
    },
    /// Hand the response over. A finished handshake says what came of it.
    Deliver(Option<Box<Outcome>>),
    /// Look for credentials and resume with [`Answer::Credentials`].
    Ask(Question),
    /// Run the step and resume with [`Answer::Stepped`].
    Step(StepJob),
    /// Ask who the inquiry is for, and resume with [`Answer::Consulted`].
    Consult(Inquiry),
    /// Keep the request's content as a whole, if that can be, and resume with [`Answer::Gathered`].
    Gather,
    /// Await the turn and resume with [`Answer::Turn`].
    Wait(Turn),
    /// This connection cannot serve the request (any more): begin again on a new one.
    Renew(Renewal),
    /// The handshake failed on this side; the response is not delivered.
    Fail(HandshakeError),
}

impl Action {
    /// The request as the caller made it.
    pub(crate) fn bare() -> Self {
        Self::Send { authorization: None, body: BodyUse::Carried }
    }
}

/// Whether a leg carries the request's body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum BodyUse {
    /// The leg expects success: the body goes with it.
    Carried,
    /// The leg expects a challenge: it says `Content-Length: 0`.
    Withheld,
}

impl BodyUse {
    /// That of a leg without the body: one that is not there is not withheld.
    pub(crate) fn without(has_body: bool) -> Self {
        if has_body { Self::Withheld } else { Self::Carried }
    }
}

/// How a leg that carries the body may fare, as far as that is known before it is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Outlook {
    /// No challenge is to be expected.
    Clear,
    /// It carries no login, and nobody knows whether it needs one.
    Unknown,
    /// The login that it carries may have become too old.
    Doubtful,
}

/// What credentials are wanted for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Question {
    /// Who asks.
    pub challenger: Challenger,
    /// The origin server, or the proxy.
    pub origin: Origin,
    /// The scheme's name in its registered spelling.
    pub scheme: &'static str,
    /// The realm, where there is one.
    pub realm: Option<Realm>,
    /// What has just been refused: others are wanted.
    pub refused: Option<Credentials>,
}

impl Question {
    /// Returns the question as a provider sees it.
    pub fn query(&self) -> CredentialsQuery<'_> {
        CredentialsQuery::new(self.challenger, &self.origin, self.scheme, self.realm.as_deref())
            .with_refused(self.refused.as_ref())
    }
}

/// The answer to an action that asked for something.
#[derive(Debug)]
#[non_exhaustive]
pub enum Answer {
    /// To [`Action::Step`].
    Stepped(Stepped),
    /// To [`Action::Consult`]: what was said, or why nothing was.
    Consulted(Result<Vec<u8>, MechanismError>),
    /// To [`Action::Ask`].
    Credentials(Option<Credentials>),
    /// To [`Action::Gather`]: the content is in [`RequestContext::content`](crate::scheme::RequestContext::content),
    /// or cannot be kept.
    Gathered,
    /// To [`Action::Wait`].
    Turn,
}

/// Why a new connection is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Renewal {
    /// The server closes the connection after its first challenge, before anything was sent.
    ClosedAfterChallenge,
    /// The server closes the connection in the middle of the handshake.
    ClosedInHandshake,
    /// The server answers a first message with a bare challenge, on a connection that has seen a
    /// handshake before.
    NotTaken,
    /// The client beneath has sent a leg over another connection.
    Astray,
    /// The connection belongs to another identity.
    OtherIdentity,
    /// An earlier handshake on the connection failed.
    Spoiled,
    /// The body of an answer that is not the last one is too long, or too slow, to be read to its end.
    LongAnswer,
    /// The challenge came before all of the request's body was sent.
    UnfinishedUpload,
    /// The connection is HTTP/2, and HTTP/1.1 is needed: for a login that is the connection's, or
    /// because the server says so (`HTTP_1_1_REQUIRED`).
    Http1Needed,
}

/// The head of a response, as far as a handshake looks at it.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ResponseHead<'a> {
    /// The status code.
    pub status: StatusCode,
    /// The version of the message.
    pub version: Version,
    /// The header fields.
    pub headers: &'a HeaderMap,
}

const PERSISTENT_AUTH: HeaderName = HeaderName::from_static("persistent-auth");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const PROXY_SUPPORT: HeaderName = HeaderName::from_static("proxy-support");

impl<'a> ResponseHead<'a> {
    /// Takes the head of `response`.
    pub fn of<B>(response: &'a Response<B>) -> Self {
        Self { status: response.status(), version: response.version(), headers: response.headers() }
    }

    /// Returns whether the connection outlives the response (RFC 9112, section 9.3), where this is who it leads to.
    ///
    /// On one to a proxy, `Proxy-Connection` counts as well: over HTTP/1.0 old proxies say `keep-alive` in no
    /// other way. From an origin it means nothing.
    pub fn is_persistent(&self, peer: Challenger) -> bool {
        let of_proxy = match peer {
            Challenger::Proxy => Some(self.headers.get_all(PROXY_CONNECTION)),
            Challenger::Origin => None,
        };
        let says = |option: &str| {
            self.headers
                .get_all(header::CONNECTION)
                .iter()
                .chain(of_proxy.iter().flatten())
                .filter_map(|value| value.to_str().ok())
                .flat_map(|value| value.split(','))
                .any(|value| value.trim().eq_ignore_ascii_case(option))
        };
        match self.version {
            Version::HTTP_09 => false,
            Version::HTTP_10 => says("keep-alive") && !says("close"),
            _ => !says("close"),
        }
    }

    /// Whether a proxy says that logins by connection stay their client's (RFC 4559, section 6).
    pub(super) fn is_session_based(&self) -> bool {
        let values = self.headers.get_all(PROXY_SUPPORT).iter();
        let mut said = values.filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(','));
        said.any(|value| value.trim().eq_ignore_ascii_case("Session-Based-Authentication"))
    }

    /// `Persistent-Auth`, as IIS and mod_auth_gssapi send it.
    pub(super) fn persistent_auth(&self) -> Option<bool> {
        let value = self.headers.get(PERSISTENT_AUTH)?.to_str().ok()?.trim();
        match value {
            _ if value.eq_ignore_ascii_case("true") => Some(true),
            _ if value.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(version: Version, fields: &[(&'static str, &'static str)]) -> Response<()> {
        let mut response = Response::builder().version(version);
        for (name, value) in fields {
            response = response.header(*name, *value);
        }
        response.body(()).expect("a response")
    }

    #[test]
    fn a_connection_outlives_a_response_as_its_version_and_its_fields_say() {
        let says = |version, value| {
            ResponseHead::of(&with(version, &[("connection", value)])).is_persistent(Challenger::Origin)
        };
        for (version, unsaid) in [
            (Version::HTTP_09, [false; 3]),
            (Version::HTTP_10, [false, true, false]),
            (Version::HTTP_11, [true, true, false]),
            (Version::HTTP_2, [true, true, false]),
        ] {
            assert_eq!(
                ["upgrade", "Keep-Alive", "close"].map(|value| says(version, value)),
                unsaid,
                "{version:?}"
            );
            assert!(!says(version, "keep-alive, Close"), "{version:?}");
        }
    }

    #[test]
    fn persistent_auth_is_true_or_false_or_says_nothing() {
        for (value, says) in [
            ("true", Some(true)),
            (" True ", Some(true)),
            ("FALSE", Some(false)),
            ("maybe", None),
            ("", None),
        ] {
            let response = with(Version::HTTP_11, &[("persistent-auth", value)]);
            assert_eq!(ResponseHead::of(&response).persistent_auth(), says, "{value:?}");
        }
        assert_eq!(ResponseHead::of(&with(Version::HTTP_11, &[])).persistent_auth(), None);
    }
}
