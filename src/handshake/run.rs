//! One scheme's exchange under way, with the credentials that are on trial in it.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;

use crate::challenge::{Challenge, Challenges};
use crate::credentials::{Ambient, Credentials};
use crate::handshake::guard::{LockoutGuard, OnTrial};
use crate::handshake::latest::{EarlierChallenges, LatestChallenge};
use crate::handshake::legs::{Arrival, Legs};
use crate::handshake::memory::{KnownSpace, Wants};
use crate::handshake::outcome::Why;
use crate::handshake::select;
use crate::handshake::verdicts::{Evidence, RefusalVerdict, ResponseReading};
use crate::mechanism::{Binding, Expects, Initiate, Proves};
use crate::protection_space::ProtectionSpace;
use crate::scheme::{Acceptance, Continuation, Exchange, Reply, RequestContext, Scheme, SchemeError};

/// One scheme's exchange under way.
pub(super) struct Run {
    pub(super) scheme: Arc<dyn Scheme>,
    pub(super) exchange: Box<dyn Exchange>,
    credentials: Credentials,
    pub(super) space: ProtectionSpace,
    /// Until there is a verdict. There is none without a guard, and for the system's own credentials,
    /// which lock nobody out.
    trial: Option<OnTrial>,
    /// A verdict was that the credentials are good.
    proven: bool,
    /// The credentials had been accepted in this space before.
    accepted_before: bool,
    pub(super) expects: Expects,
    /// A leg of it has been sent.
    pub(super) sent: bool,
    /// A token derived from the secret has been sent.
    pub(super) started: bool,
    /// There was no challenge yet when it began.
    pub(super) spoke_first: bool,
    /// The connection had not seen a handshake before.
    pub(super) on_fresh_connection: bool,
    pub(super) concluding: bool,
    /// The server said that the login holds for the connection.
    pub(super) persists: bool,
    /// Its success was reported before; a standing authorization repeats it.
    pub(super) reported: bool,
    /// The leg that is out, or decided, is the first that holds something of the secret.
    starts_with_this_leg: bool,
    /// Nobody but a KDC may have seen anything of the secret.
    is_at_kdc: bool,
    /// A KDC was shown something of the secret, and has not granted a ticket since.
    awaits_verdict_of_kdc: bool,
    /// It was made with a ticket.
    by_ticket: bool,
    /// The leg that is out is for a KDC, and the server is to relay the answer.
    awaits_kdc: bool,
    /// How many of these there were.
    pub(super) relayed: u32,
    /// The connection is free soon after the response that ended it.
    pub(super) can_ask_again: bool,
    /// What the status of the response that ended it says.
    pub(super) reading: Option<ResponseReading>,
    /// How often in this request a nonce was replaced before its answer came.
    pub(super) superseded: u32,
    /// It is out in another form than the server has answered 400 to.
    pub(super) is_rephrased: bool,
    pub(super) latest: Arc<LatestChallenge>,
    /// Which challenge the leg answers, where that can be void.
    pub(super) answers: Answered,
    /// When the latest leg was sent whose challenge was known before its own was.
    made_later: u64,
}

/// Which challenge it is that a leg answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Answered {
    /// The exchange's own affair: that of the request, or one that it knows.
    Own,
    /// The latest in the space, in place of the request's own.
    Latest,
    /// The latest in the space, which an earlier request has left behind.
    Remembered,
}

impl Run {
    /// A run in answer to a challenge, on a fresh connection.
    pub(super) fn begin(
        scheme: Arc<dyn Scheme>,
        arguments: Initiate,
        space: ProtectionSpace,
        trial: Option<OnTrial>,
        known: KnownSpace,
    ) -> Box<Self> {
        let credentials = arguments.credentials.clone();
        Box::new(Self {
            exchange: scheme.begin(arguments, &known.knowledge),
            scheme,
            credentials,
            space,
            accepted_before: trial.as_ref().is_some_and(OnTrial::accepted_before),
            trial,
            proven: false,
            expects: Expects::Challenge,
            sent: false,
            started: false,
            spoke_first: false,
            on_fresh_connection: true,
            concluding: false,
            persists: false,
            reported: false,
            superseded: 0,
            is_rephrased: false,
            latest: known.latest,
            answers: Answered::Own,
            made_later: 0,
            starts_with_this_leg: false,
            is_at_kdc: false,
            awaits_verdict_of_kdc: false,
            by_ticket: false,
            awaits_kdc: false,
            relayed: 0,
            can_ask_again: false,
            reading: None,
        })
    }

    /// The next request of a standing authorization.
    pub(super) fn repeat(&mut self, trial: Option<OnTrial>) {
        self.try_again(trial);
        self.spoke_first = true;
        self.sent = false;
        self.started = false;
        self.concluding = false;
        self.superseded = 0;
        self.is_rephrased = false;
    }

    /// The credentials are tried again, in the same exchange.
    pub(super) fn try_again(&mut self, trial: Option<OnTrial>) {
        // Before the flag is cleared for the next try: what this run itself has proven is remembered in the only
        // place where the next refusal looks.
        self.accepted_before |= self.proven || trial.as_ref().is_some_and(OnTrial::accepted_before);
        self.proven = false;
        self.trial = trial;
    }

    /// What it wants once the steps that cannot block have been run.
    pub(super) fn settled(
        &mut self,
        mut reply: Result<Reply, SchemeError>,
        request: RequestContext<'_>,
    ) -> Result<Reply, SchemeError> {
        loop {
            match reply {
                // Run here and now: most steps only compute, and to go to another thread for them would cost more
                // than they do.
                Ok(Reply::Step(job)) if !job.may_block() => {
                    reply = self.exchange.resume(job.run_at(|| request.moments.moment()));
                }
                other => return other,
            }
        }
    }

    /// The challenge that it can answer, if the server sent one, and as what: the strongest of several,
    /// whatever the server's order.
    pub(super) fn continuation<'a>(
        &self,
        challenges: &'a Challenges,
    ) -> Option<(&'a Challenge, Continuation)> {
        select::of_scheme(challenges, &*self.scheme)
            .map(|challenge| (challenge, self.exchange.continuation(challenge, self.accepted_before)))
            .map(|(challenge, continuation)| match continuation {
                // Whoever was challenged since, this has voided what was remembered.
                Continuation::Renews if self.latest.earlier() == EarlierChallenges::AreVoid => {
                    (challenge, Continuation::Superseded)
                }
                continuation => (challenge, continuation),
            })
            // Filtered before the strongest is taken: a server that offers two hash functions may go on with the
            // weaker one only.
            .filter(|(_, continuation)| *continuation != Continuation::Refuses)
            .min_by_key(|(challenge, _)| Reverse(self.scheme.strength(challenge)))
    }

    /// The challenge that it can answer again, if the one that it has answered may have been void.
    pub(super) fn continuation_of_voided<'a>(
        &self,
        challenges: &'a Challenges,
        arrival: Arrival,
        legs: &Legs,
    ) -> Option<(&'a Challenge, Continuation)> {
        let challenge = self.own_challenge(challenges).filter(|_| self.started)?;
        let earlier = self.latest.earlier();
        // What is out may have been challenged before this, and its challenge be on its way.
        let is_followed = self.accepted_before && legs.are_out()
            || self.exchange.answered().is_some_and(|answered| arrival.follows_another_than(answered));
        let continuation = match self.answers {
            // A server that was seen to keep its nonces has no excuse: the refusal is one.
            _ if earlier == EarlierChallenges::Hold => return None,
            _ if is_followed => {
                if self.accepted_before && earlier == EarlierChallenges::Unknown {
                    self.latest.learn(EarlierChallenges::Doubtful);
                }
                Continuation::Superseded
            }
            Answered::Latest if earlier == EarlierChallenges::AreVoid => {
                // Nor does it hold: what others get is of no use.
                self.latest.learn(EarlierChallenges::Unknown);
                Continuation::Superseded
            }
            // Another program may have been challenged.
            Answered::Remembered => Continuation::Renews,
            Answered::Own | Answered::Latest => return None,
        };
        Some((challenge, continuation))
    }

    /// The strongest challenge of its scheme and realm.
    pub(super) fn own_challenge<'a>(&self, challenges: &'a Challenges) -> Option<&'a Challenge> {
        select::of_scheme(challenges, &*self.scheme)
            .filter(|challenge| select::realm(challenge) == self.space.realm)
            .min_by_key(|challenge| Reverse(self.scheme.strength(challenge)))
    }

    /// It was refused, without a challenge that it can answer. Tells whether the request may ask for a new challenge.
    pub(super) fn may_be_asked_anew(&mut self) -> bool {
        self.spoke_first && self.exchange.unchallenged(self.accepted_before) == Continuation::Superseded
    }

    /// The server accepted; its final token, if there is one, is among the challenges, or the fields
    /// have it.
    pub(super) fn conclude(
        &mut self,
        challenges: &Challenges,
        fields: &HeaderMap,
    ) -> Result<Reply, SchemeError> {
        self.concluding = true;
        let name = self.scheme.name();
        // A final token that cannot be read is not one that is missing: taken for that, a proof that fails would pass
        // for none that was asked for.
        let illegible = challenges
            .errors()
            .iter()
            .find(|error| error.scheme().is_some_and(|scheme| scheme.eq_ignore_ascii_case(name)));
        match (select::answer(challenges, &*self.scheme), illegible) {
            (None, Some(error)) => Err(SchemeError::challenge(name, error.clone())),
            (challenge, _) => {
                self.exchange.conclude(Acceptance::new(self.space.challenger, challenge, fields))
            }
        }
    }

    /// What is derived from the secret is on its way.
    pub(super) fn start(&mut self, now: Instant) {
        self.started = true;
        if let Some(trial) = &mut self.trial {
            // Only the first leg can be taken back: what an earlier one has shown stays shown.
            self.starts_with_this_leg = trial.sent(now);
        }
    }

    /// The leg that was to be sent was not: of it, nobody has seen anything of the secret.
    pub(super) fn take_back(&mut self) {
        self.exchange.not_sent();
        if let Some(trial) = self.trial.as_mut().filter(|_| self.starts_with_this_leg) {
            trial.take_back();
        }
    }

    /// It is about to be sent, and these legs have been challenged.
    pub(super) fn note_legs(&mut self, legs: &Legs) {
        self.made_later = legs.last_challenged();
    }

    /// The server has accepted it: that tells what becomes of a challenge when a later one is made.
    pub(super) fn note_acceptance(&self, legs: &Legs) {
        let was_earlier = self.exchange.answered().is_some_and(|answered| answered < self.made_later);
        match self.latest.earlier() {
            EarlierChallenges::Hold => {}
            _ if was_earlier => {
                self.latest.learn(EarlierChallenges::Hold);
                legs.wake();
            }
            EarlierChallenges::Doubtful => self.latest.learn(EarlierChallenges::AreVoid),
            EarlierChallenges::Unknown | EarlierChallenges::AreVoid => {}
        }
    }

    /// The credentials are good.
    pub(super) fn prove(&mut self, now: Instant) {
        self.end(Evidence::Proven, now);
    }

    /// Ends the trial of the credentials, if this run still has one, by what it has shown of them.
    pub(super) fn end(&mut self, evidence: Evidence, now: Instant) -> Option<RefusalVerdict> {
        self.proven |= evidence == Evidence::Proven;
        self.trial.take().map(|trial| trial.end(evidence, now))
    }

    /// The challenge stands although the secret was used. Proven before, the login has no access;
    /// without a guard nobody knows.
    pub(super) fn refuse(mut self, evidence: Evidence, detail: Option<String>, now: Instant) -> Why {
        // Asked before the trial ends, since the two do not mix: what the service says of a ticket is nothing that
        // the guard may count against the password.
        if self.by_ticket {
            // The service does not take it; the KDC has taken the password.
            self.end(Evidence::Nothing, now);
            return match detail {
                None => Why::Denied,
                Some(detail) if evidence == Evidence::Undecided => Why::Undecided(detail),
                Some(detail) => Why::Refused(Some(detail)),
            };
        }
        if self.proven {
            return Why::Denied;
        }
        match (self.end(evidence, now), detail) {
            (_, Some(detail)) if evidence == Evidence::Undecided => Why::Undecided(detail),
            (Some(RefusalVerdict::Denied), _) => Why::Denied,
            (Some(RefusalVerdict::Refused) | None, detail) => Why::Refused(detail),
        }
    }

    /// The leg that is out gets no verdict. Tells whether it held what was derived from a secret that
    /// was never accepted.
    pub(super) fn leave_undecided(&mut self, now: Instant) -> bool {
        // Read before the trial ends, which takes it.
        let was_sent = self.trial.as_ref().is_some_and(OnTrial::is_sent);
        self.end(if was_sent { Evidence::Undecided } else { Evidence::Nothing }, now);
        was_sent && !self.accepted_before
    }

    /// What the leg that is about to be sent is made with. A ticket says nothing more about the password; a new one
    /// proves it.
    pub(super) fn note_proof(&mut self, proves: Proves, expects: Expects, request: RequestContext<'_>) {
        let is_for_kdc = matches!(proves, Proves::Relayed | Proves::Ticket { .. });
        // A leg that expects a success is for the service, with whatever ticket.
        self.awaits_kdc = is_for_kdc && expects == Expects::Challenge;
        self.relayed += u32::from(self.awaits_kdc);
        let was_at_kdc = std::mem::replace(&mut self.is_at_kdc, false);
        match (proves, &mut self.trial) {
            (Proves::Ticket { is_new }, _) => {
                self.by_ticket = true;
                // The KDC has opened the timestamp, which is a proof, and the service has not been asked yet:
                // whatever it says is about the ticket.
                if is_new {
                    self.end(Evidence::Proven, request.moments.instant());
                }
            }
            // The KDC was away, or knows nobody of that name.
            (Proves::Nothing, Some(trial)) if was_at_kdc => trial.take_back(),
            (Proves::Nothing | Proves::Secret | Proves::Relayed, _) => {}
        }
    }

    /// The password may be on its way to a KDC.
    pub(super) fn start_at_kdc(&mut self, now: Instant) {
        if let Some(trial) = &mut self.trial {
            self.is_at_kdc = trial.sent(now);
        }
    }

    /// Somebody else than the server is asked. A KDC is asked for further tickets only after it has taken the password.
    pub(super) fn note_inquiry(&mut self, proves: Proves, now: Instant) {
        match proves {
            Proves::Secret | Proves::Relayed => {
                self.awaits_verdict_of_kdc = true;
                self.trial.as_mut().map(|trial| trial.sent(now));
            }
            Proves::Ticket { is_new: true } => {
                self.awaits_verdict_of_kdc = false;
                self.end(Evidence::Proven, now);
            }
            Proves::Ticket { is_new: false } | Proves::Nothing => {}
        }
    }

    /// What it says of the secret that there is no token to send.
    pub(super) fn evidence_of_no_token(&self) -> Evidence {
        let is_for_kdc_alone = self.trial.as_ref().is_some_and(OnTrial::is_for_kdc);
        match self.awaits_verdict_of_kdc && !is_for_kdc_alone {
            true => Evidence::Undecided,
            false => Evidence::Nothing,
        }
    }

    /// Whether the server is to relay a KDC's answer to the leg that is out.
    pub(super) fn is_relayed(&self) -> bool {
        self.awaits_kdc
    }

    /// Whether the server has had to relay anything of it: then it is the connection's.
    pub(super) fn has_relayed(&self) -> bool {
        self.relayed > 0
    }

    /// Whether it has logged in by a ticket so far, which is the request's.
    pub(super) fn is_by_ticket(&self) -> bool {
        self.by_ticket
    }

    /// Whether others have to wait for its verdict.
    pub(super) fn goes_alone(&self) -> bool {
        self.trial.as_ref().is_some_and(OnTrial::goes_alone)
    }

    /// Whether others wait for its verdict, or would.
    pub(super) fn is_on_trial(&self) -> bool {
        self.trial.is_some()
    }

    /// Whether the credentials were accepted in this space before.
    pub(super) fn accepted_before(&self) -> bool {
        self.accepted_before
    }

    /// Whether it spoke first for a realm that is none of those that now challenge: there, the
    /// credentials were not refused.
    pub(super) fn is_for_another_realm(&self, challenges: &Challenges) -> bool {
        self.space.realm.is_some() && self.misses_realms(challenges)
    }

    /// Whether it spoke first, and the server takes other schemes only.
    pub(super) fn is_out_of_use(&self, challenges: &Challenges) -> bool {
        self.spoke_first
            && select::legible(challenges).next().is_some()
            && select::of_scheme(challenges, &*self.scheme).next().is_none()
    }

    /// Where it spoke first without a realm, it is refused in those that challenge, too.
    pub(super) fn refuse_in_realms(&self, guard: &LockoutGuard, challenges: &Challenges) {
        if self.trial.is_none() || self.space.realm.is_some() || !self.misses_realms(challenges) {
            return;
        }
        for realm in select::legible(challenges).map(select::realm) {
            guard.refuse_beside(&self.credentials, &ProtectionSpace { realm, ..self.space.clone() });
        }
    }

    /// Whether it is what a request wants.
    pub(super) fn is_wanted(&self, wants: &Wants) -> bool {
        wants.is(self.scheme.name(), self.space.realm.as_ref())
    }

    /// Who logs in.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Whether the next login would be the same user's. The system may know somebody else by then.
    pub(super) fn is_stable(&self) -> bool {
        self.credentials.as_ambient().is_none_or(Ambient::is_stable)
    }

    /// Whether it is bound to the connection.
    pub(super) fn is_bound(&self) -> bool {
        self.scheme.binding() == Binding::Connection
    }

    /// A realm is one protection space, whichever schemes challenge for it (RFC 9110, 11.5): there,
    /// what is on trial was refused. What is not may go on by another scheme.
    fn misses_realms(&self, challenges: &Challenges) -> bool {
        let on_trial = self.trial.is_some() && !self.accepted_before;
        self.spoke_first
            && select::legible(challenges)
                .filter(|challenge| on_trial || challenge.is(self.scheme.name()))
                .map(select::realm)
                .all(|realm| realm != self.space.realm)
    }
}
