//! The nonces that were issued: their age, their uses, and the counts that came with them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::scheme::digest::algorithm::DigestHash;

/// Nonces in the order in which they were issued.
pub(super) struct IssuedNonces {
    /// Whose they are: no two acceptors issue the same one.
    acceptor: u64,
    lifetime: Duration,
    uses: u32,
    issued: u64,
    nonces: VecDeque<IssuedNonce>,
}

struct IssuedNonce {
    text: String,
    since: Instant,
    uses: u32,
    counts: CountWindow,
    session: Option<NoncePair>,
}

/// The nonces with which a session began, the server's and the client's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NoncePair {
    pub(super) nonce: String,
    pub(super) cnonce: String,
}

/// Why a nonce and its count do not serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfit {
    /// It is unknown, too old, or was used too often; or its count is beyond what is remembered.
    Stale,
    /// The count was used before.
    Repeated,
}

impl IssuedNonces {
    /// How many are remembered; older ones are stale.
    const MAX_NONCES: usize = 4096;

    pub(super) fn new() -> Self {
        static ACCEPTORS: AtomicU64 = AtomicU64::new(0);

        let (acceptor, lifetime) = (ACCEPTORS.fetch_add(1, Ordering::Relaxed), Duration::from_secs(300));
        Self { acceptor, lifetime, uses: u32::MAX, issued: 0, nonces: VecDeque::new() }
    }

    pub(super) fn live_for(&mut self, lifetime: Duration) {
        self.lifetime = lifetime;
    }

    pub(super) fn live_for_uses(&mut self, uses: u32) {
        self.uses = uses;
    }

    /// Makes all nonces stale that were issued so far.
    pub(super) fn forget(&mut self) {
        self.nonces.clear();
    }

    /// A nonce that no other one is like. One that goes on from another takes its session along.
    pub(super) fn issue(&mut self, now: Instant, session: Option<NoncePair>) -> String {
        self.issued += 1;
        let text = DigestHash::Md5
            .of(&[b"nonce", &self.acceptor.to_be_bytes(), &self.issued.to_be_bytes()])
            .to_string();
        if self.nonces.len() == Self::MAX_NONCES {
            self.nonces.pop_front();
        }
        self.nonces.push_back(IssuedNonce {
            text: text.clone(),
            since: now,
            uses: 0,
            counts: CountWindow::default(),
            session,
        });
        text
    }

    /// The session that a request with this nonce belongs to, or would begin.
    pub(super) fn session(&self, nonce: &str, cnonce: &str) -> NoncePair {
        let known = self.nonces.iter().find(|known| known.text == nonce);
        known
            .and_then(|known| known.session.clone())
            .unwrap_or_else(|| NoncePair { nonce: nonce.to_owned(), cnonce: cnonce.to_owned() })
    }

    /// Uses a nonce whose response was right.
    pub(super) fn spend(
        &mut self,
        now: Instant,
        nonce: &str,
        count: Option<u32>,
        session: Option<NoncePair>,
    ) -> Result<(), Unfit> {
        let nonce = self.nonces.iter_mut().rfind(|known| known.text == nonce).ok_or(Unfit::Stale)?;
        if now.duration_since(nonce.since) > self.lifetime || nonce.uses >= self.uses {
            return Err(Unfit::Stale);
        }
        if let Some(count) = count {
            nonce.counts.take(count)?;
        }
        nonce.uses += 1;
        nonce.session = session;
        Ok(())
    }
}

/// The counts that were used, as far back as they are remembered.
#[derive(Default)]
pub(super) struct CountWindow {
    highest: u32,
    used: BTreeSet<u32>,
}

impl CountWindow {
    /// How far back. A client's requests overtake each other, some of them by hundreds on a busy machine.
    const LENGTH: u32 = 1024;

    /// Takes a count once, in whatever order they come.
    pub(super) fn take(&mut self, count: u32) -> Result<(), Unfit> {
        if self.highest.saturating_sub(count) >= Self::LENGTH {
            return Err(Unfit::Stale);
        }
        if count == 0 || !self.used.insert(count) {
            return Err(Unfit::Repeated);
        }
        self.highest = self.highest.max(count);
        while self.used.first().is_some_and(|first| self.highest - first >= Self::LENGTH) {
            self.used.pop_first();
        }
        Ok(())
    }
}
