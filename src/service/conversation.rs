//! One request with all its legs, over one connection.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Buf;
use http::request::Parts;
use http::{Method, Request, Response, Uri};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::credentials::CredentialsFuture;
use crate::handshake::{Action, Answer, BodyUse, Handshake, Identity, Outcome, Renewal, ResponseHead, Turn};
use crate::mechanism::Stepped;
use crate::protection_space::Challenger;
use crate::scheme::RequestContext;
use crate::service::body::LegBody;
use crate::service::channel::Channel;
use crate::service::environment::BoxFuture;
use crate::service::error::{BoxError, ErrorKind};
use crate::service::failure::{Failure, Loss};
use crate::service::head::{declare_empty, declared_length, keep_open, origin_form, withhold_body};
use crate::service::line::Line;
use crate::service::observe::{self, LegReport};
use crate::service::payload::{Payload, Replay};
use crate::service::pending::Pending;
use crate::service::plan::{NextLeg, Plan};
use crate::service::sending::Out;

pin_project! {
    /// Sends a request leg by leg until there is a response to deliver.
    pub(crate) struct Conversation<S, F, B, R> {
        #[pin]
        stage: Stage<F, R>,
        talk: Talk<S, B, R>,
    }
}

pin_project! {
    #[project = StageProj]
    enum Stage<F, R> {
        /// Nothing has been decided.
        Start,
        /// The next leg is decided; the connection is to become ready for it.
        Ready,
        /// A leg is out.
        Responding { #[pin] leg: F },
        /// The first leg went before there was anything to say, and this came of it.
        Answered { result: Option<Result<Response<R>, BoxError>> },
        /// A challenge's body is read to its end, so that the connection stays.
        Draining { #[pin] body: R, drained: u64 },
        /// A mechanism's step runs elsewhere.
        Stepping { step: BoxFuture<Stepped>, challenger: Challenger },
        /// The provider looks for credentials.
        Asking { credentials: CredentialsFuture, challenger: Challenger },
        /// Another request tries the same credentials.
        Waiting { turn: Turn, challenger: Challenger },
        /// The result has been returned.
        Done,
    }
}

/// What is known of the request, beside the stage that it is in.
struct Talk<S, B, R> {
    out: Out<S, B>,
    method: Method,
    /// The request's target as it is on the wire.
    uri: Uri,
    /// The same as the origin gets to see it, where a proxy is in between.
    beyond_proxy: Option<Uri>,
    /// How the leg that is out, or was the last, treated the body.
    sent: BodyUse,
    legs: u32,
    plan: Plan<R>,
}

/// Where an action leads.
enum Next<R, B> {
    Leg,
    Drain(R),
    Step(BoxFuture<Stepped>, Challenger),
    Ask(CredentialsFuture, Challenger),
    Wait(Turn, Challenger),
    Deliver(Response<R>),
    Fail(Box<Failure<B>>),
}

impl<S, F, B, R> Conversation<S, F, B, R>
where
    S: Line<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    /// A request of which nothing has been sent.
    pub(super) fn new(mut channel: Channel<S>, pending: Pending<B>) -> Self {
        let Pending { request, identity, proxy_identity } = pending;
        let state = &mut *channel.state;
        state.saved.save(&request);
        state.identity = identity;
        state.proxy_identity = proxy_identity;
        let (parts, payload) = request.into_parts();
        let beyond_proxy = state.proxy.as_ref().map(|_| origin_form(&parts.uri));
        let talk = Talk {
            out: Out::new(channel, payload),
            method: parts.method.clone(),
            uri: parts.uri.clone(),
            beyond_proxy,
            sent: BodyUse::Withheld,
            legs: 0,
            plan: Plan::new(Some(parts)),
        };
        Self { stage: Stage::Start, talk }
    }

    /// A request that went as its caller made it, with the connection's owner as its identity.
    pub(super) fn answered(mut out: Out<S, B>, result: Result<Response<R>, BoxError>) -> Self {
        let state = &mut *out.channel_mut().state;
        state.identity = state.origin.owner().cloned().unwrap_or(Identity::None);
        state.proxy_identity = Identity::None;
        let Parts { method, uri, .. } = state.saved.restore();
        // With a proxy, every request begins as a conversation.
        let (beyond_proxy, plan) = (None, Plan::new(None));
        let talk = Talk { out, method, uri, beyond_proxy, sent: BodyUse::Carried, legs: 0, plan };
        Self { stage: Stage::Answered { result: Some(result) }, talk }
    }

    /// The connection, after the result; `None` if it is lost.
    pub(super) fn take_channel(self: Pin<&mut Self>) -> Option<Channel<S>> {
        self.project().talk.out.channel.take()
    }
}

impl<S, F, B, R> Future for Conversation<S, F, B, R>
where
    S: Line<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<R>, Box<Failure<B>>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            let polled = match this.stage.as_mut().project() {
                StageProj::Start => Poll::Ready(this.talk.start()),
                StageProj::Ready => match this.talk.poll_leg(cx) {
                    Poll::Ready(Ok(leg)) => {
                        this.stage.set(Stage::Responding { leg });
                        continue;
                    }
                    Poll::Ready(Err(error)) => Poll::Ready(Next::Fail(this.talk.lost(error, true))),
                    Poll::Pending => Poll::Pending,
                },
                StageProj::Responding { leg } => {
                    let line = &mut this.talk.out.channel_mut().service;
                    line.poll_response(leg, cx).map(|result| this.talk.answered(result.map_err(Into::into)))
                }
                StageProj::Answered { result } => {
                    Poll::Ready(this.talk.answered(result.take().expect("it goes to the next stage at once")))
                }
                StageProj::Draining { body, drained } => this.talk.poll_drain(body, drained, cx),
                StageProj::Stepping { step, challenger } => step
                    .as_mut()
                    .poll(cx)
                    .map(|stepped| this.talk.resume(*challenger, Answer::Stepped(stepped))),
                StageProj::Asking { credentials, challenger } => {
                    credentials.as_mut().poll(cx).map(|credentials| match credentials {
                        Ok(credentials) => this.talk.resume(*challenger, Answer::Credentials(credentials)),
                        Err(error) => Next::Fail(Failure::new(ErrorKind::Credentials(error))),
                    })
                }
                StageProj::Waiting { turn, challenger } => {
                    Pin::new(turn).poll(cx).map(|()| this.talk.resume(*challenger, Answer::Turn))
                }
                StageProj::Done => panic!("polled after it was ready"),
            };
            let next = match polled {
                Poll::Ready(next) => next,
                Poll::Pending => Next::Fail(ready!(this.talk.poll_deadlines(cx))),
            };
            this.stage.set(match next {
                Next::Leg => Stage::Ready,
                Next::Drain(body) => Stage::Draining { body, drained: 0 },
                Next::Step(step, challenger) => Stage::Stepping { step, challenger },
                Next::Ask(credentials, challenger) => Stage::Asking { credentials, challenger },
                Next::Wait(turn, challenger) => Stage::Waiting { turn, challenger },
                Next::Deliver(response) => {
                    this.stage.set(Stage::Done);
                    this.talk.out.channel_mut().state.answered();
                    return Poll::Ready(Ok(response));
                }
                Next::Fail(failure) => {
                    this.stage.set(Stage::Done);
                    // Untouched by a request of another identity, unless its proxy was spoken to.
                    let untouched = match failure.error.kind() {
                        ErrorKind::NewConnectionNeeded(Renewal::OtherIdentity) => {
                            this.talk.out.channel().state.proxy.is_none()
                        }
                        _ => false,
                    };
                    if !untouched {
                        this.talk.out.lose();
                    }
                    return Poll::Ready(Err(failure));
                }
            });
        }
    }
}

impl<S, B, R> Talk<S, B, R>
where
    S: Line<B, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    /// Decides what the first leg carries; the proxy, which sees it first, is asked first.
    fn start(&mut self) -> Next<R, B> {
        match self.out.channel().state.proxy {
            Some(_) => self.begin(Challenger::Proxy),
            None => self.begin(Challenger::Origin),
        }
    }

    fn begin(&mut self, challenger: Challenger) -> Next<R, B> {
        let action = self.begin_leg(challenger);
        self.act(challenger, action)
    }

    fn begin_leg(&mut self, challenger: Challenger) -> Action {
        let (channel, payload) = self.out.both_mut();
        let state = &mut *channel.state;
        match (challenger, &mut state.proxy) {
            (Challenger::Proxy, Some(proxy)) => {
                proxy.begin(&state.proxy_identity, payload.context(&self.method, &self.uri))
            }
            _ => {
                self.plan.origin_begun = true;
                let target = self.beyond_proxy.as_ref().unwrap_or(&self.uri);
                state.origin.begin(&state.identity, payload.context(&self.method, target))
            }
        }
    }

    fn resume(&mut self, challenger: Challenger, answer: Answer) -> Next<R, B> {
        let action = self.with_handshake(challenger, |handshake, request| handshake.resume(answer, request));
        self.act(challenger, action)
    }

    /// What a leg came to.
    fn answered(&mut self, result: Result<Response<R>, BoxError>) -> Next<R, B> {
        match result {
            Ok(response) => {
                let (challenger, action) = self.received(&response);
                self.plan.response = Some(response);
                self.act(challenger, action)
            }
            Err(error) => Next::Fail(self.lost(error, false)),
        }
    }

    /// What the handshakes say to a leg's response.
    fn received(&mut self, response: &Response<R>) -> (Challenger, Action) {
        self.legs += 1;
        let withheld = self.is_withheld();
        self.report(response, withheld);
        let (channel, payload) = self.out.both_mut();
        let (state, request) = (&mut *channel.state, payload.context(&self.method, &self.uri));
        if state.origin.awaits_channel_bindings() {
            state.origin.learn_channel_bindings(response.extensions().get().cloned());
        }
        let head = ResponseHead::of(response);
        let by_proxy = head.status == Challenger::Proxy.status();
        self.plan.answered(by_proxy && state.proxy.is_some());
        match &mut state.proxy {
            Some(proxy) if by_proxy => (Challenger::Proxy, proxy.receive(head, withheld, request)),
            Some(proxy) => (Challenger::Proxy, proxy.pass(head)),
            None => (Challenger::Origin, state.origin.receive(head, withheld, request)),
        }
    }

    /// Does what a handshake wants, up to the point where something must be waited for.
    fn act(&mut self, mut challenger: Challenger, mut action: Action) -> Next<R, B> {
        loop {
            match action {
                Action::Send { authorization, body } => {
                    let has_proxy = self.out.channel().state.proxy.is_some();
                    match self.plan.decide(challenger, NextLeg { authorization, body }, has_proxy) {
                        Some(undecided) => {
                            challenger = undecided;
                            action = self.begin_leg(undecided);
                        }
                        None => return self.leg(),
                    }
                }
                Action::Deliver(outcome) => {
                    let response = self.plan.response.take().expect("only a response is delivered");
                    if challenger == Challenger::Proxy && response.status() != Challenger::Proxy.status() {
                        // The proxy is content: now the origin's own view of the response.
                        let plan = &mut self.plan;
                        plan.proxy_outcome = outcome.or(plan.proxy_outcome.take());
                        challenger = Challenger::Origin;
                        if !plan.origin_begun {
                            // The leg was the proxy's alone, and it wanted none: begin at the origin.
                            plan.response = Some(response);
                            action = self.begin_leg(Challenger::Origin);
                            continue;
                        }
                        let withheld = self.is_withheld();
                        action = self.with_handshake(Challenger::Origin, |handshake, request| {
                            handshake.receive(ResponseHead::of(&response), withheld, request)
                        });
                        self.plan.response = Some(response);
                        continue;
                    }
                    return self.deliver(response, outcome);
                }
                Action::Step(job) => {
                    self.handshake_begins();
                    let environment = &self.out.channel().state.environment;
                    let moment = match environment.moment() {
                        Ok(moment) => moment,
                        Err(kind) => return Next::Fail(Failure::new(kind)),
                    };
                    match &environment.blocking {
                        Some(blocking) if job.may_block() => {
                            return Next::Step(blocking.run(job, moment), challenger);
                        }
                        _ => {
                            let answer = Answer::Stepped(job.run(moment));
                            action = self.with_handshake(challenger, |handshake, request| {
                                handshake.resume(answer, request)
                            });
                        }
                    }
                }
                Action::Ask(question) => {
                    self.handshake_begins();
                    match self.out.channel().state.origin.provider() {
                        Some(provider) => {
                            return Next::Ask(provider.credentials(question.query()), challenger);
                        }
                        None => {
                            action = self.with_handshake(challenger, |handshake, request| {
                                handshake.resume(Answer::Credentials(None), request)
                            });
                        }
                    }
                }
                Action::Wait(turn) => {
                    self.handshake_begins();
                    return Next::Wait(turn, challenger);
                }
                Action::Renew(renewal) => return Next::Fail(self.renewal(renewal)),
                Action::Fail(error) => return Next::Fail(Failure::new(ErrorKind::Handshake(error))),
            }
        }
    }

    /// The next leg is decided. A challenge in hand is read to its end first.
    fn leg(&mut self) -> Next<R, B> {
        let Some(response) = self.plan.response.take() else { return Next::Leg };
        if self.sent == BodyUse::Carried {
            match self.out.payload.replay() {
                Replay::Here => {}
                Replay::Elsewhere => return Next::Fail(self.renewal(Renewal::UnfinishedUpload)),
                Replay::Never => {
                    let kept = self.out.channel().state.environment.limits.replay;
                    return Next::Fail(Failure::new(ErrorKind::BodyNotReplayable { kept }));
                }
            }
        }
        self.handshake_begins();
        let body = response.into_body();
        if body.is_end_stream() {
            return Next::Leg;
        }
        let channel = self.out.channel();
        let environment = &channel.state.environment;
        if body.size_hint().lower() > environment.limits.drain {
            return Next::Fail(self.renewal(Renewal::LongChallenge));
        }
        self.plan.deadlines.drain_begins(environment);
        Next::Drain(body)
    }

    fn poll_drain(
        &mut self,
        mut body: Pin<&mut R>,
        drained: &mut u64,
        cx: &mut Context<'_>,
    ) -> Poll<Next<R, B>> {
        loop {
            let frame = match body.as_mut().poll_frame(cx) {
                Poll::Ready(frame) => frame,
                Poll::Pending => {
                    ready!(self.plan.deadlines.poll_drain(cx));
                    return Poll::Ready(Next::Fail(self.renewal(Renewal::LongChallenge)));
                }
            };
            match frame {
                None => {
                    self.plan.deadlines.drain_ends();
                    return Poll::Ready(Next::Leg);
                }
                Some(Ok(frame)) => {
                    *drained += frame.data_ref().map_or(0, |data| data.remaining() as u64);
                    if *drained > self.out.channel().state.environment.limits.drain {
                        return Poll::Ready(Next::Fail(self.renewal(Renewal::LongChallenge)));
                    }
                }
                Some(Err(_)) => return Poll::Ready(Next::Fail(self.renewal(Renewal::ClosedInHandshake))),
            }
        }
    }

    /// Awaits the connection and puts the leg on it.
    fn poll_leg(&mut self, cx: &mut Context<'_>) -> Poll<Result<S::Leg, BoxError>> {
        let (channel, payload) = self.out.both_mut();
        ready!(channel.service.poll_ready(cx)).map_err(Into::into)?;
        let environment = &channel.state.environment;
        let plan = &mut self.plan;
        let mut parts = plan.parts.take().unwrap_or_else(|| channel.state.saved.restore());
        self.sent = plan.body_use();
        plan.authorize(&mut parts.headers, environment.observer.is_some());
        let body = match self.sent {
            BodyUse::Withheld => {
                withhold_body(&parts.method, &mut parts.headers);
                LegBody::empty()
            }
            BodyUse::Carried => {
                let length = declared_length(&parts.headers);
                payload.leg(&mut channel.service, environment.limits.replay, length)
            }
        };
        if channel.state.expects_challenge() {
            keep_open(&mut parts.headers);
        }
        plan.deadlines.leg_begins(environment, self.sent == BodyUse::Carried && !payload.is_empty());
        let mut request = Request::from_parts(parts, body);
        if self.sent == BodyUse::Carried && payload.is_empty() {
            declare_empty(&mut request);
        }
        Poll::Ready(Ok(channel.service.send(request)))
    }

    fn deliver(&mut self, mut response: Response<R>, outcome: Option<Box<Outcome>>) -> Next<R, B> {
        if let Some(outcome) = outcome.or(self.plan.proxy_outcome.take()) {
            response.extensions_mut().insert(*outcome);
        }
        Next::Deliver(response)
    }

    /// The connection failed, perhaps before it took the request.
    fn lost(&mut self, error: BoxError, not_called: bool) -> Box<Failure<B>> {
        let loss = Loss { error, not_called, sent: self.sent, legs: self.legs };
        let state = &mut self.out.channel_mut().state;
        let (retry, kind) = loss.judge(state);
        let mut failure = Failure::new(kind);
        failure.retry = retry.and_then(|retry| Some((retry, self.again()?)));
        failure
    }

    /// The connection cannot serve the request (any more).
    fn renewal(&mut self, renewal: Renewal) -> Box<Failure<B>> {
        Failure::renewal(renewal, self.again())
    }

    /// The request once more, where its body is still to be had.
    fn again(&mut self) -> Option<Pending<B>> {
        self.out.payload.cut_off();
        if self.out.payload.replay() == Replay::Never {
            return None;
        }
        let payload = std::mem::replace(&mut self.out.payload, Payload::Empty);
        let unsent = self.plan.parts.take();
        let state = &self.out.channel().state;
        let parts = unsent.unwrap_or_else(|| state.saved.restore());
        Some(Pending {
            request: Request::from_parts(parts, payload),
            identity: state.identity.clone(),
            proxy_identity: state.proxy_identity.clone(),
        })
    }

    fn handshake_begins(&mut self) {
        let channel = self.out.channel();
        let environment = &channel.state.environment;
        self.plan.deadlines.handshake_begins(environment);
    }

    fn poll_deadlines(&mut self, cx: &mut Context<'_>) -> Poll<Box<Failure<B>>> {
        let limits = &self.out.channel().state.environment.limits;
        self.plan.deadlines.poll(limits, cx).map(Failure::new)
    }

    /// Tells the observer, if there is one, of a leg.
    fn report(&mut self, response: &Response<R>, body_withheld: bool) {
        let state = &self.out.channel().state;
        let Some(observer) = &state.environment.observer else { return };
        let authorization = std::mem::take(&mut self.plan.sent_tokens);
        let mut challenges = observe::challenges(Challenger::Origin, response.headers());
        if state.proxy.is_some() {
            challenges.extend(observe::challenges(Challenger::Proxy, response.headers()));
        }
        observer.leg(&LegReport {
            connection: state.id,
            leg: self.legs,
            request: match self.uri.path() {
                "" => format!("{} {}", self.method, self.uri),
                path => format!("{} {path}", self.method),
            },
            authorization,
            body_withheld,
            status: response.status(),
            challenges,
        });
    }

    /// Whether the leg that is out, or was the last, kept a body back.
    fn is_withheld(&self) -> bool {
        self.sent == BodyUse::Withheld && !self.out.payload.is_empty()
    }

    fn with_handshake<T>(
        &mut self,
        challenger: Challenger,
        act: impl FnOnce(&mut Handshake, RequestContext<'_>) -> T,
    ) -> T {
        let (channel, payload) = self.out.both_mut();
        let state = &mut *channel.state;
        match (challenger, &mut state.proxy) {
            (Challenger::Proxy, Some(proxy)) => act(proxy, payload.context(&self.method, &self.uri)),
            _ => {
                let target = self.beyond_proxy.as_ref().unwrap_or(&self.uri);
                act(&mut state.origin, payload.context(&self.method, target))
            }
        }
    }
}
