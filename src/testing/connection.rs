//! Driving one connection.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::Arc;

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
use tokio::sync::watch;

use super::activity::Activity;
use super::body::AnswerBody;
use super::open::OpenConnection;
use super::session::Session;
use super::shared::Command;
use super::wire::{Trickle, Wire};
use crate::service::BoxError;

/// Serves a connection until either side ends it.
pub(super) async fn drive<IO>(io: IO, open: OpenConnection, commands: watch::Receiver<Command>)
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

/// The same over HTTP/2.
#[cfg(feature = "http2")]
pub(super) async fn drive_http2<IO>(io: IO, open: OpenConnection, commands: watch::Receiver<Command>)
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
