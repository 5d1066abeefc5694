//! A request's body across its legs.
//!
//! The caller's body can be read once, and a login may need it several times. So it is read through a [`Tee`], which
//! keeps what it gives, up to [`Limits::replay`](crate::service::Limits::replay):
//!
//! ```text
//!  the caller's B ──▶ Payload ───────── Untouched(B), until a leg carries the body, or a scheme reads it
//!                        │ the first leg with a body
//!                        ▼
//!                       Tee ─────────── what is kept │ what was read ahead │ the rest: the caller's B
//!                        ▲      ▲
//!          LegBody of leg 1    LegBody of leg 2        each reads what is kept, then the rest
//! ```
//!
//! Of the legs that read from a tee only the latest may: the one before is cut off, and its connection with it. How
//! far the tee has come is its `TeeProgress`; what that means for another leg is `Payload::replay`: on the same
//! connection, on another one, or not at all. A connection keeps an empty tee for its next request.

mod leg_body;
mod tee;
#[cfg(test)]
mod tests;

pub use leg_body::LegBody;
pub(crate) use tee::Tee;
pub(super) use tee::TeeProgress;
