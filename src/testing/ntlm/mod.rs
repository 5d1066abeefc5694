//! An NTLM acceptor that verifies proof, MIC and channel bindings (MS-NLMP 3.2).

mod acceptor;
mod authenticate;
mod bindings;
#[cfg(test)]
mod tests;

pub use self::acceptor::{ChallengeForm, NtlmAcceptor};
pub use self::authenticate::AuthenticateMessage;
pub use self::bindings::SentBindings;
