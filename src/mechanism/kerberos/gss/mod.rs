//! Kerberos as a mechanism of GSS-API: the tokens that carry its messages (RFC 4121).
//!
//! | file | holds |
//! |---|---|
//! | `token` | the frame of a context token, and which message is in it |
//! | `checksum` | what an Authenticator says of the context: checksum type 0x8003 |
//! | `mic` | MIC tokens, which SPNEGO's mechListMIC is one of |
//! | `iakerb` | messages to a KDC that go through the server (draft-ietf-kitten-iakerb-03) |

mod checksum;
mod defective;
pub(crate) mod iakerb;
mod mic;
#[cfg(test)]
mod tests;
mod token;

pub(crate) use checksum::{AuthenticatorChecksum, CHECKSUM_TYPE, Extension, flags};
use defective::defective;
pub(crate) use mic::{ContextKey, MicTokens, Side};
pub(crate) use token::{Token, TokenId, framed};
