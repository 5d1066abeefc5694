//! Each row of evidence and each bound, against the pure value.

mod accepted_before;
mod alone;
mod kdc;
mod memory;
mod never_accepted;
mod worn_out;

use std::time::Duration;

use super::*;
use crate::protection_space::Challenger;

const ORIGIN: &str = "http://host.example";
const OTHER: &str = "http://other.example";

/// Requests of one user, and the clock.
struct Requests {
    verdicts: Verdicts,
    credentials: Credentials,
    now: Instant,
}

/// What a request was told; times are seconds from now.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Go,
    Wait(u64),
    Listen,
    Refused,
    Paused(PauseCause, u64),
}

use Told::{Go, Listen, Paused, Wait};

fn space(origin: &str) -> ProtectionSpace {
    ProtectionSpace::new(Challenger::Origin, origin.parse().expect("an origin"), None)
}

impl Requests {
    fn new() -> Self {
        Self::bounded(LockoutBounds::default())
    }

    fn bounded(bounds: LockoutBounds) -> Self {
        let credentials = Credentials::password("carol", "pw");
        Self { verdicts: Verdicts::new(bounds), credentials, now: Instant::now() }
    }

    /// Of credentials that were accepted with `GET /`.
    fn accepted() -> Self {
        let mut requests = Self::new();
        requests.end(ORIGIN, "/", Evidence::Proven);
        requests
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn ask(&mut self, origin: &str, path: &str, change: impl FnOnce(&mut Asking<'_>)) -> Permission {
        let space = space(origin);
        let mut asking = Asking {
            credentials: &self.credentials,
            space: &space,
            method: &Method::GET,
            path,
            speaks_first: false,
            disturbs_others: false,
            may_ask_kdc: false,
            waits_since: None,
        };
        change(&mut asking);
        self.verdicts.ask(&asking, self.now)
    }

    /// A challenged request may go, and what is derived from the secret is sent.
    fn send(&mut self, origin: &str, path: &str) -> Trial {
        let permission = self.ask(origin, path, |_| {});
        self.sent(origin, permission)
    }

    fn sent(&mut self, origin: &str, permission: Permission) -> Trial {
        let Permission::Go(mut trial) = permission else { panic!("it may not go: {permission:?}") };
        self.verdicts.sent(&mut trial, &self.credentials, &space(origin), self.now);
        trial
    }

    fn conclude(&mut self, origin: &str, trial: Trial, evidence: Evidence) -> RefusalVerdict {
        self.verdicts.end(trial, &self.credentials, &space(origin), evidence, self.now)
    }

    /// A challenged login that ends at once.
    fn end(&mut self, origin: &str, path: &str, evidence: Evidence) -> RefusalVerdict {
        let trial = self.send(origin, path);
        self.conclude(origin, trial, evidence)
    }

    /// What a challenged request would be told. If it may go, it gives that up.
    fn told(&mut self, origin: &str, path: &str) -> Told {
        self.told_if(origin, path, |_| {})
    }

    fn told_first(&mut self, origin: &str, path: &str) -> Told {
        self.told_if(origin, path, |asking| asking.speaks_first = true)
    }

    fn told_if(&mut self, origin: &str, path: &str, change: impl FnOnce(&mut Asking<'_>)) -> Told {
        let now = self.now;
        let seconds = |until: Instant| until.duration_since(now).as_secs();
        match self.ask(origin, path, change) {
            Permission::Go(trial) => {
                self.conclude(origin, trial, Evidence::Nothing);
                Go
            }
            Permission::Wait(until) => Wait(until.map_or(u64::MAX, seconds)),
            Permission::Listen => Listen,
            Permission::Refused => Told::Refused,
            Permission::Paused(pause) => Paused(pause.cause, seconds(pause.ends)),
        }
    }

    /// How long the pause is in which it is now, which then passes.
    fn sit_out(&mut self, cause: PauseCause) -> u64 {
        let Paused(seen, seconds) = self.told(ORIGIN, "/unseen") else { panic!("there is no pause") };
        assert_eq!(seen, cause);
        self.pass(seconds);
        seconds
    }

    /// The lengths of the next pauses, of which each is begun by one login with this end.
    fn pauses(&mut self, path: &str, evidence: Evidence, cause: PauseCause, count: usize) -> Vec<u64> {
        let mut lengths = vec![self.sit_out(cause)];
        lengths.extend((1..count).map(|_| {
            self.end(ORIGIN, path, evidence);
            self.sit_out(cause)
        }));
        lengths
    }
}
