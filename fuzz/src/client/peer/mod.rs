//! The servers and proxies of a world: honest ones, for whom things go wrong.
//!
//! ```text
//! judge    what an honest server makes of a request's credentials
//! answer   what is answered, and what goes wrong with it
//! http1    a connection by HTTP/1.1, octet by octet
//! http2    one by HTTP/2
//! ```

mod answer;
mod http1;
mod http2;
mod judge;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::DuplexStream;

pub(super) use self::answer::LONGEST;
use self::judge::Honest;
use super::pipe::Reset;
use super::setting::Site;
use super::stage::Stage;

/// All servers and proxies.
pub(super) struct Peers {
    stage: Stage,
    peers: Vec<Peer>,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    connections: usize,
    answers: usize,
}

/// A server or a proxy.
struct Peer {
    honest: Mutex<Honest>,
    /// What was sent as a challenge last, on whichever connection.
    last_challenge: Mutex<Option<String>>,
}

impl Peers {
    pub(super) fn new(stage: &Stage) -> Arc<Self> {
        let peers = stage
            .setting()
            .sites()
            .map(|site| Peer { honest: Mutex::new(Honest::new(site)), last_challenge: Mutex::default() });
        let peers = peers.collect();
        Arc::new(Self { stage: stage.clone(), peers, counts: Mutex::default() })
    }

    /// A connection to a site has come; tells its number.
    pub(super) fn accept(
        self: &Arc<Self>,
        site: usize,
        stream: DuplexStream,
        is_reset: Reset,
        speaks_http2: bool,
    ) -> usize {
        let connection = {
            let mut counts = self.counts();
            counts.connections += 1;
            counts.connections
        };
        self.stage.note(|| format!("connection {connection} to {}", self.site(site).host));
        let peers = Arc::clone(self);
        match speaks_http2 {
            true => drop(tokio::spawn(http2::serve(peers, site, connection, stream, is_reset))),
            false => drop(tokio::spawn(http1::serve(peers, site, connection, stream, is_reset))),
        }
        connection
    }

    fn site(&self, site: usize) -> &Site {
        self.stage.setting().sites().nth(site).expect("a site")
    }

    fn is_proxy(&self, site: usize) -> bool {
        site == self.stage.setting().origins.len()
    }

    /// The origin of this name.
    fn origin(&self, host: &str) -> Option<usize> {
        self.stage.setting().origins.iter().position(|site| site.host == host)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
