use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::client::conn::http1;
use tower_service::Service;

use crate::client::connect::Connect;
use crate::client::proxy::ConnectFields;
use crate::client::runtime::in_runtime;
use crate::client::tunnel::opening::{TunnelOpening, authority};
use crate::client::tunnel::stream::TunnelStream;
use crate::credentials::Credentials;
use crate::handshake::{Authenticator, Identity};
use crate::protection_space::Origin;
use crate::service::tunnel::{TunnelError, TunnelErrorKind};
use crate::service::{BoxFuture, Environment};

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
    pub(super) shared: Arc<TunnelSettings<C>>,
}

/// What all tunnels share.
pub(super) struct TunnelSettings<C> {
    pub(super) connector: C,
    pub(super) proxy: Origin,
    /// The proxy's own, in place of the authenticator's.
    pub(super) credentials: Option<Credentials>,
    pub(super) authenticator: Authenticator,
    pub(super) environment: Arc<Environment>,
    pub(super) http1: http1::Builder,
    pub(super) fields: ConnectFields,
    pub(super) timeout: Duration,
}

impl<C: Connect> TunnelSettings<C> {
    async fn open(self: Arc<Self>, target: Uri) -> Result<TunnelStream<C::Io>, TunnelError> {
        let failed = |target: &str, kind| TunnelError::new(self.proxy.clone(), target.to_owned(), kind);
        let origin = Origin::from_uri(&target).map_err(|error| failed("", TunnelErrorKind::Target(error)))?;
        let target = authority(&origin);
        in_runtime().map_err(|kind| failed(&target, TunnelErrorKind::Failed(kind.into())))?;
        let opening = TunnelOpening {
            connector: &self.connector,
            authenticator: &self.authenticator,
            environment: &self.environment,
            http1: &self.http1,
        };
        let identity = match &self.credentials {
            Some(credentials) => Identity::Credentials(credentials.clone()),
            None => self.authenticator.identity(),
        };
        let opening = opening.open(&self.proxy, &identity, &self.fields, &target);
        let opened = tokio::time::timeout(self.timeout, opening).await;
        opened.unwrap_or(Err(TunnelErrorKind::Timeout(self.timeout))).map_err(|kind| failed(&target, kind))
    }
}

impl<C: Connect> Service<Uri> for Tunnel<C> {
    type Response = TunnelStream<C::Io>;
    type Error = TunnelError;
    type Future = BoxFuture<Result<TunnelStream<C::Io>, TunnelError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), TunnelError>> {
        Poll::Ready(Ok(()))
    }

    /// A tunnel to the host and port of `target`, an absolute URI.
    ///
    /// # Panics
    ///
    /// The future panics in a tokio runtime in which IO or timers are not enabled (`Builder::enable_all`).
    /// Outside of a runtime it resolves to an error.
    fn call(&mut self, target: Uri) -> Self::Future {
        Box::pin(Arc::clone(&self.shared).open(target))
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
