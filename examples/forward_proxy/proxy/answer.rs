//! What the proxy itself answers. Nothing of the upstream proxy's own pages is in it.

use std::error::Error as _;

use bytes::Bytes;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use legwork::client::tunnel::{TunnelError, TunnelErrorKind};
use legwork::handshake::{Refusal, Why};
use legwork::service::{BoxError, ErrorKind};

pub(super) type Body = UnsyncBoxBody<Bytes, BoxError>;

/// The tunnel is open.
pub(super) fn opened() -> Response<Body> {
    Response::new(Empty::new().map_err(|never| match never {}).boxed_unsync())
}

/// Plain text; the connection ends behind it, since what follows may be octets for a tunnel.
pub(super) fn text(status: StatusCode, text: String) -> Response<Body> {
    let body = Full::from(text).map_err(|never| match never {}).boxed_unsync();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let fields = response.headers_mut();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    fields.insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

/// Why there is no tunnel. A `407` would be no use to a program that knows of no upstream proxy.
pub(super) fn no_tunnel(error: &TunnelError) -> Response<Body> {
    let status = match error.kind() {
        TunnelErrorKind::Target(_) => StatusCode::BAD_REQUEST,
        TunnelErrorKind::Timeout(_) => StatusCode::GATEWAY_TIMEOUT,
        TunnelErrorKind::Failed(error) if matches!(error.kind(), ErrorKind::Timeout(..)) => {
            StatusCode::GATEWAY_TIMEOUT
        }
        _ => StatusCode::BAD_GATEWAY,
    };
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        said = format!("{said}: {error}");
        source = error.source();
    }
    text(status, format!("forward_proxy: {said}.\n{}", advice(error)))
}

/// The same for all targets.
pub(super) fn why(error: &TunnelError) -> String {
    match error.kind() {
        TunnelErrorKind::Answered { refusal: Some(refusal), .. } => refusal.to_string(),
        TunnelErrorKind::Answered { status, reason, .. } => {
            format!("the proxy answered {} {reason}", status.as_u16())
        }
        TunnelErrorKind::Unreachable(error) => format!("the proxy cannot be reached: {error}"),
        TunnelErrorKind::Failed(error) => format!("the conversation with the proxy failed: {error}"),
        TunnelErrorKind::Timeout(after) => format!("no tunnel within {after:?}"),
        _ => error.to_string(),
    }
}

fn advice(error: &TunnelError) -> &'static str {
    match error.kind() {
        TunnelErrorKind::Answered { refusal: Some(refusal), .. } => advice_on(refusal),
        _ => "",
    }
}

/// What whoever has started this proxy can do about it.
fn advice_on(refusal: &Refusal) -> &'static str {
    let is_why = |wanted: fn(&Why) -> bool| refusal.tried.iter().any(|tried| wanted(&tried.why));
    if is_why(|why| matches!(why, Why::Refused(_) | Why::RefusedBefore)) {
        "The password was sent once and is not sent again, lest the account is locked: start forward_proxy \
         anew with the right user and password.\n"
    } else if is_why(|why| *why == Why::NoCredentials) {
        "Start forward_proxy with --user, or with --ticket.\n"
    } else if is_why(|why| *why == Why::RevealsSecret) {
        "Start forward_proxy with --insecure-basic where the network to the proxy is trusted.\n"
    } else {
        ""
    }
}
