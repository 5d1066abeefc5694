//! The request that an answer is made for.

use std::borrow::Cow;

use http::Method;

use super::algorithm::Algorithm;
use super::body::BodyDigest;
use crate::scheme::{RequestContext, SchemeError};

/// What an answer covers: method, target, and the content with `auth-int`.
#[derive(Clone, Debug)]
pub struct DigestRequest<'a> {
    pub(super) method: &'a Method,
    pub(super) target: Cow<'a, str>,
    content: KnownContent<'a>,
}

#[derive(Clone, Debug)]
enum KnownContent<'a> {
    /// Its hash is that of no octets.
    Nothing,
    Hashed(&'a BodyDigest),
    Unknown,
}

impl<'a> DigestRequest<'a> {
    /// Creates a request whose target is spelled exactly as on the request line: in origin-form, in
    /// absolute-form to a proxy, in authority-form for `CONNECT`, or `*` (RFC 9112, section 3.2).
    pub fn new(method: &'a Method, target: impl Into<Cow<'a, str>>, has_body: bool) -> Self {
        let content = if has_body { KnownContent::Unknown } else { KnownContent::Nothing };
        Self { method, target: target.into(), content }
    }

    /// Adds the hash of its content, if it is known.
    #[must_use]
    pub fn with_body_digest(mut self, digest: Option<&'a BodyDigest>) -> Self {
        if let Some(digest) = digest {
            self.content = KnownContent::Hashed(digest);
        }
        self
    }

    /// Whether there is a hash of the content, by the right function.
    pub(super) fn has_body_hash(&self, algorithm: Algorithm) -> bool {
        match self.content {
            KnownContent::Nothing => true,
            KnownContent::Hashed(digest) => digest.hex(algorithm.hash()).is_some(),
            KnownContent::Unknown => false,
        }
    }

    /// The hash of the content, if there is one.
    pub(super) fn body_hash(&self, algorithm: Algorithm) -> Option<Cow<'a, str>> {
        let hash = algorithm.hash();
        match self.content {
            KnownContent::Nothing => Some(Cow::Owned(hash.of(&[b""]).to_string())),
            KnownContent::Hashed(digest) => digest.hex(hash).map(Cow::Borrowed),
            KnownContent::Unknown => None,
        }
    }

    /// What cannot stand on a request line is not answered for.
    pub(super) fn check(&self) -> Result<(), SchemeError> {
        let fits = |octet: u8| octet > b' ' && octet != 0x7f;
        if self.target.is_empty() || !self.target.bytes().all(fits) {
            return Err(SchemeError::new(
                super::name::NAME,
                "the request's target cannot stand on a request line",
            ));
        }
        Ok(())
    }
}

impl<'a> From<RequestContext<'a>> for DigestRequest<'a> {
    /// A `Uri` prints as hyper sends it; in origin-form that is its path and query.
    fn from(context: RequestContext<'a>) -> Self {
        let RequestContext { method, target, has_body, .. } = context;
        match target.path_and_query() {
            Some(origin_form) if target.authority().is_none() => {
                Self::new(method, origin_form.as_str(), has_body)
            }
            _ => Self::new(method, target.to_string(), has_body),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use http::Uri;

    use super::*;
    use crate::mechanism::FixedMoment;

    const NOW: FixedMoment = FixedMoment(SystemTime::UNIX_EPOCH);

    #[test]
    fn the_target_is_that_of_the_request_line_in_each_of_its_forms() {
        for (method, target) in [
            (Method::GET, "/dir/\"index\".html?a=%2f"),
            (Method::GET, "http://a.test:80/x"),
            (Method::OPTIONS, "*"),
            (Method::CONNECT, "a.test:443"),
        ] {
            let uri: Uri = target.parse().expect("a target");
            let request = DigestRequest::from(RequestContext::new(&method, &uri, false, &NOW));
            assert_eq!(request.target, target);
            request.check().expect("it can be sent");
        }
        for target in ["", "/a b", "/a\r\nx", "/\u{7f}"] {
            DigestRequest::new(&Method::GET, target, false).check().expect_err(target);
        }
    }

    #[test]
    fn a_hash_of_the_content_is_known_of_none_and_of_what_was_hashed() {
        let nothing = DigestRequest::new(&Method::GET, "/", false);
        let hash = nothing.body_hash(Algorithm::Md5);
        assert_eq!(hash.as_deref(), Some("d41d8cd98f00b204e9800998ecf8427e"), "of no octets");
        let unknown = DigestRequest::new(&Method::PUT, "/", true);
        assert!(!unknown.has_body_hash(Algorithm::Md5));
        assert_eq!(unknown.body_hash(Algorithm::Md5), None);
        let digest = BodyDigest::of(Algorithm::Md5, b"abc");
        let known = unknown.with_body_digest(Some(&digest));
        assert!(known.has_body_hash(Algorithm::Md5Sess) && !known.has_body_hash(Algorithm::Sha256));
        assert_eq!(known.body_hash(Algorithm::Md5).as_deref(), Some("900150983cd24fb0d6963f7d28e17f72"));
        assert_eq!(known.body_hash(Algorithm::Sha256), None);
    }
}
