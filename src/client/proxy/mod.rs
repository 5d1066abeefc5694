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
//!
//! `http` and `https` origins may have proxies of their own, as with `http_proxy` and `https_proxy` in the
//! environment:
//!
//! ```
//! use legwork::client::proxy::{Proxies, Proxy};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let proxies = Proxies::http("http://cache.example:3128".parse::<Proxy>()?)
//!     .with_https("http://gateway.example:8080".parse::<Proxy>()?)
//!     .except("localhost, .corp.example");
//! let gateway = proxies.of(&"https://wiki.example/".parse()?)?.expect("a proxy");
//! assert_eq!(gateway.to_string(), "http://gateway.example:8080");
//! # Ok(())
//! # }
//! ```
//!
//! # The URI of a proxy
//!
//! A password is rarely written as a URI wants it. In variables of the environment
//! ([`Proxies::from_env`]) and in texts that are parsed as a [`Proxy`], user and password are taken
//! as they stand where that can mean only one thing; everything else is an [error](InvalidProxy) that
//! says what to write, and no proxy is ever passed over.
//!
//! | written | read as | curl 7.88 |
//! |---|---|---|
//! | `http://carol:p%40ss@proxy` | `carol`, `p@ss`: percent-encoded UTF-8 | the same |
//! | `http://carol:p@ss@proxy` | `carol`, `p@ss`: the last `@` ends the password | an error |
//! | `http://carol:p:w@proxy` | `carol`, `p:w`: the first colon ends the user | the same |
//! | `http://me%3Acarol:pw@proxy` | `me:carol`, `pw`, which Basic cannot send | the same, and Basic sends `me`, `carol:pw` |
//! | `http://CORP\carol:pw@proxy` | `CORP\carol`, `pw` | the same |
//! | `http://carol:100%@proxy`, `http://carol:p%zz@proxy` | `100%`, `p%zz`: a `%` before anything but two hexadecimal digits is one | the same |
//! | `http://jäson:pä@proxy` | `jäson`, `pä` | the same |
//! | `http://carol@proxy`, `http://carol:@proxy` | `carol`, an empty password | the same |
//! | `http://@proxy` | an empty user, an empty password | the same |
//! | `proxy:3128`, `carol:pw@proxy:3128` | `http` | the same |
//! | `http://proxy`, `https://proxy` | port 80, port 443 | port 1080, port 443 |
//! | `http://proxy/path`, `http://proxy?q` | the rest is ignored | the same |
//! | `http://carol:p/ss@proxy`, `?` or `#` in place of `/` | an error: [`Delimiter`](InvalidProxy::Delimiter) | an error |
//! | `http://car#ol:pw@proxy`, `http://carol:p@s/s@proxy` | the same error | a proxy by the name of `car`, of `s` |
//! | `http://carol:pw@proxy/p@th` | the same error | `carol`, `pw` |
//! | `http://carol:p ss@proxy`, a blank or line feed before or after | an error: [`Character`](InvalidProxy::Character) | an error |
//! | `http://carol:%E4@proxy` | an error: [`Encoding`](InvalidProxy::Encoding) | the octet E4 |
//! | `http://carol:p%0Ass@proxy`, up to `%1F` | the same error | no proxy, in silence |
//! | `http:/proxy`, `http:///proxy` | an error: [`Uri`](InvalidProxy::Uri) | `http://proxy` |
//! | `http:proxy`, `//proxy`, `ftp://proxy`, `http://` | an error | an error |
//! | `socks5://proxy` | an error: [`Socks`](InvalidProxy::Socks) | by SOCKS |
//!
//! curl's errors show the URI with its password; those here show nothing of it.
//!
//! # Hosts that need no proxy
//!
//! A list in `no_proxy`, or given to [`except`](Proxies::except), has entries with commas, blanks or
//! both between them: names, addresses, networks, each with or without a port. The manual has [a table of
//! them](crate::manual::proxies#hosts-that-need-no-proxy), beside what curl, Go and Python make of each.
//!
//! # Old proxies
//!
//! The connection to a proxy that answers in HTTP/1.0 stays open if the response says `keep-alive` in
//! `Connection` or `Proxy-Connection`. Otherwise no login in several legs (NTLM, Negotiate) can be completed,
//! and the error says that the connection was closed in the middle of the handshake. In HTTP/1.0 responses,
//! `Proxy-Connection` is renamed to `Connection`. A request with `Upgrade`, or with content of undeclared
//! length, cannot be sent in HTTP/1.0. It uses another connection, or fails in the middle of a login that is
//! tied to this one.

mod connect_fields;
mod error;
mod exceptions;
#[cfg(test)]
mod tests;
mod uri;

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fmt;

use http::{HeaderMap, Uri};

use crate::client::proxy::exceptions::Exceptions;
use crate::credentials::Credentials;
use crate::protection_space::Origin;

pub(super) use connect_fields::ConnectFields;
pub use error::InvalidProxy;

/// An HTTP proxy, and who logs in there.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy {
    origin: Origin,
    credentials: Option<Credentials>,
    connect_fields: ConnectFields,
}

impl Proxy {
    /// Takes the address of a proxy, which is spoken to over TLS if its scheme is `https`.
    pub fn new(origin: Origin) -> Self {
        Self { origin, credentials: None, connect_fields: ConnectFields::default() }
    }

    /// Sets who logs in there. Where nobody is named, it is whom the authenticator has as
    /// [`proxy_credentials`](crate::handshake::AuthenticatorBuilder::proxy_credentials), or whom
    /// its provider finds; [`ProxyCredentials`](crate::credentials::ProxyCredentials) in a request's
    /// extensions come first in any case.
    #[must_use]
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.credentials = Some(credentials);
        self
    }

    /// Sets fields that each `CONNECT` to this proxy carries, with every leg of the login. Neither the origins
    /// nor the requests over plain http get them.
    ///
    /// Default: `User-Agent: legwork/` with the version, since there are proxies that let nobody through
    /// who has none. A `User-Agent` among these takes its place.
    ///
    /// ```
    /// use http::header::{HeaderMap, HeaderValue, USER_AGENT};
    /// use legwork::client::proxy::Proxy;
    ///
    /// # fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let mut fields = HeaderMap::new();
    /// fields.insert(USER_AGENT, HeaderValue::from_static("backup/2.1"));
    /// fields.insert("x-department", HeaderValue::from_static("storage"));
    /// let proxy = "http://proxy.example:3128".parse::<Proxy>()?.connect_fields(fields)?;
    /// # let _ = proxy;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    ///
    /// [`InvalidProxy::ConnectField`] if one of them is not the caller's to set.
    pub fn connect_fields(mut self, fields: HeaderMap) -> Result<Self, InvalidProxy> {
        self.connect_fields = ConnectFields::new(fields)?;
        Ok(self)
    }

    /// Returns the proxy's address.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    pub(in crate::client) fn own_connect_fields(&self) -> &ConnectFields {
        &self.connect_fields
    }

    pub(in crate::client) fn own_credentials(&self) -> Option<&Credentials> {
        self.credentials.as_ref()
    }
}

/// Which proxy the requests to an origin go through.
#[derive(Clone, Debug)]
pub struct Proxies {
    http: Option<Usable>,
    https: Option<Usable>,
    exceptions: Exceptions,
    at: HashMap<Origin, Option<Proxy>>,
}

/// A proxy, or why the requests that would go through it fail.
type Usable = Result<Proxy, InvalidProxy>;

impl Proxies {
    /// Uses no proxy, until [`at`](Self::at), [`with_http`](Self::with_http) or [`with_https`](Self::with_https) names one.
    pub fn none() -> Self {
        Self::given(None, None)
    }

    /// Uses this proxy for every origin.
    pub fn all(proxy: Proxy) -> Self {
        Self::given(Some(proxy.clone()), Some(proxy))
    }

    /// Uses this proxy for `http` origins only; [`with_https`](Self::with_https) gives the others one.
    pub fn http(proxy: Proxy) -> Self {
        Self::given(Some(proxy), None)
    }

    /// Uses this proxy for `https` origins only; [`with_http`](Self::with_http) gives the others one.
    pub fn https(proxy: Proxy) -> Self {
        Self::given(None, Some(proxy))
    }

    /// Reads what the environment says at this moment. `http` origins are reached through the proxy in
    /// `http_proxy`, `https` ones through the one in `https_proxy`, and either through `all_proxy` where
    /// there is none of its own. `no_proxy` lists [exceptions](Self::except). Each variable may be in
    /// upper case too, which comes first, and an empty one is none. A program that runs as a CGI
    /// script (`REQUEST_METHOD` is set) has no proxies, since its callers can set `HTTP_PROXY`.
    ///
    /// A SOCKS proxy is no error here: the requests that it is for fail with [`InvalidProxy::Socks`].
    ///
    /// # Errors
    ///
    /// [`InvalidProxy::Variable`] names a variable that cannot be read, and says what to write. To go on
    /// without it would send requests past the proxy.
    pub fn from_env() -> Result<Self, InvalidProxy> {
        Self::from_variables(|name| env::var_os(name))
    }

    fn from_variables(variable: impl Fn(&str) -> Option<OsString>) -> Result<Self, InvalidProxy> {
        if variable("REQUEST_METHOD").is_some() {
            return Ok(Self::none());
        }
        let value = |name: &'static str| variable(name).filter(|value| !value.is_empty());
        let proxy = |names: [&'static str; 4]| {
            let found = names.into_iter().find_map(|name| Some((name, value(name)?)));
            let Some((name, value)) = found else { return Ok(None) };
            match value.to_str().ok_or(InvalidProxy::Encoding).and_then(str::parse) {
                Err(reason) if reason != InvalidProxy::Socks => {
                    Err(InvalidProxy::Variable { name, reason: Box::new(reason) })
                }
                usable => Ok(Some(usable)),
            }
        };
        let http = proxy(["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"])?;
        let https = proxy(["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])?;
        let proxies = Self { http, https, exceptions: Exceptions::default(), at: HashMap::new() };
        Ok(match value("NO_PROXY").or_else(|| value("no_proxy")) {
            // An entry that is not Unicode names no host, and the others hold.
            Some(hosts) => proxies.except(&hosts.to_string_lossy()),
            None => proxies,
        })
    }

    fn given(http: Option<Proxy>, https: Option<Proxy>) -> Self {
        Self {
            http: http.map(Ok),
            https: https.map(Ok),
            exceptions: Exceptions::default(),
            at: HashMap::new(),
        }
    }

    /// Sets the proxy of `http` origins, or none, in place of the one they have. The proxy of `https` origins,
    /// [exceptions](Self::except) and single [origins](Self::at) stay.
    #[must_use]
    pub fn with_http(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.http = proxy.into().map(Ok);
        self
    }

    /// Sets the proxy of `https` origins, or none, in place of the one they have. The proxy of `http` origins,
    /// [exceptions](Self::except) and single [origins](Self::at) stay.
    #[must_use]
    pub fn with_https(mut self, proxy: impl Into<Option<Proxy>>) -> Self {
        self.https = proxy.into().map(Ok);
        self
    }

    /// Goes to these hosts without a proxy, beside those that the environment and earlier lists have.
    /// [What may be in a list](self#hosts-that-need-no-proxy), as in `no_proxy`, is in the module's
    /// documentation.
    #[must_use]
    pub fn except(mut self, hosts: &str) -> Self {
        self.exceptions.extend(hosts);
        self
    }

    /// Sets another proxy for one origin, or none. It goes before every other rule.
    #[must_use]
    pub fn at(mut self, origin: Origin, proxy: impl Into<Option<Proxy>>) -> Self {
        self.at.insert(origin, proxy.into());
        self
    }

    /// Returns the proxy for the origin of an absolute `http` or `https` URI.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy::Socks`] if the environment names one that speaks SOCKS.
    pub fn of(&self, uri: &Uri) -> Result<Option<&Proxy>, InvalidProxy> {
        if !self.at.is_empty() {
            let origin = Origin::from_uri(uri).ok();
            if let Some(proxy) = origin.and_then(|origin| self.at.get(&origin)) {
                return Ok(proxy.as_ref());
            }
        }
        if self.exceptions.contain(uri) {
            return Ok(None);
        }
        let found = if uri.scheme_str() == Some("https") { &self.https } else { &self.http };
        found.as_ref().map(|usable| usable.as_ref().map_err(InvalidProxy::clone)).transpose()
    }
}

impl fmt::Display for Proxy {
    /// Its address, without who logs in.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.origin.fmt(f)
    }
}

impl fmt::Debug for Proxy {
    /// Without who logs in as well: what stands in a URI as the user may be a token.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("origin", &self.origin).finish_non_exhaustive()
    }
}
