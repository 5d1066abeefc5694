//! HTTP authentication schemes: a scheme's name, and what answers its challenges (RFC 9110,
//! section 11.1).
//!
//! A [`Scheme`] begins one [`Exchange`] per challenger and connection. An exchange answers
//! challenges and knows nothing of choosing, falling back or counting: that is
//! [`handshake`](crate::handshake)'s.

mod basic;
mod bearer;
mod charset;
pub mod digest;
mod error;
mod exchange;
mod knowledge;
mod named;
mod request;
mod scheme_name;
mod schemes;
pub mod scram;
mod token;

pub use basic::Basic;
pub use bearer::Bearer;
pub use charset::Charset;
pub use digest::Digest;
pub use error::SchemeError;
pub use exchange::{Acceptance, Continuation, Exchange, Proof, Reply};
pub use knowledge::Knowledge;
pub use named::Scheme;
pub use request::{Content, RequestContext};
pub use scheme_name::SchemeName;
pub use schemes::Schemes;
pub use scram::Scram;
pub use token::{Negotiate, NtlmScheme};
