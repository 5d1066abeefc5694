//! The mechanisms of Windows' own security support provider interface (SSPI): Negotiate, Kerberos
//! and NTLM, as the domain's policy has them.
//!
//! On Windows the schemes Negotiate and NTLM use it unless they are told otherwise:
//! [`Negotiate::ntlm`](crate::scheme::Negotiate::ntlm) and
//! [`NtlmScheme::new(Ntlm::new())`](crate::scheme::NtlmScheme::new) are ours.
//!
//! ```
//! use legwork::Authenticator;
//! use legwork::credentials::Ambient;
//! use legwork::mechanism::sspi::Sspi;
//! use legwork::scheme::Negotiate;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Single sign-on: whoever is logged on. One thing changed: by Kerberos and nothing else.
//! let authenticator = Authenticator::builder()
//!     .negotiate(Negotiate::new(Sspi::kerberos()))
//!     .ambient(Ambient::new(), "https://*.corp.example".parse()?)
//!     .build();
//! # let _ = authenticator; Ok(())
//! # }
//! ```
//!
//! # Whose credentials
//!
//! | [`Credentials`](crate::credentials::Credentials) | What is done |
//! |---|---|
//! | [`Ambient`](crate::credentials::Ambient) | the logon session of the process; a thread's impersonation does not count, since steps run on threads of their own |
//! | the same with a principal | the same, if the system calls the logged-on user by this name; else an error that says how it does |
//! | the same with a cache or a keytab | cannot start: Windows has neither |
//! | `DOMAIN\user` and a password | that user of that domain |
//! | `user@domain` and a password | the same, as a user principal name |
//! | `user` and a password | a user without a domain: servers look in their own |
//!
//! What a password has made, the system's handle and its tickets, is kept while the mechanism lives.
//! An empty name or password cannot start: to Windows they can stand for the logged-on user's.
//!
//! # What Windows decides
//!
//! - Which mechanism Negotiate takes: Kerberos where a domain controller has a service of the target
//!   name, else NTLM, if the policy allows it. With
//!   [`MutualAuthentication::Required`](crate::mechanism::MutualAuthentication::Required), NTLM
//!   is an error.
//! - Whether tickets are delegated: those that [`Delegation`](crate::mechanism::Delegation) lets go at
//!   all go to servers that the domain trusts for it, under `On` as under `ByPolicy`.
//! - What NTLM says: its version (`LmCompatibilityLevel`), the workstation's name, and what stands for
//!   absent channel bindings (zeros), whatever
//!   [`AbsentChannelBindings`](crate::channel_bindings::AbsentChannelBindings) is.
//!
//! # When it fails
//!
//! | Error | What to do |
//! |---|---|
//! | no credentials that serve | log on to the domain, or give a name and a password |
//! | no account of the domain is the service `HTTP/host` | `setspn -L`, the host's canonical name, or [`target_name`](crate::handshake::AuthenticatorBuilder::target_name) |
//! | no domain controller answers | the network, or a name of another domain |
//! | the domain refused the password | it counts as an attempt, and no other scheme makes another one |

mod context;
mod credentials;
mod library;
mod status;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use crate::mechanism::sspi::credentials::Kept;
use crate::mechanism::sspi::library::Package;

/// One of Windows' own mechanisms.
///
/// Clones share what passwords have made.
#[derive(Clone)]
pub struct Sspi {
    package: Package,
    kept: Arc<Kept>,
}

impl Sspi {
    /// Uses the package Negotiate: SPNEGO with Kerberos, NTLM and whatever else the system has. For the
    /// scheme [`Negotiate`](crate::scheme::Negotiate); it speaks SPNEGO itself.
    pub fn negotiate() -> Self {
        Self::new(Package::Negotiate)
    }

    /// Uses the package Negotiate, told to leave NTLM out (`PackageList` `!ntlm`): Kerberos, and what else the system
    /// has or will have for a password, such as IAKERB. Should the system choose NTLM all the same, that is an
    /// error before anything of it is sent.
    ///
    /// Not seen on Windows yet: wine shows that the list is passed as `sspi.h` has it, and knows nothing but NTLM.
    pub fn without_ntlm() -> Self {
        Self::new(Package::NegotiateWithoutNtlm)
    }

    /// Uses the package Kerberos. On its own it is what RFC 4559 servers take under Negotiate as well; inside
    /// [`Spnego`](crate::mechanism::spnego::Spnego) it stands in one list with other mechanisms.
    pub fn kerberos() -> Self {
        Self::new(Package::Kerberos)
    }

    /// Uses the package NTLM, for the scheme [`NtlmScheme`](crate::scheme::NtlmScheme).
    pub fn ntlm() -> Self {
        Self::new(Package::Ntlm)
    }

    fn new(package: Package) -> Self {
        Self { package, kept: Arc::default() }
    }
}

impl fmt::Debug for Sspi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sspi").field("package", &self.package).finish_non_exhaustive()
    }
}
