use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::handshake::{HandshakeError, Refusal, Renewal};
use crate::protection_space::{InvalidOrigin, Origin};

/// Any error, as inner services and bodies return them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why a request got no response.
///
/// A refusal by the server is no error but its `401` or `407`, with an
/// [`Outcome`](crate::handshake::Outcome) in the extensions that says what was tried.
///
/// It is shown with the [origin](Self::origin) that the request was for and the [proxy](Self::proxy) in
/// between: `https://mail.example: cannot connect`. What lies behind it is in its
/// [`source`](std::error::Error::source).
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    pub(super) route: Option<Arc<Route>>,
    /// A server may have acted on the request before this came of it.
    pub(super) acted_on: bool,
}

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Route {
    pub(crate) origin: Origin,
    pub(crate) proxy: Option<Origin>,
}

/// The kinds of [`Error`].
#[derive(Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The connection could not be made: DNS, TCP, TLS or the tunnel through a proxy failed. Nothing of
    /// the request was sent.
    Connect(BoxError),
    /// The connection failed after it was made: the server may have seen the request.
    Connection(BoxError),
    /// The handshake failed on this side.
    Handshake(HandshakeError),
    /// This connection cannot serve the request; the same request on a new connection can.
    ///
    /// A client takes a new connection by itself. Its callers get this error only when that has not helped
    /// [`Limits::restarts`](crate::service::Limits::restarts()) times: a server that closes every connection in the
    /// middle of the handshake, for instance. Over a [layer](crate::service::AuthenticateLayer), which has one
    /// connection, it comes at once.
    NewConnectionNeeded(Renewal),
    /// The request has to be sent again, and more of its body has gone than is kept for that (in
    /// octets): the server demands authentication, or the connection was lost. What the server wants
    /// is remembered: the same request, if it is made again, keeps its body back until it is wanted. A login
    /// ahead of it, by [`authenticate`](crate::Client::authenticate) or
    /// [`AuthenticateFirst`](crate::client::AuthenticateFirst), avoids the error.
    BodyNotReplayable {
        /// How many octets were kept at the most.
        kept: u64,
        /// How the connection was lost, if it was.
        lost: Option<BoxError>,
    },
    /// The provider of credentials failed.
    Credentials(BoxError),
    /// No answer within this time, in the named part of the work.
    Timeout(&'static str, Duration),
    /// The operating system gave no randomness.
    Entropy(BoxError),
    /// The request cannot be made: what the client beneath says of it, or that the userinfo in its URI cannot be
    /// read.
    Request(BoxError),
    /// The request's URI names no origin.
    Origin(InvalidOrigin),
    /// The proxy for the request cannot be used.
    Proxy(BoxError),
    /// The challenge stands: what was tried, and why it did not log in. Only where there is no
    /// response to deliver, as in [`Client::authenticate`](crate::Client::authenticate).
    Refused(Refusal),
    /// An earlier request on the connection was dropped before its answer.
    ConnectionGone,
    /// The client was shut down.
    ShutDown,
    /// There is no tokio runtime where the request is awaited, to connect and to measure time with.
    NoRuntime,
}

/// What the time of a [timeout](ErrorKind::Timeout) went into: making the connection.
#[cfg(feature = "client")]
pub(crate) const CONNECTING: &str = "connecting";

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind, route: None, acted_on: false }
    }

    /// A server may have acted on the request before, if this says so.
    pub(crate) fn note_acted_on(&mut self, acted_on: bool) {
        self.acted_on |= acted_on;
    }

    /// The same, of a request that a server may have acted on before, if this says so.
    #[cfg(feature = "client")]
    pub(crate) fn after(mut self, acted_on: bool) -> Self {
        self.note_acted_on(acted_on);
        self
    }

    #[cfg(feature = "client")]
    pub(crate) fn into_kind(self) -> ErrorKind {
        self.kind
    }

    /// The same, of a request on this route.
    pub(crate) fn on(mut self, route: Arc<Route>) -> Self {
        self.route = Some(route);
        self
    }

    /// Returns what went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Returns the origin that the request was for. `None` if its URI names none.
    pub fn origin(&self) -> Option<&Origin> {
        self.route.as_ref().map(|route| &route.origin)
    }
}

impl From<ErrorKind> for Error {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.origin(), self.proxy(), &self.kind) {
            // It names who refused.
            (_, _, ErrorKind::Refused(_)) => {}
            (Some(origin), Some(proxy), kind) if self.is_at_proxy() => {
                return match kind {
                    ErrorKind::Connect(_) => write!(f, "{origin}: cannot connect to the proxy {proxy}"),
                    _ => write!(f, "{origin}: the connection to the proxy {proxy} failed"),
                };
            }
            (Some(origin), Some(proxy), _) => write!(f, "{origin} through the proxy {proxy}: ")?,
            (Some(origin), None, _) => write!(f, "{origin}: ")?,
            (None, ..) => {}
        }
        match &self.kind {
            ErrorKind::Connect(_) => f.write_str("cannot connect"),
            ErrorKind::Connection(_) => f.write_str("the connection failed"),
            ErrorKind::Handshake(_) => f.write_str("the authentication failed"),
            ErrorKind::NewConnectionNeeded(renewal) => f.write_str(match renewal {
                Renewal::ClosedAfterChallenge => "the server closes the connection after its challenge",
                Renewal::ClosedInHandshake => {
                    "the server closes the connection in the middle of the handshake, which needs one that \
                     stays open (is a proxy in between, or keep-alive off?)"
                }
                Renewal::Astray => "the underlying client sent a part of the login over another connection",
                Renewal::NotTaken => "the server starts no further handshake on the connection",
                Renewal::OtherIdentity => "the connection belongs to another identity",
                Renewal::LongAnswer => {
                    "the body of an answer in the middle of the handshake is too long or too slow to be read \
                     to its end"
                }
                Renewal::UnfinishedUpload => "the challenge came before all of the body was sent",
                Renewal::Spoiled => "an earlier handshake on the connection failed",
                Renewal::Http1Needed => "HTTP/1.1 is needed, and the connection is HTTP/2",
            }),
            ErrorKind::BodyNotReplayable { kept, lost: Some(_) } => write!(
                f,
                "the connection was lost, and the request cannot be sent again: more than {kept} octets of \
                 its body were sent"
            ),
            ErrorKind::BodyNotReplayable { kept, lost: None } => write!(
                f,
                "the server demands authentication, but more than {kept} octets of the request's body were sent \
                 and cannot be sent again: make the request again, which then waits with its body, or log in \
                 ahead of it (Client::authenticate, or AuthenticateFirst in its extensions)"
            ),
            ErrorKind::Credentials(_) => f.write_str("the credentials could not be looked up"),
            ErrorKind::Timeout(what, after) => write!(f, "no answer within {after:?} while {what}"),
            ErrorKind::Entropy(_) => f.write_str("the operating system gave no randomness"),
            ErrorKind::Origin(_) => f.write_str("the request's URI names no origin"),
            ErrorKind::Request(_) => f.write_str("the request cannot be made"),
            ErrorKind::Proxy(_) => f.write_str("the proxy for the request cannot be used"),
            ErrorKind::Refused(refusal) => refusal.fmt(f),
            ErrorKind::ConnectionGone => f.write_str("an earlier request on the connection was dropped"),
            ErrorKind::ShutDown => f.write_str("the client was shut down"),
            ErrorKind::NoRuntime => f.write_str(
                "there is no tokio runtime here: await the request in one (#[tokio::main], Runtime::block_on)",
            ),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.kind {
            ErrorKind::Connect(error)
            | ErrorKind::Connection(error)
            | ErrorKind::BodyNotReplayable { lost: Some(error), .. }
            | ErrorKind::Credentials(error)
            | ErrorKind::Entropy(error)
            | ErrorKind::Proxy(error)
            | ErrorKind::Request(error) => Some(&**error),
            ErrorKind::Handshake(error) => Some(error),
            ErrorKind::Origin(error) => Some(error),
            _ => None,
        }
    }
}

/// A request that cannot be sent over HTTP/1.0, on a connection where that is spoken. Another one may be
/// to somebody else.
#[derive(Debug)]
pub(super) struct OldPeer;

impl fmt::Display for OldPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the server speaks HTTP/1.0, over which neither content of undeclared length nor Upgrade can be sent",
        )
    }
}

impl std::error::Error for OldPeer {}

/// The inner service's word that a leg, part of a login of the whole connection or sent by virtue of one, was
/// answered over another connection: the answer says nothing about the login.
#[cfg(feature = "reqwest")]
#[derive(Debug)]
pub(crate) struct Astray {
    /// The answer is no challenge.
    pub(crate) was_served: bool,
    /// The client beneath has followed a redirect there.
    pub(crate) is_redirected: bool,
}

#[cfg(feature = "reqwest")]
impl fmt::Display for Astray {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.is_redirected {
            true => {
                "the underlying client followed a redirect away from the connection that is logged in: build it with \
                 redirect(Policy::none()), and have redirects followed above the login by follow_redirects"
            }
            false => "the underlying client sent a part of the login over another connection",
        })
    }
}

#[cfg(feature = "reqwest")]
impl std::error::Error for Astray {}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn why_another_connection_is_needed_is_told() {
        for (renewal, words) in [
            (Renewal::ClosedAfterChallenge, "closes the connection after its challenge"),
            (Renewal::ClosedInHandshake, "in the middle of the handshake"),
            (Renewal::Astray, "over another connection"),
            (Renewal::NotTaken, "starts no further handshake"),
            (Renewal::OtherIdentity, "belongs to another identity"),
            (Renewal::LongAnswer, "too long or too slow to be read"),
            (Renewal::UnfinishedUpload, "before all of the body was sent"),
            (Renewal::Spoiled, "an earlier handshake on the connection failed"),
            (Renewal::Http1Needed, "HTTP/1.1 is needed"),
        ] {
            let text = Error::from(ErrorKind::NewConnectionNeeded(renewal)).to_string();
            assert!(text.contains(words), "{renewal:?}: {text}");
        }
    }

    #[test]
    fn what_this_side_lacks_is_told_with_its_source() {
        let entropy = Error::from(ErrorKind::Entropy(io::Error::other("no device").into()));
        assert_eq!(entropy.to_string(), "the operating system gave no randomness");
        let source = std::error::Error::source(&entropy).map(ToString::to_string);
        assert_eq!(source.as_deref(), Some("no device"));
        let invalid = "/path".parse::<Origin>().expect_err("no origin");
        let origin = Error::from(ErrorKind::Origin(invalid));
        assert_eq!(origin.to_string(), "the request's URI names no origin");
        assert!(std::error::Error::source(&origin).is_some());
    }

    #[test]
    fn what_an_underlying_client_did_and_what_an_old_peer_cannot_take_is_told() {
        assert!(OldPeer.to_string().contains("HTTP/1.0"));
        #[cfg(feature = "reqwest")]
        for (is_redirected, words) in [(true, "followed a redirect"), (false, "over another connection")] {
            let text = Astray { was_served: true, is_redirected }.to_string();
            assert!(text.contains(words), "{text}");
        }
    }
}
