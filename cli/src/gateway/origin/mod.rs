//! The listener that stands for an origin: whoever asks it is logged in there.

mod cookies;
mod names;

use std::sync::Arc;

use http::header::{self, HeaderMap, HeaderValue};
use http::{Method, Request, Response, StatusCode, Uri, Version};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use legwork::Origin;
use legwork::client::{AuthenticateFirst, ResponseBody};

use super::access::{Access, NotAdmitted, Own};
use super::answer::{self, Body};
use super::body::can_be_sent_again;
use super::connection::{Answered, Tunnel};
use super::counts::{Counts, counted};
use super::fields::{Hop, end_to_end, framed, without_login};
use super::listener::Peer;
use super::proxy::Upstream;

use self::names::Names;

pub(crate) use self::cookies::Jar;

/// An origin that a listener stands for.
pub(crate) struct ServedOrigin {
    origin: Origin,
    upstream: Arc<Upstream>,
    jar: Arc<Jar>,
    hop: Hop,
}

impl ServedOrigin {
    /// Cookies that no listener without TLS can give to a browser are kept in the jar.
    pub(crate) fn new(origin: Origin, upstream: Arc<Upstream>, jar: Arc<Jar>) -> Self {
        Self { origin, upstream, jar, hop: Hop::new() }
    }

    pub(super) async fn answer(
        &self,
        mut request: Request<Incoming>,
        access: &Access,
        peer: &Peer,
        counts: &Arc<Counts>,
    ) -> Answered {
        // A page that is not this listener's is to learn nothing, not even that there is a token.
        let own = match access.is_for(peer, request.headers()) {
            Ok(own) => own,
            Err(why) => return Answered::refused(answer::forbidden(&why), &why, counts),
        };
        if let Err(why) = access.has_token(request.headers_mut(), header::AUTHORIZATION) {
            return Answered::refused(answer::no_token(StatusCode::UNAUTHORIZED, &why), &why, counts);
        }
        if self.hop.is_noted(request.headers()) {
            return Answered::refused(answer::looped(), &NotAdmitted::Loop, counts);
        }
        let Some(target) = self.target(&request, &own) else {
            let said =
                format!("legwork gateway: this listener stands for {}, and is no proxy\n", self.origin);
            return Answered::Response(answer::text(StatusCode::BAD_REQUEST, said));
        };
        self.forward(request, target, &own, counts).await
    }

    /// The same path at the origin.
    fn target(&self, request: &Request<Incoming>, own: &Own) -> Option<Uri> {
        let uri = request.uri();
        let is_own = match (uri.scheme_str(), uri.authority()) {
            (None, None) => true,
            (Some("http"), Some(authority)) => own.origin() == format!("http://{authority}"),
            _ => false,
        };
        let path = uri.path_and_query().map_or("/", |path| path.as_str());
        if !is_own || !path.starts_with('/') || request.method() == Method::CONNECT {
            return None;
        }
        format!("{}{path}", self.origin).parse().ok()
    }

    async fn forward(
        &self,
        request: Request<Incoming>,
        target: Uri,
        own: &Own,
        counts: &Arc<Counts>,
    ) -> Answered {
        let names = Names { origin: &self.origin, own: &own.origin() };
        let path = target.path().to_owned();
        let (mut parts, body) = request.into_parts();
        let protocol = protocol_wanted(&parts.headers);
        let can_be_sent_again = can_be_sent_again(&body);
        // Then it is the program's own login.
        let is_callers = parts.headers.contains_key(header::AUTHORIZATION);

        to_origin(&mut parts.headers, &names, protocol.as_ref());
        self.hop.note(&mut parts.headers);
        self.jar.add_to(&mut parts.headers, &path);
        parts.uri = target;
        parts.version = Version::HTTP_11;
        parts.extensions.clear();
        if !can_be_sent_again && !is_callers {
            parts.extensions.insert(AuthenticateFirst);
        }
        let body = counted(body, Arc::clone(counts), |counts| &counts.to_upstream);
        let response = match self.upstream.request(Request::from_parts(parts, body), false).await {
            Ok(response) => response,
            Err(error) => {
                let (response, why) = answer::no_response(&error);
                counts.refused(&why);
                return Answered::Response(response);
            }
        };
        if !is_callers && answer::is_refused(&response) {
            let (response, why) = answer::no_login(&response);
            counts.refused(&why);
            return Answered::Response(response);
        }
        if response.status() == StatusCode::SWITCHING_PROTOCOLS && protocol.is_none() {
            let said =
                format!("legwork gateway: {} changes the protocol, which nobody asked for\n", self.origin);
            return Answered::Response(answer::text(StatusCode::BAD_GATEWAY, said));
        }
        self.answered(response, &names, &path, is_callers, counts).await
    }

    async fn answered(
        &self,
        mut response: Response<ResponseBody>,
        names: &Names<'_>,
        path: &str,
        is_callers: bool,
        counts: &Arc<Counts>,
    ) -> Answered {
        let has_changed = response.status() == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = response.headers().get(header::UPGRADE).cloned();
        let fields = response.headers_mut();
        if framed(fields).is_none() {
            return Answered::Response(answer::coded());
        }
        end_to_end(fields);
        self.hop.note(fields);
        if !is_callers {
            without_login(fields);
        }
        fields.remove(header::ALT_SVC);
        names.put_right_in_response(fields);
        self.jar.take_from(fields, path, &self.origin);
        *response.version_mut() = Version::HTTP_11;
        if !has_changed {
            let counts = Arc::clone(counts);
            return Answered::Response(response.map(|body| counted(body, counts, |counts| &counts.to_local)));
        };
        let Ok(far) = hyper::upgrade::on(&mut response).await else {
            let said = "legwork gateway: the connection ended where its protocol changed\n";
            return Answered::Response(answer::text(StatusCode::BAD_GATEWAY, said));
        };
        let mut response = response.map(|_| Body::default());
        if let Some(protocol) = protocol {
            response.headers_mut().insert(header::UPGRADE, protocol);
        }
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        Answered::Tunnel(response, Tunnel::new(Box::new(TokioIo::new(far)), counts))
    }
}

/// What a request wants its connection to become. HTTP/2 would be many requests that nobody here looks at.
fn protocol_wanted(fields: &HeaderMap) -> Option<HeaderValue> {
    let protocol = fields.get(header::UPGRADE)?;
    let is_http = protocol.to_str().ok()?.to_ascii_lowercase().split(',').any(|protocol| {
        let name = protocol.trim();
        name.starts_with("h2") || name.starts_with("http") || name.starts_with("tls")
    });
    let connection = fields.get_all(header::CONNECTION).iter().filter_map(|value| value.to_str().ok());
    let mut listed = connection.flat_map(|value| value.split(',')).map(str::trim);
    (!is_http && listed.any(|name| name.eq_ignore_ascii_case("upgrade"))).then(|| protocol.clone())
}

/// The fields as the origin gets them.
fn to_origin(fields: &mut HeaderMap, names: &Names<'_>, protocol: Option<&HeaderValue>) {
    end_to_end(fields);
    // The target says it.
    fields.remove(header::HOST);
    fields.remove(header::EXPECT);
    fields.remove("http2-settings");
    names.put_right_in_request(fields);
    if let Some(protocol) = protocol {
        fields.insert(header::UPGRADE, protocol.clone());
        fields.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    }
}
