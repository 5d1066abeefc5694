//! How often each secret reaches the server, and how often it may: a plain second reading of the
//! lockout guard's bounds, from what goes over the wire.
//!
//! It counts what stands against credentials, and asserts that no more of them goes out than
//! that allows. Where the wire does not tell what a login was for, or what an answer meant, the reading
//! is the one that allows more, and says so.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::Response;
use legwork::challenge::{Challenge, Challenges};
use legwork::credentials::Credentials;
use legwork::handshake::{HandshakeError, Outcome, PauseCause, Refusal, Why};
use legwork::protection_space::Challenger;

use super::LANES;
use super::clock::Clock;
use super::rules::{Request, SCHEMES};
use super::token::Token;

const MINUTE: Duration = Duration::from_secs(60);

/// After refusals of what was accepted on its path.
const STRONG_PAUSES: &[Duration] = &[Duration::from_secs(5 * 60), Duration::from_secs(32 * 60)];
/// After other refusals.
const WEAK_PAUSES: &[Duration] =
    &[MINUTE, Duration::from_secs(4 * 60), Duration::from_secs(16 * 60), Duration::from_secs(32 * 60)];
/// After logins without an answer.
const LOST_PAUSES: &[Duration] =
    &[Duration::from_secs(30), Duration::from_secs(5 * 60), Duration::from_secs(32 * 60)];
/// How long the others wait for the answer to a login that was sent on its own.
const UNANSWERED: Duration = Duration::from_secs(5);
/// After this long without a login, the next one is sent on its own.
const QUIET: Duration = Duration::from_secs(10);
/// How long anybody waits.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// A realm, or none. There is one origin.
type Space = Option<String>;

/// A method and a path.
pub(super) type Target = (&'static str, &'static str);

/// Of one authenticator and one challenger.
pub(super) struct Ledger {
    challenger: Challenger,
    pub(super) guarded: bool,
    /// A scheme was declared, so that a login is expected.
    declared: bool,
    pub(super) clock: Clock,
    records: HashMap<Credentials, Record>,
    /// What is under way on each connection.
    logins: [Option<Login>; LANES],
    /// Whose turn a connection may hold while it waits for others' legs, or was given up in that, and since when:
    /// nothing of it is on the wire.
    held: [Option<(Credentials, Duration)>; LANES],
    /// Which connections are logged in.
    logged_in: [bool; LANES],
    /// The realms for which Basic may be sent without being asked.
    basic: HashSet<Space>,
    /// How often refusals may have been lifted: forgotten, or followed by a success.
    pub(super) lifted: usize,
    /// Something was given up, and perhaps nobody has been told the time since, by which it ends.
    given_up: bool,
    /// How many challenges for Digest there were: each may have made a nonce void.
    digest_challenges: usize,
}

/// What is known of some credentials.
#[derive(Default)]
struct Record {
    proven: bool,
    /// Where they were accepted; without a name, in a space that is not known.
    accepted: HashSet<Option<Space>>,
    /// What they were accepted for.
    targets: HashSet<Target>,
    /// What connections have served that they logged in: accepted, too, once such a connection has ended.
    served: HashSet<Target>,
    /// What has challenged requests of theirs.
    challenged: HashSet<Target>,
    /// For what they may have been sent.
    spaces: HashSet<Space>,
    /// What stands against them.
    against: Vec<Attempt>,
    /// How many were lost since the last proof: what is let through where nobody asks ends no row of them
    /// over all spaces.
    lost: usize,
    /// How many were refused or lost, whether that counted or not.
    ended: usize,
    seen: Seen,
    /// All may go: one was accepted that was sent after the last refusal.
    is_open: bool,
    /// Something may have been forgotten before it shut anything.
    is_unsure: bool,
    /// Which group of logins goes one at a time now. A login that was sent before the group began is not in it.
    window: usize,
    last_sent: Option<Duration>,
    /// Refused, and not proven since: nobody speaks first.
    listens: bool,
    last_refused: Option<Target>,
    /// Something was a proof or less: a mechanism's last word in a challenge, an answer that tells of the
    /// login before it. It is read as a proof.
    is_unclear: bool,
    /// What was refused was accepted later, so one backend may be sick.
    is_sick: bool,
    digests_sent: usize,
    /// Digest was refused among others' challenges: that may have counted, or not.
    is_doubted: bool,
    /// How often they were sent once more in each space before they were accepted, since another challenge came.
    superseded: HashMap<Option<Space>, u32>,
}

/// How many refusals and lost logins there were, forgotten ones as well.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Seen {
    refusals: usize,
    lost: usize,
}

/// A login that counts against its credentials.
#[derive(Clone, Debug)]
struct Attempt {
    at: Duration,
    space: Option<Space>,
    /// They had not been accepted in its space.
    is_new: bool,
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Refused(Strength),
    Lost,
}

/// Whether a refusal is about the credentials rather than what was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Strength {
    Strong,
    Weak,
    Unclear,
}

/// A login on one connection, from its first token to its verdict.
struct Login {
    credentials: Credentials,
    scheme: &'static str,
    spoke_first: bool,
    /// For what it is, if the wire tells.
    space: Option<Space>,
    /// The group in which it began, if its logins went one at a time, and since when it may have been in it.
    window: Option<usize>,
    since: Duration,
    /// Something that was made from the secret is out.
    sent: Option<Sent>,
    /// What the last response says of it.
    reading: Option<Reading>,
    superseded: usize,
}

struct Sent {
    target: Target,
    seen: Seen,
    /// Digest's challenges and answers at the time.
    digests: (usize, usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Reading {
    Accepted {
        proven: bool,
    },
    /// The next answer on the connection tells: a challenge says this.
    AskAgain(End),
    Refused,
    /// Of a nonce that somebody else may have made void.
    PerhapsSuperseded,
    /// It spoke first, for another space than those that challenge: refused, or nothing was said.
    PerhapsElsewhere,
    /// The nonce is too old: the login may go on.
    Stale,
    /// The mechanism's last word comes with the challenge.
    LastWord,
    Nothing,
}

/// What the handshake wants once it has seen a response.
pub(super) enum Event<'a> {
    Send(Option<&'a Token>),
    Wait,
    Deliver(Option<&'a Outcome>),
    Renew,
    Fail(&'a HandshakeError),
}

impl Ledger {
    pub(super) fn new(challenger: Challenger, guarded: bool, declared: bool) -> Self {
        Self {
            challenger,
            guarded,
            declared,
            clock: Clock::new(),
            records: HashMap::new(),
            logins: [const { None }; LANES],
            held: [const { None }; LANES],
            logged_in: [false; LANES],
            basic: declared.then_some(None).into_iter().collect(),
            lifted: 0,
            given_up: false,
            digest_challenges: 0,
        }
    }

    /// A connection begins, in the place of the one before.
    pub(super) fn connect(&mut self, at: usize) {
        self.held[at] = None;
    }

    /// A leg goes out.
    pub(super) fn send(&mut self, at: usize, request: &Request, token: Option<&Token>) {
        self.settle(at, &Event::Send(token));
        self.take_turn(at, request, token);
        self.held[at] = None;
    }

    /// What the leg is to the turn of its credentials.
    fn take_turn(&mut self, at: usize, request: &Request, token: Option<&Token>) {
        let Some(credentials) = request.password() else { return };
        let Some(token) = token else {
            if self.logged_in[at] {
                self.records.entry(credentials.clone()).or_default().served.insert(request.target());
            }
            return;
        };
        if self.logins[at].is_none() {
            self.begin(at, request, credentials, token);
        }
        if token.proves() {
            self.prove(at, request.target());
        }
    }

    /// A login begins: whether it may, beside those that are under way.
    fn begin(&mut self, at: usize, request: &Request, credentials: &Credentials, token: &Token) {
        let spaces = match token.scheme {
            "Basic" => self.basic_spaces(request),
            _ => HashSet::from([token.realm.clone()]),
        };
        let space = spaces.iter().next().filter(|_| spaces.len() == 1).cloned();
        let now = self.clock.passed;
        self.given_up = false;
        let record = self.records.entry(credentials.clone()).or_default();
        record.spaces.extend(spaces);
        let is_quiet = record.last_sent.is_none_or(|last| now - last > QUIET);
        if record.is_open && is_quiet {
            record.shut();
        }
        let held = |held: &[Option<(Credentials, Duration)>]| {
            let own = held.iter().flatten().filter(|(held, _)| held == credentials);
            own.map(|(_, since)| *since).min()
        };
        let login = Login {
            credentials: credentials.clone(),
            scheme: token.scheme,
            spoke_first: request.legs.is_empty(),
            space,
            window: (!record.is_open).then_some(record.window),
            since: held(&self.held[at..=at]).unwrap_or(now),
            sent: None,
            reading: None,
            superseded: 0,
        };
        let others = self.logins.iter().flatten();
        let others = others.filter(|other| other.credentials == *credentials);
        if self.guarded {
            let beside = others.clone().filter(|other| other.window == login.window);
            let eldest = beside.clone().map(|other| other.since).chain(held(&self.held)).min();
            record.has_its_turn(&login, beside.count(), now - eldest.unwrap_or(now));
            record.may_be_tried(&login, request.target(), others, now);
        }
        self.logins[at] = Some(login);
    }

    /// For what Basic may be sent: what has asked in this request; unasked, what has asked ever.
    fn basic_spaces(&self, request: &Request) -> HashSet<Space> {
        let responses = request.legs.iter().filter_map(|leg| leg.response.as_ref());
        let asked: HashSet<_> = responses
            .flat_map(|response| realms(&self.challenges(response), &["Basic"]).collect::<Vec<_>>())
            .collect();
        if asked.is_empty() { self.basic.clone() } else { asked }
    }

    /// What is made from the secret goes out. A login that has begun goes on, whatever was learnt since.
    fn prove(&mut self, at: usize, target: Target) {
        let now = self.clock.passed;
        let digests = self.digest_challenges;
        let login = self.logins[at].as_ref().expect("it has begun");
        let record = self.records.get_mut(&login.credentials).expect("it has begun");
        record.last_sent = Some(now);
        record.digests_sent += usize::from(login.scheme == "Digest");
        let sent = Sent { target, seen: record.seen, digests: (digests, record.digests_sent) };
        let login = self.logins[at].as_mut().expect("it has begun");
        login.sent.get_or_insert(sent);
    }

    /// A response comes in.
    pub(super) fn receive(&mut self, at: usize, request: &Request, response: &Response<()>) {
        let challenges = self.challenges(response);
        let is_challenge = response.status() == self.challenger.status();
        let target = request.target();
        let asked_before = request.password().and_then(|credentials| self.records.get(credentials));
        let asked_before = asked_before.is_some_and(|record| record.challenged.contains(&target));
        let reading = self.logins[at].as_ref().and_then(|login| {
            let sent = login.sent.as_ref()?;
            Some(match (login.reading, is_challenge) {
                (Some(Reading::AskAgain(End::Lost)), true) => Reading::AskAgain(End::Lost),
                (Some(Reading::AskAgain(_)), true) => Reading::Refused,
                (Some(Reading::AskAgain(_)), false) => {
                    self.reading_of_next_answer(login, response.status().as_u16(), asked_before)
                }
                (_, true) => self.reading_of_challenge(login, sent, &challenges),
                (_, false) => self.reading_of_answer(login, response),
            })
        });
        if let Some(login) = &mut self.logins[at] {
            if matches!(login.reading, Some(Reading::AskAgain(_))) {
                let record = self.records.get_mut(&login.credentials).expect("it has begun");
                record.is_unclear |= reading == Some(Reading::Accepted { proven: true });
            }
            login.reading = reading;
        }
        if is_challenge {
            self.logged_in[at] = false;
            self.basic.extend(realms(&challenges, &["Basic"]));
            self.digest_challenges += realms(&challenges, &["Digest"]).count();
            if let Some(credentials) = request.password() {
                self.records.entry(credentials.clone()).or_default().challenged.insert(target);
            }
        }
    }

    fn reading_of_challenge(&self, login: &Login, sent: &Sent, challenges: &Challenges) -> Reading {
        let record = &self.records[&login.credentials];
        let of_scheme = || challenges.iter().filter(|challenge| challenge.is(login.scheme));
        let is_stale = |challenge: &Challenge| {
            challenge.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"))
        };
        let has_token = |challenge: &Challenge| challenge.token().is_ok_and(|token| token.is_some());
        let is_here = |realm: Space| login.space.as_ref() == Some(&realm);
        match login.scheme {
            "Digest" if of_scheme().any(is_stale) => Reading::Stale,
            "Negotiate" if of_scheme().any(has_token) => Reading::LastWord,
            "Basic" | "Digest" | "SCRAM-SHA-256"
                if login.spoke_first
                    && login.space != Some(None)
                    && realms(challenges, &SCHEMES).next().is_some()
                    && !realms(challenges, &[login.scheme]).any(is_here) =>
            {
                Reading::PerhapsElsewhere
            }
            // Twice in a space over all requests, of what was never accepted: another challenge may have come.
            "Digest"
                if !record.is_accepted(login.space.as_ref())
                    && record.superseded.get(&login.space).is_none_or(|often| *often < 2) =>
            {
                Reading::PerhapsSuperseded
            }
            // Twice for one request, and of what was accepted before.
            "Digest"
                if record.is_accepted(login.space.as_ref())
                    && sent.digests != (self.digest_challenges, record.digests_sent)
                    && login.superseded < 2 =>
            {
                Reading::PerhapsSuperseded
            }
            _ => Reading::Refused,
        }
    }

    /// What a request without an authorization gets after a login that was not told about.
    fn reading_of_next_answer(&self, login: &Login, status: u16, asked_before: bool) -> Reading {
        let is_accepted = self.records[&login.credentials].is_accepted(login.space.as_ref());
        match status {
            400 | 407 | 408 | 413 | 414 | 417 | 421 | 429 | 431 | 500..=599 if !is_accepted => {
                Reading::Nothing
            }
            403 | 200..=299 | 304 | 404 | 405 | 406 | 409 | 410 | 412 | 415 | 416 => {
                Reading::Accepted { proven: asked_before }
            }
            _ => Reading::Accepted { proven: false },
        }
    }

    fn reading_of_answer(&self, login: &Login, response: &Response<()>) -> Reading {
        let is_requests = response.headers().get("persistent-auth").is_some_and(|value| value == "false");
        let is_connections = matches!(login.scheme, "NTLM" | "Negotiate") && !is_requests;
        match (response.status().as_u16(), self.challenger) {
            (403 | 500..=599, Challenger::Proxy) => Reading::Accepted { proven: false },
            (403, _) if is_connections => Reading::AskAgain(End::Refused(Strength::Strong)),
            (500..=599, _) if is_connections => Reading::AskAgain(End::Lost),
            (400 | 407 | 408 | 413 | 414 | 417 | 421 | 429 | 431 | 500..=599, _) => Reading::Nothing,
            (200..=299 | 304 | 404 | 405 | 406 | 409 | 410 | 412 | 415 | 416, _) => {
                Reading::Accepted { proven: !login.spoke_first }
            }
            _ => Reading::Accepted { proven: false },
        }
    }

    /// What the last response, and what comes of it, say of the login on this connection.
    pub(super) fn settle(&mut self, at: usize, event: &Event<'_>) {
        let Some(mut login) = self.logins[at].take() else { return };
        let goes_on = matches!(event, Event::Send(Some(token)) if token.scheme == login.scheme);
        let Some(sent) = &login.sent else {
            self.logins[at] = Some(login).filter(|_| goes_on);
            return;
        };
        let is_denial = match event {
            Event::Deliver(Some(Outcome::Refused(refusal))) => {
                refusal.tried.iter().any(|tried| tried.why == Why::Denied)
            }
            _ => false,
        };
        let is_pause = match event {
            Event::Deliver(Some(Outcome::Refused(refusal))) => {
                refusal.tried.iter().any(|tried| matches!(tried.why, Why::Paused(_)))
            }
            _ => false,
        };
        let is_undecided = match event {
            Event::Deliver(Some(Outcome::Refused(refusal))) => {
                refusal.tried.iter().any(|tried| matches!(tried.why, Why::Undecided(_)))
            }
            _ => false,
        };
        let now = self.clock.passed;
        let record = self.records.get_mut(&login.credentials).expect("it has begun");
        let is_accepted = record.is_accepted(login.space.as_ref());
        let refused = End::Refused(record.strength(sent.target, is_accepted));
        record.is_doubted |= login.reading == Some(Reading::PerhapsSuperseded)
            && !matches!(event, Event::Send(_) | Event::Wait | Event::Renew);
        match (login.reading, event) {
            (Some(Reading::Stale | Reading::LastWord), Event::Send(Some(_))) if goes_on => {
                self.logins[at] = Some(login);
            }
            (Some(Reading::AskAgain(_)), Event::Deliver(None) | Event::Send(None)) => {
                self.logins[at] = Some(login);
            }
            (Some(Reading::AskAgain(end)), Event::Deliver(_)) => record.count(&login, end, now),
            // The response is in doubt, not the login.
            (
                Some(Reading::Accepted { .. } | Reading::Nothing | Reading::AskAgain(_)),
                Event::Fail(HandshakeError::Unproven),
            ) => {}
            (Some(Reading::Accepted { proven }), Event::Deliver(_)) => {
                self.lifted += 1;
                self.logged_in[at] = matches!(login.scheme, "NTLM" | "Negotiate");
                record.accept(&login, proven);
            }
            (Some(Reading::LastWord), Event::Deliver(_)) if is_denial => {
                self.lifted += 1;
                record.is_unclear |= is_accepted;
                record.accept(&login, true);
            }
            (Some(Reading::Refused | Reading::LastWord), _) => record.count(&login, refused, now),
            (Some(Reading::PerhapsSuperseded), Event::Send(_) | Event::Wait | Event::Renew) => {
                if !is_accepted {
                    *record.superseded.entry(login.space.clone()).or_default() += 1;
                }
                if record.is_open {
                    record.shut();
                }
                (login.sent, login.reading) = (None, None);
                login.superseded += 1;
                self.logins[at] = Some(login).filter(|_| goes_on);
            }
            (Some(Reading::PerhapsSuperseded), _) if is_pause => {}
            (Some(Reading::PerhapsSuperseded), _) if is_undecided => record.count(&login, End::Lost, now),
            (Some(Reading::PerhapsSuperseded), _) if !is_accepted => {}
            (Some(Reading::PerhapsSuperseded), _) => record.count(&login, refused, now),
            // A final token that does not hold is no answer of the server's, whatever the status says.
            (Some(Reading::Nothing), Event::Fail(HandshakeError::FinalToken(_))) => {
                self.given_up = true;
                record.count(&login, End::Lost, now);
            }
            (Some(Reading::Nothing), _) => {}
            _ => {
                self.given_up = true;
                record.count(&login, End::Lost, now);
            }
        }
    }

    /// The connection is gone, and whatever was out on it. `held` is what the handshake says: that it
    /// held the proof of a secret that was never accepted.
    pub(super) fn lose(&mut self, at: usize, held: Option<bool>) {
        self.logged_in[at] = false;
        let login = self.logins[at].take().filter(|login| login.sent.is_some());
        let is_accepted = login.as_ref().is_some_and(|login| self.is_accepted(&login.credentials));
        match held {
            Some(true) => assert!(login.is_some(), "nothing was out"),
            Some(false) => assert!(login.is_none() || is_accepted || !self.guarded, "something was out"),
            None => {}
        }
        if let Some(login) = login {
            let record = self.records.get_mut(&login.credentials).expect("it has begun");
            self.given_up |= held.is_none();
            record.count(&login, End::Lost, self.clock.passed);
        }
    }

    pub(super) fn forget_refusals(&mut self) {
        self.lifted += 1;
        for record in self.records.values_mut() {
            record.against.clear();
            (record.listens, record.last_refused, record.lost) = (false, None, 0);
            record.is_unsure |= self.given_up;
        }
    }

    /// Whether a scheme was declared, or Digest has challenged.
    pub(super) fn expects_challenges(&self) -> bool {
        self.declared || self.digest_challenges > 0
    }

    /// A request waits: for somebody, who may be about to try, or for a moment only.
    pub(super) fn wait(&mut self, at: usize, request: &Request, is_short: bool, is_beside_others: bool) {
        self.settle(at, &Event::Wait);
        if is_short {
            let since = self.clock.passed;
            let own = request.password().map(|credentials| (credentials.clone(), since));
            self.held[at] = self.held[at].take().filter(|(held, _)| Some(held) == request.password()).or(own);
            return;
        }
        assert!(self.guarded, "there is nobody to wait for");
        let credentials = request.password().expect("nobody is locked out of anything else");
        let others = self.logins.iter().flatten();
        assert!(
            is_beside_others || others.into_iter().any(|login| login.credentials == *credentials),
            "{credentials:?}: nobody tries them"
        );
    }

    /// What was accepted, at this moment.
    pub(super) fn is_accepted(&self, credentials: &Credentials) -> bool {
        self.records.get(credentials).is_some_and(|record| record.is_accepted(None))
    }

    /// A request is not tried: for a reason, and not for longer than that lasts.
    pub(super) fn explain(&self, request: &Request, refusal: &Refusal) {
        let Some(record) = request.password().and_then(|credentials| self.records.get(credentials)) else {
            return;
        };
        if record.is_unclear || record.is_doubted || request.lifted != self.lifted {
            // What is lifted now stood when the request began.
            return;
        }
        let stands = match record.spaces.len() {
            0 | 1 => record.refusals() + record.lost,
            // A proof in one space leaves what stands in another, and each counts for itself.
            _ => record.ended,
        };
        for tried in &refusal.tried {
            match &tried.why {
                // What spoke first, without a realm, is refused in those that challenge, whether it counts or
                // not.
                Why::RefusedBefore => {
                    assert!(!record.proven && record.ended > 0, "barred for nothing: {refusal}");
                }
                Why::Paused(pause) => {
                    // It was told when the scheme's turn came, perhaps a while ago.
                    let ends = self.clock.since_beginning(pause.ends);
                    assert!(ends <= self.clock.passed + pause.length, "{pause:?}");
                    if pause.cause != PauseCause::Busy {
                        assert!(pause.length <= 32 * MINUTE && stands > 1, "a pause for nothing: {refusal}");
                    }
                }
                _ => {}
            }
        }
    }

    fn challenges(&self, response: &Response<()>) -> Challenges {
        Challenges::parse(response.headers(), self.challenger.challenge_field())
    }
}

/// The spaces for which these schemes are asked, by malformed challenges too.
fn realms(challenges: &Challenges, schemes: &[&str]) -> impl Iterator<Item = Space> {
    challenges
        .iter()
        .chain(challenges.malformed())
        .filter(|challenge| schemes.iter().any(|scheme| challenge.is(scheme)))
        .map(|challenge| challenge.realm().map(|realm| realm.to_string()))
}

impl Record {
    /// Of `None`, in any space.
    fn is_accepted(&self, space: Option<&Space>) -> bool {
        match space {
            Some(space) => {
                self.proven || self.accepted.contains(&Some(space.clone())) || self.accepted.contains(&None)
            }
            None => !self.accepted.is_empty(),
        }
    }

    fn strength(&self, target: Target, is_accepted: bool) -> Strength {
        match is_accepted {
            true if self.targets.contains(&target) => Strength::Strong,
            true if self.served.contains(&target) => Strength::Unclear,
            true => Strength::Weak,
            false => Strength::Strong,
        }
    }

    /// How many refusals stand.
    fn refusals(&self) -> usize {
        self.against.iter().filter(|attempt| attempt.end != End::Lost).count()
    }

    /// Checks that one more could go beside those of its group that are out. The time that the others wait for
    /// the eldest runs since it began, or since its proof was sent: the wire does not tell which.
    fn has_its_turn(&self, login: &Login, beside: usize, eldest: Duration) {
        if self.is_doubted {
            return;
        }
        // Each space has its own.
        if login.window.is_none() || self.is_unsure || self.spaces.len() > 1 {
            return;
        }
        let steps = eldest.as_nanos() / UNANSWERED.as_nanos();
        let allowed = match self.is_accepted(login.space.as_ref()) {
            true => 1 << steps.min(16),
            false => 1 + steps.min(1),
        };
        assert!((beside as u128) < allowed, "{:?}: not alone, but beside {beside}", login.credentials);
    }

    /// Whether what stands against it lets one more go, beside `others`.
    fn may_be_tried<'a>(
        &self,
        login: &Login,
        target: Target,
        others: impl Iterator<Item = &'a Login>,
        now: Duration,
    ) {
        if self.is_doubted {
            return;
        }
        let is_one_space = self.spaces.len() == 1;
        if is_one_space && login.spoke_first {
            assert!(!self.listens, "{:?}: refused, and yet it speaks first", login.credentials);
        }
        if self.is_accepted(login.space.as_ref()) {
            let rests = if is_one_space { self.rests(target) } else { self.rests_somewhere() };
            assert!(now >= rests, "{:?}: tried in a pause after {:?}", login.credentials, self.against);
            return;
        }
        let against: Vec<_> = self.against.iter().filter(|attempt| attempt.is_new).collect();
        let refusals = || against.iter().filter(|attempt| attempt.end != End::Lost);
        let here = refusals().filter(|attempt| login.space.is_some() && attempt.space == login.space);
        let out = others.filter(|other| !self.is_accepted(other.space.as_ref())).count();
        let tries = against.len() + out;
        let ledger = || format!("{:?}: {out} are out, and against them: {against:?}", login.credentials);
        assert!(here.count() == 0, "refused here; {}", ledger());
        assert!(refusals().count() < 2, "refused twice; {}", ledger());
        let Some(pauses) = against.len().checked_sub(2) else {
            assert!(tries < 2, "tried twice; {}", ledger());
            return;
        };
        assert!(out == 0, "after a pause one is tried; {}", ledger());
        let last = against.iter().map(|attempt| attempt.at).max().unwrap_or_default();
        assert!(now >= last + nth(LOST_PAUSES, pauses), "in a pause; {}", ledger());
    }

    /// Until when credentials rest that were accepted before, all in one space.
    fn rests(&self, target: Target) -> Duration {
        let strong_bound = if self.is_sick || self.is_unclear { 5 } else { 2 };
        // It was served by a connection that may have ended since.
        let is_exempt = self.targets.contains(&target) || self.served.contains(&target);
        let (mut strong, mut weak, mut unclear, mut lost) = (0, 0, 0, 0);
        let (mut strong_pauses, mut weak_pauses, mut lost_pauses) = (0, 0, 0);
        let mut rests = Duration::ZERO;
        for Attempt { at, end, .. } in &self.against {
            match end {
                End::Refused(Strength::Strong) => strong += 1,
                End::Refused(Strength::Weak) => weak += 1,
                End::Refused(Strength::Unclear) => unclear += 1,
                End::Lost => lost += 1,
            }
            let mut pause = |pauses: &[Duration], count: &mut usize| {
                rests = rests.max(*at + nth(pauses, *count));
                *count += 1;
            };
            let refusals = strong + weak + unclear;
            if *end == End::Lost {
                if lost >= 3 || (refusals > 0 && refusals + lost >= strong_bound.max(3)) {
                    pause(LOST_PAUSES, &mut lost_pauses);
                }
            } else if strong >= strong_bound
                // With so many a pause is as long, whichever of them were strong.
                || (unclear > 0 && strong + unclear >= strong_bound + 3 && !is_exempt)
            {
                pause(STRONG_PAUSES, &mut strong_pauses);
            } else if (weak >= 3 || refusals >= strong_bound.max(3)) && !is_exempt {
                pause(WEAK_PAUSES, &mut weak_pauses);
            }
        }
        rests
    }

    /// The same over several spaces, where the wire does not tell for which of them each attempt was:
    /// a minute, once there were more than each of them, one backend being sick, allows.
    fn rests_somewhere(&self) -> Duration {
        let last = self.against.last().filter(|_| self.against.len() >= 8 * self.spaces.len());
        last.map_or(Duration::ZERO, |attempt| attempt.at + MINUTE)
    }

    fn accept(&mut self, login: &Login, proven: bool) {
        let Some(sent) = &login.sent else { return };
        let is_fresh = sent.seen.refusals == self.seen.refusals;
        self.accepted.insert(login.space.clone());
        self.targets.insert(sent.target);
        if is_fresh && (proven || self.refusals() == 0) {
            self.is_open = true;
        }
        self.proven |= proven;
        if proven && is_fresh {
            self.is_sick |= self.last_refused.take() == Some(sent.target);
            self.against.clear();
            (self.listens, self.lost) = (false, 0);
        } else if !proven {
            self.against.retain(|attempt| attempt.end != End::Lost);
        }
    }

    /// A login was refused, or lost. Of what was accepted before, those that were out together count
    /// once.
    fn count(&mut self, login: &Login, end: End, now: Duration) {
        let Some(sent) = &login.sent else { return };
        self.ended += 1;
        let is_new = !self.is_accepted(login.space.as_ref());
        let is_fresh = match end {
            End::Refused(_) => sent.seen.refusals == self.seen.refusals,
            End::Lost => sent.seen == self.seen,
        };
        if !is_new && !is_fresh {
            return;
        }
        self.against.push(Attempt { at: now, space: login.space.clone(), is_new, end });
        self.shut();
        match end {
            End::Refused(_) => {
                self.seen.refusals += 1;
                self.listens = true;
                self.last_refused = Some(sent.target);
            }
            End::Lost => {
                self.seen.lost += 1;
                self.lost += 1;
            }
        }
    }

    fn shut(&mut self) {
        self.is_open = false;
        self.window += 1;
    }
}

/// The last one repeats.
fn nth(pauses: &[Duration], at: usize) -> Duration {
    pauses[at.min(pauses.len() - 1)]
}
