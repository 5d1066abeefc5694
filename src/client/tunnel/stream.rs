use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor};
use hyper_util::client::legacy::connect::{Connected, Connection, HttpInfo};
use pin_project_lite::pin_project;

use crate::client::connect::connector::extra;
use crate::client::connect::early::{held, read_early};
use crate::client::connect::write::write_to;

pin_project! {
    /// A tunnel: the connection to the proxy, once the origin is at its end.
    ///
    /// What it tells of itself is only the proxy's address. Channel bindings of TLS to the proxy
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
        Self { io, early: held(early) }
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
        match read_early(this.early, &mut buffer) {
            true => Poll::Ready(Ok(())),
            false => this.io.poll_read(cx, buffer),
        }
    }
}

write_to!(TunnelStream.io);

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use hyper::rt::ReadBuf;

    use super::*;

    struct Buffer(&'static [u8], #[allow(dead_code)] Arc<()>);

    impl AsRef<[u8]> for Buffer {
        fn as_ref(&self) -> &[u8] {
            self.0
        }
    }

    struct Silent;

    impl Read for Silent {
        fn poll_read(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: ReadBufCursor<'_>,
        ) -> Poll<io::Result<()>> {
            Poll::Pending
        }
    }

    #[test]
    fn the_buffer_of_the_answer_is_kept_no_longer_than_its_octets() {
        for early in [&b""[..], b"early"] {
            let alive = Arc::new(());
            let buffer = Bytes::from_owner(Buffer(early, Arc::clone(&alive)));
            let mut tunnel = TunnelStream::new(Silent, buffer);
            let mut cx = Context::from_waker(std::task::Waker::noop());
            let mut room = [0; 3];
            let mut read = Vec::new();
            loop {
                let mut free = ReadBuf::new(&mut room);
                let polled = Pin::new(&mut tunnel).poll_read(&mut cx, free.unfilled());
                if polled.is_pending() {
                    break;
                }
                read.extend_from_slice(free.filled());
            }
            assert_eq!((&read[..], Arc::strong_count(&alive)), (early, 1));
        }
    }
}
