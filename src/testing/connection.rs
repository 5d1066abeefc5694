//! Driving one connection, and knowing whether it is busy.

use std::future::Future;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use hyper::body::Incoming;
#[cfg(feature = "http2")]
use hyper::rt::bounds::Http2ServerConnExec;
use hyper::rt::{Read, Write};
use hyper::server::conn::http1;
#[cfg(feature = "http2")]
use hyper::server::conn::http2;
use hyper::service::{HttpService, service_fn};
#[cfg(feature = "http2")]
use hyper_util::rt::TokioExecutor;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

use super::body::AnswerBody;
use super::server::{Command, Shared};
use super::session::Session;
use super::wire::{Trickle, Wire};
use crate::service::BoxError;

/// Whether a connection has requests to answer, and whether it is to end after that.
#[derive(Debug, Default)]
pub(super) struct Activity {
    busy: AtomicUsize,
    ends: AtomicBool,
    ended: Notify,
}

impl Activity {
    /// Begins an answer.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.busy.fetch_add(1, Ordering::SeqCst);
        Answering(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst) > 0
    }
}

/// An answer under way, from the request's head to the end of the response's content.
#[derive(Debug)]
pub(super) struct Answering(Arc<Activity>);

impl Answering {
    /// The connection is closed behind the answer. The head is long written by then, so nothing
    /// in it says so.
    pub(super) fn ends_the_connection(&self) {
        self.0.ends.store(true, Ordering::SeqCst);
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.0.busy.fetch_sub(1, Ordering::SeqCst);
        if self.0.ends.load(Ordering::SeqCst) {
            self.0.ended.notify_one();
        }
    }
}

/// A connection in the report, which says that it is closed when this is dropped.
pub(super) struct Open {
    pub(super) shared: Arc<Shared>,
    pub(super) number: usize,
}

impl Open {
    pub(super) fn new(shared: Arc<Shared>, peer: Option<SocketAddr>) -> Self {
        let number = shared.recorder.opened(peer);
        Self { shared, number }
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.recorder.closed(self.number);
    }
}

/// Serves a connection until either side ends it.
pub(super) async fn drive<IO>(io: IO, open: Open, commands: watch::Receiver<Command>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (activity, trickle) = (Arc::new(Activity::default()), Trickle::default());
    let io = TokioIo::new(Wire::new(io, trickle.clone()));
    let open = Arc::new(open);
    let session = Arc::new(Session::new(open, activity.clone(), trickle, commands.clone()));
    let service = service_fn(|request| {
        let session = session.clone();
        async move { session.serve(request).await }
    });
    carry(http1::Builder::new().serve_connection(io, service).with_upgrades(), &activity, commands).await;
}

/// How many requests a client may send at a time.
#[cfg(feature = "http2")]
const MAX_STREAMS: u32 = 256;

/// The same by HTTP/2.
#[cfg(feature = "http2")]
pub(super) async fn drive_http2<IO>(io: IO, open: Open, commands: watch::Receiver<Command>)
where
    IO: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (activity, trickle) = (Arc::new(Activity::default()), Trickle::default());
    let session = Arc::new(Session::new(Arc::new(open), activity.clone(), trickle, commands.clone()));
    let service = service_fn(move |request| {
        let session = session.clone();
        async move { session.serve(request).await }
    });
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder.max_concurrent_streams(MAX_STREAMS);
    carry(builder.serve_connection(TokioIo::new(io), service), &activity, commands).await;
}

/// A connection of either version.
trait Graceful: Future {
    fn shut_down(self: Pin<&mut Self>);
}

impl<I, S> Graceful for http1::UpgradeableConnection<I, S>
where
    Self: Future,
    I: Read + Write + Unpin + Send + 'static,
    S: HttpService<Incoming, ResBody = AnswerBody, Error: Into<BoxError>>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

#[cfg(feature = "http2")]
impl<I, S> Graceful for http2::Connection<I, S, TokioExecutor>
where
    Self: Future,
    I: Read + Write + Unpin,
    S: HttpService<Incoming, ResBody = AnswerBody, Error: Into<BoxError>>,
    TokioExecutor: Http2ServerConnExec<S::Future, AnswerBody>,
{
    fn shut_down(self: Pin<&mut Self>) {
        self.graceful_shutdown();
    }
}

/// Until either side, or a command, ends it.
async fn carry(connection: impl Graceful, activity: &Activity, mut commands: watch::Receiver<Command>) {
    let mut connection = pin!(connection);
    loop {
        tokio::select! {
            // Commands first: they are about the state in which they found the connection.
            biased;
            changed = commands.changed() => {
                let command = if changed.is_ok() { *commands.borrow_and_update() } else { Command::Stop };
                match command {
                    Command::Stop => return,
                    Command::CloseIdle if !activity.is_busy() => connection.as_mut().shut_down(),
                    Command::CloseIdle | Command::Serve => {}
                }
            }
            () = activity.ended.notified() => connection.as_mut().shut_down(),
            // Errors are the client's doing, or the script's.
            _ = connection.as_mut() => return,
        }
    }
}
