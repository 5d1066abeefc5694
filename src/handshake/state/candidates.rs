//! Which of the offered schemes is tried next, and with which credentials.

use std::sync::Arc;

use crate::challenge::{Challenge, Challenges};
use crate::credentials::Credentials;
use crate::handshake::action::{Action, BodyUse, Renewal};
use crate::handshake::demand::{Demand, FirstLeg};
use crate::handshake::error::HandshakeError;
use crate::handshake::guard::{OnTrial, Pass};
use crate::handshake::identity::Identity;
use crate::handshake::memory::KnownSpace;
use crate::handshake::outcome::{Tried, Why};
use crate::handshake::run::Run;
use crate::handshake::select::{self, Candidate};
use crate::handshake::sources::LookUp;
use crate::handshake::state::latest::Doubt;
use crate::handshake::state::{AfterTurn, Handshake, HandshakeState};
use crate::handshake::verdicts::{Asking, Evidence};
use crate::handshake::version::Protocol;
use crate::mechanism::Initiate;
use crate::protection_space::ProtectionSpace;
use crate::scheme::{RequestContext, Scheme};

impl Handshake {
    /// Chooses among fresh challenges.
    pub(super) fn choose(&mut self, challenges: &Challenges, request: RequestContext<'_>) -> Action {
        if let Identity::CallersOwn(_) = self.request.identity {
            return Action::Deliver(None);
        }
        // What was tried for the last challenge is no candidate any more: the server has said anew what it takes, and
        // may have dropped a scheme since.
        self.offer(challenges);
        if self.demand == Demand::Contradictory {
            // Whatever is tried now, the body would go over the wire for the third time.
            self.request.dismiss_all("the server took a login's first message for the request itself");
        }
        self.next_candidate(request)
    }

    /// What can be tried, now that the server has said what it takes.
    pub(super) fn offer(&mut self, challenges: &Challenges) {
        let (mut candidates, mut dismissed) =
            select::candidates(&self.authenticator, self.challenger, &self.origin, challenges);
        candidates.retain(|candidate| {
            let Some(why) = self.hindrance(&*candidate.scheme) else { return true };
            dismissed.push(Tried::new(candidate.scheme.name(), why));
            false
        });
        self.request.offer(candidates, dismissed);
    }

    pub(super) fn next_candidate(&mut self, request: RequestContext<'_>) -> Action {
        // Taken out before it is tried, and put back at most once, where a provider may have other credentials: so
        // this ends, whatever comes of each.
        while let Some(candidate) = self.request.candidates.pop() {
            match &self.request.identity {
                Identity::Credentials(credentials) => {
                    let credentials = credentials.clone();
                    return self.enter(candidate, credentials, request);
                }
                Identity::Provider(provider) => {
                    match self.authenticator.look_up(*provider, self.challenger, &self.origin) {
                        LookUp::Found(credentials) => {
                            return self.found(candidate, Some(credentials), request);
                        }
                        // A provider that is known to have nothing is not asked: its answer would cost the request a
                        // wait, and the same refusal.
                        LookUp::Nothing => self.request.dismiss(&*candidate.scheme, Why::NoCredentials),
                        LookUp::Ask => {
                            // One question for each scheme and realm, and not one for the request: a provider may
                            // hold a token for Bearer and a password for Digest.
                            let mut question = candidate.question(self.challenger, &self.origin);
                            question.refused.clone_from(&self.request.worn_out);
                            self.state = HandshakeState::Asking(Box::new(candidate));
                            return Action::Ask(question);
                        }
                    }
                }
                Identity::None | Identity::CallersOwn(_) => {
                    self.request.dismiss(&*candidate.scheme, Why::NoCredentials);
                }
            }
        }
        // Nobody has challenged yet, so that there is nothing to do without a login is no refusal: the request goes
        // bare, and the server may want none.
        if !self.request.responded {
            return Action::bare();
        }
        match self.request.failure.take() {
            // A server that said something that cannot be understood comes before the list of what was tried: the
            // error names the fault, the list would only say that the scheme could not start.
            Some(error) => {
                self.state = HandshakeState::Spoiled;
                Action::Fail(HandshakeError::Scheme(*error))
            }
            None => Action::Deliver(Some(self.request.take_refusal(self.challenger, &self.origin))),
        }
    }

    /// What there is to try a candidate with.
    pub(super) fn found(
        &mut self,
        candidate: Candidate,
        found: Option<Credentials>,
        request: RequestContext<'_>,
    ) -> Action {
        match found {
            // A provider without other credentials gives back the worn-out ones. Sent again they would be refused
            // again, and the provider asked again, without end.
            Some(credentials) if self.request.worn_out.as_ref() != Some(&credentials) => {
                return self.enter(candidate, credentials, request);
            }
            // The provider has no others.
            Some(_) if self.request.has_tried(&*candidate.scheme) => {}
            Some(_) => self.request.dismiss(&*candidate.scheme, Why::RefusedBefore),
            None => self.request.dismiss(&*candidate.scheme, Why::NoCredentials),
        }
        self.next_candidate(request)
    }

    /// Past the guard, if it lets the credentials pass.
    pub(super) fn enter(
        &mut self,
        candidate: Candidate,
        credentials: Credentials,
        request: RequestContext<'_>,
    ) -> Action {
        // Before the guard is asked: a scheme that cannot use the credentials must not hold a turn that another
        // request waits for.
        if !candidate.scheme.takes(&credentials) {
            self.state = HandshakeState::Idle;
            self.request.dismiss(&*candidate.scheme, Why::NoCredentials);
            return self.next_candidate(request);
        }
        let space = self.space_of(&candidate);
        // Before the guard is asked, which may make this request wait: whoever has the turn meanwhile has to know of
        // this challenge, since it may have voided the one that it is about to answer.
        if candidate.scheme.is_voided_by_challenges() {
            if let Some(known) = self.memory.known(candidate.scheme.name(), candidate.realm.as_ref()) {
                self.hear(&candidate, &known.latest, &credentials);
            }
        }
        // After that: whoever takes the turn now answers this challenge, and need not ask for one.
        self.give_back_turn(request);
        let speaks_first = candidate.challenge.is_none();
        let why = match self.ask(&space, &credentials, &*candidate.scheme, speaks_first, request) {
            Pass::Go(trial) => return self.go(candidate, credentials, trial, request),
            Pass::Wait(turn) => {
                self.state = HandshakeState::Waiting(AfterTurn::Candidate(Box::new(candidate), credentials));
                return Action::Wait(turn);
            }
            // Only the credentials that were tried are barred, not those that a provider may have by now. It is asked
            // once: what it gives comes back through this function, where its own record decides.
            Pass::Refused | Pass::Paused(_) if self.can_refresh(&*candidate.scheme) => {
                self.request.worn_out = Some(credentials);
                self.request.candidates.push(candidate);
                return self.next_candidate(request);
            }
            Pass::Refused => {
                self.request.refused = Some(credentials);
                Some(Why::RefusedBefore)
            }
            Pass::Paused(pause) => Some(Why::Paused(pause)),
            Pass::Listen => {
                let (scheme, realm) = (&*candidate.scheme, candidate.realm.as_ref());
                // A bare request draws a challenge as well, and with it may void the nonce that another login on
                // trial is answering. Some servers keep a single nonce (ESP32).
                if let Some(turn) = self.spares_others(scheme, realm, request) {
                    self.state =
                        HandshakeState::Waiting(AfterTurn::Candidate(Box::new(candidate), credentials));
                    return Action::Wait(turn);
                }
                None
            }
        };
        self.state = HandshakeState::Idle;
        if let Some(why) = why {
            self.request.dismiss(&*candidate.scheme, why);
        }
        self.next_candidate(request)
    }

    /// Asks the guard, if there is one for them.
    pub(super) fn ask(
        &mut self,
        space: &ProtectionSpace,
        credentials: &Credentials,
        scheme: &dyn Scheme,
        speaks_first: bool,
        request: RequestContext<'_>,
    ) -> Pass {
        // Without a guard as well: within one request the same password is never shown to a second scheme, since to
        // whoever keeps the accounts each is an attempt.
        if self.request.refused.as_ref() == Some(credentials) {
            return Pass::Refused;
        }
        let Some(guard) = self.authenticator.guard_for(credentials) else { return Pass::Go(None) };
        let now = request.moments.instant();
        let pass = guard.ask(
            &Asking {
                credentials,
                space,
                method: request.method,
                path: request.target.path(),
                speaks_first,
                disturbs_others: scheme.is_voided_by_challenges(),
                may_ask_kdc: scheme.asks_kdc() && credentials.as_password().is_some(),
                waits_since: self.request.waits_since,
            },
            now,
        );
        match pass {
            // Two challengers on one connection: with a turn in hand at one of them, waiting for a turn at the other
            // could be waiting for oneself. It listens instead, which needs no turn.
            Pass::Wait(_) if speaks_first && self.opening != FirstLeg::Speaks => Pass::Listen,
            Pass::Wait(turn) => {
                // Only the first wait counts. Patience is bounded over all of a request's waits, or one that is
                // overtaken again and again would never end.
                self.request.waits_since.get_or_insert(now);
                Pass::Wait(turn)
            }
            pass => pass,
        }
    }

    /// There is nothing to say before a challenge. Where one is declared, or came to the request on another
    /// connection, a body is held back until then. What is only remembered may be wrong, and a request without
    /// its body would then be carried out.
    pub(super) fn listen(&mut self, request: RequestContext<'_>) -> Action {
        let is_declared = self.authenticator.declared(self.challenger, &self.origin).is_some();
        // A body that is sent in vain is sent twice; a request without its body that is carried out is wrong. What
        // the program has declared is certain enough to risk that, a memory is not.
        if is_declared || self.demand.is_for_login() {
            return self.listen_without_body(request);
        }
        self.state = HandshakeState::Idle;
        Action::bare()
    }

    /// The request goes without its body until it is challenged.
    pub(super) fn listen_without_body(&mut self, request: RequestContext<'_>) -> Action {
        if !request.has_body || self.memory.asks_for_nothing(request.target) {
            self.state = HandshakeState::Idle;
            return Action::bare();
        }
        self.state = HandshakeState::Listening;
        self.send_within_bounds(None, BodyUse::Withheld)
    }

    /// A standing authorization's next request.
    pub(super) fn repeat(&mut self, mut run: Box<Run>, request: RequestContext<'_>) -> Action {
        let scheme = Arc::clone(&run.scheme);
        let trial = match self.ask(&run.space, run.credentials(), &*scheme, true, request) {
            // A standing authorization shows what was derived from the password to the server. Where only a KDC may
            // see it, it has nothing to send.
            Pass::Go(trial) if !trial.as_ref().is_some_and(OnTrial::is_for_kdc) => trial,
            Pass::Wait(turn) => {
                self.state = HandshakeState::Waiting(AfterTurn::Next(run));
                return Action::Wait(turn);
            }
            // It listens to what the server says.
            _ => return Action::bare(),
        };
        run.repeat(trial);
        let reply = self.respond(&mut run, None, request);
        self.reply(run, reply, request)
    }

    /// Another try in the same exchange, in answer to this challenge.
    pub(super) fn try_again(
        &mut self,
        run: Box<Run>,
        challenge: &Challenge,
        request: RequestContext<'_>,
    ) -> Action {
        let scheme = Arc::clone(&run.scheme);
        self.give_back_turn(request);
        let why = match self.ask(&run.space, run.credentials(), &*scheme, false, request) {
            Pass::Wait(turn) => {
                self.state = HandshakeState::Waiting(AfterTurn::Again(run, Box::new(challenge.clone())));
                return Action::Wait(turn);
            }
            Pass::Paused(pause) => Why::Paused(pause),
            Pass::Refused | Pass::Listen => Why::Refused(None),
            Pass::Go(trial) => return self.go_again(run, challenge, trial, request),
        };
        self.state = HandshakeState::Idle;
        self.request.dismiss(&*scheme, why);
        self.next_candidate(request)
    }

    /// The candidate may use its credentials, once that can tell whether they are right.
    fn go(
        &mut self,
        candidate: Candidate,
        credentials: Credentials,
        trial: Option<OnTrial>,
        request: RequestContext<'_>,
    ) -> Action {
        let space = self.space_of(&candidate);
        // The space is remembered only from here on: what was offered and not chosen says nothing about what the next
        // request is to begin with.
        let known = self.remember(&candidate, &space, request);
        self.hear(&candidate, &known.latest, &credentials);
        let (scheme, is_challenged) = (&*candidate.scheme, candidate.challenge.is_some());
        // After the guard and not before: the doubt is about a login on trial, and only the guard knows whether this
        // is one.
        match self.doubt(scheme, &known.latest, trial.as_ref(), &credentials, is_challenged, request) {
            None => self.run(candidate, credentials, space, known, trial, request),
            Some(Doubt::OthersAreOut(turn)) => {
                self.request.trial = trial.map(Box::new);
                self.state = HandshakeState::Waiting(AfterTurn::Candidate(Box::new(candidate), credentials));
                Action::Wait(turn)
            }
            Some(Doubt::NoLatest) => self.ask_anew(trial, request),
        }
    }

    /// Tries again in the same exchange, once that can tell whether the credentials are right.
    fn go_again(
        &mut self,
        mut run: Box<Run>,
        challenge: &Challenge,
        trial: Option<OnTrial>,
        request: RequestContext<'_>,
    ) -> Action {
        let doubt = self.doubt(&*run.scheme, &run.latest, trial.as_ref(), run.credentials(), true, request);
        match doubt {
            None => {
                run.try_again(trial);
                let reply = self.respond(&mut run, Some(challenge), request);
                self.reply(run, reply, request)
            }
            Some(Doubt::OthersAreOut(turn)) => {
                let challenge = Box::new(challenge.clone());
                self.request.trial = trial.map(Box::new);
                self.state = HandshakeState::Waiting(AfterTurn::Again(run, challenge));
                Action::Wait(turn)
            }
            Some(Doubt::NoLatest) => self.ask_anew(trial, request),
        }
    }

    fn space_of(&self, candidate: &Candidate) -> ProtectionSpace {
        ProtectionSpace::new(self.challenger, self.origin.clone(), candidate.realm.clone())
    }

    /// Begins the candidate's exchange.
    fn run(
        &mut self,
        candidate: Candidate,
        credentials: Credentials,
        space: ProtectionSpace,
        known: KnownSpace,
        trial: Option<OnTrial>,
        request: RequestContext<'_>,
    ) -> Action {
        let Candidate { scheme, challenge, .. } = candidate;
        // Read now and not when the connection was made: some connectors tell the bindings with the first response.
        let bindings = self.authenticator.channel_bindings(self.channel_bindings.as_ref());
        let arguments = Initiate::new(self.authenticator.target_name(&self.origin), credentials)
            .with_channel_bindings(bindings)
            .with_absent_channel_bindings(self.authenticator.absent_channel_bindings())
            .with_delegation(self.authenticator.delegation(&self.origin))
            .with_mutual_authentication(self.authenticator.mutual_authentication())
            .with_only_kdc(trial.as_ref().is_some_and(OnTrial::is_for_kdc));
        let mut run = Run::begin(scheme, arguments, space, trial, known);
        run.spoke_first = challenge.is_none();
        // Noted before the exchange says anything. Some servers take up one handshake for each connection: only if
        // this was the first does a bare challenge say that the scheme is not taken.
        run.on_fresh_connection = !self.is_owned;
        // Both before the exchange says anything: what is bound to a connection must not begin on one that it has to leave.
        if self.protocol == Protocol::Http2 && run.is_bound() {
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::Http1Needed);
        }
        if self.request.closing && run.is_bound() {
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::ClosedAfterChallenge);
        }
        let reply = self.respond(&mut run, challenge.as_ref(), request);
        // The exchange has answered a challenge that it cannot send over this connection. Its count has to go back by
        // one, or the next request would leave a gap that strict servers take for a replay (RFC 7616, section 3.4).
        if self.request.closing && reply.is_ok() {
            run.exchange.not_sent();
            // What the exchange has learnt from the challenge, such as Digest's nonce, is what it
            // speaks first with on the next connection.
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::ClosedAfterChallenge);
        }
        self.reply(run, reply, request)
    }

    /// What is known of the space that a candidate is for, which is chosen.
    pub(super) fn remember(
        &self,
        candidate: &Candidate,
        space: &ProtectionSpace,
        request: RequestContext<'_>,
    ) -> KnownSpace {
        let Candidate { scheme, challenge, realm } = candidate;
        let said = challenge
            .as_ref()
            .map(|challenge| (scheme.paths(challenge, space, request.target), challenge.octets()));
        self.memory.remember(scheme.name(), realm.clone(), scheme.binding(), said)
    }

    /// Ends a turn that was held meanwhile: what others' logins have come to may have ended it, so the guard
    /// is asked again.
    fn give_back_turn(&mut self, request: RequestContext<'_>) {
        if let Some(trial) = self.request.trial.take() {
            trial.end(Evidence::Nothing, request.moments.instant());
        }
    }
}
