//! NTLM, the initiating side (MS-NLMP): three messages, NTLMv2 answers only.
//!
//! ```text
//! step(None)          NEGOTIATE_MESSAGE     ──▶   what the client can do
//! step(CHALLENGE)     AUTHENTICATE_MESSAGE  ──▶   the proof; the context is established
//! ```
//!
//! The proof is always NTLMv2; LM, LMv1 and NTLMv1 answers are never made, whatever the server
//! asks for. Names travel as UTF-16: a server that speaks only OEM code pages is refused. When
//! the server sends its time, the three messages are tied together by a message integrity code
//! (MIC). NTLM does not authenticate the server.
//!
//! Signatures of later messages, and the exchange of a session key for them, are asked for where
//! [integrity](crate::mechanism::Initiate::integrity) is wanted, as SPNEGO does. NTLM by itself goes
//! without, as that of Windows' own clients of HTTP and of browsers does. The MIC does not depend on it.
//!
//! # Names and passwords
//!
//! - `DOMAIN\user`: split at the first backslash.
//! - `user@domain`: sent whole as the user name, with an empty domain, which is what Windows
//!   does with a user principal name.
//! - `user`: an empty domain. Servers look in their own then; gss-ntlmssp takes a missing
//!   domain, though never a wrong one.
//!
//! The user name counts in upper case (MS-NLMP 3.3.2). Windows maps each UTF-16 code unit by a
//! table of its own. Here a character is mapped where Unicode gives it an upper case form of one
//! code unit, other than a letter outside ASCII whose upper case is an ASCII letter: `ß`, `ı` and
//! `ſ` stay as they are, as do characters beyond U+FFFF. The domain counts as it is written.
//!
//! # Channel bindings
//!
//! Bindings are sent whenever the server sends target information, the only place that can carry
//! them. With none to send the pair is left out, unless zeros are asked for
//! ([`AbsentChannelBindings`](crate::channel_bindings::AbsentChannelBindings)).
//!
//! ```
//! use std::time::SystemTime;
//!
//! use legwork::credentials::Credentials;
//! use legwork::mechanism::ntlm::{Ntlm, message_type};
//! use legwork::mechanism::{Initiate, Mechanism, Moment, Step};
//!
//! let moment = Moment::new(SystemTime::now(), [7; 32]); // from the system's random source
//! let carol = Credentials::password("LAB\\carol", "carol-pw");
//! let arguments = Initiate::new("HTTP/mail.example", carol);
//! let context = Ntlm::new().workstation("DESK-7").initiate(arguments, moment);
//! let Ok(Step::Continue { token, .. }) = context.step(None) else { panic!("NTLM takes two steps") };
//! assert_eq!(message_type(&token), Some(1));
//! ```

mod authenticate;
pub(crate) mod av_pairs;
mod challenge;
mod context;
pub(crate) mod crypto;
pub(crate) mod filetime;
pub(crate) mod flags;
pub(crate) mod integrity;
pub(crate) mod names;
mod negotiate;
mod rc4;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod vectors;
pub(crate) mod wire;

use self::wire::SIGNATURE;

/// NTLM as a [`Mechanism`](crate::mechanism::Mechanism): version 2 answers, message integrity, no server authentication.
#[derive(Clone, Debug, Default)]
pub struct Ntlm {
    workstation: String,
}

impl Ntlm {
    /// Creates NTLM that tells no workstation name.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the workstation name to tell the server. Empty by default: it identifies the machine, and
    /// only servers that restrict accounts to workstations look at it.
    #[must_use]
    pub fn workstation(mut self, name: impl Into<String>) -> Self {
        self.workstation = name.into();
        self
    }
}

/// The type of an NTLM message: 1 negotiate, 2 challenge, 3 authenticate; `None` for other
/// tokens. For diagnostics, and for telling a raw NTLM token from a SPNEGO one.
///
/// ```
/// use legwork::mechanism::ntlm::message_type;
///
/// assert_eq!(message_type(b"NTLMSSP\0\x02\0\0\0"), Some(2));
/// assert_eq!(message_type(b"\x60\x82"), None);
/// ```
pub fn message_type(token: &[u8]) -> Option<u32> {
    let kind = token.strip_prefix(SIGNATURE)?.first_chunk()?;
    Some(u32::from_le_bytes(*kind))
}
