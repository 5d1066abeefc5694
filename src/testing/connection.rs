//! Driving one connection, and knowing whether it is busy.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};

use super::server::{Command, Shared};
use super::session::Session;
use super::wire::{Trickle, Wire};

/// Whether a connection has a request to answer, and whether it is to end after that.
#[derive(Debug, Default)]
pub(super) struct Activity {
    busy: AtomicBool,
    ends: AtomicBool,
    ended: Notify,
}

impl Activity {
    /// Begins an answer.
    pub(super) fn answering(self: &Arc<Self>) -> Answering {
        self.busy.store(true, Ordering::SeqCst);
        Answering(self.clone())
    }

    fn is_busy(&self) -> bool {
        self.busy.load(Ordering::SeqCst)
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
        self.0.busy.store(false, Ordering::SeqCst);
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
pub(super) async fn drive<IO>(io: IO, open: Open, mut commands: watch::Receiver<Command>)
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
    let mut connection = pin!(http1::Builder::new().serve_connection(io, service).with_upgrades());
    loop {
        tokio::select! {
            // Commands first: they are about the state in which they found the connection.
            biased;
            changed = commands.changed() => {
                let command = if changed.is_ok() { *commands.borrow_and_update() } else { Command::Stop };
                match command {
                    Command::Stop => return,
                    Command::CloseIdle if !activity.is_busy() => connection.as_mut().graceful_shutdown(),
                    Command::CloseIdle | Command::Serve => {}
                }
            }
            () = activity.ended.notified() => connection.as_mut().graceful_shutdown(),
            // Errors are the client's doing, or the script's.
            _ = connection.as_mut() => return,
        }
    }
}
