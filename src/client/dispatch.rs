//! Requests on leased connections, whatever makes the connections.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response, StatusCode, Uri, header};
use http_body::Body;

use crate::client::log_out::LogOut;
use crate::client::pool::{Checkout, Host, Lease, Permit, Pool, Poolable, WantedConnection};
use crate::client::response_body::ResponseBody;
use crate::client::retries::{Retries, RetryLimits};
use crate::client::runtime::in_runtime;
use crate::client::userinfo;
use crate::handshake::{Authenticator, Identity, Login, Outcome};
use crate::protection_space::{Challenger, Origin};
use crate::service::{
    BoxError, BoxFuture, CONNECTING, Channel, Connecting, ConnectionInfo, Environment, Error, ErrorKind,
    FailedRequest, LegService, Retry, Route, Sending, Watch,
};

/// Makes the connections of a client.
pub(super) trait MakeConnection<L>: Send + Sync {
    /// A new connection on the way to `host`.
    fn make_connection(
        &self,
        settings: &Settings,
        host: &Host,
    ) -> impl Future<Output = Result<(L, ConnectionInfo), ErrorKind>> + Send;

    /// The proxy that sees a request, and who logs in there.
    fn via<B>(
        &self,
        _: &Authenticator,
        _: &Uri,
        _: &mut Request<B>,
    ) -> Result<Option<Box<(Origin, Identity)>>, ErrorKind> {
        Ok(None)
    }

    /// The proxy through which requests with this URI go.
    fn proxy(&self, _: &Uri) -> Option<&Origin> {
        None
    }
}

/// What all requests of a client have in common.
pub(super) struct Settings {
    pub(super) authenticator: Authenticator,
    pub(super) environment: Arc<Environment>,
    pub(super) connect_timeout: Duration,
}

/// What the clones of a client share. `T` makes the connections `L`.
pub(super) struct Dispatcher<T, L> {
    pub(super) transport: T,
    pub(super) settings: Settings,
    pub(super) pool: Arc<Pool<L>>,
}

impl<T, L: Poolable> Dispatcher<T, L> {
    pub(super) fn close_idle(&self) {
        self.pool.retire(|_| true);
    }

    pub(super) fn log_out(&self, who: &LogOut) {
        self.pool.retire(|host| who.covers(&host.origin, &host.key));
    }
}

/// How often a request moves on from connections that were found dead before it was sent.
const MAX_UNSENT: u32 = 64;

impl<T, L> Dispatcher<T, L>
where
    T: MakeConnection<L>,
    L: Poolable + Send + 'static,
{
    /// The future is small enough for the allocator's fast path: nothing in it is there twice.
    #[allow(
        clippy::manual_async_fn,
        reason = "an async fn keeps what it is given beside what it makes of it"
    )]
    pub(super) fn send<B>(
        self: Arc<Self>,
        mut request: Request<B>,
        extra: L::Extra,
    ) -> impl Future<Output = Result<Response<ResponseBody<L::Received>>, Error>> + Send
    where
        T: 'static,
        L: LegService<B, Leg: Send, Received: Unpin + Send>,
        B: Body + Send,
        B::Error: Into<BoxError>,
    {
        async move {
            let named = userinfo::take(&mut request);
            let mut identity = Identity::of(&mut request, Challenger::Origin, &self.settings.authenticator);
            let head = self.head_of(&mut request);
            let uri = std::mem::take(request.uri_mut());
            named.map_err(|error| self.error(&uri, ErrorKind::Request(error.into())))?;
            let via = self.transport.via(&self.settings.authenticator, &uri, &mut request);
            let via = via.map_err(|kind| self.error(&uri, kind))?;
            let wanted = WantedConnection { uri: &uri, identity: &identity, via: via.as_deref() };
            if let Some(head) = head {
                Box::pin(self.log_in_ahead(*head, extra.clone(), wanted)).await?;
            }
            let mut lease = match self.pool.checkout_idle(wanted).map_err(|kind| self.error(&uri, kind))? {
                Some(lease) if !lease.is_early() => lease,
                found => Box::pin(self.settled_or_another(found, wanted)).await?,
            };
            // The same, in the copy that all connections of the host share.
            identity.clone_from(&lease.host().key.identity);
            let at_proxy = address(&mut request, lease.host(), &uri, via.as_deref());
            let mut channel = lease.channel();
            channel.service.take_extra(extra);
            let mut sending = pin!(Sending::new(channel, request, identity, at_proxy));
            let result = sending.as_mut().await;
            // Apart from the `await` behind it: what is matched would else have room in the future.
            let failure = match settle(lease, sending.take_channel(), result) {
                Ok(response) => return Ok(response),
                Err(failure) => failure,
            };
            Box::pin(self.send_again(&uri, via.as_deref(), failure)).await
        }
    }

    /// The same, and those who look on are told of it.
    pub(super) fn send_watched<B>(
        self: Arc<Self>,
        mut request: Request<B>,
        extra: L::Extra,
    ) -> BoxFuture<Result<Response<ResponseBody<L::Received>>, Error>>
    where
        T: 'static,
        L: LegService<B, Leg: Send, Received: Unpin + Send>,
        B: Body + Send + 'static,
        B::Error: Into<BoxError>,
    {
        let proxy = |uri: &Uri| self.transport.proxy(uri).cloned();
        match Watch::begin(&self.settings.environment, &mut request, proxy) {
            None => Box::pin(self.send(request, extra)),
            Some(watch) => Box::pin(watch.over(self.send(request, extra))),
        }
    }

    /// Sends a request on other connections, as long as there are grounds for it.
    pub(super) async fn send_again<B>(
        &self,
        uri: &Uri,
        via: Option<&(Origin, Identity)>,
        mut failure: Box<FailedRequest<B>>,
    ) -> Result<Response<ResponseBody<L::Received>>, Error>
    where
        L: LegService<B, Leg: Send, Received: Unpin + Send>,
        B: Body + Send,
        B::Error: Into<BoxError>,
    {
        let limits = RetryLimits { unsent: MAX_UNSENT, restarts: self.settings.environment.limits.restarts };
        let mut retries = Retries::within(limits);
        let mut acted_on = false;
        loop {
            let restart = failure.restart();
            let again = retries.again(*failure).map_err(|error| self.named(uri, error.after(acted_on)));
            let (grounds, prepared) = again?;
            if let Some((watched, error)) = restart {
                watched.restarts(error);
            }
            acted_on |= grounds == Retry::Closed;
            // Whatever closed this connection may have closed the other idle ones too.
            let fresh = grounds != Retry::Unsent || !L::SEES_ITS_END;
            let wanted = WantedConnection { uri, identity: &prepared.acting.at_origin, via };
            let leased = self.lease(wanted, fresh).await;
            let mut lease = leased.map_err(|error| error.after(acted_on))?;
            let mut sending = pin!(Sending::again(lease.channel(), prepared));
            let result = sending.as_mut().await;
            match settle(lease, sending.take_channel(), result) {
                Ok(response) => return Ok(response),
                Err(next) => failure = next,
            }
        }
    }

    /// This connection once it is ready, or another one.
    async fn settled_or_another<'a>(
        &'a self,
        found: Option<Lease<'a, L>>,
        wanted: WantedConnection<'_>,
    ) -> Result<Lease<'a, L>, Error> {
        if let Some(found) = found {
            if let Some(lease) = found.settled().await {
                return Ok(lease);
            }
        }
        self.lease(wanted, false).await
    }

    /// A connection from the pool, or a new one.
    pub(super) async fn lease(
        &self,
        wanted: WantedConnection<'_>,
        fresh: bool,
    ) -> Result<Lease<'_, L>, Error> {
        loop {
            let leased = self.idle_or_new(wanted, fresh).await;
            let lease = leased.map_err(|kind| self.error(wanted.uri, kind))?;
            if let Some(lease) = lease.settled().await {
                return Ok(lease);
            }
        }
    }

    async fn idle_or_new(
        &self,
        wanted: WantedConnection<'_>,
        fresh: bool,
    ) -> Result<Lease<'_, L>, ErrorKind> {
        in_runtime()?;
        match self.pool.checkout(wanted, fresh).await? {
            Checkout::Lease(lease) => Ok(lease),
            Checkout::Connect(permit) => self.connect(permit).await,
        }
    }

    async fn connect<'a>(&self, permit: Permit<'a, L>) -> Result<Lease<'a, L>, ErrorKind> {
        self.pool.keep_swept();
        let Settings { authenticator, environment, connect_timeout, .. } = &self.settings;
        let host = permit.host();
        let at_proxy = host.key.proxy.as_ref().map(|(proxy, _)| proxy);
        let connecting = Connecting::begin(environment, &host.origin, at_proxy);
        let making = self.transport.make_connection(&self.settings, permit.host());
        let made = match tokio::time::timeout(*connect_timeout, making).await {
            Ok(made) => made,
            Err(_) => Err(ErrorKind::Timeout(CONNECTING, *connect_timeout)),
        };
        let (connection, info) = match made {
            Ok(made) => made,
            Err(kind) => {
                permit.failed();
                let error = Error::new(kind);
                if let Some(connecting) = connecting {
                    connecting.failed(&error);
                }
                return Err(error.into_kind());
            }
        };
        let channel = Channel::new(connection, authenticator, Arc::clone(environment), &info);
        if let Some(connecting) = connecting {
            connecting.done(channel.state.id, info.protocol);
        }
        Ok(permit.connected(channel))
    }

    /// What came of a request that was made to log in.
    pub(super) fn login(&self, uri: &Uri, outcome: Option<Outcome>) -> Result<Option<Login>, Error> {
        match outcome {
            Some(Outcome::LoggedIn(login)) => Ok(Some(login)),
            Some(Outcome::Refused(refusal)) => Err(self.error(uri, ErrorKind::Refused(refusal))),
            None => Ok(None),
        }
    }

    pub(super) fn error(&self, uri: &Uri, kind: ErrorKind) -> Error {
        self.named(uri, Error::new(kind))
    }

    /// An error with the names of those that the request was for.
    fn named(&self, uri: &Uri, error: Error) -> Error {
        let Ok(origin) = Origin::from_uri(uri) else { return error };
        error.on(Arc::new(Route { origin, proxy: self.transport.proxy(uri).cloned() }))
    }
}

/// Gives a request the target and the `Host` by which it goes to this host. Tells who it acts as at the
/// proxy; a tunnel has had its login.
#[inline]
pub(super) fn address<B>(
    request: &mut Request<B>,
    host: &Host,
    uri: &Uri,
    via: Option<&(Origin, Identity)>,
) -> Identity {
    *request.uri_mut() = host.target_of(uri);
    let header = request.headers_mut().entry(header::HOST);
    header.or_insert_with(|| host.header.clone());
    via.filter(|_| host.is_forwarded()).map_or(Identity::None, |via| via.1.clone())
}

/// The response with its connection, or why there is none; then the connection's place is free.
#[inline]
pub(super) fn settle<L: Poolable + Send + 'static, R: Body, B>(
    lease: Lease<'_, L>,
    channel: Option<Channel<L>>,
    result: Result<Response<R>, Box<FailedRequest<B>>>,
) -> Result<Response<ResponseBody<R>>, Box<FailedRequest<B>>> {
    match (result, channel) {
        (Ok(response), Some(channel)) => {
            let connection = match response.status() {
                StatusCode::SWITCHING_PROTOCOLS => lease.park_place(),
                _ => lease.park(channel),
            };
            Ok(response.map(|received| ResponseBody::new(received, connection)))
        }
        (Ok(_), None) => unreachable!("a response comes with its connection"),
        (Err(failure), _) => Err(failure),
    }
}
