//! The messages of [SCRAM](crate::scheme::scram).
//!
//! [`ScramExchange`] is the conversation over HTTP, without IO, clock or random source. [`ClientFirst`],
//! [`Derivation`] and [`ClientFinal`] are only the messages, as other protocols than HTTP carry them.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::SystemTime;
//!
//! use legwork::challenge::Challenges;
//! use legwork::credentials::Credentials;
//! use legwork::mechanism::{Moment, Proves};
//! use legwork::scheme::scram::Scram;
//! use legwork::unversioned::scram::{ScramExchange, ScramMemory, ScramStep};
//!
//! let challenges = Challenges::from_value(b"SCRAM-SHA-256 realm=\"lab\"");
//! let moment = Moment::new(SystemTime::now(), [7; 32]); // from the system's random source
//! let user = Credentials::password("user", "pencil");
//! let mut exchange = ScramExchange::new(&Scram::new(), user, moment, Arc::new(ScramMemory::new()));
//!
//! let step = exchange.respond(challenges.iter().next())?;
//! let ScramStep::Send { authorization, proves, .. } = step else { panic!("the first message") };
//! assert_eq!((authorization.scheme(), proves), ("SCRAM-SHA-256", Proves::Nothing));
//! # Ok::<(), legwork::unversioned::scram::ScramError>(())
//! ```

pub use crate::scheme::scram::attributes::ScramAttributes;
pub use crate::scheme::scram::error::{ScramError, ServerError};
pub use crate::scheme::scram::exchange::{ScramExchange, ScramStep};
pub use crate::scheme::scram::keys::{ScramKeys, derive_keys};
pub use crate::scheme::scram::login::{ClientFinal, ClientFirst, Derivation, ScramLogin};
pub use crate::scheme::scram::memory::ScramMemory;
pub use crate::scheme::scram::message::{ServerFinal, ServerFirst};
