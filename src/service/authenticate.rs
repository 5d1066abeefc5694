use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::handshake::{Authenticator, Identity};
use crate::protection_space::Challenger;
use crate::service::body::LegBody;
use crate::service::channel::{Channel, ConnectionInfo};
use crate::service::error::{BoxError, Error, ErrorKind, Route};
use crate::service::sending::Sending;

/// One connection that authenticates itself.
///
/// `S` must be one connection: every request goes over the same one, in order. It is made by
/// [`AuthenticateLayer`](crate::service::AuthenticateLayer) or
/// [`MakeAuthenticate`](crate::service::MakeAuthenticate). [`ErrorKind::NewConnectionNeeded`]
/// says that the request needs another connection: a pool above, such as
/// [`Client`](crate::Client), sees to it.
pub struct Authenticate<S> {
    authenticator: Authenticator,
    route: Arc<Route>,
    slot: Arc<Slot<S>>,
}

/// Where the connection is while no request uses it.
struct Slot<S>(Mutex<ChannelPlace<S>>);

enum ChannelPlace<S> {
    Home(Channel<S>),
    Lent(Option<Waker>),
    Gone,
}

impl<S> Slot<S> {
    fn lock(&self) -> MutexGuard<'_, ChannelPlace<S>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take(&self) -> Option<Channel<S>> {
        let mut place = self.lock();
        match std::mem::replace(&mut *place, ChannelPlace::Lent(None)) {
            ChannelPlace::Home(channel) => Some(channel),
            other => {
                *place = other;
                None
            }
        }
    }

    fn put(&self, place: ChannelPlace<S>) {
        if let ChannelPlace::Lent(Some(waker)) = std::mem::replace(&mut *self.lock(), place) {
            waker.wake();
        }
    }
}

impl<S> Authenticate<S> {
    pub(super) fn new(authenticator: Authenticator, channel: Channel<S>, info: &ConnectionInfo) -> Self {
        let route = Route { origin: info.origin.clone(), proxy: info.proxy.clone() };
        let slot = Slot(Mutex::new(ChannelPlace::Home(channel)));
        Self { authenticator, route: Arc::new(route), slot: Arc::new(slot) }
    }

    fn error(&self, kind: ErrorKind) -> Error {
        Error::new(kind).on(Arc::clone(&self.route))
    }
}

impl<S, B, R> Service<Request<B>> for Authenticate<S>
where
    S: Service<Request<LegBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Response = Response<R>;
    type Error = Error;
    type Future = ResponseFuture<S, B, R>;

    /// Pending while a request is under way; an error once one was dropped before its answer.
    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Error>> {
        match &mut *self.slot.lock() {
            ChannelPlace::Home(channel) => {
                ready!(channel.service.poll_ready(cx))
                    .map_err(|error| self.error(ErrorKind::Connection(error.into())))?;
                channel.state.ready = true;
                Poll::Ready(Ok(()))
            }
            ChannelPlace::Lent(waker) => {
                *waker = Some(cx.waker().clone());
                Poll::Pending
            }
            ChannelPlace::Gone => Poll::Ready(Err(self.error(ErrorKind::ConnectionGone))),
        }
    }

    fn call(&mut self, mut request: Request<B>) -> ResponseFuture<S, B, R> {
        let route = Arc::clone(&self.route);
        let Some(channel) = self.slot.take() else {
            return ResponseFuture { sending: Sending::Done, loan: Loan(None), route };
        };
        let identity = Identity::of(&mut request, Challenger::Origin, &self.authenticator);
        let proxy_identity = match route.proxy.is_some() {
            true => Identity::of(&mut request, Challenger::Proxy, &self.authenticator),
            false => Identity::None,
        };
        let loan = Loan(Some(Arc::clone(&self.slot)));
        ResponseFuture { sending: Sending::new(channel, request, identity, proxy_identity), loan, route }
    }
}

impl<S> fmt::Debug for Authenticate<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authenticate").field("authenticator", &self.authenticator).finish_non_exhaustive()
    }
}

pin_project! {
    /// Resolves to the response that ends the handshake. Dropped before, it takes the connection
    /// with it.
    pub struct ResponseFuture<S, B, R>
    where
        S: Service<Request<LegBody<B>>>,
    {
        #[pin]
        sending: Sending<S, S::Future, B, R>,
        loan: Loan<S>,
        route: Arc<Route>,
    }
}

/// The slot to which the connection goes home; empty for ever if nobody brings it. There is none
/// if the connection was gone before.
struct Loan<S>(Option<Arc<Slot<S>>>);

impl<S> Drop for Loan<S> {
    fn drop(&mut self) {
        if let Some(slot) = self.0.take() {
            slot.put(ChannelPlace::Gone);
        }
    }
}

impl<S, B, R> Future for ResponseFuture<S, B, R>
where
    S: Service<Request<LegBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<R>, Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        if this.loan.0.is_none() {
            let gone = Error::new(ErrorKind::ConnectionGone);
            return Poll::Ready(Err(gone.on(Arc::clone(this.route))));
        }
        let result = ready!(this.sending.as_mut().poll(cx));
        if let Some(slot) = this.loan.0.take() {
            // Before the response is returned: the next request may be ready by the time its caller looks at it.
            slot.put(this.sending.take_channel().map_or(ChannelPlace::Gone, ChannelPlace::Home));
        }
        Poll::Ready(result.map_err(|failure| failure.error.on(Arc::clone(this.route))))
    }
}

impl<S, B, R> fmt::Debug for ResponseFuture<S, B, R>
where
    S: Service<Request<LegBody<B>>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
