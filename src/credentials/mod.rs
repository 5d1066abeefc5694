//! What the user holds: names and secrets, and where they come from.

mod ambient;
mod chain;
mod environment;
mod fixed;
mod function;
mod invalid_token;
mod netrc;
mod origin_patterns;
mod provider;
mod secret;
mod token;
mod user;

pub use ambient::Ambient;
pub use chain::CredentialsChain;
pub use environment::EnvironmentCredentials;
pub(crate) use fixed::FixedCredentials;
pub use function::credentials_fn;
pub use invalid_token::InvalidToken;
pub use netrc::{Netrc, NetrcError};
pub(crate) use origin_patterns::Pattern;
pub use origin_patterns::{InvalidPattern, OriginPatterns};
pub use provider::{CredentialsFuture, CredentialsProvider, CredentialsQuery};
pub use secret::Secret;
pub use token::BearerTokens;
pub use user::{Anonymous, Credentials, ProxyCredentials};
