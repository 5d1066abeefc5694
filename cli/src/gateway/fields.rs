//! Fields that are for one hop, and those that are for more.

use http::HeaderValue;
use http::header::{self, HeaderMap, HeaderName};

/// Leaves what is meant for more than the next hop (RFC 9110, section 7.6.1).
pub(super) fn end_to_end(fields: &mut HeaderMap) {
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
}

/// Notes this hop (RFC 9110, section 7.6.3).
pub(super) fn via(fields: &mut HeaderMap) {
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

/// Takes out what tells of a login that is none of the program's.
pub(super) fn without_login(fields: &mut HeaderMap) {
    for name in &OF_THE_LOGIN {
        fields.remove(name);
    }
}

static OF_THE_LOGIN: [HeaderName; 4] = [
    header::WWW_AUTHENTICATE,
    HeaderName::from_static("authentication-info"),
    HeaderName::from_static("proxy-support"),
    HeaderName::from_static("persistent-auth"),
];
