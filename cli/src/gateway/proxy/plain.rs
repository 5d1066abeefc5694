//! Requests to `http` origins, in absolute form on both sides.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Incoming};
use legwork::Client;
use legwork::credentials::Anonymous;
use legwork::service::BoxError;

use super::Limits;
use super::answer::{self, Body};
use super::counts::Counts;
use super::upstream::Upstream;

/// How many octets of a body the client keeps, in case that it has to be sent again.
const KEPT: u64 = 64 * 1024;

/// Forwards requests to the upstream proxy, whose login is the client's business.
pub(super) struct Plain {
    client: Client<Body>,
    /// Whether the client knows what the upstream proxy wants.
    is_known: AtomicBool,
    counts: Arc<Counts>,
}

impl Plain {
    pub(super) fn new(upstream: Upstream, limits: &Limits, counts: Arc<Counts>) -> Self {
        let client = Client::builder(upstream.authenticator)
            .proxies(upstream.proxies)
            .max_per_origin(limits.connections)
            .max_total(limits.connections)
            // A connection that is closed is a login that has to be made again.
            .max_idle_per_origin(limits.connections)
            .connect_timeout(limits.tunnel_timeout)
            .build_with_tls(upstream.tls);
        Self { client, is_known: AtomicBool::new(false), counts }
    }

    /// The origin's answer as it is, its `401` too; or why there is none.
    pub(super) async fn forward(&self, request: Request<Incoming>) -> Response<Body> {
        let can_be_sent_again = request.body().size_hint().upper().is_some_and(|octets| octets <= KEPT);
        let request = to_upstream(request, &self.counts);
        if !can_be_sent_again && !self.is_known.load(Ordering::Relaxed) {
            if let Err(response) = self.log_in_ahead(request.uri().clone()).await {
                return response;
            }
        }
        match self.client.request(request).await {
            Ok(response) => self.answered(response),
            Err(error) => {
                self.is_known.store(false, Ordering::Relaxed);
                self.refused(answer::no_response(&error))
            }
        }
    }

    /// A challenge must not meet a body that is too large to be sent again.
    async fn log_in_ahead(&self, uri: Uri) -> Result<(), Response<Body>> {
        let mut head = Request::new(Body::default());
        *head.method_mut() = Method::HEAD;
        *head.uri_mut() = uri;
        head.extensions_mut().insert(Anonymous);
        match self.client.request(head).await {
            Ok(response) if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED => {
                Err(self.answered(response))
            }
            // Whatever else there is to say, the request itself will hear.
            _ => Ok(()),
        }
    }

    fn answered<B>(&self, mut response: Response<B>) -> Response<Body>
    where
        B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
    {
        if response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED {
            return self.refused(answer::no_login(&response));
        }
        self.is_known.store(true, Ordering::Relaxed);
        end_to_end(response.headers_mut());
        // It belongs to a connection, and a connection here is none of the upstream's.
        response.headers_mut().remove("proxy-support");
        *response.version_mut() = Version::HTTP_11;
        let counts = Arc::clone(&self.counts);
        response.map(|body| counted(body, counts, |counts| &counts.to_local))
    }

    fn refused(&self, (response, why): (Response<Body>, String)) -> Response<Body> {
        self.counts.refused(&why);
        response
    }
}

/// The request as the upstream proxy gets it.
fn to_upstream(request: Request<Incoming>, counts: &Arc<Counts>) -> Request<Body> {
    let (mut parts, body) = request.into_parts();
    end_to_end(&mut parts.headers);
    // The target says it (RFC 9112, section 3.2.2), and the local side has answered the other.
    parts.headers.remove(header::HOST);
    parts.headers.remove(header::EXPECT);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    parts.extensions.insert(Anonymous);
    Request::from_parts(parts, counted(body, Arc::clone(counts), |counts| &counts.to_upstream))
}

/// Leaves what is meant for more than the next hop (RFC 9110, section 7.6.1), and notes this one.
fn end_to_end(fields: &mut HeaderMap) {
    let listed: Vec<HeaderName> = fields
        .get_all(header::CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|names| names.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    for name in listed.iter().chain(&HOP_BY_HOP) {
        fields.remove(name);
    }
    fields.append(header::VIA, HeaderValue::from_static("1.1 legwork"));
}

static HOP_BY_HOP: [HeaderName; 9] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHENTICATE,
    header::PROXY_AUTHORIZATION,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

fn counted<B>(body: B, counts: Arc<Counts>, counter: fn(&Counts) -> &AtomicU64) -> Body
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Send + 'static,
{
    let body = body.map_frame(move |frame| {
        let octets = frame.data_ref().map_or(0, Bytes::len);
        counter(&counts).fetch_add(octets as u64, Ordering::Relaxed);
        frame
    });
    body.map_err(Into::into).boxed_unsync()
}
