//! Every interleaving of three requests, to a depth, against the value itself.
//!
//! A step is one that a request, the server, the network, the caller or the clock can take. What must
//! hold is checked by counts of the model's own, made of what went over the wire.

mod exploration;

use std::fmt;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, Hasher};
use std::time::Duration;

use super::Evidence::{LetThrough, Nothing, Proven, Refused, RefusedWeakly, Undecided};
use super::account::{Account, AccountInSpace};
use super::*;

const REQUESTS: usize = 3;
const UNANSWERED: u64 = 5;
const QUIET: u64 = 10;
/// The longest pause, and as long as one waits for those that are out.
const LONGEST: Duration = Duration::from_secs(32 * 60 + 30);

/// What is modelled.
#[derive(Clone)]
struct Setting {
    name: &'static str,
    bounds: LockoutBounds,
    /// The requests are for so many spaces.
    spaces: usize,
    /// They were accepted before, in all of them, with `GET /`.
    accepted: bool,
    password: Password,
    paths: &'static [&'static str],
    /// How a login with the right password may end, and how one with a wrong one.
    right: &'static [Evidence],
    wrong: &'static [Evidence],
    /// How many more may go once it is known that a password which was accepted has failed.
    more: u32,
    /// A fault: what a login is answered counts as if it had been sent just now.
    is_always_fresh: bool,
    depth: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Password {
    Right,
    Wrong,
    /// It is right at first.
    Changes,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A request asks; if it may go, it sends at once, or holds its trial.
    Ask(usize, &'static str, bool),
    /// A login that is answered before anything else happens.
    LogIn(usize, &'static str, Evidence),
    Send(usize),
    /// Dropped before anything was sent.
    GiveUp(usize),
    End(usize, Evidence),
    Pass(u64),
    PauseEnds,
    PasswordChanges,
}

#[derive(Clone)]
enum Request {
    Idle,
    Waiting { path: &'static str, since: Instant },
    Trying(ModelledLogin),
}

/// A login that may go, or has gone.
#[derive(Clone)]
struct ModelledLogin {
    trial: Trial,
    is_wrong: bool,
    /// In which row of logins that go one at a time it is, and since when: since it went, or was sent.
    row: u32,
    since: Instant,
    /// How many refusals, and logins without an answer, were known when it was sent.
    known: (u32, u32),
    /// It went beside another one that was unanswered.
    is_beside: bool,
    /// It went in a pause.
    is_exempt: bool,
    /// It went after it was known that the password had failed.
    went_after_failure: bool,
}

#[derive(Clone)]
struct World<'a> {
    setting: &'a Setting,
    credentials: &'a Credentials,
    spaces: &'a [ProtectionSpace],
    verdicts: Verdicts,
    now: Instant,
    is_wrong: bool,
    requests: [Request; REQUESTS],
    seen: Seen,
}

/// What was seen on the wire.
#[derive(Clone, Default)]
struct Seen {
    /// Wrong passwords that were refused, or may have been.
    attempts: u32,
    /// Those of them that went once one had failed, not beside another one and not in a pause.
    later: u32,
    /// Those that went in a pause.
    exempt: u32,
    refused_in: [bool; REQUESTS],
    /// A wrong password was.
    has_failed: bool,
    /// Refusals, and logins without an answer, whatever the password; those that count.
    known: (u32, u32),
    is_accepted: bool,
    /// Whether one is to go at a time; in which row of them it is now.
    is_alone: bool,
    row: u32,
    last_sent: Option<Instant>,
    pauses: u32,
    rests_until: Option<Instant>,
}

/// What does not hold, and how it came to that.
struct Violation {
    what: String,
    steps: Vec<Step>,
}

impl fmt::Debug for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.what)?;
        self.steps.iter().rev().try_for_each(|step| writeln!(f, "  {step:?}"))
    }
}

impl ModelledLogin {
    /// Whether it went since nothing kept it, though the password had failed.
    fn is_later(&self) -> bool {
        self.went_after_failure && !self.is_beside && !self.is_exempt
    }
}

impl World<'_> {
    fn space_of(&self, request: usize) -> &ProtectionSpace {
        &self.spaces[request % self.spaces.len()]
    }

    fn ask(&mut self, request: usize, path: &str, waits_since: Option<Instant>, now: Instant) -> Permission {
        self.verdicts.ask(
            &Asking {
                credentials: self.credentials,
                space: &self.spaces[request % self.spaces.len()],
                method: &Method::GET,
                path,
                speaks_first: false,
                disturbs_others: false,
                may_ask_kdc: false,
                waits_since,
            },
            now,
        )
    }

    fn with<T>(&mut self, space: usize, look: impl FnOnce(&mut Account, &mut AccountInSpace) -> T) -> T {
        self.verdicts.table.with(self.credentials, &self.spaces[space], look)
    }

    fn logins(&self) -> impl Iterator<Item = &ModelledLogin> {
        self.requests.iter().filter_map(|request| match request {
            Request::Trying(login) => Some(login),
            Request::Idle | Request::Waiting { .. } => None,
        })
    }

    fn ends(&self, is_wrong: bool) -> impl Iterator<Item = Evidence> + use<> {
        let ends = if is_wrong { self.setting.wrong } else { self.setting.right };
        ends.iter().copied()
    }

    fn steps(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for (id, request) in self.requests.iter().enumerate() {
            match request {
                Request::Idle => {
                    // Those that are alike begin in order.
                    let is_next = self.spaces.len() > 1
                        || !self.requests[..id].iter().any(|request| matches!(request, Request::Idle));
                    let paths = self.setting.paths.iter().filter(|_| is_next);
                    for path in paths {
                        steps.extend(self.ends(self.is_wrong).map(|end| Step::LogIn(id, path, end)));
                        steps.extend([true, false].map(|sends| Step::Ask(id, path, sends)));
                    }
                }
                Request::Waiting { path, .. } => steps.push(Step::Ask(id, path, true)),
                Request::Trying(login) if login.trial.is_sent() => {
                    steps.extend(self.ends(login.is_wrong).map(|evidence| Step::End(id, evidence)));
                }
                Request::Trying(_) => steps.extend([Step::Send(id), Step::GiveUp(id)]),
            }
        }
        if self.setting.password == Password::Changes && !self.is_wrong {
            steps.push(Step::PasswordChanges);
        }
        if self.seen.rests_until.is_some_and(|until| self.now < until) {
            steps.push(Step::PauseEnds);
        }
        steps.extend([Step::Pass(5), Step::Pass(15)]);
        steps
    }

    fn take(&mut self, step: Step) -> Result<(), String> {
        match step {
            Step::Ask(id, path, sends) => {
                self.begin(id, path)?;
                if sends && matches!(self.requests[id], Request::Trying(_)) {
                    self.send(id);
                }
            }
            Step::LogIn(id, path, evidence) => {
                self.begin(id, path)?;
                if matches!(self.requests[id], Request::Trying(_)) {
                    self.send(id);
                    self.end(id, evidence);
                }
            }
            Step::Send(id) => self.send(id),
            Step::GiveUp(id) => self.end(id, Evidence::Nothing),
            Step::End(id, evidence) => self.end(id, evidence),
            Step::Pass(seconds) => self.now += Duration::from_secs(seconds),
            Step::PauseEnds => self.now = self.seen.rests_until.expect("there is a pause"),
            Step::PasswordChanges => self.is_wrong = true,
        }
        Ok(())
    }

    fn begin(&mut self, id: usize, path: &'static str) -> Result<(), String> {
        let since = match self.requests[id] {
            Request::Waiting { since, .. } => Some(since),
            _ => None,
        };
        let now = self.now;
        self.requests[id] = match self.ask(id, path, since, now) {
            Permission::Go(trial) => {
                let is_beside = self.check_alone()?;
                let is_exempt = self.seen.rests_until.is_some_and(|until| now < until);
                self.check_attempts(id, is_beside, is_exempt)?;
                let Seen { row, known, has_failed: went_after_failure, .. } = self.seen;
                Request::Trying(ModelledLogin {
                    trial,
                    is_wrong: self.is_wrong,
                    row,
                    since: now,
                    known,
                    is_beside,
                    is_exempt,
                    went_after_failure,
                })
            }
            Permission::Wait(until) => {
                let since = since.unwrap_or(now);
                let latest = since.checked_add(self.setting.bounds.patience);
                if until.is_none_or(|until| until <= now) || until > latest {
                    return Err("it waits until no moment that comes".to_owned());
                }
                Request::Waiting { path, since }
            }
            Permission::Listen => return Err("it was challenged, and listens".to_owned()),
            Permission::Refused if self.setting.accepted => return Err("what was accepted is barred".into()),
            Permission::Refused | Permission::Paused(_) => Request::Idle,
        };
        Ok(())
    }

    /// Checks that logins go one at a time where they must, unless the one before has been unanswered for
    /// long. Tells whether one goes beside another one.
    fn check_alone(&mut self) -> Result<bool, String> {
        let is_quiet = |last: Instant| self.now.duration_since(last).as_secs() > QUIET;
        if !self.seen.is_alone && self.seen.last_sent.is_some_and(is_quiet) {
            self.begin_row();
        }
        if !self.seen.is_alone {
            return Ok(false);
        }
        let row = || self.logins().filter(|login| login.row == self.seen.row);
        let beside = row().count();
        let Some(eldest) = row().map(|login| login.since).min() else { return Ok(false) };
        let passed = self.now.duration_since(eldest).as_secs();
        let doublings = u64::from(usize::BITS - beside.leading_zeros());
        match passed >= UNANSWERED * doublings {
            true => Ok(true),
            // In another space it may be that all go.
            false if self.spaces.len() > 1 => Ok(false),
            false => Err(format!("one goes beside {beside} after {passed} s")),
        }
    }

    /// The next one goes on its own.
    fn begin_row(&mut self) {
        self.seen.is_alone = true;
        self.seen.row += 1;
    }

    /// One goes: the attempts stay within the bounds.
    fn check_attempts(&self, id: usize, is_beside: bool, is_exempt: bool) -> Result<(), String> {
        if !self.is_wrong || (self.setting.accepted && is_beside) {
            return Ok(());
        }
        let wrong = || self.logins().filter(|login| login.is_wrong);
        let out = u32::try_from(wrong().count()).expect("there are three");
        let pauses = self.seen.pauses;
        if !self.setting.accepted {
            let attempts = self.seen.attempts + out + 1;
            if attempts > 2 + pauses {
                return Err(format!("{attempts} attempts after {pauses} pauses"));
            }
            if self.seen.refused_in[id % self.spaces.len()] {
                return Err("it was refused in this space".to_owned());
            }
            return Ok(());
        }
        let exempt = wrong().filter(|login| login.is_exempt).count();
        let exempt = self.seen.exempt + u32::try_from(exempt).expect("there are three") + 1;
        if is_exempt {
            return if exempt > 2 { Err(format!("{exempt} attempts in a pause")) } else { Ok(()) };
        }
        let later = wrong().filter(|login| login.is_later()).count();
        let later = self.seen.later + u32::try_from(later).expect("there are three") + 1;
        if self.seen.has_failed && later > self.setting.more + pauses {
            return Err(format!("{later} attempts once one had failed, after {pauses} pauses"));
        }
        Ok(())
    }

    fn send(&mut self, id: usize) {
        let space = self.space_of(id).clone();
        let Request::Trying(login) = &mut self.requests[id] else { panic!("it may not go") };
        (login.is_wrong, login.known, login.since) = (self.is_wrong, self.seen.known, self.now);
        self.seen.last_sent = Some(self.now);
        self.verdicts.sent(&mut login.trial, self.credentials, &space, self.now);
    }

    fn end(&mut self, id: usize, evidence: Evidence) {
        let space = self.space_of(id).clone();
        let request = std::mem::replace(&mut self.requests[id], Request::Idle);
        let Request::Trying(mut login) = request else { panic!("it does not try") };
        if self.setting.is_always_fresh && login.trial.is_sent() {
            self.verdicts.clone().sent(&mut login.trial, self.credentials, &space, self.now);
        }
        let is_later = login.is_later();
        self.verdicts.end(login.trial, self.credentials, &space, evidence, self.now);
        match evidence {
            Evidence::Proven | Evidence::LetThrough => {
                self.seen.is_alone &= login.known.0 != self.seen.known.0;
                self.seen.is_accepted = true;
            }
            Evidence::Nothing => {}
            _ => {
                let is_refusal = evidence != Evidence::Undecided;
                // What was sent before the last refusal was known adds nothing to it.
                let counts = match is_refusal {
                    true => login.known.0 == self.seen.known.0,
                    false => login.known == self.seen.known,
                };
                if counts || !self.seen.is_accepted {
                    self.seen.known.0 += u32::from(is_refusal);
                    self.seen.known.1 += u32::from(!is_refusal);
                    self.begin_row();
                }
                if login.is_wrong {
                    self.seen.attempts += 1;
                    self.seen.later += u32::from(is_later);
                    self.seen.exempt += u32::from(login.is_exempt);
                    self.seen.has_failed = true;
                    self.seen.refused_in[id % self.spaces.len()] |= is_refusal;
                }
            }
        }
        let now = self.now;
        for space in 0..self.spaces.len() {
            let pauses =
                self.with(space, |account, space| [account.record.pause_at(now), space.record.pause_at(now)]);
            for pause in pauses.into_iter().flatten() {
                if self.seen.rests_until.is_none_or(|until| until < pause.ends) {
                    self.seen.pauses += u32::from(self.seen.rests_until.is_none_or(|until| until <= now));
                    self.seen.rests_until = Some(pause.ends);
                }
            }
        }
    }

    /// Whatever the others do, a request is served, or told why not; one whose credentials were
    /// accepted, a pause later at the latest.
    fn check_served(mut self) -> Result<(), String> {
        let (path, start) = (self.setting.paths[0], self.now);
        let mut since = None;
        for _ in 0..20 {
            let now = self.now;
            match self.ask(0, path, since, now) {
                Permission::Go(_) if now.duration_since(start) <= LONGEST => return Ok(()),
                Permission::Wait(Some(until)) => {
                    since = since.or(Some(now));
                    self.now = until;
                }
                Permission::Paused(pause) => (since, self.now) = (None, pause.ends),
                Permission::Refused if !self.setting.accepted => return Ok(()),
                permission => return Err(format!("after {:?}: {permission:?}", now - start)),
            }
            if !self.setting.accepted && self.now > start + LONGEST {
                return Ok(());
            }
        }
        if self.setting.accepted { Err("it is never served".to_owned()) } else { Ok(()) }
    }

    /// Once all have ended, nothing is under way.
    fn check_nothing_leaks(mut self) -> Result<(), String> {
        for id in 0..REQUESTS {
            if let Request::Trying(_) = self.requests[id] {
                self.end(id, Evidence::Nothing);
            }
        }
        for space in 0..self.spaces.len() {
            let out = self.with(space, |account, space| {
                account.unproven_out > 0 || account.record.is_busy() || space.record.is_busy()
            });
            if out {
                return Err("some are out though all have ended".to_owned());
            }
        }
        Ok(())
    }

    /// What makes this world differ from another one for all that comes. Requests that are alike, with
    /// their spaces, may change places.
    fn shape(&mut self) -> u64 {
        let mut hasher = DefaultHasher::new();
        let now = self.now;
        let age = |moment: Instant| now.duration_since(moment).as_secs().min(60);
        let seen = self.seen.clone();
        let rests = seen.rests_until.filter(|until| now < *until).map(|until| until.duration_since(now));
        (self.is_wrong, seen.attempts, seen.later, seen.exempt, seen.has_failed, seen.is_accepted)
            .hash(&mut hasher);
        (seen.is_alone, seen.last_sent.map(age)).hash(&mut hasher);
        (seen.pauses, rests).hash(&mut hasher);
        self.with(0, |account, _| {
            (account.is_proven, account.is_shut, account.unproven_out).hash(&mut hasher);
            account.record.shape(now).hash(&mut hasher);
        });
        let mut requests: Vec<u64> = (0..REQUESTS).map(|id| self.shape_of_request(id)).collect();
        let mut spaces: Vec<u64> = (0..self.spaces.len()).map(|space| self.shape_of_space(space)).collect();
        if spaces.len() == REQUESTS {
            let pairs = requests.iter().zip(&spaces);
            requests = pairs.map(|pair| BuildHasherDefault::<DefaultHasher>::new().hash_one(pair)).collect();
            spaces.clear();
        }
        requests.sort_unstable();
        (requests, spaces).hash(&mut hasher);
        hasher.finish()
    }

    fn shape_of_space(&mut self, space: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        let (now, setting) = (self.now, self.setting);
        let targets: Vec<_> = setting.paths.iter().map(|path| Target::of(&Method::GET, path)).collect();
        self.seen.refused_in[space].hash(&mut hasher);
        self.with(space, |_, space| {
            (space.is_accepted, space.is_barred, space.listens, space.is_sick).hash(&mut hasher);
            space.record.shape(now).hash(&mut hasher);
            for target in targets {
                (space.accepted.contains(target), space.challenged.contains(target)).hash(&mut hasher);
                (space.last_refused == Some(target)).hash(&mut hasher);
            }
        });
        hasher.finish()
    }

    fn shape_of_request(&mut self, id: usize) -> u64 {
        let mut hasher = DefaultHasher::new();
        match self.requests[id].clone() {
            Request::Idle => 0.hash(&mut hasher),
            Request::Waiting { path, since } => {
                (1, path, self.now.duration_since(since).as_secs().min(60)).hash(&mut hasher);
            }
            Request::Trying(ModelledLogin {
                trial,
                is_wrong,
                row,
                since,
                known,
                is_beside,
                is_exempt,
                went_after_failure,
            }) => {
                (
                    2,
                    trial.target,
                    trial.in_pause,
                    is_wrong,
                    is_beside,
                    is_exempt,
                    went_after_failure,
                    row == self.seen.row,
                    self.now.duration_since(since).as_secs().min(60),
                )
                    .hash(&mut hasher);
                (known.0 == self.seen.known.0, known.1 == self.seen.known.1).hash(&mut hasher);
                let (known, now) = (trial.sent.unzip(), self.now);
                self.with(id % self.spaces.len(), |account, space| {
                    space.record.shape_of(trial.in_space, known.0, now).hash(&mut hasher);
                    account.record.shape_of(trial.in_all, known.1, now).hash(&mut hasher);
                });
                trial.is_unproven.hash(&mut hasher);
            }
        }
        hasher.finish()
    }
}
