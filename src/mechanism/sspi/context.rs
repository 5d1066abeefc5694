//! The security context: [`SspiStart`] gets credentials and makes the first token, [`Continued`] takes
//! the server's, over as many legs as it wants.

use std::sync::Arc;
use std::time::SystemTime;

use windows_sys::Win32::Security::Authentication::Identity::{
    ISC_REQ_DELEGATE, ISC_REQ_INTEGRITY, ISC_REQ_MUTUAL_AUTH, ISC_RET_INTEGRITY, ISC_RET_MUTUAL_AUTH,
};

use crate::credentials::Credentials;
use crate::mechanism::oid;
use crate::mechanism::sspi::Sspi;
use crate::mechanism::sspi::library::{Bindings, Context, Initiated, Package, Setup, Text};
use crate::mechanism::sspi::status::{self, Attempt};
use crate::mechanism::{
    Binding, Delegation, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError,
    MessageIntegrity, Moment, MutualAuthentication, Proves, SecurityContext, Step, WithoutNtlm, describe,
    explain_krb_error,
};

impl Mechanism for Sspi {
    fn name(&self) -> &'static str {
        match self.package {
            Package::Negotiate | Package::NegotiateWithoutNtlm => "SPNEGO",
            Package::Kerberos => "Kerberos",
            Package::Ntlm => "NTLM",
        }
    }

    fn oid(&self) -> &'static [u8] {
        match self.package {
            Package::Negotiate | Package::NegotiateWithoutNtlm => oid::SPNEGO,
            Package::Kerberos => oid::KERBEROS,
            Package::Ntlm => oid::NTLM,
        }
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(SspiStart::new(self.clone(), arguments, moment.now))
    }

    fn may_block(&self) -> bool {
        true
    }

    fn authenticates_peer(&self) -> bool {
        self.package != Package::Ntlm
    }

    fn takes_ambient_credentials(&self) -> bool {
        true
    }

    fn without_ntlm(&self) -> WithoutNtlm<dyn Mechanism> {
        match self.package {
            Package::Negotiate => WithoutNtlm::Other(Arc::new(Self::without_ntlm())),
            Package::NegotiateWithoutNtlm | Package::Kerberos => WithoutNtlm::Same,
            Package::Ntlm => WithoutNtlm::Nothing,
        }
    }
}

/// Before the first token.
pub(super) struct SspiStart {
    sspi: Sspi,
    arguments: Initiate,
    now: SystemTime,
}

impl SspiStart {
    pub(super) fn new(sspi: Sspi, arguments: Initiate, now: SystemTime) -> Self {
        Self { sspi, arguments, now }
    }
}

impl SecurityContext for SspiStart {
    /// The input is ignored, as SPNEGO has it: nothing in an acceptor's hints binds the client.
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Self { sspi, arguments, now } = *self;
        let attempt = Attempt { target_name: &arguments.target_name, credentials: &arguments.credentials };
        if arguments.target_name.contains('\0') {
            return Err(MechanismError::new(ErrorKind::Credentials, "the target name has a NUL character"));
        }
        let credential = sspi.kept.acquire(sspi.package, &attempt)?;
        let principal = arguments.credentials.username().map(str::to_owned).or_else(|| credential.name());
        let mut context = Context::new(credential);
        let setup = Setup {
            target: Text::new(&arguments.target_name),
            flags: flags(&arguments),
            bindings: arguments.channel_bindings.as_ref().map(|it| Bindings::new(it.application_data())),
        };
        let initiated = context.step(&setup, None).map_err(|failure| {
            // Fresh ones may do better: after an account was unlocked, say.
            sspi.kept.forget(&arguments.credentials);
            status::explain(failure, &attempt)
        })?;
        let continued = Continued {
            context,
            setup,
            package: sspi.package,
            principal,
            rule: arguments.mutual_authentication,
            target_name: arguments.target_name,
            credentials: arguments.credentials,
            now,
            binding: Binding::Request,
            awaited: Expects::Challenge,
        };
        continued.advance(initiated)
    }
}

fn flags(arguments: &Initiate) -> u32 {
    let mutual = match arguments.mutual_authentication {
        MutualAuthentication::Off => 0,
        MutualAuthentication::Preferred | MutualAuthentication::Required => ISC_REQ_MUTUAL_AUTH,
    };
    let delegation = match arguments.delegation {
        Delegation::Off => 0,
        // Windows delegates only by policy, and only together with mutual authentication.
        Delegation::ByPolicy | Delegation::On => ISC_REQ_DELEGATE | ISC_REQ_MUTUAL_AUTH,
    };
    ISC_REQ_INTEGRITY | mutual | delegation
}

/// A token is out.
struct Continued {
    context: Context,
    setup: Setup,
    package: Package,
    principal: Option<String>,
    rule: MutualAuthentication,
    target_name: Arc<str>,
    credentials: Credentials,
    now: SystemTime,
    /// What the tokens so far have shown of it: Negotiate may choose NTLM.
    binding: Binding,
    /// What answers the last token.
    awaited: Expects,
}

impl Continued {
    fn advance(mut self, initiated: Initiated) -> Result<Step, MechanismError> {
        let Initiated { token, is_complete } = initiated;
        let ntlm = describe::ntlm_message(&token);
        if ntlm.is_some() {
            self.binding = Binding::Connection;
            if self.package == Package::NegotiateWithoutNtlm {
                return Err(MechanismError::new(
                    ErrorKind::Unsupported,
                    "the system chose NTLM, which is shut out (Sspi::without_ntlm)",
                ));
            }
            // Before anything is sent that is derived from the password.
            if self.rule == MutualAuthentication::Required {
                return Err(MechanismError::new(
                    ErrorKind::Unsupported,
                    "the system chose NTLM, which cannot authenticate the server",
                ));
            }
        }
        if !is_complete {
            if token.is_empty() {
                return Err(MechanismError::new(
                    ErrorKind::MissingToken,
                    "the system made no token to go on with",
                ));
            }
            // Kerberos is through with its first token, whatever comes back; NTLM's takes another leg
            // (MS-NLMP, section 2.2.1.1).
            let expects = if ntlm == Some(1) { Expects::Challenge } else { Expects::Success };
            self.awaited = expects;
            let proves = match (ntlm, expects) {
                (_, Expects::Challenge) => Proves::Nothing,
                (Some(_), Expects::Success) => Proves::Secret,
                (None, Expects::Success) => Proves::Ticket { is_new: false },
            };
            return Ok(Step::Continue { token, context: Box::new(self), expects, proves });
        }
        let (mechanism, flags) = (self.chosen(), self.context.flags());
        let established = Established {
            mechanism,
            // Windows says of NTLM, too, that it has authenticated the server.
            mutual: flags & ISC_RET_MUTUAL_AUTH != 0 && mechanism != "NTLM",
            binding: self.binding,
            integrity: (flags & ISC_RET_INTEGRITY != 0).then(|| Box::new(Integrity(self.context)) as _),
            principal: self.principal,
        };
        Ok(Step::Complete { token: Some(token).filter(|token| !token.is_empty()), established })
    }

    /// The mechanism of the established context, as the system names its package.
    fn chosen(&self) -> &'static str {
        match self.context.package().as_deref() {
            Some("NTLM") => "NTLM",
            Some("Kerberos") => "Kerberos",
            _ => self.name(),
        }
    }

    /// The mechanism, as far as the tokens tell.
    fn name(&self) -> &'static str {
        match (self.binding, self.package) {
            (Binding::Connection, _) | (_, Package::Ntlm) => "NTLM",
            (Binding::Request, Package::Kerberos) => "Kerberos",
            (Binding::Request, Package::Negotiate | Package::NegotiateWithoutNtlm) => "SPNEGO",
        }
    }
}

impl SecurityContext for Continued {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else {
            return Err(MechanismError::new(ErrorKind::MissingToken, "the server's answer lacks its token"));
        };
        if let Some(error) = explain_krb_error(input, self.now) {
            return Err(MechanismError::new(ErrorKind::TicketRefused, error));
        }
        match self.context.step(&self.setup, Some(input)) {
            Ok(initiated) => self.advance(initiated),
            // A proof of who the server is that nobody asked for.
            Err(_) if self.rule == MutualAuthentication::Off && self.binding == Binding::Request => {
                Ok(Step::Complete { token: None, established: self.finish_without_token()? })
            }
            Err(failure) => {
                let attempt = Attempt { target_name: &self.target_name, credentials: &self.credentials };
                Err(status::explain(failure, &attempt))
            }
        }
    }

    /// The server took what it got, and left out the token that would prove who it is.
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

/// The established context's integrity codes.
struct Integrity(Context);

impl MessageIntegrity for Integrity {
    fn mic(&mut self, message: &[u8]) -> Result<Vec<u8>, MechanismError> {
        self.0.mic(message).map_err(|failure| {
            let message = format!("the system makes no integrity code (SSPI 0x{:08x})", failure.0);
            MechanismError::new(ErrorKind::Unsupported, message)
        })
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        self.0.verify(message, mic).map_err(|failure| {
            let message = format!("the server's integrity code is wrong (SSPI 0x{:08x})", failure.0);
            MechanismError::new(ErrorKind::BadMic, message)
        })
    }
}
