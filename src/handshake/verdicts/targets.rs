use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

use http::Method;

/// A request's method and path, by their hash. It takes a few instructions, since each request on an
/// established connection leaves one, and what a caller asks for is no attacker's choice: two that are
/// taken for one are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(in crate::handshake) struct Target(u64);

impl Target {
    #[inline]
    pub(in crate::handshake) fn of(method: &Method, path: &str) -> Self {
        let mut hash = path.len() as u64;
        for text in [method.as_str().as_bytes(), path.as_bytes()] {
            let words = text.chunks_exact(8);
            let rest = words.remainder().iter().fold(0, |rest, octet| rest << 8 | u64::from(*octet));
            for word in words {
                hash = mixed(hash, u64::from_le_bytes(word.try_into().expect("it has eight octets")));
            }
            hash = mixed(hash, rest);
        }
        Self(hash)
    }
}

/// For targets, which are hashes already.
#[derive(Clone, Debug, Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, _: &[u8]) {
        unreachable!("a target is a 64-bit number")
    }

    /// A table looks at the lowest bits and the highest, and in products only the upper ones depend on all of the rest.
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash ^ hash >> 32;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// As in FxHash, which the Rust compiler uses.
fn mixed(hash: u64, word: u64) -> u64 {
    (hash.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95)
}

/// Requests that something was seen of; the latest few hundred.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets {
    recent: HashSet<Target, BuildHasherDefault<Hashed>>,
    older: HashSet<Target, BuildHasherDefault<Hashed>>,
}

impl Targets {
    /// How many are kept at least.
    const MIN: usize = 128;

    pub(super) fn note(&mut self, target: Target) {
        if self.contains(target) {
            return;
        }
        if self.recent.len() >= Self::MIN {
            self.older = std::mem::take(&mut self.recent);
        }
        self.recent.insert(target);
    }

    pub(super) fn contains(&self, target: Target) -> bool {
        self.recent.contains(&target) || self.older.contains(&target)
    }

    /// About how much memory they take.
    pub(super) fn octets(&self) -> usize {
        (self.recent.capacity() + self.older.capacity()) * (size_of::<Target>() + 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_differs_in_method_or_path_is_another_target() {
        let mut all = HashSet::new();
        let methods = [Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH];
        for method in &methods {
            for i in 0..1000 {
                for path in [
                    format!("/{i}"),
                    format!("/items/{i}/view"),
                    format!("/a/long/path/with/{i}/in/the/middle"),
                ] {
                    assert!(all.insert(Target::of(method, &path)), "{method} {path}");
                }
            }
        }
    }

    #[test]
    fn their_memory_is_that_of_both_halves() {
        let mut targets = Targets::default();
        let mut note = |count: usize| {
            for number in 0..count {
                targets.note(Target::of(&Method::GET, &format!("/{count}/{number}")));
            }
            let each = size_of::<Target>() + 2;
            let halves = [&targets.recent, &targets.older].map(|half| half.capacity() * each);
            assert_eq!(targets.octets(), halves[0] + halves[1]);
            halves.map(|octets| octets > 0)
        };
        assert_eq!(note(0), [false, false]);
        assert_eq!(note(Targets::MIN), [true, false]);
        assert_eq!(note(1), [true, true], "the larger one is the older");
    }
}
