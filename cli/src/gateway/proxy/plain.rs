//! Requests to `http` origins, in absolute form on both sides.

use std::sync::Arc;

use bytes::Bytes;
use http::header;
use http::{Request, Response, StatusCode, Version};
use hyper::body::{Body as HttpBody, Incoming};
use legwork::Origin;
use legwork::client::AuthenticateFirst;
use legwork::credentials::Anonymous;
use legwork::service::BoxError;

use crate::gateway::access::is_of_origin;
use crate::gateway::answer::{self, Body};
use crate::gateway::body::can_be_sent_again;
use crate::gateway::counts::{Counts, counted};
use crate::gateway::fields::{Hop, end_to_end, framed, without_login};

use super::upstream::Upstream;

/// Forwards requests to the upstream proxy, whose login is the client's business.
pub(super) struct Plain {
    upstream: Arc<Upstream>,
    login_at: Vec<Origin>,
}

impl Plain {
    pub(super) fn new(upstream: Arc<Upstream>, login_at: Vec<Origin>) -> Self {
        Self { upstream, login_at }
    }

    /// The origin's answer as it is, its `401` too unless the login there is ours; or why there is none.
    pub(super) async fn forward(&self, request: Request<Incoming>, counts: &Arc<Counts>) -> Response<Body> {
        let can_be_sent_again = can_be_sent_again(request.body());
        let logs_in = self.logs_in_for(&request);
        let mut request = to_upstream(request, &self.upstream.hop, counts);
        if !logs_in {
            request.extensions_mut().insert(Anonymous);
        } else if !can_be_sent_again {
            request.extensions_mut().insert(AuthenticateFirst);
        }
        match self.upstream.request(request, !logs_in && !can_be_sent_again).await {
            Ok(response) if logs_in && answer::is_refused(&response) => {
                refused(answer::no_login(&response), counts)
            }
            // Upgrade goes no further than here.
            Ok(response) if response.status() == StatusCode::SWITCHING_PROTOCOLS => answer::text(
                StatusCode::BAD_GATEWAY,
                "legwork gateway: the origin changes the protocol, which nobody asked for\n",
            ),
            Ok(mut response) => {
                if logs_in {
                    without_login(response.headers_mut());
                }
                self.answered(response, counts)
            }
            Err(error) => refused(answer::no_response(&error), counts),
        }
    }

    /// Whether the gateway's user is logged in at the origin: where that was asked for, the program does not do it
    /// itself, and no page of another site is behind it. To an origin without TLS, a browser does not always say whose
    /// page it is, and it can log in itself.
    fn logs_in_for<B>(&self, request: &Request<B>) -> bool {
        let origin = self.login_at.iter().find(|origin| origin.is_origin_of(request.uri()));
        let fields = request.headers();
        origin.is_some_and(|origin| {
            let is_browsers = fields
                .get_all(header::USER_AGENT)
                .iter()
                .any(|agent| agent.as_bytes().starts_with(b"Mozilla/"));
            !fields.contains_key(header::AUTHORIZATION)
                && !is_browsers
                && is_of_origin(&origin.to_string(), fields).is_ok()
        })
    }

    fn answered<B>(&self, mut response: Response<B>, counts: &Arc<Counts>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return refused(answer::no_login(&response), counts);
        }
        if framed(response.headers_mut()).is_none() {
            return answer::coded();
        }
        end_to_end(response.headers_mut());
        self.upstream.hop.note(response.headers_mut());
        // It belongs to a connection, and a connection here is none of the upstream's.
        response.headers_mut().remove("proxy-support");
        *response.version_mut() = Version::HTTP_11;
        let counts = Arc::clone(counts);
        response.map(|body| counted(body, counts, |counts| &counts.to_local))
    }
}

fn refused((response, why): (Response<Body>, String), counts: &Counts) -> Response<Body> {
    counts.refused(&why);
    response
}

/// The request as the upstream proxy gets it.
fn to_upstream(request: Request<Incoming>, hop: &Hop, counts: &Arc<Counts>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    end_to_end(&mut parts.headers);
    hop.note(&mut parts.headers);
    // The target says it (RFC 9112, section 3.2.2), and the local side has answered the other.
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::EXPECT);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, counted(body, Arc::clone(counts), |counts| &counts.to_upstream))
}
