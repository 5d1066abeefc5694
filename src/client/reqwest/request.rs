use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use reqwest::{Body, IntoUrl, Url};
use zeroize::Zeroizing;

use crate::client::AuthenticateFirst;
use crate::client::reqwest::client::Client;
use crate::client::reqwest::connection::strip_userinfo;
use crate::client::userinfo::{self, InvalidUserinfo};
use crate::credentials::{Anonymous, Credentials};
use crate::service::{Error, ErrorKind};

/// Builds a request.
///
/// What reqwest's own builder has beyond this is there by [`with`](Self::with). [`json`](Self::json),
/// [`form`](Self::form), [`query`](Self::query) and [`multipart`](Self::multipart) take the feature of the same
/// name, as they do in reqwest.
///
/// Who logs in is said by [`credentials`](Self::credentials): there is no `basic_auth` and no `bearer_auth`,
/// which send a secret to whoever is there, and over plain http.
///
/// ```no_run
/// # #[cfg(feature = "json")]
/// # async fn example(client: legwork::client::reqwest::Client) -> Result<(), Box<dyn std::error::Error>> {
/// use std::collections::HashMap;
///
/// let order = HashMap::from([("article", "desk"), ("color", "white")]);
/// let response = client.post("https://shop.example/orders").json(&order).send().await?;
/// // Without the feature, where the program's own reqwest has it:
/// let response = client.post("https://shop.example/orders").with(|it| it.json(&order)).send().await?;
/// # let _ = response;
/// # Ok(())
/// # }
/// ```
#[must_use = "a request that is not sent does nothing"]
pub struct RequestBuilder {
    client: Client,
    request: reqwest::RequestBuilder,
    acting_as: Option<ActingAs>,
    authenticates_first: bool,
}

enum ActingAs {
    Credentials(Credentials),
    Nobody,
    /// Somebody whom the URL names so that nobody can read it.
    Unreadable(InvalidUserinfo),
}

/// A URL without its userinfo, and who that is. `None` if there is none, or no URL.
fn split_userinfo(text: &str) -> Option<(Url, ActingAs)> {
    let mut url = Url::parse(text).ok()?;
    if has_backslash(text) {
        // Taken for a slash, it would make a host of the user, and a path of the password.
        url.set_path("");
        return Some((url, ActingAs::Unreadable(InvalidUserinfo)));
    }
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let userinfo = Zeroizing::new(format!("{}:{}", url.username(), url.password().unwrap_or_default()));
    let own = match userinfo::credentials(&userinfo) {
        Ok(credentials) => ActingAs::Credentials(credentials),
        Err(error) => ActingAs::Unreadable(error),
    };
    strip_userinfo(&mut url);
    Some((url, own))
}

/// Whether there is a backslash in what may be a userinfo.
fn has_backslash(url: &str) -> bool {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = behind_scheme.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(userinfo, _)| userinfo.contains('\\'))
}

/// Begins requests.
impl Client {
    /// Starts a `GET` of `url`.
    pub fn get<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::GET, url)
    }

    /// Starts a `POST` to `url`.
    pub fn post<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::POST, url)
    }

    /// Starts a `PUT` to `url`.
    pub fn put<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::PUT, url)
    }

    /// Starts a `PATCH` to `url`.
    pub fn patch<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::PATCH, url)
    }

    /// Starts a `DELETE` of `url`.
    pub fn delete<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::DELETE, url)
    }

    /// Starts a `HEAD` of `url`.
    pub fn head<U: IntoUrl>(&self, url: U) -> RequestBuilder {
        self.request(Method::HEAD, url)
    }

    /// Starts a request to `url`. Userinfo in it, as in `https://carol:carol-pw@wiki.example/`, is this request's
    /// [credentials](RequestBuilder::credentials).
    pub fn request<U: IntoUrl>(&self, method: Method, url: U) -> RequestBuilder {
        // reqwest would send them as Basic, unasked.
        let with_userinfo = Some(url.as_str()).filter(|text| text.contains('@'));
        let (request, own) = match with_userinfo.and_then(split_userinfo) {
            Some((url, own)) => (self.template.request(method, url), Some(own)),
            None => (self.template.request(method, url), None),
        };
        RequestBuilder::new(self.clone(), request, own)
    }
}

impl RequestBuilder {
    fn new(client: Client, request: reqwest::RequestBuilder, own: Option<ActingAs>) -> Self {
        Self { client, request, acting_as: own, authenticates_first: false }
    }

    /// Changes the request by whatever reqwest's builder can do: `.with(|request| request.version(Version::HTTP_10))`.
    pub fn with(mut self, change: impl FnOnce(reqwest::RequestBuilder) -> reqwest::RequestBuilder) -> Self {
        self.request = change(self.request);
        self
    }

    /// Adds a field.
    pub fn header<K, V>(self, name: K, value: V) -> Self
    where
        HeaderName: TryFrom<K, Error: Into<http::Error>>,
        HeaderValue: TryFrom<V, Error: Into<http::Error>>,
    {
        self.with(|request| request.header(name, value))
    }

    /// Sets fields.
    pub fn headers(self, fields: HeaderMap) -> Self {
        self.with(|request| request.headers(fields))
    }

    /// Sets the content.
    pub fn body<T: Into<Body>>(self, body: T) -> Self {
        self.with(|request| request.body(body))
    }

    /// Sets the content to `value` as JSON.
    #[cfg(feature = "json")]
    #[cfg_attr(docsrs, doc(cfg(feature = "json")))]
    pub fn json<T: serde::Serialize + ?Sized>(self, value: &T) -> Self {
        self.with(|request| request.json(value))
    }

    /// Sets the content to the fields of a form, urlencoded.
    #[cfg(feature = "form")]
    #[cfg_attr(docsrs, doc(cfg(feature = "form")))]
    pub fn form<T: serde::Serialize + ?Sized>(self, fields: &T) -> Self {
        self.with(|request| request.form(fields))
    }

    /// Adds pairs to the URL's query.
    #[cfg(feature = "query")]
    #[cfg_attr(docsrs, doc(cfg(feature = "query")))]
    pub fn query<T: serde::Serialize + ?Sized>(self, pairs: &T) -> Self {
        self.with(|request| request.query(pairs))
    }

    /// Sets the content to `form`, in several parts.
    ///
    /// It is a body in pieces, even where its parts are in memory: over [`Limits::replay`](crate::service::Limits::replay) octets,
    /// use [`authenticate_first`](Self::authenticate_first) at an origin that may ask for a login.
    #[cfg(feature = "multipart")]
    #[cfg_attr(docsrs, doc(cfg(feature = "multipart")))]
    pub fn multipart(self, form: reqwest::multipart::Form) -> Self {
        self.with(|request| request.multipart(form))
    }

    /// Sets how long the whole exchange may take: waiting for a connection, each leg of a login, redirects,
    /// and the response's content.
    ///
    /// Past it, [`send`](Self::send) fails with [`ErrorKind::Timeout`], and reading the content by reqwest's own
    /// error.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Sets who logs in, in place of the authenticator's own and of whoever the URL names.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.acting_as = Some(ActingAs::Credentials(credentials));
        self
    }

    /// Logs nobody in.
    pub fn anonymous(mut self) -> Self {
        self.acting_as = Some(ActingAs::Nobody);
        self
    }

    /// Logs in by a `HEAD` of the same URL before the request is sent: for a large streamed body, which
    /// otherwise fails at an origin that is new to the client, or whose Digest nonce has become too old.
    /// [`AuthenticateFirst`] says more.
    ///
    /// A login that is refused is an error then, [`ErrorKind::Refused`], and the response of the request itself has no
    /// [`Outcome`](crate::Outcome).
    pub fn authenticate_first(mut self) -> Self {
        self.authenticates_first = true;
        self
    }

    /// Sends the request.
    ///
    /// # Errors
    ///
    /// As [`Client::execute`]; also where the request cannot be made.
    ///
    /// # Panics
    ///
    /// As [`Client::execute`].
    pub async fn send(self) -> Result<reqwest::Response, Error> {
        let unfit = |error: reqwest::Error| ErrorKind::Request(error.into());
        let request = self.request.build().map_err(unfit)?;
        let acting_as = match self.acting_as {
            Some(ActingAs::Unreadable(error)) => return Err(ErrorKind::Request(error.into()).into()),
            acting_as => acting_as,
        };
        let response = self.client.execute_with(request, |extensions| {
            match acting_as {
                Some(ActingAs::Credentials(credentials)) => drop(extensions.insert(credentials)),
                Some(ActingAs::Nobody) => drop(extensions.insert(Anonymous)),
                Some(ActingAs::Unreadable(_)) | None => {}
            }
            if self.authenticates_first {
                extensions.insert(AuthenticateFirst);
            }
        });
        response.await
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("request", &self.request).finish_non_exhaustive()
    }
}
