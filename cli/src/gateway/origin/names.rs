//! The origin's name and the listener's, each in place of the other.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use legwork::Origin;

/// What the origin is called there and here.
pub(super) struct Names<'a> {
    pub(super) origin: &'a Origin,
    /// `http://127.0.0.1:8081`.
    pub(super) own: &'a str,
}

/// In which a page, or a program, says a URL of this listener.
static IN_REQUESTS: [HeaderName; 3] = [
    header::ORIGIN,
    header::REFERER,
    // WebDAV's COPY and MOVE.
    HeaderName::from_static("destination"),
];

/// In which an origin says one of its own.
static IN_RESPONSES: [HeaderName; 2] = [header::LOCATION, header::CONTENT_LOCATION];

impl Names<'_> {
    pub(super) fn put_right_in_request(&self, fields: &mut HeaderMap) {
        put_right(fields, &IN_REQUESTS, |url| {
            let (own, rest) = split(url)?;
            own.eq_ignore_ascii_case(self.own).then(|| format!("{}{rest}", self.origin))
        });
    }

    pub(super) fn put_right_in_response(&self, fields: &mut HeaderMap) {
        put_right(fields, &IN_RESPONSES, |url| {
            let absolute;
            let url = match url.strip_prefix("//") {
                Some(rest) => {
                    let scheme = if self.origin.is_secure() { "https" } else { "http" };
                    absolute = format!("{scheme}://{rest}");
                    &absolute
                }
                None => url,
            };
            let (origin, rest) = split(url)?;
            (origin.parse::<Origin>().as_ref() == Ok(self.origin)).then(|| format!("{}{rest}", self.own))
        });
    }
}

fn put_right(fields: &mut HeaderMap, names: &[HeaderName], change: impl Fn(&str) -> Option<String>) {
    for name in names {
        let header::Entry::Occupied(mut values) = fields.entry(name) else { continue };
        for value in values.iter_mut() {
            let changed = value.to_str().ok().and_then(&change);
            // What a field value cannot have was not in the URL either.
            if let Some(changed) = changed.and_then(|url| HeaderValue::try_from(url).ok()) {
                *value = changed;
            }
        }
    }
}

/// An absolute URL without a user: what names its origin, and the rest.
fn split(url: &str) -> Option<(&str, &str)> {
    let authority = url.find("://")? + 3;
    let end = url[authority..].find(['/', '?', '#']).map_or(url.len(), |place| authority + place);
    let (origin, rest) = url.split_at(end);
    // Browsers take a \ for a /, and what stands before an @ for no host.
    (!origin[authority..].contains(['@', '\\'])).then_some((origin, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(origin: &Origin) -> Names<'_> {
        Names { origin, own: "http://127.0.0.1:8081" }
    }

    fn in_response(location: &str) -> String {
        let origin = "https://devops.corp.example".parse().expect("an origin");
        let mut fields = HeaderMap::new();
        fields.insert(header::LOCATION, location.parse().expect("a value"));
        names(&origin).put_right_in_response(&mut fields);
        fields[header::LOCATION].to_str().expect("ASCII").to_owned()
    }

    #[test]
    fn a_location_at_the_origin_is_here() {
        for (location, here) in [
            (
                "https://devops.corp.example/a?b=https://devops.corp.example/#c",
                "/a?b=https://devops.corp.example/#c",
            ),
            ("https://devops.corp.example:443/", "/"),
            ("https://DEVOPS.corp.example", ""),
            ("https://devops.corp.example?a", "?a"),
            ("HTTPS://devops.corp.example/", "/"),
            ("//devops.corp.example/a", "/a"),
        ] {
            assert_eq!(in_response(location), format!("http://127.0.0.1:8081{here}"), "{location}");
        }
    }

    #[test]
    fn a_location_elsewhere_stays_there() {
        for location in [
            "/a",
            "a",
            "?a",
            "",
            "http://devops.corp.example/",
            "https://devops.corp.example:8443/",
            "https://devops.corp.example.attacker.example/",
            "https://devops.corp.example@attacker.example/",
            "https://u:p@devops.corp.example/",
            "https://devops.corp.example\\@attacker.example/",
            "https:\\\\devops.corp.example/",
            "https:/devops.corp.example/",
            "https://",
            "//",
            "//attacker.example/",
            "///devops.corp.example/",
            "javascript:alert(1)",
            "https://attacker.example/?https://devops.corp.example/",
        ] {
            assert_eq!(in_response(location), location, "{location}");
        }
    }

    #[test]
    fn what_a_page_here_says_of_itself_the_origin_reads_as_its_own() {
        let origin = "https://devops.corp.example".parse().expect("an origin");
        for (said, read) in [
            ("http://127.0.0.1:8081", "https://devops.corp.example"),
            ("http://127.0.0.1:8081/a?b", "https://devops.corp.example/a?b"),
            ("http://127.0.0.1:80811/", "http://127.0.0.1:80811/"),
            ("http://127.0.0.1:8081@attacker.example/", "http://127.0.0.1:8081@attacker.example/"),
            ("https://elsewhere.example/", "https://elsewhere.example/"),
            ("null", "null"),
        ] {
            for name in &IN_REQUESTS {
                let mut fields = HeaderMap::new();
                fields.insert(name, said.parse().expect("a value"));
                names(&origin).put_right_in_request(&mut fields);
                assert_eq!(fields[name], read);
            }
        }
    }

    #[test]
    fn each_of_several_values_is_put_right_and_what_is_not_text_stays() {
        let origin = "https://devops.corp.example".parse().expect("an origin");
        let mut fields = HeaderMap::new();
        fields.append(header::LOCATION, HeaderValue::from_static("https://devops.corp.example/1"));
        let odd = HeaderValue::from_bytes(b"https://devops.corp.example/\xff").expect("a value");
        fields.append(header::LOCATION, odd.clone());
        names(&origin).put_right_in_response(&mut fields);
        let values: Vec<_> = fields.get_all(header::LOCATION).iter().collect();
        assert_eq!(values, [&HeaderValue::from_static("http://127.0.0.1:8081/1"), &odd]);
    }
}
