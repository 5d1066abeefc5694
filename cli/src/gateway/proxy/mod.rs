//! The proxy: no login on this side, whatever the upstream proxy wants on the other.

mod answer;
mod connection;
mod counts;
mod plain;
mod relay;
mod upstream;

use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use self::plain::Plain;
use self::upstream::Tunnels;

pub(crate) use self::counts::Counts;
pub(crate) use self::upstream::Upstream;

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
    /// For what is under way when the proxy stops.
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

/// A proxy in front of another.
pub(crate) struct ForwardProxy {
    tunnels: Tunnels,
    plain: Plain,
    limits: Limits,
    counts: Arc<Counts>,
}

impl ForwardProxy {
    /// Goes by way of `upstream`.
    pub(crate) fn new(upstream: Upstream, limits: Limits) -> Self {
        let counts = Arc::default();
        let tunnels = upstream.tunnels(limits.tunnel_timeout);
        Self { tunnels, plain: Plain::new(upstream, &limits, Arc::clone(&counts)), limits, counts }
    }

    /// What it does, while it does it.
    pub(crate) fn counts(&self) -> Arc<Counts> {
        Arc::clone(&self.counts)
    }

    /// Serves whoever connects. After `stop` nobody can; what is under way may end in the time of
    /// grace, and is then closed.
    pub(crate) async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let proxy = Arc::new(self);
        let draining = watch::Sender::new(false);
        let mut connections = JoinSet::new();
        let mut stop = pin!(stop);
        loop {
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(_) = connections.join_next() => {}
                local = accept(&listener), if connections.len() < proxy.limits.connections => {
                    connections.spawn(connection::serve(Arc::clone(&proxy), local, draining.subscribe()));
                }
            }
        }
        drop(listener);
        draining.send_replace(true);
        let all_end = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(proxy.limits.grace, all_end).await.is_err() {
            connections.shutdown().await;
        }
    }
}

/// The next connection. Where the system has none to give, such as without a free descriptor, it is
/// asked again after a while.
async fn accept(listener: &TcpListener) -> TcpStream {
    loop {
        match listener.accept().await {
            Ok((local, _)) => return local,
            // The peer has gone already.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
        }
    }
}
