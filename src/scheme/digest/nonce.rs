//! The server's nonce and the count of the requests that used it (RFC 7616, section 3.4).

use std::collections::VecDeque;
use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use super::algorithm::Hex;
use super::response;
use super::terms::Terms;
use crate::mechanism::Entropy;

/// A nonce of the client's own, for one request.
#[derive(Clone)]
pub struct ClientNonce(Arc<str>);

impl ClientNonce {
    /// 32 hexadecimal digits: the first 16 octets of the entropy.
    pub fn new(entropy: Entropy) -> Self {
        let octets = entropy.octets().iter().take(16);
        Self(octets.map(|octet| format!("{octet:02x}")).collect::<String>().into())
    }

    /// As the published examples have it.
    #[cfg(test)]
    pub(crate) fn verbatim(text: &str) -> Self {
        Self(text.into())
    }

    pub(super) fn text(&self) -> &Arc<str> {
        &self.0
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
pub enum Renewal {
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
pub(super) struct Nonce {
    text: Arc<[u8]>,
    terms: Arc<Terms>,
    /// The last count.
    count: Arc<AtomicU32>,
    session: Arc<OnceLock<SessionKey>>,
    /// When its challenge came, where that was told.
    since: Option<Instant>,
}

impl Nonce {
    /// That of a challenge on these terms.
    pub(super) fn new(terms: Arc<Terms>) -> Self {
        let text = Arc::clone(terms.challenge.nonce());
        Self { text, terms, count: Arc::default(), session: Arc::default(), since: None }
    }

    /// The same, of a challenge that came at this time.
    pub(super) fn since(self, now: Instant) -> Self {
        Self { since: Some(now), ..self }
    }

    /// The one that is to come after it. A session goes on (RFC 7616, section 3.4.2).
    pub(super) fn followed_by(&self, text: Arc<[u8]>) -> Self {
        Self { text, count: Arc::default(), since: None, ..self.clone() }
    }

    /// The same on these terms, to which the server came back: the count goes on, and another session
    /// begins.
    fn on(&self, terms: Arc<Terms>) -> Self {
        let session = if self.session.get().is_none() { Arc::clone(&self.session) } else { Arc::default() };
        Self { terms, session, ..self.clone() }
    }

    pub(super) fn text(&self) -> &Arc<[u8]> {
        &self.text
    }

    /// Whether it is the same one.
    pub(super) fn is(&self, other: &Self) -> bool {
        self.text == other.text
    }

    /// How long it has been known; long, if nobody knows.
    pub(super) fn age(&self, now: Instant) -> Duration {
        self.since.map_or(Duration::MAX, |since| now.saturating_duration_since(since))
    }

    pub(super) fn terms(&self) -> &Arc<Terms> {
        &self.terms
    }

    /// The last count; 0 before the first.
    pub(super) fn count(&self) -> u32 {
        self.count.load(Relaxed)
    }

    /// The next count: 1, 2, 3, …; `None` when eight digits have no more.
    pub(super) fn issue(&self) -> Option<u32> {
        let before = self.count.fetch_update(Relaxed, Relaxed, |count| count.checked_add(1)).ok()?;
        Some(before + 1)
    }

    /// A request with this count was not sent. Nobody has seen it, unless another one followed.
    pub(super) fn take_back(&self, count: u32) {
        let _ = self.count.compare_exchange(count, count - 1, Relaxed, Relaxed);
    }

    /// The key of its session, which begins with the first request.
    pub(super) fn session(&self, cnonce: &ClientNonce) -> &SessionKey {
        self.session.get_or_init(|| {
            let hash = self.terms.challenge.algorithm().hash();
            let key = response::session_key(hash, &self.terms.login.key, &self.text, cnonce.text());
            SessionKey { key: Arc::new(key), cnonce: cnonce.clone() }
        })
    }
}

/// The key of an algorithm with `-sess`, and the client's nonce that it was made with.
///
/// It lives from one challenge to the next, a `nextnonce` between them changes neither (RFC 7616,
/// section 3.4.2). The client's nonce stays the same as well: servers that keep no sessions make
/// the key anew from what each request says.
#[derive(Clone)]
pub(super) struct SessionKey {
    pub(super) key: Arc<Hex>,
    pub(super) cnonce: ClientNonce,
}

/// The nonce that requests share, and others that are known.
pub(super) struct Nonces {
    present: Nonce,
    /// The latest last: a server may come back to one.
    known: VecDeque<Nonce>,
    /// Those that came with a challenge which ended its connection.
    unused: Vec<Nonce>,
}

impl Nonces {
    const MAX_KNOWN: usize = 8;

    pub(super) fn new(present: Nonce) -> Self {
        Self { present, known: VecDeque::new(), unused: Vec::new() }
    }

    pub(super) fn present(&self) -> &Nonce {
        &self.present
    }

    /// The nonce of a challenge on these terms: a new one, or one that is known.
    pub(super) fn on(&self, terms: Arc<Terms>) -> Nonce {
        let text = terms.challenge.nonce();
        match self.known(text) {
            Some(known) => known.on(terms),
            None => Nonce::new(terms),
        }
    }

    /// The one to come after `nonce`.
    pub(super) fn after(&self, nonce: &Nonce, text: Arc<[u8]>) -> Nonce {
        let next = nonce.followed_by(text);
        match self.known(&next.text) {
            Some(known) => Nonce { count: Arc::clone(&known.count), ..next },
            None => next,
        }
    }

    /// Requests share this one from now on.
    pub(super) fn share(&mut self, nonce: Nonce) -> Renewal {
        if self.present.text == nonce.text {
            self.present = nonce;
            return Renewal::Unchanged;
        }
        self.known.retain(|known| known.text != nonce.text);
        if self.known.len() == Self::MAX_KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(mem::replace(&mut self.present, nonce));
        Renewal::Replaced
    }

    /// Keeps a nonce for a request on another connection.
    pub(super) fn keep_unused(&mut self, nonce: Nonce) {
        if self.unused.len() < Self::MAX_KNOWN {
            self.unused.push(nonce);
        }
    }

    /// The one that was kept last.
    pub(super) fn take_unused(&mut self) -> Option<Nonce> {
        self.unused.pop()
    }

    fn known(&self, text: &Arc<[u8]>) -> Option<&Nonce> {
        [&self.present].into_iter().chain(&self.known).find(|known| known.text == *text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::challenge::Challenges;
    use crate::credentials::Credentials;
    use crate::scheme::digest::challenge::DigestChallenge;
    use crate::scheme::digest::policy::DigestCharset;
    use crate::scheme::digest::user;

    fn terms(nonce: &str) -> Arc<Terms> {
        let value = format!("Digest realm=lab, nonce={nonce}, qop=auth");
        let challenges = Challenges::from_value(value.as_bytes());
        let challenge = DigestChallenge::parse(challenges.iter().next().expect("one")).expect("good");
        let carol = Credentials::password("carol", "carol-pw");
        let login = user::log_in(&carol, &challenge, DigestCharset::default()).expect("a login");
        Arc::new(Terms { challenge, login: Arc::new(login) })
    }

    #[test]
    fn a_count_begins_with_each_nonce_and_goes_on_where_it_comes_back() {
        let mut nonces = Nonces::new(Nonce::new(terms("a")));
        let issue = |nonces: &Nonces| nonces.present().issue();
        fn share(nonces: &mut Nonces, text: &str) -> Renewal {
            nonces.share(nonces.on(terms(text)))
        }
        assert_eq!([issue(&nonces), issue(&nonces)], [Some(1), Some(2)]);
        assert_eq!(share(&mut nonces, "a"), Renewal::Unchanged);
        assert_eq!(issue(&nonces), Some(3));
        assert_eq!(share(&mut nonces, "b"), Renewal::Replaced);
        assert_eq!(issue(&nonces), Some(1));
        assert_eq!(share(&mut nonces, "a"), Renewal::Replaced);
        assert_eq!(issue(&nonces), Some(4));
        for i in 0..100 {
            share(&mut nonces, &format!("n{i}"));
        }
        assert_eq!(nonces.known.len(), Nonces::MAX_KNOWN);
        nonces.present().count.store(u32::MAX, Relaxed);
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
        assert_eq!(&**nonce.text(), "a5".repeat(16));
        assert_eq!(format!("{nonce:?}"), "ClientNonce(..)");
    }
}
