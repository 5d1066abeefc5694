use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{Extensions, Method, Response};
use reqwest::{Body, IntoUrl, Url};
use tokio::time::{Instant, timeout_at};
use tower_service::Service;

use crate::client::builder::ClientBuilder;
use crate::client::dispatch::Dispatcher;
use crate::client::log_out::LogOut;
use crate::client::redirect::{Redirects, follow};
use crate::client::reqwest::build::{BuildError, build};
use crate::client::reqwest::connection::{MakeReqwestConnection, Original, ReqwestConnection};
use crate::client::response_body::ResponseBody;
use crate::client::runtime::in_runtime;
use crate::handshake::{Authenticator, Login};
use crate::service::{BoxFuture, Error, ErrorKind};

/// A client over reqwest that logs in.
///
/// A clone shares the connections. Who a request acts as is, first found: the `Authorization` that
/// its caller set (the request then passes untouched), its
/// [`credentials`](crate::client::reqwest::RequestBuilder::credentials), the userinfo in its URL, and the authenticator's own.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Dispatcher<MakeReqwestConnection, Box<ReqwestConnection>>>,
    /// Makes requests.
    pub(super) template: reqwest::Client,
    redirects: Option<Redirects>,
}

/// TLS that trusts what the operating system trusts: make it once, and give it to each connection
/// by `tls_backend_preconfigured(tls.clone())`.
///
/// # Errors
///
/// [`rustls::Error`] if the operating system's roots cannot be read.
#[cfg(feature = "rustls")]
pub fn platform_tls() -> Result<rustls::ClientConfig, rustls::Error> {
    crate::client::connect::tls::platform_config()
}

impl ClientBuilder {
    /// Builds a client over reqwest. `make` gives the settings of each connection, and is called for each.
    /// [`connect_timeout`](Self::connect_timeout) has no part in it: reqwest has its own.
    ///
    /// # Errors
    ///
    /// [`BuildError`] if no client can be built of these settings: also where reqwest would panic for want
    /// of a crypto provider (the panic hook is called all the same), and if there are
    /// [`proxies`](Self::proxies), through which reqwest cannot go with a login.
    pub fn build_reqwest<F>(self, make: F) -> Result<Client, BuildError>
    where
        F: Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
    {
        if self.proxies.is_some() {
            return Err(BuildError::Proxies);
        }
        let template = build(&make)?;
        let shared = Arc::new(self.dispatcher(MakeReqwestConnection::Apart(Box::new(make))));
        Ok(Client { shared, template, redirects: None })
    }

    /// Builds a client over a reqwest client that was built elsewhere, as well as that can be done: it puts each
    /// leg on whatever connection it likes. Prefer [`build_reqwest`](Self::build_reqwest).
    ///
    /// Logins by NTLM and Negotiate have connections of their own in its pool. Nothing else goes over
    /// them: no other login's legs, and none of the requests that the program sends with that client itself.
    /// The local address shows whether a leg that continues or needs the login used the same connection as
    /// the leg before. If it did not, its response is dropped, and the login starts again on a new
    /// connection, at most [`restarts`](crate::service::Limits::restarts) times. No password is doubted for that.
    /// Where the server had no challenge for such a leg and may have acted on it, it is sent again only if its
    /// method is idempotent; else there is an error.
    ///
    /// What a client that was built elsewhere should have, since it cannot be seen or changed from here:
    ///
    /// - `redirect(Policy::none())`. Its redirects happen beneath the login, with the login's fields. One
    ///   that leads away from a connection that is logged in is an error:
    ///   [`follow_redirects`](Client::follow_redirects) belongs above the login.
    /// - `no_proxy()`. reqwest goes through the system's proxies unless it is told not to. A proxy of its own
    ///   takes no login but Basic, is not known to this client, and for `http` may hand the connection of one
    ///   login to others.
    /// - `tls_info(true)`, for logins that are tied to TLS.
    /// - `http1_only()`, if it has HTTP/2, in which NTLM and Negotiate do not work.
    /// - `http1_allow_obsolete_multiline_headers_in_responses(true)`, for challenges that are folded over
    ///   several lines: without it they are errors.
    /// - TCP. Over a unix socket nobody tells which leg went where, and a login by NTLM or Negotiate is an error.
    /// - A `pool_idle_timeout`, which it has by default: nothing else closes connections that are no longer used.
    ///
    /// The connections of their own come from a name that takes the user's place in the URI that reqwest is
    /// given: `http://lane-0123456789abcdef@wiki.example/`. Over HTTP/1.1 it reaches no server. A proxy of
    /// reqwest's sees it in `http` requests once such a login has begun, and some, such as squid, then tell it
    /// the server as a user's name, by Basic.
    ///
    /// # Errors
    ///
    /// [`BuildError::Proxies`] if there are [`proxies`](Self::proxies): that client has its own, or none.
    pub fn build_over_reqwest(self, client: reqwest::Client) -> Result<Client, BuildError> {
        if self.proxies.is_some() {
            return Err(BuildError::Proxies);
        }
        let shared = Arc::new(self.dispatcher(MakeReqwestConnection::Shared(client.clone())));
        Ok(Client { shared, template: client, redirects: None })
    }
}

impl Client {
    /// Follows redirects from now on, over the same connections, by the rules of
    /// [`client::redirect`](crate::client::redirect). Content that reqwest holds as a whole goes
    /// out again where it has to. `Response::url` is the last request's.
    #[must_use]
    pub fn follow_redirects(mut self, redirects: Redirects) -> Self {
        self.redirects = Some(redirects);
        self
    }

    /// Sends a request that was made elsewhere.
    ///
    /// # Errors
    ///
    /// The future resolves to an [`Error`] if there is no response, with reqwest's own behind it
    /// where there is one. A refused login is a response.
    ///
    /// # Panics
    ///
    /// The future panics in a tokio runtime in which IO or timers are not enabled (`Builder::enable_all`).
    /// Outside of a runtime it resolves to [`ErrorKind::NoRuntime`] if a connection has to be made, and
    /// panics if a login begins on one that is there, or where reqwest does.
    pub fn execute(&self, request: reqwest::Request) -> ResponseFuture {
        self.execute_with(request, |_| {})
    }

    /// The same with what is beside the request put into its extensions, which reqwest shows to nobody.
    #[inline]
    pub(super) fn execute_with(
        &self,
        request: reqwest::Request,
        put: impl FnOnce(&mut Extensions),
    ) -> ResponseFuture {
        let url = request.url().clone();
        let limit = request.timeout().copied().and_then(Limit::new);
        let mut request = match http::Request::try_from(request) {
            Ok(request) => request,
            Err(error) => {
                let error = ErrorKind::Request(error.into()).into();
                return ResponseFuture(Box::pin(std::future::ready(Err(error))));
            }
        };
        put(request.extensions_mut());
        let shared = Arc::clone(&self.shared);
        let deadline = limit.as_ref().map(|limit| limit.deadline);
        let limit = limit.map(|limit| (limit, request.uri().clone()));
        let exchange: BoxFuture<_> = match self.redirects {
            None => shared.send_watched(request, Original::new(url, deadline)),
            Some(redirects) => {
                let original = Original::new(url.clone(), deadline);
                let origins = Origins { shared, original, is_redirected: false };
                Box::pin(follow(origins, request, redirects, move |body| again(body, &url)))
            }
        };
        let Some((limit, uri)) = limit else { return ResponseFuture(exchange) };
        let shared = Arc::clone(&self.shared);
        ResponseFuture(Box::pin(async move {
            match limit.keep(exchange).await {
                Some(result) => result,
                // Nobody knows how far the server has come.
                None => Err(shared.error(&uri, limit.exceeded()).after(true)),
            }
        }))
    }

    /// Logs in at the origin of `url` ahead of the first real request, by a `HEAD`: so that a
    /// large upload is not sent in vain. What the server answers once the login stands does not
    /// matter. `None` if the origin asked for no login, or one stood already.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Refused`] if the challenge stands; else as [`execute`](Self::execute).
    ///
    /// # Panics
    ///
    /// As [`execute`](Self::execute).
    pub async fn authenticate<U: IntoUrl>(&self, url: U) -> Result<Option<Login>, Error> {
        let unredirected = Self { redirects: None, ..self.clone() };
        let mut response = unredirected.head(url).send().await?;
        let uri = response.url().as_str().parse().unwrap_or_default();
        self.shared.login(&uri, response.extensions_mut().remove())
    }

    /// Closes idle connections now, and all others as soon as the requests on them have ended, as
    /// [`Client::close_idle`](crate::Client::close_idle) does.
    ///
    /// Over a client that was [built elsewhere](ClientBuilder::build_over_reqwest) this and `log_out` cannot
    /// close connections. Those that are logged in are not used again, and end with that client's
    /// `pool_idle_timeout`.
    pub fn close_idle(&self) {
        self.shared.close_idle();
    }

    /// Closes the connections of one user, or all connections to one origin, as
    /// [`Client::log_out`](crate::Client::log_out) does.
    pub fn log_out(&self, who: impl Into<LogOut>) {
        self.shared.log_out(&who.into());
    }

    /// Refuses further requests ([`ErrorKind::ShutDown`]), closes idle connections, and resolves
    /// when those under way have ended. Holds for all clones.
    pub async fn shut_down(&self) {
        self.shared.pool.shut_down().await;
    }

    /// Returns how many connections are open or being opened, and how many of them are idle.
    pub fn connections(&self) -> (usize, usize) {
        self.shared.pool.counts()
    }

    /// Returns what the client logs in with.
    pub fn authenticator(&self) -> &Authenticator {
        &self.shared.settings.authenticator
    }
}

impl Service<reqwest::Request> for Client {
    type Response = reqwest::Response;
    type Error = Error;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: reqwest::Request) -> ResponseFuture {
        self.execute(request)
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("authenticator", self.authenticator()).finish_non_exhaustive()
    }
}

/// How long a whole exchange may take, and when it has to be over.
struct Limit {
    timeout: Duration,
    deadline: Instant,
}

impl Limit {
    /// `None` if it is further away than can be told.
    fn new(timeout: Duration) -> Option<Self> {
        Some(Self { timeout, deadline: Instant::now().checked_add(timeout)? })
    }

    /// What came of an exchange, if it was in time. Its legs have the same deadline in reqwest.
    async fn keep<T>(&self, exchange: impl Future<Output = Result<T, Error>>) -> Option<Result<T, Error>> {
        if let Err(no_runtime) = in_runtime() {
            return Some(Err(no_runtime.into()));
        }
        let result = timeout_at(self.deadline, exchange).await.ok()?;
        let is_late = |error: &Error| error.is_timeout() && Instant::now() >= self.deadline;
        Some(result).filter(|result| !result.as_ref().is_err_and(is_late))
    }

    fn exceeded(&self) -> ErrorKind {
        ErrorKind::Timeout("sending the request, logging in included", self.timeout)
    }
}

/// The requests to all origins, without the ones that redirects make of them.
struct Origins {
    shared: Arc<Dispatcher<MakeReqwestConnection, Box<ReqwestConnection>>>,
    /// What the last request had, or the first one has.
    original: Original,
    /// The next request is what a redirect made of the one before.
    is_redirected: bool,
}

impl Service<http::Request<Body>> for Origins {
    type Response = Response<ResponseBody<Body>>;
    type Error = Error;
    type Future = BoxFuture<Result<Self::Response, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        if std::mem::replace(&mut self.is_redirected, true) {
            self.original.url = match Url::parse(&request.uri().to_string()) {
                Ok(url) => url,
                Err(error) => {
                    return Box::pin(std::future::ready(Err(ErrorKind::Request(error.into()).into())));
                }
            };
        }
        Arc::clone(&self.shared).send_watched(request, self.original.clone())
    }
}

/// The same body again, without a copy, if reqwest can have it: as part of a request.
fn again(body: &mut Body, url: &Url) -> Option<Body> {
    let mut request = reqwest::Request::new(Method::GET, url.clone());
    *request.body_mut() = Some(std::mem::take(body));
    let twin = request.try_clone();
    *body = request.body_mut().take()?;
    twin?.body_mut().take()
}

/// Resolves to the response that ends the handshake.
#[must_use = "futures do nothing unless polled"]
pub struct ResponseFuture(BoxFuture<Result<Response<ResponseBody<Body>>, Error>>);

impl Future for ResponseFuture {
    type Output = Result<reqwest::Response, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.0.as_mut().poll(cx))?;
        Poll::Ready(Ok(response.map(Body::wrap).into()))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
