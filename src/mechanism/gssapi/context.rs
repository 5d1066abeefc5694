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

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::mechanism::gssapi::iakerb::tests::{framed, relay, relay_with, request};
    use crate::mechanism::gssapi::library::tests::fake::{self, CONTINUE, FAILURE, Initiation, script};
    use crate::mechanism::{Proves, krb_error};

    const NTLM_NEGOTIATE: &[u8] = b"NTLMSSP\0\x01\0\0\0";
    const NTLM_AUTHENTICATE: &[u8] = b"NTLMSSP\0\x03\0\0\0";
    const AS_REQ: u8 = 0x6a;
    const TGS_REQ: u8 = 0x6c;

    fn alice() -> Credentials {
        Credentials::password("alice@LAB.TEST", "alice-pw")
    }

    fn moment() -> Moment {
        Moment::new(UNIX_EPOCH + Duration::from_secs(1_800_000_000), [7; 32])
    }

    fn begin(gssapi: &Gssapi, arguments: Initiate) -> Result<Step, MechanismError> {
        gssapi.initiate(arguments, moment()).step(None)
    }

    /// A step of the library that goes on, with this token.
    fn goes_on(token: impl Into<Vec<u8>>) -> Initiation {
        Initiation { major: CONTINUE, token: token.into(), ..Initiation::default() }
    }

    fn established(flags: u32) -> Initiation {
        Initiation { flags, mechanism: Some(oid::KERBEROS), ..Initiation::default() }
    }

    /// A step that fails with this code of libkrb5.
    fn fails(code: i64) -> Initiation {
        Initiation { major: FAILURE, minor: (code - 1_765_328_384) as u32, ..Initiation::default() }
    }

    fn plays(initiations: impl IntoIterator<Item = Initiation>) {
        script(|script| script.initiations.extend(initiations));
    }

    fn continued(step: Result<Step, MechanismError>) -> (Box<dyn SecurityContext>, Expects, Proves) {
        match step {
            Ok(Step::Continue { context, expects, proves, .. }) => (context, expects, proves),
            other => panic!("it goes on: {other:?}"),
        }
    }

    fn complete(step: Result<Step, MechanismError>) -> Established {
        match step {
            Ok(Step::Complete { established, .. }) => established,
            other => panic!("it is through: {other:?}"),
        }
    }

    #[test]
    fn a_kept_ticket_that_does_no_more_is_replaced_once() {
        const TKT_EXPIRED: i64 = 32;
        let gssapi = fake::gssapi(Oid::KERBEROS);
        script(|script| script.lifetime = 3600);
        let log_in = || begin(&gssapi, Initiate::new("HTTP/host", alice()));
        let acquired = || script(|script| script.acquired.len());

        plays([goes_on("first")]);
        let (_, expects, proves) = continued(log_in());
        assert_eq!((expects, proves), (Expects::Success, Proves::Ticket { is_new: true }));
        plays([goes_on("second")]);
        let (_, _, proves) = continued(log_in());
        assert_eq!((proves, acquired()), (Proves::Ticket { is_new: false }, 1), "the ticket was kept");

        plays([fails(TKT_EXPIRED), goes_on("third")]);
        let (_, _, proves) = continued(log_in());
        assert_eq!((proves, acquired()), (Proves::Ticket { is_new: true }, 2));

        // The new one is refused as well: no third, since each may count against the password.
        plays([fails(TKT_EXPIRED), fails(TKT_EXPIRED)]);
        let error = log_in().expect_err("no ticket does");
        assert!(error.to_string().contains("the ticket of alice@LAB.TEST has expired"), "{error}");
        assert_eq!(acquired(), 3);
    }

    #[test]
    fn what_is_not_about_a_kept_ticket_does_not_cost_another_one() {
        const S_PRINCIPAL_UNKNOWN: i64 = 7;
        let gssapi = fake::gssapi(Oid::KERBEROS);
        script(|script| script.lifetime = 3600);
        plays([goes_on("first"), fails(S_PRINCIPAL_UNKNOWN)]);
        continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let error = begin(&gssapi, Initiate::new("HTTP/host", alice())).expect_err("an unknown service");
        assert!(error.to_string().contains("server not found in the KDC's database: HTTP/host"), "{error}");
        assert_eq!(script(|script| script.acquired.len()), 1);
    }

    #[test]
    fn a_target_with_a_realm_is_taken_as_it_is() {
        for (target_name, imported, kind) in [
            ("HTTP/host", "HTTP@host", Oid::HOSTBASED_SERVICE),
            ("HTTP/host@LAB.TEST", "HTTP/host@LAB.TEST", Oid::KERBEROS_PRINCIPAL),
            ("service", "service", Oid::KERBEROS_PRINCIPAL),
        ] {
            let gssapi = fake::gssapi(Oid::KERBEROS);
            plays([goes_on("token")]);
            continued(begin(&gssapi, Initiate::new(target_name, alice())));
            let names = script(|script| script.imported.clone());
            assert_eq!(names.last(), Some(&(imported.to_owned(), kind.0.to_vec())));
        }
    }

    #[test]
    fn integrity_is_asked_for_and_delegation_only_where_it_is_wanted() {
        for (delegation, rule, mechanism, wanted) in [
            (Delegation::Off, MutualAuthentication::Preferred, Oid::KERBEROS, flag::MUTUAL),
            (Delegation::Off, MutualAuthentication::Off, Oid::KERBEROS, 0),
            (Delegation::Off, MutualAuthentication::Off, Oid::IAKERB, flag::MUTUAL),
            (Delegation::On, MutualAuthentication::Off, Oid::KERBEROS, flag::DELEGATION),
            (Delegation::ByPolicy, MutualAuthentication::Off, Oid::KERBEROS, flag::DELEGATION_BY_POLICY),
        ] {
            let arguments = Initiate::new("HTTP/host", alice())
                .with_delegation(delegation)
                .with_mutual_authentication(rule);
            assert_eq!(flags(&arguments, mechanism), flag::INTEGRITY | wanted, "{delegation:?} {rule:?}");
        }
    }

    #[test]
    fn ntlm_by_the_librarys_choice_is_refused_where_it_would_be_somebody_else() {
        let named = Credentials::ambient(Ambient::new().principal("alice@LAB.TEST"));
        for (owner, credentials, words) in [
            (Some("alice@LAB.TEST"), named, "chose NTLM, which would not log in as alice@LAB.TEST"),
            (None, alice(), "chose NTLM, which would not log in as the principal asked for"),
        ] {
            let gssapi = fake::gssapi(Oid::KERBEROS);
            script(|script| script.owner = owner);
            plays([goes_on(NTLM_NEGOTIATE)]);
            let error = begin(&gssapi, Initiate::new("HTTP/host", credentials)).expect_err("NTLM");
            assert_eq!(error.kind(), ErrorKind::Credentials);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn ntlm_by_the_librarys_choice_is_refused_where_it_is_shut_out() {
        let WithoutNtlm::Other(shut_out) = fake::gssapi(Oid::SPNEGO).without_ntlm() else {
            panic!("the library's SPNEGO may choose NTLM");
        };
        assert!(matches!(fake::gssapi(Oid::KERBEROS).without_ntlm(), WithoutNtlm::Same));
        script(|script| script.owner = Some("alice@LAB.TEST"));
        plays([goes_on(NTLM_NEGOTIATE)]);
        let arguments = Initiate::new("HTTP/host", Credentials::ambient(Ambient::new()));
        let error = shut_out.initiate(arguments, moment()).step(None).expect_err("NTLM");
        assert_eq!(error.kind(), ErrorKind::Unsupported);
        assert!(error.to_string().contains("shut out"), "{error}");
    }

    #[test]
    fn ntlm_of_the_systems_user_takes_another_leg_and_holds_for_its_connection() {
        let gssapi = fake::gssapi(Oid::SPNEGO);
        script(|script| {
            script.owner = Some("alice@LAB.TEST");
            script.initiator = Some("LAB\\carol");
        });
        plays([goes_on(NTLM_NEGOTIATE), goes_on(NTLM_AUTHENTICATE), Initiation::default()]);
        let arguments = || Initiate::new("HTTP/host", Credentials::ambient(Ambient::new()));
        let (context, expects, proves) = continued(begin(&gssapi, arguments()));
        assert_eq!((expects, proves), (Expects::Challenge, Proves::Nothing));
        let (context, expects, proves) = continued(context.step(Some(b"a challenge")));
        assert_eq!((expects, proves), (Expects::Success, Proves::Secret));
        let login = complete(context.step(Some(b"accepted")));
        assert_eq!((login.mechanism, login.binding), ("NTLM", Binding::Connection));
        // Not the owner of the Kerberos tickets.
        assert_eq!(login.principal.as_deref(), Some("LAB\\carol"));
        assert!(!login.mutual);

        plays([goes_on(NTLM_NEGOTIATE)]);
        let (context, _, _) = continued(begin(&gssapi, arguments()));
        let error = context.finish_without_token().expect_err("nothing was proven");
        assert_eq!(error.kind(), ErrorKind::MissingToken);
        assert!(error.to_string().contains("HTTP/host accepted before anything was proven"), "{error}");
    }

    #[test]
    fn mutual_authentication_is_had_as_far_as_the_context_has_it() {
        for (flags, mutual) in [(flag::MUTUAL | flag::INTEGRITY, true), (flag::INTEGRITY, false)] {
            let gssapi = fake::gssapi(Oid::SPNEGO);
            plays([goes_on("token"), established(flags)]);
            let arguments = Initiate::new("HTTP/host", Credentials::ambient(Ambient::new()));
            let (context, _, _) = continued(begin(&gssapi, arguments));
            let login = complete(context.step(Some(b"a proof")));
            assert_eq!((login.mechanism, login.mutual), ("Kerberos", mutual));
        }
    }

    #[test]
    fn a_proof_that_does_not_hold_counts_unless_it_was_not_asked_for() {
        for (rule, is_error) in [
            (MutualAuthentication::Off, false),
            (MutualAuthentication::Preferred, true),
            (MutualAuthentication::Required, true),
        ] {
            let gssapi = fake::gssapi(Oid::KERBEROS);
            script(|script| script.owner = Some("alice@LAB.TEST"));
            plays([goes_on("token"), Initiation { major: FAILURE, minor: 7, ..Initiation::default() }]);
            let arguments = Initiate::new("HTTP/host", alice()).with_mutual_authentication(rule);
            let (context, _, _) = continued(begin(&gssapi, arguments));
            let step = context.step(Some(b"no proof"));
            if is_error {
                assert_eq!(step.expect_err("a wrong proof").to_string(), "minor 7 message 1", "{rule:?}");
            } else {
                let login = complete(step);
                assert_eq!(login.principal.as_deref(), Some("alice@LAB.TEST"));
                assert!(!login.mutual);
            }
        }
        // Before the ticket is out there is nothing that the server could have taken.
        let gssapi = fake::gssapi(Oid::IAKERB);
        plays([goes_on(relay(&request(AS_REQ, &[]))), fails(156)]);
        let arguments =
            Initiate::new("HTTP/host", alice()).with_mutual_authentication(MutualAuthentication::Off);
        let (context, _, _) = continued(begin(&gssapi, arguments));
        let error = context.step(Some(b"nothing that a KDC says")).expect_err("not in the middle");
        assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    }

    #[test]
    fn a_missing_proof_is_an_error_only_where_it_is_required() {
        for (rule, is_error) in
            [(MutualAuthentication::Preferred, false), (MutualAuthentication::Required, true)]
        {
            let gssapi = fake::gssapi(Oid::KERBEROS);
            plays([goes_on("token")]);
            let arguments = Initiate::new("HTTP/host", alice()).with_mutual_authentication(rule);
            let (context, _, _) = continued(begin(&gssapi, arguments));
            let finished = context.finish_without_token();
            assert_eq!(finished.is_err(), is_error, "{rule:?}");
            if let Err(error) = finished {
                assert!(error.to_string().contains("without proving who it is"), "{error}");
            }
        }
    }

    #[test]
    fn a_login_as_somebody_else_than_the_owner_of_the_credentials_is_an_error() {
        let gssapi = fake::gssapi(Oid::KERBEROS);
        script(|script| {
            script.owner = Some("alice@LAB.TEST");
            script.initiator = Some("bob@LAB.TEST");
        });
        plays([goes_on("token"), established(flag::MUTUAL)]);
        let (context, _, _) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let error = context.step(Some(b"a proof")).expect_err("bob");
        assert!(error.to_string().contains("logs in as bob@LAB.TEST, not as alice@LAB.TEST"), "{error}");
    }

    #[test]
    fn who_logs_in_is_known_by_the_context_or_else_by_the_credentials() {
        let (alice_name, none) = (Some("alice@LAB.TEST"), None);
        for (owner, initiator, principal) in [
            (alice_name, none, alice_name),
            (none, alice_name, alice_name),
            (alice_name, alice_name, alice_name),
            (none, none, none),
        ] {
            let gssapi = fake::gssapi(Oid::KERBEROS);
            script(|script| (script.owner, script.initiator) = (owner, initiator));
            plays([established(0)]);
            let login = complete(begin(&gssapi, Initiate::new("HTTP/host", alice())));
            assert_eq!(login.principal.as_deref(), principal);
        }
    }

    #[test]
    fn the_codes_of_an_established_context_are_the_librarys() {
        let gssapi = fake::gssapi(Oid::KERBEROS);
        plays([established(flag::INTEGRITY)]);
        let login = complete(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let mut integrity = login.integrity.expect("integrity");
        assert_eq!(integrity.mic(b"a list").expect("a code"), b"code of a list");
        integrity.verify(b"a list", b"code of a list").expect("it holds");
        let error = integrity.verify(b"a list", b"code of another list").expect_err("it does not");
        assert_eq!(error.kind(), ErrorKind::BadMic);
        assert!(error.to_string().starts_with("the server's integrity code is wrong: major"), "{error}");
        script(|script| script.failing.extend(["mic"]));
        let error = integrity.mic(b"a list").expect_err("the library makes none");
        assert_eq!((error.kind(), error.to_string()), (ErrorKind::Unsupported, "minor 7 message 1".into()));
    }

    #[test]
    fn iakerb_tells_what_each_of_its_tokens_proves() {
        let gssapi = fake::gssapi(Oid::IAKERB);
        let timestamp = (2, b"timestamp".as_slice());
        plays([
            goes_on(relay(&request(AS_REQ, &[]))),
            goes_on(relay(&request(AS_REQ, &[timestamp]))),
            goes_on(relay(&request(TGS_REQ, &[(1, b"AP-REQ")]))),
            goes_on(framed(b"\x01\x00an AP-REQ")),
            established(flag::MUTUAL),
        ]);
        let (context, expects, proves) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        assert_eq!((expects, proves), (Expects::Challenge, Proves::Nothing));
        let (context, expects, proves) = continued(context.step(Some(b"wants a timestamp")));
        assert_eq!((expects, proves), (Expects::Challenge, Proves::Relayed));
        let (context, expects, proves) = continued(context.step(Some(b"a ticket")));
        assert_eq!((expects, proves), (Expects::Challenge, Proves::Ticket { is_new: false }));
        let (context, expects, proves) = continued(context.step(Some(b"another ticket")));
        assert_eq!((expects, proves), (Expects::Success, Proves::Ticket { is_new: true }));
        let login = complete(context.step(Some(b"a proof")));
        assert_eq!((login.mechanism, login.binding), ("IAKERB", Binding::Connection));
    }

    #[test]
    fn what_is_none_of_iakerbs_tokens_is_not_sent() {
        let dialect = relay_with(crate::der::OCTET_STRING, &request(AS_REQ, &[]));
        for (token, kind, words) in [
            (b"something else".to_vec(), ErrorKind::DefectiveToken, "not one of IAKERB's"),
            (dialect, ErrorKind::Unavailable, "MIT krb5 1.22"),
        ] {
            let gssapi = fake::gssapi(Oid::IAKERB);
            plays([goes_on(token)]);
            let error = begin(&gssapi, Initiate::new("HTTP/host", alice())).expect_err("none of its tokens");
            assert_eq!(error.kind(), kind);
            assert!(error.to_string().contains(words), "{error}");
        }
    }

    #[test]
    fn a_krb_error_is_about_the_ticket_once_that_is_out() {
        const SKEW: u8 = 37;
        let error = framed(&[b"\x03\x00".as_slice(), &krb_error(SKEW)].concat());
        let gssapi = fake::gssapi(Oid::KERBEROS);
        plays([goes_on("ticket")]);
        let (context, _, _) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let refusal = context.step(Some(&error)).expect_err("a refusal");
        assert_eq!(refusal.kind(), ErrorKind::TicketRefused);
        assert!(refusal.to_string().contains("clock skew"), "{refusal}");

        // In the middle of what is said to a KDC there is no ticket yet: the library knows what it is.
        let gssapi = fake::gssapi(Oid::IAKERB);
        plays([goes_on(relay(&request(AS_REQ, &[]))), fails(156)]);
        let (context, _, _) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let refusal = context.step(Some(&error)).expect_err("a refusal");
        assert_eq!(refusal.kind(), ErrorKind::Unavailable, "{refusal}");
    }

    #[test]
    fn a_password_that_was_not_sent_is_not_called_wrong_by_a_relayed_refusal() {
        const PREAUTH_FAILED: u8 = 24;
        let refusal = relay(&krb_error(PREAUTH_FAILED));
        let timestamp = (2, b"timestamp".as_slice());
        for (first, kind) in [
            (request(AS_REQ, &[]), ErrorKind::Refused),
            (request(AS_REQ, &[timestamp]), ErrorKind::WrongPassword),
        ] {
            let gssapi = fake::gssapi(Oid::IAKERB);
            plays([goes_on(relay(&first)), fails(0)]);
            let (context, _, _) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
            let error = context.step(Some(&refusal)).expect_err("a refusal");
            assert_eq!(error.kind(), kind, "{error}");
        }
    }

    #[test]
    fn an_attempt_stays_one_when_more_messages_follow() {
        let gssapi = fake::gssapi(Oid::IAKERB);
        let timestamp = (2, b"timestamp".as_slice());
        plays([
            goes_on(relay(&request(AS_REQ, &[timestamp]))),
            goes_on(relay(&request(TGS_REQ, &[]))),
            fails(0),
        ]);
        let (context, _, _) = continued(begin(&gssapi, Initiate::new("HTTP/host", alice())));
        let (context, _, _) = continued(context.step(Some(b"a ticket")));
        let error = context.step(Some(&relay(&krb_error(24)))).expect_err("a refusal");
        assert_eq!(error.kind(), ErrorKind::WrongPassword, "{error}");
    }

    /// A KDC's error with this code.
    fn krb_error(code: u8) -> Vec<u8> {
        krb_error::tests::message(code, "20260701120000Z", None)
    }
}
