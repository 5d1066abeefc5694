use std::fmt;
use std::time::{Duration, Instant};

/// Credentials rest: they are not sent until it ends, and every request gets the server's own answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Pause {
    /// Why they rest.
    pub cause: PauseCause,
    /// When it ends, by the clock that the handshake is [told](crate::mechanism::Moments::instant).
    pub ends: Instant,
    /// How long it was from the answer that began it, or from the request that waited, to its end.
    pub length: Duration,
}

/// Why credentials rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PauseCause {
    /// They were accepted before, and refused several times where they had been.
    Refused,
    /// They were accepted before, and refused several times, also where they had never been tried. A
    /// request for what they were accepted for still goes.
    RefusedElsewhere,
    /// Several logins in a row ended without an answer.
    Unanswered,
    /// The KDC says that the account is locked.
    Locked,
    /// Other requests have been trying them for as long as one waits, without an answer.
    Busy,
}

impl Pause {
    /// `None` beyond what the clock can hold, or where it has no length.
    pub(super) fn new(cause: PauseCause, now: Instant, length: Duration) -> Option<Self> {
        let ends = now.checked_add(length).filter(|_| !length.is_zero())?;
        Some(Self { cause, ends, length })
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = self.length.as_secs().max(1);
        match self.cause {
            PauseCause::Refused => write!(
                f,
                "not tried: these credentials were accepted before and have been refused since (was the \
                 password changed?), so they rest for {length} s"
            ),
            PauseCause::RefusedElsewhere => write!(
                f,
                "not tried: these credentials have been refused several times in a row, so they rest for \
                 {length} s, except where they were accepted before"
            ),
            PauseCause::Unanswered => write!(
                f,
                "not tried: several logins in a row ended without an answer, so these credentials rest for \
                 {length} s"
            ),
            PauseCause::Locked => {
                write!(f, "not tried: the KDC says that the account is locked, so it rests for {length} s")
            }
            PauseCause::Busy => {
                f.write_str("not tried: other requests are trying these credentials and have no answer yet")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_says_why_and_for_how_long() {
        let now = Instant::now();
        for (cause, words) in [
            (PauseCause::Refused, "was the password changed?), so they rest for 300 s"),
            (PauseCause::RefusedElsewhere, "for 300 s, except where they were accepted before"),
            (PauseCause::Unanswered, "ended without an answer, so these credentials rest for 300 s"),
            (PauseCause::Locked, "the account is locked, so it rests for 300 s"),
            (PauseCause::Busy, "other requests are trying these credentials and have no answer yet"),
        ] {
            let pause = Pause::new(cause, now, Duration::from_secs(300)).expect("it has a length");
            let said = pause.to_string();
            assert!(said.starts_with("not tried: ") && said.ends_with(words), "{said}");
        }
        assert!(Pause::new(PauseCause::Busy, now, Duration::ZERO).is_none());
    }
}
