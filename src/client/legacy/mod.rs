//! hyper-util's legacy client with logins, for programs that have one: its builder, its connector
//! and its settings stay.
//!
//! The legacy client pools its connections and tells nobody which one a request takes. So each
//! connection here is a legacy client of its own, a *lane*, whose connector has that connection to
//! give and no other: no leg can go astray. Lanes are leased and kept as the [hyper
//! client](crate::client::hyper)'s connections are, which does the same with less.
//!
//! ```no_run
//! use http_body_util::Empty;
//! use hyper_util::client::legacy::{self, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use legwork::{Authenticator, Client, Credentials};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = legacy::Client::builder(TokioExecutor::new());
//! settings.http1_title_case_headers(true);
//! // Before: let client = settings.build(HttpConnector::new());
//! let authenticator = Authenticator::builder()
//!     .credentials("http://wiki.example".parse()?, Credentials::password("LAB\\carol", "carol-pw"))
//!     .build();
//! let client =
//!     Client::builder(authenticator).build_legacy::<_, Empty<&[u8]>>(settings, HttpConnector::new());
//! let response = client.get("http://wiki.example/".parse()?).await?;
//! # let _ = response;
//! # Ok(())
//! # }
//! ```
//!
//! Settings for HTTP/1, such as title case and more than 100 fields, are made on the builder
//! (`http1_title_case_headers`, `http1_max_headers`). Folded response fields are unfolded whatever it
//! says, since some servers fold long challenges.
//!
//! It speaks HTTP/1.1: `http2_only` is not for these settings. A connector by TLS has to leave `h2` out
//! of its ALPN protocols, and belongs in
//! [`ChannelBound`](crate::client::connect::ChannelBound), so that logins are tied to it. For a proxy,
//! a [`Tunnel`](crate::client::tunnel::Tunnel) goes into the connector.

mod connector;
mod lane;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Method, Request, Response, Uri};
use http_body::Body;
use hyper_util::client::legacy;
use tower_service::Service;

use crate::client::ahead::without_body;
use crate::client::builder::ClientBuilder;
use crate::client::connect::Connect;
use crate::client::dispatch::Dispatcher;
use crate::client::legacy::lane::{Lane, Lanes};
use crate::client::log_out::LogOut;
use crate::client::response_body::ResponseBody;
use crate::handshake::{Authenticator, Login};
use crate::service::{BoxError, BoxFuture, Error};

/// A client over hyper-util's legacy client. A clone shares the connections.
pub struct Client<C: Connect, B> {
    shared: Arc<Shared<C, B>>,
}

type Shared<C, B> = Dispatcher<Lanes<C>, Lane<<C as Connect>::Io, B>>;

impl ClientBuilder {
    /// A client over hyper-util's legacy client of these settings, whose pool they have no part in.
    /// [`proxies`](Self::proxies) have none either: a proxy is the connector's business.
    pub fn build_legacy<C: Connect, B>(self, settings: legacy::Builder, connector: C) -> Client<C, B> {
        Client { shared: Arc::new(self.dispatcher(Lanes { connector, builder: settings })) }
    }
}

impl<C, B> Client<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    /// Sends a request to the origin of its absolute URI. [Userinfo](crate::Client#userinfo-in-a-uri) in it is
    /// the request's credentials.
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
    pub fn request(&self, request: Request<B>) -> ResponseFuture {
        ResponseFuture(Box::pin(Arc::clone(&self.shared).send(request)))
    }

    /// A `GET` of `uri` without a body.
    ///
    /// # Errors
    ///
    /// As [`request`](Self::request).
    ///
    /// # Panics
    ///
    /// As [`request`](Self::request).
    pub fn get(&self, uri: Uri) -> ResponseFuture
    where
        B: Default,
    {
        self.request(without_body(Method::GET, uri))
    }

    /// Logs in at the origin of `uri` ahead of the first real request, as
    /// [`authenticate`](crate::Client::authenticate) of the hyper client does.
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
        Arc::clone(&self.shared).authenticate(uri).await
    }
}

impl<C: Connect, B> Client<C, B> {
    /// Closes idle connections now, and all others as soon as the requests on them have ended.
    ///
    /// A request under way is not disturbed: its response can be read to its end. But no other request
    /// is sent on its connection, which is then closed. The same goes for a connection that is being
    /// made or is in the middle of a login. Whoever sends a request from now on logs in on a new
    /// connection.
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
    /// # fn example(client: legwork::client::legacy::Client<hyper_util::client::legacy::connect::HttpConnector, String>, alice: legwork::Credentials) -> Result<(), Box<dyn std::error::Error>> {
    /// client.log_out(alice);
    /// client.log_out("https://mail.example".parse::<legwork::Origin>()?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn log_out(&self, who: impl Into<LogOut>) {
        self.shared.log_out(&who.into());
    }

    /// Refuses further requests ([`ErrorKind::ShutDown`](crate::service::ErrorKind::ShutDown)),
    /// closes idle connections, and resolves when those under way have ended.
    pub async fn shut_down(&self) {
        self.shared.pool.shut_down().await;
    }

    /// How many connections are open or being opened, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.pool.counts()
    }

    /// What the client logs in with.
    pub fn authenticator(&self) -> &Authenticator {
        &self.shared.settings.authenticator
    }
}

impl<C, B> Service<Request<B>> for Client<C, B>
where
    C: Connect,
    B: Body + Send + 'static,
    B::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody>;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        self.request(request)
    }
}

impl<C: Connect, B> Clone for Client<C, B> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C: Connect, B> fmt::Debug for Client<C, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authenticator", self.authenticator()).finish_non_exhaustive()
    }
}

/// Resolves to the response that ends the handshake.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(BoxFuture<Result<Response<ResponseBody>, Error>>);

impl Future for ResponseFuture {
    type Output = Result<Response<ResponseBody>, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
