//! What an origin is known to want, shared by all connections to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use crate::mechanism::Binding;
use crate::protection_space::{Challenger, Origin, Realm};

/// The highest HTTP version that an origin's authentication works over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum HttpVersion {
    /// Nothing speaks against the newest.
    #[default]
    Any,
    /// A connection-bound scheme was met: HTTP/1.1 alone.
    Http1,
}

/// What one challenger is known to want. Hints only: a challenge always has the last word.
#[derive(Debug, Default)]
pub struct OriginMemory {
    wants: Mutex<Wants>,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Wants {
    pub(crate) scheme: Option<&'static str>,
    pub(crate) realm: Option<Realm>,
    pub(crate) binding: Option<Binding>,
    pub(crate) version: HttpVersion,
}

impl OriginMemory {
    /// The scheme to begin with, in its registered spelling.
    pub fn scheme(&self) -> Option<&'static str> {
        self.wants().scheme
    }

    /// What that scheme is tied to.
    pub fn binding(&self) -> Option<Binding> {
        self.wants().binding
    }

    /// Which HTTP version to use.
    pub fn version(&self) -> HttpVersion {
        self.wants().version
    }

    pub(crate) fn wants(&self) -> Wants {
        self.wants.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A challenge for `scheme` was chosen.
    pub(crate) fn remember(&self, scheme: &'static str, realm: Option<Realm>, binding: Binding) {
        let version = match binding {
            Binding::Connection => HttpVersion::Http1,
            Binding::Request => HttpVersion::Any,
        };
        *self.wants.lock().unwrap_or_else(PoisonError::into_inner) =
            Wants { scheme: Some(scheme), realm, binding: Some(binding), version };
    }
}

/// Memories by challenger and exact origin; the least recently used one makes room.
#[derive(Debug)]
pub(crate) struct Memories {
    entries: Mutex<Entries>,
    capacity: usize,
}

#[derive(Debug, Default)]
struct Entries {
    by_origin: HashMap<(Challenger, Origin), (Arc<OriginMemory>, u64)>,
    uses: u64,
}

impl Memories {
    pub(crate) fn new(capacity: usize) -> Self {
        Self { entries: Mutex::default(), capacity: capacity.max(1) }
    }

    pub(crate) fn of(&self, challenger: Challenger, origin: &Origin) -> Arc<OriginMemory> {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.uses += 1;
        let now = entries.uses;
        let key = (challenger, origin.clone());
        if let Some((memory, used)) = entries.by_origin.get_mut(&key) {
            *used = now;
            return Arc::clone(memory);
        }
        if entries.by_origin.len() >= self.capacity {
            let oldest =
                entries.by_origin.iter().min_by_key(|(_, (_, used))| *used).map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                entries.by_origin.remove(&oldest);
            }
        }
        let memory = Arc::new(OriginMemory::default());
        entries.by_origin.insert(key, (Arc::clone(&memory), now));
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
        a.remember("NTLM", None, Binding::Connection);
        memories.of(Challenger::Origin, &origin("b"));
        memories.of(Challenger::Origin, &origin("a"));
        memories.of(Challenger::Origin, &origin("c"));
        assert_eq!(memories.of(Challenger::Origin, &origin("a")).scheme(), Some("NTLM"));
        assert_eq!(memories.entries.lock().expect("not poisoned").by_origin.len(), 2);
    }

    #[test]
    fn a_proxy_and_an_origin_of_one_name_are_remembered_apart() {
        let memories = Memories::new(8);
        let host: Origin = "http://host.example".parse().expect("an origin");
        memories.of(Challenger::Proxy, &host).remember("NTLM", None, Binding::Connection);
        assert_eq!(memories.of(Challenger::Origin, &host).scheme(), None);
    }
}
