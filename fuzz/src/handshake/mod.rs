//! The whole handshake against a server that follows a script: three connections of one program
//! to one origin, their requests interleaved, by a clock that the script has go on.
//!
//! ```text
//! script   settings, then steps: who does what next
//! mod      runs the connections: requests, actions, answers
//! server   verifies for real and answers as the script has it
//! rules    what must hold for each leg and each answer
//! ledger   what stands against credentials, and how often they may be tried
//! ```

mod clock;
mod ledger;
mod rules;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod token;

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use http::{HeaderValue, Method, Uri};
use legwork::challenge::Challenges;
use legwork::channel_bindings::ChannelBindings;
use legwork::credentials::{Ambient, Credentials, credentials_fn};
use legwork::handshake::{Authenticator, HandshakeError, Identity, Outcome, Renewal, Why};
use legwork::mechanism::{Moments, MutualAuthentication};
use legwork::protection_space::{Challenger, Origin};
use legwork::scheme::RequestContext;
use legwork::testing::Users;
use legwork::unversioned::handshake::{Action, Answer, Handshake, ResponseHead, Turn};

use self::clock::Clock;
use self::ledger::{Event, Ledger, PATIENCE};
use self::rules::{Connection, Kind, Leg, Request, Rules};
use self::script::Script;
use self::server::Server;
use self::token::Token;

const LANES: usize = 3;

/// How long a request waits until no other leg is out, at the most.
const SECOND: Duration = Duration::from_secs(1);

/// A request moves to a new connection this often.
const RENEWALS: usize = 4;

/// More actions than any leg can take: each candidate is asked for, waited for, and stepped.
const ACTIONS_PER_LEG: usize = 4 * Challenges::MAX_CHALLENGES;

/// A longer script finds nothing that a shorter one would not.
const STEPS: usize = 96;

static KINDS: LazyLock<[Kind; 5]> = LazyLock::new(|| {
    let kind = |method, path, has_body| Kind { method, target: Uri::from_static(path), has_body };
    [
        kind(Method::POST, "/", false),
        kind(Method::POST, "/", true),
        kind(Method::GET, "/", false),
        kind(Method::GET, "/other", false),
        kind(Method::POST, "/other", true),
    ]
});

/// What came of a script, for the tests.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Responses that ended a handshake, accepted.
    pub logins: usize,
    /// Responses whose challenge stands.
    pub refusals: usize,
    /// Responses of which the handshake said nothing.
    pub silent: usize,
    /// Requests that failed on this side.
    pub failures: usize,
    /// Requests that were begun again on a new connection.
    pub renewals: usize,
    /// Requests that had to wait for another one's trial.
    pub waits: usize,
    /// Responses whose challenge stands because the credentials rest.
    pub pauses: usize,
}

/// Panics if anything is wrong. Says what came of it.
pub fn check(script: &[u8]) -> Tally {
    let mut script = Script::new(script);
    let mut play = Play::new(&mut script);
    for _ in 0..STEPS {
        if script.is_over() {
            break;
        }
        play.step(&mut script);
    }
    play.end()
}

/// One program: an authenticator and its connections.
struct Play {
    authenticator: Authenticator,
    bindings: Option<ChannelBindings>,
    users: Arc<Users>,
    cast: Cast,
    lanes: [Lane; LANES],
    rules: Rules,
    tally: Tally,
}

/// Who the requests are for.
struct Cast {
    carol: Credentials,
    dave: Credentials,
    /// The provider finds carol, or nobody.
    provider_knows: bool,
}

/// One connection, and what is under way on it.
struct Lane {
    handshake: Handshake,
    server: Server,
    request: Option<Request>,
    waiting: Option<Turn>,
    /// Since when the request waits, or has waited.
    waits_since: Option<Duration>,
    /// Whose requests the connection was for: one that was given up may still hold its turn.
    tried: Vec<Credentials>,
    renewals: usize,
}

impl Play {
    fn new(script: &mut Script<'_>) -> Self {
        let challenger = script.choose(&[Challenger::Origin, Challenger::Proxy]);
        let origin: Origin =
            script.choose(&["https://mail.example", "http://mail.example"]).parse().expect("an origin");
        let basic_over_http = script.yes();
        let guarded = !script.yes();
        let declared = script.choose(&[None, Some("NTLM"), Some("Negotiate"), Some("Basic")]);
        let max_legs = script.choose(&[12, 2, 3, 4, 5]);
        let cast = Cast {
            carol: Credentials::password("LAB\\carol", "carol-pw"),
            dave: Credentials::password("dave", "dave-pw"),
            provider_knows: !script.yes(),
        };
        let users = match script.below(3) {
            0 => Users::new().with("LAB\\carol", "carol-pw").with("dave", "other-pw"),
            1 => Users::new().with("LAB\\carol", "other-pw").with("dave", "dave-pw"),
            _ => Users::new().with("LAB\\carol", "carol-pw").with("dave", "dave-pw"),
        };
        let bindings = script.yes().then(|| ChannelBindings::tls_server_end_point(&[1; 32]));
        let reports = script.yes();
        let mutual = script.yes();
        let rule = if mutual { MutualAuthentication::Required } else { MutualAuthentication::Preferred };

        let mut builder = Authenticator::builder()
            .provider(credentials_fn(|_| async { unreachable!("the play answers in its place") }))
            .dangerous_secrets_over_plain_http(basic_over_http == (challenger == Challenger::Origin))
            .dangerous_secrets_to_plain_http_proxies(basic_over_http == (challenger == Challenger::Proxy))
            .mutual_authentication(rule)
            .report_established(reports)
            .lockout_guard(guarded)
            .max_legs(max_legs);
        if let Some(scheme) = declared {
            builder = match challenger {
                Challenger::Origin => builder.declare(origin.clone(), scheme).expect("a known scheme"),
                Challenger::Proxy => builder.declare_proxy(origin.clone(), scheme).expect("a known scheme"),
            };
        }
        let authenticator = builder.build();
        let users = Arc::new(users);
        let lane = || Lane {
            handshake: Handshake::new(authenticator.clone(), challenger, origin.clone(), bindings.clone()),
            server: Server::new(challenger, Arc::clone(&users)),
            request: None,
            waiting: None,
            waits_since: None,
            tried: Vec::new(),
            renewals: 0,
        };
        let lanes = [lane(), lane(), lane()];
        let ledger = Ledger::new(challenger, guarded, declared.is_some());
        let connections = [const { Connection::new() }; LANES];
        let rules = Rules { challenger, origin, basic_over_http, mutual, max_legs, ledger, connections };
        Self { authenticator, bindings, users, cast, lanes, rules, tally: Tally::default() }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(9) {
            lane @ 0..LANES => self.go_on(lane, script),
            3 => self.rules.ledger.clock.passed += script.choose(&Clock::STEPS),
            4 => self.cancel(script.below(LANES)),
            5 => self.reconnect(script.below(LANES)),
            6 => self.lose(script.below(LANES)),
            7 => {
                self.authenticator.forget_refusals();
                self.rules.ledger.forget_refusals();
            }
            _ => self.answer_out_of_turn(script.below(LANES)),
        }
    }

    /// Begins a request, or takes the one under way a step further.
    fn go_on(&mut self, at: usize, script: &mut Script<'_>) {
        let clock = self.rules.ledger.clock;
        let lane = &mut self.lanes[at];
        if let Some(mut turn) = lane.waiting.take() {
            match Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending if turn.until().is_none_or(|until| clock.instant() < until) => {
                    lane.waiting = Some(turn);
                }
                Poll::Pending | Poll::Ready(()) => {
                    let action = lane.handshake.resume(Answer::Turn, lane.context(&clock));
                    self.act(at, action, script);
                }
            }
        } else if lane.request.is_some() {
            self.respond(at, script);
        } else {
            let lifted = self.rules.ledger.lifted;
            lane.request = Some(Request { lifted, ..self.cast.request(&self.authenticator, script) });
            lane.renewals = 0;
            self.begin(at, script);
        }
    }

    fn begin(&mut self, at: usize, script: &mut Script<'_>) {
        let clock = self.rules.ledger.clock;
        let lane = &mut self.lanes[at];
        lane.waits_since = None;
        lane.tried.extend(lane.request.as_ref().and_then(|request| request.credentials.clone()));
        let identity = lane.request.as_ref().expect("a request").identity.clone();
        let action = lane.handshake.begin(&identity, lane.context(&clock));
        self.act(at, action, script);
    }

    fn respond(&mut self, at: usize, script: &mut Script<'_>) {
        let clock = self.rules.ledger.clock;
        let lane = &mut self.lanes[at];
        let response = lane.server.respond(script);
        let request = lane.request.as_mut().expect("a request");
        self.rules.receive(at, request, response.clone());
        let action = lane.handshake.receive(ResponseHead::of(&response), lane.context(&clock));
        self.act(at, action, script);
    }

    /// Does what the handshake wants, until something must come from elsewhere.
    fn act(&mut self, at: usize, mut action: Action, script: &mut Script<'_>) {
        let clock = self.rules.ledger.clock;
        for _ in 0..ACTIONS_PER_LEG {
            let lane = &mut self.lanes[at];
            let answer = match action {
                Action::Ask(question) => {
                    let request = lane.request.as_ref().expect("a request");
                    assert!(matches!(request.identity, Identity::Provider(_)), "{question:?}");
                    Answer::Credentials(request.credentials.clone())
                }
                Action::Step(job) => Answer::Stepped(job.run(clock.moment().expect("always"))),
                Action::Wait(turn) => {
                    // Until no other leg is out: a second, and no longer.
                    let is_short = turn.until().is_some_and(|until| until <= clock.instant() + SECOND);
                    let request = self.lanes[at].request.as_ref().expect("a request");
                    let mut others = self.lanes.iter().enumerate().filter(|(other, _)| *other != at);
                    let is_beside_others = others.any(|(_, lane)| {
                        request.credentials.as_ref().is_some_and(|tried| lane.tried.contains(tried))
                    });
                    self.rules.ledger.wait(at, request, is_short, is_beside_others);
                    self.tally.waits += 1;
                    return self.lanes[at].wait(turn, is_short, &clock);
                }
                Action::Send { authorization, body } => {
                    let token = authorization.map(|value| Token::sent(&value.into_value()));
                    lane.server.take(token.as_ref(), script);
                    let leg = Leg { token, body, response: None };
                    let request = lane.request.as_mut().expect("a request");
                    return self.rules.send(at, request, leg);
                }
                Action::Deliver(outcome) => return self.deliver(at, outcome.as_deref()),
                Action::Renew(renewal) => return self.renew(at, renewal, script),
                Action::Fail(error) => {
                    assert!(!matches!(error, HandshakeError::OutOfTurn), "every action was answered");
                    assert!(!lane.handshake.is_reusable(), "{error}");
                    self.rules.ledger.settle(at, &Event::Fail(&error));
                    self.tally.failures += 1;
                    lane.request = None;
                    return;
                }
                action => panic!("unknown: {action:?}"),
            };
            action = lane.handshake.resume(answer, lane.context(&clock));
        }
        panic!("the handshake goes round in circles");
    }

    fn deliver(&mut self, at: usize, outcome: Option<&Outcome>) {
        let lane = &mut self.lanes[at];
        let request = lane.request.take().expect("a request");
        self.rules.deliver(at, &request, outcome);
        match outcome {
            Some(Outcome::LoggedIn(_)) => self.tally.logins += 1,
            Some(Outcome::Refused(refusal))
                if refusal.tried.iter().any(|tried| matches!(tried.why, Why::Paused(_))) =>
            {
                self.tally.pauses += 1;
            }
            Some(_) => self.tally.refusals += 1,
            None => self.tally.silent += 1,
        }
    }

    /// The request moves to a new connection.
    fn renew(&mut self, at: usize, renewal: Renewal, script: &mut Script<'_>) {
        self.rules.ledger.settle(at, &Event::Renew);
        let mut request = self.lanes[at].request.take().expect("a request");
        let is_first = request.legs.is_empty() && self.lanes[at].renewals > 0;
        assert!(!is_first, "{renewal:?}, but the connection is new");
        let other_identity = renewal == Renewal::OtherIdentity;
        assert!(other_identity || !self.lanes[at].handshake.is_reusable(), "{renewal:?}");
        self.tally.renewals += 1;
        let renewals = self.lanes[at].renewals + 1;
        self.reconnect(at);
        if renewals < RENEWALS {
            request.legs.clear();
            self.lanes[at].request = Some(request);
            self.lanes[at].renewals = renewals;
            self.begin(at, script);
        }
    }

    /// The program gives the request up, and does not close the connection as it should.
    fn cancel(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        lane.waiting = None;
        if let Some(request) = lane.request.take() {
            self.rules.abandon(at, &request);
        }
    }

    /// The program drops the connection, whatever is out on it.
    fn reconnect(&mut self, at: usize) {
        self.rules.lose(at, None);
        self.connect(at);
    }

    /// The connection breaks, and the handshake is told.
    fn lose(&mut self, at: usize) {
        let now = self.rules.ledger.clock.instant();
        let held = self.lanes[at].handshake.lose_connection(now);
        self.rules.lose(at, Some(held));
        self.connect(at);
    }

    fn connect(&mut self, at: usize) {
        self.rules.ledger.connect(at);
        let (challenger, origin) = (self.rules.challenger, self.rules.origin.clone());
        let (authenticator, bindings) = (self.authenticator.clone(), self.bindings.clone());
        let lane = &mut self.lanes[at];
        (lane.request, lane.waiting) = (None, None);
        lane.tried.clear();
        lane.handshake = Handshake::new(authenticator, challenger, origin, bindings);
        lane.server = Server::new(challenger, Arc::clone(&self.users));
    }

    /// A caller's fault is an error, and spoils the connection.
    fn answer_out_of_turn(&mut self, at: usize) {
        let clock = self.rules.ledger.clock;
        let lane = &mut self.lanes[at];
        let action = lane.handshake.resume(Answer::Credentials(None), lane.context(&clock));
        assert!(matches!(action, Action::Fail(HandshakeError::OutOfTurn)), "{action:?}");
        assert!(!lane.handshake.is_reusable());
        self.rules.ledger.lose(at, None);
        self.cancel(at);
    }

    /// Nobody waits for a connection that is gone.
    fn end(mut self) -> Tally {
        for at in 0..self.lanes.len() {
            if self.lanes[at].waiting.is_none() {
                self.reconnect(at);
            }
        }
        // Those that wait may have others wait for them in turn.
        while self.lanes.iter().any(|lane| lane.waiting.is_some()) {
            let soon = self.rules.ledger.clock.instant() + SECOND;
            let mut lanes = self.lanes.iter_mut();
            let is_ready = |lane: &mut Lane| {
                lane.waiting.as_mut().is_some_and(|turn| {
                    let poll = Pin::new(&mut *turn).poll(&mut Context::from_waker(Waker::noop()));
                    poll.is_ready() || turn.until().is_some_and(|until| until <= soon)
                })
            };
            let ready = lanes.position(is_ready).expect("it waits for nobody");
            self.reconnect(ready);
        }
        self.tally
    }
}

impl Cast {
    fn request(&self, authenticator: &Authenticator, script: &mut Script<'_>) -> Request {
        let (identity, credentials) = match script.below(6) {
            0 => (Identity::Credentials(self.carol.clone()), Some(self.carol.clone())),
            1 => (authenticator.identity(), self.provider_knows.then(|| self.carol.clone())),
            2 => (Identity::Credentials(self.dave.clone()), Some(self.dave.clone())),
            3 => (Identity::None, None),
            4 => (Identity::CallersOwn(HeaderValue::from_static("Bearer token")), None),
            _ => (Identity::Credentials(Credentials::ambient(Ambient::new())), None),
        };
        Request {
            identity,
            credentials,
            kind: &KINDS[script.below(KINDS.len())],
            legs: Vec::new(),
            lifted: 0,
        }
    }
}

impl Lane {
    fn context<'a>(&self, clock: &'a Clock) -> RequestContext<'a> {
        let kind = self.request.as_ref().map_or(&KINDS[0], |request| request.kind);
        RequestContext::new(&kind.method, &kind.target, kind.has_body, clock)
    }

    /// Its request waits, and never longer than all do.
    fn wait(&mut self, turn: Turn, is_short: bool, clock: &Clock) {
        let until = clock.since_beginning(turn.until().expect("no wait is without an end"));
        assert!(clock.passed < until, "it waits for nothing");
        // What it waits for others' legs does not count.
        if !is_short {
            let since = *self.waits_since.get_or_insert(clock.passed);
            assert!(until <= since + PATIENCE, "it waits too long");
        }
        self.waiting = Some(turn);
    }
}
