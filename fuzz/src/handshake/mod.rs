//! The whole handshake against a server that follows a script: two connections of one program
//! to one origin, their requests interleaved.
//!
//! ```text
//! script   settings, then steps: who does what next
//! mod      runs both connections: requests, actions, answers
//! server   verifies for real and answers as the script has it
//! rules    a ledger of all legs, and what must hold for them
//! ```

mod rules;
mod script;
mod server;
#[cfg(test)]
mod tests;
mod token;

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::UNIX_EPOCH;

use http::{HeaderValue, Method, Uri};
use legwork::challenge::Challenges;
use legwork::channel_bindings::ChannelBindings;
use legwork::credentials::{Ambient, Credentials, credentials_fn};
use legwork::handshake::{
    Action, Answer, Authenticator, Handshake, HandshakeError, Identity, Outcome, Renewal, ResponseHead, Turn,
};
use legwork::mechanism::Moment;
use legwork::protection_space::{Challenger, Origin};
use legwork::scheme::RequestContext;
use legwork::service::SystemMoments;
use legwork::testing::Users;

use self::rules::{Connection, Leg, Request, Rules};
use self::script::Script;
use self::server::Server;
use self::token::Token;

/// A request moves to a new connection this often.
const RENEWALS: usize = 4;

/// More actions than any leg can take: each candidate is asked for, waited for, and stepped.
const ACTIONS_PER_LEG: usize = 4 * Challenges::MAX_CHALLENGES;

/// A longer script finds nothing that a shorter one would not.
const STEPS: usize = 64;

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
    lanes: [Lane; 2],
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
    connection: Connection,
    request: Option<Request>,
    waiting: Option<Turn>,
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

        let mut builder = Authenticator::builder()
            .provider(credentials_fn(|_| async { unreachable!("the play answers in its place") }))
            .dangerous_secrets_over_plain_http(basic_over_http)
            .report_established(script.yes())
            .lockout_guard(guarded)
            .max_legs(max_legs);
        if let Some(scheme) = declared {
            builder = match challenger {
                Challenger::Origin => builder.declare(origin.clone(), scheme),
                Challenger::Proxy => builder.declare_proxy(origin.clone(), scheme),
            };
        }
        let authenticator = builder.build();
        let users = Arc::new(users);
        let lane = || Lane {
            handshake: Handshake::new(authenticator.clone(), challenger, origin.clone(), bindings.clone()),
            server: Server::new(challenger, Arc::clone(&users)),
            connection: Connection::default(),
            request: None,
            waiting: None,
            renewals: 0,
        };
        let lanes = [lane(), lane()];
        let realms = declared.iter().map(|_| None).collect();
        let records = HashMap::new();
        let rules = Rules { challenger, origin, guarded, basic_over_http, max_legs, realms, records };
        Self { authenticator, bindings, users, cast, lanes, rules, tally: Tally::default() }
    }

    fn step(&mut self, script: &mut Script<'_>) {
        match script.below(8) {
            0 => self.go_on(0, script),
            1 => self.go_on(1, script),
            2 => self.cancel(0),
            3 => self.cancel(1),
            4 => self.reconnect(0),
            5 => self.reconnect(1),
            6 => {
                self.authenticator.forget_refusals();
                self.rules.forget_refusals();
            }
            _ => self.answer_out_of_turn(script.below(2)),
        }
    }

    /// Begins a request, or takes the one under way a step further.
    fn go_on(&mut self, at: usize, script: &mut Script<'_>) {
        let lane = &mut self.lanes[at];
        if let Some(mut turn) = lane.waiting.take() {
            match Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop())) {
                Poll::Pending => lane.waiting = Some(turn),
                Poll::Ready(()) => {
                    let action = lane.handshake.resume(Answer::Turn, lane.context());
                    self.act(at, action, script);
                }
            }
        } else if lane.request.is_some() {
            self.respond(at, script);
        } else {
            lane.request = Some(self.cast.request(&self.authenticator, script));
            lane.renewals = 0;
            self.begin(at, script);
        }
    }

    fn begin(&mut self, at: usize, script: &mut Script<'_>) {
        let lane = &mut self.lanes[at];
        let identity = lane.request.as_ref().expect("a request").identity.clone();
        let action = lane.handshake.begin(&identity, lane.context());
        self.act(at, action, script);
    }

    fn respond(&mut self, at: usize, script: &mut Script<'_>) {
        let lane = &mut self.lanes[at];
        let response = lane.server.respond(script);
        let request = lane.request.as_mut().expect("a request");
        self.rules.receive(request, response.clone());
        let action = lane.handshake.receive(ResponseHead::of(&response), lane.context());
        self.act(at, action, script);
    }

    /// Does what the handshake wants, until something must come from elsewhere.
    fn act(&mut self, at: usize, mut action: Action, script: &mut Script<'_>) {
        for _ in 0..ACTIONS_PER_LEG {
            let lane = &mut self.lanes[at];
            let answer = match action {
                Action::Ask(question) => {
                    let request = lane.request.as_ref().expect("a request");
                    assert!(matches!(request.identity, Identity::Provider(_)), "{question:?}");
                    Answer::Credentials(request.credentials.clone())
                }
                Action::Step(job) => Answer::Stepped(job.run(Moment::new(UNIX_EPOCH, [7; 32]))),
                Action::Wait(turn) => {
                    assert!(self.rules.guarded, "there is nobody to wait for");
                    self.tally.waits += 1;
                    lane.waiting = Some(turn);
                    return;
                }
                Action::Send { authorization, body } => {
                    let token = authorization.map(|value| Token::sent(&value.into_value()));
                    lane.server.take(token.as_ref(), script);
                    let leg = Leg { token, body, response: None };
                    let request = lane.request.as_mut().expect("a request");
                    return self.rules.send(&mut lane.connection, request, leg);
                }
                Action::Deliver(outcome) => return self.deliver(at, outcome.as_deref()),
                Action::Renew(renewal) => return self.renew(at, renewal, script),
                Action::Fail(error) => {
                    assert!(!matches!(error, HandshakeError::OutOfTurn), "every action was answered");
                    assert!(!lane.handshake.is_reusable(), "{error}");
                    self.tally.failures += 1;
                    lane.request = None;
                    return;
                }
                action => panic!("unknown: {action:?}"),
            };
            action = lane.handshake.resume(answer, lane.context());
        }
        panic!("the handshake goes round in circles");
    }

    fn deliver(&mut self, at: usize, outcome: Option<&Outcome>) {
        let lane = &mut self.lanes[at];
        let request = lane.request.take().expect("a request");
        self.rules.deliver(&mut lane.connection, &request, outcome);
        match outcome {
            Some(Outcome::LoggedIn(_)) => self.tally.logins += 1,
            Some(_) => self.tally.refusals += 1,
            None => self.tally.silent += 1,
        }
    }

    /// The request moves to a new connection.
    fn renew(&mut self, at: usize, renewal: Renewal, script: &mut Script<'_>) {
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
            self.rules.abandon(&mut lane.connection, &request);
        }
    }

    fn reconnect(&mut self, at: usize) {
        self.cancel(at);
        let (challenger, origin) = (self.rules.challenger, self.rules.origin.clone());
        let (authenticator, bindings) = (self.authenticator.clone(), self.bindings.clone());
        let lane = &mut self.lanes[at];
        lane.handshake = Handshake::new(authenticator, challenger, origin, bindings);
        lane.server = Server::new(challenger, Arc::clone(&self.users));
        lane.connection = Connection::default();
    }

    /// A caller's fault is an error, and spoils the connection.
    fn answer_out_of_turn(&mut self, at: usize) {
        let lane = &mut self.lanes[at];
        let action = lane.handshake.resume(Answer::Credentials(None), lane.context());
        assert!(matches!(action, Action::Fail(HandshakeError::OutOfTurn)), "{action:?}");
        assert!(!lane.handshake.is_reusable());
        self.cancel(at);
    }

    /// Nobody waits for a connection that is gone.
    fn end(mut self) -> Tally {
        for at in 0..self.lanes.len() {
            if self.lanes[at].waiting.is_none() {
                self.reconnect(at);
            }
        }
        for at in 0..self.lanes.len() {
            if let Some(mut turn) = self.lanes[at].waiting.take() {
                let poll = Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop()));
                assert_eq!(poll, Poll::Ready(()), "it waits for nobody");
            }
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
        Request { identity, credentials, has_body: script.yes(), legs: Vec::new() }
    }
}

impl Lane {
    fn context(&self) -> RequestContext<'static> {
        static TARGET: std::sync::LazyLock<Uri> = std::sync::LazyLock::new(|| Uri::from_static("/"));
        let has_body = self.request.as_ref().is_some_and(|request| request.has_body);
        RequestContext::new(&Method::POST, &TARGET, has_body, &SystemMoments)
    }
}
