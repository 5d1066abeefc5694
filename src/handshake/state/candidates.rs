//! Which of the offered schemes is tried next, and with which credentials.

use crate::challenge::Challenges;
use crate::credentials::Credentials;
use crate::handshake::action::{Action, Renewal};
use crate::handshake::authenticator::LookUp;
use crate::handshake::error::HandshakeError;
use crate::handshake::guard::Permission;
use crate::handshake::identity::Identity;
use crate::handshake::outcome::{Tried, Why};
use crate::handshake::run::{Run, Trust};
use crate::handshake::select::{self, Candidate};
use crate::handshake::state::{Handshake, State};
use crate::handshake::version::Protocol;
use crate::mechanism::Initiate;
use crate::protection_space::ProtectionSpace;
use crate::scheme::RequestContext;

impl Handshake {
    /// Chooses among fresh challenges.
    pub(super) fn choose(&mut self, challenges: &Challenges, request: RequestContext<'_>) -> Action {
        if let Identity::CallersOwn(_) = self.request.identity {
            return Action::Deliver(None);
        }
        self.offer(challenges);
        self.next_candidate(request)
    }

    /// What can be tried, now that the server has said what it takes.
    pub(super) fn offer(&mut self, challenges: &Challenges) {
        let (mut candidates, mut dismissed) =
            select::candidates(&self.authenticator, &self.origin, challenges);
        candidates.retain(|candidate| {
            let Some(why) = self.hindrance(&*candidate.scheme) else { return true };
            dismissed.push(Tried { scheme: candidate.scheme.name().to_owned(), why });
            false
        });
        self.request.offer(candidates, dismissed);
    }

    pub(super) fn next_candidate(&mut self, request: RequestContext<'_>) -> Action {
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
                        LookUp::Nothing => self.request.dismiss(&*candidate.scheme, Why::NoCredentials),
                        LookUp::Ask => {
                            let mut question = candidate.question(self.challenger, &self.origin);
                            question.refused.clone_from(&self.request.worn_out);
                            self.state = State::Asking(candidate);
                            return Action::Ask(question);
                        }
                    }
                }
                Identity::None | Identity::CallersOwn(_) => {
                    self.request.dismiss(&*candidate.scheme, Why::NoCredentials);
                }
            }
        }
        if !self.request.responded {
            return Action::bare();
        }
        match self.request.failure.take() {
            Some(error) => {
                self.state = State::Spoiled;
                Action::Fail(HandshakeError::Scheme(error))
            }
            None => Action::Deliver(Some(self.request.take_refusal(self.challenger))),
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

    /// Past the guard, if it lets the credentials pass. The system's own need none: nobody can be
    /// locked out of what holds no password.
    pub(super) fn enter(
        &mut self,
        candidate: Candidate,
        credentials: Credentials,
        request: RequestContext<'_>,
    ) -> Action {
        let is_ambient = credentials.as_ambient().is_some();
        if !candidate.scheme.takes(&credentials) {
            self.state = State::Idle;
            self.request.dismiss(&*candidate.scheme, Why::NoCredentials);
            return self.next_candidate(request);
        }
        let space = ProtectionSpace::new(self.challenger, self.origin.clone(), candidate.realm.clone());
        let permission = match self.authenticator.guard() {
            _ if self.request.refused.as_ref() == Some(&credentials) => Permission::Refused,
            Some(guard) if !is_ambient => guard.enter(&space, &credentials),
            _ => return self.run(candidate, credentials, space, Trust::Unguarded, request),
        };
        match permission {
            Permission::Wait(turn) => {
                self.state = State::Waiting(candidate, credentials);
                Action::Wait(turn)
            }
            Permission::Refused if self.can_refresh(&*candidate.scheme) => {
                self.request.worn_out = Some(credentials);
                self.request.candidates.push(candidate);
                self.next_candidate(request)
            }
            Permission::Refused => {
                self.state = State::Idle;
                self.request.dismiss(&*candidate.scheme, Why::RefusedBefore);
                self.request.refused = Some(credentials);
                self.next_candidate(request)
            }
            Permission::Proven => self.run(candidate, credentials, space, Trust::Proven, request),
            Permission::Try(trial) => self.run(candidate, credentials, space, Trust::OnTrial(trial), request),
        }
    }

    /// Begins the candidate's exchange.
    fn run(
        &mut self,
        candidate: Candidate,
        credentials: Credentials,
        space: ProtectionSpace,
        trust: Trust,
        request: RequestContext<'_>,
    ) -> Action {
        let Candidate { scheme, challenge, realm } = candidate;
        let paths = challenge.as_ref().map(|challenge| scheme.paths(challenge, &space, request.target));
        let knowledge = self.memory.remember(scheme.name(), realm, scheme.binding(), paths);
        let bindings = self.authenticator.channel_bindings(self.channel_bindings.as_ref());
        let arguments = Initiate::new(self.authenticator.target_name(&self.origin), credentials)
            .with_channel_bindings(bindings)
            .with_absent_channel_bindings(self.authenticator.absent_channel_bindings())
            .with_delegation(self.authenticator.delegation(&self.origin))
            .with_mutual_authentication(self.authenticator.mutual_authentication());
        let mut run = Run::begin(scheme, arguments, space, trust, &knowledge);
        run.spoke_first = challenge.is_none();
        run.on_fresh_connection = self.owner.is_none();
        if self.protocol == Protocol::Http2 && run.is_bound() {
            self.state = State::Spoiled;
            return Action::Renew(Renewal::Http1Needed);
        }
        if self.request.closing && run.is_bound() {
            self.state = State::Spoiled;
            return Action::Renew(Renewal::ClosedAfterChallenge);
        }
        let reply = run.exchange.respond(challenge.as_ref(), request);
        if self.request.closing && reply.is_ok() {
            // What the exchange has learnt from the challenge, such as Digest's nonce, is what it
            // speaks first with on the next connection.
            self.state = State::Spoiled;
            return Action::Renew(Renewal::ClosedAfterChallenge);
        }
        self.reply(run, reply, request)
    }
}
