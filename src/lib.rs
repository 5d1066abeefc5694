//! Client-side HTTP authentication that takes several messages, as a tower layer.

pub mod authorization;
pub mod challenge;
pub mod channel_bindings;
pub mod credentials;
pub mod handshake;
pub mod mechanism;
pub mod protection_space;
pub mod scheme;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use credentials::Credentials;
pub use handshake::{Authenticator, Outcome};
pub use protection_space::Origin;
