//! What is counted of credentials: in one protection space, and over all of them.

#[cfg(test)]
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::bounds::LockoutBounds;
use super::pause::{Pause, PauseCause};

/// How often what was never accepted may be sent again, since its nonce was replaced.
const MAX_SUPERSEDED: u64 = 2;

/// The counts since the last proof, the pause that they came to, and who may go now.
#[derive(Clone, Debug, Default)]
pub(super) struct Record {
    pub(super) strong: u32,
    pub(super) weak: u32,
    pub(super) undecided: u32,
    pauses: [Pauses; 4],
    /// How many refusals, and logins without an answer, are known.
    known: KnownWhenSent,
    /// A login has succeeded and none was refused since: all may go, unless it was long ago.
    is_open: bool,
    last_login: Option<Instant>,
    window: TrialWindow,
}

/// How much was known when a login was sent. What was sent before the last refusal was known adds
/// nothing to it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct KnownWhenSent {
    refusals: u64,
    undecided: u64,
    superseded: u64,
}

/// The pauses of one cause.
#[derive(Clone, Debug, Default)]
struct Pauses {
    /// How many there were.
    count: usize,
    last: Option<Pause>,
}

/// The logins that go one at a time, or nearly so.
#[derive(Clone, Debug, Default)]
struct TrialWindow {
    /// Those that are under way, and when each was allowed, or sent. The clock is the eldest's: those that follow
    /// one another without a gap would else wait less and less for each other's answers.
    out: Vec<(PlaceNumber, Instant)>,
    /// How many there ever were.
    places: PlaceNumber,
}

/// The number of a login's place in a window.
pub(super) type PlaceNumber = u64;

/// Whether one more may go.
pub(super) enum Room {
    Now,
    /// Not before this, unless a login ends.
    From(Option<Instant>),
}

impl Record {
    pub(super) fn refusals(&self) -> u32 {
        self.strong + self.weak
    }

    /// How many attempts stand against the credentials.
    pub(super) fn standing(&self) -> u32 {
        self.refusals() + self.undecided
    }

    /// Whether as many attempts stand as begin a pause, though not all were refused.
    pub(super) fn is_full(&self, strong_bound: u32, bounds: &LockoutBounds) -> bool {
        self.refusals() > 0 && self.standing() >= bounds.refusals.max(strong_bound)
    }

    /// The pause that it is now; of several, one that nobody is exempt from, and the longest.
    pub(super) fn pause_at(&self, now: Instant) -> Option<Pause> {
        let pauses = self.pauses.iter().filter_map(|pauses| pauses.last);
        pauses
            .filter(|pause| now < pause.ends)
            .max_by_key(|pause| (pause.cause != PauseCause::RefusedElsewhere, pause.ends))
    }

    /// Whether all may go.
    pub(super) fn is_open_at(&self, now: Instant, bounds: &LockoutBounds) -> bool {
        let is_quiet = |last: Instant| now.saturating_duration_since(last) > bounds.quiet;
        self.is_open && !self.last_login.is_none_or(is_quiet)
    }

    /// Whether one more login may go where they go one at a time.
    pub(super) fn room(&mut self, now: Instant, is_accepted: bool, bounds: &LockoutBounds) -> Room {
        if self.is_open {
            // It was open, and there was no login for long.
            self.shut();
        }
        let Some(since) = self.window.out.iter().map(|(_, since)| *since).min() else { return Room::Now };
        let step = bounds.unanswered.max(Duration::from_millis(1));
        let passed = now.saturating_duration_since(since).as_nanos() / step.as_nanos();
        let passed = u32::try_from(passed).unwrap_or(u32::MAX);
        // A login that gets no answer must not hold all others up for ever. With each interval that passes twice as
        // many may go beside it, if the password was accepted before; else one more, and no third.
        let allowed = match is_accepted {
            true => 1_u32.checked_shl(passed).unwrap_or(u32::MAX),
            false => passed.saturating_add(1).min(2),
        };
        if self.out() < allowed {
            return Room::Now;
        }
        let grows = is_accepted || passed == 0;
        Room::From(grows.then(|| since.checked_add(step.saturating_mul(passed.saturating_add(1)))).flatten())
    }

    /// Whether one of those that go one at a time is out.
    pub(super) fn is_busy(&self) -> bool {
        !self.window.out.is_empty()
    }

    fn out(&self) -> u32 {
        u32::try_from(self.window.out.len()).unwrap_or(u32::MAX)
    }

    /// A login may go, as one of those that go one at a time.
    pub(super) fn join(&mut self, now: Instant) -> PlaceNumber {
        self.window.places += 1;
        self.window.out.push((self.window.places, now));
        self.window.places
    }

    /// One of them has ended. That of an earlier window has no place in this one.
    pub(super) fn leave(&mut self, place: Option<PlaceNumber>) {
        self.window.out.retain(|(number, _)| Some(*number) != place);
    }

    /// A login is sent: its clock starts again.
    pub(super) fn sent(&mut self, place: Option<PlaceNumber>, now: Instant) -> KnownWhenSent {
        self.last_login = Some(now);
        if let Some((_, since)) = self.window.out.iter_mut().find(|(number, _)| Some(*number) == place) {
            *since = now;
        }
        self.known
    }

    /// A proof of one that was sent when this much was known. What came before the last refusal
    /// lifts nothing.
    pub(super) fn prove(&mut self, known: KnownWhenSent) -> bool {
        let is_fresh = self.known.refusals == known.refusals;
        if is_fresh {
            self.forget();
            self.is_open |= self.known.superseded == known.superseded;
        }
        is_fresh
    }

    /// One got past. That lifts no refusal, so where one stands the next still goes on its own.
    pub(super) fn let_through(&mut self, known: KnownWhenSent) {
        self.undecided = 0;
        if self.known.refusals == known.refusals && self.refusals() == 0 {
            self.is_open |= self.known.superseded == known.superseded;
        }
    }

    /// A refusal of one that was sent when this much was known; `None` always counts. Tells whether
    /// it does.
    pub(super) fn refuse(&mut self, known: Option<KnownWhenSent>, is_strong: bool) -> bool {
        // Ten that were out together with the wrong password are ten refusals, and one piece of news.
        if known.is_some_and(|known| known.refusals != self.known.refusals) {
            return false;
        }
        self.known.refusals += 1;
        self.shut();
        match is_strong {
            true => self.strong += 1,
            false => self.weak += 1,
        }
        true
    }

    /// One ended without an answer that was sent when this much was known: of those that are lost
    /// together, one counts. `None` always counts.
    pub(super) fn leave_undecided(&mut self, known: Option<KnownWhenSent>) -> bool {
        let is_known = |known: KnownWhenSent| {
            (known.refusals, known.undecided) == (self.known.refusals, self.known.undecided)
        };
        let counts = known.is_none_or(is_known);
        if counts {
            self.known.undecided += 1;
            self.undecided += 1;
            self.shut();
        }
        counts
    }

    /// Who keeps the accounts says that this one is locked. No answer to what was sent before lifts it.
    pub(super) fn lock(&mut self, now: Instant, bounds: &LockoutBounds) {
        // Counted as a refusal, so that a success which was sent before the lock does not lift it.
        self.known.refusals += 1;
        self.shut();
        self.begin_pause(PauseCause::Locked, now, bounds);
    }

    /// The answer to one tells nothing, since its nonce was replaced: the next one goes on its own, unless
    /// one does already, and no answer to what was sent before lets all go again.
    pub(super) fn supersede(&mut self) {
        self.known.superseded += 1;
        if self.is_open {
            self.shut();
        }
    }

    /// Whether so many answers told nothing for a nonce that was replaced that one more tells something.
    pub(super) fn is_superseded_too_often(&self) -> bool {
        self.known.superseded >= MAX_SUPERSEDED
    }

    /// The next one goes on its own.
    pub(super) fn shut(&mut self) {
        self.is_open = false;
        // Whoever is out now belongs to a window that is over: no end of theirs opens or fills the next one.
        self.window.out.clear();
    }

    /// Begins the next of the pauses of this cause.
    pub(super) fn begin_pause(&mut self, cause: PauseCause, now: Instant, bounds: &LockoutBounds) {
        let [refused, elsewhere, unanswered, locked] = &mut self.pauses;
        let (pauses, lengths) = match cause {
            PauseCause::Refused => (refused, &bounds.strong_pauses[..]),
            PauseCause::RefusedElsewhere => (elsewhere, &bounds.weak_pauses[..]),
            PauseCause::Unanswered => (unanswered, &bounds.undecided_pauses[..]),
            PauseCause::Locked | PauseCause::Busy => (locked, std::slice::from_ref(&bounds.locked_pause)),
        };
        // Each pause of a cause is longer than the last, and the last one repeats. The count outlives the pause: it
        // is forgotten with a proof.
        let length = lengths.get(pauses.count).or(lengths.last()).copied().unwrap_or_default();
        pauses.count += 1;
        pauses.last = Pause::new(cause, now, length);
    }

    /// Forgets refusals, pauses and lost logins.
    pub(super) fn forget(&mut self) {
        self.forget_attempts();
        self.pauses = Default::default();
    }

    /// Forgets refusals and lost logins, and lets pauses go on.
    pub(super) fn forget_attempts(&mut self) {
        (self.strong, self.weak, self.undecided) = (0, 0, 0);
    }

    /// Whether something stands that is to be kept as long as there is room.
    pub(super) fn is_worth_keeping(&self) -> bool {
        self.standing() > 0 || self.pauses.iter().any(|pauses| pauses.last.is_some()) || self.is_busy()
    }
}

#[cfg(test)]
impl Record {
    /// All that later answers depend on, with times as seen from now and numbers by what they are
    /// compared with.
    pub(super) fn shape(&self, now: Instant) -> impl Eq + Hash + use<> {
        let age = |moment: Instant| now.duration_since(moment).as_secs().min(60);
        let pauses = self.pauses.clone().map(|pauses| {
            let last = pauses.last.filter(|pause| now < pause.ends);
            (pauses.count, last.map(|pause| pause.ends.duration_since(now)))
        });
        let mut out: Vec<_> = self.window.out.iter().map(|(_, since)| age(*since)).collect();
        out.sort_unstable();
        ((self.strong, self.weak, self.undecided, pauses), (self.is_open, self.last_login.map(age), out))
    }

    /// How a login with this place, that was sent when this was known, stands to it.
    pub(super) fn shape_of(
        &self,
        place: Option<PlaceNumber>,
        known: Option<KnownWhenSent>,
        now: Instant,
    ) -> impl Eq + Hash + use<> {
        let is_known = |known: KnownWhenSent| {
            let KnownWhenSent { refusals, undecided, superseded } = self.known;
            (known.refusals == refusals, known.undecided == undecided, known.superseded == superseded)
        };
        let since = self.window.out.iter().find(|(number, _)| Some(*number) == place);
        (since.map(|(_, since)| now.duration_since(*since).as_secs().min(60)), known.map(is_known))
    }
}
