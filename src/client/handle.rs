use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use crate::client::ahead::without_body;
use crate::client::dispatch::{Dispatcher, MakeConnection};
use crate::client::log_out::LogOut;
use crate::client::pool::Poolable;
use crate::client::response_body::ResponseBody;
use crate::handshake::{Authenticator, Login, Outcome};
use crate::service::{BoxError, BoxFuture, Error, LegService};

/// An HTTP client that logs in.
///
/// `B` is the body of its requests. What they go over is chosen by the [builder](crate::client::ClientBuilder), and is
/// no part of the type: hyper with a connector of this library or of the caller's, or hyper-util's
/// [legacy client](crate::client::legacy). A clone shares the connections. Who a request acts as is, first found: the `Authorization` that its caller set (the request then
/// passes untouched), the [`Credentials`](crate::Credentials) in its extensions, nobody if
/// [`Anonymous`](crate::credentials::Anonymous) is there, the userinfo in its URI, and the authenticator's
/// own credentials.
///
/// Dropping a response's body before its end, or a request's future, closes that one connection; by
/// HTTP/2 it ends that one stream.
///
/// # Userinfo in a URI
///
/// `https://carol:carol-pw@wiki.example/` logs in as `carol`, as if the request had
/// `Credentials::password("carol", "carol-pw")` in its extensions: at this origin and at no other, once it
/// is challenged, by the schemes that are allowed, so not by Basic over plain http. The URI goes on
/// without it, and no server, proxy or error sees it. Who fetches URIs that others have written should take it
/// out: the request would act as whom they name. The same holds for the client over
/// reqwest.
///
/// It is read as curl reads it: user and password are percent-encoded UTF-8 (`LAB%5Ccarol`), the first colon
/// ends the user, and a user without a password has an empty one. What is not UTF-8, or has control
/// characters, is an [`ErrorKind::Request`](crate::service::ErrorKind::Request), and nothing is sent.
///
/// # Large uploads
///
/// A body that cannot be sent again, since more of it comes in pieces than is
/// [kept](crate::service::Limits::replay), waits if its request may be challenged: at an origin
/// that is new to the client, or where Digest's nonce may have become too old. The request then says
/// `Expect: 100-continue`, and the body goes when the server says so, or after a second. A challenge is
/// answered on a new connection, so that the body goes over the wire once; any other answer is delivered,
/// and the body is not sent. With a Digest nonce in doubt, what is in memory waits too if it has more than
/// 16 KiB: less than that arrives together with the head.
///
/// A server that let a body wait in vain is remembered and not waited for again, as is one that speaks
/// HTTP/1.0, answers `417` (the request is then repeated), or closes the connection in response. There is no waiting if
/// [`restarts`](crate::service::Limits::restarts) is 0, or if the caller has hyper tell of interim
/// responses (`hyper::ext::on_informational`). A caller's own `Expect: 100-continue` has the body wait just
/// so, except on a connection that is logged in already.
///
/// Over HTTP/2 hyper tells nothing of interim responses: log in [ahead](Self::authenticate), or put
/// [`AuthenticateFirst`](crate::client::AuthenticateFirst) in the request's extensions.
pub struct Client<B> {
    shared: Arc<dyn Dispatch<B>>,
}

/// The body of a client's requests: any that can be sent from another thread.
pub trait RequestBody: Body<Data: Send, Error: Into<BoxError>> + Send + 'static {}

impl<B: Body<Data: Send, Error: Into<BoxError>> + Send + 'static> RequestBody for B {}

/// What sends a client's requests, whatever makes its connections.
trait Dispatch<B>: Send + Sync {
    fn send(self: Arc<Self>, request: Request<B>) -> BoxFuture<Result<Response<ResponseBody>, Error>>;
    fn login(&self, uri: &Uri, outcome: Option<Outcome>) -> Result<Option<Login>, Error>;
    fn close_idle(&self);
    fn log_out(&self, who: &LogOut);
    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>>;
    fn connections(&self) -> (usize, usize);
    fn authenticator(&self) -> &Authenticator;
}

impl<T, L, B> Dispatch<B> for Dispatcher<T, L>
where
    T: MakeConnection<L> + 'static,
    L: Poolable<Extra = ()> + LegService<B, Leg: Send, Received = Incoming> + Send + 'static,
    B: RequestBody,
{
    fn send(self: Arc<Self>, request: Request<B>) -> BoxFuture<Result<Response<ResponseBody>, Error>> {
        Box::pin(Dispatcher::send(self, request, ()))
    }

    fn login(&self, uri: &Uri, outcome: Option<Outcome>) -> Result<Option<Login>, Error> {
        Dispatcher::login(self, uri, outcome)
    }

    fn close_idle(&self) {
        Dispatcher::close_idle(self);
    }

    fn log_out(&self, who: &LogOut) {
        Dispatcher::log_out(self, who);
    }

    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.pool.shut_down())
    }

    fn connections(&self) -> (usize, usize) {
        self.pool.counts()
    }

    fn authenticator(&self) -> &Authenticator {
        &self.settings.authenticator
    }
}

/// The same where somebody looks on, or may at any time. It is of another type so that a request on which nobody looks
/// does not have to ask.
struct LookedOn<T, L>(Arc<Dispatcher<T, L>>);

impl<T, L, B> Dispatch<B> for LookedOn<T, L>
where
    T: MakeConnection<L> + 'static,
    L: Poolable<Extra = ()> + LegService<B, Leg: Send, Received = Incoming> + Send + 'static,
    B: RequestBody,
{
    fn send(self: Arc<Self>, request: Request<B>) -> BoxFuture<Result<Response<ResponseBody>, Error>> {
        Arc::clone(&self.0).send_watched(request, ())
    }

    fn login(&self, uri: &Uri, outcome: Option<Outcome>) -> Result<Option<Login>, Error> {
        self.0.login(uri, outcome)
    }

    fn close_idle(&self) {
        self.0.close_idle();
    }

    fn log_out(&self, who: &LogOut) {
        self.0.log_out(who);
    }

    fn shut_down(&self) -> Pin<Box<dyn Future<Output = ()> + Send + '_>> {
        Box::pin(self.0.pool.shut_down())
    }

    fn connections(&self) -> (usize, usize) {
        self.0.pool.counts()
    }

    fn authenticator(&self) -> &Authenticator {
        &self.0.settings.authenticator
    }
}

impl<B> Client<B> {
    pub(super) fn over<T, L>(dispatcher: Dispatcher<T, L>) -> Self
    where
        T: MakeConnection<L> + 'static,
        L: Poolable<Extra = ()> + LegService<B, Leg: Send, Received = Incoming> + Send + 'static,
        B: RequestBody,
    {
        let may_be_watched = dispatcher.settings.environment.may_be_watched();
        let dispatcher = Arc::new(dispatcher);
        match may_be_watched {
            true => Self { shared: Arc::new(LookedOn(dispatcher)) },
            false => Self { shared: dispatcher },
        }
    }

    /// Closes idle connections now, and all others as soon as the requests on them have ended.
    ///
    /// A request under way is not disturbed: its response can be read to its end, over HTTP/2 too. But
    /// no other request is sent on its connection, which is then closed. The same goes for a connection
    /// that is being made or is in the middle of a login. Whoever sends a request from now on logs in on
    /// a new connection.
    ///
    /// Call this when a [provider](crate::credentials::CredentialsProvider) names another user than
    /// before. To spare the other users or origins there is [`log_out`](Self::log_out).
    pub fn close_idle(&self) {
        self.shared.close_idle();
    }

    /// Closes the connections of one user, or all connections to one origin or through one proxy:
    /// those that are idle now, the others as soon as the requests on them have ended.
    ///
    /// What [`close_idle`](Self::close_idle) says of connections in use holds here, and nobody else is
    /// disturbed. Call this when a session has to end, a password was changed, or a user has become
    /// somebody else. [`LogOut`] says who can be named, and what is kept.
    ///
    /// ```
    /// # fn example(client: legwork::Client<()>, alice: legwork::Credentials) -> Result<(), Box<dyn std::error::Error>> {
    /// client.log_out(alice);
    /// client.log_out("https://mail.example".parse::<legwork::Origin>()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn log_out(&self, who: impl Into<LogOut>) {
        self.shared.log_out(&who.into());
    }

    /// Refuses further requests ([`ErrorKind::ShutDown`](crate::service::ErrorKind::ShutDown)),
    /// closes idle connections, and resolves when those under way have ended. Holds for all clones.
    pub async fn shut_down(&self) {
        self.shared.shut_down().await;
    }

    /// Returns how many connections are open or being opened, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.connections()
    }

    /// Returns what the client logs in with.
    pub fn authenticator(&self) -> &Authenticator {
        self.shared.authenticator()
    }
}

impl<B> Client<B> {
    /// Sends a request to the origin of its absolute URI. [Userinfo](Self#userinfo-in-a-uri) in it is the request's
    /// credentials.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`] if there is no response. A refused login is a response.
    ///
    /// # Panics
    ///
    /// The future panics in a tokio runtime in which IO or timers are not enabled (`Builder::enable_all`).
    /// Outside of a runtime it resolves to [`ErrorKind::NoRuntime`](crate::service::ErrorKind::NoRuntime)
    /// if a connection has to be made, and panics if a login begins on one that is there.
    pub fn request(&self, request: Request<B>) -> BoxFuture<Result<Response<ResponseBody>, Error>> {
        Arc::clone(&self.shared).send(request)
    }

    /// Sends a `GET` of `uri` without a body.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request).
    pub fn get(&self, uri: Uri) -> BoxFuture<Result<Response<ResponseBody>, Error>>
    where
        B: Default,
    {
        self.request(without_body(Method::GET, uri))
    }

    /// Logs in at the origin of `uri` ahead of the first real request, by a `HEAD`: so that a
    /// large upload is not sent in vain. What the server answers once the login stands, a `404`
    /// or `405` for instance, does not matter.
    ///
    /// `None` if the origin asked for no login, or one stood already.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`](crate::service::ErrorKind::Refused) if the challenge stands; else as
    /// [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request).
    pub async fn authenticate(&self, uri: Uri) -> Result<Option<Login>, Error>
    where
        B: Default,
    {
        let mut response = self.request(without_body(Method::HEAD, uri.clone())).await?;
        self.shared.login(&uri, response.extensions_mut().remove())
    }
}

impl<B> Service<Request<B>> for Client<B> {
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = BoxFuture<Result<Response<ResponseBody>, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> BoxFuture<Result<Response<ResponseBody>, Error>> {
        self.request(request)
    }
}

impl<B> Clone for Client<B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<B> fmt::Debug for Client<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authenticator", self.authenticator()).finish_non_exhaustive()
    }
}
