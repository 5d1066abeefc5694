//! The legs under way to one challenger that it may answer by a challenge.
//!
//! Some servers have a single nonce, which each challenge replaces: what is answered to one that is not the
//! latest is refused, whatever the password. So a login that is to tell whether a password is right waits
//! until no other leg is out, and answers a challenge that is known to be the [latest](crate::handshake::latest).

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use crate::handshake::queue::TurnQueue;
use crate::handshake::turn::{Change, Turn};

/// How long a login waits for others' legs.
pub(super) const MAX_WAIT: Duration = Duration::from_secs(1);

/// The legs of all connections that the challenger may answer by a challenge.
#[derive(Debug, Default)]
pub(super) struct Legs(Mutex<LegCounts>);

#[derive(Debug, Default)]
struct LegCounts {
    /// The number of the last thing that happened.
    now: u64,
    /// How many legs are out.
    out: usize,
    /// How many requests are about to begin, of which nobody knows yet whether they send one unasked.
    undecided: usize,
    /// Those of earlier rounds are waited for no longer.
    round: u64,
    /// When one was sent last, and when the answer to any was lost last.
    last_sent: u64,
    last_lost: u64,
    /// When the last challenge came, and when the last leg was sent of those challenged.
    last_challenge: u64,
    last_challenged: u64,
    /// Until then, a leg is about to be sent that asks for a challenge.
    is_due_until: Option<Instant>,
    /// Since when somebody has waited for those that are out.
    waited_for_since: Option<Instant>,
    waiting: TurnQueue,
    turns: u64,
}

/// When a challenge came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Arrival {
    /// Later ones have higher numbers.
    pub(super) number: u64,
    /// When the challenge before it came, to whichever leg.
    previous: u64,
    /// No other leg was out from when its own was sent.
    is_alone: bool,
}

impl Arrival {
    /// Whether another challenge came between the one of this number and this.
    pub(super) fn follows_another_than(self, earlier: u64) -> bool {
        self.previous > earlier
    }
}

impl Legs {
    /// Counts a leg that is about to be sent.
    pub(super) fn send(self: &Arc<Self>) -> LegInFlight {
        let mut state = self.lock();
        state.now += 1;
        state.is_due_until = None;
        let (sent, round, is_first) = (state.now, state.round, state.out == 0);
        state.last_sent = sent;
        state.out += 1;
        drop(state);
        LegInFlight { legs: Arc::clone(self), sent, is_first, round, is_answered: false }
    }

    /// Counts a request that is about to look at what is known of the challenger, and may then be sent without a login. Others
    /// wait until it has been sent, or has not: between its look and its leg, nothing would tell of it.
    pub(super) fn decide(self: &Arc<Self>) -> Undecided {
        self.lock().undecided += 1;
        Undecided(Arc::clone(self))
    }

    /// Numbers a challenge that came in answer to a leg that is not counted here.
    pub(super) fn challenged(&self) -> Arrival {
        let (number, previous) = self.lock().challenge();
        Arrival { number, previous, is_alone: false }
    }

    /// Announces a leg that will be sent soon, on another connection, to ask for a challenge.
    pub(super) fn expect_one(&self, now: Instant) {
        self.lock().is_due_until = now.checked_add(MAX_WAIT);
    }

    /// Gives a turn that comes when no leg is out; `None` if none is. Legs that have been waited for long
    /// enough, by whichever requests, are not waited for again.
    pub(super) fn wait(self: &Arc<Self>, now: Instant) -> Option<Turn> {
        let mut state = self.lock();
        if state.is_quiet() && !state.is_due(now) {
            return None;
        }
        let until = state.waited_for_since.get_or_insert(now).checked_add(MAX_WAIT)?;
        if until <= now {
            state.overlook();
            return None;
        }
        Some(self.turn(state, until))
    }

    /// Gives a turn that comes when the announced leg has been answered; `None` if none is announced.
    pub(super) fn wait_for_due(self: &Arc<Self>, now: Instant) -> Option<Turn> {
        let state = self.lock();
        let until = state.is_due_until.filter(|until| now < *until)?;
        Some(self.turn(state, until))
    }

    /// Wakes those who wait: there is no need to.
    pub(super) fn wake(&self) {
        let waiting = std::mem::take(&mut self.lock().waiting);
        waiting.wake();
    }

    fn turn(self: &Arc<Self>, mut state: MutexGuard<'_, LegCounts>, until: Instant) -> Turn {
        state.turns += 1;
        let number = state.turns;
        state.waiting.join(number);
        drop(state);
        Turn::new(Quiet { legs: Arc::clone(self), number }, Some(until))
    }

    /// Whether any leg is out.
    pub(super) fn are_out(&self) -> bool {
        self.lock().out > 0
    }

    /// Tells when the latest of the challenged legs was sent.
    pub(super) fn last_challenged(&self) -> u64 {
        self.lock().last_challenged
    }

    /// Whether the challenger has made no other challenge since this one, as far as can be told here.
    pub(super) fn is_latest(&self, arrival: Arrival) -> bool {
        let state = self.lock();
        arrival.is_alone && state.last_challenge <= arrival.number && state.last_lost < arrival.number
    }

    fn lock(&self) -> MutexGuard<'_, LegCounts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LegCounts {
    fn is_due(&self, now: Instant) -> bool {
        self.is_due_until.is_some_and(|until| now < until)
    }

    /// Whether no leg is out, nor about to be.
    fn is_quiet(&self) -> bool {
        self.out == 0 && self.undecided == 0
    }

    /// Whoever waits, if there is nothing left to wait for.
    fn take_waiting(&mut self) -> Option<TurnQueue> {
        if !self.is_quiet() {
            return None;
        }
        self.waited_for_since = None;
        // As a rule there is nobody, and to tell them is not free.
        (!self.waiting.is_empty()).then(|| std::mem::take(&mut self.waiting))
    }

    /// Stops waiting for the legs that are out, since they take too long.
    fn overlook(&mut self) {
        self.round += 1;
        (self.out, self.is_due_until, self.waited_for_since) = (0, None, None);
    }

    /// Numbers a challenge. Gives its number, and that of the one before.
    fn challenge(&mut self) -> (u64, u64) {
        self.now += 1;
        (self.now, std::mem::replace(&mut self.last_challenge, self.now))
    }
}

/// A leg that is out. Dropped, it is lost: nobody knows whether it was challenged.
#[derive(Debug)]
pub(super) struct LegInFlight {
    legs: Arc<Legs>,
    sent: u64,
    /// No other leg was out when it was sent.
    is_first: bool,
    round: u64,
    is_answered: bool,
}

impl LegInFlight {
    /// Ends it without a challenge, or without its having been sent.
    pub(super) fn end(mut self) {
        self.is_answered = true;
    }

    /// Ends it with a challenge.
    pub(super) fn challenged(mut self) -> Arrival {
        self.is_answered = true;
        let mut state = self.legs.lock();
        let (number, previous) = state.challenge();
        let is_alone = self.is_first && state.last_sent == self.sent && state.round == self.round;
        state.last_challenged = state.last_challenged.max(self.sent);
        Arrival { number, previous, is_alone }
    }
}

impl Drop for LegInFlight {
    fn drop(&mut self) {
        let mut state = self.legs.lock();
        if !self.is_answered {
            state.last_lost = state.now;
        }
        if state.round == self.round {
            state.out -= 1;
        }
        let waiting = state.take_waiting();
        drop(state);
        waiting.into_iter().for_each(TurnQueue::wake);
    }
}

/// A request that has not decided yet. Dropped, it has.
#[derive(Debug)]
pub(super) struct Undecided(Arc<Legs>);

impl Drop for Undecided {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.undecided -= 1;
        let waiting = state.take_waiting();
        drop(state);
        waiting.into_iter().for_each(TurnQueue::wake);
    }
}

/// No leg is out.
struct Quiet {
    legs: Arc<Legs>,
    number: u64,
}

impl Change for Quiet {
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.legs.lock().waiting.poll(self.number, cx)
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        let waker = self.legs.lock().waiting.leave(self.number);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::Waker;

    use super::*;

    fn is_ready(turn: &mut Turn) -> bool {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    #[test]
    fn a_challenge_is_the_latest_where_no_other_leg_was_out() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let is_latest = |arrival| legs.is_latest(arrival);
        let (first, second) = (legs.send(), legs.send());
        let (first, second) = (first.challenged(), second.challenged());
        assert!(!is_latest(first) && !is_latest(second), "the server may have made either one last");
        assert!(second.follows_another_than(0) && !second.follows_another_than(first.number));
        let alone = legs.send().challenged();
        assert!(is_latest(alone));
        legs.send().end();
        assert!(is_latest(alone), "what is answered otherwise voids nothing");
        drop(legs.send());
        assert!(!is_latest(alone), "what is lost may have been challenged");
        let alone = legs.send().challenged();
        legs.challenged();
        assert!(!is_latest(alone));
        let slow = legs.send();
        assert!(
            legs.wait(now).is_some() && legs.wait(now + MAX_WAIT).is_none(),
            "it is waited for no longer"
        );
        let alone = legs.send().challenged();
        assert!(is_latest(alone));
        drop(slow);
        assert!(!is_latest(alone), "what is lost so late may have been challenged, too");
    }

    #[test]
    fn of_those_challenged_the_last_sent_counts_in_whatever_order_they_are_answered() {
        let legs = Arc::new(Legs::default());
        let (first, second) = (legs.send(), legs.send());
        assert_eq!(legs.last_challenged(), 0);
        second.challenged();
        let last = legs.last_challenged();
        first.challenged();
        assert_eq!(legs.last_challenged(), last);
        legs.send().challenged();
        assert!(0 < last && last < legs.last_challenged());
    }

    #[test]
    fn it_is_quiet_once_the_last_of_several_has_ended() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let (first, second) = (legs.send(), legs.send());
        let mut turn = legs.wait(now).expect("two are out");
        assert!(!is_ready(&mut turn));
        first.end();
        assert!(!is_ready(&mut turn), "one is out yet");
        second.end();
        assert!(is_ready(&mut turn));
    }

    #[test]
    fn a_wait_for_quiet_ends_however_the_leg_ends() {
        let ways: [fn(LegInFlight); 3] = [
            |leg| leg.end(),
            |leg| {
                leg.challenged();
            },
            drop,
        ];
        for ends in ways {
            let (legs, now) = (Arc::new(Legs::default()), Instant::now());
            let leg = legs.send();
            let mut turn = legs.wait(now).expect("one is out");
            assert!(!is_ready(&mut turn));
            ends(leg);
            assert!(is_ready(&mut turn));
            assert!(legs.wait(now).is_none());
        }
    }

    #[test]
    fn what_takes_too_long_is_waited_for_once_by_however_many_callers() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let slow = legs.send();
        // Each of them gives up before the time is over.
        for hurry in 0..3 {
            let turn = legs.wait(now + hurry * MAX_WAIT / 4).expect("one is out");
            assert_eq!(turn.until(), Some(now + MAX_WAIT));
        }
        assert!(legs.wait(now + MAX_WAIT).is_none() && legs.wait(now + MAX_WAIT).is_none());
        let _other = legs.send();
        slow.end();
        let turn = legs.wait(now + MAX_WAIT).expect("that of another round ends for itself");
        assert_eq!(turn.until(), Some(now + 2 * MAX_WAIT), "and is waited for as long");
    }

    #[test]
    fn a_request_that_decides_is_waited_for_and_does_not_make_challenges_doubtful() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let leg = legs.send();
        let undecided = legs.decide();
        let alone = leg.challenged();
        assert!(legs.is_latest(alone));
        let mut turn = legs.wait(now).expect("one is about to be sent");
        assert!(!is_ready(&mut turn));
        let sent = legs.send();
        drop(undecided);
        assert!(!is_ready(&mut turn) && legs.wait(now).is_some(), "it is out");
        drop(sent);
        assert!(is_ready(&mut turn) && legs.wait(now).is_none());
        drop(legs.decide());
        assert!(legs.wait(now).is_none());
    }

    #[test]
    fn one_that_is_due_is_waited_for_until_it_is_out_or_late() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let later = now + MAX_WAIT;
        legs.expect_one(now);
        assert!(legs.wait(later).is_none(), "it is late");
        assert!(legs.wait(now).is_some() && legs.wait(later).is_none());
        legs.expect_one(now);
        assert!(legs.wait_for_due(now).is_some() && legs.wait_for_due(later).is_none());
        legs.send().end();
        assert!(legs.wait(now).is_none());
    }

    #[test]
    fn a_dropped_turn_leaves_nothing_behind() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let _out = legs.send();
        let mut turn = legs.wait(now).expect("one is out");
        assert!(!is_ready(&mut turn));
        drop(turn);
        assert!(legs.lock().waiting.is_empty());
    }

    #[test]
    fn one_that_waits_no_longer_leaves_the_others_waiting() {
        let (legs, now) = (Arc::new(Legs::default()), Instant::now());
        let out = legs.send();
        let [first, mut second] = [(); 2].map(|()| legs.wait(now).expect("one is out"));
        assert!(!is_ready(&mut second));
        drop(first);
        assert!(!is_ready(&mut second));
        out.end();
        assert!(is_ready(&mut second));
    }
}
