//! The gateway: its listeners, and what they lead to.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::access::Access;
use super::connection::{self, Arrived, Door};
use super::counts::Counts;
use super::listener::Listener;
use super::origin::ServedOrigin;
use super::proxy::ForwardProxy;

/// How much, and how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Connections of local programs; more of them wait.
    pub(crate) connections: usize,
    /// For a request's head to arrive.
    pub(crate) head_timeout: Duration,
    /// For a tunnel to be opened, with the login.
    pub(crate) tunnel_timeout: Duration,
    /// For which a tunnel may carry nothing. It is closed within a quarter more than that.
    pub(crate) idle_timeout: Duration,
    /// For what is under way when the gateway stops.
    pub(crate) grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 4096,
            head_timeout: Duration::from_secs(30),
            tunnel_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(15 * 60),
            grace: Duration::from_secs(10),
        }
    }
}

/// What a listener does, and for whom.
pub(crate) struct Service {
    pub(crate) access: Access,
    pub(crate) role: Role,
}

/// What a listener leads to.
pub(crate) enum Role {
    /// To wherever a request says.
    Proxy(ForwardProxy),
    /// To one origin.
    Origin(ServedOrigin),
}

/// All listeners.
pub(crate) struct Gateway {
    limits: Limits,
    counts: Arc<Counts>,
    listeners: Vec<(Listener, watch::Receiver<Arc<Service>>)>,
}

impl Gateway {
    pub(crate) fn new(limits: Limits, counts: Arc<Counts>) -> Self {
        Self { limits, counts, listeners: Vec::new() }
    }

    /// Serves at this listener, too. Each request gets the service of its moment.
    pub(crate) fn listen(&mut self, listener: Listener, service: watch::Receiver<Arc<Service>>) {
        self.listeners.push((listener, service));
    }

    /// Serves whoever connects. After `stop` nobody can; what is under way may end in the time of
    /// grace, and is then closed.
    pub(crate) async fn serve(self, stop: impl Future<Output = ()>) {
        let draining = watch::Sender::new(false);
        let places = Arc::new(Semaphore::new(self.limits.connections));
        let mut listeners = JoinSet::new();
        for (listener, service) in self.listeners {
            let door = Door { service, limits: self.limits, counts: Arc::clone(&self.counts) };
            listeners.spawn(serve(listener, Arc::new(door), Arc::clone(&places), draining.subscribe()));
        }
        stop.await;
        draining.send_replace(true);
        while listeners.join_next().await.is_some() {}
    }
}

/// Serves at one listener.
async fn serve(listener: Listener, door: Arc<Door>, places: Arc<Semaphore>, draining: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let mut stopped = draining.clone();
    let mut stop = pin!(stopped.wait_for(|draining| *draining));
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("nobody closes it");
            (place, listener.accept().await)
        };
        tokio::select! {
            biased;
            _ = &mut stop => break,
            Some(_) = connections.join_next() => {}
            (place, (local, peer)) = accepted => {
                let arrived = Arrived { door: Arc::clone(&door), local, peer, draining: draining.clone(), place };
                connections.spawn(connection::serve(Box::new(arrived)));
            }
        }
    }
    drop(listener);
    let all_end = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(door.limits.grace, all_end).await.is_err() {
        connections.shutdown().await;
    }
}
