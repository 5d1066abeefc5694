//! Messages to KDCs, over UDP and TCP (RFC 4120, section 7.2).

mod attempt;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::{Instant, timeout_at};

use crate::client::kdc::attempt::{Attempt, Over, STAGGER};
use crate::client::runtime::in_runtime;
use crate::mechanism::{ErrorKind, KdcInquiry, MechanismError, Proves};
use crate::service::{BoxFuture, KdcTransport};

/// Longer messages would be cut into several packets, of which many a network lets only the first pass (RFC 4120,
/// section 7.2.1).
const MAX_DATAGRAM: usize = 1_400;
/// So many of a realm's KDCs are asked.
const MAX_KDCS: usize = 16;
/// Of so many realms it is known which KDC has answered last.
const MAX_REALMS: usize = 64;
/// A year.
const LONGEST: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// Reaches KDCs over UDP, then TCP: what [`Environment::tokio`](crate::service::Environment::tokio) has.
///
/// The KDC that has answered last is asked first. One that is silent is passed over after its
/// [patience](Self::patience), and still heard if it answers later; one that cannot be reached, or has no service
/// to offer, at once. Each is asked over UDP, then each over TCP, then over UDP once more, until one answers or the
/// [time](Self::timeout) is up. Nothing is left behind where that is given up: no thread, and no socket.
///
/// A name may have several addresses. What shows nothing of the password goes to the next one after 250 ms (RFC 8305), what
/// does only after the patience: they may be of several KDCs, each of which counts a wrong one.
///
/// A message may so come to several KDCs of a realm. Those keep the same accounts, and an answer that refuses the password
/// ends the search: but one that comes too late has counted as well.
///
/// Clones share what they know. Outside of a tokio runtime nothing is reached.
///
/// ```
/// use std::time::Duration;
///
/// use legwork::client::KdcSockets;
/// use legwork::service::Environment;
///
/// let environment = Environment::tokio().kdc_transport(KdcSockets::new().timeout(Duration::from_secs(5)));
/// # let _ = environment;
/// ```
#[derive(Clone)]
pub struct KdcSockets {
    patience: Duration,
    timeout: Duration,
    /// The KDC that has answered last, by realm.
    latest: Arc<Mutex<HashMap<Arc<str>, Latest>>>,
}

/// A KDC that has answered: its name, and which of that one's addresses.
#[derive(Clone)]
struct Latest {
    name: String,
    address: SocketAddr,
}

impl KdcSockets {
    /// Creates one that gives each KDC 1 s, and all of them 10 s.
    pub fn new() -> Self {
        Self { patience: Duration::from_secs(1), timeout: Duration::from_secs(10), latest: Arc::default() }
    }

    /// Sets how long a KDC may be silent before the next is asked.
    #[must_use]
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience.min(LONGEST);
        self
    }

    /// Sets how long all of it may take.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout.min(LONGEST);
        self
    }

    async fn ask(self, inquiry: KdcInquiry) -> Result<Vec<u8>, MechanismError> {
        in_runtime().map_err(|_| unavailable("there is no tokio runtime to reach a KDC in"))?;
        let mut next = self.attempts(&inquiry);
        let message: Arc<[u8]> = inquiry.message.into();
        let mut under_way = JoinSet::new();
        let mut failures = Vec::new();
        let deadline = Instant::now() + self.timeout;
        while Instant::now() < deadline {
            let until = match next.pop_front() {
                Some(attempt) => {
                    under_way.spawn(attempt.make(Arc::clone(&message)));
                    deadline.min(Instant::now() + self.patience)
                }
                None => deadline,
            };
            match timeout_at(until, under_way.join_next()).await {
                Ok(Some(Ok((attempt, Ok((address, answer)))))) => {
                    self.note_latest(&inquiry.realm, Latest { name: attempt.address, address });
                    return Ok(answer);
                }
                Ok(Some(Ok((attempt, Err(error))))) => failures.push(format!("{attempt}: {error}")),
                Ok(None) => break,
                // It is silent, or the runtime ends.
                Err(_) | Ok(Some(Err(_))) => {}
            }
        }
        let silent = under_way.len();
        if silent > 0 {
            failures.push(format!("{silent} of the tries without an answer within {:?}", self.timeout));
        }
        if failures.is_empty() {
            failures.push("none is named".to_owned());
        }
        Err(unavailable(format!("no KDC of {} has answered: {}", inquiry.realm, failures.join("; "))))
    }

    /// What is tried, in this order.
    fn attempts(&self, inquiry: &KdcInquiry) -> VecDeque<Attempt> {
        let mut addresses: Vec<_> = inquiry.addresses.iter().take(MAX_KDCS).collect();
        let latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner).get(&inquiry.realm).cloned();
        if let Some(latest) = &latest {
            addresses.sort_by_key(|address| **address != latest.name);
        }
        let latest = latest.map(|latest| latest.address);
        let stagger = match inquiry.proves {
            Proves::Secret | Proves::Relayed => self.patience,
            Proves::Nothing | Proves::Ticket { .. } => STAGGER,
        };
        let rounds: &[Over] = match inquiry.message.len() {
            _ if inquiry.needs_stream => &[Over::Tcp],
            ..=MAX_DATAGRAM => &[Over::Udp, Over::Tcp, Over::Udp],
            _ => &[Over::Tcp, Over::Udp],
        };
        let attempt = |over: &Over| {
            let over = *over;
            addresses.iter().map(move |address| Attempt {
                address: (*address).clone(),
                over,
                stagger,
                latest,
            })
        };
        rounds.iter().flat_map(attempt).collect()
    }

    fn note_latest(&self, realm: &Arc<str>, kdc: Latest) {
        let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
        if latest.len() == MAX_REALMS && !latest.contains_key(realm) {
            latest.clear();
        }
        latest.insert(Arc::clone(realm), kdc);
    }
}

impl Default for KdcSockets {
    fn default() -> Self {
        Self::new()
    }
}

impl KdcTransport for KdcSockets {
    fn exchange(&self, inquiry: KdcInquiry) -> BoxFuture<Result<Vec<u8>, MechanismError>> {
        Box::pin(self.clone().ask(inquiry))
    }
}

impl fmt::Debug for KdcSockets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KdcSockets")
            .field("patience", &self.patience)
            .field("timeout", &self.timeout)
            .finish_non_exhaustive()
    }
}

fn unavailable(message: impl Into<String>) -> MechanismError {
    MechanismError::new(ErrorKind::Unavailable, message)
}
