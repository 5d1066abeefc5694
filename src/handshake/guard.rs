//! The lockout guard: a wrong password is tried once, whatever the number of requests.
//!
//! What may be tried is [`verdicts`](crate::handshake::verdicts)' to say; here requests wait for it,
//! and a login that is given up ends.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Instant;

use http::Method;

use crate::credentials::Credentials;
use crate::handshake::queue::TurnQueue;
use crate::handshake::turn::{Change, Turn};
use crate::handshake::verdicts::{
    Asking, Evidence, LockoutBounds, Pause, Permission, RefusalVerdict, Target, Trial, Verdicts,
};
use crate::protection_space::ProtectionSpace;

#[derive(Clone, Debug)]
pub(super) struct LockoutGuard(Arc<Mutex<GuardState>>);

#[derive(Debug)]
struct GuardState {
    verdicts: Verdicts,
    /// Logins that were given up. They end with the next call, which brings the time.
    given_up: Vec<(Trial, Credentials, ProtectionSpace)>,
    /// Who waits for a change, by the credentials of which it is.
    waiting: HashMap<Credentials, TurnQueue>,
    turns: u64,
}

/// What the guard says to a request that wants to use credentials.
#[derive(Debug)]
pub(super) enum Pass {
    /// On trial, unless nothing guards them.
    Go(Option<OnTrial>),
    Wait(Turn),
    Listen,
    Refused,
    Paused(Pause),
}

impl LockoutGuard {
    pub(super) fn new(bounds: LockoutBounds) -> Self {
        let verdicts = Verdicts::new(bounds);
        let (given_up, waiting) = (Vec::new(), HashMap::new());
        Self(Arc::new(Mutex::new(GuardState { verdicts, given_up, waiting, turns: 0 })))
    }

    pub(super) fn ask(&self, asking: &Asking<'_>, now: Instant) -> Pass {
        let mut state = self.lock();
        // First: one of them may hold the turn that this request would wait for.
        state.end_given_up(now);
        match state.verdicts.ask(asking, now) {
            Permission::Go(trial) => {
                drop(state);
                Pass::Go(Some(OnTrial {
                    guard: self.clone(),
                    trial: Some(trial),
                    credentials: asking.credentials.clone(),
                    space: asking.space.clone(),
                }))
            }
            Permission::Wait(until) => {
                state.turns += 1;
                let id = state.turns;
                // Under the lock that said so: a verdict that comes in between would wake nobody.
                state.waiting.entry(asking.credentials.clone()).or_default().join(id);
                drop(state);
                let verdict =
                    OthersVerdict { guard: self.clone(), credentials: asking.credentials.clone(), id };
                // With a time, too: whoever has the turn may never be polled again, and its program may keep it all
                // the same.
                Pass::Wait(Turn::new(verdict, until))
            }
            Permission::Listen => Pass::Listen,
            Permission::Refused => Pass::Refused,
            Permission::Paused(pause) => Pass::Paused(pause),
        }
    }

    /// Notes a refusal that was learnt under another space, such as one without a realm.
    pub(super) fn refuse_beside(&self, credentials: &Credentials, space: &ProtectionSpace) {
        self.lock().verdicts.refuse_beside(credentials, space);
    }

    /// What a connection has served since it was logged in is to be noted.
    pub(super) fn serves(&self, credentials: &Credentials, space: &ProtectionSpace) -> Served {
        let (guard, credentials, space) = (self.clone(), credentials.clone(), space.clone());
        Served { guard, credentials, space, latest: VecDeque::new() }
    }

    /// Whether a request for this was ever challenged in the space.
    pub(super) fn has_challenged(
        &self,
        credentials: &Credentials,
        space: &ProtectionSpace,
        method: &Method,
        path: &str,
    ) -> bool {
        self.lock().verdicts.has_challenged(credentials, space, method, path)
    }

    /// Forgets which credentials were refused or rest, so that they are tried again.
    pub(super) fn forget_refusals(&self) {
        let mut state = self.lock();
        state.verdicts.forget_refusals();
        // They end with the next call, but ended before this one.
        // Taken back and not removed: their places have still to be freed.
        state.given_up.iter_mut().for_each(|(trial, ..)| trial.take_back());
        let waiting = std::mem::take(&mut state.waiting);
        drop(state);
        waiting.into_values().for_each(TurnQueue::wake);
    }

    fn lock(&self) -> MutexGuard<'_, GuardState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl GuardState {
    fn take_waiting(&mut self, credentials: &Credentials) -> Option<TurnQueue> {
        // As a rule there is nobody, and to look for them is not free.
        if self.waiting.is_empty() { None } else { self.waiting.remove(credentials) }
    }

    #[inline]
    fn end_given_up(&mut self, now: Instant) {
        // As a rule there are none.
        if !self.given_up.is_empty() {
            self.end_all_given_up(now);
        }
    }

    fn end_all_given_up(&mut self, now: Instant) {
        for (trial, credentials, space) in self.given_up.drain(..) {
            // Whether it counts depends on the wire: what was never sent has shown nobody anything.
            let evidence = if trial.is_sent() { Evidence::Undecided } else { Evidence::Nothing };
            self.verdicts.end(trial, &credentials, &space, evidence, now);
        }
    }
}

/// What was asked for on one connection since it was logged in, and not challenged: as good as accepted
/// by a login of its own. It is noted in the end, so that requests share nothing.
pub(super) struct Served {
    guard: LockoutGuard,
    credentials: Credentials,
    space: ProtectionSpace,
    latest: VecDeque<Target>,
}

impl Served {
    const MAX: usize = 16;

    #[inline]
    pub(super) fn note(&mut self, target: Target) {
        if self.latest.back() == Some(&target) {
            return;
        }
        if self.latest.len() == Self::MAX {
            self.latest.pop_front();
        }
        self.latest.push_back(target);
    }

    /// The last one was not.
    pub(super) fn take_back(&mut self, target: Target) {
        if self.latest.back() == Some(&target) {
            self.latest.pop_back();
        }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let targets = self.latest.iter().copied();
        // Once for a connection and not for each request: thousands of requests on established logins would else meet
        // at this lock.
        self.guard.lock().verdicts.note_served(&self.credentials, &self.space, targets);
    }
}

/// The right to use credentials once. Dropped, it ends without an answer.
pub(super) struct OnTrial {
    guard: LockoutGuard,
    /// `None` once it has ended.
    trial: Option<Trial>,
    credentials: Credentials,
    space: ProtectionSpace,
}

impl OnTrial {
    /// Something derived from the secret is sent. Tells whether that is the first of it.
    pub(super) fn sent(&mut self, now: Instant) -> bool {
        let Some(trial) = &mut self.trial else { return false };
        let is_first = !trial.is_sent();
        let mut state = self.guard.lock();
        // It is sent after they were lost, and so counts beside them.
        state.end_given_up(now);
        state.verdicts.sent(trial, &self.credentials, &self.space, now);
        is_first
    }

    /// What was to be sent was not.
    pub(super) fn take_back(&mut self) {
        if let Some(trial) = &mut self.trial {
            trial.take_back();
        }
    }

    pub(super) fn is_sent(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::is_sent)
    }

    /// Whether the credentials were accepted in this space before.
    pub(super) fn accepted_before(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.accepted_before)
    }

    /// Whether others have to wait for its verdict.
    pub(super) fn goes_alone(&self) -> bool {
        self.trial.as_ref().is_some_and(Trial::goes_alone)
    }

    /// Whether only a KDC may be asked about the password.
    pub(super) fn is_for_kdc(&self) -> bool {
        self.trial.as_ref().is_some_and(|trial| trial.only_kdc)
    }

    pub(super) fn end(mut self, evidence: Evidence, now: Instant) -> RefusalVerdict {
        // Taken before the lock: the drop that follows finds nothing to give up.
        let trial = self.trial.take().expect("it ends once");
        let mut state = self.guard.lock();
        state.end_given_up(now);
        let verdict = state.verdicts.end(trial, &self.credentials, &self.space, evidence, now);
        // All that wait are woken and ask again. Which of them may go depends on the verdict, and it is simpler to
        // ask than to tell.
        let waiting = state.take_waiting(&self.credentials);
        // Not under the lock: whoever is woken may ask at once.
        drop(state);
        waiting.into_iter().for_each(TurnQueue::wake);
        verdict
    }
}

impl Drop for OnTrial {
    fn drop(&mut self) {
        let Some(trial) = self.trial.take() else { return };
        let mut state = self.guard.lock();
        // What it comes to depends on the time, which nobody brings here: it ends with the next call.
        state.given_up.push((trial, self.credentials.clone(), self.space.clone()));
        let waiting = state.take_waiting(&self.credentials);
        drop(state);
        waiting.into_iter().for_each(TurnQueue::wake);
    }
}

impl fmt::Debug for OnTrial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnTrial").field("trial", &self.trial).finish_non_exhaustive()
    }
}

/// Something has changed for credentials that somebody else is trying.
struct OthersVerdict {
    guard: LockoutGuard,
    credentials: Credentials,
    id: u64,
}

impl Change for OthersVerdict {
    fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let mut state = self.guard.lock();
        // No queue: something has changed, and all that waited were taken out.
        state.waiting.get_mut(&self.credentials).map_or(Poll::Ready(()), |queue| queue.poll(self.id, cx))
    }
}

impl Drop for OthersVerdict {
    fn drop(&mut self) {
        let mut state = self.guard.lock();
        let Some(queue) = state.waiting.get_mut(&self.credentials) else { return };
        let waker = queue.leave(self.id);
        if queue.is_empty() {
            state.waiting.remove(&self.credentials);
        }
        // The waker may be the last to hold a task, with turns of its own in it, which come back here.
        drop(state);
        drop(waker);
    }
}

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::Pin;
    use std::task::Waker;

    use super::*;
    use crate::protection_space::Challenger;

    fn space() -> ProtectionSpace {
        ProtectionSpace::new(Challenger::Origin, "http://host.example".parse().expect("an origin"), None)
    }

    fn ask(guard: &LockoutGuard, credentials: &Credentials, now: Instant) -> Pass {
        let asking = Asking {
            credentials,
            space: &space(),
            method: &Method::GET,
            path: "/",
            speaks_first: false,
            disturbs_others: false,
            may_ask_kdc: false,
            waits_since: None,
        };
        guard.ask(&asking, now)
    }

    fn poll(turn: &mut Turn) -> Poll<()> {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_tries_and_the_others_wait_for_its_verdict() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "wrong");
        let Pass::Go(Some(mut trial)) = ask(&guard, &carol, now) else { panic!("the first tries") };
        let Pass::Wait(mut turn) = ask(&guard, &carol, now) else { panic!("the second waits") };
        assert_eq!(poll(&mut turn), Poll::Pending);
        trial.sent(now);
        trial.end(Evidence::Refused, now);
        assert_eq!(poll(&mut turn), Poll::Ready(()));
        assert!(matches!(ask(&guard, &carol, now), Pass::Refused));
        assert!(matches!(ask(&guard, &Credentials::password("carol", "right"), now), Pass::Go(_)));
    }

    #[test]
    fn a_login_that_is_given_up_wakes_who_waits_and_counts_if_it_was_sent() {
        for sent in [false, true] {
            let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
            let carol = Credentials::password("carol", "pw");
            for _ in 0..2 {
                let Pass::Go(Some(mut trial)) = ask(&guard, &carol, now) else { panic!("it tries") };
                let Pass::Wait(mut turn) = ask(&guard, &carol, now) else { panic!("it waits") };
                assert_eq!(poll(&mut turn), Poll::Pending);
                if sent {
                    trial.sent(now);
                }
                drop(trial);
                assert_eq!(poll(&mut turn), Poll::Ready(()));
            }
            assert_eq!(matches!(ask(&guard, &carol, now), Pass::Paused(_)), sent);
            guard.forget_refusals();
            assert!(matches!(ask(&guard, &carol, now), Pass::Go(_)));
        }
    }

    #[test]
    fn of_logins_whose_nonces_were_superseded_together_one_goes_again() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let go = || {
            let Pass::Go(Some(mut trial)) = ask(&guard, &carol, now) else { panic!("it goes") };
            trial.sent(now);
            trial
        };
        go().end(Evidence::Proven, now);
        let [first, second] = [go(), go()];
        first.end(Evidence::Superseded, now);
        let _alone = go();
        second.end(Evidence::Superseded, now);
        assert!(matches!(ask(&guard, &carol, now), Pass::Wait(_)));
    }

    #[test]
    fn what_answers_after_a_lost_login_ends_the_row_though_it_never_asked_for_one() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let speaks_first = |path| {
            let space = space();
            let asking = Asking {
                credentials: &carol,
                space: &space,
                method: &Method::GET,
                path,
                speaks_first: true,
                disturbs_others: false,
                may_ask_kdc: false,
                waits_since: None,
            };
            let Pass::Go(Some(mut trial)) = guard.ask(&asking, now) else { panic!("it goes") };
            trial.sent(now);
            trial
        };
        let Pass::Go(Some(mut first)) = ask(&guard, &carol, now) else { panic!("it goes") };
        first.sent(now);
        first.end(Evidence::Proven, now);
        for path in ["/1", "/2", "/3", "/4"] {
            speaks_first(path).end(Evidence::Undecided, now);
            speaks_first(path).end(Evidence::LetThrough, now);
        }
    }

    #[test]
    fn what_is_sent_after_a_login_was_given_up_counts_beside_it() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let go = || {
            let Pass::Go(Some(trial)) = ask(&guard, &carol, now) else { panic!("it tries") };
            trial
        };
        let mut first = go();
        first.sent(now);
        first.end(Evidence::Proven, now);
        for mut trial in [go(), go(), go()] {
            trial.sent(now);
        }
        assert!(matches!(ask(&guard, &carol, now), Pass::Paused(_)));
    }

    #[test]
    fn a_login_that_was_given_up_before_refusals_are_forgotten_is_forgotten_too() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let give_up = || {
            let Pass::Go(Some(mut trial)) = ask(&guard, &carol, now) else { panic!("it tries") };
            trial.sent(now);
        };
        give_up();
        guard.forget_refusals();
        // One stands, and two would pause.
        give_up();
        give_up();
    }

    #[test]
    fn a_dropped_turn_leaves_nothing_behind() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let _trial = ask(&guard, &carol, now);
        let Pass::Wait(mut turn) = ask(&guard, &carol, now) else { panic!("the second waits") };
        assert_eq!(poll(&mut turn), Poll::Pending);
        drop(turn);
        assert!(guard.lock().waiting.is_empty());
    }

    #[test]
    fn what_was_to_be_sent_and_was_not_counts_for_nothing() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        for _ in 0..4 {
            let Pass::Go(Some(mut trial)) = ask(&guard, &carol, now) else { panic!("it tries") };
            assert!(!trial.is_sent());
            assert!(trial.sent(now) && !trial.sent(now), "the first of two");
            assert!(trial.is_sent());
            trial.take_back();
            assert!(!trial.is_sent());
        }
    }

    #[test]
    fn a_refusal_beside_is_one_and_leaves_the_password_to_a_kdc() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let Pass::Go(Some(trial)) = ask(&guard, &carol, now) else { panic!("it tries") };
        assert!(!trial.is_for_kdc());
        drop(trial);
        guard.refuse_beside(&carol, &space());
        assert!(matches!(ask(&guard, &carol, now), Pass::Refused));
        let asking = Asking {
            credentials: &carol,
            space: &space(),
            method: &Method::GET,
            path: "/",
            speaks_first: false,
            disturbs_others: false,
            may_ask_kdc: true,
            waits_since: None,
        };
        let Pass::Go(Some(trial)) = guard.ask(&asking, now) else { panic!("a KDC may be asked") };
        assert!(trial.is_for_kdc());
    }

    #[test]
    fn what_was_challenged_is_known_by_method_and_path() {
        let (guard, now) = (LockoutGuard::new(LockoutBounds::default()), Instant::now());
        let carol = Credentials::password("carol", "pw");
        let has_challenged = |method, path| guard.has_challenged(&carol, &space(), &method, path);
        assert!(!has_challenged(Method::GET, "/"));
        ask(&guard, &carol, now);
        assert!(has_challenged(Method::GET, "/"));
        assert!(!has_challenged(Method::GET, "/other") && !has_challenged(Method::POST, "/"));
    }
}
