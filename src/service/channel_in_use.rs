use http::{Response, Uri};
use http_body::Body;

use crate::handshake::{Action, ResponseHead, WireRequest};
use crate::service::channel::Channel;
use crate::service::leg_service::LegService;
use crate::service::payload::Payload;

/// The connection while a request is on it, and the request's body.
pub(super) struct ChannelInUse<S, B> {
    /// Lent until there is a result; then it goes back, unless it is lost.
    pub(super) channel: Option<Channel<S>>,
    pub(super) payload: Payload<B>,
    /// The request's target, where the logins have looked at it before its first leg.
    pub(super) target: Option<Uri>,
}

impl<S, B> ChannelInUse<S, B> {
    #[inline]
    pub(super) fn new(channel: Channel<S>, payload: Payload<B>) -> Self {
        Self { channel: Some(channel), payload, target: None }
    }

    pub(super) fn channel(&self) -> &Channel<S> {
        self.channel.as_ref().expect("the connection is lent until the end")
    }

    #[inline]
    pub(super) fn channel_mut(&mut self) -> &mut Channel<S> {
        self.channel.as_mut().expect("the connection is lent until the end")
    }

    pub(super) fn both_mut(&mut self) -> (&mut Channel<S>, &mut Payload<B>) {
        let channel = self.channel.as_mut().expect("the connection is lent until the end");
        (channel, &mut self.payload)
    }

    /// The same, to go on elsewhere.
    pub(super) fn take(&mut self) -> Self {
        let payload = std::mem::replace(&mut self.payload, Payload::Empty);
        Self { channel: self.channel.take(), payload, target: self.target.take() }
    }

    /// The connection is lost. Without a response there is no use in sending the rest of the body.
    pub(super) fn lose(&mut self) {
        if let Some(mut channel) = self.channel.take() {
            channel.state.logins.give_up();
            self.payload.cut_off();
        }
    }
}

impl<S, B: Body> ChannelInUse<S, B> {
    /// The connection, after the result, with what its next request's body can go through; `None` if it is lost.
    #[inline]
    pub(super) fn give_back(&mut self) -> Option<Channel<S>>
    where
        S: LegService<B>,
    {
        let mut channel = self.channel.take()?;
        if let Some(tee) = std::mem::replace(&mut self.payload, Payload::Empty).into_spare() {
            channel.service.keep_tee(tee);
        }
        Some(channel)
    }

    /// Takes the response to the first leg, of which there was no conversation. Gives what is to be done if that is
    /// not to deliver it.
    #[inline]
    pub(super) fn receive<R>(&mut self, response: &mut Response<R>) -> Option<Action> {
        let state = &mut *self.channel_mut().state;
        if state.logins.passes_through(response.status()) {
            state.note_version(response.version());
            state.answered();
            return None;
        }
        self.receive_closely(response)
    }

    #[inline(never)] // What is looked at here, most responses do not need.
    fn receive_closely<R>(&mut self, response: &mut Response<R>) -> Option<Action> {
        let channel = self.channel.as_mut().expect("the connection is lent until the end");
        let state = &mut *channel.state;
        state.note_response(response);
        if self.target.is_none() {
            state.logins.went_on();
        }
        let target = self.target.get_or_insert_with(|| state.saved.restore().uri);
        let on_the_wire = self.payload.context(state.saved.method(), target, &*state.environment);
        let request = WireRequest { on_the_wire, beyond_proxy: None };
        match state.logins.receive(ResponseHead::of(response), request) {
            Action::Deliver(outcome) => {
                state.tell(response, outcome);
                state.answered();
                None
            }
            action => Some(action),
        }
    }
}

impl<S, B> Drop for ChannelInUse<S, B> {
    #[inline]
    fn drop(&mut self) {
        if self.channel.is_some() {
            self.lose();
        }
    }
}
