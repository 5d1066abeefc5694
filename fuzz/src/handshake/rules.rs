//! What must hold, kept apart from how it comes about: a ledger of what went over all connections.

use std::collections::{HashMap, HashSet};

use http::Response;
use legwork::challenge::{Challenge, Challenges};
use legwork::credentials::Credentials;
use legwork::handshake::{BodyUse, Identity, Outcome, Why};
use legwork::protection_space::{Challenger, Origin};

use super::token::{Token, has_ntlm_challenge};

const SCHEMES: [&str; 5] = ["Basic", "Digest", "SCRAM-SHA-256", "NTLM", "Negotiate"];

/// The ledger of one authenticator and one origin.
pub(super) struct Rules {
    pub(super) challenger: Challenger,
    pub(super) origin: Origin,
    pub(super) guarded: bool,
    pub(super) basic_over_http: bool,
    pub(super) max_legs: u32,
    /// The protection spaces that a proof can have been for, by their realms.
    pub(super) realms: HashSet<Option<String>>,
    pub(super) records: HashMap<Credentials, Record>,
}

/// What has become of some credentials.
#[derive(Clone, Copy, Default)]
pub(super) struct Record {
    proven: bool,
    /// How often they were refused since refusals were last forgotten.
    refused: usize,
    /// On how many connections a proof is out.
    out: usize,
}

/// One request on one connection.
pub(super) struct Request {
    pub(super) identity: Identity,
    /// Whose credentials are used for it, if any.
    pub(super) credentials: Option<Credentials>,
    pub(super) has_body: bool,
    pub(super) legs: Vec<Leg>,
}

/// A leg and the response to it.
pub(super) struct Leg {
    pub(super) token: Option<Token>,
    pub(super) body: BodyUse,
    pub(super) response: Option<Response<()>>,
}

/// What a connection has carried.
#[derive(Default)]
pub(super) struct Connection {
    /// Who it is bound to.
    pub(super) owner: Option<Identity>,
    pub(super) proven: bool,
    /// A handshake on it failed or was given up: servers do not take up another one.
    pub(super) spoiled: bool,
}

impl Request {
    /// The credentials whose proof is on its way.
    fn proof_out(&self) -> Option<&Credentials> {
        let leg = self.legs.last().filter(|leg| leg.response.is_none())?;
        self.credentials.as_ref().filter(|_| leg.token.as_ref().is_some_and(Token::proves))
    }

    /// Whether the leg that is out, or was the last, went without the request's body.
    pub(super) fn withheld(&self) -> bool {
        self.legs.last().is_some_and(|leg| leg.body == BodyUse::Withheld)
    }

    fn spoke_first(&self) -> bool {
        self.legs.first().is_some_and(|leg| leg.token.is_some())
    }

    fn responses(&self) -> usize {
        self.legs.iter().filter(|leg| leg.response.is_some()).count()
    }
}

impl Rules {
    /// A leg goes out: what it may carry.
    pub(super) fn send(&mut self, connection: &mut Connection, request: &mut Request, leg: Leg) {
        assert!(request.legs.len() < self.max_legs as usize, "more than {} legs", self.max_legs);
        assert!(request.has_body || leg.body == BodyUse::Carried, "there is no body to withhold");
        assert!(!connection.spoiled, "the connection cannot be used any more");
        if let Some(owner) = &connection.owner {
            assert_eq!(owner, &request.identity, "the connection is another identity's");
        }
        if let Identity::CallersOwn(_) = request.identity {
            connection.owner = Some(request.identity.clone());
        }
        match &leg.token {
            Some(token) => self.authorization(connection, request, token),
            None => assert_eq!(leg.body, BodyUse::Carried, "nothing is sent in place of the body"),
        }
        request.legs.push(leg);
        if let Some(credentials) = request.proof_out() {
            self.records.entry(credentials.clone()).or_default().out += 1;
            connection.proven = true;
        }
    }

    fn authorization(&self, connection: &mut Connection, request: &Request, token: &Token) {
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
            _ => connection.owner = Some(request.identity.clone()),
        }
        if token.ntlm_type() == Some(3) {
            self.answers_a_challenge(request, token);
        }
        if token.proves() {
            if token.scheme != "SCRAM-SHA-256" {
                assert_eq!(token.user().as_deref(), credentials.username());
            }
            self.lockout(credentials);
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

    /// Unproven credentials are tried once in each protection space, by one request at a time.
    fn lockout(&self, credentials: &Credentials) {
        let record = self.records.get(credentials).copied().unwrap_or_default();
        if self.guarded && !record.proven {
            let tries = record.refused + record.out;
            assert!(
                tries < self.realms.len().max(1),
                "{credentials:?}: {} refusals, {} tries, and another one; spaces: {:?}",
                record.refused,
                record.out,
                self.realms,
            );
        }
    }

    /// A response comes in.
    pub(super) fn receive(&mut self, request: &mut Request, response: Response<()>) {
        let proof = request.proof_out().cloned();
        let challenges = Challenges::parse(response.headers(), self.challenger.challenge_field());
        let challenged = response.status() == self.challenger.status();
        if challenged {
            for challenge in &challenges {
                if ["Basic", "Digest", "SCRAM-SHA-256"].iter().any(|scheme| challenge.is(scheme)) {
                    self.realms.insert(challenge.realm().map(|realm| realm.to_string()));
                } else if challenge.is("NTLM") || challenge.is("Negotiate") {
                    self.realms.insert(None);
                }
            }
        }
        let spoke_first = request.spoke_first();
        let leg = request.legs.last_mut().expect("a leg is out");
        if let Some(credentials) = proof {
            let record = self.records.entry(credentials).or_default();
            record.out -= 1;
            // A guess for one space says nothing of another one; a 401 for no space is a refusal.
            let ours = |challenge: &Challenge| SCHEMES.into_iter().any(|scheme| challenge.is(scheme));
            let of_another_space = spoke_first && self.realms.len() > 1 && challenges.iter().any(ours);
            // A nonce that is too old says nothing of the password.
            let by_digest = leg.token.as_ref().is_some_and(|token| token.scheme == "Digest");
            let stale = |challenge: &Challenge| {
                challenge.is("Digest")
                    && challenge.param("stale").is_some_and(|stale| stale.eq_ignore_ascii_case(b"true"))
            };
            let is_stale = by_digest && challenges.iter().any(stale);
            if challenged && !of_another_space && !is_stale {
                record.refused += 1;
            }
        }
        leg.response = Some(response);
    }

    /// A response is handed over.
    pub(super) fn deliver(
        &mut self,
        connection: &mut Connection,
        request: &Request,
        outcome: Option<&Outcome>,
    ) {
        let leg = request.legs.last().expect("a leg");
        let response = leg.response.as_ref().expect("a response to deliver");
        let challenged = response.status() == self.challenger.status();
        let challenges = Challenges::parse(response.headers(), self.challenger.challenge_field());
        // A proxy that lets a leg without the body pass leaves it to the origin's handshake.
        if !challenged && self.challenger == Challenger::Origin {
            assert!(!request.withheld(), "the server has not seen the body");
        }
        match (outcome, &request.identity) {
            (None, Identity::CallersOwn(_)) => {}
            (Some(outcome), Identity::CallersOwn(_)) => panic!("none of our business: {outcome:?}"),
            (None, _) => assert!(!challenged, "a refusal without a word"),
            (Some(Outcome::Refused(refusal)), _) => {
                assert!(challenged, "{refusal}");
                assert_eq!(
                    (refusal.legs as usize, refusal.challenger),
                    (request.responses(), self.challenger)
                );
                let refused = refusal.tried.iter().filter(|tried| matches!(tried.why, Why::Refused(_)));
                assert!(refused.count() <= 1, "{refusal}");
                if refusal.tried.iter().any(|tried| tried.why == Why::Denied) {
                    self.denied(request, &challenges);
                }
                connection.spoiled |=
                    leg.token.as_ref().is_some_and(|token| token.is_bound() && token.proves());
            }
            (Some(Outcome::LoggedIn(login)), _) => {
                assert!(!challenged, "{login:?}");
                assert_eq!((login.legs as usize, login.challenger), (request.responses(), self.challenger));
                let credentials = request.credentials.as_ref().expect("whose login is it?");
                assert!(connection.proven, "nobody proved anything");
                self.records.entry(credentials.clone()).or_default().proven = true;
            }
            (Some(outcome), _) => panic!("unknown: {outcome:?}"),
        }
    }

    /// The login is good, the resource is barred: known from before, or the server says so now,
    /// by the last token of a negotiation in its 401.
    fn denied(&mut self, request: &Request, challenges: &Challenges) {
        let record = self.records.entry(request.credentials.clone().expect("the login's")).or_default();
        let mut last = challenges.iter().filter(|challenge| challenge.is("Negotiate"));
        let says_so = last.any(|challenge| challenge.token().is_ok_and(|token| token.is_some()));
        assert!(record.proven || says_so, "denied, but the login was never accepted");
        record.proven = true;
    }

    /// The request is given up, whatever is out.
    pub(super) fn abandon(&mut self, connection: &mut Connection, request: &Request) {
        let out = request.legs.last().filter(|leg| leg.response.is_none());
        let token = out.and_then(|leg| leg.token.as_ref());
        connection.spoiled |= token.is_some_and(Token::is_bound);
        if let Some(credentials) = request.proof_out() {
            self.records.entry(credentials.clone()).or_default().out -= 1;
        }
    }

    pub(super) fn forget_refusals(&mut self) {
        for record in self.records.values_mut() {
            record.refused = 0;
        }
    }
}
