//! An HTTP server on loopback that demands authentication, for tests (feature `testing`).
//!
//! It really verifies what clients send: NTLM, Negotiate (SPNEGO with NTLM in it) and Basic, and with the feature `kerberos`
//! also Kerberos and IAKERB, by a KDC of its own. Its state belongs to the connection, as with IIS. [Quirks](Quirk) make it
//! behave as real servers do on bad days, and a [`Report`] tells what each connection carried.
//!
//! ```
//! use legwork::testing::{Offer, Server};
//! use tokio::io::{AsyncReadExt, AsyncWriteExt};
//! use tokio::net::TcpStream;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> std::io::Result<()> {
//! let server = Server::builder()
//!     .user("LAB\\carol", "carol-pw")
//!     .offer(Offer::Ntlm)
//!     .offer(Offer::basic("the lab"))
//!     .start()
//!     .await?;
//!
//! let mut stream = TcpStream::connect(server.address()).await?;
//! stream.write_all(b"GET / HTTP/1.1\r\nHost: lab\r\nConnection: close\r\n\r\n").await?;
//! let mut answer = String::new();
//! stream.read_to_string(&mut answer).await?;
//! assert!(answer.starts_with("HTTP/1.1 401 Unauthorized"));
//!
//! let report = server.wait_for(|report| report.open() == 0).await;
//! assert_eq!(report.connections()[0].legs[0].challenges, ["NTLM", "Basic realm=\"the lab\""]);
//! assert_eq!(report.attempts(), 0);
//! # Ok(())
//! # }
//! ```
//!
//! One thing changed: the first leg of every connection ends it, without a warning.
//!
//! ```
//! use legwork::testing::{Close, Offer, Quirk, Server, When};
//!
//! let builder = Server::builder()
//!     .offer(Offer::Negotiate)
//!     .quirk_when(When::leg(1), Quirk::Close(Close::Unannounced));
//! ```

pub(crate) mod acceptor;
mod activity;
mod answer;
mod body;
mod connection;
pub(crate) mod digest;
pub(crate) mod fault;
mod gate;
mod guard;
mod judge;
#[cfg(feature = "kerberos")]
pub(crate) mod kerberos;
pub(crate) mod ntlm;
mod offer;
mod open;
mod page;
pub(crate) mod persistence;
pub(crate) mod quirk;
mod report;
pub(crate) mod scram;
mod server;
mod session;
mod shared;
pub(crate) mod spnego;
#[cfg(test)]
mod tests;
pub(crate) mod token;
mod tunnel;
mod upgraded;
mod users;
mod wire;

pub use self::acceptor::{Accept, Acceptor};
pub use self::digest::DigestAcceptor;
pub use self::gate::Gate;
pub use self::judge::{Judge, Judgement, Presentation};
#[cfg(feature = "kerberos")]
#[doc(hidden)]
pub use self::kerberos::kerberos_readings;
#[cfg(feature = "kerberos")]
pub use self::kerberos::{Kdc, KdcBuilder, KdcReport, KerberosService};
pub use self::offer::{MakeAcceptor, Offer};
pub use self::quirk::{Close, Quirk, RefusalBody, When};
pub use self::report::{Connection, Leg, Report, SeenAuthorization, Verdict};
pub use self::scram::ScramAcceptor;
pub use self::server::{Builder, Server};
pub use self::token::TokenKind;
pub use self::users::Users;
