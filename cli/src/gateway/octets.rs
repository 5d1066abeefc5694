//! What carries octets, whichever it is.

use std::pin::pin;
use std::task::{Context, Waker};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, Interest};
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
        now(self.ready(Interest::READABLE))
            .is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

#[cfg(unix)]
impl Octets for UnixStream {
    fn has_ended(&self) -> bool {
        now(self.ready(Interest::READABLE))
            .is_some_and(|ready| ready.is_ok_and(|ready| ready.is_read_closed()))
    }
}

impl<T> Octets for TokioIo<T> where TokioIo<T>: AsyncRead + AsyncWrite + Unpin + Send {}

fn now<F: Future>(future: F) -> Option<F::Output> {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

/// A connection to a program, to an origin, or through a proxy. A type for all of them would have room for TLS in every
/// tunnel: 4 KiB.
pub(super) type Connected = Box<dyn Octets>;
