//! Where credentials may be sent unasked: the `domain` of a challenge (RFC 7616, section 3.3).

use std::str;

use http::Uri;

use crate::protection_space::{Challenger, Origin, Paths, begins_with};

/// The URIs that a challenge's credentials are good for.
///
/// A server may name URIs of other servers in `domain`. Those are left out: credentials belong to
/// one origin and follow nothing elsewhere.
///
/// The RFC lets a client take any URI that begins with a listed one. Here the match also ends
/// where a segment of the path does, so that `/a` stands for `/a/b` and `/a?b` but not for `/ab`:
/// a URI too few costs one more challenge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DigestSpace {
    within: Within,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Within {
    /// A proxy has no `domain`: every request that goes through it.
    Proxy,
    Origin(Origin),
    /// Paths, perhaps with a query, on the origin.
    Paths(Origin, Vec<String>),
}

impl DigestSpace {
    /// How many URIs are read; the rest is asked for when it is needed.
    pub const MAX_URIS: usize = 64;

    pub(super) fn new(challenger: Challenger, origin: &Origin, domain: &[u8]) -> Self {
        let within = match challenger {
            Challenger::Proxy => Within::Proxy,
            Challenger::Origin => {
                let listed: Vec<_> = domain
                    .split(u8::is_ascii_whitespace)
                    .filter_map(|uri| Listed::parse(uri, origin))
                    .take(Self::MAX_URIS)
                    .collect();
                if listed.is_empty() {
                    Within::Origin(origin.clone())
                } else {
                    let paths = listed.into_iter().filter_map(|uri| match uri {
                        Listed::Here(path) => Some(path),
                        Listed::Elsewhere => None,
                    });
                    Within::Paths(origin.clone(), paths.collect())
                }
            }
        };
        Self { within }
    }

    /// The same as paths of the origin that challenged. One with a query is left out: what it stands
    /// for is asked for.
    pub(crate) fn paths(&self) -> Paths {
        match &self.within {
            Within::Proxy | Within::Origin(_) => Paths::All,
            Within::Paths(_, paths) => {
                Paths::Below(paths.iter().filter(|path| !path.contains('?')).cloned().collect())
            }
        }
    }

    /// Returns whether a request for `uri`, absolute or on this origin, lies in the space.
    pub fn contains(&self, uri: &Uri) -> bool {
        let (origin, paths) = match &self.within {
            Within::Proxy => return true,
            Within::Origin(origin) => (origin, None),
            Within::Paths(origin, paths) => (origin, Some(paths)),
        };
        if uri.authority().is_some() && !origin.is_origin_of(uri) {
            return false;
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        paths.is_none_or(|paths| paths.iter().any(|path| begins_with(target, path)))
    }
}

/// A URI of the list. What is no URI is passed over: some servers put a host name there.
enum Listed {
    Here(String),
    Elsewhere,
}

impl Listed {
    fn parse(uri: &[u8], origin: &Origin) -> Option<Self> {
        let uri = str::from_utf8(uri).ok()?;
        let uri = uri.split('#').next().unwrap_or_default();
        let absolute = if uri.starts_with("//") {
            format!("{}:{uri}", if origin.is_secure() { "https" } else { "http" })
        } else if uri.starts_with('/') {
            format!("{origin}{uri}")
        } else {
            uri.to_owned()
        };
        let absolute: Uri = absolute.parse().ok()?;
        absolute.scheme()?;
        if !origin.is_origin_of(&absolute) {
            return Some(Self::Elsewhere);
        }
        Some(Self::Here(absolute.path_and_query().map_or("/", |target| target.as_str()).to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(challenger: Challenger, domain: &str) -> DigestSpace {
        DigestSpace::new(challenger, &"http://a.test:8080".parse().expect("an origin"), domain.as_bytes())
    }

    fn covers(domain: &str, uri: &str) -> bool {
        space(Challenger::Origin, domain).contains(&uri.parse().expect("a URI"))
    }

    #[test]
    fn without_a_list_the_whole_origin_is_the_space() {
        for domain in ["", "  ", "a.test", "not a list", "relative/path"] {
            assert!(covers(domain, "http://A.test:8080/x?y"), "{domain}");
            assert!(covers(domain, "/x"), "{domain}");
            assert!(!covers(domain, "http://a.test/x"), "{domain}");
            assert!(!covers(domain, "https://a.test:8080/x"), "{domain}");
        }
    }

    #[test]
    fn a_listed_uri_stands_for_what_lies_beneath_it() {
        let domain = "/a http://a.test:8080/b/ \t//a.test:8080/c?d#e http://a.test:8080/f";
        for (uri, inside) in [
            ("/a", true),
            ("/a/x", true),
            ("/a?x", true),
            ("/ab", false),
            ("/", false),
            ("/b", false),
            ("/b/x", true),
            ("http://a.test:8080/b/x", true),
            ("http://b.test:8080/b/x", false),
            ("/c?d", true),
            ("/c", false),
            ("/f/../a", true),
        ] {
            assert_eq!(covers(domain, uri), inside, "{uri}");
        }
        assert!(covers("http://a.test:8080", "/everything"));
    }

    #[test]
    fn uris_of_other_servers_widen_nothing() {
        let domain = "http://b.test/ https://a.test:8080/ ftp://a.test:8080/x";
        assert!(!covers(domain, "http://b.test/"));
        assert!(!covers(domain, "/x"));
        assert!(covers(&format!("{domain} /x"), "/x"));
    }

    #[test]
    fn a_proxy_takes_its_credentials_with_every_request() {
        let proxy = space(Challenger::Proxy, "/a");
        assert!(proxy.contains(&"http://elsewhere.test/".parse().expect("a URI")));
        assert!(proxy.contains(&"elsewhere.test:443".parse().expect("a URI")));
    }

    #[test]
    fn a_list_is_read_up_to_its_limit() {
        let domain: String = (0..1000).map(|i| format!("/{i} ")).collect();
        assert!(covers(&domain, "/63") && !covers(&domain, "/64"));
    }
}
