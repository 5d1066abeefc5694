//! Cookies: put right for a listener without TLS, or kept here where no such listener could set them (RFC 6265bis).

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use http::header::{self, HeaderMap, HeaderValue};
use legwork::Origin;

/// The cookies whose names begin with `__Host-` or `__Secure-`. A browser takes them over TLS only, so they stay here,
/// for whoever uses the listener: its user, in all of his browsers and programs together. What a browser sends by
/// such a name comes from somebody else at the same address, and goes nowhere.
#[derive(Debug, Default)]
pub(crate) struct Jar {
    kept: Mutex<Vec<Kept>>,
}

/// How many there may be; the oldest give way.
const MOST: usize = 64;
/// What browsers take of a name and a value.
const LONGEST: usize = 4096;

#[derive(Debug)]
struct Kept {
    name: Vec<u8>,
    value: Vec<u8>,
    path: String,
    expires: Option<SystemTime>,
}

/// A `Set-Cookie`, taken apart.
struct SetCookie<'a> {
    name: &'a [u8],
    value: &'a [u8],
    /// In their order, as they stand.
    attributes: Vec<Attribute<'a>>,
}

struct Attribute<'a> {
    name: &'a [u8],
    value: &'a [u8],
    whole: &'a [u8],
}

impl Jar {
    /// Puts right what a response sets, or keeps it.
    pub(super) fn take_from(&self, fields: &mut HeaderMap, path: &str, origin: &Origin) {
        let header::Entry::Occupied(set) = fields.entry(header::SET_COOKIE) else { return };
        let (_, values) = set.remove_entry_mult();
        let values: Vec<_> = values.collect();
        for value in values {
            let Some(cookie) = SetCookie::parse(value.as_bytes()) else { continue };
            if !cookie.is_the_origins(origin) {
                continue;
            }
            if is_kept(cookie.name) {
                self.keep(&cookie, path, SystemTime::now());
            } else if let Ok(value) = HeaderValue::from_bytes(&cookie.for_a_listener_without_tls()) {
                fields.append(header::SET_COOKIE, value);
            }
        }
    }

    /// Adds those that are kept to a request, in place of any by their names.
    pub(super) fn add_to(&self, fields: &mut HeaderMap, path: &str) {
        let mut pairs: Vec<Vec<u8>> = Vec::new();
        for value in fields.get_all(header::COOKIE) {
            let sent = value.as_bytes().split(|octet| *octet == b';').map(<[u8]>::trim_ascii);
            let name = |pair: &[u8]| {
                pair.split(|octet| *octet == b'=').next().unwrap_or_default().trim_ascii().to_owned()
            };
            pairs.extend(sent.filter(|pair| !pair.is_empty() && !is_kept(&name(pair))).map(<[u8]>::to_vec));
        }
        let now = SystemTime::now();
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|cookie| cookie.expires.is_none_or(|expires| expires > now));
        let matching = kept.iter().filter(|cookie| is_beneath(path, &cookie.path));
        pairs.extend(matching.map(|cookie| [&cookie.name[..], b"=", &cookie.value[..]].concat()));
        drop(kept);
        fields.remove(header::COOKIE);
        if let (false, Ok(mut value)) = (pairs.is_empty(), HeaderValue::from_bytes(&pairs.join(&b"; "[..]))) {
            value.set_sensitive(true);
            fields.insert(header::COOKIE, value);
        }
    }

    fn keep(&self, cookie: &SetCookie<'_>, path: &str, now: SystemTime) {
        let is_secure = cookie.attribute(b"secure").is_some();
        let is_of_host = has_prefix(cookie.name, b"__host-");
        let own_path = cookie.attribute(b"path").filter(|path| path.first() == Some(&b'/'));
        let is_anywhere = own_path == Some(b"/") && cookie.attribute(b"domain").is_none();
        if !is_secure || is_of_host && !is_anywhere || cookie.name.len() + cookie.value.len() > LONGEST {
            return;
        }
        let path = match own_path {
            Some(path) => String::from_utf8_lossy(path).into_owned(),
            None => directory(path).to_owned(),
        };
        let expires = cookie.expires(now);
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.retain(|other| other.name != cookie.name || other.path != path);
        if expires.is_some_and(|expires| expires <= now) {
            return;
        }
        if kept.len() >= MOST {
            kept.remove(0);
        }
        kept.push(Kept { name: cookie.name.to_vec(), value: cookie.value.to_vec(), path, expires });
    }
}

impl<'a> SetCookie<'a> {
    /// `None` where a browser would take nothing.
    fn parse(text: &'a [u8]) -> Option<Self> {
        let mut parts = text.split(|octet| *octet == b';');
        let (name, value) = pair(parts.next()?);
        // A cookie without a name could read as another's pair.
        if name.is_empty() {
            return None;
        }
        let attributes = parts.map(|whole| {
            let (name, value) = pair(whole);
            Attribute { name, value, whole }
        });
        Some(Self { name, value, attributes: attributes.collect() })
    }

    /// The last of its name holds.
    fn attribute(&self, name: &[u8]) -> Option<&'a [u8]> {
        let named = self.attributes.iter().rev().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
        named.map(|attribute| attribute.value)
    }

    /// Whether the origin may set it.
    fn is_the_origins(&self, origin: &Origin) -> bool {
        let of_its_domain = match self.attribute(b"domain") {
            None | Some(b"") => true,
            Some(domain) => {
                let domain = String::from_utf8_lossy(domain).to_ascii_lowercase();
                let domain = domain.strip_prefix('.').unwrap_or(&domain);
                let host = origin.host();
                let above = host.strip_suffix(domain).is_some_and(|rest| rest.ends_with('.'));
                let is_literal = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
                host == domain || above && !is_literal
            }
        };
        of_its_domain && (origin.is_secure() || self.attribute(b"secure").is_none())
    }

    /// Without what a browser would refuse there: another's domain, and what wants TLS.
    fn for_a_listener_without_tls(&self) -> Vec<u8> {
        let mut cookie = [self.name, b"=", self.value].concat();
        for Attribute { name, value, whole } in &self.attributes {
            let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
            if is(b"domain") || is(b"secure") || is(b"partitioned") {
                continue;
            }
            cookie.push(b';');
            match is(b"samesite") && value.eq_ignore_ascii_case(b"none") {
                true => cookie.extend(b" SameSite=Lax"),
                false => cookie.extend(*whole),
            }
        }
        cookie
    }

    /// `Max-Age` goes before `Expires`. What cannot be read is none.
    fn expires(&self, now: SystemTime) -> Option<SystemTime> {
        if let Some(age) = self.attribute(b"max-age").and_then(|age| std::str::from_utf8(age).ok()) {
            let (is_negative, digits) = (age.starts_with('-'), age.trim_start_matches('-'));
            if !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit()) {
                // Browsers keep none for longer than 400 days.
                let seconds = digits.parse().unwrap_or(u64::MAX).min(400 * 24 * 3600);
                return Some(if is_negative { now } else { now + Duration::from_secs(seconds) });
            }
        }
        let date = std::str::from_utf8(self.attribute(b"expires")?).ok()?;
        // As in RFC 850, but for the whole year: "Wed, 21-Oct-2015 07:28:00 GMT".
        httpdate::parse_http_date(date).or_else(|_| httpdate::parse_http_date(&date.replace('-', " "))).ok()
    }
}

fn pair(text: &[u8]) -> (&[u8], &[u8]) {
    match text.iter().position(|octet| *octet == b'=') {
        Some(place) => (text[..place].trim_ascii(), text[place + 1..].trim_ascii()),
        None => (text.trim_ascii(), b""),
    }
}

/// As browsers compare them.
fn is_kept(name: &[u8]) -> bool {
    has_prefix(name, b"__host-") || has_prefix(name, b"__secure-")
}

fn has_prefix(name: &[u8], prefix: &[u8]) -> bool {
    name.get(..prefix.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(prefix))
}

/// RFC 6265, section 5.1.4.
fn is_beneath(path: &str, cookies: &str) -> bool {
    let rest = path.strip_prefix(cookies);
    rest.is_some_and(|rest| rest.is_empty() || cookies.ends_with('/') || rest.starts_with('/'))
}

/// The default path, of the same section.
fn directory(path: &str) -> &str {
    match path.rfind('/') {
        None | Some(0) => "/",
        Some(end) => &path[..end],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn https() -> Origin {
        "https://devops.corp.example".parse().expect("an origin")
    }

    /// What a browser gets.
    fn passed(jar: &Jar, origin: &Origin, path: &str, set: &str) -> Option<String> {
        let mut fields = HeaderMap::new();
        fields.insert(header::SET_COOKIE, set.parse().expect("a value"));
        jar.take_from(&mut fields, path, origin);
        fields.get(header::SET_COOKIE).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    /// What the origin gets with what a browser sends.
    fn sent(jar: &Jar, path: &str, cookies: &[&str]) -> Option<String> {
        let mut fields = HeaderMap::new();
        for cookie in cookies {
            fields.append(header::COOKIE, cookie.parse().expect("a value"));
        }
        jar.add_to(&mut fields, path);
        assert!(fields.get_all(header::COOKIE).iter().count() < 2);
        fields.get(header::COOKIE).map(|value| value.to_str().expect("ASCII").to_owned())
    }

    #[test]
    fn a_browser_gets_what_it_would_take_without_tls() {
        for (set, gets) in [
            ("a=b", "a=b"),
            ("a=b; Path=/x; HttpOnly", "a=b; Path=/x; HttpOnly"),
            ("a=b; Secure; HttpOnly", "a=b; HttpOnly"),
            ("a=b;secure", "a=b"),
            ("a=b; Domain=corp.example; Path=/", "a=b; Path=/"),
            ("a=b; domain=.DEVOPS.corp.example", "a=b"),
            ("a=b; SameSite=None; Secure", "a=b; SameSite=Lax"),
            ("a=b; SameSite=Strict", "a=b; SameSite=Strict"),
            ("a=b; Secure; Partitioned; Max-Age=5; Priority=High", "a=b; Max-Age=5; Priority=High"),
            ("a=b=c\"; x", "a=b=c\"; x"),
            ("a = b ", "a=b"),
        ] {
            assert_eq!(passed(&Jar::default(), &https(), "/", set).as_deref(), Some(gets), "{set}");
        }
        for nothing in ["", "=b", "a=b; Domain=other.example", "a=b; Domain=ops.corp.example", "; a=b"] {
            assert_eq!(passed(&Jar::default(), &https(), "/", nothing), None, "{nothing}");
        }
        let http = "http://devops.corp.example".parse().expect("an origin");
        assert_eq!(passed(&Jar::default(), &http, "/", "a=b; Secure"), None, "a browser would not take it");
        let literal = "https://10.0.0.1".parse().expect("an origin");
        assert_eq!(passed(&Jar::default(), &literal, "/", "a=b; Domain=0.0.1"), None);
    }

    #[test]
    fn a_cookie_that_wants_tls_by_its_name_stays_here() {
        let jar = Jar::default();
        for set in ["__Host-a=1; Secure; Path=/", "__Secure-b=2; Secure", "__SECURE-c=3; Secure; Path=/x/y"] {
            assert_eq!(passed(&jar, &https(), "/x/page", set), None, "{set}");
        }
        assert_eq!(sent(&jar, "/", &[]).as_deref(), Some("__Host-a=1"));
        assert_eq!(sent(&jar, "/x", &["z=0; y=1"]).as_deref(), Some("z=0; y=1; __Host-a=1; __Secure-b=2"));
        let all = sent(&jar, "/x/y/z", &["z=0", "y=1"]);
        assert_eq!(all.as_deref(), Some("z=0; y=1; __Host-a=1; __Secure-b=2; __SECURE-c=3"));
        assert_eq!(sent(&jar, "/xy", &[]).as_deref(), Some("__Host-a=1"));

        passed(&jar, &https(), "/", "__Host-a=new; Secure; Path=/; HttpOnly");
        assert_eq!(sent(&jar, "/", &[]).as_deref(), Some("__Host-a=new"));
        passed(&jar, &https(), "/", "__Host-a=; Secure; Path=/; Max-Age=0");
        assert_eq!(sent(&jar, "/", &[]), None);
    }

    #[test]
    fn a_cookie_that_is_not_what_its_name_says_is_nobodys() {
        let jar = Jar::default();
        for set in [
            "__Host-a=1; Path=/",
            "__Host-a=1; Secure",
            "__Host-a=1; Secure; Path=/x",
            "__Host-a=1; Secure; Path=/; Domain=devops.corp.example",
            "__Secure-a=1",
            "__Secure-a=1; Secure; Domain=other.example",
        ] {
            assert_eq!(passed(&jar, &https(), "/", set), None, "{set}");
            assert_eq!(sent(&jar, "/", &[]), None, "{set}");
        }
    }

    // Another server on this machine can set them, or lead to it.
    #[test]
    fn what_a_browser_sends_by_such_a_name_goes_nowhere() {
        let jar = Jar::default();
        passed(&jar, &https(), "/", "__Host-session=mine; Secure; Path=/");
        let tossed = ["__Host-session=tossed; a=b; __host-session=tossed", "__Secure-x=1; __Host-session"];
        assert_eq!(sent(&jar, "/", &tossed).as_deref(), Some("a=b; __Host-session=mine"));
        assert_eq!(sent(&Jar::default(), "/", &["__Host-session=tossed"]), None);
    }

    #[test]
    fn a_cookie_goes_when_its_time_is_up() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_445_412_480);
        let expires = |set: &'static str| SetCookie::parse(set.as_bytes()).expect("a cookie").expires(now);
        let after = |seconds| Some(now + Duration::from_secs(seconds));
        for (set, when) in [
            ("a=b", None),
            ("a=b; Max-Age=60", after(60)),
            ("a=b; Max-Age=-1", after(0)),
            ("a=b; Max-Age=99999999999999999999999", after(400 * 24 * 3600)),
            ("a=b; Max-Age=soon", None),
            ("a=b; Max-Age=60; Expires=Wed, 21 Oct 2015 07:28:00 GMT", after(60)),
            ("a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT", after(0)),
            ("a=b; Expires=Wed, 21-Oct-2015 07:29:00 GMT", after(60)),
            ("a=b; Expires=Wednesday, 21-Oct-15 07:29:00 GMT", after(60)),
            ("a=b; Expires=tomorrow", None),
        ] {
            assert_eq!(expires(set), when, "{set}");
        }
    }

    #[test]
    fn an_origin_cannot_fill_the_memory() {
        let jar = Jar::default();
        for number in 0..10 * MOST {
            passed(&jar, &https(), "/", &format!("__Host-{number}=1; Secure; Path=/"));
        }
        assert_eq!(sent(&jar, "/", &[]).expect("cookies").split("; ").count(), MOST);
        passed(&jar, &https(), "/", &format!("__Host-long={}; Secure; Path=/", "x".repeat(LONGEST)));
        assert!(!sent(&jar, "/", &[]).expect("cookies").contains("long"));
    }
}
