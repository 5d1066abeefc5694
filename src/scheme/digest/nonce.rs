//! The server's nonce and the count of the requests that used it (RFC 7616, section 3.4).

use std::borrow::Cow;
use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use super::algorithm::{Hasher, Hex, Key};
use super::frame::{FieldFrame, Usage};
use super::response;
use super::terms::Terms;
use crate::authorization::InvalidParam;
use crate::mechanism::Entropy;

/// A nonce of the client's own, for one request.
#[derive(Clone, Copy)]
pub struct ClientNonce(Hex);

impl ClientNonce {
    /// Makes 32 hexadecimal digits of the first 16 octets of the entropy.
    pub fn new(entropy: Entropy) -> Self {
        Self(Hex::of(&entropy.octets()[..16]))
    }

    /// As the published examples have it.
    #[cfg(test)]
    pub(crate) fn verbatim(text: &str) -> Self {
        Self(Hex::verbatim(text))
    }

    pub(super) fn digits(&self) -> &Hex {
        &self.0
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

impl fmt::Debug for ClientNonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClientNonce(..)")
    }
}

/// What became of a nonce that a server sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: taken, too late, no news")]
pub enum NonceRenewal {
    /// It is the one for requests from now on.
    Replaced,
    /// It came too late: the request that it answers had used an older nonce than the present one.
    Superseded,
    /// It is the present one already, whose count goes on.
    Unchanged,
}

/// A nonce of the server's, with the terms on which it was given, and how often it was used. Clones
/// are one.
#[derive(Clone)]
pub(super) struct Nonce(Arc<NonceData>);

#[derive(Clone)]
struct NonceData {
    text: Arc<[u8]>,
    terms: Arc<Terms>,
    uses: Arc<Uses>,
    session: Arc<OnceLock<SessionKey>>,
    /// It came as a `nextnonce`.
    is_next: bool,
    /// When its challenge came, where that was told.
    since: Option<Instant>,
    /// Which of the server's challenges brought it; `None` for one that came otherwise.
    order: Option<u64>,
    /// What its responses begin with, once there is one.
    begun: OnceLock<Hasher>,
    /// What stands around them, and in which way it was used for that.
    frame: OnceLock<(Usage, FieldFrame)>,
}

/// How often a nonce was used.
#[derive(Debug, Default)]
struct Uses {
    /// The last count.
    last: AtomicU32,
    /// The highest one that the server has accepted.
    accepted: AtomicU32,
}

impl Nonce {
    /// That of a challenge on these terms.
    pub(super) fn new(terms: Arc<Terms>) -> Self {
        let text = Arc::clone(terms.challenge.nonce());
        let order = Some(terms.challenge.order());
        let (uses, session) = Default::default();
        let (is_next, since, begun, frame) = (false, None, OnceLock::new(), OnceLock::new());
        Self(Arc::new(NonceData { text, terms, uses, session, is_next, since, order, begun, frame }))
    }

    /// The same, changed.
    fn with(&self, change: impl FnOnce(&mut NonceData)) -> Self {
        // Its responses, and what stands around them, may be others.
        let mut data = NonceData { begun: OnceLock::new(), frame: OnceLock::new(), ..(*self.0).clone() };
        change(&mut data);
        Self(Arc::new(data))
    }

    /// The same, of a challenge that came at this time, with the count that all users of it share.
    pub(super) fn heard(&self, now: Instant, counts: &NonceCounts) -> Self {
        let uses = counts.of(&self.0.text, &self.0.uses);
        self.with(|data| (data.since, data.uses) = (Some(now), uses))
    }

    /// The same on these terms, to which the server came back: the count goes on, and another session
    /// begins.
    fn on(&self, terms: Arc<Terms>) -> Self {
        // Where no session has begun yet, this challenge is as good as the first one.
        let has_begun = self.0.session.get().is_some();
        self.with(|data| {
            if has_begun {
                data.session = Arc::default();
            }
            (data.order, data.is_next) = (Some(terms.challenge.order()), false);
            data.terms = terms;
        })
    }

    pub(super) fn text(&self) -> &Arc<[u8]> {
        &self.0.text
    }

    /// Whether it is the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.text == other.0.text
    }

    /// How long it has been known; long, if nobody knows.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.0.since.map_or(Duration::MAX, |since| now.saturating_duration_since(since))
    }

    pub(super) fn order(&self) -> Option<u64> {
        self.0.order
    }

    pub(super) fn terms(&self) -> &Arc<Terms> {
        &self.0.terms
    }

    /// The last count; 0 before the first.
    pub(super) fn count(&self) -> u32 {
        self.0.uses.last.load(Relaxed)
    }

    /// The server has accepted a request with this count.
    pub(super) fn accepted(&self, count: u32) {
        self.0.uses.accepted.fetch_max(count, Relaxed);
    }

    /// Whether the server has accepted the use before this one.
    pub(super) fn follows_accepted(&self, count: u32) -> bool {
        self.0.uses.accepted.load(Relaxed) + 1 == count
    }

    /// The next count: 1, 2, 3, …; `None` when eight digits have no more.
    pub(super) fn issue(&self) -> Option<u32> {
        // The count is taken before the request is sent, so that two at once never have the same.
        let before = self.0.uses.last.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1)).ok()?;
        Some(before + 1)
    }

    /// A request with this count was not sent. Nobody has seen it, unless another one followed.
    pub(super) fn take_back(&self, count: u32) {
        // Only if it is the last still: a gap does no harm, a count used twice does.
        let _ = self.0.uses.last.compare_exchange(count, count - 1, Relaxed, Relaxed);
    }

    /// Whether its session began with an earlier nonce.
    pub(super) fn continues_session(&self) -> bool {
        self.0.session.get().is_some_and(|session| session.nonce != self.0.text)
    }

    /// Whether it came as a `nextnonce`, and a session began with it all the same.
    fn restarts_session(&self) -> bool {
        self.0.is_next && self.0.session.get().is_some_and(|session| session.nonce == self.0.text)
    }

    /// The key of its session, which begins with the first request.
    pub(super) fn session(&self, cnonce: &ClientNonce) -> &SessionKey {
        self.0.session.get_or_init(|| {
            let hash = self.terms().challenge.algorithm().hash();
            let key = response::session_key(hash, &self.terms().login.key, self.text(), cnonce.as_bytes());
            SessionKey { key: Arc::new(key), nonce: Arc::clone(self.text()), cnonce: *cnonce }
        })
    }

    /// What its responses begin with. The key is that of its terms, or of its session.
    pub(super) fn begin_response(&self, key: &Key) -> Hasher {
        let hash = self.terms().challenge.algorithm().hash();
        self.0.begun.get_or_init(|| response::begin(hash, key, self.text())).clone()
    }

    /// What stands around a response. It is kept for those that use the nonce in the same way.
    pub(super) fn frame(&self, usage: Usage) -> Result<Cow<'_, FieldFrame>, InvalidParam> {
        let make = || FieldFrame::new(self.terms(), self.text(), usage);
        if self.0.frame.get().is_none() {
            // Another request may be faster, and use it otherwise.
            let _ = self.0.frame.set((usage, make()?));
        }
        match self.0.frame.get() {
            Some((kept, frame)) if *kept == usage => Ok(Cow::Borrowed(frame)),
            _ => make().map(Cow::Owned),
        }
    }
}

/// The counts of the latest nonces in a space, whichever user has heard of them: a server knows a nonce
/// only by its text.
#[derive(Debug, Default)]
pub(super) struct NonceCounts(Mutex<VecDeque<Counted>>);

/// A nonce's text, and how often it was used.
#[derive(Debug)]
struct Counted {
    text: Arc<[u8]>,
    uses: Arc<Uses>,
}

impl NonceCounts {
    const MAX: usize = 64;

    /// The count of this nonce; this one, if it is new.
    fn of(&self, text: &Arc<[u8]>, own: &Arc<Uses>) -> Arc<Uses> {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = counts.iter().rev().find(|known| known.text == *text) {
            return Arc::clone(&known.uses);
        }
        if counts.len() == Self::MAX {
            counts.pop_front();
        }
        counts.push_back(Counted { text: Arc::clone(text), uses: Arc::clone(own) });
        Arc::clone(own)
    }
}

/// The key of an algorithm with `-sess`, and the nonces that it was made with.
///
/// It lives from one challenge to the next, a `nextnonce` between them changes neither (RFC 7616,
/// section 3.4.2), unless the server [has shown otherwise](Sessions::Anew). The client's nonce stays the
/// same as well: servers that keep no sessions make a new key from what each request says.
#[derive(Clone)]
pub(super) struct SessionKey {
    pub(super) key: Arc<Key>,
    nonce: Arc<[u8]>,
    pub(super) cnonce: ClientNonce,
}

/// What a `nextnonce` does to a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Sessions {
    /// It goes on (RFC 7616, section 3.4.2).
    #[default]
    GoOn,
    /// Another one begins: the server makes the key of the nonces of each request, as WEBrick does.
    Anew,
}

/// The nonce that requests share, and others that are known.
pub(super) struct Nonces {
    present: Nonce,
    /// The server did not know the present one any more, and sent no other.
    is_dead: bool,
    /// The latest last: a server may come back to one.
    known: VecDeque<Nonce>,
    /// Those that came with a challenge which ended its connection.
    unused: Vec<Nonce>,
    sessions: Sessions,
}

impl Nonces {
    /// More than requests hear of at about the same time.
    const MAX_KNOWN: usize = 32;
    const MAX_UNUSED: usize = 8;

    pub(super) fn new(present: Nonce) -> Self {
        Self {
            present,
            is_dead: false,
            known: VecDeque::new(),
            unused: Vec::new(),
            sessions: Sessions::default(),
        }
    }

    pub(super) fn present(&self) -> &Nonce {
        &self.present
    }

    /// The one for a request that speaks first.
    pub(super) fn alive(&self) -> Option<&Nonce> {
        Some(&self.present).filter(|_| !self.is_dead)
    }

    /// The server does not know this one any more. Nobody speaks first with it.
    pub(super) fn bury(&mut self, nonce: &Nonce) {
        self.is_dead |= nonce.is(&self.present);
        self.unused.retain(|unused| !unused.is(nonce));
    }

    /// The nonce of a challenge on these terms: a new one, or one that is known.
    pub(super) fn on(&self, terms: Arc<Terms>) -> Nonce {
        let text = terms.challenge.nonce();
        match self.known(text) {
            Some(known) => known.on(terms),
            None => Nonce::new(terms),
        }
    }

    /// The one to come after `nonce`, in the same session or in one of its own.
    pub(super) fn after(&self, nonce: &Nonce, text: Arc<[u8]>) -> Nonce {
        let known = self.known(&text);
        let session = match (self.sessions, known) {
            (Sessions::GoOn, _) => Arc::clone(&nonce.0.session),
            (Sessions::Anew, Some(known)) if !known.continues_session() => Arc::clone(&known.0.session),
            (Sessions::Anew, _) => Arc::default(),
        };
        let uses = known.map(|known| Arc::clone(&known.0.uses)).unwrap_or_default();
        nonce.with(|data| {
            (data.text, data.uses, data.session) = (text, uses, session);
            (data.is_next, data.since, data.order) = (true, None, None);
        })
    }

    /// An answer with this nonce was refused. Tells whether that may be for its session, of which the
    /// server has another idea: from now on, sessions go on from one nonce to the next where this one did
    /// not, and end with their nonce where it did.
    pub(super) fn note_refusal(&mut self, nonce: &Nonce) -> bool {
        let shown = match () {
            () if nonce.continues_session() => Sessions::Anew,
            () if nonce.restarts_session() => Sessions::GoOn,
            () => return false,
        };
        self.sessions = shown;
        true
    }

    /// Requests share this one from now on.
    pub(super) fn share(&mut self, nonce: Nonce) -> NonceRenewal {
        self.is_dead = false;
        // The terms may have changed though the text has not.
        if self.present.is(&nonce) {
            self.present = nonce;
            return NonceRenewal::Unchanged;
        }
        self.known.retain(|known| !known.is(&nonce));
        let before = mem::replace(&mut self.present, nonce);
        self.know(before);
        NonceRenewal::Replaced
    }

    /// Knows this one if it comes again, as the latest that others have got does: its count goes on, and when it
    /// came is known.
    pub(super) fn know(&mut self, nonce: Nonce) {
        if self.present.is(&nonce) {
            let NonceData { uses, since, .. } = &*nonce.0;
            self.present = self.present.with(|data| (data.uses, data.since) = (Arc::clone(uses), *since));
            return;
        }
        self.known.retain(|known| !known.is(&nonce));
        if self.known.len() == Self::MAX_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(nonce);
    }

    /// Keeps a nonce for a request on another connection.
    pub(super) fn keep_unused(&mut self, nonce: Nonce) {
        if self.unused.len() < Self::MAX_UNUSED {
            self.unused.push(nonce);
        }
    }

    /// Keeps only the present one.
    pub(super) fn forget_others(&mut self) {
        (self.known, self.unused) = (VecDeque::new(), Vec::new());
    }

    #[cfg(test)]
    pub(super) fn others(&self) -> usize {
        self.known.len() + self.unused.len()
    }

    /// The one that was kept last.
    pub(super) fn take_unused(&mut self) -> Option<Nonce> {
        // The youngest: it has the longest to live.
        self.unused.pop()
    }

    fn known(&self, text: &Arc<[u8]>) -> Option<&Nonce> {
        [&self.present].into_iter().chain(&self.known).find(|known| known.text() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenges;
    use crate::credentials::Credentials;
    use crate::scheme::charset::Charset;
    use crate::scheme::digest::challenge::DigestChallenge;
    use crate::scheme::digest::user;

    fn terms(nonce: &str) -> Arc<Terms> {
        let value = format!("Digest realm=lab, nonce={nonce}, qop=auth");
        let challenges = Challenges::from_value(value.as_bytes());
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
        let carol = Credentials::password("carol", "carol-pw");
        let login = user::log_in(&carol, &challenge, Charset::default()).expect("a login");
        Arc::new(Terms { challenge, login: Arc::new(login) })
    }

    #[test]
    fn so_many_nonces_are_known_by_their_counts() {
        let counts = NonceCounts::default();
        for nonce in 0..3 * NonceCounts::MAX {
            counts.of(&nonce.to_string().into_bytes().into(), &Arc::default());
        }
        assert_eq!(counts.0.lock().expect("no panic").len(), NonceCounts::MAX);
    }

    #[test]
    fn a_count_begins_with_each_nonce_and_goes_on_where_it_comes_back() {
        let mut nonces = Nonces::new(Nonce::new(terms("a")));
        let issue = |nonces: &Nonces| nonces.present().issue();
        fn share(nonces: &mut Nonces, text: &str) -> NonceRenewal {
            nonces.share(nonces.on(terms(text)))
        }
        assert_eq!([issue(&nonces), issue(&nonces)], [Some(1), Some(2)]);
        assert_eq!(share(&mut nonces, "a"), NonceRenewal::Unchanged);
        assert_eq!(issue(&nonces), Some(3));
        assert_eq!(share(&mut nonces, "b"), NonceRenewal::Replaced);
        assert_eq!(issue(&nonces), Some(1));
        assert_eq!(share(&mut nonces, "a"), NonceRenewal::Replaced);
        assert_eq!(issue(&nonces), Some(4));
        for i in 0..100 {
            share(&mut nonces, &format!("n{i}"));
        }
        assert_eq!(nonces.known.len(), Nonces::MAX_KNOWN);
        nonces.present().0.uses.last.store(u32::MAX, Relaxed);
        assert_eq!(issue(&nonces), None);
    }

    #[test]
    fn a_count_that_was_not_sent_is_free_again_unless_another_followed() {
        let nonce = Nonce::new(terms("a"));
        assert_eq!(nonce.issue(), Some(1));
        nonce.take_back(1);
        assert_eq!([nonce.issue(), nonce.issue()], [Some(1), Some(2)]);
        nonce.take_back(1);
        assert_eq!(nonce.issue(), Some(3));
    }

    #[test]
    fn a_clients_nonce_is_hexadecimal() {
        let nonce = ClientNonce::new(Entropy::new([0xa5; 32]));
        assert_eq!(nonce.as_bytes(), "a5".repeat(16).as_bytes());
        assert_eq!(format!("{nonce:?}"), "ClientNonce(..)");
    }
}
