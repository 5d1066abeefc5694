//! What must hold, kept apart from how it comes about.

use http::{Method, Response, Uri};
use legwork::challenge::Challenges;
use legwork::credentials::Credentials;
use legwork::handshake::{Identity, Outcome, Why};
use legwork::protection_space::{Challenger, Origin};
use legwork::unversioned::handshake::BodyUse;

use super::LANES;
use super::ledger::{Event, Ledger, Target};
use super::token::{Token, has_ntlm_challenge};

pub(super) const SCHEMES: [&str; 5] = ["Basic", "Digest", "SCRAM-SHA-256", "NTLM", "Negotiate"];

/// Of one authenticator and one challenger.
pub(super) struct Rules {
    pub(super) challenger: Challenger,
    pub(super) origin: Origin,
    pub(super) basic_over_http: bool,
    /// The server has to prove who it is.
    pub(super) mutual: bool,
    pub(super) max_legs: u32,
    pub(super) ledger: Ledger,
    pub(super) connections: [Connection; LANES],
}

/// One request on one connection.
pub(super) struct Request {
    pub(super) identity: Identity,
    /// Whose credentials are used for it, if any.
    pub(super) credentials: Option<Credentials>,
    pub(super) kind: &'static Kind,
    pub(super) legs: Vec<Leg>,
    /// How often refusals had been lifted when it began.
    pub(super) lifted: usize,
}

/// What requests there are.
pub(super) struct Kind {
    pub(super) method: Method,
    pub(super) target: Uri,
    pub(super) has_body: bool,
}

/// A leg and the response to it.
pub(super) struct Leg {
    pub(super) token: Option<Token>,
    pub(super) body: BodyUse,
    pub(super) response: Option<Response<()>>,
}

/// What a connection has carried.
pub(super) struct Connection {
    /// Who it is bound to.
    pub(super) owner: Option<Identity>,
    pub(super) proven: bool,
    /// A handshake on it failed or was given up: servers do not take up another one.
    pub(super) spoiled: bool,
}

impl Connection {
    pub(super) const fn new() -> Self {
        Self { owner: None, proven: false, spoiled: false }
    }
}

impl Request {
    /// The credentials that are used for it, where they are a password.
    pub(super) fn password(&self) -> Option<&Credentials> {
        self.credentials.as_ref().filter(|credentials| credentials.as_password().is_some())
    }

    /// Whether the leg that is out, or was the last, went without the request's body.
    pub(super) fn withheld(&self) -> bool {
        self.legs.last().is_some_and(|leg| leg.body == BodyUse::Withheld)
    }

    /// Whether the challenger has asked for a login on this connection.
    fn was_challenged(&self) -> bool {
        let statuses = self.legs.iter().filter_map(|leg| leg.response.as_ref()).map(Response::status);
        statuses.into_iter().any(|status| matches!(status.as_u16(), 401 | 407))
    }

    pub(super) fn has_body(&self) -> bool {
        self.kind.has_body
    }

    /// Its method and path.
    pub(super) fn target(&self) -> Target {
        (self.kind.method.as_str(), self.kind.target.path())
    }

    fn responses(&self) -> usize {
        self.legs.iter().filter(|leg| leg.response.is_some()).count()
    }
}

impl Rules {
    /// A leg goes out: what it may carry.
    pub(super) fn send(&mut self, at: usize, request: &mut Request, leg: Leg) {
        let connection = &mut self.connections[at];
        assert!(request.legs.len() < self.max_legs as usize, "more than {} legs", self.max_legs);
        assert!(request.has_body() || leg.body == BodyUse::Carried, "there is no body to withhold");
        assert!(!connection.spoiled, "the connection cannot be used any more");
        if let Some(owner) = &connection.owner {
            assert_eq!(owner, &request.identity, "the connection is another identity's");
        }
        if let Identity::CallersOwn(_) = request.identity {
            connection.owner = Some(request.identity.clone());
        }
        match &leg.token {
            Some(token) => self.authorization(at, request, token),
            // It listens for a challenge, or asks for another one than it, or a request before it, has got.
            None => assert!(
                leg.body == BodyUse::Carried || self.ledger.expects_challenges(),
                "nothing is sent in place of the body"
            ),
        }
        self.ledger.send(at, request, leg.token.as_ref());
        request.legs.push(leg);
        let is_bare = |leg: &&Leg| leg.token.is_none() && leg.body == BodyUse::Carried;
        let bare = request.legs.iter().filter(is_bare).count();
        assert!(bare <= 2 || !request.has_body(), "the body goes over the wire again and again");
    }

    fn authorization(&mut self, at: usize, request: &Request, token: &Token) {
        let Some(credentials) = &request.credentials else {
            panic!("{:?} has no credentials, but {token:?} is sent", request.identity)
        };
        match token.scheme {
            "Basic" => {
                assert!(self.origin.is_secure() || self.basic_over_http, "the password in the clear");
                let (username, password) = credentials.as_password().expect("all of them are");
                let text = format!("{username}:{}", password.expose());
                assert_eq!(token.octets, text.as_bytes());
            }
            "Digest" | "SCRAM-SHA-256" => {}
            _ => self.connections[at].owner = Some(request.identity.clone()),
        }
        if token.ntlm_type() == Some(3) {
            self.answers_a_challenge(request, token);
        }
        if token.proves() {
            if token.scheme != "SCRAM-SHA-256" {
                assert_eq!(token.user().as_deref(), credentials.username());
            }
            self.connections[at].proven = true;
        }
    }

    /// A third message answers the second one, which answered the first one.
    fn answers_a_challenge(&self, request: &Request, token: &Token) {
        let before = request.legs.last().expect("a leg before");
        let negotiate = before.token.as_ref().expect("a first message before");
        assert_eq!((negotiate.ntlm_type(), negotiate.scheme), (Some(1), token.scheme));
        let response = before.response.as_ref().expect("a response");
        assert_eq!(response.status(), self.challenger.status());
        let challenges = Challenges::parse(response.headers(), self.challenger.challenge_field());
        let mut challenges = challenges.iter().filter(|challenge| challenge.is(token.scheme));
        assert!(challenges.any(has_ntlm_challenge), "there is no second message");
    }

    /// A response comes in.
    pub(super) fn receive(&mut self, at: usize, request: &mut Request, response: Response<()>) {
        self.ledger.receive(at, request, &response);
        request.legs.last_mut().expect("a leg is out").response = Some(response);
    }

    /// A response is handed over.
    pub(super) fn deliver(&mut self, at: usize, request: &Request, outcome: Option<&Outcome>) {
        self.ledger.settle(at, &Event::Deliver(outcome));
        let leg = request.legs.last().expect("a leg");
        let response = leg.response.as_ref().expect("a response to deliver");
        let challenged = response.status() == self.challenger.status();
        // A proxy that lets a leg without the body pass leaves it to the origin's handshake.
        if !challenged && self.challenger == Challenger::Origin {
            let is_final = request.was_challenged() && !response.status().is_success();
            assert!(!request.withheld() || is_final, "the server has not seen the body");
        }
        // Nothing in the play can prove who the server is.
        let is_somebodys = matches!(request.identity, Identity::Credentials(_) | Identity::Provider(_));
        if self.mutual && self.challenger == Challenger::Origin && is_somebodys {
            assert!(
                matches!(outcome, Some(Outcome::Refused(_))),
                "an answer of nobody knows whom: {outcome:?}"
            );
        }
        match (outcome, &request.identity) {
            (None, Identity::CallersOwn(_)) => {}
            (Some(outcome), Identity::CallersOwn(_)) => panic!("none of our business: {outcome:?}"),
            (None, _) => assert!(!challenged, "a refusal without a word"),
            (Some(Outcome::Refused(refusal)), _) => {
                assert!(challenged, "{refusal}");
                assert!(!refusal.mutual, "{refusal}");
                assert_eq!(
                    (refusal.legs as usize, refusal.challenger),
                    (request.responses(), self.challenger)
                );
                let refused = refusal.tried.iter().filter(|tried| matches!(tried.why, Why::Refused(_)));
                assert!(refused.count() <= 1, "{refusal}");
                if refusal.tried.iter().any(|tried| tried.why == Why::Denied) {
                    let credentials = request.credentials.as_ref().expect("whose login is it?");
                    assert!(self.ledger.is_accepted(credentials), "denied, but never accepted: {refusal}");
                }
                self.ledger.explain(request, refusal);
                self.connections[at].spoiled |=
                    leg.token.as_ref().is_some_and(|token| token.is_bound() && token.proves());
            }
            (Some(Outcome::LoggedIn(login)), _) => {
                assert!(!challenged, "{login:?}");
                assert_eq!((login.legs as usize, login.challenger), (request.responses(), self.challenger));
                assert!(self.connections[at].proven, "nobody proved anything");
            }
            (Some(outcome), _) => panic!("unknown: {outcome:?}"),
        }
    }

    /// The request is given up, whatever is out. The handshake is not told: it is out until the connection
    /// is used again.
    pub(super) fn abandon(&mut self, at: usize, request: &Request) {
        let out = request.legs.last().filter(|leg| leg.response.is_none());
        let token = out.and_then(|leg| leg.token.as_ref());
        self.connections[at].spoiled |= token.is_some_and(Token::is_bound);
    }

    /// The connection is gone; for `held` see the ledger.
    pub(super) fn lose(&mut self, at: usize, held: Option<bool>) {
        self.ledger.lose(at, held);
        self.connections[at] = Connection::new();
    }
}
