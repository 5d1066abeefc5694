//! The challenger has answered with a challenge: to a request that carried nothing, or to a login.

use std::sync::Arc;
use std::time::Instant;

use crate::challenge::Challenges;
use crate::handshake::action::{Action, BodyUse, Renewal, ResponseHead};
use crate::handshake::identity::Identity;
use crate::handshake::outcome::Why;
use crate::handshake::run::Run;
use crate::handshake::select;
use crate::handshake::state::{Handshake, HandshakeState};
use crate::handshake::verdicts::{Evidence, ResponseReading, Target};
use crate::mechanism::{Binding, ErrorKind, Expects, Inquiry, MechanismError, Proves};
use crate::scheme::{Continuation, Reply, RequestContext, Scheme, SchemeError};

/// How often in one request a login whose nonce was replaced meanwhile says nothing.
const MAX_SUPERSEDED: u32 = 2;

impl Handshake {
    /// The challenger answered with its challenge.
    pub(super) fn challenged(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        self.request.challenged(!self.stays_after(head));
        self.demand = self.demand.challenged();
        self.memory.note_challenge(request.target);
        self.unasked = false;
        let mut challenges = Challenges::parse(head.headers, self.challenger.challenge_field());
        challenges.number(self.request.arrival.map_or(0, |arrival| arrival.number));
        self.request.cannot_read(select::unreadable(&self.authenticator, self.challenger, &challenges));
        if let Some(relay) = &self.relay {
            if select::has_bound(&self.authenticator, self.challenger, &challenges) {
                relay.set_ties_connections(head.is_session_based());
            }
        }
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            HandshakeState::Sent(run) => self.challenged_again(run, &challenges, request),
            HandshakeState::Unsettled(unsettled) => self.settled_by_challenge(unsettled.0, request),
            // The login is lost, and another one begins.
            HandshakeState::Established(mut established) => {
                if let Some(served) = &mut established.served {
                    served.take_back(Target::of(request.method, request.target.path()));
                }
                drop(established);
                self.choose(&challenges, request)
            }
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
        let mut continuation = run.continuation(challenges);
        if !run.started {
            if run.spoke_first {
                // As a rule the answer to a first message is for its scheme only.
                let is_alone = select::legible(challenges).all(|challenge| challenge.is(name));
                match is_alone && continuation.is_some() {
                    true => self.request.offer(Vec::new(), Vec::new()),
                    false => self.offer(challenges),
                }
            }
            self.request.candidates.retain(|candidate| candidate.scheme.name() != name);
        }
        let now = request.moments.instant();
        if let Some(arrival) = self.request.arrival.filter(|_| run.scheme.is_voided_by_challenges()) {
            if continuation.is_none() {
                continuation = run.continuation_of_voided(challenges, arrival, self.memory.legs());
                self.request.wants_latest |= continuation.is_some();
            }
            if let Some(own) = run.own_challenge(challenges) {
                run.latest.hear(own, arrival, run.credentials());
            }
        }
        match continuation {
            Some((_, Continuation::TakesAnotherForm)) if self.request.closing => {
                // On the next connection it would begin as it has on this.
                run.end(Evidence::Nothing, now);
                self.not_taken(run, challenges, request)
            }
            Some(_) if !run.started && self.request.closing => {
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            Some((_, Continuation::Superseded)) if self.request.legs >= self.authenticator.max_legs() => {
                self.undecided_after_all_legs(*run, now)
            }
            Some((challenge, Continuation::Superseded)) if run.superseded < MAX_SUPERSEDED => {
                run.superseded += 1;
                run.end(Evidence::Superseded, now);
                self.try_again(run, challenge, request)
            }
            Some((challenge, Continuation::Renews)) => {
                run.end(Evidence::Refused, now);
                self.try_again(run, challenge, request)
            }
            Some((_, Continuation::Superseded)) => self.refused(*run, Evidence::RefusedWeakly, None, now),
            Some((challenge, _)) => {
                let reply = self.respond(&mut run, Some(challenge), request);
                self.reply(run, reply, request)
            }
            None if !run.started => self.not_taken(run, challenges, request),
            None => {
                if run.is_out_of_use(challenges) {
                    self.memory.forget(name, run.space.realm.as_ref());
                }
                if run.is_for_another_realm(challenges) {
                    self.offer(challenges);
                    if self.request.has_candidate_for(run.credentials()) {
                        run.leave_undecided(now);
                        drop(run);
                        return self.next_candidate(request);
                    }
                    // No space at all: some servers say nothing but 401 to a wrong password.
                }
                if run.is_relayed() && run.is_by_ticket() && run.relayed == 1 {
                    // It began with a ticket, of which the server has taken no notice.
                    self.offer(challenges);
                    self.request.candidates.retain(|candidate| candidate.scheme.name() != name);
                    run.end(Evidence::Nothing, now);
                    return self.not_taken(run, challenges, request);
                }
                if run.is_relayed() {
                    return self.broken_off(*run, now);
                }
                if let Some(guard) = self.authenticator.guard() {
                    run.refuse_in_realms(guard, challenges);
                }
                if self.can_refresh(&*run.scheme) {
                    self.offer(challenges);
                    return self.refresh(*run, request);
                }
                let usable =
                    select::candidates(&self.authenticator, self.challenger, &self.origin, challenges).0;
                if usable.is_empty() && run.may_be_asked_anew() {
                    return self.ask_for_challenge(*run, request);
                }
                if run.is_rephrased && !run.accepted_before() {
                    // It may not know the name in this form either.
                    let detail = "the server answered 400 to username*, and refuses the name as it is";
                    return self.refused(*run, Evidence::Undecided, Some(detail.to_owned()), now);
                }
                self.refused(*run, Evidence::Refused, None, now)
            }
        }
    }

    /// The server challenges the last leg that there may be, and says nothing about the password.
    fn undecided_after_all_legs(&mut self, run: Run, now: Instant) -> Action {
        let detail = format!("the server still challenges after {} legs", self.request.legs);
        self.refused(run, Evidence::Undecided, Some(detail), now)
    }

    /// An exchange with a KDC, which the server relays, came to no end.
    fn broken_off(&mut self, run: Run, now: Instant) -> Action {
        let detail = "the server broke off the exchange with a KDC that it relays";
        self.refused(run, Evidence::Undecided, Some(detail.to_owned()), now)
    }

    /// A login that may have been of an older state of the server was refused, without a challenge that could be
    /// answered: the request is sent again to be challenged, where it can be. What comes to that stands.
    fn ask_for_challenge(&mut self, mut run: Run, request: RequestContext<'_>) -> Action {
        run.end(Evidence::Superseded, request.moments.instant());
        match self.request.closing {
            _ if !self.can_send_again(request) => {
                self.state = HandshakeState::Idle;
                let detail =
                    "the server may have forgotten the nonce of an earlier request, and sent no other";
                self.request.dismiss(&*run.scheme, Why::Undecided(detail.to_owned()));
                Action::Deliver(Some(self.request.take_refusal(self.challenger, &self.origin)))
            }
            true => {
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            false => {
                self.state = HandshakeState::Idle;
                Action::bare()
            }
        }
    }

    /// The login that nothing was known of yet was none.
    fn settled_by_challenge(&mut self, run: Run, request: RequestContext<'_>) -> Action {
        let now = request.moments.instant();
        let (evidence, detail) = match run.reading {
            Some(ResponseReading::AskAgain(Evidence::Undecided)) => {
                (Evidence::Undecided, Some("the server failed when it looked at the login".to_owned()))
            }
            _ => (Evidence::Refused, None),
        };
        if run.accepted_before() {
            // It may be the connection that has lost it: one more login tells, where that may be tried.
            run.refuse(evidence, detail, now);
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::NotTaken);
        }
        self.refused(run, evidence, detail, now)
    }

    /// Whether a provider may have others in place of credentials that wear out. It is asked once.
    pub(super) fn can_refresh(&self, scheme: &dyn Scheme) -> bool {
        let by_provider = matches!(self.request.identity, Identity::Provider(_));
        by_provider && scheme.can_be_refreshed() && self.request.worn_out.is_none()
    }

    /// Asks the provider for others than those that were refused.
    fn refresh(&mut self, run: Run, request: RequestContext<'_>) -> Action {
        self.request.worn_out = Some(run.credentials().clone());
        let scheme = Arc::clone(&run.scheme);
        self.request.candidates.retain(|candidate| candidate.scheme.name() == scheme.name());
        // Proven before or not: it has worn out.
        run.refuse(Evidence::WornOut, None, request.moments.instant());
        self.request.dismiss(&*scheme, Why::Refused(None));
        self.next_candidate(request)
    }

    /// The server answered a first message with a challenge that does not continue it.
    fn not_taken(&mut self, run: Box<Run>, challenges: &Challenges, request: RequestContext<'_>) -> Action {
        let still_offered = select::of_scheme(challenges, &*run.scheme).next().is_some();
        if still_offered && !run.on_fresh_connection && !self.request.fresh_start_failed {
            self.state = HandshakeState::Spoiled;
            return Action::Renew(Renewal::NotTaken);
        }
        self.request.fresh_start_failed |= still_offered && run.spoke_first;
        let reason = match still_offered {
            true => match run.scheme.mechanism() {
                "IAKERB" => {
                    "the server answered IAKERB's first message with a bare challenge: it does not take IAKERB, or \
                     forgets a connection's exchange (mod_auth_gssapi: GssapiConnectionBound)"
                }
                _ => "the server answered the first message with a bare challenge",
            },
            false => "the server does not offer it",
        };
        self.request.dismiss(&*run.scheme, Why::CannotStart(reason.to_owned()));
        drop(run);
        self.next_candidate(request)
    }

    /// Does what the exchange wants in answer to a challenge.
    pub(super) fn reply(
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
                run.exchange.not_sent();
                run.leave_undecided(request.moments.instant());
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            // A KDC has taken the password, by way of this server. What it has granted is shown on another connection.
            Ok(Reply::Send { expects, proves: proves @ Proves::Ticket { .. }, .. })
                if self.request.closing =>
            {
                run.exchange.not_sent();
                run.note_proof(proves, expects, request);
                run.leave_undecided(request.moments.instant());
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            Ok(Reply::Send { .. }) if self.request.closing => {
                // Nothing of the secret was sent, or it was and nobody said that it is wrong.
                let detail = "the server closes the connection in the middle of the exchange";
                let evidence = if run.started { Evidence::Undecided } else { Evidence::Nothing };
                self.refused(*run, evidence, Some(detail.to_owned()), request.moments.instant())
            }
            // It was sent, and the server says of its nonce again and again that it is too old.
            Ok(Reply::Send { .. }) if run.started && self.request.legs >= self.authenticator.max_legs() => {
                run.exchange.not_sent();
                self.undecided_after_all_legs(*run, request.moments.instant())
            }
            Ok(Reply::Send { authorization, .. }) if self.authenticator.shuts_out(&authorization) => {
                run.exchange.not_sent();
                let detail = "it would send NTLM, which is shut out (AuthenticatorBuilder::without_ntlm)";
                let error = SchemeError::new(run.scheme.name(), detail);
                self.cannot_start(*run, error, request)
            }
            Ok(Reply::Send { authorization, expects, proves }) => {
                run.expects = expects;
                run.sent = true;
                run.started |= proves != Proves::Nothing;
                run.note_proof(proves, expects, request);
                if run.is_bound() {
                    self.is_owned = true;
                }
                let body = match expects {
                    Expects::Challenge => BodyUse::without(request.has_body),
                    Expects::Success => BodyUse::Carried,
                };
                self.state = HandshakeState::Sent(run);
                self.send_within_bounds(Some(authorization), body)
            }
            Ok(Reply::Step(job)) => {
                // It may show the password to a KDC.
                if job.shared_work().is_some() {
                    run.start_at_kdc(request.moments.instant());
                }
                self.state = HandshakeState::Stepping(run);
                Action::Step(job)
            }
            Ok(Reply::Consult(inquiry)) => self.consult(run, inquiry, request),
            Ok(Reply::Gather) => {
                self.state = HandshakeState::Gathering(run);
                Action::Gather
            }
            Ok(Reply::Listen) if self.request.responded => {
                let error = SchemeError::new(run.scheme.name(), "there is nothing to say to the challenge");
                self.reply(run, Err(error), request)
            }
            Ok(Reply::Listen) => {
                drop(run);
                self.listen(request)
            }
            Ok(Reply::Done(_)) => {
                // The mechanism came to its end: the credentials are good, the resource is barred.
                if run.started {
                    run.prove(request.moments.instant());
                }
                let detail = "the server challenges although all tokens were exchanged";
                let error = SchemeError::new(run.scheme.name(), detail);
                self.reply(run, Err(error), request)
            }
            Err(error) if error.is_for_content() => self.cannot_start(*run, error, request),
            Err(error) if run.started => {
                let evidence = match error.as_mechanism() {
                    Some(error) if error.kind() == ErrorKind::TicketRefused && run.is_by_ticket() => {
                        Evidence::Nothing
                    }
                    error => error.and_then(kdcs_word).unwrap_or(match run.is_relayed() {
                        true => Evidence::Undecided,
                        false => Evidence::Refused,
                    }),
                };
                self.refused(*run, evidence, Some(error.reason()), request.moments.instant())
            }
            Err(error) => self.cannot_start(*run, error, request),
        }
    }

    /// Somebody else than the server is to say something first.
    pub(super) fn consult(
        &mut self,
        mut run: Box<Run>,
        inquiry: Inquiry,
        request: RequestContext<'_>,
    ) -> Action {
        run.note_inquiry(inquiry.proves(), request.moments.instant());
        self.state = HandshakeState::Consulting(run);
        Action::Consult(inquiry)
    }

    /// The exchange came to its end before anything that was derived from the secret was sent to the
    /// server.
    fn cannot_start(&mut self, mut run: Run, error: SchemeError, request: RequestContext<'_>) -> Action {
        self.state = HandshakeState::Idle;
        // Servers take up no other handshake on the connection.
        self.ends |= run.sent && run.is_bound();
        let scheme = Arc::clone(&run.scheme);
        let (sent, reason, now) = (run.sent, error.reason(), request.moments.instant());
        let kind = error.as_mechanism().map(MechanismError::kind);
        let why = match error.as_mechanism().and_then(kdcs_word) {
            Some(evidence) => {
                self.request.refused = Some(run.credentials().clone());
                run.end(evidence, now);
                Why::Refused(Some(reason))
            }
            None if error.is_for_content() => {
                run.end(Evidence::Nothing, now);
                self.request.dismiss(&*scheme, Why::ContentNotKept);
                // What is remembered of the server may be wrong: what it wants now is heard without the body.
                return match self.request.responded {
                    true => self.next_candidate(request),
                    false => self.listen_without_body(request),
                };
            }
            // Its trial ends, so that the next candidate need not wait for it.
            None => {
                run.end(run.evidence_of_no_token(), now);
                Why::CannotStart(reason)
            }
        };
        match error.as_mechanism() {
            // Nothing that the server has said, or will say, changes it.
            Some(_) if !sent => self.request.give_up(&*scheme, why),
            _ => self.request.dismiss(&*scheme, why),
        }
        // A server that rejects, or says that it reaches no KDC, is not one that cannot be understood.
        let is_understood = matches!(
            kind,
            Some(
                ErrorKind::Refused
                    | ErrorKind::Unavailable
                    | ErrorKind::Credentials
                    | ErrorKind::WrongPassword
                    | ErrorKind::UnknownUser
                    | ErrorKind::AccountLocked
            )
        );
        if sent && !is_understood {
            self.request.failure = Some(Box::new(error));
        }
        self.next_candidate(request)
    }

    /// The challenge stands after the secret was used: no further scheme gets it.
    pub(super) fn refused(
        &mut self,
        run: Run,
        evidence: Evidence,
        detail: Option<String>,
        now: Instant,
    ) -> Action {
        self.state = match run.scheme.binding() {
            Binding::Connection if !run.is_by_ticket() || run.has_relayed() => HandshakeState::Spoiled,
            Binding::Connection | Binding::Request => HandshakeState::Idle,
        };
        let scheme = Arc::clone(&run.scheme);
        let why = run.refuse(evidence, detail, now);
        self.request.dismiss(&*scheme, why);
        Action::Deliver(Some(self.request.take_refusal(self.challenger, &self.origin)))
    }

    /// The login was refused by a response that is no challenge of this challenger's. One that the
    /// proxy has passed on, as all but the answer to a tunnel may be, must not hold for all origins
    /// behind it.
    pub(crate) fn refuse(
        &mut self,
        head: ResponseHead<'_>,
        is_certain: bool,
        request: RequestContext<'_>,
    ) -> Option<Action> {
        let now = request.moments.instant();
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            HandshakeState::Sent(mut run) if run.started => {
                self.request.legs += 1;
                self.request.challenged(!self.stays_after(head));
                if run.may_be_asked_anew() {
                    return Some(self.ask_for_challenge(*run, request));
                }
                if run.is_relayed() {
                    return Some(self.broken_off(*run, now));
                }
                let is_weak = !is_certain && run.accepted_before();
                let evidence = if is_weak { Evidence::RefusedWeakly } else { Evidence::Refused };
                Some(self.refused(*run, evidence, None, now))
            }
            state => {
                self.state = state;
                None
            }
        }
    }
}

/// What a KDC's word about an account says. A server that passes it on may have made it up: it weighs no more than
/// the server's own.
fn kdcs_word(error: &MechanismError) -> Option<Evidence> {
    Some(match (error.kind(), error.is_relayed()) {
        (ErrorKind::WrongPassword | ErrorKind::UnknownUser, false) => Evidence::RefusedByKdc,
        (ErrorKind::WrongPassword | ErrorKind::UnknownUser, true) => Evidence::Refused,
        (ErrorKind::AccountLocked, false) => Evidence::Locked,
        (ErrorKind::AccountLocked, true) => Evidence::SaidToBeLocked,
        _ => return None,
    })
}
