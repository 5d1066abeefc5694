//! The challenger has answered with something else than a challenge: it has taken what was sent, did
//! not need it, or has not looked.

use http::{StatusCode, header};

use crate::challenge::Challenges;
use crate::handshake::action::{Action, BodyUse, Renewal, ResponseHead};
use crate::handshake::demand::Demand;
use crate::handshake::error::HandshakeError;
use crate::handshake::run::Run;
use crate::handshake::state::{EstablishedLogin, Handshake, HandshakeState};
use crate::handshake::verdicts::{Evidence, ResponseReading};
use crate::handshake::version::Protocol;
use crate::mechanism::{Binding, Expects, MutualAuthentication};
use crate::protection_space::Challenger;
use crate::scheme::{Proof, Reply, RequestContext, SchemeError};

impl Handshake {
    /// Not the answer to the request, whose body the server has not seen.
    pub(super) fn passed_without_body(&mut self, request: RequestContext<'_>) -> Action {
        self.state = match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            HandshakeState::Sent(run) => {
                self.leave_without_answer(*run, request);
                HandshakeState::Idle
            }
            HandshakeState::Listening => HandshakeState::Idle,
            other => other,
        };
        // From here on the request is known to want nothing, so that no further leg of it speaks first or goes
        // without the body.
        self.let_through(request);
        self.send_within_bounds(None, BodyUse::Carried)
    }

    /// The exchange ends in its midst. What a server was to relay to a KDC may have come there, and counts as an
    /// attempt; and the server may wait for the rest of it on the connection.
    fn leave_without_answer(&mut self, mut run: Run, request: RequestContext<'_>) {
        // mod_auth_gssapi keeps the half of an exchange on the connection, and would take the next request's token
        // for its continuation.
        self.ends |= run.has_relayed();
        run.leave_undecided(request.moments.instant());
    }

    /// A first message, or a leg without its body, was answered, and not by a challenge.
    fn let_through(&mut self, request: RequestContext<'_>) {
        self.unasked = true;
        // Only what came to a request of its own accord says that the target asks for nothing. One that was already
        // told to go without a login proves no more than that.
        if self.demand == Demand::Unknown {
            self.memory.note_asks_for_nothing(request.target);
        }
        self.demand = self.demand.let_through();
    }

    /// Not a challenge of this challenger: whatever was sent has been taken, or was not needed.
    pub(super) fn passed(&mut self, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        match std::mem::replace(&mut self.state, HandshakeState::Idle) {
            HandshakeState::Sent(run) => self.accepted(run, head, request),
            HandshakeState::Listening => {
                self.let_through(request);
                Action::Deliver(None)
            }
            HandshakeState::Unsettled(unsettled) => {
                let (run, proof) = *unsettled;
                self.settled_by_answer(run, proof, head, request)
            }
            HandshakeState::Established(established) => {
                let told = self.authenticator.reports_established();
                let EstablishedLogin { scheme, proof, passed_over, .. } = &*established;
                let login =
                    told.then(|| self.request.login(self.challenger, scheme, proof, passed_over.as_ref()));
                self.state = HandshakeState::Established(established);
                Action::Deliver(login)
            }
            other => {
                self.state = other;
                Action::Deliver(None)
            }
        }
    }

    fn accepted(&mut self, mut run: Box<Run>, head: ResponseHead<'_>, request: RequestContext<'_>) -> Action {
        // A first message proves nothing, so an answer to it is no acceptance, whatever its status: to be logged in
        // by it would be to trust a server that has not looked.
        if run.expects == Expects::Challenge {
            // The request needed no login; the server did not look at the first message.
            self.let_through(request);
            self.leave_without_answer(*run, request);
            return Action::Deliver(None);
        }
        // What a proxy passes on is the origin's word, and no word makes Basic the connection's.
        // Persistent-Auth is IIS' word on how long a login holds. From behind a proxy, or about a scheme whose
        // credentials go with each request, it would only weaken what is certain.
        let is_of_origin = self.challenger == Challenger::Origin && run.is_bound();
        let persists = if is_of_origin { head.persistent_auth() } else { None };
        let is_requests = run.is_by_ticket() && !run.has_relayed() || persists == Some(false);
        let binding = if is_requests { Binding::Request } else { run.scheme.binding() };
        // By the status, before any token is looked at: what it says of the password holds whether or not a final
        // token came with it.
        let reading = ResponseReading::of(head.status, self.challenger, binding, !run.spoke_first);
        let says_nothing = reading == ResponseReading::Says(Evidence::Nothing);
        let fields = [self.challenger.challenge_field(), self.challenger.info_field()];
        // A 408 or 429 comes from in front of the application, as a rule without having looked at the login. With a
        // token in it, somebody did look.
        if says_nothing && !fields.iter().any(|field| head.headers.contains_key(field)) {
            return match head.status {
                StatusCode::BAD_REQUEST => self.bad_request(run, head, request),
                _ => self.unread(*run, request),
            };
        }
        match persists {
            Some(true) => run.persists = true,
            Some(false) => self.request.closing = true,
            None => {}
        }
        run.reading = Some(reading);
        // Decided here because the head is at hand here only; by the time the exchange has concluded, the response
        // belongs to whoever reads it.
        run.can_ask_again = matches!(reading, ResponseReading::AskAgain(_))
            && self.stays_after(head)
            && has_short_content(head);
        // A final token comes in WWW-Authenticate of a response that is no 401 (RFC 4559, section 5).
        let challenges = Challenges::parse(head.headers, self.challenger.challenge_field());
        let concluded = run.conclude(&challenges, head.headers);
        self.concluded(run, concluded, request)
    }

    /// It may be about the authorization: the server may take it in another form. Else it is the
    /// application's, and the request's answer.
    fn bad_request(
        &mut self,
        mut run: Box<Run>,
        head: ResponseHead<'_>,
        request: RequestContext<'_>,
    ) -> Action {
        // Before the exchange is asked: it would remember another form of the name as needed, and nothing would show
        // whether that is so.
        if !self.can_send_again(request) {
            return self.unread(*run, request);
        }
        match run.exchange.rephrase(request) {
            // What was learnt of the form holds on the next connection, too.
            Some(Ok(_)) if !self.stays_after(head) => {
                run.exchange.not_sent();
                run.end(Evidence::Nothing, request.moments.instant());
                self.state = HandshakeState::Spoiled;
                Action::Renew(Renewal::ClosedInHandshake)
            }
            Some(Ok(reply)) => {
                run.is_rephrased = true;
                self.reply(run, Ok(reply), request)
            }
            Some(Err(_)) | None => self.unread(*run, request),
        }
    }

    /// The answer came from in front of the login, or does not tell.
    fn unread(&mut self, mut run: Run, request: RequestContext<'_>) -> Action {
        run.end(Evidence::Nothing, request.moments.instant());
        // Whoever is in front of the login may be whoever is in between: where proof is required, an answer that came
        // without any is not delivered.
        if self.authenticator.mutual_authentication() == MutualAuthentication::Required {
            self.state = HandshakeState::Spoiled;
            return Action::Fail(HandshakeError::Unproven);
        }
        // Nobody knows whether the server has finished the login: the next request on this connection could be
        // anybody's.
        if run.is_bound() {
            self.state = HandshakeState::Spoiled;
        }
        Action::Deliver(None)
    }

    /// What the exchange says to the server's final word.
    pub(super) fn concluded(
        &mut self,
        mut run: Box<Run>,
        reply: Result<Reply, SchemeError>,
        request: RequestContext<'_>,
    ) -> Action {
        let rule = self.authenticator.mutual_authentication();
        let reading = run.reading.unwrap_or(ResponseReading::Says(Evidence::Nothing));
        let says_nothing = reading == ResponseReading::Says(Evidence::Nothing);
        let error = match run.settled(reply, request) {
            // The order of these arms is the policy: required proof first, since nothing may be delivered without it;
            // then a proof that was given, which outweighs whatever the status says; the status last.
            Ok(Reply::Done(proof)) if !proof.mutual && rule == MutualAuthentication::Required => {
                self.state = HandshakeState::Spoiled;
                run.end(Evidence::Nothing, request.moments.instant());
                return Action::Fail(HandshakeError::Unproven);
            }
            Ok(Reply::Done(proof)) if proof.mutual => {
                self.request.is_proven = true;
                return self.logged_in(run, proof, Evidence::Proven, request);
            }
            Ok(Reply::Done(proof)) => {
                return match reading {
                    ResponseReading::Says(Evidence::Nothing) => self.unread(*run, request),
                    ResponseReading::Says(evidence) => self.logged_in(run, proof, evidence, request),
                    ResponseReading::AskAgain(_) => self.unsettled(run, proof, request),
                };
            }
            Ok(Reply::Step(job)) => {
                self.state = HandshakeState::Stepping(run);
                return Action::Step(job);
            }
            Ok(Reply::Consult(inquiry)) => return self.consult(run, inquiry, request),
            Ok(Reply::Send { .. } | Reply::Gather | Reply::Listen) => {
                // More tokens would follow, and the response to send them with is the answer already. Taking it as a
                // login would skip the server's proof.
                SchemeError::new(run.scheme.name(), "the server accepted in the middle of the exchange")
            }
            // Whoever answered has nothing to say of the login.
            Err(error) if says_nothing && error.lacks_proof() => return self.unread(*run, request),
            Err(error) => error,
        };
        self.state = HandshakeState::Spoiled;
        Action::Fail(HandshakeError::FinalToken(error))
    }

    /// The login was answered by what some servers say to a wrong password, and others to a right one.
    /// What the next request on the connection gets tells, which carries nothing. Where others wait for
    /// that, and the request can be sent twice, it is asked at once.
    fn unsettled(&mut self, run: Box<Run>, proof: Proof, request: RequestContext<'_>) -> Action {
        // Where others wait for the verdict, one more request is cheaper than all of them waiting until the caller
        // happens to send the next one. It has to be safe to repeat: the server did carry this one out.
        let is_asked_now = run.can_ask_again
            && run.goes_alone()
            && request.method.is_safe()
            && !request.has_body
            && self.request.legs < self.authenticator.max_legs();
        // Settled or not, the connection may be logged in as this user.
        self.is_owned = true;
        self.state = HandshakeState::Unsettled(Box::new((*run, proof)));
        match is_asked_now {
            true => Action::bare(),
            false => Action::Deliver(None),
        }
    }

    /// A request without an authorization was answered on a connection of which nothing was known.
    fn settled_by_answer(
        &mut self,
        mut run: Run,
        proof: Proof,
        head: ResponseHead<'_>,
        request: RequestContext<'_>,
    ) -> Action {
        let asks_for_logins = self.authenticator.guard().is_none_or(|guard| {
            guard.has_challenged(run.credentials(), &run.space, request.method, request.target.path())
        });
        let evidence =
            match ResponseReading::of(head.status, self.challenger, Binding::Request, asks_for_logins) {
                // A gateway's word, or a fault again, tells no more than the first one.
                ResponseReading::Says(Evidence::Nothing) if !run.accepted_before() => {
                    run.end(Evidence::Nothing, request.moments.instant());
                    self.state = HandshakeState::Spoiled;
                    return Action::Deliver(None);
                }
                // It stands without an authorization: it is the resource's.
                _ if head.status == StatusCode::FORBIDDEN && asks_for_logins => Evidence::Proven,
                ResponseReading::Says(Evidence::Proven) => Evidence::Proven,
                _ => Evidence::LetThrough,
            };
        self.logged_in(Box::new(run), proof, evidence, request)
    }

    fn logged_in(
        &mut self,
        mut run: Box<Run>,
        mut proof: Proof,
        evidence: Evidence,
        request: RequestContext<'_>,
    ) -> Action {
        // A ticket that was got earlier says nothing about the password of today.
        // Counted as a proof, a ticket from this morning would clear the record of a password that was changed at
        // noon.
        let is_by_old_ticket = run.is_by_ticket() && evidence == Evidence::Proven;
        let evidence = if is_by_old_ticket { Evidence::LetThrough } else { evidence };
        run.note_acceptance(self.memory.legs());
        // The verdict goes first, so that those who wait for it run while this response is still being delivered.
        run.end(evidence, request.moments.instant());
        proof.binding = match self.protocol {
            Protocol::Http1 if run.persists => Binding::Connection,
            Protocol::Http1 => proof.binding,
            Protocol::Http2 | Protocol::Http2Alone => Binding::Request,
        };
        let scheme = run.scheme.name();
        self.memory.bind(scheme, run.space.realm.as_ref(), proof.binding);
        let login = (!run.reported || self.authenticator.reports_established())
            .then(|| self.request.login(self.challenger, scheme, &proof, run.exchange.passed_over()));
        run.reported = true;
        // The connection keeps nothing of what else was offered.
        // An idle connection lives long, and there may be thousands.
        (self.request.candidates, self.request.tried) = (Vec::new(), Vec::new());
        if proof.binding == Binding::Connection {
            self.is_owned = true;
        }
        // Last: whether the connection is the user's from now on depends on all that was learnt above.
        self.state = match proof.binding {
            // `Persistent-Auth: false`: the next request begins anew, on the same connection.
            Binding::Connection if self.request.closing => HandshakeState::Idle,
            Binding::Connection if run.is_stable() => {
                let guard = self.authenticator.guard_for(run.credentials());
                let served = guard.map(|guard| guard.serves(run.credentials(), &run.space));
                let passed_over = run.exchange.passed_over().cloned();
                HandshakeState::Established(Box::new(EstablishedLogin { scheme, proof, passed_over, served }))
            }
            Binding::Connection | Binding::Request => HandshakeState::Standing(run),
        };
        Action::Deliver(login)
    }
}

/// How much content is read to ask again on the same connection, in octets.
const MAX_CONTENT: u64 = 16 * 1024;

/// Whether the response says that its content is short, so that the connection is soon free.
fn has_short_content(head: ResponseHead<'_>) -> bool {
    let length = head.headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    length.is_some_and(|length: u64| length <= MAX_CONTENT)
}
