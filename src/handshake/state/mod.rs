mod candidates;
mod connection;

use std::fmt;
use std::sync::Arc;

use http::StatusCode;

use crate::authorization::Authorization;
use crate::challenge::Challenges;
use crate::channel_bindings::ChannelBindings;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::handshake::action::{Action, Answer, BodyUse, Renewal, ResponseHead};
use crate::handshake::authenticator::Authenticator;
use crate::handshake::error::HandshakeError;
use crate::handshake::identity::Identity;
use crate::handshake::memory::OriginMemory;
use crate::handshake::outcome::Why;
use crate::handshake::progress::Progress;
use crate::handshake::run::Run;
use crate::handshake::select::{self, Candidate};
use crate::handshake::version::Protocol;
use crate::mechanism::{Binding, ErrorKind, Expects, MechanismError, MutualAuthentication};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::{Proof, Reply, RequestContext, Scheme, SchemeError};

/// The authentication of one connection by one challenger, across all its requests.
///
/// For each request: [`begin`](Self::begin), then [`receive`](Self::receive) with each response,
/// until the action is to deliver, to renew or to fail. Actions that ask for something are
/// answered by [`resume`](Self::resume).
pub struct Handshake {
    authenticator: Authenticator,
    challenger: Challenger,
    origin: Origin,
    channel_bindings: Option<ChannelBindings>,
    /// They are not known before the first response.
    awaits_bindings: bool,
    memory: Arc<OriginMemory>,
    /// What is known of the proxy that the origin is spoken to through.
    relay: Option<Arc<OriginMemory>>,
    protocol: Protocol,
    state: State,
    /// Whose messages this connection has carried: it serves nobody else.
    owner: Option<Identity>,
    /// A first message went by unread on this connection: it speaks when it is asked.
    unasked: bool,
    /// How the leg that is out, or was the last, treats the body.
    sent: BodyUse,
    request: Progress,
}

enum State {
    /// No authorization is out.
    Idle,
    /// Credentials are being looked for.
    Asking(Candidate),
    /// Somebody else tries the same credentials.
    Waiting(Candidate, Credentials),
    /// A mechanism's step is being run.
    Stepping(Box<Run>),
    /// A leg with this run's authorization is out.
    Sent(Box<Run>),
    /// The connection is authenticated: requests carry nothing.
    Established(Box<(&'static str, Proof)>),
    /// Each request carries its own authorization, made by this run.
    Standing(Box<Run>),
    /// A handshake failed; servers do not take up another one on the connection.
    Spoiled,
}

impl Handshake {
    /// The handshake of a new connection to `origin` (or to a proxy of that address).
    pub fn new(
        authenticator: Authenticator,
        challenger: Challenger,
        origin: Origin,
        channel_bindings: Option<ChannelBindings>,
    ) -> Self {
        let memory = authenticator.memory(challenger, &origin);
        Self {
            authenticator,
            challenger,
            origin,
            channel_bindings,
            awaits_bindings: false,
            memory,
            relay: None,
            protocol: Protocol::default(),
            state: State::Idle,
            owner: None,
            unasked: false,
            sent: BodyUse::Carried,
            request: Progress::new(Identity::None),
        }
    }

    /// A request is about to be sent for `identity`.
    pub fn begin(&mut self, identity: &Identity, request: RequestContext<'_>) -> Action {
        let action = self.begin_request(identity, request);
        self.noted(action)
    }

    /// A response came.
    pub fn receive(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        self.request.legs += 1;
        let withheld = self.sent == BodyUse::Withheld && request.has_body;
        let action = match self.challenger {
            _ if head.status == self.challenger.status() => self.challenged(head, request),
            // Whether a proxy lets a leg pass with or without its body is the origin's business.
            Challenger::Origin if withheld => self.passed_without_body(),
            Challenger::Origin | Challenger::Proxy => self.passed(head, request),
        };
        self.noted(action)
    }

    /// What an action asked for.
    pub fn resume(&mut self, answer: Answer, request: RequestContext<'_>) -> Action {
        let action = self.resume_state(answer, request);
        self.noted(action)
    }

    fn noted(&mut self, action: Action) -> Action {
        if let Action::Send { body, .. } = action {
            self.sent = body;
        }
        action
    }

    /// The leg treats the body otherwise than this challenger alone would have it.
    pub(crate) fn sent_with(&mut self, body: BodyUse) {
        self.sent = body;
    }

    fn begin_request(&mut self, identity: &Identity, request: RequestContext<'_>) -> Action {
        if self.go_on(identity) {
            return Action::bare();
        }
        if self.owner.as_ref().is_some_and(|owner| owner != identity) {
            return Action::Renew(Renewal::OtherIdentity);
        }
        let same_identity = self.request.identity == *identity;
        self.request = Progress::new(identity.clone());
        let wants = self.memory.wants(request.target.path());
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Standing(mut run)
                if same_identity && wants.as_ref().is_some_and(|it| run.is_wanted(it)) =>
            {
                let reply = run.repeat(request);
                return self.reply(run, reply, request);
            }
            State::Idle | State::Standing(_) => {}
            // Established, it would have gone on.
            State::Established(_)
            | State::Asking(_)
            | State::Waiting(..)
            | State::Stepping(_)
            | State::Sent(_)
            | State::Spoiled => {
                self.state = State::Spoiled;
                return Action::Renew(Renewal::Spoiled);
            }
        }
        if let Identity::CallersOwn(_) = identity {
            self.owner = Some(identity.clone());
            return Action::bare();
        }
        if self.unasked || *identity == Identity::None {
            return Action::bare();
        }
        let (scheme, realm) = match wants {
            Some(wants) => (Some(wants.scheme), wants.realm),
            None => (self.authenticator.declared(self.challenger, &self.origin), None),
        };
        let known = scheme.and_then(|scheme| select::known(&self.authenticator, &self.origin, scheme, realm));
        let known = known.filter(|candidate| self.hindrance(&*candidate.scheme).is_none());
        let is_bound = |candidate: &Candidate| candidate.scheme.binding() == Binding::Connection;
        if self.awaits_bindings && known.as_ref().is_some_and(is_bound) {
            let body = if request.has_body { BodyUse::Withheld } else { BodyUse::Carried };
            return Action::Send { authorization: None, body };
        }
        self.request.candidates.extend(known);
        self.next_candidate(request)
    }

    /// A request is about to be sent for `identity`. Tells whether that takes nothing, since the
    /// connection is authenticated as just this identity; else it is to [`begin`](Self::begin).
    #[inline]
    pub(crate) fn go_on(&mut self, identity: &Identity) -> bool {
        if !self.is_established() || self.owner.as_ref() != Some(identity) {
            return false;
        }
        if self.request.is_spent {
            self.request = Progress::new(identity.clone());
            self.request.is_spent = false;
        }
        self.request.legs = 0;
        true
    }

    /// Whether a response with this status is the answer to a request that [went on](Self::go_on),
    /// and nothing is to be told about it.
    #[inline]
    pub(crate) fn goes_by(&self, status: StatusCode) -> bool {
        self.is_established()
            && status != self.challenger.status()
            && !self.authenticator.reports_established()
    }

    fn resume_state(&mut self, answer: Answer, request: RequestContext<'_>) -> Action {
        match (std::mem::replace(&mut self.state, State::Spoiled), answer) {
            (State::Asking(candidate), Answer::Credentials(found)) => {
                self.state = State::Idle;
                self.found(candidate, found, request)
            }
            (State::Waiting(candidate, credentials), Answer::Turn) => {
                self.enter(candidate, credentials, request)
            }
            (State::Stepping(mut run), Answer::Stepped(stepped)) => {
                let reply = run.exchange.resume(stepped);
                self.reply(run, reply, request)
            }
            _ => Action::Fail(HandshakeError::OutOfTurn),
        }
    }

    /// Whether the next request needs no handshake.
    #[inline]
    pub fn is_established(&self) -> bool {
        matches!(self.state, State::Established(_))
    }

    /// Whether the connection can serve another request once its response has ended.
    #[inline]
    pub fn is_reusable(&self) -> bool {
        matches!(self.state, State::Idle | State::Established(_) | State::Standing(_))
    }

    /// Whose messages the connection has carried.
    pub(crate) fn owner(&self) -> Option<&Identity> {
        self.owner.as_ref()
    }

    pub(crate) fn provider(&self) -> Option<&dyn CredentialsProvider> {
        self.authenticator.provider()
    }

    /// Whether a leg is out that the connection must outlive.
    pub(crate) fn is_bound_under_way(&self) -> bool {
        matches!(&self.state, State::Sent(run) if run.is_bound())
    }

    /// The connection was lost while a leg was out. Tells whether that leg held what was derived
    /// from a secret that nobody has proven yet: it may have been the server's way to refuse it.
    pub fn lose_connection(&mut self) -> bool {
        match &mut self.state {
            State::Sent(run) => run.leave_undecided(),
            _ => false,
        }
    }

    /// Whether a leg is out that the challenger cannot take for the request itself.
    pub(crate) fn expects_challenge(&self) -> bool {
        matches!(&self.state, State::Sent(run) if run.expects == Expects::Challenge)
    }

    /// The challenger answered with its challenge.
    fn challenged(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        self.request.challenged(head);
        self.unasked = false;
        let challenges = Challenges::parse(head.headers, self.challenger.challenge_field());
        if let Some(relay) = &self.relay {
            if select::has_bound(&self.authenticator, &challenges) {
                relay.set_ties_connections(head.is_session_based());
            }
        }
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Sent(run) => self.challenged_again(run, &challenges, request),
            // On an established connection, too: the login is lost, and another one begins.
            _ => self.choose(&challenges, request),
        }
    }

    /// A challenge in answer to this run's authorization.
    fn challenged_again(
        &mut self,
        mut run: Box<Run>,
        challenges: &Challenges,
        request: RequestContext<'_>,
    ) -> Action {
        let name = run.scheme.name();
        if !run.started {
            if run.spoke_first {
                self.offer(challenges);
            }
            self.request.candidates.retain(|candidate| candidate.scheme.name() != name);
        }
        match run.continuation(challenges) {
            Some(_) if !run.started && self.request.closing => {
                self.state = State::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            Some(challenge) => {
                let reply = run.exchange.respond(Some(challenge), request);
                self.reply(run, reply, request)
            }
            _ if !run.started => self.not_taken(run, challenges, request),
            _ => {
                if run.is_out_of_use(challenges) {
                    self.memory.forget(name, run.space.realm.as_ref());
                }
                if run.is_for_another_realm(challenges) {
                    self.offer(challenges);
                    if self.request.has_candidate_for(run.credentials()) {
                        run.leave_undecided();
                        drop(run);
                        return self.next_candidate(request);
                    }
                    // No space at all: some servers say nothing but 401 to a wrong password.
                }
                if let Some(guard) = self.authenticator.guard() {
                    run.refuse_in_realms(guard, challenges);
                }
                if self.can_refresh(&*run.scheme) {
                    self.offer(challenges);
                    return self.refresh(*run, request);
                }
                self.refused(*run, None)
            }
        }
    }

    /// Whether a provider may have others in place of credentials that wear out. It is asked once.
    fn can_refresh(&self, scheme: &dyn Scheme) -> bool {
        let by_provider = matches!(self.request.identity, Identity::Provider(_));
        by_provider && scheme.can_be_refreshed() && self.request.worn_out.is_none()
    }

    /// Asks the provider for others than those that were refused.
    fn refresh(&mut self, run: Run, request: RequestContext<'_>) -> Action {
        self.request.worn_out = Some(run.credentials().clone());
        let scheme = Arc::clone(&run.scheme);
        self.request.candidates.retain(|candidate| candidate.scheme.name() == scheme.name());
        // Proven before or not: it has worn out.
        run.refuse(None);
        self.request.dismiss(&*scheme, Why::Refused(None));
        self.next_candidate(request)
    }

    /// The server answered a first message with a challenge that does not continue it.
    fn not_taken(&mut self, run: Box<Run>, challenges: &Challenges, request: RequestContext<'_>) -> Action {
        let still_offered = challenges.iter().any(|challenge| challenge.is(run.scheme.name()));
        if still_offered && !run.on_fresh_connection && !self.request.fresh_start_failed {
            self.state = State::Spoiled;
            return Action::Renew(Renewal::NotTaken);
        }
        self.request.fresh_start_failed |= still_offered && run.spoke_first;
        let reason = match still_offered {
            true => "the server answered the first message with a bare challenge",
            false => "the server does not offer it",
        };
        self.request.dismiss(&*run.scheme, Why::CannotStart(reason.to_owned()));
        drop(run);
        self.next_candidate(request)
    }

    /// Does what the exchange wants in answer to a challenge.
    fn reply(
        &mut self,
        mut run: Box<Run>,
        reply: Result<Reply, SchemeError>,
        request: RequestContext<'_>,
    ) -> Action {
        if run.concluding {
            return self.concluded(run, reply, request);
        }
        match run.settled(reply, request) {
            Ok(Reply::Send { .. }) if self.request.closing && !run.is_bound() => {
                run.leave_undecided();
                self.state = State::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            Ok(Reply::Send { .. }) if self.request.closing => {
                let detail = "the server closes the connection in the midst of the exchange";
                self.refused(*run, Some(detail.to_owned()))
            }
            Ok(Reply::Send { authorization, expects, proves }) => {
                run.expects = expects;
                run.sent = true;
                run.started |= proves;
                if run.is_bound() {
                    self.owner = Some(self.request.identity.clone());
                }
                let body = match expects {
                    Expects::Challenge if request.has_body => BodyUse::Withheld,
                    Expects::Challenge | Expects::Success => BodyUse::Carried,
                };
                self.state = State::Sent(run);
                self.send_within_bounds(Some(authorization), body)
            }
            Ok(Reply::Step(job)) => {
                self.state = State::Stepping(run);
                Action::Step(job)
            }
            Ok(Reply::Listen) if self.request.responded => {
                let error = SchemeError::new(run.scheme.name(), "there is nothing to say to the challenge");
                self.reply(run, Err(error), request)
            }
            Ok(Reply::Listen) => {
                self.state = State::Idle;
                drop(run);
                Action::bare()
            }
            Ok(Reply::Done(_)) => {
                // The mechanism came to its end: the credentials are good, the resource is barred.
                if run.started {
                    run.prove();
                }
                let detail = "the server challenges although all tokens were exchanged";
                let error = SchemeError::new(run.scheme.name(), detail);
                self.reply(run, Err(error), request)
            }
            Err(error) if run.started => {
                if error.as_mechanism().map(MechanismError::kind) == Some(ErrorKind::TicketRefused) {
                    run.spare();
                }
                self.refused(*run, Some(error.reason()))
            }
            Err(error) => self.cannot_start(*run, error, request),
        }
    }

    /// The exchange came to its end before anything that was derived from the secret was sent.
    fn cannot_start(&mut self, run: Run, error: SchemeError, request: RequestContext<'_>) -> Action {
        self.state = State::Idle;
        let scheme = Arc::clone(&run.scheme);
        let (sent, reason) = (run.sent, error.reason());
        let why = match error.as_mechanism().map(MechanismError::kind) {
            Some(ErrorKind::WrongPassword) => {
                self.request.refused = Some(run.credentials().clone());
                run.refuse_password(self.authenticator.guard(), reason)
            }
            _ => {
                // Its trial ends, so that the next candidate need not wait for it.
                drop(run);
                Why::CannotStart(reason)
            }
        };
        match error.as_mechanism() {
            // Nothing that the server has said, or will say, changes it.
            Some(_) if !sent => self.request.give_up(&*scheme, why),
            _ => self.request.dismiss(&*scheme, why),
        }
        if sent {
            self.request.failure = Some(error);
        }
        self.next_candidate(request)
    }

    fn send_within_bounds(&mut self, authorization: Option<Authorization>, body: BodyUse) -> Action {
        let max = self.authenticator.max_legs();
        if self.request.legs >= max {
            self.state = State::Spoiled;
            return Action::Fail(HandshakeError::TooManyLegs(max));
        }
        Action::Send { authorization, body }
    }

    /// Not the answer to the request, whose body the server has not seen.
    fn passed_without_body(&mut self) -> Action {
        self.unasked = true;
        if let State::Sent(_) = self.state {
            self.state = State::Idle;
        }
        self.send_within_bounds(None, BodyUse::Carried)
    }

    /// Not a challenge of this challenger: whatever was sent has been taken, or was not needed.
    fn passed(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        match std::mem::replace(&mut self.state, State::Idle) {
            State::Sent(run) => self.accepted(run, head, request),
            State::Established(established) => {
                let told = self.authenticator.reports_established();
                let (scheme, proof) = &*established;
                let login = told.then(|| self.request.login(self.challenger, scheme, proof));
                self.state = State::Established(established);
                Action::Deliver(login)
            }
            other => {
                self.state = other;
                Action::Deliver(None)
            }
        }
    }

    fn accepted(&mut self, mut run: Box<Run>, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        if run.expects == Expects::Challenge {
            // The request needed no login; the server did not look at the first message.
            self.unasked = true;
            return Action::Deliver(None);
        }
        if !head.tells_of_a_login() {
            if run.is_bound() {
                self.state = State::Spoiled;
            }
            return Action::Deliver(None);
        }
        // What a proxy passes on is the origin's word, and no word makes Basic the connection's.
        let is_of_origin = self.challenger == Challenger::Origin && run.is_bound();
        match head.persistent_auth().filter(|_| is_of_origin) {
            Some(true) => run.persists = true,
            Some(false) => self.request.closing = true,
            None => {}
        }
        let challenges = Challenges::parse(head.headers, self.challenger.challenge_field());
        let concluded = run.conclude(&challenges, head.headers);
        self.concluded(run, concluded, request)
    }

    /// What the exchange says to the server's final word.
    fn concluded(
        &mut self,
        mut run: Box<Run>,
        reply: Result<Reply, SchemeError>,
        request: RequestContext<'_>,
    ) -> Action {
        let rule = self.authenticator.mutual_authentication();
        let error = match run.settled(reply, request) {
            Ok(Reply::Done(proof)) if !proof.mutual && rule == MutualAuthentication::Required => {
                SchemeError::new(run.scheme.name(), "mutual authentication is required")
            }
            Ok(Reply::Done(proof)) => return self.logged_in(run, proof),
            Ok(Reply::Step(job)) => {
                self.state = State::Stepping(run);
                return Action::Step(job);
            }
            Ok(Reply::Send { .. } | Reply::Listen) => {
                SchemeError::new(run.scheme.name(), "the server accepted in the midst of the exchange")
            }
            Err(error) => error,
        };
        self.state = State::Spoiled;
        Action::Fail(HandshakeError::FinalToken(error))
    }

    fn logged_in(&mut self, mut run: Box<Run>, mut proof: Proof) -> Action {
        run.prove();
        proof.binding = match self.protocol {
            Protocol::Http1 if run.persists => Binding::Connection,
            Protocol::Http1 => proof.binding,
            Protocol::Http2 | Protocol::Http2Alone => Binding::Request,
        };
        let scheme = run.scheme.name();
        self.memory.bind(scheme, run.space.realm.as_ref(), proof.binding);
        let login = (!run.reported || self.authenticator.reports_established())
            .then(|| self.request.login(self.challenger, scheme, &proof));
        run.reported = true;
        if proof.binding == Binding::Connection {
            self.owner = Some(self.request.identity.clone());
        }
        self.state = match proof.binding {
            // `Persistent-Auth: false`: the next request begins anew, on the same connection.
            Binding::Connection if self.request.closing => State::Idle,
            Binding::Connection if run.is_stable() => State::Established(Box::new((scheme, proof))),
            Binding::Connection | Binding::Request => State::Standing(run),
        };
        Action::Deliver(login)
    }

    /// The challenge stands after the secret was used: no further scheme gets it.
    fn refused(&mut self, run: Run, detail: Option<String>) -> Action {
        self.state = match run.scheme.binding() {
            Binding::Connection => State::Spoiled,
            Binding::Request => State::Idle,
        };
        let scheme = Arc::clone(&run.scheme);
        let why = run.refuse(detail);
        self.request.dismiss(&*scheme, why);
        Action::Deliver(Some(self.request.take_refusal(self.challenger)))
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            State::Idle => "Idle",
            State::Asking(_) => "Asking",
            State::Waiting(..) => "Waiting",
            State::Stepping(_) => "Stepping",
            State::Sent(_) => "Sent",
            State::Established(_) => "Established",
            State::Standing(_) => "Standing",
            State::Spoiled => "Spoiled",
        };
        f.debug_struct("Handshake")
            .field("challenger", &self.challenger)
            .field("origin", &self.origin)
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}
