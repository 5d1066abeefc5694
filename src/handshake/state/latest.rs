//! Which challenge a login answers, where later ones may void those before them.

use std::sync::Arc;

use crate::challenge::Challenge;
use crate::credentials::Credentials;
use crate::handshake::action::{Action, BodyUse, Renewal};
use crate::handshake::demand::{Demand, FirstLeg};
use crate::handshake::guard::OnTrial;
use crate::handshake::latest::{EarlierChallenges, Latest, LatestChallenge};
use crate::handshake::run::{Answered, Run};
use crate::handshake::select::Candidate;
use crate::handshake::state::{Handshake, HandshakeState};
use crate::handshake::turn::Turn;
use crate::protection_space::Realm;
use crate::scheme::{Reply, RequestContext, Scheme, SchemeError};

/// Why a login on trial does not go yet: refused now, it would not tell whether the password is wrong.
pub(super) enum Doubt {
    /// Other legs are out, whose challenges may void what it answers.
    OthersAreOut(Turn),
    /// Nobody knows which challenge is the latest.
    NoLatest,
}

impl Handshake {
    /// Notes a candidate's challenge in its space.
    pub(super) fn hear(&self, candidate: &Candidate, latest: &LatestChallenge, credentials: &Credentials) {
        if !candidate.scheme.is_voided_by_challenges() {
            return;
        }
        if let (Some(challenge), Some(arrival)) = (&candidate.challenge, self.request.arrival) {
            latest.hear(challenge, arrival, credentials);
        }
    }

    /// Whether a login on trial has to wait, or to ask for another challenge first.
    pub(super) fn doubt(
        &mut self,
        scheme: &dyn Scheme,
        latest: &LatestChallenge,
        trial: Option<&OnTrial>,
        credentials: &Credentials,
        is_challenged: bool,
        request: RequestContext<'_>,
    ) -> Option<Doubt> {
        let trial = trial.filter(|_| scheme.is_voided_by_challenges())?;
        // Kept for the rest of the request: once a login has been in doubt, a further challenge in the same request
        // must not end the doubt by being the latest for a moment.
        self.request.wants_latest |= trial.goes_alone();
        if !self.request.wants_latest {
            return None;
        }
        // Most servers keep every nonce that they have made, and there all of this is for nothing. Credentials that
        // were accepted before have less to lose: a refusal of theirs is looked at again.
        if latest.earlier() == EarlierChallenges::Hold || trial.accepted_before() && !is_challenged {
            return None;
        }
        let latest = latest.get()?;
        // A leg that is out may be challenged at any moment, and with that void what is answered now. First those,
        // then the question who holds the latest.
        if let Some(turn) = self.memory.legs().wait(request.moments.instant()) {
            // Without a timer it might wait for a leg that does not end.
            let may_wait = request.moments.has_timer() && (is_challenged || self.opening == FirstLeg::Speaks);
            return may_wait.then_some(Doubt::OthersAreOut(turn));
        }
        let is_certain = self.is_latest_for(&latest, credentials);
        // One more to ask, and one to log in.
        let may_ask = self.demand != Demand::LatestLogin
            && self.request.legs.saturating_add(2) <= self.authenticator.max_legs();
        (!is_certain && may_ask).then_some(Doubt::NoLatest)
    }

    /// Sends the request without a login, to get the latest challenge: again, if it was challenged before.
    pub(super) fn ask_anew(&mut self, trial: Option<OnTrial>, request: RequestContext<'_>) -> Action {
        if !self.demand.is_for_login() {
            // Nobody knows whether it needs one: it goes as it is.
            self.request.trial = trial.map(Box::new);
            return self.listen(request);
        }
        // Before the connection is looked at: on the next one, too, the request has to ask before it logs in.
        self.demand = Demand::LoginAskedAnew;
        if self.request.closing {
            // The others have to know that a challenge is on its way, though no leg is out for it yet.
            self.memory.legs().expect_one(request.moments.instant());
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::ClosedAfterChallenge);
        }
        self.state = HandshakeState::Idle;
        self.request.trial = trial.map(Box::new);
        self.send_within_bounds(None, BodyUse::without(request.has_body))
    }

    /// Whether a request that would speak first, and may not, is to wait: a login that others' challenges
    /// may void is about to ask for its own.
    pub(super) fn spares_others(
        &self,
        scheme: &dyn Scheme,
        realm: Option<&Realm>,
        request: RequestContext<'_>,
    ) -> Option<Turn> {
        let known = self.memory.known(scheme.name(), realm).filter(|_| scheme.is_voided_by_challenges())?;
        if known.latest.earlier() == EarlierChallenges::Hold || self.opening != FirstLeg::Speaks {
            return None;
        }
        let turn = self.memory.legs().wait_for_due(request.moments.instant())?;
        request.moments.has_timer().then_some(turn)
    }

    /// Has a run answer this challenge, or one that came later if only that can hold.
    pub(super) fn respond(
        &self,
        run: &mut Run,
        own: Option<&Challenge>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        let later = self.later_challenge(run, own);
        run.exchange.respond(later.as_deref().or(own), request)
    }

    /// The challenge to answer in place of the request's own. Notes which it is.
    fn later_challenge(&self, run: &mut Run, own: Option<&Challenge>) -> Option<Arc<Challenge>> {
        let arrival = own.and(self.request.arrival);
        // Until it is known to be another: what a refusal means depends on which challenge was answered.
        run.answers = Answered::Own;
        if !run.scheme.is_voided_by_challenges() {
            return None;
        }
        let later = run.latest.get();
        let later = later.filter(|later| arrival.is_none_or(|own| own.number < later.arrival.number))?;
        let is_only_one = match run.latest.earlier() {
            EarlierChallenges::AreVoid => true,
            EarlierChallenges::Hold => false,
            // Nobody knows whether the server forgets. To answer with another request's challenge is right only if it
            // does, and costs a refusal if it does not: so only on trial, and only if no later challenge can be on
            // its way.
            EarlierChallenges::Unknown | EarlierChallenges::Doubtful => {
                let is_asked_for = own.is_some() || self.demand.is_for_login();
                is_asked_for
                    && (self.request.wants_latest || !run.accepted_before())
                    && self.is_latest_for(&later, run.credentials())
            }
        };
        if is_only_one {
            let is_remembered = arrival.is_none() && run.accepted_before();
            run.answers = if is_remembered { Answered::Remembered } else { Answered::Latest };
        }
        is_only_one.then_some(later.challenge)
    }

    /// Whether no later challenge was made, and this user has got it. Others count their own uses of it.
    fn is_latest_for(&self, latest: &Latest, credentials: &Credentials) -> bool {
        latest.credentials == *credentials && self.memory.legs().is_latest(latest.arrival)
    }
}
