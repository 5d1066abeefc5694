//! The difference between two clocks.

use std::time::{Duration, SystemTime};

use crate::mechanism::kerberos::messages::KerberosTime;

/// Less is nothing: a KDC's time is in whole seconds, and has been on its way. Five minutes are allowed.
const TOLERATED: u64 = 60;

/// By how much a KDC's clock is ahead of ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ClockOffset {
    seconds: i64,
}

impl ClockOffset {
    /// The clocks agree.
    pub(crate) const NONE: Self = Self { seconds: 0 };

    /// From our time and the KDC's at the same moment.
    pub(crate) fn between(ours: SystemTime, theirs: KerberosTime) -> Self {
        let (ours, _) = KerberosTime::of(ours);
        if theirs.unix().abs_diff(ours.unix()) <= TOLERATED {
            return Self::NONE;
        }
        // Up to the year 9999, neither is near the end of an i64.
        Self { seconds: theirs.unix() as i64 - ours.unix() as i64 }
    }

    /// The KDC's time now, and the microseconds.
    pub(super) fn time(self, now: SystemTime) -> (KerberosTime, u32) {
        let (time, microseconds) = KerberosTime::of(now);
        (KerberosTime::from_unix(time.unix().saturating_add_signed(self.seconds)), microseconds)
    }

    /// When our clock shows what the KDC has written.
    pub(super) fn ours(self, theirs: KerberosTime) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(theirs.unix().saturating_add_signed(-self.seconds))
    }
}
