//! Who challenges, and for what: challenger, origin, realm (RFC 9110, sections 4.3.1 and 11.5).

use std::fmt;
use std::sync::Arc;

use http::header::{self, HeaderName};
use http::uri::Authority;
use http::{StatusCode, Uri};

/// Who sent a challenge. It owns the status code and the names of the header fields, so that
/// nothing else branches on them (RFC 9110, sections 11.6 and 11.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(clippy::exhaustive_enums)]
pub enum Challenger {
    /// The origin server: `401`, `WWW-Authenticate`, `Authorization`.
    Origin,
    /// A proxy: `407`, `Proxy-Authenticate`, `Proxy-Authorization`.
    Proxy,
}

impl Challenger {
    /// Returns the status code that carries this challenger's challenges.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Origin => StatusCode::UNAUTHORIZED,
            Self::Proxy => StatusCode::PROXY_AUTHENTICATION_REQUIRED,
        }
    }

    /// Returns the field with the challenges, and with the final token in a success.
    pub const fn challenge_field(self) -> HeaderName {
        match self {
            Self::Origin => header::WWW_AUTHENTICATE,
            Self::Proxy => header::PROXY_AUTHENTICATE,
        }
    }

    /// Returns the field in which a success speaks of the login (RFC 9110, sections 11.6.3 and 11.7.3).
    pub const fn info_field(self) -> HeaderName {
        const OF_ORIGIN: HeaderName = HeaderName::from_static("authentication-info");
        const OF_PROXY: HeaderName = HeaderName::from_static("proxy-authentication-info");
        match self {
            Self::Origin => OF_ORIGIN,
            Self::Proxy => OF_PROXY,
        }
    }

    /// Returns the field that answers them.
    pub const fn authorization_field(self) -> HeaderName {
        match self {
            Self::Origin => header::AUTHORIZATION,
            Self::Proxy => header::PROXY_AUTHORIZATION,
        }
    }
}

impl fmt::Display for Challenger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Origin => "origin",
            Self::Proxy => "proxy",
        })
    }
}

/// A scheme, a host and a port: where credentials belong (RFC 9110, section 4.3.1).
///
/// The host is in lower case, IPv6 literals keep their brackets, and the port is always known.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    secure: bool,
    host: Arc<str>,
    port: u16,
}

impl Origin {
    /// Takes the origin out of an absolute `http` or `https` URI.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] if the URI is relative, has another scheme, no host, or a pattern in its place.
    pub fn from_uri(uri: &Uri) -> Result<Self, InvalidOrigin> {
        let (secure, host, port) = parts(uri)?;
        // Credentials for it would never be found, and nobody would be told why.
        if host.contains('*') {
            return Err(InvalidOrigin::Pattern);
        }
        Ok(Self { secure, host: host.to_ascii_lowercase().into(), port })
    }

    /// Returns whether `uri` names this origin; allocates nothing.
    pub fn is_origin_of(&self, uri: &Uri) -> bool {
        parts(uri).is_ok_and(|(secure, host, port)| {
            secure == self.secure && port == self.port && host.eq_ignore_ascii_case(&self.host)
        })
    }

    /// Returns whether the scheme is `https`.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// Returns the host in lower case, with brackets around an IPv6 literal.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the port, the scheme's default where the URI named none.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The URI of the root.
    #[cfg(feature = "client")]
    pub(crate) fn to_uri(&self) -> Uri {
        self.to_string().parse().expect("an origin is a URI")
    }

    /// Returns whether the port is the scheme's default.
    pub fn has_default_port(&self) -> bool {
        self.port == if self.secure { 443 } else { 80 }
    }
}

impl std::str::FromStr for Origin {
    type Err = InvalidOrigin;

    /// Parses `http://host`, `https://host:port`; a path is ignored. A pattern such as
    /// `https://*.example` is none: [`OriginPatterns`](crate::credentials::OriginPatterns) takes it.
    fn from_str(text: &str) -> Result<Self, InvalidOrigin> {
        let uri = text.parse().map_err(|_| InvalidOrigin::Uri)?;
        Self::from_uri(&uri)
    }
}

/// Whether the host is all that stands before the port. A URI may have brackets anywhere: the host of `http://mail.[::1]`
/// ends at the first colon, that of `http://[::1]mail` behind the bracket.
fn is_whole(authority: &Authority, host: &str) -> bool {
    if !host.starts_with('[') {
        return !host.bytes().any(|octet| matches!(octet, b'[' | b']'));
    }
    let from_host = authority.as_str().rsplit('@').next().unwrap_or_default();
    from_host.strip_prefix(host).is_some_and(|rest| rest.is_empty() || rest.starts_with(':'))
}

/// Scheme, host and port of an absolute URI, without a copy.
pub(crate) fn parts(uri: &Uri) -> Result<(bool, &str, u16), InvalidOrigin> {
    let secure = match uri.scheme() {
        Some(scheme) if *scheme == http::uri::Scheme::HTTP => false,
        Some(scheme) if *scheme == http::uri::Scheme::HTTPS => true,
        Some(_) => return Err(InvalidOrigin::Scheme),
        None => return Err(InvalidOrigin::Relative),
    };
    let authority = uri.authority().ok_or(InvalidOrigin::Relative)?;
    let host = authority.host();
    if host.is_empty() || !is_whole(authority, host) {
        return Err(InvalidOrigin::Host);
    }
    let default = if secure { 443 } else { 80 };
    let port = match authority.port_u16() {
        Some(port) => port,
        None => {
            let from_host = authority.as_str().rsplit('@').next().unwrap_or_default();
            // A port that is none would else lead to the default one.
            match from_host.strip_prefix(host) {
                Some("" | ":") => default,
                _ => return Err(InvalidOrigin::Port),
            }
        }
    };
    Ok((secure, host, port))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.secure { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.host)?;
        if self.has_default_port() { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

impl fmt::Debug for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Origin({self})")
    }
}

/// Why a URI names no origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum InvalidOrigin {
    /// The text is no URI.
    Uri,
    /// The URI has no scheme and authority.
    Relative,
    /// The scheme is neither `http` nor `https`.
    Scheme,
    /// There is no host, or it is neither a name nor an address.
    Host,
    /// The port is no number below 65,536.
    Port,
    /// The host has a `*` in it: [`OriginPatterns`](crate::credentials::OriginPatterns) takes patterns,
    /// an origin is one host.
    Pattern,
}

impl fmt::Display for InvalidOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Uri => "the text is not a URI",
            Self::Relative => "the URI is relative; an absolute one names the origin",
            Self::Scheme => "the URI's scheme is neither http nor https",
            Self::Host => "the URI has no host, or none that is a name or an address",
            Self::Port => "the URI's port is not a number below 65536",
            Self::Pattern => {
                "the host is a pattern, but an origin has a single host: patterns go into OriginPatterns"
            }
        })
    }
}

impl std::error::Error for InvalidOrigin {}

/// The realm of a challenge, as the server spelled it after unquoting.
pub type Realm = Arc<str>;

/// Where one set of credentials is valid: a challenger, its origin, and the realm where the
/// scheme has one (RFC 9110, section 11.5).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct ProtectionSpace {
    /// Whose challenge it is.
    pub challenger: Challenger,
    /// The origin server, or the proxy.
    pub origin: Origin,
    /// `None` for NTLM and Negotiate, which have no realms.
    pub realm: Option<Realm>,
}

impl ProtectionSpace {
    /// Creates the space of `origin` as seen by `challenger`.
    pub fn new(challenger: Challenger, origin: Origin, realm: Option<Realm>) -> Self {
        Self { challenger, origin, realm }
    }
}

/// Those of an origin's paths that a challenge speaks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Paths {
    /// Every path.
    All,
    /// Those that begin with one of these.
    Below(Vec<String>),
}

impl Paths {
    /// How many beginnings are kept.
    const MAX: usize = 32;

    /// Covers what lies in the same folder as `path`, and below it.
    pub fn beside(path: &str) -> Self {
        match path.rfind('/') {
            Some(slash) => Self::Below(vec![path[..=slash].to_owned()]),
            None => Self::Below(vec![path.to_owned()]),
        }
    }

    /// How much of `path` is spoken for: the longest of the beginnings that it has, 0 for every
    /// path, `None` if it is outside.
    pub(crate) fn contain(&self, path: &str) -> Option<usize> {
        match self {
            Self::All => Some(0),
            Self::Below(beginnings) => {
                let those = beginnings.iter().filter(|beginning| begins_with(path, beginning));
                those.map(String::len).max()
            }
        }
    }

    /// Adds others; of too many the first go.
    pub(crate) fn extend(&mut self, others: Self) {
        let (Self::Below(ours), Self::Below(others)) = (&mut *self, &others) else {
            *self = Self::All;
            return;
        };
        for other in others {
            if ours.iter().any(|beginning| begins_with(other, beginning)) {
                continue;
            }
            ours.retain(|beginning| !begins_with(beginning, other));
            ours.push(other.clone());
        }
        let too_many = ours.len().saturating_sub(Self::MAX);
        ours.drain(..too_many);
    }
}

/// Whether a path lies at another one or beneath it: `/a` stands for `/a/b`, not for `/ab`.
pub(crate) fn begins_with(path: &str, beginning: &str) -> bool {
    path.strip_prefix(beginning).is_some_and(|rest| {
        rest.is_empty() || beginning.ends_with('/') || rest.starts_with('/') || rest.starts_with('?')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(uri: &str) -> Result<Origin, InvalidOrigin> {
        uri.parse()
    }

    #[test]
    fn an_origin_is_scheme_host_and_port_whatever_the_spelling() {
        let plain = origin("http://Mail.Example/owa").expect("an origin");
        assert_eq!(plain.to_string(), "http://mail.example");
        assert_eq!(plain, origin("http://mail.example:80/").expect("an origin"));
        assert_ne!(plain, origin("https://mail.example/").expect("an origin"));
        assert_ne!(plain, origin("http://mail.example:8080/").expect("an origin"));
        assert!(plain.is_origin_of(&"http://MAIL.example/other?x".parse().expect("a URI")));
        assert!(!plain.is_origin_of(&"http://mail.example.evil/".parse().expect("a URI")));
        assert_eq!(origin("https://[::1]:8443/").expect("an origin").host(), "[::1]");
    }

    #[test]
    fn a_folder_covers_what_is_in_it_and_below() {
        let mut paths = Paths::beside("/docs/index.html");
        assert_eq!(paths.contain("/docs/other.html"), Some(6));
        assert_eq!(paths.contain("/docs/a/b"), Some(6));
        assert_eq!(paths.contain("/docsters"), None);
        paths.extend(Paths::beside("/docs/a/"));
        assert_eq!(paths, Paths::Below(vec!["/docs/".into()]), "it was in there");
        paths.extend(Paths::beside("/x"));
        assert_eq!(paths, Paths::Below(vec!["/".into()]), "all of it is in there");
        for i in 0..100 {
            let mut many = Paths::beside("/0/");
            for j in 1..i {
                many.extend(Paths::beside(&format!("/{j}/")));
            }
            assert!(matches!(&many, Paths::Below(kept) if kept.len() <= Paths::MAX));
        }
        paths.extend(Paths::All);
        assert_eq!(paths.contain("anything"), Some(0));
    }

    #[test]
    fn what_is_no_origin_says_why() {
        assert_eq!(origin("/owa"), Err(InvalidOrigin::Relative));
        assert_eq!(origin("ftp://files.example/"), Err(InvalidOrigin::Scheme));
        for uri in ["http://h:99999/", "https://u:p@9:99999/", "http://[::1]:65536"] {
            assert_eq!(origin(uri), Err(InvalidOrigin::Port), "{uri}");
        }
        for uri in ["https://*.example", "http://*.example:8080/", "http://u:p@*.example", "https://*"] {
            assert_eq!(origin(uri), Err(InvalidOrigin::Pattern), "{uri}");
        }
        for uri in ["http://mail.[::1]/", "https://mail.[::1]:443", "http://u:p@a]b", "http://a[b/"] {
            assert!(
                matches!(origin(uri), Err(InvalidOrigin::Host | InvalidOrigin::Port | InvalidOrigin::Uri)),
                "{uri}"
            );
        }
        for uri in ["https://mail.[::1]:443", "http://[::1]mail:80", "http://u:p@[::1]mail"] {
            assert_eq!(origin(uri), Err(InvalidOrigin::Host), "{uri}");
        }
        assert!(InvalidOrigin::Pattern.to_string().contains("OriginPatterns"));
        for uri in ["http://h:", "http://u:1@h/", "http://[::1]/"] {
            assert_eq!(origin(uri).map(|origin| origin.port()), Ok(80), "{uri}");
        }
    }

    #[test]
    fn what_is_wrong_with_an_origin_is_told_in_words() {
        for (error, words) in [
            (InvalidOrigin::Uri, "not a URI"),
            (InvalidOrigin::Relative, "relative"),
            (InvalidOrigin::Scheme, "neither http nor https"),
            (InvalidOrigin::Host, "no host"),
            (InvalidOrigin::Port, "below 65536"),
        ] {
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_path_without_a_folder_covers_itself_and_what_is_below() {
        let paths = Paths::beside("*");
        assert_eq!((paths.contain("*"), paths.contain("/docs")), (Some(1), None));
    }
}
