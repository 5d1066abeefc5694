//! Security mechanisms: bytes in, bytes out (RFC 2743).
//!
//! A [`Mechanism`] makes a [`SecurityContext`]; stepping the context with the peer's tokens is
//! what SSPI calls `InitializeSecurityContext` and GSS-API `gss_init_sec_context`. Nothing here
//! knows HTTP, reads a clock or draws randomness: both come in as values, which is what lets the
//! published vectors run.

pub(crate) mod bindings_hash;
mod context;
mod describe;
mod error;
#[cfg(all(unix, feature = "gssapi"))]
pub mod gssapi;
pub(crate) mod initiate;
pub(crate) mod inquiry;
pub(crate) mod job;
#[cfg(any(feature = "kerberos", all(unix, feature = "gssapi")))]
mod kdc_refusal;
#[cfg(feature = "kerberos")]
pub mod kerberos;
mod krb_error;
pub mod ntlm;
pub(crate) mod oid;
mod proves;
pub mod spnego;
#[cfg(all(windows, feature = "sspi"))]
pub mod sspi;
mod without_ntlm;

pub use context::{Binding, Established, Expects, Mechanism, MessageIntegrity, SecurityContext, Step};
pub(crate) use describe::{describe_token, ntlm_message};
pub use error::{ErrorKind, MechanismError};
pub(crate) use initiate::Entropy;
#[cfg(test)]
pub(crate) use initiate::FixedMoment;
pub use initiate::{Delegation, Initiate, Moment, Moments, MutualAuthentication};
#[cfg(any(test, feature = "kerberos"))]
pub(crate) use inquiry::Awaited;
pub use inquiry::{Inquiry, KdcInquiry};
#[cfg(feature = "client")]
pub(crate) use job::SharedWork;
pub(crate) use job::{StepJob, Stepped};
pub use krb_error::explain_krb_error;
pub use proves::Proves;
pub use without_ntlm::WithoutNtlm;
