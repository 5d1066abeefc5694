use std::time::{Duration, Instant, UNIX_EPOCH};

use legwork::mechanism::{MechanismError, Moment, Moments};

/// The play's own clock: it stands still unless the script has it go on.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    base: Instant,
    pub(super) passed: Duration,
}

impl Clock {
    /// The bounds are 5, 10 and 30 seconds, 5 and 32 minutes.
    pub(super) const STEPS: [Duration; 6] = [
        Duration::from_millis(400),
        Duration::from_secs(5),
        Duration::from_secs(11),
        Duration::from_secs(31),
        Duration::from_secs(5 * 60),
        Duration::from_secs(33 * 60),
    ];

    pub(super) fn new() -> Self {
        Self { base: Instant::now(), passed: Duration::ZERO }
    }

    /// How long after the beginning something is.
    pub(super) fn since_beginning(&self, instant: Instant) -> Duration {
        instant.duration_since(self.base)
    }
}

impl Moments for Clock {
    fn instant(&self) -> Instant {
        self.base + self.passed
    }

    fn moment(&self) -> Result<Moment, MechanismError> {
        Ok(Moment::new(UNIX_EPOCH + self.passed, [7; 32]))
    }
}
