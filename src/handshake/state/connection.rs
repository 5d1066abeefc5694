//! What is known of the connection, and what that means for a login.

use crate::channel_bindings::ChannelBindings;
use crate::handshake::action::ResponseHead;
use crate::handshake::outcome::Why;
use crate::handshake::state::Handshake;
use crate::handshake::version::Protocol;
use crate::mechanism::Binding;
use crate::protection_space::{Challenger, Origin};
use crate::scheme::Scheme;

impl Handshake {
    /// The same by way of a proxy that sees the requests and passes them on. What is bound to a
    /// connection is begun only where the proxy says that it ties the client's to the server's
    /// (`Proxy-Support: Session-Based-Authentication`, RFC 4559, section 6), unless it is
    /// [taken for granted](crate::handshake::AuthenticatorBuilder::assume_proxy_support).
    #[must_use]
    pub(crate) fn relayed_by(mut self, proxy: &Origin) -> Self {
        self.relay = Some(self.authenticator.memory(Challenger::Proxy, proxy));
        self
    }

    /// The same where the channel bindings are not known before there is a response. What may be
    /// tied to the connection does not speak first there.
    #[must_use]
    pub(crate) fn awaiting_channel_bindings(mut self) -> Self {
        self.awaits_bindings = true;
        self
    }

    /// Whether the channel bindings are still to be told.
    #[inline]
    pub(crate) fn awaits_channel_bindings(&self) -> bool {
        self.awaits_bindings
    }

    /// Tells the channel bindings of the connection, now that it has carried a response.
    pub(crate) fn learn_channel_bindings(&mut self, bindings: Option<ChannelBindings>) {
        self.channel_bindings = bindings;
        self.awaits_bindings = false;
    }

    /// The same on a connection by this protocol. Over HTTP/2 nothing that would be bound to the
    /// connection is begun, whatever the server says: it is shared by requests that are none of this
    /// handshake's.
    #[must_use]
    pub(crate) fn over(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// The handshake of other requests on the same connection, at the same time.
    #[cfg(feature = "client")]
    pub(crate) fn beside(&self) -> Self {
        let (authenticator, origin) = (self.authenticator.clone(), self.origin.clone());
        Self {
            awaits_bindings: self.awaits_bindings,
            memory: self.memory.clone(),
            relay: self.relay.clone(),
            protocol: self.protocol,
            ..Self::new(authenticator, self.challenger, origin, self.channel_bindings.clone())
        }
    }

    /// The server takes the request only over HTTP/1.1. Tells whether that is possible, and notes it
    /// for the origin.
    pub(crate) fn needs_http1(&self) -> bool {
        let can_be_had = self.protocol == Protocol::Http2;
        if can_be_had {
            self.memory.need_http1();
        }
        can_be_had
    }

    /// Whether the connection outlives the response.
    pub(crate) fn stays_after(&self, head: ResponseHead<'_>) -> bool {
        let peer = match self.relay {
            Some(_) => Challenger::Proxy,
            None => self.challenger,
        };
        head.is_persistent(peer)
    }

    /// What keeps a login by `scheme` from staying this connection's on its way to the challenger.
    pub(super) fn hindrance(&self, scheme: &dyn Scheme) -> Option<Why> {
        if scheme.binding() == Binding::Request {
            return None;
        }
        if self.protocol == Protocol::Http2Alone {
            return Some(Why::Http2);
        }
        let stays = self.authenticator.assumes_proxy_support()
            || self.relay.as_ref().is_none_or(|relay| relay.ties_connections());
        (!stays).then_some(Why::NoProxySupport)
    }
}
