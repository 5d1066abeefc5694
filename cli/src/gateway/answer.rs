//! What the proxy itself answers. Nothing of the upstream proxy's own pages is in it.

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use legwork::Outcome;
use legwork::client::tunnel::TunnelErrorKind;
use legwork::handshake::{Refusal, Why};
use legwork::protection_space::Challenger;
use legwork::service::{BoxError, Error, ErrorKind};

use crate::chain::chain;

use super::access::NotAdmitted;
use super::proxy::{NoResponse, NoTunnel};

pub(crate) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// Plain text; the connection ends behind it, since what follows may be octets for a tunnel.
pub(super) fn text(status: StatusCode, text: impl Into<Bytes>) -> Response<Body> {
    let body = Full::from(text.into()).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Before there was a request.
pub(super) fn not_admitted(why: &NotAdmitted) -> String {
    let said = format!("legwork gateway: {why}.\n");
    format!(
        "HTTP/1.1 403 Forbidden\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: \
         close\r\n\r\n{said}",
        said.len()
    )
}

/// A request that nobody is to be logged in for.
pub(super) fn forbidden(why: &NotAdmitted) -> Response<Body> {
    text(StatusCode::FORBIDDEN, format!("legwork gateway: {why}.\n"))
}

/// A request that would come back again and again.
pub(super) fn looped() -> Response<Body> {
    text(StatusCode::LOOP_DETECTED, format!("legwork gateway: {}.\n", NotAdmitted::Loop))
}

/// A response that would be passed on as something else than it is.
pub(super) fn coded() -> Response<Body> {
    let said = "legwork gateway: the response has a Transfer-Encoding other than chunked\n";
    text(StatusCode::BAD_GATEWAY, said)
}

/// Asks for the token.
pub(super) fn no_token(status: StatusCode, why: &NotAdmitted) -> Response<Body> {
    let mut response = text(status, format!("legwork gateway: {why}.\n"));
    let field = match status {
        StatusCode::PROXY_AUTHENTICATION_REQUIRED => header::PROXY_AUTHENTICATE,
        _ => header::WWW_AUTHENTICATE,
    };
    let challenge = HeaderValue::from_static("Basic realm=\"legwork gateway\", charset=\"UTF-8\"");
    response.headers_mut().insert(field, challenge);
    response
}

/// Why there is no tunnel; then the same in a few words, without its target.
pub(super) fn no_tunnel(error: &NoTunnel) -> (Response<Body>, String) {
    let (status, why, refusal) = match error {
        NoTunnel::Target => (StatusCode::BAD_REQUEST, error.to_string(), None),
        NoTunnel::Way(why) => (StatusCode::BAD_GATEWAY, why.to_string(), None),
        NoTunnel::Proxy(invalid) => (StatusCode::BAD_GATEWAY, chain(invalid), None),
        NoTunnel::Unreachable { error, .. } => (StatusCode::BAD_GATEWAY, chain(error), None),
        NoTunnel::Timeout { after, .. } => {
            (StatusCode::GATEWAY_TIMEOUT, format!("no connection within {after:?}"), None)
        }
        NoTunnel::Through(error) => through(error.kind()),
    };
    (text(status, format!("legwork gateway: {}.\n{}", chain(error), advice(refusal))), why)
}

fn through(kind: &TunnelErrorKind) -> (StatusCode, String, Option<&Refusal>) {
    let (status, why) = match kind {
        TunnelErrorKind::Target(invalid) => (StatusCode::BAD_REQUEST, invalid.to_string()),
        TunnelErrorKind::Timeout(after) => {
            (StatusCode::GATEWAY_TIMEOUT, format!("no tunnel within {after:?}"))
        }
        TunnelErrorKind::Failed(error) => (status_of(error), chain(error)),
        TunnelErrorKind::Unreachable(error) => {
            (StatusCode::BAD_GATEWAY, format!("the proxy cannot be reached: {}", chain(&**error)))
        }
        TunnelErrorKind::Answered { refusal: Some(refusal), .. } => {
            return (StatusCode::BAD_GATEWAY, refusal.to_string(), Some(refusal));
        }
        TunnelErrorKind::Answered { status, reason, .. } => {
            (StatusCode::BAD_GATEWAY, format!("the proxy answered {} {reason}", status.as_u16()))
        }
        _ => (StatusCode::BAD_GATEWAY, "the proxy opens no tunnel".to_owned()),
    };
    (status, why, None)
}

/// Whether a challenge stands: of a proxy, or of the origin.
pub(super) fn is_refused<B>(response: &Response<B>) -> bool {
    response.status() == StatusCode::PROXY_AUTHENTICATION_REQUIRED
        || matches!(response.extensions().get(), Some(Outcome::Refused(_)))
}

/// A challenge stands. It would be no use to a program that cannot log in.
pub(super) fn no_login<B>(challenge: &Response<B>) -> (Response<Body>, String) {
    let refusal = match challenge.extensions().get() {
        Some(Outcome::Refused(refusal)) => Some(refusal),
        _ => None,
    };
    let status = challenge.status();
    let who = match refusal {
        Some(refusal) if refusal.challenger == Challenger::Origin => refusal.origin.to_string(),
        _ => "the proxy".to_owned(),
    };
    let why = match refusal {
        Some(refusal) => refusal.to_string(),
        None => "its challenge could not be read".to_owned(),
    };
    let said = format!("legwork gateway: {who} answered {status}: {why}.\n{}", advice(refusal));
    (text(StatusCode::BAD_GATEWAY, said), why)
}

/// Why there is no response.
pub(super) fn no_response(error: &NoResponse) -> (Response<Body>, String) {
    let (status, why) = match error {
        NoResponse::Way(why) => (StatusCode::BAD_GATEWAY, why.to_string()),
        NoResponse::Failed(error) => (status_of(error), chain(error)),
    };
    (text(status, format!("legwork gateway: no response: {why}.\n")), why)
}

fn status_of(error: &Error) -> StatusCode {
    match error.kind() {
        ErrorKind::Timeout(..) => StatusCode::GATEWAY_TIMEOUT,
        ErrorKind::Origin(_) => StatusCode::BAD_REQUEST,
        ErrorKind::ShutDown => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
    }
}

/// What whoever has started the gateway can do about it.
fn advice(refusal: Option<&Refusal>) -> &'static str {
    let is_why = |wanted: fn(&Why) -> bool| {
        refusal.is_some_and(|refusal| refusal.tried.iter().any(|tried| wanted(&tried.why)))
    };
    if is_why(|why| matches!(why, Why::Refused(_) | Why::RefusedBefore)) {
        "The login was tried once and is not tried again, since that could lock the account: start the gateway \
         again with the right user and password.\n"
    } else if is_why(|why| *why == Why::NoCredentials) {
        "Start the gateway with --user, or with --ticket; for a proxy that a PAC file names, with --pac-login-at, too.\n"
    } else if is_why(|why| *why == Why::RevealsSecret) {
        "Start the gateway with --insecure-basic where the network in between is trusted.\n"
    } else {
        ""
    }
}
