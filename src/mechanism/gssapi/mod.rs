//! The mechanisms of the system's GSS-API library: Kerberos (RFC 4121), and its own SPNEGO.
//!
//! The library is opened when a login first needs it, so a program starts without it as well: then
//! Kerberos cannot start ([`Unavailable`]), and what stands beside it can.
//!
//! ```
//! use std::sync::Arc;
//!
//! use legwork::Authenticator;
//! use legwork::credentials::Ambient;
//! use legwork::mechanism::gssapi::Gssapi;
//! use legwork::scheme::Negotiate;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! // Single sign-on: whoever has run kinit. One thing changed: without NTLM beside it.
//! let authenticator = Authenticator::builder()
//!     .negotiate(Negotiate::new(Gssapi::kerberos()))
//!     .ambient(Ambient::new(), "https://*.corp.example".parse()?)
//!     .build();
//! # let _ = authenticator; Ok(())
//! # }
//! ```
//!
//! # Whose credentials
//!
//! | [`Credentials`] | What is done |
//! |---|---|
//! | [`Ambient`](crate::credentials::Ambient) | the default ticket cache (`KRB5CCNAME`), or the default client keytab (`KRB5_CLIENT_KTNAME`) |
//! | the same with a principal, a cache or a keytab | those; in a collection of caches in a folder (`DIR:/path`), the principal's |
//! | `user@realm` and a password | a ticket from the realm's KDC, with no `kinit`; the realm in upper case |
//! | `realm\user` and a password, `realm` with a dot in it | the same |
//! | `user` and a password | the same in the default realm of `krb5.conf` |
//! | `DOMAIN\user` and a password, no dot in `DOMAIN` | cannot start: a NetBIOS domain is no realm |
//!
//! Whoever the default cache belongs to, only the owner of the credentials that were asked for logs
//! in. The library is asked who that is, before a token goes out and again when the context is
//! established; another answer is an error that names both.
//!
//! Tickets got with a password are kept, with all tickets for servers, while the mechanism lives
//! and they hold. They are only in memory.
//!
//! # Which server
//!
//! The target name's host is taken as it is, with the realm that `krb5.conf` gives it
//! (`domain_realm`, else the KDC's referrals). With [`canonicalize_as_configured`](Gssapi::canonicalize_as_configured), the library
//! looks the host up in DNS first, as `dns_canonicalize_hostname` and `rdns` in `krb5.conf` say:
//! an alias (CNAME) then becomes the host behind it. A target name with a realm
//! (`HTTP/host@REALM`) is never changed.
//!
//! # IAKERB
//!
//! With [`Gssapi::iakerb`] the server carries what the client and a KDC say to each other, so the client
//! reaches none and needs no `krb5.conf`: only `user@REALM` and a password, which the server does not see. A
//! login takes five legs, one of them without a token, and holds for its connection; the tickets are kept, and
//! with them a further connection takes two. The library has to be MIT's, from krb5 1.22 on, on both sides. (Before,
//! MIT spoke a dialect of its own: such a library here is an error before anything is sent.) A program that has
//! loaded another libkrb5 before, as libcurl may, gets that one's dialect whatever
//! [`with_library`](Gssapi::with_library) names.
//!
//! Whoever relays the exchange learns what the password can be guessed from, as by NTLM, and can put
//! a KDC's error in place of its answer, but no ticket. So it is not used where NTLM would not be: after a
//! server has refused the password, say. What the library lets a KDC ask for is
//! `permitted_enctypes` in `krb5.conf`.
//!
//! ```
//! use legwork::Authenticator;
//! use legwork::credentials::Credentials;
//! use legwork::mechanism::gssapi::Gssapi;
//! use legwork::scheme::Negotiate;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let authenticator = Authenticator::builder()
//!     .negotiate(Negotiate::new(Gssapi::iakerb()))
//!     .credentials("https://wiki.corp.example".parse()?, Credentials::password("alice@CORP.EXAMPLE", "pw"))
//!     .build();
//! # let _ = authenticator; Ok(())
//! # }
//! ```
//!
//! # When it fails
//!
//! | Error | What to do |
//! |---|---|
//! | no GSS-API library | install it (Debian: `libgssapi-krb5-2`), or name its path |
//! | no ticket | `kinit`, and look with `klist`; in a container, a client keytab |
//! | the ticket has expired | `kinit` |
//! | the KDC does not know `HTTP/host` | the server has no service principal of that name: use the host's canonical name, or [`target_name`](crate::handshake::AuthenticatorBuilder::target_name) |
//! | no KDC answers | the network, or `krb5.conf`; `KRB5_TRACE=/dev/stderr` shows who was asked |
//! | the clocks differ | NTP |
//! | the library's SPNEGO cannot use the credentials | [`Gssapi::kerberos`], inside [`Spnego`](crate::mechanism::spnego::Spnego) where the server wants that |
//! | this library speaks a dialect of IAKERB | MIT krb5 1.22 or later, or name its path |
//! | the server does not take IAKERB | at the server MIT krb5 1.22 or later, and with mod_auth_gssapi `GssapiAllowedMech iakerb` and `GssapiConnectionBound On` |
//! | the server knows no KDC, or none answers it | the server's `krb5.conf` and network |
//! | the server cannot decrypt the ticket | its keytab is older than its key at the KDC |
//!
//! [`Unavailable`]: ErrorKind::Unavailable
//! [`Credentials`]: crate::credentials::Credentials

mod context;
mod credentials;
mod iakerb;
mod library;
mod status;

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use crate::mechanism::gssapi::credentials::Tickets;
use crate::mechanism::gssapi::library::{Library, Oid};
use crate::mechanism::{Mechanism, MechanismError};

#[cfg(doc)]
use crate::mechanism::ErrorKind;

/// A mechanism of the system's GSS-API library.
///
/// Clones share the library and the tickets that passwords have got.
#[derive(Clone)]
pub struct Gssapi {
    mechanism: Oid,
    canonicalization: Canonicalization,
    /// NTLM, which a plugin of the library's SPNEGO may have, is an error.
    shuts_ntlm_out: bool,
    system: Arc<System>,
}

/// Whether the host in a target name is looked up in DNS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Canonicalization {
    Off,
    Configured,
}

/// The library, and what was got with it.
struct System {
    path: Option<PathBuf>,
    library: OnceLock<Result<Arc<Library>, MechanismError>>,
    tickets: Tickets,
}

impl Gssapi {
    /// Uses Kerberos. On its own it is what RFC 4559 servers take under Negotiate as well; inside
    /// [`Spnego`](crate::mechanism::spnego::Spnego) it stands in one list with other mechanisms.
    pub fn kerberos() -> Self {
        Self::new(Oid::KERBEROS)
    }

    /// Uses Kerberos whose KDC the server asks ([IAKERB](self#iakerb)): for a program that has a name and a password,
    /// and reaches no KDC.
    ///
    /// Behind [`Negotiate`](crate::scheme::Negotiate) as it is; MIT's servers do not take it inside SPNEGO.
    pub fn iakerb() -> Self {
        Self::new(Oid::IAKERB)
    }

    /// Uses the library's own SPNEGO, with whatever mechanisms the system has in it.
    ///
    /// With credentials that say who is to log in (a principal, a cache, a keytab, a password), that
    /// is only Kerberos. Without, what it negotiates is the system's business: with a plugin for
    /// NTLM, for example, it may choose that and log in as the system's NTLM user.
    ///
    /// A password asks the KDC for a ticket twice, once for Kerberos to learn what is wrong with it
    /// and once for SPNEGO. Heimdal's SPNEGO takes only the default cache; its
    /// [Kerberos](Self::kerberos) takes passwords and principals, too.
    pub fn spnego() -> Self {
        Self::new(Oid::SPNEGO)
    }

    fn new(mechanism: Oid) -> Self {
        let system = System { path: None, library: OnceLock::new(), tickets: Tickets::default() };
        let canonicalization = Canonicalization::Off;
        Self { mechanism, canonicalization, shuts_ntlm_out: false, system: Arc::new(system) }
    }

    /// Takes the library at this path, in place of the system's. It must be one: whatever it is, its code
    /// runs.
    #[must_use]
    pub fn with_library(self, path: impl AsRef<Path>) -> Self {
        let path = Some(path.as_ref().to_owned());
        let system = System { path, library: OnceLock::new(), tickets: Tickets::default() };
        Self { system: Arc::new(system), ..self }
    }

    /// Looks the hosts in target names up in DNS first, as far as the Kerberos configuration says so; MIT's default is to
    /// look aliases up.
    ///
    /// Without this they are taken as they are: DNS answers are not protected, and someone who forges them must not choose
    /// whom a ticket is for (RFC 4120, section 1.3).
    #[must_use]
    pub fn canonicalize_as_configured(mut self) -> Self {
        self.canonicalization = Canonicalization::Configured;
        self
    }

    /// Opens the library now; tells its name.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Unavailable`], with what was looked for.
    pub fn open(&self) -> Result<String, MechanismError> {
        self.library().map(|library| library.name().to_string_lossy().into_owned())
    }

    fn library(&self) -> Result<&Arc<Library>, MechanismError> {
        let system = &self.system;
        system.library.get_or_init(|| Library::open(system.path.as_deref())).as_ref().map_err(Clone::clone)
    }
}

impl fmt::Debug for Gssapi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gssapi")
            .field("mechanism", &self.name())
            .field("canonicalization", &self.canonicalization)
            .field("path", &self.system.path)
            .finish_non_exhaustive()
    }
}
