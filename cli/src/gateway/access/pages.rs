//! What a browser says of the page that sends a request, and of the host that it takes the listener for.

use std::net::IpAddr;

use http::header::{self, HeaderMap, HeaderName};
use http::uri::Authority;

use crate::gateway::listener::Peer;

use super::NotAdmitted;

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// The listener, as whoever sends a request calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    authority: Authority,
}

impl Own {
    /// What `Host` says, if that is this listener: a name that anybody's DNS leads here is not.
    pub(super) fn of(peer: &Peer, fields: &HeaderMap, hosts: &[String]) -> Result<Self, NotAdmitted> {
        let mut values = fields.get_all(header::HOST).iter();
        let (Some(host), None) = (values.next(), values.next()) else { return Err(NotAdmitted::Host) };
        let authority: Option<Authority> = host.to_str().ok().and_then(|host| host.parse().ok());
        let authority = authority.filter(|authority| !authority.as_str().contains('@'));
        let authority = authority.ok_or(NotAdmitted::Host)?;
        let own = match peer {
            Peer::Tcp { own, .. } => own,
            // A browser reaches no unix socket.
            #[cfg(unix)]
            Peer::Unix { .. } => return Ok(Self { authority }),
        };
        let host = authority.host();
        let is_named =
            |name: &String| name.eq_ignore_ascii_case(host) || name.eq_ignore_ascii_case(authority.as_str());
        if hosts.iter().any(is_named) {
            return Ok(Self { authority });
        }
        let (ip, is_here) = (own.ip().to_canonical(), own.ip().to_canonical().is_loopback());
        // By an IPv4 address that is mapped into IPv6, a browser reaches this too, but does not trust it, and then it sends
        // no Sec-Fetch-Site: such a literal is no name of the listener.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        let is_own_host = match literal {
            Ok(literal) => literal == ip,
            Err(_) => is_here && host.eq_ignore_ascii_case("localhost"),
        };
        match is_own_host && authority.port_u16().unwrap_or(80) == own.port() {
            true => Ok(Self { authority }),
            false => Err(NotAdmitted::Host),
        }
    }

    pub(super) fn is_asked_by_itself(&self, fields: &HeaderMap) -> Result<(), NotAdmitted> {
        is_of_origin(&self.origin(), fields)
    }

    /// `http://127.0.0.1:8081`.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.authority)
    }

    #[cfg(test)]
    pub(crate) fn new(authority: &'static str) -> Self {
        Self { authority: Authority::from_static(authority) }
    }
}

/// Whether no page of another origin has sent a request. A browser says by `Origin` and `Sec-Fetch-Site` whose page it
/// is; a program says neither. Of a `GET` to a host that it does not trust, a browser says it by `Referer` alone, unless
/// the page keeps that back.
pub(crate) fn is_of_origin(own: &str, fields: &HeaderMap) -> Result<(), NotAdmitted> {
    let site = fields.get(SEC_FETCH_SITE).map(|site| site.as_bytes());
    if !matches!(site, None | Some(b"same-origin" | b"none")) {
        return Err(NotAdmitted::OtherSite(SEC_FETCH_SITE));
    }
    for origin in fields.get_all(header::ORIGIN) {
        let is_own = origin.as_bytes().eq_ignore_ascii_case(own.as_bytes());
        // A page may keep its own name from itself (Referrer-Policy: no-referrer).
        let is_kept_back = origin == "null" && site == Some(b"same-origin");
        if !is_own && !is_kept_back {
            return Err(NotAdmitted::OtherSite(header::ORIGIN));
        }
    }
    match fields.get_all(header::REFERER).iter().all(|page| is_page_of(own, page.as_bytes())) {
        true => Ok(()),
        false => Err(NotAdmitted::OtherSite(header::REFERER)),
    }
}

fn is_page_of(own: &str, url: &[u8]) -> bool {
    let Some((origin, path)) = url.split_at_checked(own.len()) else { return false };
    origin.eq_ignore_ascii_case(own.as_bytes()) && matches!(path, [] | [b'/' | b'?' | b'#', ..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(lines: &[(&'static str, &str)]) -> HeaderMap {
        let lines = lines
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().expect("a value")));
        let mut fields = HeaderMap::new();
        for (name, value) in lines {
            fields.append(name, value);
        }
        fields
    }

    fn at(own: &str) -> Peer {
        Peer::Tcp {
            peer: "127.0.0.1:49152".parse().expect("an address"),
            own: own.parse().expect("an address"),
        }
    }

    fn is_own(own: &str, host: &str) -> bool {
        let hosts = ["devops".to_owned(), "box.example:9000".to_owned()];
        Own::of(&at(own), &fields(&[("host", host)]), &hosts).is_ok()
    }

    #[test]
    fn a_name_that_leads_here_is_not_the_listeners() {
        for (own, host) in [
            ("127.0.0.1:8081", "127.0.0.1:8081"),
            ("127.0.0.1:8081", "localhost:8081"),
            ("127.0.0.1:8081", "LOCALHOST:8081"),
            ("127.0.0.1:80", "localhost"),
            ("127.0.0.2:8081", "127.0.0.2:8081"),
            ("[::1]:8081", "[::1]:8081"),
            ("[::ffff:127.0.0.1]:8081", "127.0.0.1:8081"),
            ("192.0.2.7:8081", "192.0.2.7:8081"),
            ("127.0.0.1:8081", "devops:8081"),
            ("192.0.2.7:8081", "devops"),
            ("192.0.2.7:8081", "box.example:9000"),
        ] {
            assert!(is_own(own, host), "{own} {host}");
        }
        for (own, host) in [
            ("127.0.0.1:8081", "attacker.example:8081"),
            ("127.0.0.1:8081", "127.0.0.1.attacker.example:8081"),
            ("127.0.0.1:8081", "localhost.attacker.example:8081"),
            ("127.0.0.1:8081", "localhost:8082"),
            ("127.0.0.1:8081", "localhost"),
            ("127.0.0.1:8081", "127.0.0.2:8081"),
            ("127.0.0.1:8081", "0.0.0.0:8081"),
            ("127.0.0.1:8081", "[::ffff:127.0.0.1]:8081"),
            ("127.0.0.1:8081", "[::ffff:7f00:1]:8081"),
            ("[::ffff:127.0.0.1]:8081", "[::ffff:127.0.0.1]:8081"),
            ("127.0.0.1:8081", "localhost:8081@attacker.example"),
            ("127.0.0.1:8081", "attacker@localhost:8081"),
            ("127.0.0.1:8081", "localhost:8081/"),
            ("127.0.0.1:8081", ""),
            ("127.0.0.1:8081", "box.example"),
            ("192.0.2.7:8081", "localhost:8081"),
        ] {
            assert!(!is_own(own, host), "{own} {host}");
        }
        let twice = fields(&[("host", "localhost:8081"), ("host", "localhost:8081")]);
        assert_eq!(Own::of(&at("127.0.0.1:8081"), &twice, &[]), Err(NotAdmitted::Host));
        assert_eq!(Own::of(&at("127.0.0.1:8081"), &fields(&[]), &[]), Err(NotAdmitted::Host));
    }

    #[test]
    fn a_page_of_another_site_is_told_by_either_field() {
        let own = Own::new("localhost:8081");
        for lines in [
            &[][..],
            &[("origin", "http://localhost:8081")],
            &[("sec-fetch-site", "none")],
            &[("sec-fetch-site", "same-origin"), ("origin", "http://localhost:8081")],
            &[("sec-fetch-site", "same-origin"), ("origin", "null")],
            &[("referer", "http://localhost:8081")],
            &[("referer", "http://localhost:8081/a?b")],
            &[("referer", "HTTP://LOCALHOST:8081/a?b")],
        ] {
            assert_eq!(own.is_asked_by_itself(&fields(lines)), Ok(()), "{lines:?}");
        }
        for lines in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "anything")],
            &[("sec-fetch-site", "")],
            &[("origin", "null")],
            &[("origin", "")],
            &[("origin", "http://localhost:8082")],
            &[("origin", "https://localhost:8081")],
            &[("origin", "http://127.0.0.1:8081")],
            &[("origin", "http://localhost:8081.attacker.example")],
            &[("origin", "http://localhost:8081"), ("origin", "http://attacker.example")],
            &[("sec-fetch-site", "cross-site"), ("origin", "http://localhost:8081")],
            &[("referer", "http://attacker.example/")],
            &[("referer", "http://localhost:8082/")],
            &[("referer", "http://localhost:80810/")],
            &[("referer", "http://localhost:8081@attacker.example/")],
            &[("referer", "http://localhost:8081.attacker.example/")],
            &[("referer", "http://localhost:8081/"), ("referer", "http://attacker.example/")],
            &[("referer", "")],
            &[("sec-fetch-site", "same-origin"), ("referer", "http://attacker.example/")],
        ] {
            assert!(own.is_asked_by_itself(&fields(lines)).is_err(), "{lines:?}");
        }
    }
}
