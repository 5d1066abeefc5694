//! One request over one connection: as its caller made it where that will do, else as a
//! conversation.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tower_service::Service;

use crate::handshake::Identity;
use crate::service::body::LegBody;
use crate::service::channel::Channel;
use crate::service::conversation::Conversation;
use crate::service::error::BoxError;
use crate::service::failure::Failure;
use crate::service::head::{declare_empty, declared_length};
use crate::service::payload::Payload;
use crate::service::pending::Pending;

/// How it ended. The connection comes back unless it is lost.
pub(crate) struct Finished<S, B, R> {
    pub(crate) channel: Option<Channel<S>>,
    pub(crate) result: Result<Response<R>, Box<Failure<B>>>,
}

pin_project! {
    /// Sends a request until there is a response to deliver.
    #[project = SendingProj]
    pub(crate) enum Sending<S, B, R>
    where
        S: Service<Request<LegBody<B>>>,
    {
        /// The connection is authenticated, and the request is out as its caller made it.
        Plain { #[pin] response: S::Future, out: Out<S, B> },
        /// There is something to be said.
        Conversing { conversation: Pin<Box<Conversation<S, B, R>>> },
        /// The result has been returned.
        Done,
    }
}

/// The connection while a request is on it, and the request's body.
pub(super) struct Out<S, B> {
    /// Lent until the end.
    pub(super) channel: Option<Channel<S>>,
    pub(super) payload: Payload<B>,
}

impl<S, B> Out<S, B> {
    pub(super) fn new(channel: Channel<S>, payload: Payload<B>) -> Self {
        Self { channel: Some(channel), payload }
    }

    pub(super) fn channel(&self) -> &Channel<S> {
        self.channel.as_ref().expect("the connection is lent until the end")
    }

    pub(super) fn channel_mut(&mut self) -> &mut Channel<S> {
        self.channel.as_mut().expect("the connection is lent until the end")
    }

    pub(super) fn parts_mut(&mut self) -> (&mut Channel<S>, &mut Payload<B>) {
        let channel = self.channel.as_mut().expect("the connection is lent until the end");
        (channel, &mut self.payload)
    }

    /// The same, to go on elsewhere.
    fn take(&mut self) -> Self {
        let payload = std::mem::replace(&mut self.payload, Payload::Empty);
        Self { channel: self.channel.take(), payload }
    }

    pub(super) fn finished<R>(&mut self, response: Response<R>) -> Finished<S, B, R> {
        let mut channel = self.channel.take();
        if let Some(channel) = &mut channel {
            channel.state.answered();
        }
        Finished { channel, result: Ok(response) }
    }
}

impl<S, B> Drop for Out<S, B> {
    /// Without a response there is no use in sending the rest of the body.
    fn drop(&mut self) {
        if self.channel.is_some() {
            self.payload.cut_off();
        }
    }
}

impl<S, B, R> Sending<S, B, R>
where
    S: Service<Request<LegBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    /// A request that has not been tried.
    pub(crate) fn new(
        mut channel: Channel<S>,
        mut request: Request<B>,
        identity: Identity,
        proxy_identity: Identity,
    ) -> Self {
        let state = &mut *channel.state;
        let ready = std::mem::take(&mut state.ready);
        if !ready || state.proxy.is_some() || !state.origin.go_on(&identity) {
            let request = request.map(Payload::new);
            return Self::again(channel, Pending { request, identity, proxy_identity });
        }
        state.saved.save(&request);
        if request.body().is_end_stream() {
            declare_empty(&mut request);
        }
        let length = request.body().size_hint().exact().or_else(|| declared_length(request.headers()));
        let mut payload = Payload::Empty;
        let request = request.map(|body| {
            payload = Payload::new(body);
            payload.leg(state.environment.limits.replay, length)
        });
        Self::Plain { response: channel.service.call(request), out: Out::new(channel, payload) }
    }

    /// A request that another connection has failed.
    pub(crate) fn again(channel: Channel<S>, pending: Pending<B>) -> Self {
        Self::Conversing { conversation: Box::pin(Conversation::new(channel, pending)) }
    }
}

impl<S, B, R> Future for Sending<S, B, R>
where
    S: Service<Request<LegBody<B>>, Response = Response<R>>,
    S::Error: Into<BoxError>,
    B: Body,
    B::Error: Into<BoxError>,
    R: Body,
{
    type Output = Finished<S, B, R>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Finished<S, B, R>> {
        let finished = match self.as_mut().project() {
            SendingProj::Plain { response, out } => match ready!(response.poll(cx)) {
                Ok(response) if out.channel().state.goes_by(response.status()) => out.finished(response),
                result => {
                    let conversation = Conversation::answered(out.take(), result.map_err(Into::into));
                    self.set(Self::Conversing { conversation: Box::pin(conversation) });
                    return self.poll(cx);
                }
            },
            SendingProj::Conversing { conversation } => ready!(conversation.as_mut().poll(cx)),
            SendingProj::Done => panic!("polled after it was ready"),
        };
        self.set(Self::Done);
        Poll::Ready(finished)
    }
}
