//! The handshake as a pure state machine: responses in, decisions out. No IO, no clock, no
//! runtime.
//!
//! There is one `Handshake` per connection and [`Challenger`](crate::protection_space::Challenger).
//! Everything that connections share is in the [`Authenticator`]: which schemes are allowed,
//! where credentials come from, what each origin is known to want, and what may be concluded about a
//! password.
//!
//! # One request
//!
//! ```text
//!                                 begin                           Ask, Wait, Step ──▶ the caller
//!                                   │                                    ▲                │
//!                                   ▼            a challenge             │    resume      │
//!            ┌───────────────────▶ Idle ──────────────────────────▶ deciding ◀────────────┘
//!            │                      │ nothing is known of the origin     │
//!            │                      │ or it is to be listened to         │ Send: type 1, a ticket,
//!            │                      ▼                                    ▼ a digest, …
//!            │                  the bare request                        Sent ◀───────┐
//!            │                      │                                    │           │ a challenge that
//!            │  not a challenge     │                                    ├───────────┘ goes on with it
//!            │◀─────────────────────┘                                    │
//!            │                                                           │ not a challenge
//!            │            ┌──────────────────┬──────────────────┬────────┴─────────┐
//!            │            ▼                  ▼                  ▼                  ▼
//!  the login │       Established         Standing           Unsettled        a challenge that
//!  was lost  │    the connection's:   each request's:    403 or 5xx: the    stands: refused
//!            │     later requests     the next one has    next answer on         │
//!            └──── carry nothing      its own, made      this connection         ├─ the request's: Idle
//!                                     by the same run    tells                   └─ the connection's: it
//!                                                                                   ends with the request
//! ```
//!
//! What was derived from a secret goes out only where the [lockout
//! guard](AuthenticatorBuilder::lockout_guard) has nothing against it: `deciding` asks it, and waits
//! while another request tries the same credentials. A connection that is lost, or a response that
//! cannot be used, ends in `Action::Renew` or `Action::Fail` from everywhere.
//!
//! To drive it by hand, over a transport of one's own, see `unversioned::handshake`, which semantic versioning does not cover.

pub(crate) mod action;
mod actor;
mod authenticator;
mod authenticator_builder;
mod caller;
mod declared;
mod demand;
mod error;
mod guard;
pub(crate) mod identity;
mod latest;
mod legs;
mod logins;
pub(crate) mod memory;
mod outcome;
mod progress;
mod queue;
mod run;
mod select;
mod sources;
pub(crate) mod state;
#[cfg(test)]
mod tests;
pub(crate) mod turn;
mod verdicts;
pub(crate) mod version;

pub use action::Renewal;
pub(crate) use action::{Action, Answer, BodyUse, Outlook, ResponseHead};
pub use actor::Actor;
pub use authenticator::Authenticator;
pub use authenticator_builder::{AuthenticatorBuilder, UnknownScheme};
pub use error::HandshakeError;
pub use identity::Identity;
#[cfg(feature = "client")]
pub(crate) use identity::IdentityKey;
#[cfg(test)]
pub(crate) use identity::ProviderId;
pub(crate) use logins::{Acting, Logins, WireRequest};
pub use outcome::{Login, Outcome, ProxyOutcome, Refusal, Tried, Why};
pub(crate) use state::Handshake;
pub(crate) use turn::Turn;
pub use verdicts::{LockoutBounds, Pause, PauseCause};
#[cfg(any(test, feature = "client"))]
pub(crate) use version::HttpVersion;
pub use version::Protocol;
