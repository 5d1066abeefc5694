//! Where a redirect leads: a URI reference against the URI that it is about (RFC 3986, section 5).

use http::Uri;
use http::uri::{Authority, PathAndQuery, Scheme};

/// The `http` or `https` URI that `reference` means at `base`, without userinfo and fragment;
/// `None` if it means none. Octets that no URI has, such as the blanks that servers leave in file
/// names, are percent-encoded.
///
/// An empty reference leads nowhere. By section 5.2 it means the base, where the same request would
/// get the same answer; curl and browsers do not follow it either.
pub(super) fn resolve(base: &Uri, reference: &[u8]) -> Option<Uri> {
    let reference = reference.trim_ascii();
    if reference.is_empty() {
        return None;
    }
    let reference = encoded(reference);
    let reference = Reference::parse(&reference);
    let scheme = match reference.scheme {
        Some(scheme) => Scheme::try_from(scheme.to_ascii_lowercase().as_str()).ok()?,
        None => base.scheme()?.clone(),
    };
    if scheme != Scheme::HTTP && scheme != Scheme::HTTPS {
        return None;
    }
    let (authority, path, query) = match reference.authority {
        Some(given) => (authority(given)?, without_dots(reference.path), reference.query),
        None if reference.scheme.is_some() => return None,
        None => {
            let (path, query) = match reference.path {
                "" => (base.path().to_owned(), reference.query.or(base.query())),
                path if path.starts_with('/') => (without_dots(path), reference.query),
                path => {
                    let folder = base.path().rfind('/').map_or("/", |slash| &base.path()[..=slash]);
                    (without_dots(&format!("{folder}{path}")), reference.query)
                }
            };
            (authority(base.authority()?.as_str())?, path, query)
        }
    };
    let path = if path.is_empty() { "/" } else { &path };
    let target = match query {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let mut parts = http::uri::Parts::default();
    parts.scheme = Some(scheme);
    parts.authority = Some(authority);
    parts.path_and_query = Some(PathAndQuery::try_from(target).ok()?);
    Uri::from_parts(parts).ok()
}

/// A URI reference, taken apart as appendix B has it. The fragment is only for its recipient.
struct Reference<'a> {
    scheme: Option<&'a str>,
    authority: Option<&'a str>,
    path: &'a str,
    query: Option<&'a str>,
}

impl<'a> Reference<'a> {
    fn parse(text: &'a str) -> Self {
        let text = text.split_once('#').map_or(text, |(text, _)| text);
        let (scheme, text) = match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (Some(scheme), rest),
            _ => (None, text),
        };
        let (text, query) = match text.split_once('?') {
            Some((text, query)) => (text, Some(query)),
            None => (text, None),
        };
        let (authority, path) = match text.strip_prefix("//") {
            Some(text) => {
                let (authority, path) = text.split_at(text.find('/').unwrap_or(text.len()));
                (Some(authority), path)
            }
            None => (None, text),
        };
        Self { scheme, authority, path, query }
    }
}

fn is_scheme(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_alphabetic())
        && text.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"+-.".contains(&octet))
}

/// Host and port. Userinfo is nobody's credentials here.
fn authority(given: &str) -> Option<Authority> {
    let host_port = given.rsplit_once('@').map_or(given, |(_, host_port)| host_port);
    let authority = Authority::try_from(host_port).ok()?;
    let port = authority.as_str().strip_prefix(authority.host())?.trim_start_matches(':');
    let is_host = !authority.host().is_empty() && !authority.host().contains('*');
    let is_fit = is_host && (port.is_empty() || authority.port_u16().is_some());
    is_fit.then_some(authority)
}

/// A path without `.` and `..` (section 5.2.4). It begins with a slash, or is empty.
fn without_dots(path: &str) -> String {
    let mut segments = Vec::new();
    let mut rest = path.split('/').skip(1).peekable();
    while let Some(segment) = rest.next() {
        match segment {
            "." | ".." => {
                if segment == ".." {
                    segments.pop();
                }
                // It named a folder.
                if rest.peek().is_none() {
                    segments.push("");
                }
            }
            segment => segments.push(segment),
        }
    }
    segments.iter().flat_map(|segment| ["/", segment]).collect()
}

/// The reference with octets that no URI has percent-encoded.
fn encoded(reference: &[u8]) -> String {
    let mut text = String::with_capacity(reference.len());
    for &octet in reference {
        if octet.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&octet) {
            text.push(char::from(octet));
        } else {
            text.push_str(&format!("%{octet:02X}"));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(base: &'static str, reference: &str) -> Option<String> {
        resolve(&Uri::from_static(base), reference.as_bytes()).map(|uri| uri.to_string())
    }

    #[test]
    fn the_examples_of_rfc_3986_are_resolved() {
        for (reference, expected) in [
            ("g", "http://a/b/c/g"),
            // No schemes.
            ("1:x", "http://a/b/c/1:x"),
            ("g,:x", "http://a/b/c/g,:x"),
            ("./g", "http://a/b/c/g"),
            ("g/", "http://a/b/c/g/"),
            ("/g", "http://a/g"),
            ("//g", "http://g/"),
            ("?y", "http://a/b/c/d;p?y"),
            ("g?y", "http://a/b/c/g?y"),
            ("#s", "http://a/b/c/d;p?q"),
            ("g#s", "http://a/b/c/g"),
            ("g?y#s", "http://a/b/c/g?y"),
            (";x", "http://a/b/c/;x"),
            ("g;x?y#s", "http://a/b/c/g;x?y"),
            (".", "http://a/b/c/"),
            ("./", "http://a/b/c/"),
            ("..", "http://a/b/"),
            ("../g", "http://a/b/g"),
            ("../..", "http://a/"),
            ("../../g", "http://a/g"),
            ("../../../../g", "http://a/g"),
            ("/./g", "http://a/g"),
            ("/../g", "http://a/g"),
            ("g.", "http://a/b/c/g."),
            ("..g", "http://a/b/c/..g"),
            ("./g/.", "http://a/b/c/g/"),
            ("g/./h", "http://a/b/c/g/h"),
            ("g/../h", "http://a/b/c/h"),
            ("g;x=1/../y", "http://a/b/c/y"),
            ("g?y/../x", "http://a/b/c/g?y/../x"),
            ("g#s/../x", "http://a/b/c/g"),
            ("HTTPS://g:8443/x?y=http://z", "https://g:8443/x?y=http://z"),
        ] {
            assert_eq!(at("http://a/b/c/d;p?q", reference).as_deref(), Some(expected), "{reference}");
        }
    }

    #[test]
    fn what_is_no_http_uri_leads_nowhere() {
        for unfit in [
            "",
            " \t ",
            "g:h",
            "ftp://a/",
            "javascript:alert(1)",
            "http:g",
            "http://",
            "//",
            "///g",
            "http://user@/",
            "http://a:99999/",
            "http://a:b/",
            "http://*.a/",
            "http://caf\u{e9}/",
        ] {
            assert_eq!(at("http://a/b", unfit), None, "{unfit}");
        }
    }

    #[test]
    fn userinfo_is_left_behind_and_odd_octets_are_encoded() {
        assert_eq!(at("http://a/", "http://carol:pw@b:81/x").as_deref(), Some("http://b:81/x"));
        assert_eq!(at("http://dave:pw@a/", "/x").as_deref(), Some("http://a/x"));
        assert_eq!(at("http://a/", "http://a@b@c/").as_deref(), Some("http://c/"));
        assert_eq!(
            at("http://a/", " /My Documents/caf\u{e9} ").as_deref(),
            Some("http://a/My%20Documents/caf%C3%A9")
        );
        assert_eq!(at("http://a/", "/\\b").as_deref(), Some("http://a/%5Cb"));
    }

    fn target_of(url: &reqwest::Url) -> String {
        url.query().map_or_else(|| url.path().to_owned(), |query| format!("{}?{query}", url.path()))
    }

    /// References made of these pieces, four at a time.
    #[test]
    fn another_parser_sees_the_same_uri() {
        const PIECES: [&str; 14] =
            ["http:", "https:", "//", "/", "u:p@", "h", ":81", "..", ".", "a", "?", "#", "%2F", " "];
        const BASE: &str = "http://base:8080/b/c/d?q";
        let (base, url) = (Uri::from_static(BASE), reqwest::Url::parse(BASE).expect("a URL"));
        let mut compared = 0;
        for number in 0..PIECES.len().pow(4) {
            let reference: String =
                (0..4).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]).collect();
            let Some(ours) = resolve(&base, reference.as_bytes()) else { continue };
            let mut theirs = url.join(&reference).expect("what we take is a reference");
            theirs.set_fragment(None);
            theirs.set_username("").and(theirs.set_password(None)).expect("it has a host");
            let (origin, target) =
                (crate::Origin::from_uri(&ours).expect("an origin"), ours.path_and_query());
            assert_eq!(
                (origin.to_string(), target.map(PathAndQuery::as_str)),
                (theirs.origin().ascii_serialization(), Some(target_of(&theirs).as_str())),
                "{reference:?}"
            );
            compared += 1;
        }
        assert!(compared > 10_000, "{compared}");
    }
}
