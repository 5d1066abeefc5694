//! A connector that has one connection to give, and never another one.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use http::Uri;
use hyper::rt::{Read, ReadBufCursor};
use hyper_util::client::legacy::connect::{Connected, Connection};
use pin_project_lite::pin_project;
use tokio::sync::watch;
use tower_service::Service;

use crate::client::connect::write::write_to;
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
    /// A connection whose end is told.
    #[derive(Debug)]
    pub(super) struct Lent<T> {
        #[pin]
        transport: T,
        _end: End,
    }
}

impl<T> OneConnection<T> {
    /// The connection's life also ends with its client's.
    pub(super) fn new(transport: T) -> (Self, End) {
        let (sender, receiver) = watch::channel(false);
        let lent = Lent { transport, _end: End(sender.clone()) };
        (Self { transport: Arc::new(Mutex::new(Some(lent))), is_over: receiver }, End(sender))
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
        self.project().transport.poll_read(cx, buffer)
    }
}

write_to!(Lent.transport);
