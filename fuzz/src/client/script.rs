//! Where the choices of a world come from: a fuzzer's octets, or a seed.

use std::sync::{Arc, Mutex, PoisonError};

/// Choices, one after the other. Clones draw from the same source.
#[derive(Clone)]
pub(super) struct Script(Arc<Mutex<Source>>);

enum Source {
    /// Behind their end there are only zeros: what is chosen first, which is the honest thing.
    Octets(Vec<u8>, usize),
    /// The state of a generator (splitmix64) without an end.
    Seed(u64),
}

impl Script {
    pub(super) fn of_octets(octets: &[u8]) -> Self {
        Self(Arc::new(Mutex::new(Source::Octets(octets.to_vec(), 0))))
    }

    pub(super) fn of_seed(seed: u64) -> Self {
        Self(Arc::new(Mutex::new(Source::Seed(seed))))
    }

    fn octet(&self) -> u8 {
        match &mut *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            Source::Octets(octets, at) => {
                let octet = octets.get(*at).copied().unwrap_or_default();
                *at += 1;
                octet
            }
            Source::Seed(state) => {
                *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
                let mut mixed = *state;
                mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
                mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
                (mixed ^ (mixed >> 31)).to_le_bytes()[7]
            }
        }
    }

    /// Less than `bound`, which is at most 65,536.
    pub(super) fn below(&self, bound: usize) -> usize {
        let high = if bound > 256 { usize::from(self.octet()) << 8 } else { 0 };
        (high | usize::from(self.octet())) % bound
    }

    pub(super) fn choose<T: Clone>(&self, among: &[T]) -> T {
        among[self.below(among.len())].clone()
    }

    /// In so many of 256 cases; not by a zero.
    pub(super) fn happens(&self, odds: u8) -> bool {
        u8::MAX - self.octet() < odds
    }

    pub(super) fn yes(&self) -> bool {
        self.happens(128)
    }
}
