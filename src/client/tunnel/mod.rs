//! Tunnels through a proxy by `CONNECT` (RFC 9110, section 9.3.6): a connector around a connector.
//!
//! [`Tunnel`] connects to an HTTP proxy, asks it for a tunnel to the origin, logs in there by
//! whatever the proxy wants (Basic, Digest, NTLM, Negotiate, with all legs on the one connection),
//! and gives the tunnel as a connection. It goes beneath the connector that speaks TLS with the
//! origin: the proxy sees host and port, and octets. Credentials for the proxy are those that the
//! authenticator has by [`proxy_credentials`], or from its provider; they are sent to the proxy
//! alone.
//!
//! ```no_run
//! # #[cfg(feature = "rustls")]
//! # async fn example(tls: legwork::client::connect::rustls::ClientConfig) -> Result<(), Box<dyn std::error::Error>> {
//! use legwork::client::connect::ChannelBound;
//! use legwork::client::tunnel::Tunnel;
//! use legwork::{Authenticator, Client, Credentials, Origin};
//!
//! let proxy: Origin = "http://proxy.example:3128".parse()?;
//! let authenticator = Authenticator::builder()
//!     .proxy_credentials(proxy.clone(), Credentials::password("LAB\\carol", "carol-pw"))
//!     .credentials("https://mail.example".parse()?, Credentials::password("LAB\\bob", "bob-pw"))
//!     .build();
//!
//! let tunnel = Tunnel::builder(proxy, authenticator.clone()).build_http();
//! let https = hyper_rustls::HttpsConnector::from((tunnel, tls));
//! let client: Client<String> = Client::with_connector(authenticator, ChannelBound::new(https));
//! let response = client.get("https://mail.example/ews/".parse()?).await?;
//! # let _ = response; Ok(())
//! # }
//! ```
//!
//! hyper-util's legacy client takes the same connector. For a proxy that is spoken to over TLS, give
//! [`build`](TunnelBuilder::build) a connector that speaks TLS, and a proxy whose origin is `https`: a login
//! there is tied to its TLS where the connector tells [`ChannelBindings`].
//!
//! [`proxy_credentials`]: crate::handshake::AuthenticatorBuilder::proxy_credentials
//! [`ChannelBindings`]: crate::channel_bindings::ChannelBindings

mod builder;
mod connector;
pub(super) mod opening;
mod stream;

pub use crate::service::tunnel::{TunnelError, TunnelErrorKind};
pub use builder::TunnelBuilder;
pub use connector::Tunnel;
pub use stream::TunnelStream;
