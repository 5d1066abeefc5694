//! Clients: a pool of exclusive leases over authenticated connections, and what belongs to it.
//!
//! [`Client`] sends its requests through hyper, or through hyper-util's [legacy client](legacy); over reqwest there is
//! `client::reqwest`, with its requests and responses.
//!
//! A request has its connection to itself until the response's body has been read: a multi-leg
//! handshake can neither be interrupted nor continued elsewhere. Connections are kept by origin
//! *and* identity, and a connection whose request was dropped half-way is closed. Connections over TLS
//! tell their channel bindings; around a connector of your own, [`ChannelBound`](connect::ChannelBound) makes them.
//!
//! A connection that changes its protocol by a `101` (a WebSocket) leaves the pool: it is its
//! caller's, by [`hyper::upgrade::on`](::hyper::upgrade::on). Its place in the limits is free once
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

mod ahead;
mod blocking;
mod builder;
pub mod connect;
mod connection;
mod dispatch;
mod environment;
mod handle;
mod hyper;
#[cfg(feature = "kerberos")]
mod kdc;
pub mod legacy;
mod log_out;
#[cfg(test)]
mod model;
mod one_connection;
#[cfg(test)]
mod planted;
mod pool;
pub mod proxy;
pub mod redirect;
#[cfg(feature = "reqwest")]
pub mod reqwest;
mod response_body;
mod retries;
mod runtime;
pub mod tunnel;
mod userinfo;

pub use ahead::AuthenticateFirst;
pub use blocking::BlockingSteps;
pub use builder::ClientBuilder;
pub use handle::{Client, RequestBody};
#[cfg(feature = "kerberos")]
pub use kdc::KdcSockets;
pub use log_out::LogOut;
pub use response_body::ResponseBody;
