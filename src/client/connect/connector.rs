use std::any::Any;
use std::future::Future;

use http::{Extensions, Uri};
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::Connection;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tower_service::Service;

use crate::channel_bindings::ChannelBindings;
use crate::service::BoxError;

/// A connector: what hyper-util's legacy client takes, such as its `HttpConnector` or
/// hyper-rustls's `HttpsConnector`. Implemented for every service of that shape; not to be
/// implemented by hand.
///
/// A connector that knows the [`ChannelBindings`](crate::channel_bindings::ChannelBindings) of a
/// connection gives them as an extra of its
/// [`Connected`](hyper_util::client::legacy::connect::Connected).
/// [`ChannelBound`](crate::client::connect::ChannelBound) does so for hyper-rustls's.
pub trait Connect: sealed::Sealed + Clone + Send + Sync + 'static {
    /// The transport.
    type Io: Read + Write + Connection + Unpin + Send + 'static;

    /// Connects to the scheme, host and port of `target`.
    fn connect(&mut self, target: Uri) -> impl Future<Output = Result<Self::Io, BoxError>> + Send;
}

impl<C> Connect for C
where
    C: Service<Uri> + Clone + Send + Sync + 'static,
    C::Response: Read + Write + Connection + Unpin + Send + 'static,
    C::Error: Into<BoxError>,
    C::Future: Send,
{
    type Io = C::Response;

    async fn connect(&mut self, target: Uri) -> Result<C::Response, BoxError> {
        std::future::poll_fn(|cx| self.poll_ready(cx)).await.map_err(Into::into)?;
        self.call(target).await.map_err(Into::into)
    }
}

/// The bindings of a connection's TLS, if it tells them.
pub(in crate::client) fn channel_bindings(io: &(impl Connection + 'static)) -> Option<ChannelBindings> {
    // A bare TCP stream tells nothing but its addresses, and would allocate a table for them.
    let is_bare = (io as &dyn Any).is::<TokioIo<TcpStream>>();
    if is_bare { None } else { extra(io) }
}

/// What a connection tells of itself beside its protocol.
pub(in crate::client) fn extra<E: Clone + Send + Sync + 'static>(io: &impl Connection) -> Option<E> {
    let mut extras = Extensions::new();
    io.connected().get_extras(&mut extras);
    extras.remove()
}

mod sealed {
    pub trait Sealed {}
    impl<C: tower_service::Service<http::Uri>> Sealed for C {}
}
