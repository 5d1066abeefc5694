//! What carries octets, whichever it is.

use std::io;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, Interest, Ready};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

pub(super) trait Octets: AsyncRead + AsyncWrite + Unpin + Send {
    /// Whether the far end is known to send no more, whatever of it is still to be read.
    fn has_ended(&self) -> bool {
        false
    }
}

impl Octets for TcpStream {
    fn has_ended(&self) -> bool {
        is_read_closed(self.ready(Interest::READABLE))
    }
}

#[cfg(unix)]
impl Octets for UnixStream {
    fn has_ended(&self) -> bool {
        is_read_closed(self.ready(Interest::READABLE))
    }
}

impl<T> Octets for TokioIo<T> where TokioIo<T>: AsyncRead + AsyncWrite + Unpin + Send {}

fn is_read_closed(ready: impl Future<Output = io::Result<Ready>>) -> bool {
    let now = pin!(ready).poll(&mut Context::from_waker(Waker::noop()));
    matches!(now, Poll::Ready(Ok(ready)) if ready.is_read_closed())
}

/// A connection to a program, to an origin, or through a proxy. A type for all of them would have room for TLS in every
/// tunnel: 4 KiB.
pub(super) type Connected = Box<dyn Octets>;
