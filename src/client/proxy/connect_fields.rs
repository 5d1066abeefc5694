use http::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::client::proxy::error::InvalidProxy;

/// What `CONNECT` says of this side, where the caller says nothing else.
const USER_AGENT: HeaderValue = HeaderValue::from_static(concat!("legwork/", env!("CARGO_PKG_VERSION")));

/// The caller's own fields of `CONNECT`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::client) struct ConnectFields(HeaderMap);

impl ConnectFields {
    pub(in crate::client) fn new(fields: HeaderMap) -> Result<Self, InvalidProxy> {
        let reserved = fields.keys().find_map(|name| Some((name, reservation(name)?)));
        match reserved {
            Some((name, reason)) => Err(InvalidProxy::ConnectField { name: name.clone(), reason }),
            None => Ok(Self(fields)),
        }
    }

    /// Adds them to a request that has nothing but what makes it a `CONNECT`.
    pub(in crate::client) fn add_to(&self, request: &mut HeaderMap) {
        request.extend(self.0.clone());
        request.entry(header::USER_AGENT).or_insert(USER_AGENT);
    }
}

/// Why a caller's own value would break the request, the login or the connection.
fn reservation(name: &HeaderName) -> Option<&'static str> {
    const FRAMING: [HeaderName; 8] = [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        HeaderName::from_static("keep-alive"),
    ];
    match name {
        name if FRAMING.contains(name) => Some("it is about the message or its connection"),
        &header::HOST => Some("it is the tunnel's target"),
        &header::AUTHORIZATION => Some("it is for origins, which CONNECT does not reach"),
        &header::PROXY_AUTHORIZATION => Some("the login at the proxy takes credentials"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |&(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value));
        let mut fields = HeaderMap::new();
        pairs.iter().map(pair).for_each(|(name, value)| {
            fields.append(name, value);
        });
        fields
    }

    #[test]
    fn the_callers_own_user_agent_takes_the_place_of_ours() {
        let added = |own: &[_]| {
            let mut request = fields(&[("host", "h:443")]);
            ConnectFields::new(fields(own)).expect("fields").add_to(&mut request);
            request
        };
        let ours = concat!("legwork/", env!("CARGO_PKG_VERSION"));
        assert_eq!(added(&[]), fields(&[("host", "h:443"), ("user-agent", ours)]));
        let own = [
            ("user-agent", "Mozilla/5.0"),
            ("x-tag", "a"),
            ("x-tag", "b"),
            ("proxy-connection", "keep-alive"),
        ];
        assert_eq!(added(&own), fields(&[&[("host", "h:443")][..], &own].concat()));
    }

    #[test]
    fn what_would_break_the_request_or_the_login_is_refused_by_name() {
        for name in [
            "authorization",
            "proxy-authorization",
            "host",
            "connection",
            "keep-alive",
            "content-length",
            "transfer-encoding",
            "te",
            "trailer",
            "upgrade",
            "expect",
        ] {
            let error = ConnectFields::new(fields(&[("x-tag", "a"), (name, "s3cret")])).expect_err(name);
            assert!(
                matches!(&error, InvalidProxy::ConnectField { name: found, .. } if found == name),
                "{error:?}"
            );
            let shown = format!("{error} {error:?}");
            assert!(shown.contains(name) && !shown.contains("s3cret"), "{shown}");
        }
    }
}
