//! What an error says to whoever may send the request again.

use std::error::Error as StdError;
use std::io;

use crate::handshake::HandshakeError;
use crate::mechanism::{ErrorKind as MechanismErrorKind, MechanismError};
use crate::service::causes::causes;
#[cfg(feature = "client")]
use crate::service::error::CONNECTING;
use crate::service::error::{Error, ErrorKind};
use crate::service::leg_error::LegError;
#[cfg(feature = "client")]
use crate::service::tunnel::{TunnelError, TunnelErrorKind};

impl Error {
    /// Returns whether something took too long: a [timeout](ErrorKind::Timeout) of this library, or one further
    /// below that lies behind this error, such as the system's or reqwest's.
    pub fn is_timeout(&self) -> bool {
        causes(self).any(is_timeout)
    }

    /// Returns whether the connection could not be made (DNS, TCP, TLS, or the tunnel through a proxy), so that
    /// nothing of the request was sent.
    pub fn is_connect(&self) -> bool {
        match self.kind() {
            _ if self.acted_on => false,
            ErrorKind::Connect(_) => true,
            #[cfg(feature = "client")]
            ErrorKind::Timeout(CONNECTING, _) => true,
            _ => false,
        }
    }

    /// Returns whether credentials were refused: by the origin, by a proxy, or by who keeps the accounts (a KDC).
    ///
    /// A login that stands for want of credentials is [`ErrorKind::Refused`], too, but nobody has refused
    /// any: this is then `false`, as is
    /// [`Refusal::is_refusal`](crate::handshake::Refusal::is_refusal).
    pub fn is_refused(&self) -> bool {
        causes(self).any(is_refused)
    }

    /// Returns whether sending the same request again may help, and is safe as far as this library knows: no
    /// server was given the request to act on. Wait a little before.
    ///
    /// | Kind | Retryable |
    /// |---|---|
    /// | [`Connect`](ErrorKind::Connect) | Yes. Not if a proxy has answered with a status that another try will not change: any but 408, 429 and 5xx, a refused login above all. |
    /// | [`Timeout`](ErrorKind::Timeout) | Yes: they end before the last leg, which is the request itself. No for the timeout of a whole exchange over reqwest, which may end in that leg. |
    /// | [`NewConnectionNeeded`](ErrorKind::NewConnectionNeeded), [`ConnectionGone`](ErrorKind::ConnectionGone) | Yes, on another connection: a client takes one, the layer's own has come to its end. |
    /// | [`Connection`](ErrorKind::Connection) | Only where [`LegError::Unsent`] lies behind it. Else the server may have acted on the request, so this is up to whoever knows that it is idempotent; a timeout of the client beneath is such a case. |
    /// | [`Handshake`](ErrorKind::Handshake) | Only where the mechanism took too long, as with a KDC that is overloaded. Never where the server failed to prove who it is. |
    /// | [`Refused`](ErrorKind::Refused), [`BodyNotReplayable`](ErrorKind::BodyNotReplayable), and all others | No. |
    ///
    /// None is retryable where a server may have acted on the request before: on a connection that was lost,
    /// or by the redirect that led on from it, or since a leg without content may be taken for the request.
    ///
    /// A client has used up its own tries by then: it sends a request again by itself where nothing
    /// was sent on the first connection, or where that was idle and the method is idempotent.
    ///
    /// tower's `retry` asks like this. What is idempotent, a `GET` for instance, may also be sent again where the connection
    /// was lost and a server may have acted on it; that is the policy's to say, which has the request. It goes around the
    /// client, so each try has its own login, or a connection that is logged in:
    ///
    /// ```
    /// use std::future::{Ready, ready};
    ///
    /// use bytes::Bytes;
    /// use http::{Request, Response};
    /// use http_body_util::Full;
    /// use legwork::service::{Error, ErrorKind};
    /// use tower::retry::Policy;
    ///
    /// #[derive(Clone)]
    /// struct Tries(u32);
    ///
    /// impl<B> Policy<Request<Full<Bytes>>, Response<B>, Error> for Tries {
    ///     type Future = Ready<()>;
    ///
    ///     fn retry(
    ///         &mut self,
    ///         request: &mut Request<Full<Bytes>>,
    ///         result: &mut Result<Response<B>, Error>,
    ///     ) -> Option<Ready<()>> {
    ///         let Err(error) = result else { return None };
    ///         let was_lost = matches!(error.kind(), ErrorKind::Connection(_));
    ///         let may_repeat = was_lost && request.method().is_idempotent();
    ///         self.0 = self.0.checked_sub(1)?;
    ///         (error.is_retryable() || may_repeat).then(|| ready(()))
    ///     }
    ///
    ///     fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
    ///         Some(request.clone())
    ///     }
    /// }
    ///
    /// # #[cfg(feature = "client")]
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # use legwork::{Authenticator, Client};
    /// # use tower::{ServiceExt, retry::Retry};
    /// let client = Client::builder(Authenticator::builder().build()).build_http();
    /// let client = Retry::new(Tries(2), client);
    /// let nobody_listens = Request::get("http://127.0.0.1:1/").body(Full::default())?;
    /// assert!(client.oneshot(nobody_listens).await.is_err_and(|error| error.is_connect()));
    /// # Ok(())
    /// # }
    /// # #[cfg(not(feature = "client"))]
    /// # fn main() {}
    /// ```
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            _ if self.acted_on => false,
            #[cfg(feature = "client")]
            ErrorKind::Connect(_) => self.tunnel_error().is_none_or(TunnelError::is_retryable),
            #[cfg(not(feature = "client"))]
            ErrorKind::Connect(_) => true,
            ErrorKind::Timeout(..) | ErrorKind::NewConnectionNeeded(_) | ErrorKind::ConnectionGone => true,
            ErrorKind::Connection(error) => matches!(error.downcast_ref(), Some(LegError::Unsent(_))),
            ErrorKind::Handshake(HandshakeError::Scheme(_)) => self.is_timeout(),
            ErrorKind::Handshake(
                HandshakeError::FinalToken(_)
                | HandshakeError::Unproven
                | HandshakeError::TooManyLegs(_)
                | HandshakeError::OutOfTurn,
            )
            | ErrorKind::BodyNotReplayable { .. }
            | ErrorKind::Credentials(_)
            | ErrorKind::Entropy(_)
            | ErrorKind::Request(_)
            | ErrorKind::Origin(_)
            | ErrorKind::Proxy(_)
            | ErrorKind::Refused(_)
            | ErrorKind::ShutDown
            | ErrorKind::NoRuntime => false,
        }
    }
}

/// To a client, every one of them is an [`ErrorKind::Connect`]: nothing has reached the origin.
#[cfg(feature = "client")]
impl TunnelError {
    /// Returns whether something took too long.
    pub fn is_timeout(&self) -> bool {
        causes(self).any(is_timeout)
    }

    /// Returns whether credentials were refused, as [`Error::is_refused`] has it.
    pub fn is_refused(&self) -> bool {
        causes(self).any(is_refused)
    }

    /// Returns whether asking for the tunnel again may help: unless the login failed, what was asked for cannot
    /// be, or the proxy has answered with a status other than 408, 429 and 5xx.
    pub fn is_retryable(&self) -> bool {
        match self.kind() {
            TunnelErrorKind::Unreachable(_) | TunnelErrorKind::Timeout(_) => true,
            // A tunnel that was opened and lost has done nothing.
            TunnelErrorKind::Failed(error) => {
                matches!(error.kind(), ErrorKind::Connection(_)) || error.is_retryable()
            }
            TunnelErrorKind::Answered { status, .. } => {
                status.is_server_error() || matches!(status.as_u16(), 408 | 429)
            }
            TunnelErrorKind::Target(_) | TunnelErrorKind::NoTls => false,
        }
    }
}

/// Whether whoever sent a request gave up waiting for its answer. Where the system did, its connection has
/// died.
pub(super) fn is_given_up(error: &(dyn StdError + 'static)) -> bool {
    causes(error).any(is_timeout) && !causes(error).any(|cause| cause.is::<io::Error>())
}

/// Whether this one of several causes is a timeout.
fn is_timeout(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(error) = cause.downcast_ref::<Error>() {
        return matches!(error.kind(), ErrorKind::Timeout(..));
    }
    #[cfg(feature = "client")]
    if let Some(error) = cause.downcast_ref::<TunnelError>() {
        return matches!(error.kind(), TunnelErrorKind::Timeout(_));
    }
    #[cfg(feature = "reqwest")]
    if let Some(error) = cause.downcast_ref::<reqwest::Error>() {
        return error.is_timeout();
    }
    if let Some(error) = cause.downcast_ref::<MechanismError>() {
        return error.kind() == MechanismErrorKind::Timeout;
    }
    cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
}

/// Whether this one of several causes is that credentials were refused.
fn is_refused(cause: &(dyn StdError + 'static)) -> bool {
    if let Some(ErrorKind::Refused(refusal)) = cause.downcast_ref().map(Error::kind) {
        return refusal.is_refusal();
    }
    #[cfg(feature = "client")]
    if let Some(TunnelErrorKind::Answered { refusal, .. }) = cause.downcast_ref().map(TunnelError::kind) {
        return refusal.as_ref().is_some_and(|refusal| refusal.is_refusal());
    }
    cause.downcast_ref().map(MechanismError::kind).is_some_and(|kind| {
        matches!(kind, MechanismErrorKind::WrongPassword | MechanismErrorKind::AccountLocked)
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::handshake::{Refusal, Renewal, Tried, Why};
    use crate::protection_space::{Challenger, InvalidOrigin};
    use crate::scheme::SchemeError;
    use crate::service::error::BoxError;

    const Y: bool = true;
    const N: bool = false;
    const SECOND: Duration = Duration::from_secs(1);

    fn refusal(why: Why) -> Refusal {
        Refusal {
            challenger: Challenger::Origin,
            origin: "https://site.example".parse().expect("an origin"),
            mutual: false,
            tried: vec![Tried::new("NTLM", why)],
            legs: 3,
        }
    }

    fn mechanism(kind: MechanismErrorKind) -> SchemeError {
        SchemeError::mechanism("Negotiate", MechanismError::new(kind, "in words"))
    }

    fn io(kind: io::ErrorKind) -> BoxError {
        io::Error::from(kind).into()
    }

    /// What an error says: a timeout, no connection, a refusal, retryable.
    fn says(error: &Error) -> [bool; 4] {
        [error.is_timeout(), error.is_connect(), error.is_refused(), error.is_retryable()]
    }

    /// What an error of each kind says.
    fn table() -> Vec<(ErrorKind, [bool; 4])> {
        let hidden = io::Error::other(io::Error::from(io::ErrorKind::TimedOut));
        let wrong_password = mechanism(MechanismErrorKind::WrongPassword);
        vec![
            (ErrorKind::Connect(io(io::ErrorKind::ConnectionRefused)), [N, Y, N, Y]),
            (ErrorKind::Connect(io(io::ErrorKind::TimedOut)), [Y, Y, N, Y]),
            (ErrorKind::Connect(hidden.into()), [Y, Y, N, Y]),
            (ErrorKind::Connection(io(io::ErrorKind::ConnectionReset)), [N, N, N, N]),
            (ErrorKind::Connection(io(io::ErrorKind::TimedOut)), [Y, N, N, N]),
            (ErrorKind::Connection(LegError::Unsent("closed".into()).into()), [N, N, N, Y]),
            (ErrorKind::Connection(LegError::Reset("reset".into()).into()), [N, N, N, N]),
            (ErrorKind::Handshake(HandshakeError::Scheme(SchemeError::new("NTLM", "odd"))), [N, N, N, N]),
            (
                ErrorKind::Handshake(HandshakeError::Scheme(mechanism(MechanismErrorKind::Timeout))),
                [Y, N, N, Y],
            ),
            (ErrorKind::Handshake(HandshakeError::Scheme(wrong_password)), [N, N, Y, N]),
            (
                ErrorKind::Handshake(HandshakeError::FinalToken(mechanism(MechanismErrorKind::BadMic))),
                [N, N, N, N],
            ),
            (
                ErrorKind::Handshake(HandshakeError::FinalToken(mechanism(MechanismErrorKind::Timeout))),
                [Y, N, N, N],
            ),
            (ErrorKind::Handshake(HandshakeError::Unproven), [N, N, N, N]),
            (ErrorKind::Handshake(HandshakeError::TooManyLegs(16)), [N, N, N, N]),
            (ErrorKind::Handshake(HandshakeError::OutOfTurn), [N, N, N, N]),
            (ErrorKind::NewConnectionNeeded(Renewal::ClosedInHandshake), [N, N, N, Y]),
            (ErrorKind::BodyNotReplayable { kept: 65_536, lost: None }, [N, N, N, N]),
            (ErrorKind::Credentials("no vault".into()), [N, N, N, N]),
            (ErrorKind::Timeout("waiting for a leg's response", SECOND), [Y, N, N, Y]),
            (ErrorKind::Entropy("none".into()), [N, N, N, N]),
            (ErrorKind::Request("odd".into()), [N, N, N, N]),
            (ErrorKind::Origin(InvalidOrigin::Relative), [N, N, N, N]),
            (ErrorKind::Proxy("SOCKS".into()), [N, N, N, N]),
            (ErrorKind::Refused(refusal(Why::Refused(None))), [N, N, Y, N]),
            (ErrorKind::Refused(refusal(Why::NoCredentials)), [N, N, N, N]),
            (ErrorKind::ConnectionGone, [N, N, N, Y]),
            (ErrorKind::ShutDown, [N, N, N, N]),
            (ErrorKind::NoRuntime, [N, N, N, N]),
        ]
    }

    #[test]
    fn each_kind_says_whether_the_request_may_be_sent_again() {
        for (kind, expected) in table() {
            let error = Error::new(kind);
            assert_eq!(says(&error), expected, "{error:?}");
        }
    }

    #[test]
    fn nothing_is_retryable_once_a_server_may_have_acted_on_the_request() {
        for (kind, [timeout, _, refused, _]) in table() {
            let mut error = Error::new(kind);
            error.note_acted_on(true);
            assert_eq!(says(&error), [timeout, N, refused, N], "{error:?}");
        }
    }

    #[test]
    fn a_timeout_of_the_system_is_a_connection_that_has_died_and_no_sender_that_gave_up() {
        let given_up = Error::new(ErrorKind::Timeout("waiting for a leg's response", SECOND));
        assert!(is_given_up(&given_up));
        assert!(!is_given_up(&Error::new(ErrorKind::Connection(io(io::ErrorKind::TimedOut)))));
        assert!(!is_given_up(&Error::new(ErrorKind::ConnectionGone)));
    }

    #[cfg(feature = "client")]
    #[test]
    fn a_tunnel_that_was_not_opened_says_it_through_whatever_is_around_it() {
        let answered = |status: u16, why: Option<Why>| TunnelErrorKind::Answered {
            status: http::StatusCode::from_u16(status).expect("a status"),
            reason: String::new(),
            refusal: why.map(refusal),
        };
        let failed = |kind| TunnelErrorKind::Failed(Error::new(kind));
        let unproven = ErrorKind::Handshake(HandshakeError::Unproven);
        for (kind, expected) in [
            (TunnelErrorKind::Unreachable(io(io::ErrorKind::ConnectionRefused)), [N, Y, N, Y]),
            (TunnelErrorKind::Unreachable(io(io::ErrorKind::TimedOut)), [Y, Y, N, Y]),
            (TunnelErrorKind::Timeout(SECOND), [Y, Y, N, Y]),
            (failed(ErrorKind::Connection(io(io::ErrorKind::ConnectionReset))), [N, Y, N, Y]),
            (failed(ErrorKind::Timeout("authenticating", SECOND)), [Y, Y, N, Y]),
            (failed(unproven), [N, Y, N, N]),
            (answered(407, Some(Why::Refused(None))), [N, Y, Y, N]),
            (answered(407, Some(Why::NoCredentials)), [N, Y, N, N]),
            (answered(407, None), [N, Y, N, N]),
            (answered(403, None), [N, Y, N, N]),
            (answered(429, None), [N, Y, N, Y]),
            (answered(502, None), [N, Y, N, Y]),
            (TunnelErrorKind::Target(InvalidOrigin::Host), [N, Y, N, N]),
            (TunnelErrorKind::NoTls, [N, Y, N, N]),
        ] {
            let proxy = "http://proxy.example:3128".parse().expect("an origin");
            let tunnel = TunnelError::new(proxy, "site.example:443".to_owned(), kind);
            let own = [tunnel.is_timeout(), Y, tunnel.is_refused(), tunnel.is_retryable()];
            assert_eq!(own, expected, "{tunnel:?}");
            // As a connector by TLS has it.
            let error = Error::new(ErrorKind::Connect(io::Error::other(tunnel).into()));
            assert_eq!(says(&error), expected, "{error:?}");
        }
        assert_eq!(says(&Error::new(ErrorKind::Timeout(CONNECTING, SECOND))), [Y, Y, N, Y]);
    }
}
