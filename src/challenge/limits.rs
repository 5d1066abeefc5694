//! How much is read of one response. [`Challenges`](super::Challenges) has the same numbers for callers.

/// How many challenges, malformed ones included.
pub(super) const MAX_CHALLENGES: usize = 32;

/// How many parameters of a challenge.
pub(super) const MAX_PARAMS: usize = 32;

/// How many octets.
pub(super) const MAX_OCTETS: usize = 128 * 1024;
