//! Fields that are for one hop, and those that are for more.

use std::hash::{BuildHasher, Hasher, RandomState};

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
    // How long a body is, is not for who sends it to take out: the rest would be the next request.
    let listed = listed.iter().filter(|name| **name != header::CONTENT_LENGTH);
    for name in listed.chain(&HOP_BY_HOP) {
        fields.remove(name);
    }
}

/// What a hop calls itself in `Via` (RFC 9110, section 7.6.3): by a name that no other has, so that it knows what comes back.
pub(super) struct Hop(HeaderValue);

impl Hop {
    pub(super) fn new() -> Self {
        let number = RandomState::new().build_hasher().finish();
        Self(format!("1.1 legwork-{number:016x}").parse().expect("it is ASCII"))
    }

    /// Notes this hop.
    pub(super) fn note(&self, fields: &mut HeaderMap) {
        fields.append(header::VIA, self.0.clone());
    }

    /// Whether a request has been here.
    pub(super) fn is_noted(&self, fields: &HeaderMap) -> bool {
        let hops = fields.get_all(header::VIA).iter();
        let mut hops = hops.flat_map(|value| value.as_bytes().split(|octet| *octet == b','));
        hops.any(|hop| hop.trim_ascii().starts_with(self.0.as_bytes()))
    }
}

/// Leaves one that tells how long the body of a response is. `None` if it is coded in a way that was not undone here.
pub(super) fn framed(fields: &mut HeaderMap) -> Option<()> {
    let mut codings = fields.get_all(header::TRANSFER_ENCODING).iter();
    let Some(coding) = codings.next() else { return Some(()) };
    if codings.next().is_some() || !coding.as_bytes().eq_ignore_ascii_case(b"chunked") {
        return None;
    }
    fields.remove(header::CONTENT_LENGTH);
    Some(())
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hop_knows_itself_among_others() {
        let (own, other) = (Hop::new(), Hop::new());
        let mut fields = HeaderMap::new();
        fields.insert(header::VIA, "1.0 fred, 1.1 squid.example (squid)".parse().expect("a value"));
        other.note(&mut fields);
        assert!(!own.is_noted(&fields) && other.is_noted(&fields), "{fields:?}");
        own.note(&mut fields);
        assert!(own.is_noted(&fields), "{fields:?}");
        // A hop may put the values together.
        let all: Vec<_> =
            fields.get_all(header::VIA).iter().map(|value| value.to_str().expect("text")).collect();
        let all = format!("{} (a comment) , 1.1 next", all.join(",\t"));
        fields.insert(header::VIA, all.parse().expect("a value"));
        assert!(own.is_noted(&fields) && other.is_noted(&fields), "{fields:?}");
    }
}
