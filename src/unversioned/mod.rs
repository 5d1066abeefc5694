//! What is not promised: the parts beneath the clients and the schemes, which may change or go in any release.
//!
//! Everything else in this crate follows semantic versioning ([policy](crate#versions)); what is in here does not,
//! and is here for those who can live with that. Depend on an exact version (`legwork = "=0.1.0"`) where you use it.

/// Randomness for one nonce of Digest or SCRAM.
pub use crate::mechanism::initiate::Entropy;

pub mod digest;
pub mod handshake;
pub mod scram;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
