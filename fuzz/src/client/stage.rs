//! What all who take part in a world share: its clock, what has been seen, and what was wrong.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::asks::Ask;
use super::ends;
use super::script::Script;
use super::setting::{Scheme, Setting, Site, User, Way};

/// Clones are the same.
#[derive(Clone)]
pub(super) struct Stage(Arc<Shared>);

struct Shared {
    script: Script,
    setting: Setting,
    begun: Instant,
    state: Mutex<State>,
}

/// What has been seen so far.
#[derive(Default)]
pub(super) struct State {
    /// Nothing goes wrong any more.
    pub(super) is_over: bool,
    /// The ends of connections that clients hold.
    pub(super) ends: usize,
    pub(super) octets: u64,
    pub(super) connections: u32,
    pub(super) legs: BTreeMap<u32, Legs>,
    /// Of all requests, `CONNECT` among them.
    pub(super) all_legs: u32,
    /// By site and user.
    pub(super) records: HashMap<(usize, usize), Record>,
    pub(super) answers: HashMap<u32, Vec<Vec<u8>>>,
    /// How often each site has said something of a login that is not what it should have.
    pub(super) doubts: HashMap<usize, usize>,
    notes: Option<Vec<String>>,
    course: u64,
    pub(super) violations: Vec<String>,
}

/// What servers have seen of a request.
#[derive(Default)]
pub(super) struct Legs {
    /// How many, on each connection.
    pub(super) on: BTreeMap<usize, u32>,
}

/// What became of somebody's password.
#[derive(Default)]
pub(super) struct Record {
    /// When it was shown, or what is made of it, and was wrong.
    pub(super) wrong: Vec<Duration>,
    /// Something was answered to it that may be taken for a yes.
    pub(super) was_let_in: bool,
    pub(super) accepted: u32,
}

impl Stage {
    pub(super) fn new(script: Script, setting: Setting, is_told: bool) -> Self {
        let state = State { notes: is_told.then(Vec::new), ..State::default() };
        Self(Arc::new(Shared { script, setting, begun: Instant::now(), state: Mutex::new(state) }))
    }

    pub(super) fn script(&self) -> &Script {
        &self.0.script
    }

    pub(super) fn setting(&self) -> &Setting {
        &self.0.setting
    }

    pub(super) fn now(&self) -> Duration {
        self.0.begun.elapsed()
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether something goes wrong at this step.
    pub(super) fn goes_wrong(&self) -> bool {
        !self.state().is_over && self.0.script.happens(self.0.setting.odds)
    }

    /// Something has happened. What it is, and the time, make the course of a world. Nothing is made where nobody looks on.
    pub(super) fn note(&self, what: impl FnOnce() -> String) {
        let now = self.now();
        let mut state = self.state();
        if state.notes.is_none() {
            return;
        }
        let what = what();
        // Without what is drawn anew in each run.
        let ends = ["-authenticate: ", "-info: ", "'s: "];
        let end = ends.iter().filter_map(|end| what.find(end)).min().unwrap_or(what.len());
        for octet in what[..end].bytes().chain(now.as_millis().to_le_bytes()) {
            state.course = (state.course ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
        if let Some(notes) = &mut state.notes {
            notes.push(format!("{:>12.3} s  {what}", now.as_secs_f64()));
        }
    }

    /// A leg of a request has come. Tells whether it is one too many: where no time passes, nothing else would end a circle.
    pub(super) fn leg(&self, number: Option<u32>, connection: usize) -> bool {
        let mut state = self.state();
        state.all_legs += 1;
        if let Some(number) = number {
            *state.legs.entry(number).or_default().on.entry(connection).or_default() += 1;
        }
        if state.all_legs != ends::ALL_LEGS {
            return state.all_legs > ends::ALL_LEGS;
        }
        drop(state);
        self.wrong(format!("{} legs are no end", ends::ALL_LEGS));
        true
    }

    /// The same of what happens in whatever order, at the same time.
    pub(super) fn remark(&self, what: impl FnOnce() -> String) {
        let course = self.course();
        self.note(what);
        self.state().course = course;
    }

    /// Something is wrong.
    pub(super) fn wrong(&self, what: impl Into<String>) {
        let what = what.into();
        self.note(|| format!("WRONG: {what}"));
        self.state().violations.push(what);
    }

    /// Nobody who looks at an error or a response is told a password.
    pub(super) fn look_for_secrets_in(&self, text: &str) {
        let told =
            self.0.setting.sites().flat_map(|site| &site.users).find(|user| text.contains(&user.password));
        if let Some(user) = told {
            self.wrong(format!("the password of {} is in {text}", user.name));
        }
    }

    /// Whether a request is served where nothing goes wrong.
    pub(super) fn is_let_in(&self, ask: &Ask) -> bool {
        let setting = &self.0.setting;
        let now = self.now();
        let may_login = |site: &Site, user: usize, may_show: bool, shares: bool| {
            let User { is_right, changes_at, .. } = &site.users[user];
            let is_right = *is_right && changes_at.is_none_or(|at| at > now);
            site.offers.is_empty() || (is_right && site.lets_in(may_show, shares))
        };
        let may_show = setting.is_secure || setting.is_daring;
        let proxy = setting.proxy.as_ref().is_none_or(|proxy| {
            let user = if setting.way == Way::Tunnelled { 0 } else { ask.user };
            may_login(proxy, user, setting.is_daring, false)
        });
        let origin = &setting.origins[ask.site];
        // Each leg of the one login would take a whole one by the other.
        let by_scram = |site: &Site| site.offers.contains(&Scheme::Scram);
        let both_by_scram = setting.way == Way::Forwarded
            && by_scram(origin)
            && setting.proxy.as_ref().is_some_and(by_scram)
            && ask.path != "/open";
        !both_by_scram
            && proxy
            && (ask.path == "/open" || may_login(origin, ask.user, may_show, setting.http2))
    }

    pub(super) fn course(&self) -> u64 {
        self.state().course
    }

    pub(super) fn notes(&self) -> Vec<String> {
        self.state().notes.take().unwrap_or_default()
    }

    /// What somebody else's secret would be, in what was sent for the site `own` or, without one, for nobody.
    pub(super) fn foreign(&self, own: Option<usize>, octets: &[u8]) -> Option<String> {
        let text = Text::of(octets);
        let others = self.0.setting.sites().enumerate().filter(|(site, _)| Some(*site) != own);
        let words = others.flat_map(|(_, site)| &site.users).flat_map(|user| [&user.name, &user.password]);
        words.into_iter().find(|word| text.contains(word)).cloned()
    }
}

/// Octets that words are looked for in, which are ASCII.
pub(super) struct Text<'a>(Cow<'a, str>);

impl<'a> Text<'a> {
    pub(super) fn of(octets: &'a [u8]) -> Self {
        Self(String::from_utf8_lossy(octets))
    }

    /// In UTF-8 or UTF-16.
    pub(super) fn contains(&self, word: &str) -> bool {
        self.0.contains(word)
            || self.0.contains(&word.chars().flat_map(|letter| [letter, '\0']).collect::<String>())
    }
}
