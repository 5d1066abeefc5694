use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use pin_project_lite::pin_project;

use crate::client::hyper::connect::extra;

pin_project! {
    /// A tunnel: the connection to the proxy, once the origin is at its end.
    ///
    /// What it tells of itself is the proxy's address alone. Channel bindings of TLS to the proxy
    /// are none of the origin's.
    #[derive(Debug)]
    pub struct TunnelStream<T> {
        #[pin]
        io: T,
        // What came behind the proxy's answer, in one piece with it.
        early: Bytes,
    }
}

impl<T> TunnelStream<T> {
    pub(super) fn new(io: T, early: Bytes) -> Self {
        Self { io, early }
    }
}

impl<T: Connection> Connection for TunnelStream<T> {
    fn connected(&self) -> Connected {
        match extra::<HttpInfo>(&self.io) {
            Some(info) => Connected::new().extra(info),
            None => Connected::new(),
        }
    }
}

impl<T: Read> Read for TunnelStream<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        if this.early.is_empty() {
            return this.io.poll_read(cx, buffer);
        }
        let octets = this.early.len().min(buffer.remaining());
        buffer.put_slice(&this.early[..octets]);
        this.early.advance(octets);
        Poll::Ready(Ok(()))
    }
}

impl<T: Write> Write for TunnelStream<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.project().io.poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().io.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().io.poll_write_vectored(cx, slices)
    }
}
