//! User and password in a URI, as people write them.

use std::fmt;

use http::uri::Authority;
use http::{Request, Uri, header};
use zeroize::Zeroizing;

use crate::credentials::{Anonymous, Credentials};

/// Takes the userinfo out of a request's URI. The request acts as that user, unless its caller has said
/// otherwise: by `Authorization`, by [`Credentials`] or by [`Anonymous`].
///
/// # Errors
///
/// [`InvalidUserinfo`] if it cannot be read; then it stays in the URI.
pub(super) fn take<B>(request: &mut Request<B>) -> Result<(), InvalidUserinfo> {
    let Some((userinfo, host_port)) = request.uri().authority().and_then(split) else { return Ok(()) };
    let says_who = request.headers().contains_key(header::AUTHORIZATION)
        || request.extensions().get::<Credentials>().is_some()
        || request.extensions().get::<Anonymous>().is_some();
    let own = if says_who || is_empty(userinfo) { None } else { Some(credentials(userinfo)?) };
    // Without a host there is no origin either, and the error says so.
    let Ok(authority) = host_port.parse() else { return Ok(()) };
    let mut parts = request.uri().clone().into_parts();
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).expect("the authority alone has changed");
    if let Some(own) = own {
        request.extensions_mut().insert(own);
    }
    Ok(())
}

/// The user ends at the first colon; one that belongs to the name is `%3A`.
///
/// # Errors
///
/// [`InvalidUserinfo`] as it says.
pub(super) fn credentials(userinfo: &str) -> Result<Credentials, InvalidUserinfo> {
    let (username, password) = userinfo.split_once(':').unwrap_or((userinfo, ""));
    let password = percent_decoded(password)?;
    Ok(Credentials::password(percent_decoded(username)?.as_str(), password.as_str()))
}

/// No host has an `@`, so the last one is where the userinfo ends.
fn split(authority: &Authority) -> Option<(&str, &str)> {
    let text = authority.as_str();
    // Whether there is any, first: hardly ever, and that is quicker than to look from the end.
    let at = text.as_bytes().contains(&b'@').then(|| text.rfind('@')).flatten()?;
    Some((&text[..at], &text[at + 1..]))
}

/// Neither a user nor a password.
fn is_empty(userinfo: &str) -> bool {
    matches!(userinfo, "" | ":")
}

/// A `%` that no two hexadecimal digits follow is one that nobody encoded, and stands for itself.
fn percent_decoded(text: &str) -> Result<Zeroizing<String>, InvalidUserinfo> {
    // Never longer than its spelling: nothing is left behind by growing.
    let mut octets = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut rest = text.as_bytes();
    while let [first, behind @ ..] = rest {
        let (octet, behind) = match rest {
            [b'%', high, low, behind @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                (hex_digit(*high) << 4 | hex_digit(*low), behind)
            }
            _ => (*first, behind),
        };
        octets.push(octet);
        rest = behind;
    }
    let decoded = std::str::from_utf8(&octets).map_err(|_| InvalidUserinfo)?;
    if decoded.bytes().any(|octet| octet.is_ascii_control()) {
        return Err(InvalidUserinfo);
    }
    Ok(Zeroizing::new(decoded.to_owned()))
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => (digit | 0x20) - b'a' + 10,
    }
}

/// The octets of user or password, once decoded, are not UTF-8, or control characters are among them. It
/// holds nothing of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct InvalidUserinfo;

impl fmt::Display for InvalidUserinfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the user or the password in the URI is not UTF-8, or has a control character or a backslash; write \
             each octet of its UTF-8 as % and two digits, such as %C3%A4 and %5C, or give the request \
             Credentials instead",
        )
    }
}

impl std::error::Error for InvalidUserinfo {}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(uri: &str) -> Request<()> {
        Request::get(uri).body(()).expect("a request")
    }

    fn taken(uri: &str) -> (String, Option<Credentials>) {
        let mut request = request(uri);
        take(&mut request).expect("a userinfo that can be read");
        (request.uri().to_string(), request.extensions().get().cloned())
    }

    #[test]
    fn a_userinfo_becomes_credentials_and_leaves_the_uri() {
        for (uri, left, user, password) in [
            ("http://carol:carol-pw@host/a?b=c@d", "http://host/a?b=c@d", "carol", "carol-pw"),
            ("https://LAB%5Ccarol:p%40s:s@host:8443/", "https://host:8443/", "LAB\\carol", "p@s:s"),
            ("http://carol@[::1]:80/", "http://[::1]:80/", "carol", ""),
            ("http://:token@host/", "http://host/", "", "token"),
            ("http://token:@host/", "http://host/", "token", ""),
            ("http://carol:100%@host/", "http://host/", "carol", "100%"),
        ] {
            let (uri, credentials) = taken(uri);
            assert_eq!(uri, left);
            assert_eq!(credentials, Some(Credentials::password(user, password)), "{uri}");
        }
        for uri in ["http://host/", "http://@host/", "http://:@host/"] {
            assert_eq!(taken(uri), ("http://host/".to_owned(), None));
        }
    }

    #[test]
    fn what_the_caller_has_said_goes_before_it() {
        let alice = Credentials::password("alice", "alice-pw");
        let mut own = request("http://carol:carol-pw@host/");
        own.extensions_mut().insert(alice.clone());
        let mut anonymous = request("http://carol:carol-pw@host/");
        anonymous.extensions_mut().insert(Anonymous);
        let mut field = request("http://carol:carol-pw@host/");
        field.headers_mut().insert(header::AUTHORIZATION, http::HeaderValue::from_static("Bearer t"));
        for (mut request, expected) in [(own, Some(alice)), (anonymous, None), (field, None)] {
            take(&mut request).expect("a userinfo that can be read");
            assert_eq!(request.uri(), "http://host/");
            assert_eq!(request.extensions().get::<Credentials>(), expected.as_ref());
        }
    }

    #[test]
    fn what_cannot_be_read_is_an_error_that_shows_nothing_of_it() {
        for uri in ["http://carol:%E4@host/", "http://carol:p%0Aw@host/", "http://%FF:pw@host/"] {
            let error = take(&mut request(uri)).expect_err("an unreadable one");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("carol") && !shown.contains("%E4@") && !shown.contains("pw"), "{shown}");
        }
    }
}
