//! SPNEGO: the server picks a mechanism from a list (RFC 4178, with the notes of MS-SPNG).
//!
//! This is the initiator, what `Authorization: Negotiate` carries. The first token offers a list
//! and already holds the first mechanism's token; mostly the server goes on with that one.
//!
//! # Downgrades
//!
//! The list travels unprotected, so an attacker could remove the stronger mechanisms from it.
//! Therefore, once the mechanism is complete, both sides send its integrity code over the list
//! (`mechListMIC`, RFC 4178, section 5):
//!
//! | The server picked | Its integrity code is missing | is wrong |
//! |---|---|---|
//! | the first offered | accepted | [`BadMic`](crate::mechanism::ErrorKind::BadMic) |
//! | another one | [`MissingToken`](crate::mechanism::ErrorKind::MissingToken) | [`BadMic`](crate::mechanism::ErrorKind::BadMic) |
//! | another one, without integrity | [`Unsupported`](crate::mechanism::ErrorKind::Unsupported), stricter than the RFC | |
//!
//! Our own code goes out with the mechanism's last token whenever it has integrity.
//!
//! # What real servers do
//!
//! | Server | Answer here |
//! |---|---|
//! | ends with 200 and no token (squid) | accepted for the first mechanism offered |
//! | names Kerberos 1.2.840.48018.1.2.2 (Windows, Samba) | the same as 1.2.840.113554.1.2.2 |
//! | leaves supportedMech and negState out (Java) | it took the first mechanism |
//! | repeats supportedMech later | ignored (MS-SPNG, section 3.3.5) |
//! | repeats the token as its integrity code (Windows 2000, WebSphere) | no integrity code |
//! | sends an empty token (old IIS) | no token |
//! | picks another mechanism with accept-incomplete (Windows Server 2003) | as with request-mic |
//! | answers with a bare Kerberos token | goes on bare if Kerberos was the first mechanism offered |
//! | answers with a bare NTLM message | goes on bare if NTLM was the sole mechanism offered |
//!
//! ```
//! use std::sync::Arc;
//! # use std::time::UNIX_EPOCH;
//! use legwork::mechanism::spnego::Spnego;
//! use legwork::mechanism::{Mechanism, Step};
//! # use legwork::credentials::Credentials;
//! # use legwork::mechanism::{ErrorKind, Expects, Initiate, MechanismError, Moment, Proves, SecurityContext};
//! # #[derive(Debug)] struct Kerberos;
//! # #[derive(Debug)] struct Ntlm;
//! # struct NoTicket;
//! # struct Hello;
//! # impl Mechanism for Kerberos {
//! #     fn name(&self) -> &'static str { "Kerberos" }
//! #     fn oid(&self) -> &'static [u8] { &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x12, 1, 2, 2] }
//! #     fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> { Box::new(NoTicket) }
//! # }
//! # impl Mechanism for Ntlm {
//! #     fn name(&self) -> &'static str { "NTLM" }
//! #     fn oid(&self) -> &'static [u8] { &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 10] }
//! #     fn initiate(&self, _: Initiate, _: Moment) -> Box<dyn SecurityContext> { Box::new(Hello) }
//! # }
//! # impl SecurityContext for NoTicket {
//! #     fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
//! #         Err(MechanismError::new(ErrorKind::Credentials, "no ticket"))
//! #     }
//! # }
//! # impl SecurityContext for Hello {
//! #     fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
//! #         let (token, context) = (b"NTLMSSP\0".to_vec(), Box::new(Hello));
//! #         Ok(Step::Continue { token, context, expects: Expects::Challenge, proves: Proves::Nothing })
//! #     }
//! # }
//! # let arguments = || Initiate::new("HTTP/mail.example", Credentials::password("alice", "pw"));
//! # let moment = || Moment::new(UNIX_EPOCH, [7; 32]);
//!
//! // NTLM alone, inside SPNEGO.
//! let spnego = Spnego::new(vec![Arc::new(Ntlm)]);
//! let Step::Continue { token: ntlm_alone, .. } = spnego.initiate(arguments(), moment()).step(None)? else { panic!() };
//!
//! // Kerberos first. Where it has no ticket, it is not offered either.
//! let spnego = Spnego::new(vec![Arc::new(Kerberos), Arc::new(Ntlm)]);
//! let Step::Continue { token, .. } = spnego.initiate(arguments(), moment()).step(None)? else { panic!() };
//! assert_eq!(token, ntlm_alone);
//! # Ok::<(), MechanismError>(())
//! ```

mod offered;
mod selected;
#[cfg(test)]
mod tests;
pub(crate) mod token;

use std::sync::Arc;

use crate::mechanism::{Initiate, Mechanism, Moment, SecurityContext, WithoutNtlm, oid};

/// Negotiates with the server which of several mechanisms to use (RFC 4178).
///
/// The first mechanism that can start makes the first token; those before it are left out of the
/// list. What is established in the end is the picked mechanism's: its name, its principal, its
/// binding.
///
/// The contexts fail with [`ErrorKind::Refused`](crate::mechanism::ErrorKind::Refused) if the
/// server rejects, with [`Unsupported`](crate::mechanism::ErrorKind::Unsupported) if it picks a
/// mechanism that was not offered, and otherwise as the [module](self) and the mechanisms say.
#[derive(Clone, Debug)]
pub struct Spnego {
    mechanisms: Vec<Arc<dyn Mechanism>>,
    /// NTLM was among them, and was taken out.
    lost_ntlm: bool,
}

impl Spnego {
    /// Offers these mechanisms, the most wanted one first.
    ///
    /// With none, the first step of every context is an error.
    pub fn new(mechanisms: Vec<Arc<dyn Mechanism>>) -> Self {
        Self { mechanisms, lost_ntlm: false }
    }
}

impl Mechanism for Spnego {
    fn name(&self) -> &'static str {
        "SPNEGO"
    }

    fn oid(&self) -> &'static [u8] {
        oid::SPNEGO
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(offered::SpnegoStart::new(self.mechanisms.clone(), self.lost_ntlm, arguments, moment))
    }

    fn authenticates_peer(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| mechanism.authenticates_peer())
    }

    fn asks_kdc(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| mechanism.asks_kdc())
    }

    fn takes_ambient_credentials(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| mechanism.takes_ambient_credentials())
    }

    fn without_ntlm(&self) -> WithoutNtlm<dyn Mechanism> {
        let left = self.mechanisms.iter().filter_map(|mechanism| mechanism.without_ntlm().of(mechanism));
        let mechanisms: Vec<_> = left.collect();
        if mechanisms.is_empty() {
            return WithoutNtlm::Nothing;
        }
        let lost_ntlm = self.lost_ntlm || mechanisms.len() < self.mechanisms.len();
        WithoutNtlm::Other(Arc::new(Self { mechanisms, lost_ntlm }))
    }

    fn forget_refusals(&self) {
        self.mechanisms.iter().for_each(|mechanism| mechanism.forget_refusals());
    }

    fn may_block(&self) -> bool {
        self.mechanisms.iter().any(|mechanism| mechanism.may_block())
    }
}
