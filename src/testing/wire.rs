//! The connection's octets, on which a response head can be made to trickle.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// The order to send the next response head octet by octet.
#[derive(Clone, Debug, Default)]
pub(super) struct Trickle(Arc<Mutex<Option<Duration>>>);

impl Trickle {
    /// Sends the next head with this pause between its octets.
    pub(super) fn arm(&self, pause: Duration) {
        self.set(Some(pause));
    }

    fn set(&self, pause: Option<Duration>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = pause;
    }

    fn pause(&self) -> Option<Duration> {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection that obeys a [`Trickle`].
#[derive(Debug)]
pub(super) struct Wire<IO> {
    io: IO,
    trickle: Trickle,
    pausing: Option<Pin<Box<Sleep>>>,
    /// The last octets written: CR LF CR LF ends a head.
    tail: [u8; 4],
}

impl<IO> Wire<IO> {
    pub(super) fn new(io: IO, trickle: Trickle) -> Self {
        Self { io, trickle, pausing: None, tail: [0; 4] }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Wire<IO> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_read(cx, buf)
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Wire<IO> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let Some((pause, first)) = this.trickle.pause().zip(octets.get(..1)) else {
            return Pin::new(&mut this.io).poll_write(cx, octets);
        };
        if let Some(pausing) = &mut this.pausing {
            ready!(pausing.as_mut().poll(cx));
            this.pausing = None;
        }
        let written = ready!(Pin::new(&mut this.io).poll_write(cx, first))?;
        if written == 1 {
            this.tail.rotate_left(1);
            this.tail[3] = first[0];
        }
        if this.tail == *b"\r\n\r\n" {
            this.trickle.set(None);
        } else {
            this.pausing = Some(Box::pin(tokio::time::sleep(pause)));
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().io).poll_shutdown(cx)
    }
}
