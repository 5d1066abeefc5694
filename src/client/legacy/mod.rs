//! hyper-util's legacy client with logins, for programs that have one: its builder, its connector
//! and its settings stay.
//!
//! The legacy client pools its connections and tells nobody which one a request takes. So each
//! connection here is a legacy client of its own, whose connector gives it that connection and no
//! other: no leg can go astray. These clients are leased and kept as hyper's connections are, which
//! do the same at less cost.
//!
//! ```no_run
//! use http_body_util::Empty;
//! use hyper_util::client::legacy::{self, connect::HttpConnector};
//! use hyper_util::rt::TokioExecutor;
//! use legwork::{Authenticator, Client, Credentials};
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let mut settings = legacy::Client::builder(TokioExecutor::new());
//! settings.http1_title_case_headers(true);
//! // Before: let client = settings.build(HttpConnector::new());
//! let authenticator = Authenticator::builder()
//!     .credentials("http://wiki.example".parse()?, Credentials::password("LAB\\carol", "carol-pw"))
//!     .build();
//! let client =
//!     Client::builder(authenticator).build_legacy::<_, Empty<&[u8]>>(settings, HttpConnector::new());
//! let response = client.get("http://wiki.example/".parse()?).await?;
//! # let _ = response;
//! # Ok(())
//! # }
//! ```
//!
//! It is the same [`Client`], with all of its methods. Settings for HTTP/1, such as title case and more than 100
//! fields, are made on the builder (`http1_title_case_headers`, `http1_max_headers`). Folded response fields are
//! unfolded whatever it says, since some servers fold long challenges.
//!
//! It speaks HTTP/1.1: `http2_only` is not for these settings. A connector over TLS has to leave `h2` out
//! of its ALPN protocols, and belongs in
//! [`ChannelBound`](crate::client::connect::ChannelBound), so that logins are tied to it. For a proxy,
//! a [`Tunnel`](crate::client::tunnel::Tunnel) goes into the connector.

mod connection;
mod connector;

use hyper_util::client::legacy;

use crate::client::builder::ClientBuilder;
use crate::client::connect::Connect;
use crate::client::handle::{Client, RequestBody};
use crate::client::legacy::connection::{LegacyConnection, MakeLegacyConnection};

impl ClientBuilder {
    /// Builds a client over hyper-util's [legacy client](crate::client::legacy) of these settings, whose pool they have no part
    /// in. [`proxies`](Self::proxies) have none either: a proxy is the connector's business.
    pub fn build_legacy<C: Connect, B: RequestBody>(
        self,
        settings: legacy::Builder,
        connector: C,
    ) -> Client<B> {
        let make = MakeLegacyConnection { connector, builder: settings };
        Client::over::<_, Box<LegacyConnection<C::Io, B>>>(self.dispatcher(make))
    }
}
