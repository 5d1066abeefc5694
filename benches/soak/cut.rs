//! A connection that ends in the middle of an answer, where the request's path says so.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use crate::script::{CUT_IN_ANSWER, CUT_IN_CHALLENGE};

pub(crate) struct Cut {
    stream: TcpStream,
    planned: Option<PlannedCut>,
    /// How many octets may still be sent, of the answer that is cut.
    left: Option<usize>,
}

#[derive(Clone, Copy)]
struct PlannedCut {
    in_challenge: bool,
    octets: usize,
}

impl Cut {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self { stream, planned: None, left: None }
    }

    /// hyper's client writes a head at once, and a content that is short with it or behind it.
    fn look_at(&mut self, received: &[u8]) {
        let Some(target) = received.strip_prefix(b"GET ").or(received.strip_prefix(b"POST ")) else { return };
        let after = |prefix: &str| {
            let rest = target.strip_prefix(prefix.as_bytes())?;
            let digits: Vec<u8> = rest.iter().copied().take_while(u8::is_ascii_digit).collect();
            std::str::from_utf8(&digits).ok()?.parse().ok()
        };
        let in_answer = after(CUT_IN_ANSWER).map(|octets| PlannedCut { in_challenge: false, octets });
        let in_challenge = after(CUT_IN_CHALLENGE).map(|octets| PlannedCut { in_challenge: true, octets });
        (self.planned, self.left) = (in_answer.or(in_challenge), None);
    }
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
        self.look_at(&buffer.filled()[before..]);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let is_head = octets.starts_with(b"HTTP/1.1 ");
        let is_challenge = octets.starts_with(b"HTTP/1.1 401");
        if let Some(planned) = self.planned.filter(|planned| is_head && is_challenge == planned.in_challenge)
        {
            (self.planned, self.left) = (None, Some(planned.octets));
        }
        let octets = match self.left {
            Some(0) => return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            Some(left) => &octets[..octets.len().min(left)],
            None => octets,
        };
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, octets))?;
        if let Some(left) = &mut self.left {
            *left -= written;
        }
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
