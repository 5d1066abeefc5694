//! One request over one connection: in one leg where that will do, else as a conversation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;

use crate::handshake::{Acting, Action, Identity};
use crate::service::body::LegBody;
use crate::service::channel::Channel;
use crate::service::channel_in_use::ChannelInUse;
use crate::service::conversation::Conversation;
use crate::service::error::BoxError;
use crate::service::failure::FailedRequest;
use crate::service::head::{DeclaredLength, declare_empty, declared_length};
use crate::service::leg_service::LegService;
use crate::service::payload::Payload;
use crate::service::prepared_request::PreparedRequest;

pin_project! {
    /// Sends a request until there is a response to deliver. `F` is a leg that is out.
    #[project = SendingProj]
    pub(crate) enum Sending<S, F, B, R> {
        /// The first leg is out, as its caller made it or with what the logins had to say at once.
        Plain { #[pin] leg: F, in_use: ChannelInUse<S, B> },
        /// There is something to be said.
        Conversing { conversation: Pin<Box<Conversation<S, F, B, R>>> },
        /// The connection has gone back.
        Done,
    }
}

impl<S, F, B, R> Sending<S, F, B, R>
where
    S: LegService<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    /// A request that has not been sent.
    #[inline] // So that the request is moved no more often than it has to be.
    pub(crate) fn new(
        mut channel: Channel<S>,
        mut request: Request<B>,
        identity: Identity,
        proxy_identity: Identity,
    ) -> Self {
        let state = &mut *channel.state;
        let ready = std::mem::take(&mut state.ready) && !channel.service.has_to_wait();
        // `go_on` comes last: it changes the handshake's state, which only a request that goes as it is may do.
        let is_plain = ready && !state.is_watched() && state.takes(request.headers(), request.body());
        let is_whole = request.body().is_end_stream();
        if !is_plain || !state.logins.go_on(&identity, request.uri().path(), is_whole) {
            let acting = Acting::new(identity, proxy_identity);
            // A body may have to wait for the server's word, and a proxy takes a target of its own.
            return match is_plain && is_whole && !state.logins.has_proxy() {
                true => Self::begin(channel, request, acting),
                false => Self::again(channel, PreparedRequest { request: request.map(Payload::new), acting }),
            };
        }
        channel.service.keep(request.extensions_mut());
        if state.saved.save(&request) {
            state.logins.serves(request.method(), request.uri().path());
        }
        let length = if is_whole {
            declare_empty(&mut request);
            DeclaredLength::Octets(0)
        } else {
            declared_length(request.headers())
        };
        // Its body is kept like any other: a connection that is logged in may be challenged again.
        let mut payload = Payload::Empty;
        let request = request.map(|body| {
            payload = Payload::new(body);
            payload.leg(&mut channel.service, state.environment.limits.replay, length)
        });
        Self::Plain { leg: channel.service.send(request), in_use: ChannelInUse::new(channel, payload) }
    }

    /// A request without a body, which goes at once if the logins know what it is to carry.
    #[inline(never)] // Its large frame is none of a plain request's.
    fn begin(mut channel: Channel<S>, mut request: Request<B>, acting: Acting) -> Self {
        let state = &mut *channel.state;
        channel.service.keep(request.extensions_mut());
        state.saved.save(&request);
        let action = state.begin(acting, &request);
        if !matches!(action, Action::Send { .. }) || state.logins.expects_challenge() {
            let conversation = Conversation::begun(channel, request.map(Payload::new), action);
            return Self::Conversing { conversation };
        }
        for (challenger, value) in state.logins.authorizations() {
            request.headers_mut().insert(challenger.authorization_field(), value);
        }
        declare_empty(&mut request);
        state.logins.leg_sent();
        let target = Some(request.uri().clone());
        let leg = channel.service.send(request.map(|_| LegBody::empty()));
        let mut in_use = ChannelInUse::new(channel, Payload::Empty);
        in_use.target = target;
        Self::Plain { leg, in_use }
    }

    /// A request that is not to go as it is, or that another connection has failed.
    #[inline(never)] // As above.
    pub(crate) fn again(channel: Channel<S>, prepared: PreparedRequest<B>) -> Self {
        Self::Conversing { conversation: Conversation::new(channel, prepared) }
    }

    /// What came of the first leg is not only for the request's caller.
    #[cold]
    fn converse(
        mut self: Pin<&mut Self>,
        result: Result<(Response<R>, Action), BoxError>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Response<R>, Box<FailedRequest<B>>>> {
        if let SendingProj::Plain { in_use, .. } = self.as_mut().project() {
            let conversation = Conversation::answered(in_use.take(), result);
            self.set(Self::Conversing { conversation });
        }
        self.poll(cx)
    }

    /// The connection, after the result; `None` if it is lost.
    #[inline]
    pub(crate) fn take_channel(mut self: Pin<&mut Self>) -> Option<Channel<S>> {
        let channel = match self.as_mut().project() {
            SendingProj::Plain { in_use, .. } => in_use.give_back(),
            SendingProj::Conversing { conversation } => conversation.as_mut().take_channel(),
            SendingProj::Done => None,
        };
        self.set(Self::Done);
        channel
    }
}

impl<S, F, B, R> Future for Sending<S, F, B, R>
where
    S: LegService<B, Leg = F, Received = R>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Result<Response<R>, Box<FailedRequest<B>>>;

    #[inline] // The same for the response.
    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.as_mut().project() {
            SendingProj::Plain { leg, in_use } => {
                let result = match ready!(in_use.channel_mut().service.poll_response(leg, cx)) {
                    Ok(mut response) => match in_use.receive(&mut response) {
                        None => return Poll::Ready(Ok(response)),
                        Some(action) => Ok((response, action)),
                    },
                    Err(error) => Err(error.into()),
                };
                self.converse(result, cx)
            }
            SendingProj::Conversing { conversation } => conversation.as_mut().poll(cx),
            SendingProj::Done => panic!("polled after it was ready"),
        }
    }
}
