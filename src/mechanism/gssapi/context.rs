//! The security context: [`GssapiStart`] gets credentials and makes the first token, [`Continued`] takes
//! the server's.

use std::sync::Arc;
use std::time::SystemTime;

use crate::credentials::{Ambient, Credentials};
use crate::mechanism::gssapi::credentials::WantedCredential;
use crate::mechanism::gssapi::iakerb::{self, Relayed};
use crate::mechanism::gssapi::library::{Context, GssapiFailure, Initiated, Library, Name, Oid, Setup, flag};
use crate::mechanism::gssapi::status::{self, Attempt};
use crate::mechanism::gssapi::{Canonicalization, Gssapi};
use crate::mechanism::oid;
use crate::mechanism::{
    Binding, Delegation, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError,
    MessageIntegrity, Moment, MutualAuthentication, Proves, SecurityContext, Step, WithoutNtlm, describe,
    explain_krb_error,
};

impl Mechanism for Gssapi {
    fn name(&self) -> &'static str {
        name(self.mechanism.0)
    }

    fn oid(&self) -> &'static [u8] {
        self.mechanism.0
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(GssapiStart::new(self.clone(), arguments, moment.now))
    }

    fn may_block(&self) -> bool {
        true
    }

    fn authenticates_peer(&self) -> bool {
        true
    }

    /// By IAKERB the server learns what a password can be guessed from.
    fn asks_kdc(&self) -> bool {
        self.mechanism != Oid::IAKERB
    }

    fn takes_ambient_credentials(&self) -> bool {
        true
    }

    fn without_ntlm(&self) -> WithoutNtlm<dyn Mechanism> {
        if self.mechanism != Oid::SPNEGO {
            return WithoutNtlm::Same;
        }
        WithoutNtlm::Other(Arc::new(Self { shuts_ntlm_out: true, ..self.clone() }))
    }
}

/// Before the first token.
pub(super) struct GssapiStart {
    gssapi: Gssapi,
    arguments: Initiate,
    now: SystemTime,
}

impl GssapiStart {
    pub(super) fn new(gssapi: Gssapi, arguments: Initiate, now: SystemTime) -> Self {
        Self { gssapi, arguments, now }
    }

    /// A first step with credentials that may have been kept. Tells whether fresh ones could do
    /// better.
    fn attempt(&self, library: &Arc<Library>) -> Result<Step, (MechanismError, bool)> {
        let Self { gssapi, arguments, now } = self;
        let target_name = &*arguments.target_name;
        let attempt = Attempt { target_name, credentials: &arguments.credentials };
        let wanted = WantedCredential { mechanism: gssapi.mechanism, shuts_ntlm_out: gssapi.shuts_ntlm_out };
        let acquired = gssapi
            .system
            .tickets
            .acquire(library, &arguments.credentials, wanted, *now)
            .map_err(|error| (error, false))?;
        let setup = Setup {
            credential: Arc::clone(&acquired.credential),
            target: target(library, target_name, gssapi.canonicalization)
                .map_err(|failure| (status::explain(&failure, &attempt), false))?,
            mechanism: gssapi.mechanism,
            flags: flags(arguments, gssapi.mechanism),
            bindings: arguments.channel_bindings.as_ref().map(|bindings| bindings.application_data().into()),
        };
        let mut context = Context::new(library);
        let initiated = context.step(&setup, None).map_err(|failure| {
            let stale = acquired.was_kept && status::is_about_the_ticket(&failure);
            (status::explain(&failure, &attempt), stale)
        })?;
        // Not before the first step, in which the target may choose among the system's caches.
        let principal = acquired.credential.principal();
        let continued = Continued {
            context,
            setup,
            principal,
            rule: arguments.mutual_authentication,
            target_name: Arc::clone(&arguments.target_name),
            credentials: arguments.credentials.clone(),
            now: *now,
            binding: if gssapi.mechanism == Oid::IAKERB { Binding::Connection } else { Binding::Request },
            has_attempted: false,
            // By IAKERB none is asked before the first token is out.
            has_new_ticket: !acquired.was_kept && gssapi.mechanism != Oid::IAKERB,
            awaited: Expects::Challenge,
            shuts_ntlm_out: gssapi.shuts_ntlm_out,
        };
        continued.advance(initiated).map_err(|error| (error, false))
    }
}

impl SecurityContext for GssapiStart {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        let library = Arc::clone(self.gssapi.library()?);
        self.attempt(&library)
            .or_else(|(error, stale)| {
                if !stale {
                    return Err((error, false));
                }
                // Once, and only for a ticket that was kept: a new one that is refused will be refused again, and
                // with a password each attempt counts.
                self.gssapi.system.tickets.forget(&self.arguments.credentials);
                self.attempt(&library)
            })
            .map_err(|(error, _)| error)
    }
}

/// The target's name, for the library.
fn target(
    library: &Arc<Library>,
    name: &str,
    canonicalization: Canonicalization,
) -> Result<Name, GssapiFailure> {
    let service_and_host = name.split_once('/').filter(|_| !name.contains('@'));
    let Some((service, host)) = service_and_host else {
        return Name::import(library, name, Oid::KERBEROS_PRINCIPAL);
    };
    let principal = match canonicalization {
        Canonicalization::Off => library.host_principal(service, host),
        Canonicalization::Configured => None,
    };
    match principal {
        Some(principal) => Name::import(library, &principal, Oid::KERBEROS_PRINCIPAL),
        None => Name::import(library, &format!("{service}@{host}"), Oid::HOSTBASED_SERVICE),
    }
}

fn flags(arguments: &Initiate, mechanism: Oid) -> u32 {
    // Integrity for the sake of SPNEGO's mechListMIC.
    let mutual = match arguments.mutual_authentication {
        // IAKERB's last token answers the whole exchange; it is not looked at then.
        MutualAuthentication::Off if mechanism != Oid::IAKERB => 0,
        MutualAuthentication::Off => flag::MUTUAL,
        MutualAuthentication::Preferred | MutualAuthentication::Required => flag::MUTUAL,
    };
    let delegation = match arguments.delegation {
        Delegation::Off => 0,
        Delegation::ByPolicy => flag::DELEGATION_BY_POLICY,
        Delegation::On => flag::DELEGATION,
    };
    flag::INTEGRITY | mutual | delegation
}

/// A token is out.
struct Continued {
    context: Context,
    setup: Setup,
    principal: Option<String>,
    rule: MutualAuthentication,
    target_name: Arc<str>,
    credentials: Credentials,
    now: SystemTime,
    /// What the tokens so far have shown of it: the system's SPNEGO may choose NTLM.
    binding: Binding,
    /// A KDC has been asked for a ticket-granting ticket by this context, or for it.
    has_new_ticket: bool,
    /// Something that the password can be guessed from is out.
    has_attempted: bool,
    /// What answers the last token.
    awaited: Expects,
    shuts_ntlm_out: bool,
}

impl Continued {
    fn advance(mut self, initiated: Initiated) -> Result<Step, MechanismError> {
        let Initiated { token, is_complete, flags, mechanism } = initiated;
        let ntlm = describe::ntlm_message(&token);
        if ntlm.is_some() {
            // Before the token is handed on: NTLM by the library's own choice would log in as whomever its plugin
            // knows, and not as who was asked for.
            self.check_ntlm()?;
            self.binding = Binding::Connection;
            self.principal = None;
        }
        if !is_complete && self.setup.mechanism == Oid::IAKERB {
            let (expects, proves) = self.relay(&token)?;
            self.awaited = expects;
            return Ok(Step::Continue { token, context: Box::new(self), expects, proves });
        }
        if !is_complete {
            // Kerberos is through with its first token, whatever comes back; NTLM's takes another
            // leg (MS-NLMP, section 2.2.1.1).
            let expects = if ntlm == Some(1) { Expects::Challenge } else { Expects::Success };
            self.awaited = expects;
            let proves = match ntlm {
                Some(1) => Proves::Nothing,
                Some(_) => Proves::Secret,
                None => Proves::Ticket { is_new: self.has_new_ticket },
            };
            return Ok(Step::Continue { token, context: Box::new(self), expects, proves });
        }
        let chosen = mechanism.as_deref().filter(|_| self.setup.mechanism != Oid::IAKERB);
        let established = Established {
            mechanism: chosen.map_or(self.name(), name),
            principal: self.logged_in()?,
            mutual: flags & flag::MUTUAL != 0,
            binding: self.binding,
            integrity: Some(Box::new(Integrity(self.context))),
        };
        Ok(Step::Complete { token: Some(token).filter(|token| !token.is_empty()), established })
    }

    /// What IAKERB's token expects and proves, told by what it is.
    fn relay(&mut self, token: &[u8]) -> Result<(Expects, Proves), MechanismError> {
        let Some(relayed) = Relayed::read(token) else {
            if !iakerb::is_ap_req(token) {
                return Err(MechanismError::new(
                    ErrorKind::DefectiveToken,
                    "the GSS-API library has made a token that is not one of IAKERB's",
                ));
            }
            // Kerberos' own token. With it the password is proven, if that was what the KDC's answer was
            // decrypted with; not before, since the ticket for the server is there for others only now.
            return Ok((Expects::Success, Proves::Ticket { is_new: self.has_new_ticket }));
        };
        if !relayed.is_of_the_draft() {
            return Err(MechanismError::new(
                ErrorKind::Unavailable,
                "this GSS-API library speaks a dialect of IAKERB that servers of today do not understand: MIT krb5 1.22 \
                 or later is needed",
            ));
        }
        self.has_new_ticket |= relayed.asks_for_first_ticket();
        self.has_attempted |= relayed.is_attempt();
        let proves = match relayed.is_attempt() {
            true => Proves::Relayed,
            false if relayed.asks_by_ticket() => Proves::Ticket { is_new: false },
            false => Proves::Nothing,
        };
        Ok((Expects::Challenge, proves))
    }

    /// The principal that the established context names. It must be the owner of the credentials.
    fn logged_in(&self) -> Result<Option<String>, MechanismError> {
        let initiator = self.context.initiator();
        if self.principal.is_some() && initiator.is_some() {
            status::check_same(self.principal.as_deref(), initiator.as_deref())?;
        }
        Ok(initiator.or_else(|| self.principal.clone()))
    }

    /// The system's SPNEGO has chosen NTLM, which logs in as the system's NTLM user. That is an error
    /// where the caller has said who it is to be.
    fn check_ntlm(&self) -> Result<(), MechanismError> {
        if self.shuts_ntlm_out {
            return Err(MechanismError::new(
                ErrorKind::Unsupported,
                "the GSS-API library's SPNEGO chose NTLM, which is shut out (AuthenticatorBuilder::without_ntlm)",
            ));
        }
        if self.credentials.as_ambient().is_some_and(Ambient::is_default) {
            return Ok(());
        }
        let principal = self.principal.as_deref().unwrap_or("the principal asked for");
        Err(MechanismError::new(
            ErrorKind::Credentials,
            format!("the GSS-API library's SPNEGO chose NTLM, which would not log in as {principal}"),
        ))
    }

    /// The mechanism, as far as the tokens tell.
    fn name(&self) -> &'static str {
        match self.binding {
            Binding::Connection if self.setup.mechanism != Oid::IAKERB => "NTLM",
            Binding::Connection | Binding::Request => name(self.setup.mechanism.0),
        }
    }
}

impl SecurityContext for Continued {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                "the server's answer lacks Kerberos' token",
            ));
        };
        // What answers a message to a KDC is no word about a ticket.
        let error = explain_krb_error(input, self.now).filter(|_| self.awaited == Expects::Success);
        if let Some(error) = error {
            return Err(MechanismError::new(ErrorKind::TicketRefused, error));
        }
        match self.context.step(&self.setup, Some(input)) {
            Ok(initiated) => self.advance(initiated),
            // A proof of who the server is that nobody asked for.
            Err(_) if self.rule == MutualAuthentication::Off && self.awaited == Expects::Success => {
                Ok(Step::Complete { token: None, established: self.finish_without_token()? })
            }
            Err(failure) => {
                let attempt = Attempt { target_name: &self.target_name, credentials: &self.credentials };
                if self.setup.mechanism != Oid::IAKERB {
                    return Err(status::explain(&failure, &attempt));
                }
                let code = Relayed::read(input).and_then(|relayed| relayed.error_code());
                let error = match code {
                    Some(code) => status::explain_relayed(code, self.has_attempted, &failure, &attempt),
                    None => status::explain(&failure, &attempt),
                };
                Err(error.relayed())
            }
        }
    }

    /// The server took the ticket, and left out the token that would prove who it is.
    fn finish_without_token(self: Box<Self>) -> Result<Established, MechanismError> {
        if self.awaited == Expects::Challenge {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                format!("{} accepted before anything was proven to it", self.target_name),
            ));
        }
        if self.rule == MutualAuthentication::Required {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                format!("{} accepted without proving who it is, which is required", self.target_name),
            ));
        }
        Ok(Established::new(self.name(), self.principal, self.binding))
    }
}

pub(super) fn name(mechanism: &[u8]) -> &'static str {
    match mechanism {
        oid::IAKERB => "IAKERB",
        oid::SPNEGO => "SPNEGO",
        oid::NTLM => "NTLM",
        _ => "Kerberos",
    }
}

/// The established context's integrity codes.
struct Integrity(Context);

impl MessageIntegrity for Integrity {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        self.0.mic(message).map_err(|failure| MechanismError::new(ErrorKind::Unsupported, failure.words))
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        self.0.verify(message, mic).map_err(|failure| {
            let words = failure.words;
            MechanismError::new(ErrorKind::BadMic, format!("the server's integrity code is wrong: {words}"))
        })
    }
}
