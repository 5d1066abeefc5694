mod actor;
mod candidates;
mod challenged;
mod connection;
mod latest;
mod passed;

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode};

use crate::authorization::Authorization;
use crate::challenge::Challenge;
use crate::channel_bindings::ChannelBindings;
use crate::credentials::{Credentials, CredentialsProvider};
use crate::handshake::action::{Action, Answer, BodyUse, Outlook, Renewal, ResponseHead};
use crate::handshake::authenticator::Authenticator;
use crate::handshake::demand::{Demand, FirstLeg};
use crate::handshake::error::HandshakeError;
use crate::handshake::guard::Served;
use crate::handshake::identity::Identity;
use crate::handshake::legs::LegInFlight;
use crate::handshake::memory::{OriginMemory, Wants};
use crate::handshake::outcome::Outcome;
use crate::handshake::progress::RequestProgress;
use crate::handshake::run::Run;
use crate::handshake::select::{self, Candidate};
use crate::handshake::sources::LookUp;
use crate::handshake::verdicts::{Evidence, Target};
use crate::handshake::version::Protocol;
use crate::mechanism::{Binding, Expects, MutualAuthentication};
use crate::protection_space::{Challenger, Origin, Realm};
use crate::scheme::{Proof, RequestContext};

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
    state: HandshakeState,
    /// It has carried messages of the identity of the request, or of the last one: it serves nobody else.
    is_owned: bool,
    /// A first message went by unread on this connection: it speaks when it is asked.
    unasked: bool,
    /// What the request under way has found out that is wanted of it.
    demand: Demand,
    /// How the leg that is out, or was the last, treats the body.
    sent: BodyUse,
    opening: FirstLeg,
    /// The leg that is out, where it may be challenged.
    leg: Option<LegInFlight>,
    /// A handshake that was the connection's has failed: the connection ends with the request.
    ends: bool,
    request: RequestProgress,
}

enum HandshakeState {
    /// No authorization is out.
    Idle,
    /// A leg without an authorization is out, and without the body: the challenger is expected to ask.
    Listening,
    /// Credentials are being looked for.
    Asking(Box<Candidate>),
    /// Somebody else tries the same credentials.
    Waiting(AfterTurn),
    /// A mechanism's step is being run.
    Stepping(Box<Run>),
    /// Somebody other than the server is asked for what the login needs, such as a KDC.
    Consulting(Box<Run>),
    /// The request's content is being read.
    Gathering(Box<Run>),
    /// A leg with this run's authorization is out.
    Sent(Box<Run>),
    /// The login was answered in a way that tells nothing of it: what comes next on the connection,
    /// without an authorization, does.
    Unsettled(Box<(Run, Proof)>),
    /// The connection is authenticated: requests carry nothing.
    Established(Box<EstablishedLogin>),
    /// Each request carries its own authorization, made by this run.
    Standing(Box<Run>),
    /// A handshake failed; servers do not take up another one on the connection.
    Spoiled,
}

/// A login that is the connection's.
struct EstablishedLogin {
    scheme: &'static str,
    proof: Proof,
    passed_over: Option<Arc<str>>,
    /// With a guard, what was served since.
    served: Option<Served>,
}

/// What goes on once a request may use its credentials.
enum AfterTurn {
    Candidate(Box<Candidate>, Credentials),
    /// A standing authorization's next request.
    Next(Box<Run>),
    /// Another try in the same exchange, in answer to this challenge.
    Again(Box<Run>, Box<Challenge>),
}

impl Handshake {
    /// Creates the handshake of a new connection to `origin` (or to a proxy of that address).
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
            state: HandshakeState::Idle,
            is_owned: false,
            unasked: false,
            demand: Demand::default(),
            sent: BodyUse::Carried,
            opening: FirstLeg::Speaks,
            leg: None,
            ends: false,
            request: RequestProgress::new(Identity::None),
        }
    }

    /// Begins a request for `identity`.
    pub fn begin(&mut self, identity: &Identity, request: RequestContext<'_>) -> Action {
        self.begin_as(identity, FirstLeg::Speaks, Demand::default(), request)
    }

    /// Begins a request that may have been on other connections before.
    pub(crate) fn begin_as(
        &mut self,
        identity: &Identity,
        opening: FirstLeg,
        demand: Demand,
        request: RequestContext<'_>,
    ) -> Action {
        self.opening = opening;
        let path = request.target.path();
        let mut wants = self.memory.wants(path);
        let mut undecided = None;
        if wants.is_none() && self.authenticator.declared(self.challenger, &self.origin).is_none() {
            // Another request may be challenged, and log in, between the look and the leg of this one, whose challenge could
            // then void what it answers. So it looks again, where others wait for what it decides.
            undecided = Some(self.memory.legs().decide());
            wants = self.memory.wants(path);
        }
        if wants.is_some() {
            // A login waits for those that have not decided, and must not wait for itself.
            undecided = None;
        }
        // Every way out of the state machine goes through `noted`, which keeps two rules that no single arm could:
        // what a leg does with the body is written down, and nothing is delivered without a proof that is required.
        let action = self.begin_request(identity, demand, wants, request);
        let action = self.noted(action, request);
        drop(undecided);
        action
    }

    /// Takes a response.
    pub fn receive(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        // Counted before anything is decided: a server that answers every leg with another question must come to an
        // end.
        self.request.legs += 1;
        // Before the challenge is looked at: what it is worth depends on the order in which challenges arrived.
        self.leg_ends(head.status);
        // A turn was kept for the answer to a challenge, and there is none.
        if head.status != self.challenger.status() {
            self.request.trial = None;
        }
        let action = match self.challenger {
            _ if head.status == self.challenger.status() => self.challenged(head, request),
            // Whether a proxy lets a leg pass with or without its body is the origin's business.
            Challenger::Origin if self.holds_body() && self.demand.body_follows(head.status) => {
                self.passed_without_body(request)
            }
            Challenger::Origin | Challenger::Proxy => self.passed(head, request),
        };
        self.noted(action, request)
    }

    /// Takes what an action asked for.
    pub fn resume(&mut self, answer: Answer, request: RequestContext<'_>) -> Action {
        let action = self.resume_state(answer, request);
        self.noted(action, request)
    }

    /// What is to be done, but for what the rules do not allow.
    fn noted(&mut self, action: Action, request: RequestContext<'_>) -> Action {
        match action {
            Action::Send { authorization, body } => {
                self.sent = body;
                if let HandshakeState::Sent(run) = &mut self.state {
                    if run.started {
                        run.note_legs(self.memory.legs());
                        // Here and not where the token was made, which may have been on another thread. If the leg is
                        // not sent after all, `not_sent` takes this back.
                        run.start(request.moments.instant());
                    }
                }
                self.leg_begins();
                Action::Send { authorization, body }
            }
            // Here and not where logins conclude: a response that nobody had challenged comes by another way, and so
            // does one on an established connection.
            Action::Deliver(_) if self.lacks_proof(&action) => {
                self.state = HandshakeState::Spoiled;
                Action::Fail(HandshakeError::Unproven)
            }
            action => action,
        }
    }

    /// A leg is out. It counts where it may be challenged.
    pub(crate) fn leg_begins(&mut self) {
        // The proxy's challenge may have come in between: to the origin it is still the same leg.
        if self.leg.is_some() {
            return;
        }
        if !self.is_established() {
            self.leg = Some(self.memory.legs().send());
        }
    }

    fn leg_ends(&mut self, status: StatusCode) {
        let is_challenge = status == self.challenger.status();
        match self.leg.take() {
            // The number orders challenges by their arrival. In which order the server made them cannot be seen: of
            // two legs that were out together, either may have been challenged last.
            Some(leg) if is_challenge => self.request.arrival = Some(leg.challenged()),
            Some(leg) => leg.end(),
            None if is_challenge => self.request.arrival = Some(self.memory.legs().challenged()),
            None => {}
        }
    }

    /// The leg that is out has not come to the challenger.
    pub(crate) fn take_leg_back(&mut self) {
        if let Some(leg) = self.leg.take() {
            leg.end();
        }
    }

    /// Whether a response would be delivered though its server has not proven who it is, and has to.
    fn lacks_proof(&self, action: &Action) -> bool {
        let Action::Deliver(outcome) = action else { return false };
        let is_covered = matches!(self.request.identity, Identity::Credentials(_) | Identity::Provider(_));
        self.authenticator.mutual_authentication() == MutualAuthentication::Required
            && self.challenger == Challenger::Origin
            && is_covered
            && match outcome.as_deref() {
                Some(Outcome::LoggedIn(login)) => !login.mutual,
                // The challenger's own last word says so.
                Some(Outcome::Refused(_)) => false,
                None => !self.is_proven_for_this_response(),
            }
    }

    /// Whether the response in hand comes from a server that has proven who it is: with the response,
    /// or for the whole connection.
    fn is_proven_for_this_response(&self) -> bool {
        match &self.state {
            HandshakeState::Established(established) => established.proof.mutual,
            HandshakeState::Standing(_) | HandshakeState::Idle => self.request.is_proven,
            _ => false,
        }
    }

    /// Notes how the leg treats the body, which the other challenger may have decided.
    pub(crate) fn sent_with(&mut self, body: BodyUse) {
        self.sent = body;
    }

    /// Whether the leg that is out, or was the last, went without the request's body.
    pub(crate) fn holds_body(&self) -> bool {
        self.sent == BodyUse::Withheld
    }

    /// What the request under way has found out that is wanted of it.
    pub(crate) fn demand(&self) -> Demand {
        self.demand
    }

    /// The leg that is out spoke unasked and showed nothing of a secret: the request can go without.
    /// Tells whether that is so, and remembers it for the request.
    pub(crate) fn drop_hint(&mut self) -> bool {
        // Only what has shown nothing of the secret. A lost connection behind a login may be the server's way of
        // refusing it, and to send the request again without would hide that.
        let spoke_first = matches!(&self.state, HandshakeState::Sent(run) if run.spoke_first && !run.started);
        let is_hint = self.demand == Demand::Unknown && (spoke_first || self.holds_body());
        if is_hint {
            self.demand = self.demand.let_through();
        }
        is_hint
    }

    /// The leg that was to be sent was not.
    pub(crate) fn not_sent(&mut self) {
        self.take_leg_back();
        if let HandshakeState::Sent(run) = &mut self.state {
            run.take_back();
        }
    }

    /// Gives up a login whose leg has not reached the challenger, if it can start again, so that nobody waits
    /// for its turn meanwhile.
    /// Tells whether that is so.
    pub(crate) fn withdraw(&mut self, now: Instant) -> bool {
        // The owner is settled above, so whatever state is found belongs to this identity. Taken out at once: no arm
        // can leave half of a run behind.
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            // A login of the connection's that has begun cannot start again in the middle: there the leg is left as
            // it is, and the connection lost with it.
            HandshakeState::Sent(mut run) if run.is_on_trial() && !(run.started && run.is_bound()) => {
                run.end(Evidence::Nothing, now);
                true
            }
            state => {
                self.state = state;
                false
            }
        }
    }

    /// How the leg may fare that is decided, if it carries the body.
    pub(crate) fn outlook(&self) -> Outlook {
        match &self.state {
            HandshakeState::Sent(run) if run.exchange.may_be_out_of_date() => Outlook::Doubtful,
            HandshakeState::Idle | HandshakeState::Unsettled(_) if self.may_be_asked_to_log_in() => {
                Outlook::Unknown
            }
            _ => Outlook::Clear,
        }
    }

    /// Whether the request could answer a challenge, and none was heard of so far. One that has spoken
    /// first in vain has heard that there is none.
    fn may_be_asked_to_log_in(&self) -> bool {
        self.demand == Demand::Unknown
            && match &self.request.identity {
                Identity::Credentials(_) => true,
                Identity::Provider(provider) => {
                    let found = self.authenticator.look_up(*provider, self.challenger, &self.origin);
                    !matches!(found, LookUp::Nothing)
                }
                Identity::None | Identity::CallersOwn(_) => false,
            }
    }

    /// What is known of the challenger, for all connections to it.
    pub(crate) fn memory(&self) -> &OriginMemory {
        &self.memory
    }

    /// Whether it tries credentials of which others may wait to hear.
    pub(crate) fn is_on_trial(&self) -> bool {
        matches!(&self.state, HandshakeState::Sent(run) if run.is_on_trial())
    }

    fn begin_request(
        &mut self,
        identity: &Identity,
        demand: Demand,
        wants: Option<Wants>,
        request: RequestContext<'_>,
    ) -> Action {
        // Before anything else is asked: on a connection that is logged in, requests go as they are.
        if self.go_on(identity) {
            self.demand = demand;
            self.serves(request.method, request.target.path());
            return Action::bare();
        }
        if self.owner().is_some_and(|owner| owner != identity) {
            return Action::Renew(Renewal::OtherIdentity);
        }
        let same_identity = self.request.identity == *identity;
        self.request = RequestProgress::new(identity.clone());
        self.demand = demand;
        // What was learnt outweighs what is remembered: each of these says that a first message would go by unread.
        let listens = self.unasked || self.opening == FirstLeg::Listens || demand.is_for_nothing();
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            HandshakeState::Standing(run)
                if same_identity && !listens && wants.as_ref().is_some_and(|it| run.is_wanted(it)) =>
            {
                return self.repeat(run, request);
            }
            HandshakeState::Unsettled(unsettled) => {
                // The next response on the connection is the verdict, so this request carries nothing, whatever is
                // remembered of its target.
                self.state = HandshakeState::Unsettled(unsettled);
                return Action::bare();
            }
            HandshakeState::Idle | HandshakeState::Standing(_) => {}
            // Established, it would have gone on.
            HandshakeState::Established(_)
            // A request was dropped in the middle of one of these: what the server makes of its leg is not known.
            | HandshakeState::Listening
            | HandshakeState::Asking(_)
            | HandshakeState::Waiting(..)
            | HandshakeState::Stepping(_)
            | HandshakeState::Consulting(_)
            | HandshakeState::Gathering(_)
            | HandshakeState::Sent(_)
            | HandshakeState::Spoiled => {
                self.state = HandshakeState::Spoiled;
                return Action::Renew(Renewal::Spoiled);
            }
        }
        if let Identity::CallersOwn(_) = identity {
            // Its field may have logged the connection in, as anybody.
            self.is_owned = true;
            return Action::bare();
        }
        // Without its body even if it is not declared: this request was challenged before, on another connection, so
        // that it needs a login is known.
        if demand == Demand::LoginAskedAnew {
            return Action::Send { authorization: None, body: BodyUse::without(request.has_body) };
        }
        if listens || *identity == Identity::None {
            return Action::bare();
        }
        let is_bound = |candidate: &Candidate| candidate.scheme.binding() == Binding::Connection;
        let (scheme, realm) = match wants {
            // A memory has a realm and with it a nonce; what is declared has only a name. So the memory goes first
            // where there are both.
            Some(wants) => (Some(wants.scheme), wants.realm),
            None => (self.authenticator.declared(self.challenger, &self.origin), None),
        };
        let known = scheme.and_then(|scheme| {
            select::known(&self.authenticator, self.challenger, &self.origin, scheme, realm)
        });
        // Filtered without a word in the refusal: nobody has asked for the scheme yet, so there is nothing to
        // explain.
        let known = known.filter(|candidate| self.hindrance(&*candidate.scheme).is_none());
        // Such a first message was answered there by something else than a challenge: it would cost a leg.
        if known.as_ref().is_some_and(is_bound) && self.memory.asks_for_nothing(request.target) {
            return Action::bare();
        }
        // The bindings come with the first response, and a login without them could be passed on by anybody in between.
        if self.awaits_bindings && known.as_ref().is_some_and(is_bound) {
            return Action::Send { authorization: None, body: BodyUse::without(request.has_body) };
        }
        self.request.candidates.extend(known);
        self.next_candidate(request)
    }

    /// Goes on with a request for `identity`, where that takes nothing. Tells whether that is so: whether the
    /// connection is authenticated as just this identity. Else the request is to [`begin`](Self::begin).
    #[inline]
    pub(crate) fn go_on(&mut self, identity: &Identity) -> bool {
        if !self.is_established() || self.owner() != Some(identity) {
            return false;
        }
        self.begin_plainly(identity);
        true
    }

    /// Goes on with a request without a body where nobody is known to want a login: unless it is challenged, nothing
    /// comes of it but its answer. Tells whether that is so. Else the request is to [`begin`](Self::begin).
    pub(crate) fn go_unasked(&mut self, identity: &Identity, path: &str) -> bool {
        let is_plain = matches!(self.state, HandshakeState::Idle)
            && !(self.is_owned || self.awaits_bindings || matches!(identity, Identity::CallersOwn(_)))
            && self.authenticator.mutual_authentication() != MutualAuthentication::Required
            && self.authenticator.declared(self.challenger, &self.origin).is_none();
        if !is_plain {
            return false;
        }
        // Until the leg is counted, as in `begin_as`.
        let _undecided = self.memory.legs().decide();
        let is_unasked = self.memory.wants(path).is_none();
        if is_unasked {
            self.begin_plainly(identity);
            self.leg_begins();
        }
        is_unasked
    }

    /// A request goes as its caller made it.
    #[inline]
    fn begin_plainly(&mut self, identity: &Identity) {
        // Only the first request behind a login, or behind a challenge, finds something to clear; all others skip
        // writing this large a structure.
        if self.request.is_spent || self.request.identity != *identity {
            self.request = RequestProgress::new(identity.clone());
            self.request.is_spent = false;
        }
        self.request.legs = 0;
        (self.demand, self.opening) = (Demand::default(), FirstLeg::Speaks);
    }

    /// A request that went on is for this, and the last one was for something else.
    pub(crate) fn serves(&mut self, method: &Method, path: &str) {
        if let HandshakeState::Established(established) = &mut self.state {
            if let Some(served) = &mut established.served {
                served.note(Target::of(method, path));
            }
        }
    }

    /// Takes a response with this status, if it is the answer to a request that went as it is, and nothing is to be told
    /// about it. Tells whether that is so.
    #[inline]
    pub(crate) fn passes_through(&mut self, status: StatusCode) -> bool {
        if status == self.challenger.status() {
            return false;
        }
        match self.state {
            HandshakeState::Established(_) => !self.authenticator.reports_established(),
            // Nobody has to prove anything, no turn is kept for the answer to a challenge, and the response is not the one
            // that tells the channel bindings.
            HandshakeState::Idle
                if self.request.trial.is_none()
                    && !self.awaits_bindings
                    && self.authenticator.mutual_authentication() != MutualAuthentication::Required =>
            {
                self.take_leg_back();
                true
            }
            _ => false,
        }
    }

    fn resume_state(&mut self, answer: Answer, request: RequestContext<'_>) -> Action {
        // Spoiled unless the answer fits: one out of turn leaves nothing to go on with.
        match (std::mem::replace(&mut self.state, HandshakeState::Spoiled), answer) {
            (HandshakeState::Asking(candidate), Answer::Credentials(found)) => {
                self.state = HandshakeState::Idle;
                self.found(*candidate, found, request)
            }
            (HandshakeState::Waiting(waiting), Answer::Turn) => {
                self.state = HandshakeState::Idle;
                match waiting {
                    AfterTurn::Candidate(candidate, credentials) => {
                        self.enter(*candidate, credentials, request)
                    }
                    AfterTurn::Next(run) => self.repeat(run, request),
                    AfterTurn::Again(run, challenge) => self.try_again(run, &challenge, request),
                }
            }
            (HandshakeState::Stepping(mut run), Answer::Stepped(stepped)) => {
                let reply = run.exchange.resume(stepped);
                self.reply(run, reply, request)
            }
            (HandshakeState::Consulting(mut run), Answer::Consulted(answer)) => {
                let reply = run.exchange.consulted(answer);
                self.reply(run, reply, request)
            }
            (HandshakeState::Gathering(mut run), Answer::Gathered) => {
                let reply = run.exchange.gathered(request);
                self.reply(run, reply, request)
            }
            _ => Action::Fail(HandshakeError::OutOfTurn),
        }
    }

    /// Returns whether the next request needs no handshake.
    #[inline]
    pub fn is_established(&self) -> bool {
        matches!(self.state, HandshakeState::Established(_))
    }

    /// Returns whether the connection can serve another request once its response has ended.
    #[inline]
    pub fn is_reusable(&self) -> bool {
        // A connection goes back to the pool only from a state in which the next request can begin without knowing
        // what happened before.
        !self.ends
            && matches!(
                self.state,
                HandshakeState::Idle
                    | HandshakeState::Established(_)
                    | HandshakeState::Standing(_)
                    | HandshakeState::Unsettled(_)
            )
    }

    /// Who the request under way, or the last, acts as.
    pub(crate) fn identity(&self) -> &Identity {
        &self.request.identity
    }

    /// Whose messages the connection has carried.
    pub(crate) fn owner(&self) -> Option<&Identity> {
        self.is_owned.then_some(&self.request.identity)
    }

    pub(crate) fn provider(&self) -> Option<&dyn CredentialsProvider> {
        self.authenticator.provider()
    }

    /// Whether a leg is out that the connection must outlive.
    pub(crate) fn is_bound_under_way(&self) -> bool {
        matches!(&self.state, HandshakeState::Sent(run) if run.is_bound())
    }

    /// Ends what was under way: the connection was lost while a leg was out. Tells whether that leg held what was derived
    /// from a secret that nobody has proven yet: it may have been the server's way to refuse it.
    pub fn lose_connection(&mut self, now: Instant) -> bool {
        self.leg = None;
        match &mut self.state {
            // A server may hang up on a wrong password (some do), and a network may fail behind a right one. Both
            // look the same, so it counts as an attempt without an answer.
            HandshakeState::Sent(run) => run.leave_undecided(now),
            HandshakeState::Unsettled(unsettled) => unsettled.0.leave_undecided(now),
            _ => false,
        }
    }

    /// Whether a leg is out that the challenger cannot take for the request itself.
    pub(crate) fn expects_challenge(&self) -> bool {
        matches!(&self.state, HandshakeState::Sent(run) if run.expects == Expects::Challenge)
    }

    pub(super) fn send_within_bounds(
        &mut self,
        authorization: Option<Authorization>,
        body: BodyUse,
    ) -> Action {
        if self.is_past_the_last_leg(self.request.legs) {
            return self.end_after_all_legs();
        }
        Action::Send { authorization, body }
    }

    /// Whether a request that has taken so many legs may take no more.
    pub(crate) fn is_past_the_last_leg(&self, legs: u32) -> bool {
        legs >= self.authenticator.max_legs()
    }

    /// The request has come to an end, and with it the connection.
    pub(crate) fn end_after_all_legs(&mut self) -> Action {
        self.state = HandshakeState::Spoiled;
        Action::Fail(HandshakeError::TooManyLegs(self.authenticator.max_legs()))
    }

    /// Whether the request can be sent again, with its body.
    pub(super) fn can_send_again(&self, request: RequestContext<'_>) -> bool {
        let is_kept = !request.has_body || request.content.is_some();
        is_kept && self.request.legs < self.authenticator.max_legs()
    }

    /// The realm of the login that is out.
    pub(crate) fn realm_under_way(&self) -> Option<&Realm> {
        match &self.state {
            HandshakeState::Sent(run) => run.space.realm.as_ref(),
            _ => None,
        }
    }
}

impl fmt::Debug for Handshake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = match &self.state {
            HandshakeState::Idle => "Idle",
            HandshakeState::Listening => "Listening",
            HandshakeState::Asking(_) => "Asking",
            HandshakeState::Waiting(..) => "Waiting",
            HandshakeState::Stepping(_) => "Stepping",
            HandshakeState::Consulting(_) => "Consulting",
            HandshakeState::Gathering(_) => "Gathering",
            HandshakeState::Sent(_) => "Sent",
            HandshakeState::Unsettled(_) => "Unsettled",
            HandshakeState::Established(_) => "Established",
            HandshakeState::Standing(_) => "Standing",
            HandshakeState::Spoiled => "Spoiled",
        };
        f.debug_struct("Handshake")
            .field("challenger", &self.challenger)
            .field("origin", &self.origin)
            .field("state", &format_args!("{state}"))
            .finish_non_exhaustive()
    }
}
