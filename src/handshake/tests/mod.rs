//! Whole conversations without IO: the real clients against the acceptors of `testing`, and
//! answers made by hand where a server misbehaves.

mod bindings;
mod bodies;
mod choosing;
mod connections;
mod consulting;
mod digest;
mod exchanges;
mod hostile;
mod http2;
mod latest;
mod logins;
mod malformed;
mod mutual;
mod nonces;
mod relayed;
mod tickets;
mod tokens;
mod verdicts;
mod without_ntlm;

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Method, Response, StatusCode, Uri, Version};

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::handshake::action::Question;
use crate::handshake::demand::{Demand, FirstLeg};
use crate::handshake::{
    Action, Answer, Authenticator, AuthenticatorBuilder, BodyUse, Handshake, HandshakeError, Identity, Login,
    Outcome, Refusal, Renewal, ResponseHead, Tried, Turn, Why,
};
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::oid;
use crate::mechanism::{
    Binding, Expects, FixedMoment, Initiate, Inquiry, MechanismError, Moment, Proves, Stepped,
};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::{Acceptance, Basic, Continuation, Exchange, Knowledge, Negotiate, NtlmScheme, Proof};
use crate::scheme::{Reply, RequestContext, Scheme, SchemeError, Schemes};
use crate::testing::ntlm::NtlmAcceptor;
use crate::testing::spnego::{ServerMic, SpnegoAcceptor};
use crate::testing::{Accept, Acceptor, Users};

/// One connection, with somebody who runs its steps and answers its questions.
struct Connection {
    handshake: Handshake,
    identity: Identity,
    /// What the provider says.
    found: Option<Credentials>,
    questions: Vec<Question>,
    has_body: bool,
    method: Method,
    path: &'static str,
    /// What the request has found out on the connections before.
    demand: Demand,
    legs: u32,
}

/// What a handshake wants that is not the driver's own business.
#[derive(Debug)]
enum Said {
    Send(Option<HeaderValue>, BodyUse),
    Deliver(Option<Outcome>),
    Wait(Turn),
    Consult(Inquiry),
    Renew(Renewal),
    Fail(HandshakeError),
}

impl Connection {
    fn new(authenticator: &Authenticator) -> Self {
        Self::to(authenticator, Challenger::Origin, mail())
    }

    fn to(authenticator: &Authenticator, challenger: Challenger, origin: Origin) -> Self {
        Self {
            handshake: Handshake::new(authenticator.clone(), challenger, origin, None),
            identity: Identity::Credentials(carol()),
            found: None,
            questions: Vec::new(),
            has_body: false,
            method: Method::POST,
            path: "/",
            demand: Demand::default(),
            legs: 0,
        }
    }

    /// A new connection in its place, on which the request goes on.
    fn renew(&mut self, authenticator: &Authenticator) {
        self.demand = self.handshake.demand();
        self.handshake = Handshake::new(authenticator.clone(), Challenger::Origin, mail(), None);
    }

    fn acting_as(mut self, identity: Identity) -> Self {
        self.identity = identity;
        self
    }

    fn asking_for(mut self, path: &'static str) -> Self {
        self.path = path;
        self
    }

    /// By a method that can be repeated.
    fn by_get(mut self) -> Self {
        self.method = Method::GET;
        self
    }

    fn with_body(mut self) -> Self {
        self.has_body = true;
        self
    }

    /// A request begins.
    fn begin(&mut self) -> Said {
        self.legs = 0;
        let (identity, demand) = (self.identity.clone(), std::mem::take(&mut self.demand));
        self.drive(|handshake, request| handshake.begin_as(&identity, FirstLeg::Speaks, demand, request))
    }

    /// The leg that is out is answered.
    fn receive(&mut self, response: &Response<()>) -> Said {
        self.legs += 1;
        self.drive(|handshake, request| handshake.receive(ResponseHead::of(response), request))
    }

    /// The turn has come.
    fn proceed(&mut self) -> Said {
        self.drive(|handshake, request| handshake.resume(Answer::Turn, request))
    }

    /// Who was consulted has answered, or not.
    fn told(&mut self, answer: Result<Vec<u8>, MechanismError>) -> Said {
        self.drive(|handshake, request| handshake.resume(Answer::Consulted(answer), request))
    }

    fn drive(&mut self, act: impl FnOnce(&mut Handshake, RequestContext<'_>) -> Action) -> Said {
        let (method, target) = (self.method.clone(), Uri::from_static(self.path));
        let moments = FixedMoment(now());
        let request = RequestContext::new(&method, &target, self.has_body, &moments);
        let mut action = act(&mut self.handshake, request);
        loop {
            let answer = match action {
                Action::Step(job) => Answer::Stepped(job.run(Moment::new(now(), [7; 32]))),
                Action::Ask(question) => {
                    self.questions.push(question);
                    Answer::Credentials(self.found.clone())
                }
                Action::Send { authorization, body } => {
                    return Said::Send(authorization.map(Authorization::into_value), body);
                }
                Action::Deliver(outcome) => return Said::Deliver(outcome.map(|outcome| *outcome)),
                Action::Consult(inquiry) => return Said::Consult(inquiry),
                Action::Gather => Answer::Gathered,
                Action::Wait(turn) => return Said::Wait(turn),
                Action::Renew(renewal) => return Said::Renew(renewal),
                Action::Fail(error) => return Said::Fail(error),
            };
            action = self.handshake.resume(answer, request);
        }
    }

    /// A request from its beginning to whatever ends it on this connection.
    fn converse(&mut self, server: &mut Server) -> Said {
        let mut said = self.begin();
        while let Said::Send(authorization, body) = said {
            let response = server.answer(authorization.as_ref(), body);
            said = self.receive(&response);
        }
        assert_eq!(self.legs, u32::try_from(server.heard.len()).expect("few legs"));
        said
    }
}

impl Said {
    /// A leg without authorization.
    #[track_caller]
    fn bare(self) {
        assert!(matches!(self, Self::Send(None, BodyUse::Carried)), "{self:?}");
    }

    /// A leg's scheme and whether it takes the body along.
    #[track_caller]
    fn leg(self) -> (String, BodyUse) {
        let Self::Send(Some(value), body) = self else { panic!("{self:?}") };
        assert!(value.is_sensitive());
        (scheme_of(&value), body)
    }

    #[track_caller]
    fn login(self) -> Login {
        let Self::Deliver(Some(Outcome::LoggedIn(login))) = self else { panic!("{self:?}") };
        login
    }

    #[track_caller]
    fn refusal(self) -> Refusal {
        let Self::Deliver(Some(Outcome::Refused(refusal))) = self else { panic!("{self:?}") };
        refusal
    }

    /// The schemes of a refusal, and why.
    #[track_caller]
    fn tried(self) -> Vec<(String, Why)> {
        self.refusal().tried.into_iter().map(|tried| (tried.scheme, tried.why)).collect()
    }

    /// A response without an outcome.
    #[track_caller]
    fn plain(self) {
        assert!(matches!(self, Self::Deliver(None)), "{self:?}");
    }

    #[track_caller]
    fn renewal(self) -> Renewal {
        let Self::Renew(renewal) = self else { panic!("{self:?}") };
        renewal
    }

    #[track_caller]
    fn error(self) -> HandshakeError {
        let Self::Fail(error) = self else { panic!("{self:?}") };
        error
    }

    #[track_caller]
    fn turn(self) -> Turn {
        let Self::Wait(turn) = self else { panic!("{self:?}") };
        turn
    }
}

/// A server's end of one connection: one mechanism, and further schemes that it only lists.
struct Server {
    scheme: &'static str,
    acceptor: Box<dyn Acceptor>,
    also: &'static [&'static str],
    logged_in: bool,
    /// The schemes of the legs of the last request, `-` for none.
    heard: Vec<String>,
}

impl Server {
    fn ntlm() -> Self {
        Self::new("NTLM", Box::new(ntlm_acceptor()))
    }

    fn negotiate(mic: ServerMic) -> Self {
        Self::new(
            "Negotiate",
            Box::new(SpnegoAcceptor::new(oid::NTLM, Box::new(ntlm_acceptor())).with_mic(mic)),
        )
    }

    fn new(scheme: &'static str, acceptor: Box<dyn Acceptor>) -> Self {
        Self { scheme, acceptor, also: &[], logged_in: false, heard: Vec::new() }
    }

    fn listing(mut self, also: &'static [&'static str]) -> Self {
        self.also = also;
        self
    }

    /// The same server, asked for the next request.
    fn anew(&mut self) -> &mut Self {
        self.heard.clear();
        self
    }

    fn answer(&mut self, authorization: Option<&HeaderValue>, _: BodyUse) -> Response<()> {
        self.heard.push(authorization.map_or_else(|| "-".to_owned(), scheme_of));
        let Some(value) = authorization else {
            return match self.logged_in {
                true => ok(),
                false => {
                    let lines: Vec<&str> = self.also.iter().copied().chain([self.scheme]).collect();
                    unauthorized(&lines)
                }
            };
        };
        let (scheme, token) = value.to_str().expect("ASCII").split_once(' ').expect("a token");
        if scheme != self.scheme {
            return unauthorized(&[self.scheme]);
        }
        let line = |token: Vec<u8>| format!("{} {}", self.scheme, BASE64_STANDARD.encode(token));
        match self.acceptor.step(&BASE64_STANDARD.decode(token).expect("base64")) {
            Accept::Continue(token) => unauthorized(&[&line(token)]),
            Accept::Accepted { token, .. } => {
                self.logged_in = true;
                match token {
                    Some(token) => with(ok(), "www-authenticate", &line(token)),
                    None => ok(),
                }
            }
            Accept::Refused { token: Some(token), .. } => unauthorized(&[&line(token)]),
            Accept::Refused { token: None, .. } => unauthorized(&[self.scheme]),
        }
    }
}

/// A scheme that does as it is told.
#[derive(Clone, Copy, Debug)]
struct Fake {
    name: &'static str,
    binding: Binding,
    /// What a challenge with a token is to it.
    challenged: Continuation,
    respond: fn(Option<&Challenge>) -> Result<Reply, SchemeError>,
    conclude: fn() -> Result<Reply, SchemeError>,
}

impl Fake {
    fn new(name: &'static str, respond: fn(Option<&Challenge>) -> Result<Reply, SchemeError>) -> Self {
        let (binding, challenged) = (Binding::Connection, Continuation::GoesOn);
        Self { name, binding, challenged, respond, conclude: || Ok(Reply::Done(proof())) }
    }
}

impl Scheme for Fake {
    fn name(&self) -> &'static str {
        self.name
    }

    fn binding(&self) -> Binding {
        self.binding
    }

    /// It could, and does not.
    fn authenticates_server(&self) -> bool {
        true
    }

    fn begin(&self, _: Initiate, _: &Knowledge) -> Box<dyn Exchange> {
        Box::new(*self)
    }
}

impl Exchange for Fake {
    fn continuation(&self, challenge: &Challenge, _: bool) -> Continuation {
        match challenge.token68() {
            Some(_) => self.challenged,
            None => Continuation::Refuses,
        }
    }

    fn respond(
        &mut self,
        challenge: Option<&Challenge>,
        _: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        (self.respond)(challenge)
    }

    fn resume(&mut self, _: Stepped) -> Result<Reply, SchemeError> {
        Err(SchemeError::new(self.name, "there is no step to resume"))
    }

    fn conclude(&mut self, _: Acceptance<'_>) -> Result<Reply, SchemeError> {
        (self.conclude)()
    }
}

fn token(expects: Expects, proves: bool) -> Result<Reply, SchemeError> {
    let proves = if proves { Proves::Secret } else { Proves::Nothing };
    Ok(Reply::Send { authorization: Authorization::token68("Fake", b"fake"), expects, proves })
}

fn no_ticket(_: Option<&Challenge>) -> Result<Reply, SchemeError> {
    Err(SchemeError::new("Fake", "there is no ticket"))
}

fn proof() -> Proof {
    Proof { mechanism: "Fake", principal: None, mutual: false, binding: Binding::Connection }
}

/// By our own mechanisms, on Windows too.
fn builder() -> AuthenticatorBuilder {
    Authenticator::builder().negotiate(Negotiate::ntlm()).ntlm(NtlmScheme::new(Ntlm::new()))
}

fn authenticator() -> Authenticator {
    builder().build()
}

/// An authenticator with these schemes alone, the strongest first.
fn using<const N: usize>(schemes: [Arc<dyn Scheme>; N]) -> AuthenticatorBuilder {
    builder().schemes(schemes)
}

fn ntlm() -> Arc<dyn Scheme> {
    Arc::new(NtlmScheme::new(Ntlm::new()))
}

fn negotiate() -> Arc<dyn Scheme> {
    Arc::new(Negotiate::ntlm())
}

fn basic() -> Arc<dyn Scheme> {
    Arc::new(Basic::new())
}

fn ntlm_acceptor() -> NtlmAcceptor {
    let users = Users::new().with("LAB\\carol", "carol-pw").with("LAB\\dave", "dave-pw");
    NtlmAcceptor::new(Arc::new(users), [1; 8], now())
}

fn carol() -> Credentials {
    Credentials::password("LAB\\carol", "carol-pw")
}

/// Carol with a password that the server does not know.
fn mistaken() -> Identity {
    Identity::Credentials(Credentials::password("LAB\\carol", "wrong-pw"))
}

fn mail() -> Origin {
    "https://mail.example".parse().expect("an origin")
}

fn plain_mail() -> Origin {
    "http://mail.example".parse().expect("an origin")
}

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_700_000_000)
}

fn scheme_of(value: &HeaderValue) -> String {
    // A name may go as it is, in UTF-8.
    String::from_utf8_lossy(value.as_bytes()).split(' ').next().expect("a scheme").to_owned()
}

fn ok() -> Response<()> {
    Response::new(())
}

fn status(code: u16) -> Response<()> {
    let mut response = ok();
    *response.status_mut() = StatusCode::from_u16(code).expect("a status");
    response
}

fn unauthorized(challenges: &[&str]) -> Response<()> {
    challenged_by(Challenger::Origin, challenges)
}

fn challenged_by(challenger: Challenger, challenges: &[&str]) -> Response<()> {
    let field = match challenger {
        Challenger::Origin => "www-authenticate",
        Challenger::Proxy => "proxy-authenticate",
    };
    let status = status(challenger.status().as_u16());
    challenges.iter().fold(status, |response, challenge| with(response, field, challenge))
}

fn with(mut response: Response<()>, name: &'static str, value: &str) -> Response<()> {
    response.headers_mut().append(name, value.parse().expect("a field value"));
    response
}

fn closing(response: Response<()>) -> Response<()> {
    with(response, "connection", "close")
}

fn old(mut response: Response<()>) -> Response<()> {
    *response.version_mut() = Version::HTTP_10;
    response
}

/// An NTLM challenge as a real acceptor sends it, whatever the first message was.
fn type_2() -> Response<()> {
    let negotiate = b"NTLMSSP\0\x01\0\0\0\x37\x82\x08\xe2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let Accept::Continue(token) = ntlm_acceptor().step(negotiate) else { panic!("a challenge") };
    unauthorized(&[&format!("NTLM {}", BASE64_STANDARD.encode(token))])
}
