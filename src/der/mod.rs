//! The little of DER (X.690) that SPNEGO, Kerberos and certificates need.
//!
//! The reader is strict: definite and shortest lengths, one-octet tags, at most [`LIMIT`] octets.
//! RFC 4178, section 4 prescribes DER, and .NET's client, which is as strict, gets along with
//! servers. Nothing recurses: a caller descends only where its own grammar does.

mod reader;
mod time;
#[cfg(feature = "kerberos")]
mod values;

pub(crate) use reader::*;
pub(crate) use time::{GeneralizedTime, civil};
