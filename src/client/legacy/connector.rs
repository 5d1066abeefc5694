//! A connector that has one connection to give, and never another one.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tower_service::Service;

use crate::client::one_connection::Gone;
use crate::service::BoxFuture;

/// Gives its connection once. Asked again, it waits for the end of that one: until then, whoever
/// asks can still get it back from the pool. The client goes on waiting after it has got it back, and
/// keeps its pool for as long, with the connection in it: so the end of that client is an end, too.
#[derive(Debug)]
pub(super) struct OneConnection<T> {
    transport: Arc<Mutex<Option<Lent<T>>>>,
    is_over: watch::Receiver<bool>,
}

/// Ends a connection's life when it is dropped.
#[derive(Debug)]
pub(super) struct End(watch::Sender<bool>);

impl End {
    pub(super) fn has_come(&self) -> bool {
        *self.0.borrow()
    }
}

impl Drop for End {
    fn drop(&mut self) {
        self.0.send_replace(true);
    }
}

pin_project! {
    /// A connection whose end is told, and can be brought about.
    #[derive(Debug)]
    pub(super) struct Lent<T> {
        #[pin]
        transport: T,
        cut: Cut,
        _end: End,
    }
}

/// Ends a connection from outside of the client that has it. Left alone, that one would go on writing for a request that
/// nobody waits for any more, as long as the server takes, and wait for a server that reads no more.
#[derive(Clone, Debug, Default)]
pub(super) struct Cut(Arc<CutState>);

#[derive(Debug, Default)]
struct CutState {
    is_cut: AtomicBool,
    /// What the client's reading and its writing wait for.
    waiting: Mutex<[Option<Waker>; 2]>,
}

/// What waits for a transport.
#[derive(Clone, Copy)]
enum Half {
    Read,
    Write,
}

impl Cut {
    pub(super) fn now(&self) {
        self.0.is_cut.store(true, Ordering::Release);
        let waiting = std::mem::take(&mut *self.waiting());
        waiting.into_iter().flatten().for_each(Waker::wake);
    }

    /// What came of a transport's half, unless it is cut.
    #[inline]
    fn check<V>(&self, half: Half, poll: Poll<io::Result<V>>, cx: &mut Context<'_>) -> Poll<io::Result<V>> {
        if poll.is_pending() {
            self.wait(half, cx.waker());
        }
        // After the waker is there: a cut that is not seen here finds it.
        match self.0.is_cut.load(Ordering::Acquire) {
            true => Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into())),
            false => poll,
        }
    }

    fn wait(&self, half: Half, waker: &Waker) {
        match &mut self.waiting()[half as usize] {
            Some(waiting) => waiting.clone_from(waker),
            none => *none = Some(waker.clone()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, [Option<Waker>; 2]> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> OneConnection<T> {
    /// The connection's life also ends with its client's.
    pub(super) fn new(transport: T) -> (Self, Cut, End) {
        let (sender, receiver) = watch::channel(false);
        let cut = Cut::default();
        let lent = Lent { transport, cut: cut.clone(), _end: End(sender.clone()) };
        (Self { transport: Arc::new(Mutex::new(Some(lent))), is_over: receiver }, cut, End(sender))
    }
}

impl<T> Clone for OneConnection<T> {
    fn clone(&self) -> Self {
        Self { transport: Arc::clone(&self.transport), is_over: self.is_over.clone() }
    }
}

impl<T: Send + 'static> Service<Uri> for OneConnection<T> {
    type Response = Lent<T>;
    type Error = Gone;
    type Future = BoxFuture<Result<Lent<T>, Gone>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Gone>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let lent = self.transport.lock().unwrap_or_else(PoisonError::into_inner).take();
        let mut is_over = self.is_over.clone();
        Box::pin(async move {
            match lent {
                Some(lent) => Ok(lent),
                None => {
                    let _ended = is_over.wait_for(|is_over| *is_over).await;
                    Err(Gone)
                }
            }
        })
    }
}

impl<T: Connection> Connection for Lent<T> {
    fn connected(&self) -> Connected {
        self.transport.connected()
    }
}

impl<T: Read> Read for Lent<T> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.project();
        let poll = this.transport.poll_read(cx, buffer);
        this.cut.check(Half::Read, poll, cx)
    }
}

impl<T: Write> Write for Lent<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.project();
        let poll = this.transport.poll_write(cx, octets);
        this.cut.check(Half::Write, poll, cx)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let poll = this.transport.poll_flush(cx);
        this.cut.check(Half::Write, poll, cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.project();
        let poll = this.transport.poll_shutdown(cx);
        this.cut.check(Half::Write, poll, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.project();
        let poll = this.transport.poll_write_vectored(cx, buffers);
        this.cut.check(Half::Write, poll, cx)
    }
}
