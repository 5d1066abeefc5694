use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use tower_service::Service;

use crate::channel_bindings::ChannelBindings;
use crate::client::hyper::body::ResponseBody;
use crate::client::hyper::connect::{Connect, extra};
use crate::client::hyper::connection::Connection;
use crate::client::hyper::pool::{Checkout, Lease, Permit, Pool};
use crate::handshake::{Authenticator, Identity, Login, Outcome};
use crate::protection_space::Challenger;
use crate::service::{
    BoxError, Channel, ConnectionInfo, Environment, Error, ErrorKind, Failure, Retry, Sending,
};

/// An HTTP/1.1 client that logs in.
///
/// `C` is the connector and `B` the body of its requests. A clone shares the connections. Who a
/// request acts as is, first found: the `Authorization` that its caller set (the request then
/// passes untouched), the [`Credentials`](crate::Credentials) in its extensions, nobody if
/// [`Anonymous`](crate::credentials::Anonymous) is there, and the authenticator's own credentials.
///
/// Dropping a response's body before its end, or a request's future, closes that one connection.
pub struct Client<C, B> {
    shared: Arc<Shared<C, B>>,
}

pub(super) struct Shared<C, B> {
    pub(super) connector: C,
    pub(super) authenticator: Authenticator,
    pub(super) environment: Arc<Environment>,
    pub(super) pool: Arc<Pool<B>>,
    pub(super) connect_timeout: Duration,
    pub(super) max_restarts: u32,
}

/// How often a request moves on from connections that were found dead before it was sent.
const MAX_UNSENT: u32 = 64;

impl<C, B> Client<C, B> {
    pub(super) fn new(shared: Shared<C, B>) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// Closes all idle connections.
    pub fn close_idle(&self) {
        self.shared.pool.close_idle();
    }

    /// Refuses further requests ([`ErrorKind::ShutDown`]), closes idle connections, and resolves
    /// when those under way have ended. Holds for all clones.
    pub async fn shut_down(&self) {
        self.shared.pool.shut_down().await;
    }

    /// How many connections are open or being opened, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.pool.counts()
    }

    /// What the client logs in with.
    pub fn authenticator(&self) -> &Authenticator {
        &self.shared.authenticator
    }
}

impl<C, B> Client<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// Sends a request to the origin of its absolute URI.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`] if there is no response. A refused login is a response.
    pub fn request(&self, request: Request<B>) -> ClientFuture {
        ClientFuture(Box::pin(Arc::clone(&self.shared).send(request)))
    }

    /// A `GET` of `uri` without a body.
    pub fn get(&self, uri: Uri) -> ClientFuture
    where
        B: Default,
    {
        let mut request = Request::new(B::default());
        *request.uri_mut() = uri;
        self.request(request)
    }

    /// Logs in at the origin of `uri` ahead of the first real request, by a `HEAD`: so that a
    /// large upload is not sent in vain. What the server answers once the login stands, a `404`
    /// or `405` for instance, does not matter.
    ///
    /// `None` if the origin asked for no login, or one stood already.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if the challenge stands; else as [`request`](Self::request).
    pub async fn authenticate(&self, uri: Uri) -> Result<Option<Login>, Error>
    where
        B: Default,
    {
        let mut request = Request::new(B::default());
        *request.method_mut() = Method::HEAD;
        *request.uri_mut() = uri;
        let mut response = self.request(request).await?;
        match response.extensions_mut().remove::<Outcome>() {
            Some(Outcome::LoggedIn(login)) => Ok(Some(login)),
            Some(Outcome::Refused(refusal)) => Err(ErrorKind::Refused(refusal).into()),
            None => Ok(None),
        }
    }
}

impl<C, B> Shared<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    /// The future is small enough for the allocator's fast path: nothing in it is there twice.
    fn send(
        self: Arc<Self>,
        mut request: Request<B>,
    ) -> impl Future<Output = Result<Response<ResponseBody>, Error>> + Send {
        let identity = Identity::of(&mut request, Challenger::Origin, &self.authenticator);
        let uri = std::mem::take(request.uri_mut());
        async move {
            *request.uri_mut() = origin_form(&uri);
            let mut lease = match self.pool.checkout_idle(&uri, &identity)? {
                Some(lease) => lease,
                None => Box::pin(self.lease(&uri, &identity, false)).await?,
            };
            let host = request.headers_mut().entry(header::HOST);
            host.or_insert_with(|| lease.host().header.clone());
            let mut sending = pin!(Sending::new(lease.channel(), request, identity, Identity::None));
            let result = sending.as_mut().await;
            match settle(lease, sending.take_channel(), result) {
                Ok(response) => Ok(response),
                Err(failure) => Box::pin(self.send_again(&uri, failure)).await,
            }
        }
    }

    /// Sends a request on other connections, as long as there are grounds for it.
    async fn send_again(
        &self,
        uri: &Uri,
        mut failure: Box<Failure<B>>,
    ) -> Result<Response<ResponseBody>, Error> {
        let (mut unsent, mut closed, mut restarts) = (0, 0, 0);
        loop {
            let Failure { error, retry } = *failure;
            let Some((grounds, pending)) = retry else { return Err(error) };
            let (tries, limit) = match grounds {
                Retry::Unsent => (&mut unsent, MAX_UNSENT),
                Retry::Closed => (&mut closed, 1),
                Retry::Renew => (&mut restarts, self.max_restarts),
            };
            if *tries >= limit {
                return Err(error);
            }
            *tries += 1;
            // Whatever closed this connection may have closed the other idle ones too.
            let fresh = grounds != Retry::Unsent;
            let mut lease = self.lease(uri, &pending.identity, fresh).await?;
            let mut sending = pin!(Sending::again(lease.channel(), pending));
            let result = sending.as_mut().await;
            match settle(lease, sending.take_channel(), result) {
                Ok(response) => return Ok(response),
                Err(next) => failure = next,
            }
        }
    }

    /// A connection from the pool, or a new one.
    async fn lease(&self, uri: &Uri, identity: &Identity, fresh: bool) -> Result<Lease<'_, B>, Error> {
        match self.pool.checkout(uri, identity, fresh).await? {
            Checkout::Lease(lease) => Ok(lease),
            Checkout::Connect(permit) => self.connect(permit).await,
        }
    }

    async fn connect<'a>(&self, permit: Permit<'a, B>) -> Result<Lease<'a, B>, Error> {
        self.pool.keep_swept();
        let mut connector = self.connector.clone();
        let host = permit.host();
        let connecting = async {
            let io = connector.connect(host.target.clone()).await?;
            let bindings: Option<ChannelBindings> = extra(&io);
            let (sender, connection) = http1::handshake(io).await?;
            Ok::<_, BoxError>((sender, connection, bindings))
        };
        let connected = tokio::time::timeout(self.connect_timeout, connecting).await;
        let (sender, connection, bindings) = connected
            .map_err(|_| ErrorKind::Timeout("connecting", self.connect_timeout))?
            .map_err(ErrorKind::Connection)?;
        tokio::spawn(async move {
            // Its errors reach the requests on it.
            let _ = connection.with_upgrades().await;
        });
        let mut info = ConnectionInfo::new(host.origin.clone());
        info.channel_bindings = bindings;
        let environment = Arc::clone(&self.environment);
        let channel = Channel::new(Connection::new(sender), &self.authenticator, environment, &info);
        Ok(permit.connected(channel))
    }
}

/// The response with its connection, or why there is none; then the connection's place is free.
fn settle<B: Send + 'static>(
    lease: Lease<'_, B>,
    channel: Option<Channel<Connection<B>>>,
    result: Result<Response<Incoming>, Box<Failure<B>>>,
) -> Result<Response<ResponseBody>, Box<Failure<B>>> {
    match (result, channel) {
        (Ok(response), Some(channel)) => {
            let connection = lease.park(channel);
            Ok(response.map(|incoming| ResponseBody::new(incoming, connection)))
        }
        (Ok(_), None) => unreachable!("a response comes with its connection"),
        (Err(failure), _) => Err(failure),
    }
}

/// The request target for the origin itself (RFC 9112, section 3.2.1).
fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

impl<C, B> Service<Request<B>> for Client<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ClientFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ClientFuture {
        self.request(request)
    }
}

impl<C, B> Clone for Client<C, B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C, B> fmt::Debug for Client<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authenticator", &self.shared.authenticator).finish_non_exhaustive()
    }
}

/// Resolves to the response that ends the handshake.
#[must_use = "futures do nothing unless polled"]
pub struct ClientFuture(Pin<Box<dyn Future<Output = Result<Response<ResponseBody>, Error>> + Send>>);

impl Future for ClientFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ClientFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientFuture").finish_non_exhaustive()
    }
}
