//! The lockout guard: a wrong password is tried once, whatever the number of requests.
//!
//! Servers lock an account after a few wrong passwords. While credentials are unproven in a
//! protection space, one request tries them and the others wait for its result; refused ones are
//! not tried again until they change or the refusals are forgotten.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use crate::credentials::Credentials;
use crate::protection_space::ProtectionSpace;

/// How many verdicts are kept; past it the oldest go.
const CAPACITY: usize = 4096;

/// How often a server may leave an answer without a verdict before that counts as a refusal.
const MAX_UNDECIDED: u32 = 1;

#[derive(Debug, Default)]
pub(crate) struct Guard {
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<(ProtectionSpace, Credentials), Arc<Entry>>,
    made: u64,
}

#[derive(Debug)]
struct Entry {
    made: u64,
    verdict: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    verdict: Verdict,
    /// Grows with each change of the verdict: what a [`Turn`] waits for.
    changes: u64,
    /// How many trials the server left without a verdict.
    undecided: u32,
    wakers: Vec<(u64, Waker)>,
    turns: u64,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Verdict {
    #[default]
    Unproven,
    Trying,
    Proven,
    Refused,
}

/// What the guard says to a request that wants to use credentials.
#[derive(Debug)]
pub(crate) enum Permission {
    /// They are proven, or the guard is off: go on, nobody waits for the result.
    Proven,
    /// Try them; the others wait for this trial's verdict.
    Try(Trial),
    /// Somebody is trying them.
    Wait(Turn),
    /// They were refused: do not try them again.
    Refused,
}

impl Guard {
    pub(crate) fn enter(&self, space: &ProtectionSpace, credentials: &Credentials) -> Permission {
        let entry = self.entry(space, credentials);
        let mut waiting = entry.lock();
        match waiting.verdict {
            Verdict::Proven => Permission::Proven,
            Verdict::Refused => Permission::Refused,
            Verdict::Unproven => {
                waiting.verdict = Verdict::Trying;
                drop(waiting);
                Permission::Try(Trial { entry: Some(entry) })
            }
            Verdict::Trying => {
                waiting.turns += 1;
                let (id, changes) = (waiting.turns, waiting.changes);
                drop(waiting);
                Permission::Wait(Turn { entry, id, changes })
            }
        }
    }

    /// Notes a refusal that was learnt under another space, such as one without a realm.
    pub(crate) fn refuse(&self, space: &ProtectionSpace, credentials: &Credentials) {
        let entry = self.entry(space, credentials);
        let unproven = entry.lock().verdict == Verdict::Unproven;
        if unproven {
            entry.decide(Verdict::Refused);
        }
    }

    /// Notes that credentials which were good are so no longer.
    pub(crate) fn revoke(&self, space: &ProtectionSpace, credentials: &Credentials) {
        let entry = self.entry(space, credentials);
        let proven = entry.lock().verdict == Verdict::Proven;
        if proven {
            entry.decide(Verdict::Refused);
        }
    }

    /// Forgets which credentials were refused, so that they are tried once more.
    pub(crate) fn forget_refusals(&self) {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        table.entries.retain(|_, entry| entry.lock().verdict != Verdict::Refused);
    }

    fn entry(&self, space: &ProtectionSpace, credentials: &Credentials) -> Arc<Entry> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (space.clone(), credentials.clone());
        if let Some(entry) = table.entries.get(&key) {
            return Arc::clone(entry);
        }
        if table.entries.len() >= CAPACITY {
            let oldest = table
                .entries
                .iter()
                .filter(|(_, entry)| entry.lock().verdict != Verdict::Trying)
                .min_by_key(|(_, entry)| entry.made)
                .map(|(key, _)| key.clone());
            if let Some(oldest) = oldest {
                table.entries.remove(&oldest);
            }
        }
        table.made += 1;
        let entry = Arc::new(Entry { made: table.made, verdict: Mutex::default() });
        table.entries.insert(key, Arc::clone(&entry));
        entry
    }
}

impl Entry {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.verdict.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decide(&self, verdict: Verdict) {
        self.decide_by(|_| verdict);
    }

    fn decide_by(&self, verdict: impl FnOnce(&mut Waiting) -> Verdict) {
        let mut waiting = self.lock();
        waiting.verdict = verdict(&mut waiting);
        waiting.changes += 1;
        let wakers = std::mem::take(&mut waiting.wakers);
        drop(waiting);
        for (_, waker) in wakers {
            waker.wake();
        }
    }
}

/// The right to try unproven credentials. Dropped without a verdict (a cancelled request, a lost
/// connection) it lets the next one try.
#[derive(Debug)]
pub(crate) struct Trial {
    /// `None` once there is a verdict: what comes after it is the next trial's.
    entry: Option<Arc<Entry>>,
}

impl Trial {
    pub(crate) fn proven(self) {
        self.end(|_| Verdict::Proven);
    }

    pub(crate) fn refused(self) {
        self.end(|_| Verdict::Refused);
    }

    /// The server closed the connection on the answer, or challenged for another realm. Some do so
    /// on a wrong password: the second time counts as a refusal.
    pub(crate) fn undecided(self) {
        self.end(|waiting| {
            waiting.undecided += 1;
            if waiting.undecided > MAX_UNDECIDED { Verdict::Refused } else { Verdict::Unproven }
        });
    }

    fn end(mut self, verdict: impl FnOnce(&mut Waiting) -> Verdict) {
        if let Some(entry) = self.entry.take() {
            entry.decide_by(verdict);
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        if let Some(entry) = self.entry.take() {
            entry.decide(Verdict::Unproven);
        }
    }
}

/// Resolves when the credentials that somebody is trying have a verdict, or when the trial
/// ended without one. Needs no runtime.
#[derive(Debug)]
pub struct Turn {
    entry: Arc<Entry>,
    id: u64,
    changes: u64,
}

impl Future for Turn {
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut waiting = self.entry.lock();
        if waiting.changes != self.changes {
            return Poll::Ready(());
        }
        match waiting.wakers.iter_mut().find(|(id, _)| *id == self.id) {
            Some((_, waker)) => waker.clone_from(cx.waker()),
            None => waiting.wakers.push((self.id, cx.waker().clone())),
        }
        Poll::Pending
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.entry.lock().wakers.retain(|(id, _)| *id != self.id);
    }
}

#[cfg(test)]
mod tests {
    use std::task::Wake;

    use super::*;
    use crate::protection_space::Challenger;

    fn space() -> ProtectionSpace {
        ProtectionSpace::new(Challenger::Origin, "http://host.example".parse().expect("an origin"), None)
    }

    fn poll(turn: &mut Turn) -> Poll<()> {
        Pin::new(turn).poll(&mut Context::from_waker(Waker::noop()))
    }

    #[test]
    fn one_tries_and_the_others_wait_for_its_verdict() {
        let guard = Guard::default();
        let carol = Credentials::password("carol", "wrong");
        let Permission::Try(trial) = guard.enter(&space(), &carol) else { panic!("the first tries") };
        let Permission::Wait(mut turn) = guard.enter(&space(), &carol) else { panic!("the second waits") };
        assert_eq!(poll(&mut turn), Poll::Pending);
        trial.refused();
        assert_eq!(poll(&mut turn), Poll::Ready(()));
        assert!(matches!(guard.enter(&space(), &carol), Permission::Refused));
        assert!(matches!(
            guard.enter(&space(), &Credentials::password("carol", "right")),
            Permission::Try(_)
        ));
    }

    #[test]
    fn a_trial_without_a_verdict_lets_the_next_one_try() {
        let guard = Guard::default();
        let carol = Credentials::password("carol", "pw");
        drop(guard.enter(&space(), &carol));
        let Permission::Try(trial) = guard.enter(&space(), &carol) else { panic!("the next tries") };
        trial.proven();
        assert!(matches!(guard.enter(&space(), &carol), Permission::Proven));
    }

    #[test]
    fn a_second_answer_without_a_verdict_counts_as_a_refusal() {
        let guard = Guard::default();
        let carol = Credentials::password("carol", "pw");
        for _ in 0..2 {
            let Permission::Try(trial) = guard.enter(&space(), &carol) else { panic!("it tries") };
            trial.undecided();
        }
        assert!(matches!(guard.enter(&space(), &carol), Permission::Refused));
        guard.forget_refusals();
        assert!(matches!(guard.enter(&space(), &carol), Permission::Try(_)));
    }

    /// Enters as soon as it is woken, as another thread may.
    struct Enters(Arc<Guard>, Credentials, Mutex<Option<Permission>>);

    impl Wake for Enters {
        fn wake(self: Arc<Self>) {
            *self.2.lock().expect("not poisoned") = Some(self.0.enter(&space(), &self.1));
        }
    }

    #[test]
    fn a_trial_that_ends_undecided_does_not_end_the_next_one() {
        let guard = Arc::new(Guard::default());
        let carol = Credentials::password("carol", "pw");
        let Permission::Try(trial) = guard.enter(&space(), &carol) else { panic!("the first tries") };
        let Permission::Wait(mut turn) = guard.enter(&space(), &carol) else { panic!("the second waits") };
        let second = Arc::new(Enters(Arc::clone(&guard), carol.clone(), Mutex::default()));
        let waker = Waker::from(Arc::clone(&second));
        assert_eq!(Pin::new(&mut turn).poll(&mut Context::from_waker(&waker)), Poll::Pending);
        trial.undecided();
        assert!(matches!(*second.2.lock().expect("not poisoned"), Some(Permission::Try(_))));
        assert!(matches!(guard.enter(&space(), &carol), Permission::Wait(_)), "the second is at it");
    }

    #[test]
    fn refusals_can_be_forgotten_and_proofs_stay() {
        let guard = Guard::default();
        let (carol, dave) = (Credentials::password("carol", "pw"), Credentials::password("dave", "pw"));
        for (credentials, proven) in [(&carol, false), (&dave, true)] {
            let Permission::Try(trial) = guard.enter(&space(), credentials) else { panic!("it tries") };
            if proven { trial.proven() } else { trial.refused() }
        }
        guard.forget_refusals();
        assert!(matches!(guard.enter(&space(), &carol), Permission::Try(_)));
        assert!(matches!(guard.enter(&space(), &dave), Permission::Proven));
    }

    #[test]
    fn a_dropped_turn_leaves_no_waker_behind() {
        let guard = Guard::default();
        let carol = Credentials::password("carol", "pw");
        let Permission::Try(trial) = guard.enter(&space(), &carol) else { panic!("the first tries") };
        let Permission::Wait(mut turn) = guard.enter(&space(), &carol) else { panic!("the second waits") };
        assert_eq!(poll(&mut turn), Poll::Pending);
        drop(turn);
        assert!(trial.entry.as_ref().expect("no verdict yet").lock().wakers.is_empty());
    }

    #[test]
    fn the_table_is_bounded_and_keeps_trials() {
        let guard = Guard::default();
        let first = guard.enter(&space(), &Credentials::password("first", "pw"));
        for i in 0..CAPACITY + 8 {
            drop(guard.enter(&space(), &Credentials::password(format!("user{i}"), "pw")));
        }
        assert!(guard.table.lock().expect("not poisoned").entries.len() <= CAPACITY);
        assert!(matches!(guard.enter(&space(), &Credentials::password("first", "pw")), Permission::Wait(_)));
        drop(first);
    }
}
