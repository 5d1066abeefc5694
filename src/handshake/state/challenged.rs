//! The challenger has answered with a challenge: to a request that carried nothing, or to a login.

use std::sync::Arc;
use std::time::Instant;

use crate::challenge::Challenges;
use crate::handshake::action::{Action, BodyUse, Renewal, ResponseHead};
use crate::handshake::identity::Identity;
use crate::handshake::outcome::{Tried, Why};
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
        // First of all: everything below asks whether the connection will be there for an answer.
        self.request.challenged(!self.stays_after(head));
        self.demand = self.demand.challenged();
        self.memory.note_challenge(request.target);
        // A first message may have gone by unread earlier on this connection; now the server does ask.
        self.unasked = false;
        let mut challenges = Challenges::parse(head.headers, self.challenger.challenge_field());
        // Numbered by arrival, over all connections: where a server keeps one nonce, only the challenge that was made
        // last can be answered, whichever request it came to.
        challenges.number(self.request.arrival.map_or(0, |arrival| arrival.number));
        self.request.cannot_read(select::unreadable(&self.authenticator, self.challenger, &challenges));
        // The proxy's word on whether it ties connections together (RFC 4559, section 6) comes with the origin's
        // challenge. It counts only where a scheme is offered that needs it: many proxies say nothing otherwise.
        if let Some(relay) = &self.relay {
            if select::has_bound(&self.authenticator, self.challenger, &challenges) {
                relay.set_ties_connections(head.is_session_based());
            }
        }
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            // Only a leg that carried an authorization can be refused. In all other states the challenge is a
            // question.
            HandshakeState::Sent(run) => self.challenged_again(run, &challenges, request),
            HandshakeState::Unsettled(unsettled) => self.settled_by_challenge(unsettled.0, request),
            // The login is lost, and another one begins.
            HandshakeState::Established(mut established) => {
                if let Some(served) = &mut established.served {
                    // This request was noted as served when it went, since an established connection is looked at no
                    // further.
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
        // Nothing of the secret is out: the server has not judged it, and has every right to offer other schemes.
        if !run.started {
            if run.spoke_first {
                // As a rule the answer to a first message is for its scheme only.
                let is_alone = select::legible(challenges).all(|challenge| challenge.is(name));
                match is_alone && continuation.is_some() {
                    true => self.request.offer(Vec::new(), Vec::new()),
                    false => self.offer(challenges),
                }
            }
            // Its own scheme has had its turn; left in the list, the exchange would begin anew for ever.
            self.request.candidates.retain(|candidate| candidate.scheme.name() != name);
        }
        let now = request.moments.instant();
        // Before the refusal is believed: with a nonce that another request's challenge has voided, the right
        // password is answered like a wrong one.
        if let Some(arrival) = self.request.arrival.filter(|_| run.scheme.is_voided_by_challenges()) {
            if continuation.is_none() {
                continuation = run.continuation_of_voided(challenges, arrival, self.memory.legs());
                self.request.wants_latest |= continuation.is_some();
            }
            // After the question above, which compares with what was the latest when the leg went. Now this one is.
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
            // The exchange could go on, and the connection cannot. Nothing was shown yet, so it begins again
            // elsewhere without counting as an attempt.
            Some(_) if !run.started && self.request.closing => {
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            // Asked before the next arm: a server that calls every nonce stale would else end in an error about the
            // number of legs, as if the client were at fault.
            Some((_, Continuation::Superseded)) if self.request.legs >= self.authenticator.max_legs() => {
                self.undecided_after_all_legs(*run, now)
            }
            Some((challenge, Continuation::Superseded)) if run.superseded < MAX_SUPERSEDED => {
                // Bounded, since it is the server that says so: each round shows it another answer made with the
                // password, and by calling every nonce stale it could collect them.
                run.superseded += 1;
                // The trial ends before the next try asks for one: the request would wait for itself.
                run.end(Evidence::Superseded, now);
                self.try_again(run, challenge, request)
            }
            Some((challenge, Continuation::Renews)) => {
                // The answer was made with what an earlier request had left behind, which another program may have
                // used up. It counts as a refusal before it is tried again, and the guard bounds the tries.
                run.end(Evidence::Refused, now);
                self.try_again(run, challenge, request)
            }
            Some((_, Continuation::Superseded)) => self.refused(*run, Evidence::RefusedWeakly, None, now),
            Some((challenge, _)) => {
                let reply = self.respond(&mut run, Some(challenge), request);
                self.reply(run, reply, request)
            }
            None if !run.started => self.not_taken(run, challenges, request),
            // The challenge stands, and something derived from the secret was in the leg. What follows is in the
            // order of what it would cost to be wrong: first whatever may not be about the password at all, the
            // verdict on the password last.
            None => {
                // The server has changed its schemes: the next request must not begin with this one again.
                if run.is_out_of_use(challenges) {
                    self.memory.forget(name, run.space.realm.as_ref());
                }
                if run.is_for_another_realm(challenges) {
                    self.offer(challenges);
                    if self.request.has_candidate_for(run.credentials()) {
                        // Another realm challenges than the one that the login spoke first for: there the password
                        // was not looked at, and still it went over the wire.
                        run.leave_undecided(now);
                        drop(run);
                        return self.next_candidate(request);
                    }
                    // No space at all: some servers say nothing but 401 to a wrong password.
                }
                if run.is_relayed() && run.is_by_ticket() && run.relayed == 1 {
                    // It began with a ticket, of which the server has taken no notice.
                    self.offer(challenges);
                    // With the ticket dropped the server's list holds for the rest, without the scheme that has just
                    // been tried.
                    self.request.candidates.retain(|candidate| candidate.scheme.name() != name);
                    run.end(Evidence::Nothing, now);
                    return self.not_taken(run, challenges, request);
                }
                // A server that relays to a KDC and then only challenges may have had no answer from the KDC, or kept
                // it back. The KDC may have counted the attempt.
                if run.is_relayed() {
                    return self.broken_off(*run, now);
                }
                if let Some(guard) = self.authenticator.guard() {
                    // A login that spoke first for a space without a realm was refused by a server with realms:
                    // remembered only for the former, the next challenge would show the password again.
                    run.refuse_in_realms(guard, challenges);
                }
                // Before the refusal stands: a token wears out by itself, and the next one is only a question away. A
                // password is never asked for again this way.
                if self.can_refresh(&*run.scheme) {
                    self.offer(challenges);
                    return self.refresh(*run, request);
                }
                let usable =
                    select::candidates(&self.authenticator, self.challenger, &self.origin, challenges).0;
                // px answers a login whose nonce it has forgotten by 401 and no challenge at all. There is nothing to
                // answer then but a challenge to a request without a login.
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
        // The turn is given back before the bare request goes: its challenge is answered by a login that asks the
        // guard like any other.
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
        // 403 and 500 were no verdict when the login came; the challenge to the next request is. But a connection
        // that forgets its login looks the same, and a password that was right before deserves the more likely
        // reading.
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
        // Set before the provider is asked: by this it knows what not to give again, and the loop ends if it does.
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
        // Apache and squid take up no second handshake on a connection where one has failed. On a new connection the
        // scheme may work, so it is tried there, once: the next bare challenge is an answer.
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
        // A mechanism's last step may block, too, so that what it comes to arrives here like an answer to a
        // challenge. It is about a response that was accepted, and must not send anything.
        if run.concluding {
            return self.concluded(run, reply, request);
        }
        match run.settled(reply, request) {
            // The arms for a connection that closes come before the one that sends. The order among them is from the
            // harmless to the costly: what is the request's can move, a ticket can move, a half-finished login of the
            // connection cannot.
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
            // The last gate before the wire. Schemes and mechanisms leave NTLM out by themselves; this one is for
            // those of the program's own, and for a library of the system that chooses by its own rules.
            Ok(Reply::Send { authorization, .. }) if self.authenticator.shuts_out(&authorization) => {
                run.exchange.not_sent();
                let detail = "it would send NTLM, which is shut out (AuthenticatorBuilder::without_ntlm)";
                let error = SchemeError::new(run.scheme.name(), detail);
                self.cannot_start(*run, error, request)
            }
            Ok(Reply::Send { authorization, expects, proves }) => {
                run.expects = expects;
                run.sent = true;
                // Never taken back within a run: what was shown stays shown, and the challenge that follows is a
                // verdict.
                run.started |= proves != Proves::Nothing;
                run.note_proof(proves, expects, request);
                if run.is_bound() {
                    // From the first message, not from the last: a connection with half a login of Carol's must not
                    // begin one of Dave's.
                    self.is_owned = true;
                }
                let body = match expects {
                    Expects::Challenge => BodyUse::without(request.has_body),
                    Expects::Success => BodyUse::Carried,
                };
                // Before the bounds are checked, which may end the request: what drops the state then ends the trial
                // as well.
                self.state = HandshakeState::Sent(run);
                self.send_within_bounds(Some(authorization), body)
            }
            Ok(Reply::Step(job)) => {
                // It may show the password to a KDC.
                // The step may run on another thread and be given up there with the request. By then the library may
                // have sent the password to a KDC, so it counts from here.
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
            // There was a challenge, and listening for another one would be listening for ever.
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
                    // All tokens were exchanged, which only a right password can do. The 401 is the resource's, and
                    // must not count against the account.
                    run.prove(request.moments.instant());
                }
                let detail = "the server challenges although all tokens were exchanged";
                let error = SchemeError::new(run.scheme.name(), detail);
                self.reply(run, Err(error), request)
            }
            // Whether the body can be hashed is a matter of this side, so even a login that has started is not
            // refused by it.
            Err(error) if error.is_for_content() => self.cannot_start(*run, error, request),
            Err(error) if run.started => {
                let evidence = error.as_mechanism().and_then(kdcs_word).unwrap_or(match run.is_relayed() {
                    true => Evidence::Undecided,
                    false => Evidence::Refused,
                });
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
        // Before the next candidate is looked at: if that is the connection's, too, it has to know that this one is
        // spent.
        self.ends |= run.sent && run.is_bound();
        let scheme = Arc::clone(&run.scheme);
        let (sent, reason, now) = (run.sent, error.reason(), request.moments.instant());
        let kind = error.as_mechanism().map(MechanismError::kind);
        let why = match error.as_mechanism().and_then(kdcs_word) {
            Some(evidence) => {
                // For the other schemes of this request: a KDC that has refused the password need not hear it from
                // NTLM's domain controller as well.
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
            // The mechanism failed before it had said anything to the server, a library that is missing for instance:
            // the next challenge on any connection would fail the same way, so this request does not come back to it.
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
            // A connection on which a login was refused takes up no other (Apache, squid). A ticket is the request's,
            // so that its refusal leaves the connection as it was.
            Binding::Connection if !run.is_by_ticket() || run.has_relayed() => HandshakeState::Spoiled,
            Binding::Connection | Binding::Request => HandshakeState::Idle,
        };
        let (scheme, passed_over) = (Arc::clone(&run.scheme), run.exchange.passed_over().cloned());
        let why = run.refuse(evidence, detail, now);
        self.request.note(Tried { passed_over, ..Tried::new(scheme.name(), why) });
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
                // A 401 that a proxy may only have passed on is not the proxy's verdict for certain. One mistaken
                // origin must not make the proxy's password rest for all the others.
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
