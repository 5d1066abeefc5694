//! What a server lets a client remember for a login of one round trip (RFC 7804, section 5.1).

use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::credentials::Credentials;
use crate::scheme::scram::Scram;
use crate::scheme::scram::hash::ScramHash;
use crate::scheme::scram::login::ScramLogin;

/// The logins that one challenger remembers, by credentials and realm. Belongs to exactly one
/// origin server or proxy, and is shared by all connections to it.
#[derive(Default)]
pub struct ScramMemory(Mutex<Vec<Remembered>>);

struct Remembered {
    credentials: Credentials,
    realm: Option<Vec<u8>>,
    login: ScramLogin,
    sid: Option<Vec<u8>>,
    nonce: ServerNonce,
    /// The count of the next login.
    next: u64,
}

/// An `sr`, and how long the server takes it.
#[derive(Clone, Debug)]
pub(super) struct ServerNonce {
    pub(super) sr: String,
    pub(super) expires: Option<SystemTime>,
}

/// What one login of one round trip is made of. Its count is nobody else's.
pub(super) struct OneRoundTripLogin {
    pub(super) login: ScramLogin,
    pub(super) realm: Option<Vec<u8>>,
    pub(super) sid: Option<Vec<u8>>,
    pub(super) sr: String,
    pub(super) count: u64,
}

impl ScramMemory {
    /// How many logins are kept; the one unused for longest goes first.
    pub const MAX_LOGINS: usize = 16;

    /// Creates an empty memory.
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all logins.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Whether there is a login to go on from.
    pub(super) fn knows(&self, scram: &Scram, credentials: &Credentials, now: SystemTime) -> bool {
        let is_fresh = |known: &Remembered| known.nonce.expires.is_none_or(|expires| now < expires);
        self.lock().iter().any(|known| known.is_of(scram.hash, credentials) && is_fresh(known))
    }

    /// Takes the next count of the last login, where no challenge tells the realm.
    pub(super) fn take_latest(
        &self,
        hash: ScramHash,
        credentials: &Credentials,
        now: SystemTime,
    ) -> Option<OneRoundTripLogin> {
        let mut logins = self.lock();
        let at = logins.iter().rposition(|known| known.is_of(hash, credentials))?;
        take(&mut logins, at, now)
    }

    /// Takes the next count of a login in this realm. The challenge's `sr` replaces the remembered
    /// one.
    pub(super) fn take(
        &self,
        hash: ScramHash,
        credentials: &Credentials,
        realm: Option<&[u8]>,
        offered: Option<&ServerNonce>,
        now: SystemTime,
    ) -> Option<OneRoundTripLogin> {
        let mut logins = self.lock();
        let in_realm = |known: &Remembered| known.realm.as_deref() == realm;
        let at = logins.iter().rposition(|known| known.is_of(hash, credentials) && in_realm(known))?;
        if let Some(offered) = offered {
            logins[at].nonce = offered.clone();
        }
        take(&mut logins, at, now)
    }

    /// Remembers a login by all three messages, after which the count begins anew.
    pub(super) fn remember(
        &self,
        credentials: &Credentials,
        realm: Option<Vec<u8>>,
        login: ScramLogin,
        sid: Option<Vec<u8>>,
        nonce: ServerNonce,
    ) {
        self.forget(login.hash(), credentials, realm.as_deref());
        let mut logins = self.lock();
        if logins.len() == Self::MAX_LOGINS {
            logins.remove(0);
        }
        let (credentials, next) = (credentials.clone(), login.iterations().into());
        logins.push(Remembered { credentials, realm, login, sid, nonce, next });
    }

    /// The server takes another `sr` from now on, and has not counted this login: the count goes
    /// back, unless a later one is under way.
    pub(super) fn replace(&self, credentials: &Credentials, ticket: &OneRoundTripLogin, nonce: &ServerNonce) {
        for known in self.lock().iter_mut() {
            if known.is_of(ticket.login.hash(), credentials) && known.realm == ticket.realm {
                known.nonce = nonce.clone();
                if known.next == ticket.count.saturating_add(1) {
                    known.next = ticket.count;
                }
            }
        }
    }

    /// Forgets a login that the server does not remember.
    pub(super) fn forget(&self, hash: ScramHash, credentials: &Credentials, realm: Option<&[u8]>) {
        self.lock().retain(|known| !known.is_of(hash, credentials) || known.realm.as_deref() != realm);
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Remembered>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    fn is_of(&self, hash: ScramHash, credentials: &Credentials) -> bool {
        self.login.hash() == hash && self.credentials == *credentials
    }
}

fn take(logins: &mut Vec<Remembered>, at: usize, now: SystemTime) -> Option<OneRoundTripLogin> {
    let mut known = logins.remove(at);
    if known.nonce.expires.is_some_and(|expires| expires <= now) {
        return None;
    }
    let ticket = OneRoundTripLogin {
        login: known.login.clone(),
        realm: known.realm.clone(),
        sid: known.sid.clone(),
        sr: known.nonce.sr.clone(),
        count: known.next,
    };
    // Counted when it is used: what was sent once is never sent again, whatever became of it.
    known.next = known.next.saturating_add(1);
    logins.push(known);
    Some(ticket)
}

impl fmt::Debug for ScramMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScramMemory").field("logins", &self.lock().len()).finish()
    }
}
