//! Client-side HTTP authentication that takes several messages, as a tower layer.

pub mod authorization;
pub mod challenge;
pub mod channel_bindings;
pub mod credentials;
pub mod mechanism;
pub mod protection_space;
#[cfg(any(test, feature = "testing"))]
pub mod testing;

pub use credentials::Credentials;
pub use protection_space::Origin;
