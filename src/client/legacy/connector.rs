//! A connector that has one connection to give, and never another one.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tower_service::Service;

use crate::client::lane::Gone;
use crate::service::BoxFuture;

/// Gives its connection once. Asked again, it waits for the end of that one: until then, whoever
/// asks can still get it back from the pool.
#[derive(Debug)]
pub(super) struct OneConnection<T> {
    transport: Arc<Mutex<Option<Lent<T>>>>,
    life: Life,
}

/// Knows whether a connection is still there.
#[derive(Clone, Debug)]
pub(super) struct Life(watch::Receiver<()>);

impl Life {
    pub(super) fn is_over(&self) -> bool {
        self.0.has_changed().is_err()
    }
}

pin_project! {
    /// A connection whose end is told.
    #[derive(Debug)]
    pub(super) struct Lent<T> {
        #[pin]
        transport: T,
        _life: watch::Sender<()>,
    }
}

impl<T> OneConnection<T> {
    pub(super) fn new(transport: T) -> (Self, Life) {
        let (sender, receiver) = watch::channel(());
        let life = Life(receiver);
        let lent = Lent { transport, _life: sender };
        (Self { transport: Arc::new(Mutex::new(Some(lent))), life: life.clone() }, life)
    }
}

impl<T> Clone for OneConnection<T> {
    fn clone(&self) -> Self {
        Self { transport: Arc::clone(&self.transport), life: self.life.clone() }
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
        let mut life = self.life.clone();
        Box::pin(async move {
            match lent {
                Some(lent) => Ok(lent),
                None => {
                    while life.0.changed().await.is_ok() {}
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
        self.project().transport.poll_read(cx, buffer)
    }
}

impl<T: Write> Write for Lent<T> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.project().transport.poll_write(cx, octets)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().transport.poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.project().transport.poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.transport.is_write_vectored()
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.project().transport.poll_write_vectored(cx, slices)
    }
}
