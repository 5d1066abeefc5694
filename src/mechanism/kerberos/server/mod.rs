//! What a client talks to, as values without IO: for this crate's own tests and for the embedded server.
//!
//! | file | holds |
//! |---|---|
//! | `kdc` | a KDC of one realm: octets in, octets out |
//! | `user` | whom it knows, and what it makes of their passwords |
//! | `service` | what a ticket is shown to: AP-REQ in, AP-REP out |
//! | `iakerb` | a service that carries its clients' messages to a KDC |
//! | `presented`, `refusal` | what KDC and service have in common: a ticket that is shown, and their refusals |
//!
//! What a client sends may be anything: each of them answers with a KRB-ERROR what it cannot read.

mod iakerb;
mod kdc;
mod presented;
mod refusal;
mod service;
#[cfg(test)]
mod tests;
mod user;

pub(crate) use iakerb::{Iakerb, Relayed, Unreachable, WithoutRealm};
#[cfg(test)]
pub(crate) use kdc::Change;
pub(crate) use kdc::Kdc;
pub(crate) use refusal::Refusal;
pub(crate) use service::{Accepted, BindingsRule, Rejected, Service};
pub use user::AccountState;
#[cfg(test)]
pub(crate) use user::User;
