//! What all connections of a server have in common.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use bytes::Bytes;
use http::Uri;

use super::acceptor::Acceptor;
use super::ntlm::NtlmAcceptor;
use super::offer::Offer;
use super::quirk::Script;
use super::report::Recorder;
use super::spnego::SpnegoAcceptor;
use super::users::Users;
use crate::mechanism::Mechanism;
use crate::mechanism::ntlm::Ntlm;
use crate::protection_space::Challenger;

/// What the handle tells the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Serve,
    CloseIdle,
    Stop,
}

/// What all connections share.
pub(super) struct ServerState {
    pub(super) users: Arc<Users>,
    pub(super) origin_offers: Vec<Offer>,
    pub(super) proxy_offers: Vec<Offer>,
    pub(super) script: Script,
    pub(super) page: Option<Bytes>,
    pub(super) tunnels: bool,
    pub(super) ntlm: Option<Box<dyn Fn(NtlmAcceptor) -> NtlmAcceptor + Send + Sync>>,
    pub(super) spnego: Option<Box<dyn Fn(SpnegoAcceptor) -> SpnegoAcceptor + Send + Sync>>,
    pub(super) handshakes: AtomicU64,
    pub(super) recorder: Recorder,
}

impl ServerState {
    pub(super) fn offers(&self, challenger: Challenger) -> &[Offer] {
        match challenger {
            Challenger::Origin => &self.origin_offers,
            Challenger::Proxy => &self.proxy_offers,
        }
    }

    /// Who demands authentication for this target, in order. One in absolute form came to a
    /// proxy (RFC 9112, section 3.2.2). One with only an authority is for the proxy itself.
    pub(super) fn challengers(&self, target: &Uri) -> impl Iterator<Item = Challenger> {
        let by_proxy = target.authority().is_some();
        let by_origin = target.authority().is_none() || target.scheme().is_some();
        [(Challenger::Proxy, by_proxy), (Challenger::Origin, by_origin)]
            .into_iter()
            .filter(|(challenger, by_them)| *by_them && !self.offers(*challenger).is_empty())
            .map(|(challenger, _)| challenger)
    }

    /// Whether somebody wants to see requests' content.
    pub(super) fn has_judge(&self) -> bool {
        let is_judged = |offer: &Offer| matches!(offer, Offer::Judged { .. });
        self.origin_offers.iter().chain(&self.proxy_offers).any(is_judged)
    }

    /// The acceptor for a handshake; `None` for offers that have none.
    pub(super) fn acceptor(&self, offer: &Offer) -> Option<Box<dyn Acceptor>> {
        match offer {
            Offer::Negotiate => {
                let acceptor = SpnegoAcceptor::new(Ntlm::new().oid(), Box::new(self.ntlm_acceptor()));
                Some(Box::new(match &self.spnego {
                    Some(set_up) => set_up(acceptor),
                    None => acceptor,
                }))
            }
            Offer::Ntlm => Some(Box::new(self.ntlm_acceptor())),
            Offer::Custom { acceptor, .. } => Some(acceptor()),
            Offer::Basic { .. } | Offer::Judged { .. } | Offer::Verbatim(_) => None,
        }
    }

    /// Every handshake has a challenge of its own.
    fn ntlm_acceptor(&self) -> NtlmAcceptor {
        let challenge = self.handshakes.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        let acceptor = NtlmAcceptor::new(self.users.clone(), challenge, SystemTime::now());
        match &self.ntlm {
            Some(set_up) => set_up(acceptor),
            None => acceptor,
        }
    }
}

impl fmt::Debug for ServerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerState").field("users", &self.users).finish_non_exhaustive()
    }
}
