//! The reqwest client: requests and responses as reqwest has them, with logins.
//!
//! reqwest does not hand out connections. So each connection here is a reqwest client of its own, which is allowed
//! to connect once: no leg of a handshake can go astray, and no request goes over another identity's
//! connection. These clients are leased and kept as the [hyper client](crate::Client)'s connections are. Their
//! settings are those of the closure, which makes a builder for each.
//!
//! ```no_run
//! use legwork::{Authenticator, Client, Credentials};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let authenticator = Authenticator::builder()
//!     .credentials("http://wiki.example".parse()?, Credentials::password("LAB\\carol", "carol-pw"))
//!     .build();
//! # #[cfg(feature = "reqwest-rustls")] {
//! let tls = legwork::client::reqwest::platform_tls()?;
//! let client = Client::builder(authenticator)
//!     .build_reqwest(move || reqwest::Client::builder().tls_backend_preconfigured(tls.clone()))?;
//! let page = client.get("http://wiki.example/page").send().await?.text().await?;
//! # let _ = page; }
//! # Ok(())
//! # }
//! ```
//!
//! # What is different from one reqwest client
//!
//! - The closure is called for each connection, so what is costly to make is made before it: TLS
//!   above all. With `tls_backend_preconfigured(tls.clone())` in the closure a connection costs
//!   microseconds, without it milliseconds. What connections are to share has to be shared by it,
//!   such as cookies: `cookie_provider(Arc::clone(&jar))`, where `cookie_store(true)` would give
//!   each connection a jar of its own. Cookies are handled beneath the login: one that comes with a challenge is
//!   sent with the next leg.
//! - HTTP/1.1, no redirects, no retries, one connection: these settings cannot be changed. Redirects
//!   belong above the login: [`Client::follow_redirects`].
//! - Title case and more than 100 fields are set in the closure (`http1_title_case_headers`,
//!   `http1_max_headers`). Folded response fields are always unfolded, since some servers fold long
//!   challenges.
//! - A [`timeout`](RequestBuilder::timeout) of a request is the whole exchange's; one that is set in the
//!   closure is one leg's. [`Limits`](crate::service::Limits) bounds the handshake.
//! - No body waits for `100 Continue`, of which reqwest says nothing: a large streamed one to an origin
//!   that is new to the client takes [`authenticate_first`](RequestBuilder::authenticate_first), or
//!   [`authenticate`](Client::authenticate) ahead of it.
//! - A connection that is [upgraded](::reqwest::Response::upgrade) leaves the pool, and no longer
//!   counts.
//! - `Authorization` among the `default_headers` would be sent with legs that carry none.
//! - No proxy, neither the system's nor one that is set in the closure (`no_proxy()` is always set): a
//!   login through an unknown proxy goes wrong, and reqwest itself only knows Basic at proxies.
//!   The [hyper client](crate::Client) goes through [`proxies`](crate::client::ClientBuilder::proxies).
//! - Userinfo in a URL, which reqwest sends as Basic to whoever is there, is the request's
//!   [`credentials`](RequestBuilder::credentials), [as in all clients](crate::Client#userinfo-in-a-uri). In a
//!   request that reqwest's own builder has made it is an `Authorization` already, and passes untouched.
//! - Over https, NTLM and Negotiate take a leg more on a new connection to an origin that is known:
//!   the certificate is told with the first response, and they are tied to it. That takes
//!   legwork's feature `reqwest-rustls` or `reqwest-native-tls`, whichever TLS reqwest uses.
//!
//! # reqwest-middleware
//!
//! A middleware is called once per request and hands it to the one client beneath it: it has no say
//! over the connection. As the *last* middleware, in place of that client, this one works: it
//! ignores what is next and sends by [`execute`](Client::execute).

mod build;
mod client;
mod connection;
mod gate;
mod named;
mod request;

/// The reqwest whose clients, requests and responses these are.
pub use ::reqwest;
pub use build::BuildError;
#[cfg(feature = "rustls")]
pub use client::platform_tls;
pub use client::{Client, ResponseFuture};
pub use request::RequestBuilder;
