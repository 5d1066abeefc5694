//! Which proxy a request goes through, and who logs in there.
//!
//! A [`Client`](crate::Client) that is given [`Proxies`] sends `http` requests to the proxy in
//! absolute form, and reaches `https` origins by a [tunnel](crate::client::tunnel). It logs in at
//! the proxy by whatever the proxy wants, beside the login that the origin may want.
//!
//! ```
//! use legwork::client::proxy::{Proxies, Proxy};
//! use legwork::credentials::Credentials;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let proxy: Proxy = "http://proxy.example:3128".parse()?;
//! let proxies = Proxies::all(proxy.credentials(Credentials::password("LAB\\carol", "carol-pw")))
//!     .except("localhost, .corp.example, 10.0.0.0/8")
//!     .at("https://partner.example".parse()?, "http://other-proxy.example:8080".parse::<Proxy>()?);
//! # let _ = proxies;
//! # Ok(())
//! # }
//! ```

mod error;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, OnceLock};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{HeaderValue, Uri};
use hyper_util::client::proxy::matcher::{Intercept, Matcher};
use zeroize::Zeroizing;

use crate::credentials::Credentials;
use crate::protection_space::Origin;

pub use error::InvalidProxy;

/// An HTTP proxy, and who logs in there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
    credentials: Option<Credentials>,
}

impl Proxy {
    /// The proxy of this address, spoken to by TLS if its scheme is `https`.
    pub fn new(origin: Origin) -> Self {
        Self { origin, credentials: None }
    }

    /// Who logs in there. Where nobody is named, it is whom the authenticator has as
    /// [`proxy_credentials`](crate::handshake::AuthenticatorBuilder::proxy_credentials), or whom
    /// its provider finds; [`ProxyCredentials`](crate::credentials::ProxyCredentials) in a request's
    /// extensions come first in any case.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// The proxy's address.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(in crate::client) fn own_credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }

    fn of(intercept: &Intercept) -> Result<Self, InvalidProxy> {
        let uri = intercept.uri();
        let origin = Origin::from_uri(uri).map_err(|error| match uri.scheme_str() {
            Some(scheme) if scheme.starts_with("socks") => InvalidProxy::Socks,
            _ => InvalidProxy::Origin(error),
        })?;
        Ok(Self { origin, credentials: intercept.basic_auth().and_then(userinfo) })
    }
}

/// The user's name and password, as the matcher hands them over.
fn userinfo(basic: &HeaderValue) -> Option<Credentials> {
    let octets = BASE64_STANDARD.decode(basic.as_bytes().strip_prefix(b"Basic ")?).ok()?;
    let text = Zeroizing::new(String::from_utf8(octets).ok()?);
    let (username, password) = text.split_once(':')?;
    Some(Credentials::password(username, password))
}

impl FromStr for Proxy {
    type Err = InvalidProxy;

    /// Parses `http://host:port`, `https://user:password@host:port`, or `host:port` as `http`. Octets
    /// in user and password may be percent-encoded, as the backslash in `LAB%5Ccarol` has to be.
    fn from_str(text: &str) -> Result<Self, InvalidProxy> {
        let any = Uri::from_static("http://origin.invalid/");
        let intercept = Matcher::builder().all(text).build().intercept(&any);
        Self::of(&intercept.ok_or(InvalidProxy::Uri)?)
    }
}

/// Which proxy the requests to an origin go through.
#[derive(Clone, Debug)]
pub struct Proxies {
    of_scheme: OfScheme,
    exceptions: Option<Arc<Matcher>>,
    at: HashMap<Origin, Option<Proxy>>,
}

/// The proxy by the origin's scheme.
#[derive(Clone, Debug)]
enum OfScheme {
    Given { http: Option<Proxy>, https: Option<Proxy> },
    Environment { matcher: Arc<Matcher>, http: Found, https: Found },
}

/// What a variable of the environment says, once it has been looked at.
type Found = OnceLock<Result<Proxy, InvalidProxy>>;

impl Proxies {
    /// The same for every origin.
    pub fn all(proxy: Proxy) -> Self {
        Self::given(Some(proxy.clone()), Some(proxy))
    }

    /// For `http` origins alone.
    pub fn http(proxy: Proxy) -> Self {
        Self::given(Some(proxy), None)
    }

    /// For `https` origins alone.
    pub fn https(proxy: Proxy) -> Self {
        Self::given(None, Some(proxy))
    }

    /// What the environment says at this moment: `http_proxy`, `https_proxy`, `all_proxy` and
    /// `no_proxy`, in either case, as [hyper-util](Matcher::from_env) reads them. A program that
    /// runs as a CGI script (`REQUEST_METHOD` is set) has no proxies.
    ///
    /// A value that is no URI is passed over; a SOCKS proxy makes its requests fail with
    /// [`InvalidProxy::Socks`].
    pub fn from_env() -> Self {
        let matcher = Arc::new(Matcher::from_env());
        Self::new(OfScheme::Environment { matcher, http: Found::new(), https: Found::new() })
    }

    fn given(http: Option<Proxy>, https: Option<Proxy>) -> Self {
        Self::new(OfScheme::Given { http, https })
    }

    fn new(of_scheme: OfScheme) -> Self {
        Self { of_scheme, exceptions: None, at: HashMap::new() }
    }

    /// Goes to these hosts without a proxy, beside those that the environment lists. The rules are
    /// those of `no_proxy`: names stand for themselves and all below them, addresses may have a
    /// prefix length, `*` is every name, and commas stand between.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        self.exceptions = Some(Arc::new(Matcher::builder().all("http://proxy.invalid").no(hosts).build()));
        self
    }

    /// For one origin another proxy, or none. Goes before every other rule.
    #[must_use]
    pub fn at(mut self, origin: Origin, proxy: impl Into<Option<Proxy>>) -> Self {
        self.at.insert(origin, proxy.into());
        self
    }

    /// The proxy for the origin of an absolute `http` or `https` URI.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`] if the environment names one that cannot be used.
    pub fn of(&self, uri: &Uri) -> Result<Option<&Proxy>, InvalidProxy> {
        if !self.at.is_empty() {
            let origin = Origin::from_uri(uri).ok();
            if let Some(proxy) = origin.and_then(|origin| self.at.get(&origin)) {
                return Ok(proxy.as_ref());
            }
        }
        if self.exceptions.as_ref().is_some_and(|rules| rules.intercept(uri).is_none()) {
            return Ok(None);
        }
        let is_https = uri.scheme_str() == Some("https");
        match &self.of_scheme {
            OfScheme::Given { http, https } => Ok(if is_https { https } else { http }.as_ref()),
            OfScheme::Environment { matcher, http, https } => {
                let Some(intercept) = matcher.intercept(uri) else { return Ok(None) };
                let found = if is_https { https } else { http };
                let found = found.get_or_init(|| Proxy::of(&intercept));
                found.as_ref().map(Some).map_err(InvalidProxy::clone)
            }
        }
    }
}

impl fmt::Display for Proxy {
    /// Its address, without who logs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}
