//! One [`Handshake`] per connection and challenger, to drive by hand, without a runtime.
//!
//! How it decides is in [`handshake`](crate::handshake). Any client can drive it, a blocking one as well:
//!
//! ```
//! use std::io::{BufRead, BufReader, Read, Write};
//! use std::net::TcpStream;
//!
//! use http::{HeaderName, HeaderValue, Method, Response, Uri};
//! use legwork::handshake::Outcome;
//! use legwork::mechanism::Moments;
//! use legwork::protection_space::Challenger;
//! use legwork::scheme::RequestContext;
//! # #[cfg(feature = "testing")]
//! # use legwork::testing::{Offer, Server};
//! use legwork::unversioned::handshake::{Action, Answer, Handshake, ResponseHead, SystemMoments};
//! use legwork::{Authenticator, Credentials};
//!
//! /// A request and its response.
//! fn exchange(
//!     stream: &mut BufReader<TcpStream>,
//!     authorization: Option<&HeaderValue>,
//! ) -> Result<Response<Vec<u8>>, Box<dyn std::error::Error>> {
//!     let field = match authorization {
//!         Some(value) => format!("Authorization: {}\r\n", value.to_str()?),
//!         None => String::new(),
//!     };
//!     write!(stream.get_mut(), "GET / HTTP/1.1\r\nHost: mail.example\r\n{field}\r\n")?;
//!     let mut line = String::new();
//!     stream.read_line(&mut line)?;
//!     let mut response = Response::builder().status(&line[9..12]);
//!     let mut length = 0;
//!     loop {
//!         line.clear();
//!         stream.read_line(&mut line)?;
//!         let Some((name, value)) = line.trim_end().split_once(": ") else { break };
//!         if name.eq_ignore_ascii_case("content-length") {
//!             length = value.parse()?;
//!         }
//!         response = response.header(HeaderName::try_from(name)?, value);
//!     }
//!     let mut body = vec![0; length];
//!     stream.read_exact(&mut body)?;
//!     Ok(response.body(body)?)
//! }
//!
//! # #[cfg(not(feature = "testing"))]
//! # fn main() {}
//! # #[cfg(feature = "testing")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let runtime = tokio::runtime::Runtime::new()?;
//! # let server = runtime.block_on(Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).start())?;
//! # let (origin, address) = (server.origin(), server.address());
//! let carol = Credentials::password("carol", "carol-pw");
//! let authenticator = Authenticator::builder().credentials(origin.clone(), carol).build();
//!
//! let mut stream = BufReader::new(TcpStream::connect(address)?);
//! let mut handshake = Handshake::new(authenticator.clone(), Challenger::Origin, origin, None);
//! let target = Uri::from_static("/");
//! let request = RequestContext::new(&Method::GET, &target, false, &SystemMoments);
//!
//! let mut action = handshake.begin(&authenticator.identity(), request);
//! let mut response = None;
//! let outcome = loop {
//!     action = match action {
//!         // Without its body where that says `BodyUse::Withheld`; a GET has none.
//!         Action::Send { authorization, .. } => {
//!             let value = authorization.map(|authorization| authorization.into_value());
//!             let answer = exchange(&mut stream, value.as_ref())?;
//!             let next = handshake.receive(ResponseHead::of(&answer), request);
//!             response = Some(answer);
//!             next
//!         }
//!         Action::Deliver(outcome) => break outcome,
//!         // A step that may block, such as one that asks a KDC; here it may.
//!         Action::Step(job) => handshake.resume(Answer::Stepped(job.run(SystemMoments.moment()?)), request),
//!         // Another connection tries the same password: until `turn` resolves, or `turn.until()`.
//!         Action::Wait(turn) => {
//! #           runtime.block_on(turn);
//!             handshake.resume(Answer::Turn, request)
//!         }
//!         // Credentials of a provider; what is set for an origin needs no question.
//!         Action::Ask(_) => handshake.resume(Answer::Credentials(None), request),
//!         // On a new connection, or not at all.
//!         Action::Renew(_) | Action::Fail(_) | _ => return Err("the login failed".into()),
//!     };
//! };
//! assert_eq!(response.map(|response| response.status().as_u16()), Some(200));
//! let Some(Outcome::LoggedIn(login)) = outcome.as_deref() else { return Err("nobody is logged in".into()) };
//! assert_eq!((login.scheme, login.legs), ("NTLM", 3));
//! # Ok(())
//! # }
//! ```

pub use crate::handshake::action::{Action, Answer, BodyUse, Question, ResponseHead};
pub use crate::handshake::identity::ProviderId;
pub use crate::handshake::memory::OriginMemory;
pub use crate::handshake::state::Handshake;
pub use crate::handshake::turn::Turn;
pub use crate::handshake::version::HttpVersion;
pub use crate::mechanism::inquiry::Awaited;
pub use crate::mechanism::job::{StepJob, Stepped};
pub use crate::service::environment::SystemMoments;
