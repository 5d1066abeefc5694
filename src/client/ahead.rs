//! Logging in ahead of a request, where its body cannot wait for the server's word.

use std::pin::pin;

use http::{Method, Request, Uri};
use http_body::Body;

use crate::client::dispatch::{Dispatcher, MakeConnection, address, settle};
use crate::client::pool::{Poolable, WantedConnection};
use crate::handshake::Acting;
use crate::mechanism::Binding;
use crate::protection_space::{Challenger, Origin};
use crate::service::{BoxError, Error, LegService, Payload, PreparedRequest, Sending, withhold_body};

/// In a request's extensions: has the client log in by a `HEAD` of the same target before it sends the
/// request.
///
/// It is for a large streamed body that would otherwise fail by
/// [`BodyNotReplayable`](crate::service::ErrorKind::BodyNotReplayable) at an origin that is new to the
/// client, or whose Digest nonce has become too old. Over HTTP/1.1 the hyper and legacy clients have the
/// body [wait](crate::Client#large-uploads) there; over HTTP/2, and with reqwest
/// (`authenticate_first` of its `RequestBuilder`), there is no way to
/// know when to send it. It serves as well at a server that asks for the body before it asks for the login.
///
/// The `HEAD` has the request's fields but for those of its content, and logs in as the request does. The
/// response to it is ignored unless the login is refused; the request then fails with
/// [`Refused`](crate::service::ErrorKind::Refused) and is not sent. No `HEAD` is sent ahead of a body that is short enough
/// to be [sent again](crate::service::Limits::replay), nor where connections are known to be logged in as
/// such (NTLM, Negotiate): there the body is kept back in any case.
///
/// ```
/// use http::Request;
/// use legwork::client::AuthenticateFirst;
///
/// let upload = Request::put("https://files.example/large").extension(AuthenticateFirst).body(());
/// # assert!(upload.is_ok());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(clippy::exhaustive_structs)]
pub struct AuthenticateFirst;

impl<T, L> Dispatcher<T, L>
where
    T: MakeConnection<L>,
    L: Poolable + Send + 'static,
{
    /// The `HEAD` that is to go ahead of the request, if that was asked for and is useful.
    pub(super) fn head_of<B: Body>(&self, request: &mut Request<B>) -> Option<Box<Request<Payload<B>>>> {
        if request.extensions().is_empty() {
            return None;
        }
        request.extensions_mut().remove::<AuthenticateFirst>()?;
        let kept = self.settings.environment.limits.replay;
        if request.body().size_hint().exact().is_some_and(|octets| octets <= kept) {
            return None;
        }
        let mut head = Request::new(Payload::Empty);
        *head.method_mut() = Method::HEAD;
        *head.version_mut() = request.version();
        head.headers_mut().clone_from(request.headers());
        head.extensions_mut().clone_from(request.extensions());
        withhold_body(&Method::HEAD, head.headers_mut());
        Some(Box::new(head))
    }

    /// Logs in ahead of a request.
    ///
    /// # Errors
    ///
    /// If there is no answer, or the login is refused.
    pub(super) async fn log_in_ahead<B>(
        &self,
        mut head: Request<Payload<B>>,
        extra: L::Extra,
        wanted: WantedConnection<'_>,
    ) -> Result<(), Error>
    where
        L: LegService<B, Leg: Send, Received: Unpin + Send>,
        B: Body + Send,
        B::Error: Into<BoxError>,
    {
        let WantedConnection { uri, identity, via } = wanted;
        let authenticator = &self.settings.authenticator;
        let binding = |origin| authenticator.memory(Challenger::Origin, &origin).binding();
        if via.is_none() && Origin::from_uri(uri).ok().and_then(binding) == Some(Binding::Connection) {
            return Ok(());
        }
        let mut lease = self.lease(wanted, false).await?;
        let at_proxy = address(&mut head, lease.host(), uri, via);
        let acting = Acting::new(identity.clone(), at_proxy);
        let mut channel = lease.channel();
        channel.service.take_extra(extra);
        let mut sending = pin!(Sending::again(channel, PreparedRequest { request: head, acting }));
        let result = sending.as_mut().await;
        let mut response = match settle(lease, sending.take_channel(), result) {
            Ok(response) => response,
            Err(failure) => self.send_again(uri, via, failure).await?,
        };
        self.login(uri, response.extensions_mut().remove()).map(drop)
    }
}

/// A request that has its URI only.
pub(super) fn without_body<B: Default>(method: Method, uri: Uri) -> Request<B> {
    let mut request = Request::new(B::default());
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    request
}
