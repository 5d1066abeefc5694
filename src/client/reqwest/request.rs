use std::fmt;
use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};
use reqwest::Body;

use crate::client::reqwest::Client;
use crate::credentials::{Anonymous, Credentials};
use crate::service::{Error, ErrorKind};

/// A request in the making.
///
/// What reqwest's own builder has beyond this, such as `json` and `multipart`, is there by
/// [`with`](Self::with).
#[must_use = "a request that is not sent does nothing"]
pub struct RequestBuilder {
    client: Client,
    request: reqwest::RequestBuilder,
    acting_as: Option<ActingAs>,
}

enum ActingAs {
    Credentials(Credentials),
    Nobody,
}

impl RequestBuilder {
    pub(super) fn new(client: Client, request: reqwest::RequestBuilder) -> Self {
        Self { client, request, acting_as: None }
    }

    /// Whatever reqwest's builder can do: `.with(|request| request.json(&value))`.
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

    /// How long each leg may take, with its response's content.
    pub fn timeout(self, timeout: Duration) -> Self {
        self.with(|request| request.timeout(timeout))
    }

    /// Who logs in, in place of the authenticator's own.
    pub fn credentials(mut self, credentials: Credentials) -> Self {
        self.acting_as = Some(ActingAs::Credentials(credentials));
        self
    }

    /// Logs nobody in.
    pub fn anonymous(mut self) -> Self {
        self.acting_as = Some(ActingAs::Nobody);
        self
    }

    /// Sends it.
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
        let Some(acting_as) = self.acting_as else { return self.client.execute(request).await };
        let mut request = http::Request::try_from(request).map_err(unfit)?;
        match acting_as {
            ActingAs::Credentials(credentials) => drop(request.extensions_mut().insert(credentials)),
            ActingAs::Nobody => drop(request.extensions_mut().insert(Anonymous)),
        }
        self.client.execute(reqwest::Request::try_from(request).map_err(unfit)?).await
    }
}

impl fmt::Debug for RequestBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RequestBuilder").field("request", &self.request).finish_non_exhaustive()
    }
}
