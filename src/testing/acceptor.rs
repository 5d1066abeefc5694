//! What a server asks of a mechanism.

use std::fmt;

use super::persistence::Persistence;
use crate::mechanism::MessageIntegrity;

/// The accepting side of a mechanism, for one login.
pub trait Acceptor: Send {
    /// Takes the client's next token.
    fn step(&mut self, token: &[u8]) -> Accept;

    /// How long a connection stays logged in that it has accepted a client on: as long as the connection lives, and nothing says so,
    /// where the acceptor has no rule. A [`Quirk::Persistence`](crate::testing::Quirk::Persistence) takes precedence.
    fn persistence(&self) -> Option<Persistence> {
        None
    }
}

/// What a token of the client came to.
#[allow(clippy::exhaustive_enums, reason = "complete by definition: go on, yes, no")]
pub enum Accept {
    /// Send this token and wait for the next.
    Continue(Vec<u8>),
    /// The client is who it says it is.
    Accepted {
        /// The name, `DOMAIN\user` where there is a domain.
        user: String,
        /// A last token for the client, where the mechanism has one.
        token: Option<Vec<u8>>,
        /// Message integrity, where it was negotiated.
        integrity: Option<Box<dyn MessageIntegrity>>,
    },
    /// The client is refused.
    Refused {
        /// The reason, for people; not for the client.
        why: String,
        /// A last token for the client, where the mechanism has one.
        token: Option<Vec<u8>>,
    },
}

impl fmt::Debug for Accept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let length = |token: &Option<Vec<u8>>| token.as_ref().map(Vec::len);
        match self {
            Self::Continue(token) => f.debug_tuple("Continue").field(&token.len()).finish(),
            Self::Accepted { user, token, integrity } => f
                .debug_struct("Accepted")
                .field("user", user)
                .field("token", &length(token))
                .field("integrity", &integrity.is_some())
                .finish(),
            Self::Refused { why, token } => {
                f.debug_struct("Refused").field("why", why).field("token", &length(token)).finish()
            }
        }
    }
}
