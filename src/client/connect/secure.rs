//! TLS over a transport that is there already, as a tunnel is.

use http::Uri;
use hyper::rt::{Read, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};

use crate::handshake::HttpVersion;
use crate::service::{BoxError, BoxFuture};

/// Speaks TLS with an origin.
pub(in crate::client) trait Secure: Send + Sync {
    /// Speaks TLS with the host of `target`, over `transport`, for HTTP of this version at the most.
    fn secure(
        &self,
        transport: BoxTransport,
        target: Uri,
        version: HttpVersion,
    ) -> BoxFuture<Result<BoxTransport, BoxError>>;
}

/// What HTTP is spoken over.
pub(in crate::client) trait Transport: Read + Write + Connection + Unpin + Send {}

impl<T: Read + Write + Connection + Unpin + Send> Transport for T {}

pub(in crate::client) type BoxTransport = Box<dyn Transport>;

impl Connection for BoxTransport {
    fn connected(&self) -> Connected {
        (**self).connected()
    }
}
