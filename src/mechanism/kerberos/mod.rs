//! Kerberos of our own, for a name and a password: no system library, on every system (RFC 4120, RFC 4121).
//!
//! It asks the realm's KDC for a first ticket, which proves the password, and by that for a ticket for the server; the server
//! sees neither the password nor anything that it can be guessed from. The KDCs are named by the program: nothing is read from
//! `krb5.conf`, and nothing is looked up in DNS.
//!
//! ```
//! use legwork::Authenticator;
//! use legwork::credentials::Credentials;
//! use legwork::mechanism::kerberos::Kerberos;
//! use legwork::scheme::Negotiate;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let kerberos = Kerberos::new().kdc("CORP.EXAMPLE", ["dc1.corp.example", "dc2.corp.example"]);
//! // One thing changed: IAKERB where no KDC answers. `Negotiate::kerberos` goes without.
//! let authenticator = Authenticator::builder()
//!     .negotiate(Negotiate::kerberos_or_iakerb(kerberos))
//!     .credentials("https://wiki.corp.example".parse()?, Credentials::password("alice@CORP.EXAMPLE", "pw"))
//!     .build();
//! # let _ = authenticator; Ok(())
//! # }
//! ```
//!
//! # Which user
//!
//! | User name | Principal |
//! |---|---|
//! | `alice@CORP.EXAMPLE`, `alice@corp.example` | `alice` in the realm `CORP.EXAMPLE`; in `corp.example` where a KDC is named for that |
//! | `corp.example\alice` | the same |
//! | `alice` | `alice` in the [default realm](Kerberos::default_realm) |
//! | `alice@mail.example`, with a default realm, where no KDC is named for `MAIL.EXAMPLE` | whom a KDC of the default realm knows by that name (NT-ENTERPRISE) |
//! | `alice@mail.example@CORP.EXAMPLE` | the same, in the realm `CORP.EXAMPLE` |
//! | `CORP\alice`; `alice` without a default realm | cannot start: nobody is asked, and nothing is sent |
//!
//! # Which server
//!
//! The target name is taken as it is, in the user's realm: `HTTP/wiki.corp.example`. A server in another realm is not reached yet,
//! nor one that is named by its address, unless a [target name](crate::handshake::AuthenticatorBuilder::target_name) says what
//! its service principal is.
//!
//! The login is the server's only: nothing is delegated to it, whatever
//! [`delegation`](crate::handshake::AuthenticatorBuilder::delegation) says.
//!
//! # What is kept
//!
//! Tickets, with all keys that are derived from theirs, and the password's key, by user and password, in memory only. They are
//! replaced a minute before they end, or when the server does not take one. One login gets a ticket, and others wait for it, for up to
//! 30 s: many tasks take one exchange for the user and one for each server. A KDC that was silent is next asked without the password:
//! what it does not answer may have counted as an attempt.
//!
//! A password that a KDC has refused, or whose user it does not know or has locked, is not shown again for up to 32 minutes, to
//! no KDC and for no server, and no weaker mechanism gets it either. What a server has passed on as its KDC's word counts so only
//! where a server would be asked again, and only as long as no KDC has taken the password.
//! [`forget_refusals`](crate::handshake::Authenticator::forget_refusals) ends it, and so does another password.
//!
//! Nothing authenticates a KDC's refusal (RFC 4120, section 5.9.1). Whoever can answer in its place, on the way to it or by a guessed port, can
//! make one up, and have a right password rest.
//!
//! # IAKERB
//!
//! A client that reaches no KDC has the server carry its messages, inside `Negotiate`:
//!
//! 1. It sends what it would send to a KDC, framed and with the realm in front of it; the server passes it on, and answers `401`
//!    with what the KDC says. Three times: what is required, the first ticket, the ticket for the server.
//! 2. Then it shows the ticket as by Kerberos, with a checksum over all messages before. That makes five legs, one of them without a token,
//!    and the body goes with the last.
//! 3. The login holds for its connection. The tickets are kept: a further connection takes two legs and no KDC.
//! 4. The server does not see the password. But it learns what the password can be guessed from, as by NTLM, and it can put an
//!    error in the place of a KDC's answer. So it comes behind Kerberos, and not where a server has refused the password before.
//! 5. Windows takes it inside SPNEGO, MIT's servers (from krb5 1.22 on) only without.
//!    [`Negotiate::kerberos_or_iakerb`](crate::scheme::Negotiate::kerberos_or_iakerb) finds out, for a leg, and remembers;
//!    [`Kerberos::iakerb`] behind [`Negotiate::new`](crate::scheme::Negotiate::new) goes without.
//!
//! # When it fails
//!
//! | Error | What to do |
//! |---|---|
//! | no KDC is named for the realm | [`Kerberos::kdc`], or IAKERB |
//! | names a NetBIOS domain; the realm is not known | give the user as `user@REALM` |
//! | server not found in the KDC's database | use the host's canonical name, or [`target_name`](crate::handshake::AuthenticatorBuilder::target_name) |
//! | only encryption types that were not asked for | the account has only RC4: change its password |
//! | clock skew | NTP, at the client or the server |
//! | the server cannot decrypt the ticket | its keytab is older than its key at the KDC |
//! | the server takes IAKERB, and knows no KDC, or none answers it | the server's `krb5.conf` and network |
//!
//! # Inside
//!
//! A mechanism does no IO, reads no clock and draws no random numbers: it asks for an exchange with a KDC as a value
//! ([`Step::Consult`](crate::mechanism::Step::Consult)).
//!
//! | module | holds |
//! |---|---|
//! | `crypto` | encryption types: keys from passwords, encryption, checksums (RFC 3961, 3962, 8009) |
//! | `messages` | what client, KDC and server write to each other (RFC 4120) |
//! | `gss` | the tokens around these: frames, checksum, MIC tokens (RFC 4121), IAKERB |
//! | `exchange` | a client's exchanges with a KDC and a service, step by step |
//! | `accounts` | what is known of each user, and who is getting a ticket |
//! | `direct`, `relayed` | the security contexts of Kerberos and IAKERB; `login` is what they have in common |
//! | `server` | the other side: a KDC and a service, for the embedded server |
//! | `negotiated`, `bare` | IAKERB inside SPNEGO or without |

#![cfg_attr(
    not(all(feature = "testing", feature = "client")),
    allow(
        dead_code,
        unused_imports,
        reason = "what only a KDC or a service says or reads is for the embedded server"
    )
)]

mod accounts;
mod bare;
pub(crate) mod crypto;
mod direct;
pub(crate) mod exchange;
pub(crate) mod gss;
mod login;
pub(crate) mod messages;
mod names;
mod negotiated;
mod relayed;
#[cfg(any(test, feature = "testing"))]
pub(crate) mod server;
mod settings;
#[cfg(test)]
mod tests;

pub use crypto::EncryptionType;
pub(crate) use negotiated::NegotiatedIakerb;
pub use relayed::Iakerb;
pub use settings::Kerberos;
