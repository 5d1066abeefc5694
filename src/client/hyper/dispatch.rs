use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, Uri, header};
use http_body::Body;
use hyper::body::Incoming;
use tower_service::Service;

use crate::client::hyper::body::ResponseBody;
use crate::client::hyper::connect::Connect;
use crate::client::hyper::connection::Connection;
use crate::client::hyper::pool::{Checkout, Lease, Permit, Pool, Wanted};
use crate::client::hyper::secure::Secure;
use crate::client::proxy::Proxies;
use crate::handshake::{Authenticator, Identity, Login, Outcome};
use crate::protection_space::{Challenger, Origin};
use crate::service::{BoxError, Channel, Environment, Error, ErrorKind, Failure, Retry, Sending};

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
    /// Connects to origins, and to proxies.
    pub(super) connector: C,
    pub(super) proxies: Option<Proxies>,
    /// What speaks TLS with the origins behind tunnels.
    pub(super) tls: Option<Arc<dyn Secure>>,
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
            let via = self.via(&uri, &mut request)?;
            let wanted = Wanted { uri: &uri, identity: &identity, via: via.as_deref() };
            let mut lease = match self.pool.checkout_idle(wanted)? {
                Some(lease) => lease,
                None => Box::pin(self.lease(wanted, false)).await?,
            };
            let host = lease.host();
            *request.uri_mut() = host.target_of(&uri);
            let header = request.headers_mut().entry(header::HOST);
            header.or_insert_with(|| host.header.clone());
            // A tunnel has had its login.
            let at_proxy = via.as_ref().filter(|_| host.is_forwarded()).map(|via| via.1.clone());
            let at_proxy = at_proxy.unwrap_or(Identity::None);
            let mut sending = pin!(Sending::new(lease.channel(), request, identity, at_proxy));
            let result = sending.as_mut().await;
            match settle(lease, sending.take_channel(), result) {
                Ok(response) => Ok(response),
                Err(failure) => Box::pin(self.send_again(&uri, via.as_deref(), failure)).await,
            }
        }
    }

    /// Sends a request on other connections, as long as there are grounds for it.
    async fn send_again(
        &self,
        uri: &Uri,
        via: Option<&(Origin, Identity)>,
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
            let wanted = Wanted { uri, identity: &pending.identity, via };
            let mut lease = self.lease(wanted, fresh).await?;
            let mut sending = pin!(Sending::again(lease.channel(), pending));
            let result = sending.as_mut().await;
            match settle(lease, sending.take_channel(), result) {
                Ok(response) => return Ok(response),
                Err(next) => failure = next,
            }
        }
    }

    /// A connection from the pool, or a new one.
    async fn lease(&self, wanted: Wanted<'_>, fresh: bool) -> Result<Lease<'_, B>, Error> {
        match self.pool.checkout(wanted, fresh).await? {
            Checkout::Lease(lease) => Ok(lease),
            Checkout::Connect(permit) => self.connect(permit).await,
        }
    }

    async fn connect<'a>(&self, permit: Permit<'a, B>) -> Result<Lease<'a, B>, Error> {
        self.pool.keep_swept();
        let connected = tokio::time::timeout(self.connect_timeout, self.reach(permit.host())).await;
        let channel = connected
            .map_err(|_| ErrorKind::Timeout("connecting", self.connect_timeout))?
            .map_err(ErrorKind::Connection)?;
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
