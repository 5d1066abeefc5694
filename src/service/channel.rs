//! One connection together with its authentication.

use std::sync::Arc;

use http::header::{CONTENT_LENGTH, UPGRADE};
use http::{HeaderMap, Request, Response, Version};
use http_body::Body;

use crate::channel_bindings::ChannelBindings;
use crate::handshake::{Acting, Action, Authenticator, Handshake, Logins, Outcome, Protocol, WireRequest};
use crate::protection_space::{Challenger, Origin};
use crate::scheme::RequestContext;
use crate::service::environment::Environment;
use crate::service::expectation::HeldBody;
use crate::service::head::SavedHead;

/// Where a connection leads: requests in origin form do not say.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct ConnectionInfo {
    /// The origin server.
    pub origin: Origin,
    /// The proxy that the requests are sent to, where they are not tunnelled.
    pub proxy: Option<Origin>,
    /// The bindings of the connection's TLS, which ends at the proxy where there is one.
    pub channel_bindings: Option<ChannelBindings>,
    /// Whether the connection tells its channel bindings with its first response instead, in the
    /// extensions.
    pub channel_bindings_follow: bool,
    /// What is spoken on it.
    pub protocol: Protocol,
}

impl ConnectionInfo {
    /// Creates a direct connection without channel bindings.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            proxy: None,
            channel_bindings: None,
            channel_bindings_follow: false,
            protocol: Protocol::Http1,
        }
    }

    /// Sets the proxy that requests are sent to, which may challenge too.
    #[must_use]
    pub fn proxy(mut self, proxy: Origin) -> Self {
        self.proxy = Some(proxy);
        self
    }

    /// Sets the channel bindings of the connection.
    #[must_use]
    pub fn channel_bindings(mut self, bindings: ChannelBindings) -> Self {
        self.channel_bindings = Some(bindings);
        self
    }

    /// Waits for the service to tell the channel bindings with its first response: [`ChannelBindings`] in the
    /// response's extensions, or none there. A login that may be tied to the connection then takes
    /// a leg more on it.
    #[must_use]
    pub fn channel_bindings_follow(mut self) -> Self {
        self.channel_bindings_follow = true;
        self
    }

    /// Sets the protocol. Over HTTP/2 nothing that would be bound to the connection is begun.
    #[must_use]
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }
}

/// A connection and its authentication. It moves into each conversation and comes back.
pub(crate) struct Channel<S> {
    pub(crate) service: S,
    pub(crate) state: Box<ChannelState>,
}

pub(crate) struct ChannelState {
    pub(crate) logins: Logins,
    pub(super) saved: SavedHead,
    pub(super) environment: Arc<Environment>,
    /// Names the connection in reports.
    pub(crate) id: u64,
    /// An earlier request was answered over it: a failure may be its idle time's.
    pub(crate) used: bool,
    /// The body of the request under way waits for the server's word.
    pub(super) held: Option<HeldBody>,
    /// The service has said that it is ready, and nothing was sent since.
    pub(crate) ready: bool,
    /// It was answered over HTTP/1.0. hyper then sends in that version, too.
    is_old: bool,
}

impl ChannelState {
    /// Asks the logins what a request without a body is to carry, on a connection without a proxy.
    pub(super) fn begin<B>(&mut self, acting: Acting, request: &Request<B>) -> Action {
        let on_the_wire = RequestContext::new(request.method(), request.uri(), false, &*self.environment);
        self.logins.begin(acting, WireRequest { on_the_wire, beyond_proxy: None })
    }

    /// A response came. What it says beside its status, before the logins see it: the answer to a challenge in it is to
    /// be tied to this connection.
    pub(super) fn note_response<R>(&mut self, response: &Response<R>) {
        self.note_version(response.version());
        self.logins.learn_channel_bindings(|| response.extensions().get().cloned());
    }

    /// Tells a response's caller what came of the logins.
    pub(super) fn tell<R>(&mut self, response: &mut Response<R>, outcome: Option<Box<Outcome>>) {
        if let Some(outcome) = outcome {
            response.extensions_mut().insert(*outcome);
        }
        // Beside the origin's, not instead of it: both may have had a login with this request.
        if let Some(outcome) = self.logins.take_proxy_outcome() {
            response.extensions_mut().insert(outcome);
        }
    }

    /// Whether somebody is to be told of each leg.
    #[inline]
    pub(super) fn is_watched(&self) -> bool {
        !self.environment.audience.is_empty()
    }

    /// Whether the request under way was answered, or is to be, without its body: which is announced,
    /// so that the connection can carry nothing else.
    pub(super) fn holds_body_back(&self) -> bool {
        self.held.as_ref().is_some_and(HeldBody::is_waiting)
    }

    /// A response came by this version.
    #[inline]
    pub(super) fn note_version(&mut self, version: Version) {
        if version == Version::HTTP_10 {
            self.is_old = true;
            self.logins.origin().memory().note_never_says_continue();
        }
    }

    /// Whether a request with this head and content can be sent to whoever is at the other end. Over HTTP/1.0
    /// content has a declared length, without which hyper leaves it out, and there is no `Upgrade`.
    #[inline]
    pub(super) fn takes(&self, headers: &HeaderMap, content: &impl Body) -> bool {
        let has_length = || content.size_hint().exact().is_some() || headers.contains_key(CONTENT_LENGTH);
        !self.is_old || has_length() && !headers.contains_key(UPGRADE)
    }

    /// A response is delivered.
    #[inline]
    pub(super) fn answered(&mut self) {
        self.used = true;
        self.saved.release_extensions();
    }
}

impl<S> Channel<S> {
    pub(crate) fn new(
        service: S,
        authenticator: &Authenticator,
        environment: Arc<Environment>,
        info: &ConnectionInfo,
    ) -> Self {
        let handshake = |challenger, origin: &Origin, bindings: &Option<ChannelBindings>| {
            Handshake::new(authenticator.clone(), challenger, origin.clone(), bindings.clone())
                .over(info.protocol)
        };
        // TLS ends at who is spoken to.
        let (of_origin, of_proxy) = match info.proxy {
            Some(_) => (&None, &info.channel_bindings),
            None => (&info.channel_bindings, &None),
        };
        let mut origin = handshake(Challenger::Origin, &info.origin, of_origin);
        if info.channel_bindings_follow {
            origin = origin.awaiting_channel_bindings();
        }
        let state = ChannelState {
            logins: match &info.proxy {
                Some(proxy) => {
                    let at_proxy = handshake(Challenger::Proxy, proxy, of_proxy);
                    Logins::new(origin.relayed_by(proxy), Some(at_proxy))
                }
                None => Logins::new(origin, None),
            },
            saved: SavedHead::default(),
            id: environment.next_connection(),
            environment,
            used: false,
            held: None,
            ready: false,
            is_old: false,
        };
        Self { service, state: Box::new(state) }
    }

    /// The same connection as `service` for requests at the same time as this channel's, with an
    /// authentication of their own.
    #[cfg(feature = "client")]
    pub(crate) fn beside(&self, service: S) -> Self {
        let state = ChannelState {
            logins: self.state.logins.beside(),
            saved: SavedHead::default(),
            environment: Arc::clone(&self.state.environment),
            id: self.state.id,
            used: self.state.used,
            held: None,
            ready: false,
            is_old: false,
        };
        Self { service, state: Box::new(state) }
    }

    /// Whether another request can be sent once the response has ended.
    #[cfg(feature = "client")]
    pub(crate) fn is_reusable(&self) -> bool {
        !self.state.holds_body_back() && self.state.logins.is_reusable()
    }
}
