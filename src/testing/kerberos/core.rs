//! What the sockets of a KDC and the servers that relay to it have in common.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

use super::fault::KdcFault;
use super::report::KdcReport;
use crate::mechanism::kerberos::server::{self, Refusal, Unreachable};
use crate::mechanism::{Moment, Moments};
use crate::service::environment::SystemMoments;

/// How many answers are kept for requests that come again.
const KEPT: usize = 64;

/// What a KDC reads.
pub(super) type Clock = Box<dyn Fn() -> SystemTime + Send + Sync>;

/// A KDC, wherever it is asked from.
pub(super) struct Core {
    state: Mutex<State>,
    clock: Clock,
    reports: watch::Sender<KdcReport>,
}

struct State {
    kdc: server::Kdc,
    fault: Option<KdcFault>,
    /// A request that comes again, over TCP or because an answer was lost, is answered as before: a wrong password
    /// counts once, as at MIT's KDC.
    answered: VecDeque<(Vec<u8>, Vec<u8>)>,
}

/// The way that a request came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Datagram,
    Stream,
}

/// What goes back.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Message(Vec<u8>),
    /// The beginning of one.
    Cut(Vec<u8>),
    Nothing,
    Close,
}

impl Core {
    pub(super) fn new(kdc: server::Kdc, fault: Option<KdcFault>, clock: Clock) -> Self {
        let state = Mutex::new(State { kdc, fault, answered: VecDeque::new() });
        Self { state, clock, reports: watch::Sender::new(KdcReport::default()) }
    }

    /// Answers what came over the network. The first time that a user's key is needed this is slow.
    pub(super) fn answer(&self, way: Way, request: &[u8]) -> Answer {
        // Counted with the state in hand: who has seen the count may set another fault.
        let mut state = self.state();
        self.count(|report| match way {
            Way::Datagram => report.datagrams += 1,
            Way::Stream => report.stream_requests += 1,
        });
        let answer = match state.fault {
            Some(KdcFault::Silent) => Answer::Nothing,
            Some(KdcFault::Closing) => Answer::Close,
            Some(KdcFault::Garbage) => Answer::Message(garbage()),
            Some(KdcFault::Cut) => {
                let mut message = state.answer(request, self.now());
                message.truncate(message.len() / 2);
                Answer::Cut(message)
            }
            Some(KdcFault::TooBig) if way == Way::Datagram => {
                // It has made its answer by the time that it sees its length.
                state.answer(request, self.now());
                Answer::Message(Refusal::too_big().message(state.kdc.principal(), self.now()))
            }
            Some(KdcFault::TooBig) | None => Answer::Message(state.answer(request, self.now())),
        };
        self.report_on(&state);
        answer
    }

    /// Answers what a server carries for a client.
    pub(super) fn relay(&self, realm: &str, request: &[u8]) -> Result<Vec<u8>, Unreachable> {
        let mut state = self.state();
        self.count(|report| report.relayed += 1);
        let answer = match state.fault {
            _ if realm != state.kdc.realm() => Err(Unreachable::NotFound),
            Some(KdcFault::Silent | KdcFault::Closing | KdcFault::Cut) => Err(Unreachable::NoResponse),
            Some(KdcFault::Garbage) => Ok(garbage()),
            // What relays asks again over TCP.
            Some(KdcFault::TooBig) | None => Ok(state.answer(request, self.now())),
        };
        self.report_on(&state);
        answer
    }

    pub(super) fn connected(&self) {
        self.count(|report| report.connections += 1);
    }

    pub(super) fn set_fault(&self, fault: Option<KdcFault>) {
        self.state().fault = fault;
    }

    /// Looks something up in the KDC, or changes it.
    pub(super) fn with_kdc<T>(&self, f: impl FnOnce(&mut server::Kdc) -> T) -> T {
        f(&mut self.state().kdc)
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<KdcReport> {
        self.reports.subscribe()
    }

    pub(super) fn now(&self) -> SystemTime {
        (self.clock)()
    }

    /// The present by the KDC's clock, with randomness.
    pub(super) fn moment(&self) -> Moment {
        let moment = SystemMoments.moment().expect("the system has randomness");
        Moment { now: self.now(), ..moment }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, change: impl FnOnce(&mut KdcReport)) {
        self.reports.send_modify(change);
    }

    fn report_on(&self, state: &State) {
        let counts = state.kdc.counts;
        self.count(|report| {
            report.as_requests = counts.as_requests;
            report.tgs_requests = counts.tgs_requests;
            report.as_tickets = counts.as_tickets;
            report.tgs_tickets = counts.tgs_tickets;
            report.failures = state.kdc.failures().collect();
        });
    }
}

impl State {
    fn answer(&mut self, request: &[u8], now: SystemTime) -> Vec<u8> {
        if let Some((_, answer)) = self.answered.iter().find(|(before, _)| before == request) {
            return answer.clone();
        }
        let answer = self.kdc.answer(request, now);
        if self.answered.len() == KEPT {
            self.answered.pop_front();
        }
        self.answered.push_back((request.to_vec(), answer.clone()));
        answer
    }
}

impl fmt::Debug for Core {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Core").field("kdc", &self.state().kdc).finish_non_exhaustive()
    }
}

fn garbage() -> Vec<u8> {
    b"HTTP/1.1 200 OK\r\n\r\n".to_vec()
}
