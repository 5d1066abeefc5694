//! The request's head across its legs.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{Extensions, Method, Request, Uri, Version};

/// A copy of a request's head in buffers that the next request reuses: a request on an
/// established connection costs no allocation for the leg that it may have to repeat.
#[derive(Default)]
pub(crate) struct SavedHead {
    method: Method,
    /// Where the path and query end in the octets, which begin with them.
    target: usize,
    /// The URI, if it is more than path and query: as a rule it is not.
    uri: Option<Box<Uri>>,
    version: Version,
    extensions: Extensions,
    fields: Vec<Field>,
    octets: Vec<u8>,
}

struct Field {
    name: HeaderName,
    /// Where its value ends in the octets; it begins where the last one ended.
    end: usize,
    sensitive: bool,
}

impl SavedHead {
    /// Tells whether the method or the target is another than the last request's.
    pub(super) fn save<B>(&mut self, request: &Request<B>) -> bool {
        let is_other_method = self.method != *request.method();
        if is_other_method {
            self.method.clone_from(request.method());
        }
        if self.octets.capacity() == 0 {
            let values: usize = request.headers().values().map(HeaderValue::len).sum();
            self.octets
                .reserve(values + request.uri().path_and_query().map_or(0, |target| target.as_str().len()));
        }
        let is_other_target = self.save_uri(request.uri());
        self.version = request.version();
        if !(self.extensions.is_empty() && request.extensions().is_empty()) {
            self.extensions.clone_from(request.extensions());
        }
        let mut headers = request.headers().iter();
        // As a rule a connection's requests have the same names in the same order.
        let mut saved = 0;
        for (field, (name, value)) in self.fields.iter_mut().zip(headers.by_ref()) {
            if field.name != *name {
                field.name = name.clone();
            }
            self.octets.extend_from_slice(value.as_bytes());
            (field.end, field.sensitive) = (self.octets.len(), value.is_sensitive());
            saved += 1;
        }
        self.fields.truncate(saved);
        self.fields.reserve_exact(request.headers().len() - saved);
        for (name, value) in headers {
            self.octets.extend_from_slice(value.as_bytes());
            let (end, sensitive) = (self.octets.len(), value.is_sensitive());
            self.fields.push(Field { name: name.clone(), end, sensitive });
        }
        is_other_method || is_other_target
    }

    /// As a rule it has come in origin form, which takes no share of the caller's buffer. Tells whether
    /// it is another one.
    fn save_uri(&mut self, uri: &Uri) -> bool {
        match uri.path_and_query() {
            Some(target) if uri.authority().is_none() => {
                let target = target.as_str().as_bytes();
                if self.uri.is_none() && self.octets[..self.target] == *target {
                    self.octets.truncate(self.target);
                    return false;
                }
                self.octets.clear();
                self.octets.extend_from_slice(target);
                self.uri = None;
            }
            _ => {
                self.octets.clear();
                match &mut self.uri {
                    Some(saved) => Uri::clone_from(saved, uri),
                    none => *none = Some(Box::new(uri.clone())),
                }
            }
        }
        self.target = self.octets.len();
        true
    }

    /// Lets go of what the caller put beside the request: it is not kept while the connection is
    /// idle.
    pub(super) fn release_extensions(&mut self) {
        if !self.extensions.is_empty() {
            self.extensions = Extensions::new();
        }
    }

    pub(super) fn method(&self) -> &Method {
        &self.method
    }

    /// The head as it was saved.
    pub(super) fn restore(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = match &self.uri {
            Some(uri) => Uri::clone(uri),
            None => PathAndQuery::try_from(&self.octets[..self.target])
                .expect("the octets were a path and query")
                .into(),
        };
        parts.version = self.version;
        parts.extensions = self.extensions.clone();
        parts.headers.reserve(self.fields.len() + 2);
        let mut start = self.target;
        for field in &self.fields {
            let mut value = HeaderValue::from_bytes(&self.octets[start..field.end])
                .expect("the octets were a field value");
            value.set_sensitive(field.sensitive);
            parts.headers.append(field.name.clone(), value);
            start = field.end;
        }
        parts
    }
}

/// Takes from the head what speaks of a body that this leg does not carry, and says so: hyper
/// sends no length for an empty body by itself, and would send the caller's. `CONNECT` has no
/// content to declare the length of (RFC 9110, section 9.3.6).
pub(crate) fn withhold_body(method: &Method, headers: &mut HeaderMap) {
    const OF_THE_BODY: [HeaderName; 4] =
        [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::TRAILER, header::EXPECT];
    for name in OF_THE_BODY {
        headers.remove(name);
    }
    for name in ["content-digest", "repr-digest", "digest", "content-md5"] {
        headers.remove(name);
    }
    if !matches!(*method, Method::GET | Method::HEAD | Method::CONNECT) {
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// Takes a caller's `Connection: close` from a leg that the connection must outlive; the last leg
/// says it.
pub(super) fn keep_open(headers: &mut HeaderMap) {
    let closes = |value: &HeaderValue| value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"close");
    if headers.get(header::CONNECTION).is_some_and(closes) {
        headers.remove(header::CONNECTION);
    }
}

/// What the caller's fields say about the length of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DeclaredLength {
    /// `Content-Length`.
    Octets(u64),
    /// `Transfer-Encoding`, which overrides a length (RFC 9112, section 6.3).
    Chunked,
    /// Nothing: the body itself may know.
    Undeclared,
}

/// The length that the caller declared.
pub(super) fn declared_length(headers: &HeaderMap) -> DeclaredLength {
    if headers.contains_key(header::TRANSFER_ENCODING) {
        return DeclaredLength::Chunked;
    }
    let length = headers.get(header::CONTENT_LENGTH);
    let octets = length.and_then(|length| length.to_str().ok()?.parse().ok());
    octets.map_or(DeclaredLength::Undeclared, DeclaredLength::Octets)
}

/// Says that the request has no body, where the method means one: hyper sends no length for an
/// empty body, and servers answer `411` to that (RFC 9110, section 8.6).
pub(super) fn declare_empty<B>(request: &mut Request<B>) {
    let means_one = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    if means_one && !request.headers().contains_key(header::TRANSFER_ENCODING) {
        request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from_static("0"));
    }
}

/// Whether sending a request twice is the same as sending it once (RFC 9110, section 9.2.2).
pub(super) fn is_idempotent(method: &Method) -> bool {
    matches!(
        *method,
        Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
    )
}

/// A request target without the origin (RFC 9112, section 3.2.1).
pub(crate) fn origin_form(uri: &Uri) -> Uri {
    uri.path_and_query().cloned().map(Uri::from).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restored_head_is_the_saved_one() {
        let mut request = Request::put("http://host.example/path?query")
            .version(Version::HTTP_11)
            .header("x-one", "1")
            .header("x-one", "2")
            .header("x-octets", HeaderValue::from_bytes(b"\xfc").expect("obs-text"))
            .extension(7_u8)
            .body(())
            .expect("a request");
        let mut secret = HeaderValue::from_static("session=1");
        secret.set_sensitive(true);
        request.headers_mut().insert(header::COOKIE, secret);
        let mut saved = SavedHead::default();
        saved.save(&request);
        let (parts, ()) = request.into_parts();
        let restored = saved.restore();
        assert_eq!(restored.headers, parts.headers);
        assert!(restored.headers[header::COOKIE].is_sensitive());
        assert_eq!((&restored.method, &restored.uri), (&parts.method, &parts.uri));
        assert_eq!(restored.extensions.get::<u8>(), Some(&7));
    }

    #[test]
    fn chunks_override_a_length() {
        let mut headers = HeaderMap::new();
        assert_eq!(declared_length(&headers), DeclaredLength::Undeclared);
        headers.insert(header::CONTENT_LENGTH, HeaderValue::from_static("5"));
        assert_eq!(declared_length(&headers), DeclaredLength::Octets(5));
        headers.insert(header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
        assert_eq!(declared_length(&headers), DeclaredLength::Chunked);
    }

    #[test]
    fn a_withheld_body_leaves_no_trace_but_a_length_of_zero() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("content-length", "5"),
            ("transfer-encoding", "chunked"),
            ("expect", "100-continue"),
            ("content-digest", "sha-256=:x:"),
            ("content-type", "text/xml"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        withhold_body(&Method::POST, &mut headers);
        assert_eq!(headers.len(), 2);
        assert_eq!(headers["content-length"], "0");
        assert_eq!(headers["content-type"], "text/xml");
        for method in [Method::GET, Method::HEAD, Method::CONNECT] {
            withhold_body(&method, &mut headers);
            assert!(!headers.contains_key("content-length"), "{method}");
        }
    }

    #[test]
    fn only_a_connection_field_that_says_close_is_taken_away() {
        for (value, stays) in [("close", false), (" CLOSE ", false), ("keep-alive", true), ("closed", true)] {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONNECTION, HeaderValue::from_static(value));
            keep_open(&mut headers);
            assert_eq!(headers.contains_key(header::CONNECTION), stays, "{value:?}");
        }
    }

    #[test]
    fn only_methods_that_mean_a_body_declare_an_empty_one() {
        let declares = |method: &Method, encoding: Option<&str>| {
            let mut request = Request::new(());
            *request.method_mut() = method.clone();
            if let Some(encoding) = encoding {
                let encoding = HeaderValue::from_str(encoding).expect("visible");
                request.headers_mut().insert(header::TRANSFER_ENCODING, encoding);
            }
            declare_empty(&mut request);
            request.headers().get(header::CONTENT_LENGTH).is_some_and(|length| length == "0")
        };
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            assert!(declares(&method, None), "{method}");
            assert!(!declares(&method, Some("chunked")), "{method}");
        }
        for method in [Method::GET, Method::HEAD, Method::DELETE, Method::OPTIONS] {
            assert!(!declares(&method, None), "{method}");
        }
    }

    #[test]
    fn the_methods_that_may_be_sent_twice_are_those_of_the_standard() {
        for method in [Method::GET, Method::HEAD, Method::OPTIONS, Method::TRACE, Method::PUT, Method::DELETE]
        {
            assert!(is_idempotent(&method), "{method}");
        }
        let lock = Method::from_bytes(b"LOCK").expect("a method");
        for method in [Method::POST, Method::PATCH, Method::CONNECT, lock] {
            assert!(!is_idempotent(&method), "{method}");
        }
    }
}
