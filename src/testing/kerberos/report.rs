//! What a KDC saw.

use std::collections::BTreeMap;

/// A snapshot of what a KDC was asked for and what it granted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct KdcReport {
    /// Datagrams that have arrived.
    pub datagrams: usize,
    /// Connections that were opened.
    pub connections: usize,
    /// Requests that have arrived on them.
    pub stream_requests: usize,
    /// Requests that a server has carried, by IAKERB.
    pub relayed: usize,
    /// Requests for a first ticket, with a password or without, each counted once however often it was sent.
    pub as_requests: usize,
    /// Requests for a ticket by another.
    pub tgs_requests: usize,
    /// First tickets that were granted.
    pub as_tickets: usize,
    /// Tickets that were granted by another.
    pub tgs_tickets: usize,
    pub(super) failures: BTreeMap<String, usize>,
}

impl KdcReport {
    /// Returns how often something came in over the network: nobody reaches for the KDC where this is 0.
    pub fn packets(&self) -> usize {
        self.datagrams + self.connections + self.stream_requests
    }

    /// Returns how many wrong passwords were tried for this user: what counts towards a lockout.
    pub fn failures(&self, user: &str) -> usize {
        self.failures.get(user).copied().unwrap_or_default()
    }
}
