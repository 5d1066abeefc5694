//! What carries octets, whichever it is.

use tokio::io::{AsyncRead, AsyncWrite};

pub(super) trait Octets: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Octets for T {}

/// A connection to a program, to an origin, or through a proxy. A type for all of them would have room for TLS in every
/// tunnel: 4 KiB.
pub(super) type Connected = Box<dyn Octets>;
