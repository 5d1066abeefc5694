//! The handshake as a pure state machine: responses in, decisions out. No IO, no clock, no
//! runtime.
//!
//! There is one [`Handshake`] per connection and [`Challenger`](crate::protection_space::Challenger).
//! Everything that connections share is in the [`Authenticator`]: which schemes are allowed,
//! where credentials come from, what each origin is known to want, and the lockout guard.
//!
//! ```
//! use legwork::credentials::Credentials;
//! use legwork::handshake::Authenticator;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mail = "https://mail.example".parse()?;
//! let authenticator =
//!     Authenticator::builder().credentials(mail, Credentials::password("LAB\\carol", "carol-pw")).build();
//! # Ok(())
//! # }
//! ```

mod action;
mod authenticator;
mod error;
mod guard;
mod identity;
mod logins;
mod memory;
mod outcome;
mod progress;
mod run;
mod select;
mod state;
#[cfg(test)]
mod tests;
mod version;

pub use action::{Action, Answer, BodyUse, Question, Renewal, ResponseHead};
pub use authenticator::{Authenticator, AuthenticatorBuilder};
pub use error::HandshakeError;
pub use guard::Turn;
pub use identity::{Identity, IdentityKey, ProviderId, TlsSettings};
pub(crate) use logins::{Logins, WireRequest};
pub use memory::OriginMemory;
pub use outcome::{Login, Outcome, Refusal, Tried, Why};
pub use state::Handshake;
pub use version::{HttpVersion, Protocol};
