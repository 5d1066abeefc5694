//! What the fuzz targets check. The checks run without a fuzzer too: `cargo test` in this folder
//! gives them the seeds, and generated input where there is a generator.

pub mod certificate;
pub mod challenges;
pub mod client;
pub mod digest;
pub mod handshake;
pub mod kerberos;
pub mod krb_error;
pub mod location;
pub mod netrc;
pub mod no_proxy;
pub mod ntlm_challenge;
pub mod origins;
pub mod program;
pub mod proxy;
pub mod scram;
#[cfg(test)]
mod seeds;
pub mod spnego_token;
