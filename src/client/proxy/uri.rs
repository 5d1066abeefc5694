//! The URI of a proxy as people write it, with characters in user and password that a URI has only
//! percent-encoded.

use std::str::FromStr;

use http::Uri;

use crate::client::proxy::Proxy;
use crate::client::proxy::error::InvalidProxy;
use crate::client::userinfo;
use crate::protection_space::Origin;

impl FromStr for Proxy {
    type Err = InvalidProxy;

    /// Parses `http://host:port`, `https://user:password@host:port`, or `host:port` as `http`.
    /// [What is read how](crate::client::proxy#the-uri-of-a-proxy) is in the module's documentation.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        parse(text)
    }
}

/// `[scheme://][user[:password]@]host[:port]`, and what follows behind a `/`, `?` or `#` is ignored.
/// The table in the module's documentation has the rules.
fn parse(text: &str) -> Result<Proxy, InvalidProxy> {
    if text.bytes().any(|octet| octet == b' ' || octet.is_ascii_control()) {
        return Err(InvalidProxy::Character);
    }
    let (scheme, rest) = split_scheme(text)?;
    let (authority, ignored) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    // Was that the path, or is what stands before it the first half of a password? The wrong guess
    // would send the half to a host that the password names.
    if ignored.contains('@') {
        return Err(InvalidProxy::Delimiter);
    }
    // No host has an `@`, so the last one is where the userinfo ends.
    let (userinfo, host) = match authority.rsplit_once('@') {
        Some((userinfo, host)) => (Some(userinfo), host),
        None => (None, authority),
    };
    let uri: Uri = format!("{scheme}://{host}/").parse().map_err(|_| InvalidProxy::Uri)?;
    let origin = Origin::from_uri(&uri).map_err(InvalidProxy::Origin)?;
    let proxy = Proxy::new(origin);
    match userinfo {
        Some(text) => {
            let credentials = userinfo::credentials(text).map_err(|_| InvalidProxy::Encoding)?;
            Ok(proxy.credentials(credentials))
        }
        None => Ok(proxy),
    }
}

/// The scheme, `http` where there is none, and what follows it.
fn split_scheme(text: &str) -> Result<(&'static str, &str), InvalidProxy> {
    let is_scheme = |name: &str| name.bytes().all(|o| o.is_ascii_alphanumeric() || b"+-.".contains(&o));
    match text.split_once("://").filter(|(scheme, _)| is_scheme(scheme)) {
        Some((scheme, rest)) => match scheme.to_ascii_lowercase().as_str() {
            "http" => Ok(("http", rest)),
            "https" => Ok(("https", rest)),
            "socks" | "socks4" | "socks4a" | "socks5" | "socks5h" => Err(InvalidProxy::Socks),
            _ => Err(InvalidProxy::Uri),
        },
        // A slip of the pen in `http://` must not make a host of `http`.
        None => {
            let authority = text.split(['/', '?', '#']).next().unwrap_or_default();
            let is_slip = authority.ends_with(':') || text[authority.len()..].starts_with("//");
            if is_slip { Err(InvalidProxy::Uri) } else { Ok(("http", text)) }
        }
    }
}
