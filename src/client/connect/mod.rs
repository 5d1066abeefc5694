//! Connectors: what makes connections, with or without TLS, and what they tell of it.
//!
//! A connector is a service as hyper-util's legacy client takes it ([`Connect`]). The clients bring their own for
//! `http` and `https`; around one of yours over TLS, [`ChannelBound`] ties logins to its connections:
//!
//! ```
//! # #[cfg(feature = "rustls")]
//! # fn client(authenticator: legwork::Authenticator, tls: legwork::client::connect::rustls::ClientConfig) {
//! use hyper_util::client::legacy::connect::HttpConnector;
//! use legwork::Client;
//! use legwork::client::connect::ChannelBound;
//!
//! let mut tcp = HttpConnector::new();
//! tcp.enforce_http(false);
//! tcp.set_keepalive(Some(std::time::Duration::from_secs(60)));
//! let https = hyper_rustls::HttpsConnector::from((tcp, tls));
//! let client: Client<String> = Client::with_connector(authenticator, ChannelBound::new(https));
//! # let _ = client;
//! # }
//! ```

mod channel_bound;
pub(super) mod connector;
pub(super) mod early;
#[cfg(feature = "native-tls")]
pub(super) mod native;
#[cfg(any(feature = "rustls", feature = "native-tls"))]
mod over_transport;
pub(super) mod secure;
pub(super) mod tcp;
#[cfg(feature = "rustls")]
pub(super) mod tls;
pub(super) mod write;

/// The native-tls whose `TlsConnector` [`build_with_native_tls`](crate::client::ClientBuilder::build_with_native_tls)
/// takes.
#[cfg(feature = "native-tls")]
pub use ::native_tls;
/// The rustls whose `ClientConfig` [`build_with_tls`](crate::client::ClientBuilder::build_with_tls) takes.
#[cfg(feature = "rustls")]
pub use ::rustls;
pub use channel_bound::{BoundStream, ChannelBound, ServerCertificate};
pub use connector::Connect;
