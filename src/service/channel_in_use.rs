use crate::service::channel::Channel;
use crate::service::payload::Payload;

/// The connection while a request is on it, and the request's body.
pub(super) struct ChannelInUse<S, B> {
    /// Lent until there is a result; then it goes back, unless it is lost.
    pub(super) channel: Option<Channel<S>>,
    pub(super) payload: Payload<B>,
}

impl<S, B> ChannelInUse<S, B> {
    pub(super) fn new(channel: Channel<S>, payload: Payload<B>) -> Self {
        Self { channel: Some(channel), payload }
    }

    pub(super) fn channel(&self) -> &Channel<S> {
        self.channel.as_ref().expect("the connection is lent until the end")
    }

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
        Self { channel: self.channel.take(), payload }
    }

    /// The connection is lost. Without a response there is no use in sending the rest of the body.
    pub(super) fn lose(&mut self) {
        if let Some(mut channel) = self.channel.take() {
            channel.state.logins.give_up();
            self.payload.cut_off();
        }
    }
}

impl<S, B> Drop for ChannelInUse<S, B> {
    fn drop(&mut self) {
        self.lose();
    }
}
