//! A request's head from one redirect to the next: the rules, without IO.

use http::header::{self, HeaderMap, HeaderName};
use http::request::Parts;
use http::{HeaderValue, Method, StatusCode, Uri};

use crate::client::redirect::location::resolve;
use crate::client::redirect::policy::{Redirects, Stopped};
use crate::credentials::{Credentials, ProxyCredentials};
use crate::protection_space;

/// A redirect that is to be followed.
#[derive(Debug)]
pub(super) struct Redirect {
    pub(super) target: Uri,
    pub(super) content: RedirectedContent,
    pub(super) within_origin: bool,
}

/// What becomes of the request's content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum RedirectedContent {
    /// It goes out again, with the same method.
    Repeated,
    /// It stays behind: a `GET` follows.
    Dropped,
}

/// Where a response leads, if it is a redirect (RFC 9110, section 15.4).
pub(super) fn redirect(
    request: &Parts,
    status: StatusCode,
    fields: &HeaderMap,
    redirects: &Redirects,
) -> Option<Result<Redirect, Stopped>> {
    let content = match status {
        StatusCode::MOVED_PERMANENTLY | StatusCode::FOUND if request.method == Method::POST => {
            RedirectedContent::Dropped
        }
        StatusCode::SEE_OTHER => RedirectedContent::Dropped,
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => RedirectedContent::Repeated,
        _ => return None,
    };
    let location = fields.get(header::LOCATION).map(HeaderValue::as_bytes);
    Some(match location.and_then(|location| resolve(&request.uri, location)) {
        None => Err(Stopped::Location),
        Some(target) => allowed(&request.uri, &target, redirects).map(|within_origin| Redirect {
            target,
            content,
            within_origin,
        }),
    })
}

/// Whether the way is within the origin, if it may be gone.
fn allowed(from: &Uri, to: &Uri, redirects: &Redirects) -> Result<bool, Stopped> {
    let parts = |uri| protection_space::parts(uri).map_err(|_| Stopped::Location);
    let ((from_secure, from_host, from_port), (secure, host, port)) = (parts(from)?, parts(to)?);
    if from_secure == secure && from_port == port && from_host.eq_ignore_ascii_case(host) {
        return Ok(true);
    }
    if from_secure && !secure && !redirects.to_plain_http {
        return Err(Stopped::PlainHttp);
    }
    if redirects.to_other_origins { Ok(false) } else { Err(Stopped::OtherOrigin) }
}

/// Makes the next request's head of the last one's.
pub(super) fn follow(head: &mut Parts, redirect: Redirect) {
    head.uri = redirect.target;
    if redirect.content == RedirectedContent::Dropped {
        if head.method != Method::HEAD {
            head.method = Method::GET;
        }
        leave_content(&mut head.headers);
    }
    if !redirect.within_origin {
        leave_origin(head);
    }
}

fn leave_content(fields: &mut HeaderMap) {
    const OF_THE_CONTENT: [HeaderName; 9] = [
        header::CONTENT_ENCODING,
        header::CONTENT_LANGUAGE,
        header::CONTENT_LENGTH,
        header::CONTENT_LOCATION,
        header::CONTENT_TYPE,
        header::EXPECT,
        header::LAST_MODIFIED,
        header::TRAILER,
        header::TRANSFER_ENCODING,
    ];
    for name in OF_THE_CONTENT {
        fields.remove(name);
    }
    for name in ["content-digest", "content-md5", "digest", "repr-digest"] {
        fields.remove(name);
    }
}

/// Leaves behind what was given for one origin.
fn leave_origin(head: &mut Parts) {
    const OF_THE_ORIGIN: [HeaderName; 4] =
        [header::AUTHORIZATION, header::COOKIE, header::HOST, header::PROXY_AUTHORIZATION];
    let sensitive = head.headers.iter().filter(|(_, value)| value.is_sensitive());
    let left: Vec<_> = sensitive.map(|(name, _)| name.clone()).chain(OF_THE_ORIGIN).collect();
    for name in left {
        head.headers.remove(name);
    }
    head.extensions.remove::<Credentials>();
    head.extensions.remove::<ProxyCredentials>();
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::credentials::Anonymous;

    fn head(method: Method, uri: &'static str) -> Parts {
        let mut request = Request::builder().method(method).uri(uri);
        for (name, value) in [
            ("accept", "*/*"),
            ("authorization", "Bearer t"),
            ("content-length", "1"),
            ("content-type", "text/xml"),
            ("cookie", "a=b"),
            ("host", "alias"),
            ("proxy-authorization", "Bearer p"),
            ("x-key", "secret"),
        ] {
            request = request.header(name, value);
        }
        let (mut parts, ()) = request.body(()).expect("a request").into_parts();
        parts.headers.get_mut("x-key").expect("a field").set_sensitive(true);
        parts.extensions.insert(Credentials::password("carol", "carol-pw"));
        parts.extensions.insert(ProxyCredentials(Credentials::password("dave", "dave-pw")));
        parts.extensions.insert(Anonymous);
        parts.extensions.insert(7_u8);
        parts
    }

    fn to(
        head: &Parts,
        status: u16,
        location: &'static str,
        redirects: &Redirects,
    ) -> Result<Redirect, Stopped> {
        let fields = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static(location))]);
        let status = StatusCode::from_u16(status).expect("a status");
        redirect(head, status, &fields, redirects).expect("a redirect")
    }

    fn followed(mut head: Parts, status: u16, location: &'static str) -> Parts {
        let redirect = to(&head, status, location, &Redirects::default()).expect("it is allowed");
        follow(&mut head, redirect);
        head
    }

    fn names(head: &Parts) -> Vec<&str> {
        let mut names: Vec<_> = head.headers.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn the_method_changes_as_the_status_says() {
        for (status, method, expected) in [
            (301, Method::POST, Method::GET),
            (302, Method::POST, Method::GET),
            (303, Method::POST, Method::GET),
            (303, Method::PUT, Method::GET),
            (303, Method::HEAD, Method::HEAD),
            (303, Method::GET, Method::GET),
            (301, Method::HEAD, Method::HEAD),
            (301, Method::PUT, Method::PUT),
            (302, Method::DELETE, Method::DELETE),
            (307, Method::POST, Method::POST),
            (308, Method::POST, Method::POST),
        ] {
            let next = followed(head(method.clone(), "http://a/b"), status, "/c");
            assert_eq!((&next.method, next.uri.to_string()), (&expected, "http://a/c".to_owned()));
            let keeps_content = status != 303 && expected == method;
            assert_eq!(next.headers.contains_key("content-type"), keeps_content, "{status} {method}");
        }
        for status in [200, 201, 300, 304, 305, 306, 401] {
            let status = StatusCode::from_u16(status).expect("a status");
            let fields = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_static("/c"))]);
            assert!(
                redirect(&head(Method::GET, "http://a/"), status, &fields, &Redirects::default()).is_none()
            );
        }
    }

    #[test]
    fn within_an_origin_all_goes_along() {
        for location in ["c", "http://A:80/c", "//a/c", "http://eve:pw@a/c"] {
            let next = followed(head(Method::GET, "http://a/b"), 302, location);
            assert_eq!(next.uri.to_string().to_lowercase().replace(":80", ""), "http://a/c");
            assert_eq!(names(&next), names(&head(Method::GET, "http://a/b")));
            assert!(next.extensions.get::<Credentials>().is_some());
        }
    }

    #[test]
    fn what_was_given_for_one_origin_stays_there() {
        for location in ["http://b/c", "http://a:81/c", "https://a/c", "//b/c", "http://a@b/c"] {
            let next = followed(head(Method::GET, "http://a/b"), 307, location);
            assert_eq!(names(&next), ["accept", "content-length", "content-type"], "{location}");
            assert!(next.extensions.get::<Credentials>().is_none());
            assert!(next.extensions.get::<ProxyCredentials>().is_none());
            assert_eq!(next.extensions.get::<Anonymous>(), Some(&Anonymous), "nobody stays nobody");
            assert_eq!(next.extensions.get::<u8>(), Some(&7));
            let back = followed(next, 302, "//a/");
            assert!(!names(&back).contains(&"authorization"));
        }
    }

    #[test]
    fn what_may_not_be_followed_says_why() {
        let plain = head(Method::GET, "http://a/b");
        let secure = head(Method::GET, "https://a/b");
        let default = Redirects::default();
        let why = |head, location, redirects: Redirects| to(head, 302, location, &redirects).err();
        assert_eq!(why(&plain, "mailto:carol@a", default), Some(Stopped::Location));
        assert_eq!(why(&secure, "http://a/b", default), Some(Stopped::PlainHttp));
        assert_eq!(why(&secure, "http://a/b", default.dangerous_to_plain_http(true)), None);
        assert_eq!(why(&plain, "https://a/", default.to_other_origins(false)), Some(Stopped::OtherOrigin));
        assert_eq!(why(&plain, "/c", default.to_other_origins(false)), None);
        let none = redirect(&plain, StatusCode::FOUND, &HeaderMap::new(), &default);
        assert_eq!(none.expect("a redirect").err(), Some(Stopped::Location));
    }
}
