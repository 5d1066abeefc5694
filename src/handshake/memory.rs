//! What an origin is known to want, shared by all connections to it.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::Uri;
use http::uri::Authority;

use crate::handshake::latest::LatestChallenge;
use crate::handshake::legs::Legs;
use crate::handshake::version::HttpVersion;
use crate::mechanism::Binding;
use crate::protection_space::{Challenger, Origin, Paths, Realm};
use crate::scheme::Knowledge;

/// What one challenger is known to want. Hints only: a challenge always has the last word.
///
/// At most [`MAX_SPACES`](Self::MAX_SPACES) protection spaces are kept, of challenges of
/// [`MAX_OCTETS`](Self::MAX_OCTETS) in all; the least recently used one makes room. What a single
/// challenge of a quarter of that says is not kept.
#[derive(Debug, Default)]
pub struct OriginMemory {
    /// The most recently used last.
    spaces: Mutex<Vec<SpaceMemory>>,
    /// Of a proxy: whether it said last that it ties its clients' connections to those to a server.
    ties_connections: AtomicBool,
    /// Only HTTP/1.1 will do.
    needs_http1: AtomicBool,
    /// It was of no use to have a body wait for `100 Continue`.
    never_says_continue: AtomicBool,
    /// Targets that turned out to ask for nothing when a request spoke first, the latest last.
    ask_for_nothing: Mutex<VecDeque<u64>>,
    legs: Arc<Legs>,
}

/// What is wanted in one protection space.
#[derive(Debug)]
struct SpaceMemory {
    wants: Wants,
    paths: Paths,
    known: KnownSpace,
    /// How large its challenges are.
    octets: usize,
}

/// What is known of a protection space.
#[derive(Clone, Debug, Default)]
pub(super) struct KnownSpace {
    /// What its scheme keeps.
    pub(super) knowledge: Knowledge,
    pub(super) latest: Arc<LatestChallenge>,
}

/// A scheme, its realm, and what it came to be tied to.
#[derive(Clone, Debug)]
pub(crate) struct Wants {
    pub(crate) scheme: &'static str,
    pub(crate) realm: Option<Realm>,
    binding: Binding,
}

impl Wants {
    pub(crate) fn is(&self, scheme: &str, realm: Option<&Realm>) -> bool {
        self.scheme == scheme && self.realm.as_ref() == realm
    }
}

impl OriginMemory {
    /// How many protection spaces are kept of one origin.
    pub const MAX_SPACES: usize = 16;

    /// How many octets the challenges may have that are kept of one origin.
    pub const MAX_OCTETS: usize = 64 * 1024;

    /// Returns the scheme that was last in use, in its registered spelling.
    pub fn scheme(&self) -> Option<&'static str> {
        self.spaces().last().map(|space| space.wants.scheme)
    }

    /// Returns what that scheme is tied to.
    pub fn binding(&self) -> Option<Binding> {
        self.spaces().last().map(|space| space.wants.binding)
    }

    /// Returns which HTTP version to use.
    pub fn version(&self) -> HttpVersion {
        match self.needs_http1.load(Relaxed) {
            true => HttpVersion::Http1,
            false => HttpVersion::Any,
        }
    }

    pub(crate) fn need_http1(&self) {
        self.needs_http1.store(true, Relaxed);
    }

    /// Whether a body may wait for `100 Continue`.
    pub(crate) fn may_say_continue(&self) -> bool {
        !self.never_says_continue.load(Relaxed)
    }

    /// It was not said in time, the server does not know of it (HTTP/1.0), or it has refused to.
    pub(crate) fn note_never_says_continue(&self) {
        self.never_says_continue.store(true, Relaxed);
    }

    pub(crate) fn ties_connections(&self) -> bool {
        self.ties_connections.load(Relaxed)
    }

    pub(crate) fn set_ties_connections(&self, ties: bool) {
        self.ties_connections.store(ties, Relaxed);
    }

    /// What is wanted for a path: in the protection space that speaks for most of it, of several the
    /// last in use.
    pub(crate) fn wants(&self, path: &str) -> Option<Wants> {
        let mut spaces = self.spaces();
        let (_, at) = spaces
            .iter()
            .enumerate()
            .filter_map(|(at, space)| Some((space.paths.contain(path)?, at)))
            .max()?;
        // It is the last in use from now on.
        spaces[at..].rotate_left(1);
        spaces.last().map(|space| space.wants.clone())
    }

    /// `scheme` was chosen, by a challenge of this size that speaks for these paths; without one, a
    /// space that is new is the whole origin. Gives what is known of it.
    pub(super) fn remember(
        &self,
        scheme: &'static str,
        realm: Option<Realm>,
        binding: Binding,
        challenge: Option<(Paths, usize)>,
    ) -> KnownSpace {
        if binding == Binding::Connection {
            self.need_http1();
        }
        let (paths, octets) = challenge.map_or((None, 0), |(paths, octets)| (Some(paths), octets));
        // One challenge must not push out what is known of all other spaces.
        if octets > Self::MAX_OCTETS / 4 {
            return KnownSpace::default();
        }
        let mut spaces = self.spaces();
        let known = spaces.iter().position(|space| space.wants.is(scheme, realm.as_ref()));
        match known {
            Some(at) => {
                if let Some(paths) = paths {
                    spaces[at].paths.extend(paths);
                }
                spaces[at].octets = spaces[at].octets.max(octets);
                spaces[at..].rotate_left(1);
            }
            None => spaces.push(SpaceMemory {
                wants: Wants { scheme, realm, binding },
                paths: paths.unwrap_or(Paths::All),
                known: KnownSpace::default(),
                octets,
            }),
        }
        let is_too_much = |spaces: &[SpaceMemory]| {
            spaces.len() > Self::MAX_SPACES
                || spaces.iter().map(|space| space.octets).sum::<usize>() > Self::MAX_OCTETS
        };
        // The one that was used longest ago is the first.
        while is_too_much(&spaces) {
            spaces.remove(0);
        }
        let space = spaces.last_mut().expect("one was just put there");
        space.wants.binding = binding;
        space.known.clone()
    }

    /// What is known of a protection space.
    pub(super) fn known(&self, scheme: &str, realm: Option<&Realm>) -> Option<KnownSpace> {
        let spaces = self.spaces();
        spaces.iter().find(|space| space.wants.is(scheme, realm)).map(|space| space.known.clone())
    }

    /// The legs that may be challenged.
    pub(super) fn legs(&self) -> &Arc<Legs> {
        &self.legs
    }

    /// A request for this target spoke first, and was not challenged for it: the next one listens.
    pub(crate) fn note_asks_for_nothing(&self, target: &Uri) {
        let (mut targets, target) = (self.ask_for_nothing(), hashed(target));
        targets.retain(|known| *known != target);
        if targets.len() == Self::MAX_SPACES {
            targets.pop_front();
        }
        targets.push_back(target);
    }

    /// A request for this target was challenged.
    pub(crate) fn note_challenge(&self, target: &Uri) {
        let mut targets = self.ask_for_nothing();
        // As a rule there are none, and hashing a target costs something with every challenge.
        if !targets.is_empty() {
            let target = hashed(target);
            targets.retain(|known| *known != target);
        }
    }

    /// Whether speaking first was of no use at this target, and nothing was heard to the contrary since.
    pub(crate) fn asks_for_nothing(&self, target: &Uri) -> bool {
        let targets = self.ask_for_nothing();
        !targets.is_empty() && targets.contains(&hashed(target))
    }

    fn ask_for_nothing(&self) -> MutexGuard<'_, VecDeque<u64>> {
        self.ask_for_nothing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `scheme` is no longer wanted.
    pub(crate) fn forget(&self, scheme: &'static str, realm: Option<&Realm>) {
        self.spaces().retain(|space| !space.wants.is(scheme, realm));
    }

    /// What a login came to be tied to.
    pub(crate) fn bind(&self, scheme: &'static str, realm: Option<&Realm>, binding: Binding) {
        let mut spaces = self.spaces();
        if let Some(space) = spaces.iter_mut().find(|space| space.wants.is(scheme, realm)) {
            space.wants.binding = binding;
        }
    }

    fn spaces(&self) -> MutexGuard<'_, Vec<SpaceMemory>> {
        self.spaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A target without its query. Two of one hash are taken for one: that costs a leg.
fn hashed(target: &Uri) -> u64 {
    let mut hasher = DefaultHasher::new();
    (target.authority().map(Authority::as_str), target.path()).hash(&mut hasher);
    hasher.finish()
}

/// Memories by challenger and exact origin; the least recently used one makes room.
#[derive(Debug)]
pub(crate) struct Memories {
    entries: Mutex<OriginEntries>,
    capacity: usize,
}

type Key = (Challenger, Origin);

#[derive(Debug, Default)]
struct OriginEntries {
    by_origin: HashMap<Key, (Arc<OriginMemory>, u64)>,
    /// The same by when they were last used.
    by_use: BTreeMap<u64, Key>,
    uses: u64,
    /// The one that was used last, which is mostly the next one as well: another use of it changes nothing.
    latest: Option<(Key, Arc<OriginMemory>)>,
}

impl Memories {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity: capacity.max(1) }
    }

    pub(crate) fn of(&self, challenger: Challenger, origin: &Origin) -> Arc<OriginMemory> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let OriginEntries { by_origin, by_use, uses, latest } = &mut *entries;
        if let Some((key, memory)) = latest {
            if key.0 == challenger && key.1 == *origin {
                return Arc::clone(memory);
            }
        }
        *uses += 1;
        let key = (challenger, origin.clone());
        if let Some((memory, used)) = by_origin.get_mut(&key) {
            *latest = Some((key.clone(), Arc::clone(memory)));
            by_use.remove(used);
            by_use.insert(*uses, key);
            *used = *uses;
            return Arc::clone(memory);
        }
        if by_origin.len() >= self.capacity {
            if let Some((_, oldest)) = by_use.pop_first() {
                by_origin.remove(&oldest);
            }
        }
        let memory = Arc::new(OriginMemory::default());
        *latest = Some((key.clone(), Arc::clone(&memory)));
        by_use.insert(*uses, key.clone());
        by_origin.insert(key, (Arc::clone(&memory), *uses));
        memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_recently_used_origin_makes_room() {
        let memories = Memories::new(2);
        let origin = |name: &str| format!("http://{name}.example").parse::<Origin>().expect("an origin");
        let a = memories.of(Challenger::Origin, &origin("a"));
        a.remember("NTLM", None, Binding::Connection, None);
        memories.of(Challenger::Origin, &origin("b"));
        memories.of(Challenger::Origin, &origin("a"));
        memories.of(Challenger::Origin, &origin("c"));
        assert_eq!(memories.of(Challenger::Origin, &origin("a")).scheme(), Some("NTLM"));
        assert_eq!(memories.entries.lock().expect("not poisoned").by_origin.len(), 2);
    }

    #[test]
    fn a_hundred_thousand_origins_stay_within_the_bound() {
        let memories = Memories::new(1024);
        let favourite: Origin = "https://favourite.example".parse().expect("an origin");
        memories.of(Challenger::Origin, &favourite).remember("NTLM", None, Binding::Connection, None);
        for i in 0..100_000 {
            let origin: Origin = format!("https://host{i}.example").parse().expect("an origin");
            let realm = Some(Realm::from("a realm"));
            memories.of(Challenger::Origin, &origin).remember("Digest", realm, Binding::Request, None);
            assert_eq!(memories.of(Challenger::Origin, &favourite).scheme(), Some("NTLM"), "it is in use");
        }
        let entries = memories.entries.lock().expect("not poisoned");
        assert_eq!((entries.by_origin.len(), entries.by_use.len()), (1024, 1024));
    }

    #[test]
    fn a_path_lies_in_the_space_that_speaks_for_most_of_it() {
        let memory = OriginMemory::default();
        let realm = |name: &str| Some(Realm::from(name));
        memory.remember("Basic", realm("outer"), Binding::Request, Some((Paths::beside("/a/"), 0)));
        memory.remember("Basic", realm("inner"), Binding::Request, Some((Paths::beside("/a/b/"), 0)));
        memory.remember("Digest", realm("outer"), Binding::Request, Some((Paths::beside("/a/"), 0)));
        let space = |path: &str| memory.wants(path).map(|wants| (wants.scheme, wants.realm));
        assert_eq!(space("/a/b/c"), Some(("Basic", realm("inner"))));
        assert_eq!(space("/a/x"), Some(("Digest", realm("outer"))), "the last one in use");
        assert_eq!(space("/"), None);
        memory.remember("NTLM", None, Binding::Connection, None);
        assert_eq!(space("/"), Some(("NTLM", None)));
    }

    #[test]
    fn a_target_asks_for_nothing_until_it_challenges() {
        let memory = OriginMemory::default();
        let target = |path: &str| path.parse::<Uri>().expect("a target");
        memory.note_asks_for_nothing(&target("/a?b"));
        assert!(memory.asks_for_nothing(&target("/a")) && !memory.asks_for_nothing(&target("/b")));
        memory.note_challenge(&target("/a?c"));
        assert!(!memory.asks_for_nothing(&target("/a")));
        for i in 0..1000 {
            memory.note_asks_for_nothing(&target(&format!("/{i}")));
        }
        assert_eq!(memory.ask_for_nothing().len(), OriginMemory::MAX_SPACES);
        assert!(memory.asks_for_nothing(&target("/999")));
    }

    #[test]
    fn an_origin_of_many_realms_stays_small() {
        let memory = OriginMemory::default();
        for i in 0..1000 {
            let realm = Some(Realm::from(format!("realm {i}")));
            memory.remember("Basic", realm, Binding::Request, Some((Paths::beside(&format!("/{i}/")), 0)));
            assert!(memory.wants("/0/").is_some(), "it is in use");
        }
        assert_eq!(memory.spaces().len(), OriginMemory::MAX_SPACES);
    }

    #[test]
    fn an_origin_of_large_challenges_stays_small() {
        let memory = OriginMemory::default();
        for i in 0..100 {
            let realm = Some(Realm::from(format!("realm {i}")));
            let challenge = Some((Paths::beside(&format!("/{i}/")), 12 * 1024));
            memory.remember("Digest", realm, Binding::Request, challenge);
            assert!(memory.wants(&format!("/{i}/")).is_some(), "the last one is kept");
        }
        assert_eq!(memory.spaces().len(), 5);
        let large = Some((Paths::All, 20 * 1024));
        memory.remember("Digest", Some("large".into()), Binding::Request, large);
        assert!(memory.wants("/").is_none());
    }

    #[test]
    fn a_challenge_of_a_quarter_of_what_is_kept_is_the_largest_that_is() {
        let memory = OriginMemory::default();
        for (octets, is_kept) in
            [(OriginMemory::MAX_OCTETS / 4 + 1, false), (OriginMemory::MAX_OCTETS / 4, true)]
        {
            memory.remember("Digest", None, Binding::Request, Some((Paths::All, octets)));
            assert_eq!(memory.wants("/").is_some(), is_kept, "{octets}");
        }
    }

    #[test]
    fn a_space_is_forgotten_and_bound_without_the_others() {
        let memory = OriginMemory::default();
        let realm = Realm::from("a realm");
        memory.remember("NTLM", None, Binding::Connection, None);
        memory.remember("Negotiate", None, Binding::Connection, None);
        memory.remember("Digest", Some(realm.clone()), Binding::Request, Some((Paths::beside("/a/"), 0)));
        memory.bind("Negotiate", None, Binding::Request);
        let binding = |path: &str| {
            let wants = memory.wants(path).expect("a space");
            (wants.scheme, memory.binding())
        };
        assert_eq!(binding("/a/b"), ("Digest", Some(Binding::Request)));
        assert_eq!(binding("/"), ("Negotiate", Some(Binding::Request)));
        memory.forget("Negotiate", Some(&realm));
        assert_eq!(binding("/").0, "Negotiate", "it is no space of that realm");
        memory.forget("Negotiate", None);
        assert_eq!(binding("/"), ("NTLM", Some(Binding::Connection)));
        memory.forget("Digest", Some(&realm));
        assert_eq!(binding("/a/b").0, "NTLM");
    }

    #[test]
    fn a_proxy_and_an_origin_of_one_name_are_remembered_apart() {
        let memories = Memories::new(8);
        let host: Origin = "http://host.example".parse().expect("an origin");
        memories.of(Challenger::Proxy, &host).remember("NTLM", None, Binding::Connection, None);
        assert_eq!(memories.of(Challenger::Origin, &host).scheme(), None);
    }

    #[test]
    fn as_many_large_challenges_are_kept_as_there_is_room_for() {
        let memory = OriginMemory::default();
        for number in 0..6 {
            let realm = Some(Realm::from(format!("realm {number}")));
            let challenge = Some((Paths::All, OriginMemory::MAX_OCTETS / 4));
            memory.remember("Digest", realm, Binding::Request, challenge);
        }
        assert_eq!(memory.spaces().len(), 4);
    }

    #[test]
    fn a_body_waits_for_the_servers_word_until_that_was_of_no_use() {
        let memory = OriginMemory::default();
        assert!(memory.may_say_continue());
        memory.note_never_says_continue();
        assert!(!memory.may_say_continue());
    }
}
