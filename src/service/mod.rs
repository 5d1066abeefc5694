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
