//! One request with all its legs, over one connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode, Uri, Version};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::credentials::CredentialsFuture;
use crate::handshake::{
    Acting, Action, Answer, BodyUse, Logins, Outcome, Renewal, ResponseHead, Turn, WireRequest,
};
use crate::mechanism::{MechanismError, Moments, Stepped};
use crate::service::body::LegBody;
use crate::service::channel::Channel;
use crate::service::channel_in_use::ChannelInUse;
use crate::service::deadlines::Deadlines;
use crate::service::environment::BoxFuture;
use crate::service::error::{BoxError, Error, ErrorKind, OldPeer};
use crate::service::event::Work;
use crate::service::expectation::{self, Expectation, HeldBody, PATIENCE};
use crate::service::failure::{FailedRequest, LostConnection, Retry, RetryDecision};
use crate::service::head::{
    declare_empty, declared_length, is_idempotent, keep_open, origin_form, withhold_body,
};
use crate::service::leg_service::LegService;
use crate::service::observe;
use crate::service::payload::{Payload, Replay};
use crate::service::prepared_request::PreparedRequest;
use crate::service::watch::{Telling, Watched, request_line, work_of};

pin_project! {
    /// Sends a request leg by leg until there is a response to deliver.
    pub(crate) struct Conversation<S, F, B, R> {
        #[pin]
        stage: Stage<F, R>,
        request: RequestInFlight<S, B, R>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F, R> {
        /// Nothing has been decided.
        Start { acting: Option<Acting> },
        /// The next leg is decided; the connection is to become ready for it.
        Ready,
        /// A leg is out.
        Responding { #[pin] leg: F },
        /// The logins have said what is to be done.
        Begun { action: Option<Action> },
        /// The first leg was lost.
        Lost { error: Option<BoxError> },
        /// A challenge's body is read to its end, so that the connection stays.
        Draining { #[pin] body: R, drained: u64 },
        /// The request's body is read, for a login that covers it.
        Gathering,
        /// A mechanism's step runs elsewhere.
        Stepping { step: BoxFuture<Stepped> },
        /// Somebody else than the server is asked for what the login needs.
        Consulting { answer: BoxFuture<Result<Vec<u8>, MechanismError>> },
        /// The provider looks for credentials.
        Asking { credentials: CredentialsFuture },
        /// Another request tries the same credentials.
        Waiting { turn: Turn, timer: Option<BoxFuture<()>> },
        /// The result has been returned.
        Done,
    }
}

/// The request, its connection, and how far it has come, beside the stage that it is in.
struct RequestInFlight<S, B, R> {
    in_use: ChannelInUse<S, B>,
    method: Method,
    /// The request's target as it is on the wire.
    uri: Uri,
    /// The same as the origin gets to see it, where a proxy is in between.
    beyond_proxy: Option<Uri>,
    /// How the next leg treats the body.
    next: BodyUse,
    /// How the leg that is out, or was the last, treated the body.
    sent: BodyUse,
    legs: u32,
    /// How long the body of the leg that is out waits for the server's word.
    patience: Option<BoxFuture<()>>,
    /// The caller did not ask for that.
    expectation_is_ours: bool,
    /// The head as the caller made it, until the first leg takes it.
    parts: Option<Parts>,
    /// A challenge in hand.
    response: Option<Response<R>>,
    deadlines: Deadlines,
    /// What is told of it, where somebody looks on.
    telling: Option<Box<Telling>>,
}

/// Where an action leads.
enum AfterAction<R, B> {
    Leg,
    Drain(R),
    Gather,
    Step(BoxFuture<Stepped>),
    Consult(BoxFuture<Result<Vec<u8>, MechanismError>>),
    Ask(CredentialsFuture),
    Wait(Turn, Option<BoxFuture<()>>),
    Deliver(Response<R>),
    Fail(Box<FailedRequest<B>>),
}

impl<S, F, B, R> Conversation<S, F, B, R>
where
    S: LegService<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    /// A request of which nothing has been sent.
    pub(super) fn new(mut channel: Channel<S>, prepared: PreparedRequest<B>) -> Pin<Box<Self>> {
        let PreparedRequest { mut request, acting } = prepared;
        channel.service.keep(request.extensions_mut());
        channel.state.saved.save(&request);
        // Before the request is taken apart: its extensions say whether a client above already tells of it.
        let telling = Telling::of(&channel.state, &request, || (&acting.at_origin).into());
        let (parts, payload) = request.into_parts();
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let mut request = RequestInFlight::new(
            ChannelInUse::new(channel, payload),
            method,
            uri,
            BodyUse::Withheld,
            Some(parts),
        );
        request.telling = telling;
        Box::pin(Self { stage: Stage::Start { acting: Some(acting) }, request })
    }

    /// A request of which nothing has been sent, and the logins have said what is to be done first. Nobody looks on.
    pub(super) fn begun(channel: Channel<S>, request: Request<Payload<B>>, action: Action) -> Pin<Box<Self>> {
        let (parts, payload) = request.into_parts();
        let (method, uri) = (parts.method.clone(), parts.uri.clone());
        let in_use = ChannelInUse::new(channel, payload);
        let request = RequestInFlight::new(in_use, method, uri, BodyUse::Withheld, Some(parts));
        Box::pin(Self { stage: Stage::Begun { action: Some(action) }, request })
    }

    /// A request whose first leg has been answered, with what the logins have said to that; or was lost. Nobody looks
    /// on.
    pub(super) fn answered(
        mut in_use: ChannelInUse<S, B>,
        result: Result<(Response<R>, Action), BoxError>,
    ) -> Pin<Box<Self>> {
        let target = in_use.target.take();
        let state = &mut *in_use.channel_mut().state;
        let Parts { method, mut uri, .. } = state.saved.restore();
        match target {
            Some(target) => uri = target,
            // The leg went without asking the handshakes. They have to know of it before they see what it came to, or a
            // challenge would find them without a request.
            None => state.logins.went_on(),
        }
        let mut request = RequestInFlight::new(in_use, method, uri, BodyUse::Carried, None);
        let stage = match result {
            Ok((response, action)) => {
                (request.legs, request.response) = (1, Some(response));
                Stage::Begun { action: Some(action) }
            }
            Err(error) => Stage::Lost { error: Some(error) },
        };
        Box::pin(Self { stage, request })
    }

    /// The connection, after the result; `None` if it is lost.
    pub(super) fn take_channel(self: Pin<&mut Self>) -> Option<Channel<S>> {
        self.project().request.in_use.give_back()
    }
}

impl<S, F, B, R> Future for Conversation<S, F, B, R>
where
    S: LegService<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<R>, Box<FailedRequest<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        // In the span for the whole poll: providers and mechanisms that are called from here may log, too.
        let watched = this.request.telling.as_ref().and_then(|telling| telling.own_request());
        let _entered = watched.as_ref().map(Watched::enter);
        loop {
            let polled = match this.stage.as_mut().project() {
                StageProj::Start { acting } => {
                    Poll::Ready(this.request.start(acting.take().expect("it is done once")))
                }
                StageProj::Ready => match this.request.poll_leg(cx) {
                    Poll::Ready(Ok(leg)) => {
                        this.stage.set(Stage::Responding { leg });
                        continue;
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(AfterAction::Fail(this.request.lost(error, true))),
                    Poll::Pending => Poll::Pending,
                },
                StageProj::Responding { leg } => {
                    let service = &mut this.request.in_use.channel_mut().service;
                    // The answer before the patience: a server that refuses the upload at once has answered by now,
                    // and the body need not go at all.
                    let result = service.poll_response(leg, cx).map_err(Into::into);
                    if result.is_pending() {
                        this.request.poll_patience(cx);
                    }
                    result.map(|result| this.request.answered(result))
                }
                StageProj::Begun { action } => {
                    Poll::Ready(this.request.act(action.take().expect("it is done once")))
                }
                StageProj::Lost { error } => {
                    let error = error.take().expect("it is lost once");
                    Poll::Ready(AfterAction::Fail(this.request.lost(error, false)))
                }
                StageProj::Draining { body, drained } => this.request.poll_drain(body, drained, cx),
                StageProj::Gathering => this.request.poll_gather(cx),
                StageProj::Stepping { step } => {
                    step.as_mut().poll(cx).map(|stepped| this.request.resume(Answer::Stepped(stepped)))
                }
                StageProj::Consulting { answer } => {
                    answer.as_mut().poll(cx).map(|answer| this.request.resume(Answer::Consulted(answer)))
                }
                StageProj::Asking { credentials } => {
                    credentials.as_mut().poll(cx).map(|credentials| match credentials {
                        Ok(credentials) => this.request.resume(Answer::Credentials(credentials)),
                        Err(error) => AfterAction::Fail(FailedRequest::new(ErrorKind::Credentials(error))),
                    })
                }
                StageProj::Waiting { turn, timer } => {
                    let is_due = timer.as_mut().is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
                    match Pin::new(turn).poll(cx) {
                        // Polled also when the time is up: the turn may have come with it, and then it is not given
                        // back to somebody else for nothing.
                        Poll::Pending if !is_due => Poll::Pending,
                        _ => Poll::Ready(this.request.waited()),
                    }
                }
                StageProj::Done => panic!("polled after it was ready"),
            };
            // Deadlines only where nothing has come: an answer that is there counts, however late it was polled for.
            let next = match polled {
                Poll::Ready(next) => next,
                Poll::Pending => AfterAction::Fail(ready!(this.request.poll_deadlines(cx))),
            };
            this.stage.set(match next {
                AfterAction::Leg => Stage::Ready,
                AfterAction::Drain(body) => Stage::Draining { body, drained: 0 },
                AfterAction::Gather => Stage::Gathering,
                AfterAction::Step(step) => Stage::Stepping { step },
                AfterAction::Consult(answer) => Stage::Consulting { answer },
                AfterAction::Ask(credentials) => Stage::Asking { credentials },
                AfterAction::Wait(turn, timer) => Stage::Waiting { turn, timer },
                AfterAction::Deliver(response) => {
                    this.stage.set(Stage::Done);
                    // Before the response leaves: its reader may send the next request while this task has not run
                    // again.
                    this.request.in_use.channel_mut().state.answered();
                    this.request.tell_end(Ok(&response));
                    return Poll::Ready(Ok(response));
                }
                AfterAction::Fail(failure) => {
                    this.stage.set(Stage::Done);
                    this.request.tell_end(Err(&failure.error));
                    // Untouched by a request of another identity, unless its proxy was spoken to.
                    let untouched = match failure.error.kind() {
                        ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity) => {
                            !this.request.in_use.channel().state.logins.has_proxy()
                        }
                        _ => false,
                    };
                    if !untouched {
                        this.request.in_use.lose();
                    }
                    return Poll::Ready(Err(failure));
                }
            });
        }
    }
}

impl<S, B, R> RequestInFlight<S, B, R>
where
    S: LegService<B, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    #[inline] // It is made where it stays.
    fn new(
        in_use: ChannelInUse<S, B>,
        method: Method,
        uri: Uri,
        sent: BodyUse,
        parts: Option<Parts>,
    ) -> Self {
        let beyond_proxy = in_use.channel().state.logins.has_proxy().then(|| origin_form(&uri));
        let (response, deadlines, telling) = (None, Deadlines::default(), None);
        Self {
            in_use,
            method,
            uri,
            beyond_proxy,
            next: sent,
            sent,
            legs: 0,
            patience: None,
            expectation_is_ours: false,
            parts,
            response,
            deadlines,
            telling,
        }
    }

    /// Decides what the first leg carries.
    fn start(&mut self, acting: Acting) -> AfterAction<R, B> {
        let action = self.with_logins(|logins, _, request| logins.begin(acting, request));
        self.act(action)
    }

    fn resume(&mut self, answer: Answer) -> AfterAction<R, B> {
        if let Some(telling) = &mut self.telling {
            telling.work_ends(&self.in_use.channel().state, &answer);
        }
        let action = self.with_logins(|logins, head, request| logins.resume(answer, head, request));
        self.act(action)
    }

    /// Something has changed for the credentials that others try, or it is time to look again.
    fn waited(&mut self) -> AfterAction<R, B> {
        self.deadlines.wait_ends(&self.in_use.channel().state.environment);
        self.resume(Answer::Turn)
    }

    /// What a leg came to.
    fn answered(&mut self, result: Result<Response<R>, BoxError>) -> AfterAction<R, B> {
        let response = match result {
            Ok(response) => response,
            Err(error) => return AfterAction::Fail(self.lost(error, false)),
        };
        // Counted and told before anything is decided, so that a leg that ends in an error is in the trace, too.
        self.legs += 1;
        self.report(&response);
        self.deadlines.leg_ends();
        self.patience = None;
        let state = &mut self.in_use.channel_mut().state;
        // Before the handshakes decide what comes next: over HTTP/1.0 a leg may have no body of unknown length
        // (`ChannelState::takes`).
        state.note_response(&response);
        if !state.holds_body_back() {
            state.held = None;
        }
        // A 417 is about a field that the caller knows nothing of, and nobody has looked at the login. The caller's
        // own `Expect` is the caller's affair.
        if response.status() == StatusCode::EXPECTATION_FAILED && self.expectation_is_ours {
            if let Some(failure) = self.expectation_failed() {
                return AfterAction::Fail(failure);
            }
        }
        // Kept until the next leg is decided: it may be the one to deliver.
        self.response = Some(response);
        let action = self.with_logins(|logins, head, request| {
            logins.receive(head.expect("it was just put there"), request)
        });
        self.act(action)
    }

    /// Does what the handshakes want, up to the point where something must be waited for.
    fn act(&mut self, action: Action) -> AfterAction<R, B> {
        match action {
            Action::Send { body, .. } => {
                self.next = body;
                self.leg()
            }
            Action::Deliver(outcome) => self.deliver(outcome),
            // There is only one connection here: to go on elsewhere is to fail with the request in hand. A client
            // sends it again, a layer's user may.
            Action::Renew(renewal) => AfterAction::Fail(self.renewal(renewal)),
            Action::Fail(error) => AfterAction::Fail(FailedRequest::new(ErrorKind::Handshake(error))),
            // The rest of it is on its way to the server: another connection begins with what is kept.
            Action::Gather
                if self.sent == BodyUse::Carried && self.in_use.payload.replay() == Replay::Elsewhere =>
            {
                AfterAction::Fail(self.renewal(Renewal::UnfinishedUpload))
            }
            Action::Gather => {
                self.deadlines.wait_begins(&self.in_use.channel().state.environment);
                AfterAction::Gather
            }
            Action::Wait(turn) => {
                let environment = &self.in_use.channel().state.environment;
                let left = turn.until().map(|until| until.saturating_duration_since(environment.instant()));
                let timer = left.and_then(|left| environment.sleep(left));
                self.deadlines.wait_begins(environment);
                self.tell_work(|| Work::Turn);
                AfterAction::Wait(turn, timer)
            }
            Action::Step(job) => {
                // The time for a login runs from the first thing that is done for it, not from the request: one that
                // nobody challenges has none.
                self.handshake_begins();
                self.tell_work(|| Work::Step);
                let state = &self.in_use.channel().state;
                let moment = match state.environment.moment() {
                    Ok(moment) => moment,
                    Err(error) => {
                        return AfterAction::Fail(FailedRequest::new(ErrorKind::Entropy(error.into())));
                    }
                };
                match &state.environment.blocking {
                    Some(blocking) => AfterAction::Step(blocking.run(job, moment)),
                    None => self.resume(Answer::Stepped(job.run(moment))),
                }
            }
            Action::Consult(inquiry) => {
                self.handshake_begins();
                self.tell_work(|| work_of(&inquiry));
                AfterAction::Consult(self.in_use.channel().state.environment.consult(inquiry))
            }
            Action::Ask(question) => {
                self.handshake_begins();
                self.tell_work(|| Work::Credentials);
                match self.in_use.channel().state.logins.origin().provider() {
                    Some(provider) => AfterAction::Ask(provider.credentials(question.query())),
                    None => self.resume(Answer::Credentials(None)),
                }
            }
        }
    }

    /// The next leg is decided. A challenge in hand is read to its end first.
    fn leg(&mut self) -> AfterAction<R, B> {
        // Before a first leg there is no response in hand, and nothing to clear away.
        let Some(response) = self.response.take() else { return AfterAction::Leg };
        // A refusal that came before all of the body had gone: HTTP/1.1 has no way to take the rest back, so whether
        // this connection can go on depends on how much is left.
        if self.sent == BodyUse::Carried {
            match self.in_use.payload.replay() {
                // Else the leg's head has announced a body that does not come: nothing can follow it.
                Replay::Here if !self.in_use.channel().state.holds_body_back() => {}
                Replay::Here | Replay::Elsewhere => {
                    return AfterAction::Fail(self.renewal(Renewal::UnfinishedUpload));
                }
                Replay::Never | Replay::Failed => return AfterAction::Fail(self.not_replayable(None)),
            }
        }
        let logins = &self.in_use.channel().state.logins;
        // A leg on a connection that the server is about to close would be lost, and a lost leg of a login counts as
        // an attempt.
        if !logins.origin().stays_after(ResponseHead::of(&response)) {
            return AfterAction::Fail(self.renewal(Renewal::ClosedInHandshake));
        }
        self.handshake_begins();
        // From here on there is no response to deliver: the decision for another leg is final.
        let body = response.into_body();
        if body.is_end_stream() {
            return AfterAction::Leg;
        }
        let channel = self.in_use.channel();
        let environment = &channel.state.environment;
        // It says itself that it is too long to be read, so the connection is lost at once.
        if body.size_hint().lower() > environment.limits.drain {
            return AfterAction::Fail(self.renewal(Renewal::LongAnswer));
        }
        self.deadlines.drain_begins(environment);
        AfterAction::Drain(body)
    }

    fn poll_drain(
        &mut self,
        mut body: Pin<&mut R>,
        drained: &mut u64,
        cx: &mut Context<'_>,
    ) -> Poll<AfterAction<R, B>> {
        loop {
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.deadlines.poll_drain(cx));
                    return Poll::Ready(AfterAction::Fail(self.renewal(Renewal::LongAnswer)));
                }
            };
            match frame {
                None => {
                    self.deadlines.drain_ends();
                    return Poll::Ready(AfterAction::Leg);
                }
                Some(Ok(frame)) => {
                    // Counted as well as declared: a body in chunks announces nothing, and may have no end.
                    *drained += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    if *drained > self.in_use.channel().state.environment.limits.drain {
                        return Poll::Ready(AfterAction::Fail(self.renewal(Renewal::LongAnswer)));
                    }
                }
                Some(Err(_)) => {
                    return Poll::Ready(AfterAction::Fail(self.renewal(Renewal::ClosedInHandshake)));
                }
            }
        }
    }

    /// Reads the request's body to its end, as far as it is kept.
    fn poll_gather(&mut self, cx: &mut Context<'_>) -> Poll<AfterAction<R, B>> {
        let (channel, payload) = self.in_use.both_mut();
        let limit = channel.state.environment.limits.replay;
        // The head may still be as the caller made it, if no leg has gone yet; after that it is the saved one.
        let length = match &self.parts {
            Some(parts) => declared_length(&parts.headers),
            None => declared_length(&channel.state.saved.restore().headers),
        };
        let result = ready!(payload.poll_gather(&mut channel.service, limit, length, cx));
        self.deadlines.wait_ends(&channel.state.environment);
        Poll::Ready(match result {
            Ok(()) => self.resume(Answer::Gathered),
            Err(error) => AfterAction::Fail(self.lost(error, false)),
        })
    }

    /// Awaits the connection and puts the leg on it.
    fn poll_leg(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Leg, BoxError>> {
        let channel = self.in_use.channel_mut();
        ready!(channel.service.poll_ready(cx)).map_err(Into::into)?;
        // After the connection is ready, never before: if it fails here, the head is still whole for another
        // connection.
        let mut parts = self.parts.take().unwrap_or_else(|| channel.state.saved.restore());
        // From here on a failure may be the server's answer to what the leg carries.
        self.sent = self.next;
        if let Some(telling) = &mut self.telling {
            telling.leg_begins();
        }
        // The saved head has none of these: each leg has its own, and the last one's must not go out again with the
        // next request.
        for (challenger, value) in channel.state.logins.authorizations() {
            if let Some(telling) = &mut self.telling {
                telling.sent_tokens.extend(observe::authorization(challenger, &value));
            }
            parts.headers.insert(challenger.authorization_field(), value);
        }
        (self.patience, self.expectation_is_ours) = (None, false);
        let body = match self.sent {
            BodyUse::Withheld => {
                withhold_body(&parts.method, &mut parts.headers);
                LegBody::empty()
            }
            BodyUse::Carried => self.carried(&mut parts, cx),
        };
        let (channel, payload) = self.in_use.both_mut();
        // Last but for the sending, since only now head and body are what they will be on the wire. hyper would send
        // the head and silently leave the body out.
        if !channel.state.takes(&parts.headers, &body) {
            return Poll::Ready(Err(OldPeer.into()));
        }
        let environment = &channel.state.environment;
        let expects_challenge = channel.state.logins.expects_challenge();
        if expects_challenge {
            keep_open(&mut parts.headers);
        }
        // What nobody has asked for, without a body to hold back, may be the whole request.
        let is_sure = self.sent == BodyUse::Withheld || self.legs > 0;
        self.deadlines.leg_begins(environment, expects_challenge && is_sure);
        let mut request = Request::from_parts(parts, body);
        if self.sent == BodyUse::Carried && payload.is_empty() {
            declare_empty(&mut request);
        }
        // In one go with the sending: between the two nothing may fail, or a trial would count that nobody has seen.
        channel.state.logins.leg_sent();
        Poll::Ready(Ok(channel.service.send(request)))
    }

    /// The body of a leg that carries it. It waits for the server's word where it may be sent in vain, or
    /// its caller has said so.
    fn carried(&mut self, parts: &mut Parts, cx: &mut Context<'_>) -> LegBody<B> {
        let (channel, payload) = self.in_use.both_mut();
        // Nothing to hold back, and `Expect` on a request without content is wrong (RFC 9110, section 10.1.1).
        if payload.is_empty() {
            return LegBody::empty();
        }
        let Channel { service, state } = channel;
        let (length, limit) = (declared_length(&parts.headers), state.environment.limits.replay);
        // Each of these makes waiting useless: a client beneath that does not pass on the 100, a version without it,
        // nowhere to go after a refusal, a server that was seen to ignore it.
        let can_wait = service.tells_of_continue()
            && parts.version != Version::HTTP_10
            && state.environment.limits.restarts > 0
            && state.logins.origin().memory().may_say_continue();
        let is_asked = expectation::is_expected(&parts.headers);
        // Before the leg has its body: to find out how long that is, some of it may be read ahead.
        let waits =
            can_wait && (is_asked || payload.is_to_wait(state.logins.outlook(), service, limit, length, cx));
        let body = payload.leg(service, limit, length);
        if !waits {
            return body;
        }
        // Without a timer it might wait forever.
        let Some(patience) = state.environment.sleep(PATIENCE) else { return body };
        let expectation = Expectation::new();
        // Before the field is set: without somebody to hear the 100, the body would wait for its whole patience on
        // every upload.
        if !service.fulfil_by_continue(&mut parts.extensions, expectation.clone()) {
            return body;
        }
        expectation::expect(&mut parts.headers);
        state.held = Some(HeldBody::new(expectation.clone()));
        (self.patience, self.expectation_is_ours) = (Some(patience), !is_asked);
        body.waiting_for(expectation)
    }

    /// Lets a body go that has waited for long enough.
    fn poll_patience(&mut self, cx: &mut Context<'_>) {
        let Some(patience) = &mut self.patience else { return };
        if patience.as_mut().poll(cx).is_pending() {
            return;
        }
        self.patience = None;
        let state = &mut self.in_use.channel_mut().state;
        // Remembered for the origin: a server that says nothing costs one upload its patience, not each.
        if state.held.take().is_some_and(|held| held.fulfil()) {
            state.logins.origin().memory().note_never_says_continue();
        }
    }

    /// The server does not want to be asked whether it wants the body, and has looked at nothing else. The
    /// request is sent again without that, where it can be.
    fn expectation_failed(&mut self) -> Option<Box<FailedRequest<B>>> {
        let channel = self.in_use.channel_mut();
        channel.state.logins.origin().memory().note_never_says_continue();
        let now = channel.state.environment.instant();
        match self.in_use.payload.replay() {
            Replay::Here | Replay::Elsewhere => {
                // The server has looked at nothing, so what the leg showed is no attempt: others need not wait for
                // its verdict.
                self.in_use.channel_mut().state.logins.withdraw(now);
                Some(self.renewal(Renewal::UnfinishedUpload))
            }
            Replay::Never | Replay::Failed => None,
        }
    }

    fn deliver(&mut self, outcome: Option<Box<Outcome>>) -> AfterAction<R, B> {
        let mut response = self.response.take().expect("only a response is delivered");
        self.in_use.channel_mut().state.tell(&mut response, outcome);
        AfterAction::Deliver(response)
    }

    /// The connection failed, perhaps before it took the request.
    fn lost(&mut self, error: BoxError, not_called: bool) -> Box<FailedRequest<B>> {
        self.patience = None;
        let has_body = !self.in_use.payload.is_empty();
        // Asked before the loss is judged, which clears it: a body that was held back has not reached the server.
        let held = !not_called && self.in_use.channel().state.holds_body_back();
        let lost = LostConnection { error, not_called, sent: self.sent, held, legs: self.legs, has_body };
        let RetryDecision { retry, kind, acted_on } = lost.judge(&mut self.in_use.channel_mut().state);
        let mut failure = match retry {
            Some(grounds) => self.elsewhere(grounds, kind),
            None => FailedRequest::new(kind),
        };
        failure.error.note_acted_on(acted_on);
        failure
    }

    /// The connection cannot serve the request (any more).
    fn renewal(&mut self, renewal: Renewal) -> Box<FailedRequest<B>> {
        self.elsewhere(Retry::Renew, ErrorKind::NewConnectionNeeded(renewal))
    }

    /// Another connection may serve the request, if its body can still be sent.
    fn elsewhere(&mut self, grounds: Retry, kind: ErrorKind) -> Box<FailedRequest<B>> {
        // First, so that the old connection takes no frame that the new one has to send.
        self.in_use.payload.cut_off();
        match self.in_use.payload.replay() {
            Replay::Here | Replay::Elsewhere => FailedRequest::retry(grounds, kind, self.again()),
            Replay::Never => self.not_replayable(match kind {
                ErrorKind::Connection(error) => Some(error),
                _ => None,
            }),
            Replay::Failed => FailedRequest::new(kind),
        }
    }

    /// The request would have to be sent again; `lost` says how its connection was lost, if it was.
    fn not_replayable(&self, lost: Option<BoxError>) -> Box<FailedRequest<B>> {
        let kept = self.in_use.channel().state.environment.limits.replay;
        FailedRequest::new(ErrorKind::BodyNotReplayable { kept, lost })
    }

    /// The request, to be sent again.
    fn again(&mut self) -> PreparedRequest<B> {
        // The body moves on with what is kept of it. This connection has been cut off from it and cannot take a frame
        // any more.
        let payload = std::mem::replace(&mut self.in_use.payload, Payload::Empty);
        let unsent = self.parts.take();
        let Channel { service, state } = self.in_use.channel_mut();
        let mut parts = unsent.unwrap_or_else(|| state.saved.restore());
        service.give_back(&mut parts.extensions);
        PreparedRequest {
            request: Request::from_parts(parts, payload),
            acting: state.logins.acting().clone(),
        }
    }

    fn handshake_begins(&mut self) {
        let channel = self.in_use.channel();
        let environment = &channel.state.environment;
        self.deadlines.handshake_begins(environment);
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Box<FailedRequest<B>>> {
        let limits = &self.in_use.channel().state.environment.limits;
        // A leg that carried all there is may be the request itself.
        // A head that is still here was never sent.
        let is_whole = self.sent == BodyUse::Carried && self.parts.is_none();
        let acted_on = is_whole && !is_idempotent(&self.method);
        self.deadlines.poll(limits, cx).map(|kind| {
            let mut failure = FailedRequest::new(kind);
            failure.error.note_acted_on(acted_on);
            failure
        })
    }

    /// Tells those who look on of a leg.
    fn report(&mut self, response: &Response<R>) {
        let Some(telling) = &mut self.telling else { return };
        let state = &self.in_use.channel().state;
        let body_withheld =
            !self.in_use.payload.is_empty() && (self.sent == BodyUse::Withheld || state.holds_body_back());
        let line = request_line(&self.method, &self.uri);
        telling.leg_ends(state, response, self.legs, line, body_withheld);
    }

    /// Tells them that something other than the server is waited for.
    fn tell_work(&mut self, work: impl FnOnce() -> Work) {
        if let Some(telling) = &mut self.telling {
            telling.work_begins(&self.in_use.channel().state, work());
        }
    }

    /// Tells them what came of the request.
    fn tell_end(&mut self, result: Result<&Response<R>, &Error>) {
        if let Some(telling) = &mut self.telling {
            telling.ends(self.in_use.channel.as_ref().map(|channel| &*channel.state), result);
        }
    }

    fn with_logins<T>(
        &mut self,
        act: impl FnOnce(&mut Logins, Option<ResponseHead<'_>>, WireRequest<'_>) -> T,
    ) -> T {
        let (channel, payload) = self.in_use.both_mut();
        let state = &mut *channel.state;
        // Made anew for each question: how much of the body is kept changes from leg to leg, and Digest may cover it.
        let on_the_wire = payload.context(&self.method, &self.uri, &*state.environment);
        let request = WireRequest { on_the_wire, beyond_proxy: self.beyond_proxy.as_ref() };
        act(&mut state.logins, self.response.as_ref().map(ResponseHead::of), request)
    }
}
