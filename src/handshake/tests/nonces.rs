//! Digest's nonces among many connections, at servers that treat them in different ways.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Waker};

use super::*;
use crate::challenge::Challenges;
use crate::scheme::Digest;

/// What a server makes of an answer with this nonce and count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Accepted,
    Refused,
    Stale,
}

/// How a server treats its nonces.
trait Manner {
    /// A challenge's nonce.
    fn draw(&mut self, number: u32) -> String {
        format!("n{number}")
    }

    fn judge(&mut self, nonce: &str, count: u32) -> Judged;

    /// A leg is about to come.
    fn turn(&mut self, _random: u32) {}

    /// Whether each connection ends with its response.
    fn closes(&self) -> bool {
        false
    }
}

/// Any nonce of its own, any count: httpd, lighttpd.
struct Easy;

impl Manner for Easy {
    fn judge(&mut self, _: &str, _: u32) -> Judged {
        Judged::Accepted
    }
}

/// Counts of a nonce have to rise: npm's http-auth says `stale` to others, go-http-auth does not.
struct Rising(HashMap<String, u32>, Judged);

impl Manner for Rising {
    fn judge(&mut self, nonce: &str, count: u32) -> Judged {
        let last = self.0.entry(nonce.to_owned()).or_default();
        if count <= *last {
            return self.1;
        }
        *last = count;
        Judged::Accepted
    }
}

/// A nonce is for one request: Trac says `stale`, others do not.
struct Once(Vec<String>, Judged);

impl Manner for Once {
    fn judge(&mut self, nonce: &str, _: u32) -> Judged {
        if self.0.iter().any(|used| used == nonce) {
            return self.1;
        }
        self.0.push(nonce.to_owned());
        Judged::Accepted
    }
}

/// One nonce for all, which each challenge replaces without a word. That of the ESP32 closes.
struct Single {
    nonce: String,
    closes: bool,
}

impl Manner for Single {
    fn draw(&mut self, number: u32) -> String {
        self.nonce = format!("n{number}");
        self.nonce.clone()
    }

    fn judge(&mut self, nonce: &str, _: u32) -> Judged {
        if nonce == self.nonce { Judged::Accepted } else { Judged::Refused }
    }

    fn closes(&self) -> bool {
        self.closes
    }
}

/// Two backends that know no nonces of each other.
struct Two {
    at: u32,
    in_turn: bool,
}

impl Manner for Two {
    fn draw(&mut self, number: u32) -> String {
        format!("{}-{number}", self.at)
    }

    fn judge(&mut self, nonce: &str, _: u32) -> Judged {
        if nonce.starts_with(&self.at.to_string()) { Judged::Accepted } else { Judged::Stale }
    }

    fn turn(&mut self, random: u32) {
        self.at = if self.in_turn { 1 - self.at } else { random % 2 };
    }
}

/// One of the connections.
struct Lane {
    connection: Connection,
    state: Doing,
    left: u32,
}

enum Doing {
    Nothing,
    /// A leg is on its way to the server.
    Sent(Option<HeaderValue>),
    /// A response is on its way back.
    Answered(Response<()>),
    Waiting(Turn),
}

/// What came of it.
#[derive(Debug, Default)]
struct Came {
    legs: u32,
    refused: u32,
    /// Answers that the server did not accept.
    in_vain: u32,
}

/// So many connections send so many requests each, in an order that the seed says.
struct Play {
    server: Box<dyn Manner>,
    password_is_right: bool,
    challenges: u32,
    random: u64,
    came: Came,
}

impl Play {
    fn new(server: impl Manner + 'static, seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        Self {
            server: Box::new(server),
            password_is_right: true,
            challenges: 0,
            random,
            came: Came::default(),
        }
    }

    fn random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        u32::try_from(self.random >> 33).expect("31 bits")
    }

    fn run(&mut self, authenticator: &Authenticator, lanes: usize, requests: u32) -> Came {
        let lane = || Lane {
            connection: Connection::new(authenticator).by_get(),
            state: Doing::Nothing,
            left: requests,
        };
        let mut lanes: VecDeque<Lane> = (0..lanes).map(|_| lane()).collect();
        let (mut idle, sent) = (0, u32::try_from(lanes.len()).expect("few") * requests);
        while !lanes.is_empty() {
            let at = self.random() as usize % lanes.len();
            match self.step(authenticator, &mut lanes[at]) {
                true => idle = 0,
                false => idle += 1,
            }
            assert!(idle < 100_000, "all wait for each other: {:?}", self.came);
            assert!(self.came.legs < 100 * sent, "without an end: {:?}", self.came);
            if lanes[at].left == 0 {
                lanes.remove(at);
            }
        }
        std::mem::take(&mut self.came)
    }

    /// Tells whether anything went on.
    fn step(&mut self, authenticator: &Authenticator, lane: &mut Lane) -> bool {
        let mut said = match std::mem::replace(&mut lane.state, Doing::Nothing) {
            Doing::Nothing => lane.connection.begin(),
            Doing::Sent(field) => {
                lane.state = Doing::Answered(self.answer(field.as_ref()));
                return true;
            }
            Doing::Answered(response) => lane.connection.receive(&response),
            Doing::Waiting(mut turn) => {
                let mut cx = Context::from_waker(Waker::noop());
                if Pin::new(&mut turn).poll(&mut cx).is_pending() {
                    lane.state = Doing::Waiting(turn);
                    return false;
                }
                lane.connection.proceed()
            }
        };
        while let Said::Renew(_) = said {
            lane.connection.renew(authenticator);
            said = lane.connection.begin();
        }
        match said {
            Said::Send(field, _) => lane.state = Doing::Sent(field),
            Said::Wait(turn) => lane.state = Doing::Waiting(turn),
            Said::Deliver(outcome) => {
                self.came.refused += u32::from(matches!(outcome, Some(Outcome::Refused(_))));
                lane.left -= 1;
                if self.server.closes() {
                    lane.connection = Connection::new(authenticator).by_get();
                }
            }
            other => panic!("{other:?}"),
        }
        true
    }

    fn answer(&mut self, field: Option<&HeaderValue>) -> Response<()> {
        self.came.legs += 1;
        let random = self.random();
        self.server.turn(random);
        let judged = field.map(|field| {
            let params = Challenges::from_value(field.as_bytes());
            let params = params.iter().next().expect("an answer");
            let count = params.param_str("nc").expect("a count");
            let count = u32::from_str_radix(&count, 16).expect("hexadecimal");
            match self.server.judge(&params.param_str("nonce").expect("a nonce"), count) {
                Judged::Accepted if !self.password_is_right => Judged::Refused,
                judged => judged,
            }
        });
        match judged {
            Some(Judged::Accepted) => return self.last(ok()),
            Some(_) => self.came.in_vain += 1,
            None => {}
        }
        self.challenges += 1;
        let nonce = self.server.draw(self.challenges);
        let stale = if judged == Some(Judged::Stale) { ", stale=true" } else { "" };
        self.last(unauthorized(&[&format!("Digest realm=\"lab\", nonce=\"{nonce}\", qop=\"auth\"{stale}")]))
    }

    fn last(&self, response: Response<()>) -> Response<()> {
        if self.server.closes() { closing(response) } else { response }
    }
}

fn rising(otherwise: Judged) -> Box<dyn Manner> {
    Box::new(Rising(HashMap::new(), otherwise))
}

fn single(closes: bool) -> Box<dyn Manner> {
    Box::new(Single { nonce: String::new(), closes })
}

fn once(otherwise: Judged) -> Box<dyn Manner> {
    Box::new(Once(Vec::new(), otherwise))
}

fn digest() -> Authenticator {
    using([Arc::new(Digest::default()) as Arc<dyn Scheme>]).build()
}

/// Legs a request, at an origin that nothing is known of, and then at the same one, over new connections.
fn legs_at(server: impl Fn() -> Box<dyn Manner>, lanes: usize, requests: u32) -> [f64; 2] {
    let mut most = [0.0_f64; 2];
    for seed in 1..=4 {
        let authenticator = digest();
        let mut play = Play { server: server(), ..Play::new(Easy, seed) };
        for most in &mut most {
            let came = play.run(&authenticator, lanes, requests);
            assert_eq!(came.refused, 0, "seed {seed}: {came:?}");
            let sent = lanes as f64 * f64::from(requests);
            *most = most.max(f64::from(came.legs) / sent);
        }
    }
    most
}

#[test]
fn every_request_is_served_whatever_the_server_makes_of_its_nonces() {
    type Makes = fn() -> Box<dyn Manner>;
    let servers: [(&str, Makes, f64, f64); 9] = [
        ("easy", || Box::new(Easy), 1.04, 1.0),
        ("rising, refused", || rising(Judged::Refused), 1.07, 1.07),
        ("rising, stale", || rising(Judged::Stale), 1.07, 1.07),
        ("once, stale", || once(Judged::Stale), 2.07, 2.07),
        ("once, refused", || once(Judged::Refused), 2.07, 2.07),
        ("single", || single(false), 1.15, 1.0),
        ("single, closing", || single(true), 1.15, 1.0),
        ("two in turn", || Box::new(Two { at: 0, in_turn: true }), 2.2, 2.2),
        ("two at random", || Box::new(Two { at: 0, in_turn: false }), 2.2, 2.2),
    ];
    for (name, server, at_first, then) in servers {
        for (lanes, requests) in [(1, 512), (8, 250), (64, 32)] {
            let [unknown, known] = legs_at(server, lanes, requests);
            let is_within = unknown <= at_first && known <= then;
            assert!(is_within, "{name}, {lanes} connections: {unknown:.3} legs a request, then {known:.3}");
        }
    }
}

#[test]
fn a_wrong_password_is_tried_once_whatever_the_server_makes_of_its_nonces() {
    type Makes = fn() -> Box<dyn Manner>;
    let servers: [Makes; 5] = [
        || Box::new(Easy),
        || rising(Judged::Refused),
        || once(Judged::Stale),
        || single(false),
        || single(true),
    ];
    for server in servers {
        for seed in 1..=16 {
            let mut play = Play { server: server(), ..Play::new(Easy, seed) };
            play.password_is_right = false;
            let came = play.run(&digest(), 16, 4);
            assert_eq!((came.in_vain, came.refused), (1, 64), "{came:?}");
        }
    }
}

/// A count is of requests that were sent (RFC 7616, section 3.4).
#[test]
fn a_count_begins_at_1_where_a_leg_was_not_sent() {
    let field = |said: Said| {
        let Said::Send(Some(field), _) = said else { panic!("{said:?}") };
        let params = Challenges::from_value(field.as_bytes());
        let params = params.iter().next().expect("an answer");
        (
            params.param_str("nonce").expect("one").into_owned(),
            params.param_str("nc").expect("one").into_owned(),
        )
    };
    let challenge = unauthorized(&["Digest realm=\"lab\", nonce=\"a\", qop=\"auth\""]);
    let first = ("a".to_owned(), "00000001".to_owned());
    // The connection was lost before the leg was on it.
    let authenticator = digest();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(field(connection.receive(&challenge)), first);
    connection.handshake.not_sent();
    drop(connection);
    assert_eq!(field(Connection::new(&authenticator).begin()), first);
    // It closes after the challenge.
    let authenticator = digest();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(connection.receive(&closing(challenge)).renewal(), Renewal::ClosedAfterChallenge);
    drop(connection);
    assert_eq!(field(Connection::new(&authenticator).begin()), first);
}
