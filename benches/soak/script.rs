//! What is drawn by the seed.

/// Numbers that a seed gives (SplitMix64).
pub(crate) struct Draw(u64);

impl Draw {
    pub(crate) fn of(seed: [u64; 3]) -> Self {
        let mut draw = Self(0);
        for part in seed {
            draw.0 ^= part;
            draw.0 = draw.next();
        }
        draw
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }
}

/// What is to become of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Get,
    /// With so many octets of content.
    Post(usize),
    /// Without a login, where none is asked for.
    Public,
    /// The future is dropped when it has been polled so often.
    GivenUp(usize),
    /// The response is dropped before its content.
    Unread,
    /// The connection ends behind each answer, which says so.
    ClosedAfter,
    /// The same, and no answer says so.
    ClosedUnannounced,
    /// The connection ends when so many octets of an answer other than 401 have been sent.
    CutInAnswer(usize),
    /// The connection ends when so many octets of a 401 have been sent: in the middle of a login.
    CutInChallenge(usize),
}

impl Plan {
    pub(crate) fn drawn(draw: &mut Draw) -> Self {
        match draw.below(1_000) {
            0..640 => Self::Get,
            640..760 => Self::Post(draw.below(2_000)),
            760..790 => Self::Public,
            790..890 => Self::GivenUp(1 + draw.below(8)),
            890..910 => Self::Unread,
            910..930 => Self::ClosedAfter,
            930..940 => Self::ClosedUnannounced,
            // The answers have about 250 octets.
            940..970 => Self::CutInAnswer(draw.below(300)),
            _ => Self::CutInChallenge(draw.below(300)),
        }
    }

    /// What a path begins with, so that the server does its part.
    pub(crate) fn path(self) -> String {
        match self {
            Self::Get | Self::Post(_) | Self::GivenUp(_) | Self::Unread => "/page".to_owned(),
            Self::Public => "/public".to_owned(),
            Self::ClosedAfter => CLOSED_AFTER.to_owned(),
            Self::ClosedUnannounced => CLOSED_UNANNOUNCED.to_owned(),
            Self::CutInAnswer(octets) => format!("{CUT_IN_ANSWER}{octets}"),
            Self::CutInChallenge(octets) => format!("{CUT_IN_CHALLENGE}{octets}"),
        }
    }

    /// Whether it may be lost: in the answer, or since the connection ends with each leg of its login.
    pub(crate) fn may_be_lost(self) -> bool {
        match self {
            Self::ClosedAfter | Self::ClosedUnannounced => true,
            Self::CutInAnswer(_) | Self::CutInChallenge(_) => true,
            Self::Get | Self::Post(_) | Self::Public | Self::GivenUp(_) | Self::Unread => false,
        }
    }
}

pub(crate) const CLOSED_AFTER: &str = "/closed-after";
pub(crate) const CLOSED_UNANNOUNCED: &str = "/closed-unannounced";
pub(crate) const CUT_IN_ANSWER: &str = "/cut-answer-";
pub(crate) const CUT_IN_CHALLENGE: &str = "/cut-challenge-";
