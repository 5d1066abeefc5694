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
//! # Any other client
//!
//! What a client has to give is one connection at a time, by tower's traits:
//!
//! - its connector is a `Service<Target>` whose responses are connections (tower's `MakeService`);
//! - a connection is a `Service<Request<LegBody<B>>, Response = Response<R>>` whose requests all go
//!   over it. It neither connects anew nor sends anything twice, is not ready while it is busy, and
//!   fails once it is closed; a [`LegError`] says what it knows of the request. It unfolds response fields that are
//!   folded over several lines (RFC 9112, section 5.2), as some servers fold long challenges; hyper does
//!   with `allow_obsolete_multiline_headers_in_responses`.
//!
//! [`MakeAuthenticate`] makes connections that log in of such a connector. What hands them out, a
//! pool as a rule, keeps to this:
//!
//! - a connection has one user at a time, until the response's body has been read to its end;
//! - one whose future or body was dropped, or that failed, is dropped too;
//! - after [`NewConnectionNeeded`](ErrorKind::NewConnectionNeeded) the request can be made again on
//!   a new one. So says a connection that has logged another identity in: keep them apart by who
//!   requests act as.
//!
//! A client that cannot hand out a connection, as reqwest cannot, is given one client for each
//! (`client::reqwest`). Here it is done with hyper's connections:
//!
//! ```
//! use std::net::SocketAddr;
//! use std::pin::Pin;
//! use std::task::{Context, Poll};
//!
//! use bytes::Bytes;
//! use http::{Request, Response};
//! use http_body_util::{BodyExt, Full};
//! use hyper::body::Incoming;
//! use hyper::client::conn::http1::{self, SendRequest};
//! use hyper_util::rt::TokioIo;
//! use legwork::service::{BoxError, ConnectionInfo, LegBody, MakeAuthenticate};
//! # #[cfg(feature = "testing")]
//! use legwork::testing::{Offer, Server};
//! use legwork::{Authenticator, Credentials};
//! use tokio::net::TcpStream;
//! use tower::{Service, ServiceExt, service_fn};
//!
//! /// One connection.
//! struct Connection(SendRequest<Leg>);
//!
//! type Leg = LegBody<Full<Bytes>>;
//!
//! impl Service<Request<Leg>> for Connection {
//!     type Response = Response<Incoming>;
//!     type Error = hyper::Error;
//!     type Future = Pin<Box<dyn Future<Output = hyper::Result<Response<Incoming>>> + Send>>;
//!
//!     fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<hyper::Result<()>> {
//!         self.0.poll_ready(cx)
//!     }
//!
//!     fn call(&mut self, leg: Request<Leg>) -> Self::Future {
//!         Box::pin(self.0.send_request(leg))
//!     }
//! }
//!
//! async fn connect(address: SocketAddr) -> Result<Connection, BoxError> {
//!     let stream = TcpStream::connect(address).await?;
//!     let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
//!     tokio::spawn(connection);
//!     Ok(Connection(sender))
//! }
//!
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! # #[cfg(feature = "testing")]
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), BoxError> {
//! let server = Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).start().await?;
//! let carol = Credentials::password("carol", "carol-pw");
//! let authenticator = Authenticator::builder().credentials(server.origin(), carol).build();
//!
//! let origin = |address: &SocketAddr| format!("http://{address}").parse();
//! let describe = |address: &SocketAddr, _: &Connection| Ok(ConnectionInfo::new(origin(address)?));
//! let mut connector = MakeAuthenticate::new(authenticator, service_fn(connect), describe);
//!
//! let mut connection = connector.ready().await?.call(server.address()).await?;
//! for _ in 0..2 {
//!     let request = Request::get("/").header("host", "lab").body(Full::<Bytes>::default())?;
//!     let ready = ServiceExt::<Request<Full<Bytes>>>::ready(&mut connection).await?;
//!     let response = ready.call(request).await?;
//!     assert_eq!(response.status(), 200);
//!     response.into_body().collect().await?;
//! }
//! let report = server.report();
//! assert_eq!((report.connections().len(), report.legs().count()), (1, 4));
//! # Ok(())
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
//! shared by the cookie layers of all connections; in `client::reqwest` it is given to each connection by
//! `cookie_provider`.

mod audience;
mod authenticate;
mod body;
mod causes;
mod channel;
mod channel_in_use;
mod conversation;
mod deadlines;
pub(crate) mod environment;
mod error;
mod event;
mod expectation;
mod failure;
mod head;
mod layer;
mod leg_error;
mod leg_service;
mod make;
mod observe;
mod payload;
mod prepared_request;
mod recorder;
mod retryable;
mod sending;
#[cfg(feature = "tracing")]
pub mod spans;
#[cfg(not(feature = "tracing"))]
#[path = "without_spans.rs"]
mod spans;
mod through_proxy;
#[cfg(feature = "client")]
pub(crate) mod tunnel;
mod watch;

pub use authenticate::{Authenticate, ResponseFuture};
pub use body::LegBody;
pub use channel::ConnectionInfo;
pub use environment::{Blocking, BoxFuture, Environment, KdcTransport, Limits, Timer};
pub use error::{BoxError, Error, ErrorKind};
pub use event::{Ending, Event, EventKind, Work};
pub use layer::AuthenticateLayer;
pub use leg_error::LegError;
pub use make::MakeAuthenticate;
pub use observe::{LegReport, Observer, TokenReport};
pub use recorder::{Recorder, Recording};

#[cfg(feature = "reqwest")]
pub(crate) use error::Astray;
#[cfg(any(feature = "client", feature = "testing"))]
pub(crate) use head::origin_form;
#[cfg(feature = "client")]
pub(crate) use {
    body::Tee,
    channel::Channel,
    error::{CONNECTING, Route},
    expectation::Expectation,
    failure::{FailedRequest, Retry},
    head::withhold_body,
    leg_service::LegService,
    payload::Payload,
    prepared_request::PreparedRequest,
    sending::Sending,
    watch::{Connecting, Watch},
};
