//! A request before it is sent, with the identities it acts as.

use http::Request;
use http::request::Parts;
use http_body::Body;

use crate::handshake::{Authenticator, Identity};
use crate::protection_space::Challenger;
use crate::service::payload::Payload;

/// A request that can be sent, for the first time or once more.
pub(crate) struct Pending<B> {
    pub(crate) parts: Parts,
    pub(crate) payload: Payload<B>,
    pub(crate) identity: Identity,
    pub(crate) proxy_identity: Identity,
}

impl<B: Body> Pending<B> {
    /// A new request; who it acts as is read from its head.
    pub(crate) fn new(request: Request<B>, authenticator: &Authenticator, by_proxy: bool) -> Self {
        let (mut parts, body) = request.into_parts();
        let identity = Identity::of(&mut parts, Challenger::Origin, authenticator);
        let proxy_identity = match by_proxy {
            true => Identity::of(&mut parts, Challenger::Proxy, authenticator),
            false => Identity::None,
        };
        Self { parts, payload: Payload::new(body), identity, proxy_identity }
    }
}
