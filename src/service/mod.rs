//! Authentication as a tower layer around *one connection*.
//!
//! [`Authenticate`] wraps a service that is one connection, never a pooled client: its
//! authentication lives and dies with the connection, and no other request can slip in between
//! two legs. The pool sits outside, as in [`Client`](crate::Client).
//!
//! ```
//! use legwork::handshake::Authenticator;
//! use legwork::service::{AuthenticateLayer, ConnectionInfo};
//! use tower_layer::Layer;
//!
//! # fn connect() {}
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let authenticator = Authenticator::builder().build();
//! let info = ConnectionInfo::new("https://mail.example".parse()?);
//! let layer = AuthenticateLayer::new(authenticator, info);
//! let service = layer.layer(connect());
//! # let _ = service; Ok(())
//! # }
//! ```
//!
//! # The order of layers
//!
//! What is above the login sees requests and what is delivered; what is beneath it sees every leg.
//! From the caller down to the connection:
//!
//! 1. what turns one request into others: redirects (`client::redirect`), retries;
//! 2. the pool, which gives each request a connection to itself;
//! 3. [`Authenticate`];
//! 4. what belongs to each leg: cookies, a trace of what the wire carries;
//! 5. the connection.
//!
//! Cookies above the login are lost on a server that ties its nonce, or a load balancer that ties
//! its backend, to a cookie set with the challenge: the next leg has to bring it. A jar may be
//! shared by the cookie layers of all connections; in `client::reqwest` it is given to each lane by
//! `cookie_provider`.

mod authenticate;
mod body;
mod channel;
mod conversation;
mod deadlines;
mod environment;
mod error;
mod failure;
mod head;
mod layer;
mod line;
mod make;
mod observe;
mod payload;
mod pending;
mod plan;
mod sending;

pub use authenticate::{Authenticate, ResponseFuture};
pub use body::LegBody;
pub use channel::ConnectionInfo;
pub use environment::{Blocking, BoxFuture, Limits, Timer};
pub use error::{BoxError, Error, ErrorKind, Unsent};
pub use layer::{AuthenticateLayer, LayerBuilder};
pub use make::MakeAuthenticate;
pub use observe::{LegReport, Observer, TokenReport};

#[cfg(any(feature = "client", feature = "testing"))]
pub(crate) use head::origin_form;
#[cfg(feature = "client")]
pub(crate) use {
    body::Tee,
    channel::Channel,
    environment::Environment,
    failure::{Failure, Retry},
    line::Line,
    payload::Payload,
    pending::Pending,
    sending::Sending,
};
