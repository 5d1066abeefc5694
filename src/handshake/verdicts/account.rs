//! What is known of one user's credentials, and of them in one space: what follows from each piece of evidence.

use std::time::{Duration, Instant};

use crate::handshake::verdicts::bounds::LockoutBounds;
use crate::handshake::verdicts::evidence::Evidence;
use crate::handshake::verdicts::pause::{Pause, PauseCause};
use crate::handshake::verdicts::permission::{Asking, Permission, RefusalVerdict, Trial};
use crate::handshake::verdicts::record::{Record, Room};
use crate::handshake::verdicts::targets::{Target, Targets};

/// One user's credentials.
#[derive(Clone, Debug, Default)]
pub(super) struct Account {
    /// A proof of them was seen, anywhere.
    pub(super) is_proven: bool,
    /// They were refused where they had been accepted: nobody goes beside another until one is proven.
    pub(super) is_shut: bool,
    /// How many are under way of credentials that were never accepted.
    pub(super) unproven_out: u32,
    pub(super) kdc: Kdc,
    pub(super) record: Record,
}

/// Whether a KDC has been heard about a password.
#[derive(Clone, Debug, Default)]
pub(super) struct Kdc {
    pub(super) has_answered: bool,
    pub(super) failures: u32,
    /// After a failure it is not asked again before this.
    pub(super) rests_until: Option<Instant>,
    pub(super) is_asked: bool,
}

/// The same credentials in one protection space.
#[derive(Clone, Debug, Default)]
pub(super) struct AccountInSpace {
    pub(super) record: Record,
    /// They were accepted here.
    pub(super) is_accepted: bool,
    /// They were refused here, and accepted nowhere.
    pub(super) is_barred: bool,
    /// Nobody speaks first.
    pub(super) listens: bool,
    /// For what they were accepted.
    pub(super) accepted: Targets,
    /// What has challenged.
    pub(super) challenged: Targets,
    /// The last refusal was of this, and no pause has begun since.
    pub(super) last_refused: Option<Target>,
    /// The last login without an answer was for this.
    pub(super) lost: Option<Target>,
    /// One of the server's backends refuses what another one accepts.
    pub(super) is_sick: bool,
}

impl AccountInSpace {
    /// How many strong refusals begin a pause.
    fn strong_bound(&self, bounds: &LockoutBounds) -> u32 {
        if self.is_sick { bounds.sick_refusals } else { bounds.strong_refusals }
    }
}

impl Account {
    pub(super) fn permit(
        &mut self,
        space: &mut AccountInSpace,
        asking: &Asking<'_>,
        target: Target,
        now: Instant,
        bounds: &LockoutBounds,
    ) -> Permission {
        let is_accepted = self.is_proven || space.is_accepted;
        // First of all questions: what was refused and never accepted goes nowhere, whoever waits and whatever pause
        // has passed. Only a KDC, which knows the password itself, may still be asked.
        let is_refused = space.is_barred || self.record.refusals() >= bounds.unproven;
        if !is_accepted && is_refused {
            return self.ask_kdc(asking, target, now).unwrap_or(Permission::Refused);
        }
        // After a refusal nobody shows the password unasked: it might be a target that needs no login at all. Before
        // the pauses, since to listen shows nothing and so need not wait.
        if asking.speaks_first && space.listens {
            return match asking.disturbs_others && space.record.is_busy() {
                true => wait(&[Room::From(None)], asking.waits_since.unwrap_or(now), now, bounds),
                false => Permission::Listen,
            };
        }
        // Pauses before turns: a request that would be told to rest must not hold a place that another one waits for.
        let mut in_pause = false;
        for pause in [self.record.pause_at(now), space.record.pause_at(now)].into_iter().flatten() {
            if pause.cause == PauseCause::RefusedElsewhere && space.accepted.contains(target) {
                in_pause = true;
            } else {
                return Permission::Paused(pause);
            }
        }
        // All rooms are looked at before one is taken, so that a request that has to wait for the second does not sit
        // in the first.
        let mut rooms = Vec::new();
        if !is_accepted {
            let standing = self.record.standing();
            let allowed = bounds.unproven.saturating_sub(standing).max(1);
            if self.unproven_out >= allowed {
                rooms.push(Room::From(None));
            }
        }
        // One at a time until a login has succeeded: ten requests at once with a wrong password would be ten
        // attempts, and lock the account.
        let alone_in_space = in_pause || !space.record.is_open_at(now, bounds);
        // Of what was never accepted, the number over all spaces is bounded already.
        let alone_in_all = self.is_proven
            && (self.is_shut || in_pause || (alone_in_space && !self.record.is_open_at(now, bounds)));
        if alone_in_space {
            rooms.push(space.record.room(now, is_accepted, bounds));
        }
        if alone_in_all {
            rooms.push(self.record.room(now, is_accepted, bounds));
        }
        if rooms.iter().any(|room| matches!(room, Room::From(_))) {
            return wait(&rooms, asking.waits_since.unwrap_or(now), now, bounds);
        }
        self.unproven_out += u32::from(!is_accepted);
        // From here on it is under way, and `leave` has to undo exactly what was counted here.
        Permission::Go(Trial {
            target,
            in_space: alone_in_space.then(|| space.record.join(now)),
            in_all: alone_in_all.then(|| self.record.join(now)),
            is_unproven: !is_accepted,
            in_pause,
            only_kdc: false,
            accepted_before: is_accepted,
            sent: None,
        })
    }

    /// The password is refused by the word of servers. As long as the KDC has not said anything, it may
    /// be asked, by one request at a time.
    fn ask_kdc(&mut self, asking: &Asking<'_>, target: Target, now: Instant) -> Option<Permission> {
        let is_away = self.kdc.rests_until.is_some_and(|until| now < until);
        // A KDC that does not answer in time may have counted the attempt.
        let rests = is_away || self.record.pause_at(now).is_some();
        if !asking.may_ask_kdc || self.kdc.has_answered || self.kdc.is_asked || rests {
            return None;
        }
        // One at a time: a KDC counts each message with a wrong password.
        self.kdc.is_asked = true;
        Some(Permission::Go(Trial {
            target,
            in_space: None,
            in_all: None,
            is_unproven: false,
            in_pause: false,
            only_kdc: true,
            accepted_before: false,
            sent: None,
        }))
    }

    /// It is under way no longer.
    pub(super) fn leave(&mut self, space: &mut AccountInSpace, trial: &Trial) {
        space.record.leave(trial.in_space);
        self.record.leave(trial.in_all);
        self.unproven_out = self.unproven_out.saturating_sub(u32::from(trial.is_unproven));
        if trial.only_kdc {
            self.kdc.is_asked = false;
        }
    }

    pub(super) fn conclude(
        &mut self,
        space: &mut AccountInSpace,
        trial: &Trial,
        evidence: Evidence,
        now: Instant,
        bounds: &LockoutBounds,
    ) -> RefusalVerdict {
        let (known_in_space, known_in_all) = trial.sent.unwrap_or_default();
        match evidence {
            Evidence::Proven => {
                // The refusals that stood are the spaces' now.
                // A password that is right somewhere was no wrong password where it was refused: what stood against
                // all of it becomes each space's own affair.
                if !std::mem::replace(&mut self.is_proven, true) {
                    self.record.forget_attempts();
                }
                (space.is_accepted, space.is_barred) = (true, false);
                space.accepted.note(trial.target);
                // Only by a login that was sent after the last refusal was known. An answer that overtook it says
                // nothing about what was refused later.
                if self.record.prove(known_in_all) {
                    self.is_shut = false;
                }
                if space.record.prove(known_in_space) {
                    // Refused and then accepted for the same target: one of the server's backends refuses what the
                    // others accept, and further refusals there say little.
                    space.is_sick |= space.last_refused.take() == Some(trial.target);
                    space.listens = false;
                }
                if trial.only_kdc {
                    self.kdc.has_answered = true;
                }
            }
            Evidence::LetThrough => {
                // Accepted here, and proven nowhere: a 403 or a redirect comes from in front of logins, too.
                space.is_accepted = true;
                space.accepted.note(trial.target);
                space.record.let_through(known_in_space);
                // What asks for logins has answered one, or what left the last one without an answer has: the
                // row of those that were lost ends. (A kept connection may end just as it is used again.)
                let answers_again = space.lost.take_if(|lost| *lost == trial.target).is_some();
                let stands = self.is_proven && self.record.undecided > 0;
                if stands && (answers_again || space.challenged.contains(trial.target)) {
                    self.record.undecided = 0;
                }
            }
            Evidence::Refused | Evidence::RefusedWeakly => {
                return self.refuse(space, trial, evidence, now, bounds);
            }
            Evidence::RefusedByKdc => {
                self.kdc.has_answered = true;
                return self.refuse(space, trial, evidence, now, bounds);
            }
            Evidence::WornOut => {
                self.is_proven = false;
                // A token, not a password: another one is other credentials, with a record of their own.
                (space.is_accepted, space.is_barred) = (false, true);
            }
            Evidence::Locked => {
                self.kdc.has_answered = true;
                // In the space as well, which keeps the account from being forgotten as one of little worth.
                space.record.lock(now, bounds);
                self.record.lock(now, bounds);
            }
            Evidence::SaidToBeLocked => {
                space.record.lock(now, bounds);
                // Where they were proven, they are not locked by one server's word.
                if !self.is_proven {
                    self.record.lock(now, bounds);
                }
            }
            // Others void its nonce again and again: then it is refused, since a wrong password looks the same.
            Evidence::Superseded
                if !(self.is_proven || space.is_accepted) && space.record.is_superseded_too_often() =>
            {
                return self.refuse(space, trial, Evidence::Refused, now, bounds);
            }
            Evidence::Superseded => {
                // Of those that were out together the first shuts it: a login that goes on its own since then stays so.
                space.record.supersede();
                self.record.supersede();
            }
            Evidence::Undecided => self.leave_undecided(space, trial, now, bounds),
            Evidence::Nothing if trial.only_kdc && trial.is_sent() => {
                let rest = Duration::from_secs(1 << self.kdc.failures.min(6));
                self.kdc.failures += 1;
                self.kdc.rests_until = now.checked_add(rest);
            }
            Evidence::Nothing => {}
        }
        RefusalVerdict::Refused
    }

    fn refuse(
        &mut self,
        space: &mut AccountInSpace,
        trial: &Trial,
        evidence: Evidence,
        now: Instant,
        bounds: &LockoutBounds,
    ) -> RefusalVerdict {
        // Read before anything is changed: whether this refusal is weak depends on what was known when it came.
        let is_accepted = self.is_proven || space.is_accepted;
        // A KDC knows of no resource that it may be about. In a pause, one goes where it was accepted.
        let is_weak = match evidence {
            Evidence::RefusedByKdc => false,
            Evidence::RefusedWeakly => !trial.in_pause,
            _ => !space.accepted.contains(trial.target),
        };
        let is_strong = !(is_accepted && is_weak);
        // What was never accepted is counted whenever it was sent.
        let sent = trial.sent.filter(|_| is_accepted);
        let strong_bound = space.strong_bound(bounds);
        if space.record.refuse(sent.map(|(in_space, _)| in_space), is_strong) {
            (space.listens, space.last_refused) = (true, Some(trial.target));
            // Barred for good, until it is accepted somewhere: time does not make a wrong password right, and each
            // try of it counts at the server.
            space.is_barred |= !is_accepted;
            if is_accepted && begin_pause(&mut space.record, strong_bound, now, bounds) {
                (space.last_refused, space.is_sick) = (None, false);
            }
        }
        if self.record.refuse(sent.map(|(_, in_all)| in_all), is_strong) {
            // Refused where it was accepted: the password was changed, probably. All spaces go one at a time from
            // here on, or each would find out for itself.
            self.is_shut |= is_strong && self.is_proven;
            if is_accepted {
                begin_pause(&mut self.record, strong_bound, now, bounds);
            } else if self.record.standing() >= bounds.unproven && self.record.undecided > 0 {
                self.record.begin_pause(PauseCause::Unanswered, now, bounds);
            }
        }
        if is_accepted && !is_strong { RefusalVerdict::Denied } else { RefusalVerdict::Refused }
    }

    fn leave_undecided(
        &mut self,
        space: &mut AccountInSpace,
        trial: &Trial,
        now: Instant,
        bounds: &LockoutBounds,
    ) {
        // For the next answer to this target: if it comes, the server is there, and was only slow or had hung up on a
        // kept connection.
        space.lost = Some(trial.target);
        let is_accepted = self.is_proven || space.is_accepted;
        let sent = trial.sent.filter(|_| is_accepted);
        let strong_bound = space.strong_bound(bounds);
        let is_due = |record: &Record| match is_accepted {
            true => record.undecided >= bounds.undecided_accepted || record.is_full(strong_bound, bounds),
            false => record.standing() >= bounds.undecided,
        };
        if space.record.leave_undecided(sent.map(|(in_space, _)| in_space)) && is_due(&space.record) {
            space.record.begin_pause(PauseCause::Unanswered, now, bounds);
        }
        // What is accepted in its space by other means than proof pauses there.
        if self.record.leave_undecided(sent.map(|(_, in_all)| in_all))
            && (self.is_proven || !is_accepted)
            && is_due(&self.record)
        {
            self.record.begin_pause(PauseCause::Unanswered, now, bounds);
        }
    }
}

/// Begins a pause if the refusals have come to it.
fn begin_pause(record: &mut Record, strong_bound: u32, now: Instant, bounds: &LockoutBounds) -> bool {
    let cause = if record.strong >= strong_bound {
        PauseCause::Refused
    } else if record.weak >= bounds.refusals || record.is_full(strong_bound, bounds) {
        PauseCause::RefusedElsewhere
    } else {
        return false;
    };
    record.begin_pause(cause, now, bounds);
    true
}

/// Until there is room everywhere, or something has changed; no longer than a request waits in all.
fn wait(rooms: &[Room], since: Instant, now: Instant, bounds: &LockoutBounds) -> Permission {
    let mut next = Some(now);
    for room in rooms {
        match room {
            Room::Now => {}
            Room::From(Some(moment)) => next = next.map(|next| next.max(*moment)),
            Room::From(None) => next = None,
        }
    }
    // Since the first wait of the request, not since this one: many that are woken and find the place taken again
    // must not wait for ever.
    let ends = since.checked_add(bounds.patience);
    if ends.is_none_or(|ends| now < ends) {
        return Permission::Wait(next.into_iter().chain(ends).min());
    }
    let length = next.map_or(bounds.unanswered, |next| next.saturating_duration_since(now));
    let length = length.min(bounds.patience);
    let pause = Pause::new(PauseCause::Busy, now, length.max(Duration::from_secs(1)));
    pause.map_or(Permission::Refused, Permission::Paused)
}
