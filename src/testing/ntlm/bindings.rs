use std::fmt;

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::bindings_hash::channel_bindings_hash;
use crate::mechanism::ntlm::crypto::same;

/// What an AUTHENTICATE_MESSAGE says of channel bindings, in `MsvAvChannelBindings` (MS-NLMP
/// 2.2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "complete by definition: no pair, or one of 16 octets")]
pub enum SentBindings {
    /// Nothing: there is no such pair.
    Absent,
    /// That there are none: 16 zero octets.
    Zeros,
    /// The MD5 hash of the bindings.
    Hash([u8; 16]),
}

impl SentBindings {
    pub(super) fn of(pair: Option<[u8; 16]>) -> Self {
        match pair {
            None => Self::Absent,
            Some(hash) if hash == [0; 16] => Self::Zeros,
            Some(hash) => Self::Hash(hash),
        }
    }

    /// Returns whether it is the hash of these bindings.
    pub fn are(&self, bindings: &ChannelBindings) -> bool {
        matches!(self, Self::Hash(hash) if same(hash, &channel_bindings_hash(bindings)))
    }
}

impl fmt::Display for SentBindings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Absent => "no channel bindings",
            Self::Zeros => "zero channel bindings",
            Self::Hash(_) => "channel bindings",
        })
    }
}
