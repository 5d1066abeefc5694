//! Tunnels through a proxy by `CONNECT` (RFC 9110, section 9.3.6): a connector around a connector.
//!
//! [`Tunnel`] connects to an HTTP proxy, asks it for a tunnel to the origin, logs in there by
//! whatever the proxy wants (Basic, Digest, NTLM, Negotiate, with all legs on the one connection),
//! and gives the tunnel as a connection. It goes beneath the connector that speaks TLS with the
//! origin: the proxy sees host and port, and octets. Credentials for the proxy are those that the
//! authenticator has by [`proxy_credentials`], or from its provider; they are sent to the proxy
//! alone.
//!
//! ```no_run
//! # #[cfg(feature = "rustls")]
//! # async fn example(tls: legwork::client::hyper::rustls::ClientConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use legwork::client::hyper::ChannelBound;
//! use legwork::client::tunnel::Tunnel;
//! use legwork::{Authenticator, Client, Credentials, Origin};
//!
//! let proxy: Origin = "http://proxy.example:3128".parse()?;
//! let authenticator = Authenticator::builder()
//!     .proxy_credentials(proxy.clone(), Credentials::password("LAB\\carol", "carol-pw"))
//!     .credentials("https://mail.example".parse()?, Credentials::password("LAB\\bob", "bob-pw"))
//!     .build();
//!
//! let tunnel = Tunnel::builder(proxy, authenticator.clone()).build_http();
//! let https = hyper_rustls::HttpsConnector::from((tunnel, tls));
//! let client: Client<_, String> = Client::with_connector(authenticator, ChannelBound::new(https));
//! let response = client.get("https://mail.example/ews/".parse()?).await?;
//! # let _ = response; Ok(())
//! # }
//! ```
//!
//! hyper-util's legacy client takes the same connector. For a proxy that is spoken to by TLS, give
//! [`build`](TunnelBuilder::build) a connector by TLS, and a proxy whose origin is `https`: a login
//! there is tied to its TLS where the connector tells [`ChannelBindings`].
//!
//! [`proxy_credentials`]: crate::handshake::AuthenticatorBuilder::proxy_credentials
//! [`ChannelBindings`]: crate::channel_bindings::ChannelBindings

mod builder;
mod fields;
pub(super) mod opening;
pub(super) mod stream;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1;
use tower_service::Service;

use crate::client::hyper::Connect;
use crate::client::runtime::in_runtime;
use crate::client::tunnel::opening::{Opening, authority};
use crate::handshake::Authenticator;
use crate::protection_space::Origin;
use crate::service::Environment;

pub use crate::service::tunnel::{TunnelError, TunnelErrorKind};
pub use builder::TunnelBuilder;
pub(super) use fields::ConnectFields;
pub use fields::InvalidConnectField;
pub use stream::TunnelStream;

/// A connector that reaches every origin through one proxy.
///
/// `C` connects to the proxy. All of an origin's requests go through the tunnel as to the origin
/// itself, with a `407` from in there delivered like any other response. Each connection is one
/// tunnel, and each tunnel logs in for itself; clones share what the authenticator learns.
///
/// Who is logged in at the proxy is the same for all tunnels:
/// [`ProxyCredentials`](crate::credentials::ProxyCredentials) in a request's extensions have no
/// part in it. A tunnel that is open stays so when they change:
/// [`close_idle`](crate::Client::close_idle) closes those that a client keeps, and those in use once their
/// requests have ended. Dropping the connecting future closes the connection to the proxy.
pub struct Tunnel<C> {
    shared: Arc<Shared<C>>,
}

/// What all tunnels share.
struct Shared<C> {
    connector: C,
    proxy: Origin,
    authenticator: Authenticator,
    environment: Arc<Environment>,
    http1: http1::Builder,
    fields: ConnectFields,
    timeout: Duration,
    max_restarts: u32,
}

impl Tunnel<()> {
    /// Starts from the defaults: 30 s for a tunnel with all its legs, three connections anew where
    /// the proxy closes them in the handshake, and [`Limits`](crate::service::Limits) for it.
    pub fn builder(proxy: Origin, authenticator: Authenticator) -> TunnelBuilder {
        TunnelBuilder::new(proxy, authenticator)
    }
}

impl<C: Connect> Tunnel<C> {
    /// Tunnels through `proxy`, which `connector` connects to.
    pub fn new(connector: C, proxy: Origin, authenticator: Authenticator) -> Self {
        TunnelBuilder::new(proxy, authenticator).build(connector)
    }
}

impl<C: Connect> Shared<C> {
    async fn open(self: Arc<Self>, target: Uri) -> Result<TunnelStream<C::Io>, TunnelError> {
        let failed = |target: &str, kind| TunnelError::new(self.proxy.clone(), target.to_owned(), kind);
        let origin = Origin::from_uri(&target).map_err(|error| failed("", TunnelErrorKind::Target(error)))?;
        let target = authority(&origin);
        in_runtime().map_err(|kind| failed(&target, TunnelErrorKind::Failed(kind.into())))?;
        let opening = Opening {
            connector: &self.connector,
            authenticator: &self.authenticator,
            environment: &self.environment,
            http1: &self.http1,
            max_restarts: self.max_restarts,
        };
        let identity = self.authenticator.identity();
        let opening = opening.open(&self.proxy, &identity, &self.fields, &target);
        let opened = tokio::time::timeout(self.timeout, opening).await;
        opened.unwrap_or(Err(TunnelErrorKind::Timeout(self.timeout))).map_err(|kind| failed(&target, kind))
    }
}

impl<C: Connect> Service<Uri> for Tunnel<C> {
    type Response = TunnelStream<C::Io>;
    type Error = TunnelError;
    type Future = TunnelFuture<C::Io>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TunnelError>> {
        Poll::Ready(Ok(()))
    }

    /// A tunnel to the host and port of `target`, an absolute URI.
    ///
    /// # Panics
    ///
    /// The future panics in a tokio runtime in which IO or timers are not enabled (`Builder::enable_all`).
    /// Outside of a runtime it resolves to an error.
    fn call(&mut self, target: Uri) -> TunnelFuture<C::Io> {
        TunnelFuture(Box::pin(Arc::clone(&self.shared).open(target)))
    }
}

impl<C> Clone for Tunnel<C> {
    fn clone(&self) -> Self {
        Self { shared: Arc::clone(&self.shared) }
    }
}

impl<C> fmt::Debug for Tunnel<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tunnel").field("proxy", &self.shared.proxy).finish_non_exhaustive()
    }
}

/// Resolves to the tunnel once the proxy has opened it.
#[must_use = "futures do nothing unless polled"]
pub struct TunnelFuture<T>(Pin<Box<dyn Future<Output = Result<TunnelStream<T>, TunnelError>> + Send>>);

impl<T> Future for TunnelFuture<T> {
    type Output = Result<TunnelStream<T>, TunnelError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for TunnelFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TunnelFuture").finish_non_exhaustive()
    }
}
