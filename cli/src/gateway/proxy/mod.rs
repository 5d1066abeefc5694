//! The listener of those who take it for their proxy: no login on this side, whatever the upstream proxy wants on the other.

mod kept;
mod plain;
mod resting;
mod route;
mod upstream;
mod way;

use std::sync::Arc;

use http::header::HeaderMap;
use http::{Method, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use legwork::Origin;

use super::access::{Access, NotAdmitted};
use super::answer::{self, Body};
use super::connection::{Answered, Tunnel};
use super::counts::Counts;
use super::listener::Peer;
use super::status;

use self::plain::Plain;

pub(crate) use self::upstream::{Chosen, NoResponse, Upstream};
pub(super) use self::way::NoTunnel;

/// A proxy in front of others.
pub(crate) struct ForwardProxy {
    upstream: Arc<Upstream>,
    plain: Plain,
}

impl ForwardProxy {
    /// Goes by way of `upstream`, which logs in at proxies; at an origin only if it is one of these.
    pub(crate) fn new(upstream: Arc<Upstream>, login_at: Vec<Origin>) -> Self {
        Self { plain: Plain::new(Arc::clone(&upstream), login_at), upstream }
    }

    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        access: &Access,
        peer: &Peer,
        counts: &Arc<Counts>,
    ) -> Answered {
        // A page can send that, and nothing else, to a proxy that its browser does not know.
        if request.uri().scheme().is_none() && request.method() != Method::CONNECT {
            if let Err(why) = access.is_for(peer, request.headers()) {
                return Answered::refused(answer::forbidden(&why), &why, counts);
            }
            if let Err(why) = access.has_token(request.headers_mut(), header::AUTHORIZATION) {
                return Answered::refused(answer::no_token(StatusCode::UNAUTHORIZED, &why), &why, counts);
            }
            return Answered::Response(status::answer(&request, counts));
        }
        if let Err(why) = access.has_token(request.headers_mut(), header::PROXY_AUTHORIZATION) {
            return Answered::refused(
                answer::no_token(StatusCode::PROXY_AUTHENTICATION_REQUIRED, &why),
                &why,
                counts,
            );
        }
        if self.upstream.hop.is_noted(request.headers()) {
            return Answered::refused(answer::looped(), &NotAdmitted::Loop, counts);
        }
        match request.uri().scheme_str() {
            // Whether it is the tunnel's first octets, others would read otherwise.
            _ if request.method() == Method::CONNECT && has_content(request.headers()) => {
                let said = "legwork gateway: CONNECT has no content; what follows it is the tunnel's\n";
                Answered::Response(answer::text(StatusCode::BAD_REQUEST, said))
            }
            _ if request.method() == Method::CONNECT => match self.connect(request.uri(), counts).await {
                Ok(tunnel) => Answered::Tunnel(Response::new(Body::default()), tunnel),
                Err(response) => Answered::Response(response),
            },
            Some("http") => Answered::Response(self.plain.forward(request, counts).await),
            _ => Answered::Response(answer::text(
                StatusCode::BAD_REQUEST,
                "legwork gateway: what is not http goes through a tunnel, which CONNECT asks for\n",
            )),
        }
    }

    /// Opens a tunnel to host and port.
    async fn connect(&self, target: &Uri, counts: &Arc<Counts>) -> Result<Tunnel, Response<Body>> {
        let target = target.authority().filter(|authority| authority.port_u16().is_some());
        let opened = match target {
            Some(target) => self.upstream.open(target).await,
            None => Err(NoTunnel::Target),
        };
        match opened {
            Ok(far) => Ok(Tunnel::new(far, counts)),
            Err(error) => {
                let (response, why) = answer::no_tunnel(&error);
                counts.refused(&why);
                Err(response)
            }
        }
    }
}

/// Some say of a `CONNECT` that there are no octets in it.
fn has_content(fields: &HeaderMap) -> bool {
    fields.contains_key(header::TRANSFER_ENCODING)
        || fields.get_all(header::CONTENT_LENGTH).iter().any(|length| length != "0")
}
