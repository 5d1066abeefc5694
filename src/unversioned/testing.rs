//! The parts of the [embedded server](crate::testing): the server's side of each scheme, one message at a time, and what
//! is odd in servers that have been seen.

pub use crate::testing::digest::{AcceptedDigest, DigestOddity, DigestVerdict, PresentedDigest};
pub use crate::testing::fault::Fault;
#[cfg(feature = "kerberos")]
pub use crate::testing::kerberos::{AccountState, IakerbAcceptor, KdcFault, KerberosAcceptor};
pub use crate::testing::ntlm::{AuthenticateMessage, ChallengeForm, NtlmAcceptor, SentBindings};
pub use crate::testing::persistence::Persistence;
#[cfg(feature = "http2")]
pub use crate::testing::quirk::Reset;
pub use crate::testing::scram::ScramQuirk;
pub use crate::testing::spnego::{ServerMic, SpnegoAcceptor};
pub use crate::testing::token::{KerberosMessage, MechanismMessage, NtlmMessage};
