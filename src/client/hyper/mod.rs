//! The hyper client: a pool of exclusive leases over authenticated connections.
//!
//! A request has its connection to itself until the response's body has been read: a multi-leg
//! handshake can neither be interrupted nor continued elsewhere. Connections are kept by origin
//! *and* identity, and a connection whose request was dropped half-way is closed. Connections by TLS
//! tell their channel bindings; around a connector of your own, [`ChannelBound`] makes them.
//!
//! A connection that changes its protocol by a `101` (a WebSocket) leaves the pool: it is its
//! caller's, by [`hyper::upgrade::on`]. Its place in the limits is free once
//! the response is dropped; who wants it to count for longer keeps the response.
//!
//! With the feature `http2` a builder may ask for HTTP/2 (`ClientBuilder::http2`): a connection then
//! carries many requests at a time, all of one identity, and nothing logs it in as a whole.
//!
//! ```no_run
//! use bytes::Bytes;
//! use http_body_util::{BodyExt, Full};
//! use legwork::{Authenticator, Client, Credentials};
//!
//! # #[cfg(feature = "rustls")]
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let exchange = "https://mail.example".parse()?;
//! let authenticator =
//!     Authenticator::builder().credentials(exchange, Credentials::password("LAB\\carol", "carol-pw")).build();
//! let client = Client::builder(authenticator).build_https::<Full<Bytes>>()?;
//! let response = client.get("https://mail.example/ews".parse()?).await?;
//! println!("{}: {:?}", response.status(), response.into_body().collect().await?.to_bytes());
//! # Ok(())
//! # }
//! ```

pub(super) mod builder;
mod channel_bound;
mod client;
pub(super) mod connect;
pub(super) mod connection;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod given;
#[cfg(feature = "http2")]
mod http2;
#[cfg(feature = "native-tls")]
mod native;
mod route;
mod secure;
#[cfg(feature = "rustls")]
pub(super) mod tls;
pub(super) mod to_proxy;

pub use crate::client::builder::ClientBuilder;
pub use crate::client::response_body::ResponseBody;
/// The native-tls whose `TlsConnector` [`ClientBuilder::build_with_native_tls`] takes.
#[cfg(feature = "native-tls")]
pub use ::native_tls;
/// The rustls whose `ClientConfig` [`ClientBuilder::build_with_tls`] takes.
#[cfg(feature = "rustls")]
pub use ::rustls;
pub use channel_bound::{BoundFuture, BoundStream, ChannelBound, ServerCertificate};
pub use client::{Client, ClientFuture};
pub use connect::Connect;
#[cfg(feature = "native-tls")]
pub use native::NativeTlsConnector;
#[cfg(feature = "rustls")]
pub use tls::HttpsConnector;
