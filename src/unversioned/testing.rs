//! The parts of the [embedded server](crate::testing): the server's side of each scheme, one message at a time, and what
//! is odd in servers that have been seen.

pub use crate::testing::digest::{AcceptedDigest, DigestOddity, DigestVerdict, PresentedDigest};
#[cfg(feature = "kerberos")]
pub use crate::testing::kerberos::{IakerbAcceptor, KerberosAcceptor};
pub use crate::testing::ntlm::{AuthenticateMessage, ChallengeForm, NtlmAcceptor};
pub use crate::testing::scram::ScramQuirk;
pub use crate::testing::spnego::{ServerMic, SpnegoAcceptor};
