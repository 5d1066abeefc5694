//! TLS over a transport that is there already, by connectors that would make their own.

use std::future::{Ready, ready};
use std::io;
use std::task::{Context, Poll};

use http::Uri;
use tower_service::Service;

use crate::client::connect::channel_bound::{ChannelBound, ServerCertificate};
use crate::client::connect::secure::{BoxTransport, Transport};
use crate::service::{BoxError, BoxFuture};

/// A connector whose one connection is there already.
pub(super) struct OneTransport(Option<BoxTransport>);

impl OneTransport {
    pub(super) fn new(transport: BoxTransport) -> Self {
        Self(Some(transport))
    }
}

impl Service<Uri> for OneTransport {
    type Response = BoxTransport;
    type Error = io::Error;
    type Future = Ready<io::Result<BoxTransport>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        ready(self.0.take().ok_or_else(|| io::ErrorKind::NotConnected.into()))
    }
}

/// Speaks TLS over the transport that `connector` was given.
pub(super) fn secure<C>(connector: C, target: Uri) -> BoxFuture<Result<BoxTransport, BoxError>>
where
    C: Service<Uri, Response: ServerCertificate + Transport + 'static, Future: Send + 'static>,
    C::Error: Into<BoxError> + 'static,
{
    let connecting = ChannelBound::new(connector).call(target);
    Box::pin(async move {
        let io = connecting.await.map_err(Into::into)?;
        Ok(Box::new(io) as BoxTransport)
    })
}
