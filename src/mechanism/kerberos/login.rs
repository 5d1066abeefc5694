//! What a login of Kerberos and one of IAKERB have in common: who, where, and how the ticket is shown.

use std::sync::Arc;
use std::time::SystemTime;

use crate::mechanism::kerberos::accounts::{Carrier, Found, Identity, Lead};
use crate::mechanism::kerberos::exchange::{
    Application, AuthenticationService, Carried, GrantedTicket, KdcRequest, Opening, Shown, TicketGranting,
};
use crate::mechanism::kerberos::gss::flags;
use crate::mechanism::kerberos::messages::PrincipalName;
use crate::mechanism::kerberos::names;
use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Inquiry, Mechanism, MechanismError, Moment,
    MutualAuthentication, Proves, SecurityContext, Step,
};

/// Somebody logs in somewhere.
pub(super) struct Login {
    pub(super) kerberos: Kerberos,
    pub(super) identity: Arc<Identity>,
    pub(super) arguments: Initiate,
    pub(super) form: Form,
    /// A KDC has taken the password in this login.
    pub(super) is_new: bool,
    /// A KDC has not taken a ticket that was held.
    pub(super) has_lost_first: bool,
}

/// Looks for the ticket, as the mechanism does.
pub(super) type Look = fn(Login, &Moment) -> Result<Step, MechanismError>;

/// What a KDC is asked for.
pub(super) enum Exchange {
    First(Box<AuthenticationService>),
    Service(TicketGranting),
}

/// Which mechanism it is.
#[derive(Clone)]
pub(super) enum Form {
    Kerberos,
    Iakerb {
        /// Without SPNEGO, where that was tried instead.
        is_bare: bool,
        /// What to try where the server does not take the first token.
        instead: Option<Arc<dyn Mechanism>>,
    },
}

impl Login {
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if there is no principal for the user or the service.
    pub(super) fn new(kerberos: Kerberos, arguments: Initiate, form: Form) -> Result<Self, MechanismError> {
        let Some((username, _)) = arguments.credentials.as_password() else {
            return Err(MechanismError::new(
                ErrorKind::Credentials,
                "only a name and a password can be used",
            ));
        };
        let client = names::user(username, &kerberos)?;
        names::service_and_host(&arguments.target_name, &client.realm)?;
        let identity = Arc::new(Identity::new(client, arguments.credentials.clone()));
        Ok(Self { kerberos, identity, arguments, form, is_new: false, has_lost_first: false })
    }

    /// The service's name, which only a login that gets the ticket needs.
    pub(super) fn service(&self) -> Result<PrincipalName, MechanismError> {
        names::service(&self.arguments.target_name, &self.identity.client().realm)
    }

    /// Who carries its messages to a KDC.
    pub(super) fn carrier(&self) -> Carrier {
        match self.form {
            Form::Kerberos => Carrier::Own,
            Form::Iakerb { .. } => Carrier::Server(Arc::clone(&self.arguments.target_name)),
        }
    }

    /// Shows the ticket, or waits for who gets it and then looks again, or gets it.
    pub(super) fn find(
        self,
        moment: &Moment,
        look: Look,
        get: impl FnOnce(Self, Lead) -> Result<Step, MechanismError>,
    ) -> Result<Step, MechanismError> {
        let accounts = self.kerberos.accounts();
        match accounts.find(&self.identity, &self.arguments.target_name, &self.carrier(), moment.now) {
            Found::Ticket(ticket) => Ok(self.show(ticket, &[], moment)),
            Found::Refused(error) => Err(error),
            Found::Awaits(awaited) => {
                let context = Box::new(Waiting { login: self, look });
                Ok(Step::Consult { inquiry: Inquiry::Another(awaited), context })
            }
            Found::Leads(lead) => get(self, lead),
        }
    }

    /// Begins the exchange for the ticket that gets others.
    pub(super) fn ask_for_first(
        &self,
        opening: Opening,
        moment: &Moment,
    ) -> Result<(KdcRequest, Exchange), MechanismError> {
        let (client, policy) = (self.identity.client().clone(), self.kerberos.policy().clone());
        let Some(password) = self.identity.password().cloned() else { return Err(spent()) };
        let (request, exchange) = AuthenticationService::begin(client, password, policy, opening, moment);
        Ok((request, Exchange::First(Box::new(exchange))))
    }

    /// Begins the exchange for the ticket for the service.
    pub(super) fn ask_for_service(
        &self,
        first: Arc<GrantedTicket>,
        moment: &Moment,
    ) -> Result<(KdcRequest, Exchange), MechanismError> {
        let policy = self.kerberos.policy().clone();
        let (request, exchange) = TicketGranting::begin(first, self.service()?, policy, moment)?;
        Ok((request, Exchange::Service(exchange)))
    }

    /// What a message to a KDC proves in this login, where it is made with a ticket.
    pub(super) fn proves(&self, proves: Proves) -> Proves {
        match proves {
            Proves::Ticket { .. } => Proves::Ticket { is_new: self.is_new },
            proves => proves,
        }
    }

    /// The ticket, if it is held.
    pub(super) fn held(&self, now: SystemTime) -> Option<Arc<GrantedTicket>> {
        self.kerberos.accounts().held(&self.identity, &self.arguments.target_name, now)
    }

    /// What was refused by whoever was asked.
    pub(super) fn refused(&self, now: SystemTime) -> Option<MechanismError> {
        self.kerberos.accounts().refused(&self.identity, &self.arguments.target_name, now)
    }

    /// Whether a KDC that does not take the first ticket is asked for another one: once, and not for one that is new.
    pub(super) fn may_lose_first(&self) -> bool {
        !self.is_new && !self.has_lost_first
    }

    /// Shows the ticket. `tokens` are those of IAKERB so far.
    pub(super) fn show(self, ticket: Arc<GrantedTicket>, tokens: &[u8], moment: &Moment) -> Step {
        let rule = self.arguments.mutual_authentication;
        // IAKERB's last token answers the whole exchange; it is not looked at then.
        let is_mutual = match self.form {
            Form::Kerberos => rule != MutualAuthentication::Off,
            Form::Iakerb { .. } => true,
        };
        // Integrity for the sake of SPNEGO's mechListMIC. Nothing is delegated: the tickets cannot be forwarded.
        let flags = flags::INTEG | if is_mutual { flags::MUTUAL } else { 0 };
        let carried = match self.form {
            Form::Kerberos => Carried::Kerberos,
            Form::Iakerb { .. } => Carried::Iakerb(tokens),
        };
        let shown = Shown { flags, channel_bindings: self.arguments.channel_bindings.as_ref(), carried };
        let (token, application) = Application::begin(Arc::clone(&ticket), &shown, moment);
        if !is_mutual {
            let mut established = self.established(&ticket);
            established.integrity = Some(Box::new(application.without_answer()));
            return Step::Complete { token: Some(token), established };
        }
        let proves = Proves::Ticket { is_new: self.is_new };
        let is_first_token = tokens.is_empty();
        let showing =
            Showing { login: self, ticket, application: Some(application), now: moment.now, is_first_token };
        Step::Continue { token, context: Box::new(showing), expects: Expects::Success, proves }
    }

    fn established(&self, ticket: &GrantedTicket) -> Established {
        let (name, binding) = match self.form {
            Form::Kerberos => ("Kerberos", Binding::Request),
            Form::Iakerb { .. } => ("IAKERB", Binding::Connection),
        };
        Established::new(name, Some(ticket.client.text()), binding)
    }

    /// The server has answered IAKERB in this form.
    pub(super) fn note_form(&self) {
        if let Form::Iakerb { is_bare: true, .. } = self.form {
            self.kerberos.bare().note(&self.arguments.target_name);
        }
    }

    /// What to try where the server does not take the first token.
    pub(super) fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        match &self.form {
            Form::Kerberos => None,
            Form::Iakerb { instead, .. } => instead.clone(),
        }
    }
}

/// Another login gets the ticket.
struct Waiting {
    login: Login,
    look: Look,
}

impl SecurityContext for Waiting {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(spent())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        answer?;
        (self.look)(self.login, &moment)
    }
}

/// The ticket is shown, and the server is to prove that it can read it.
struct Showing {
    login: Login,
    ticket: Arc<GrantedTicket>,
    /// None once the server has taken it.
    application: Option<Application>,
    now: SystemTime,
    is_first_token: bool,
}

impl SecurityContext for Showing {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Some(input) = input else {
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                "the server's answer lacks Kerberos' token",
            ));
        };
        let Some(application) = self.application.take() else { return Err(spent()) };
        let mut established = self.login.established(&self.ticket);
        match application.answer(input, self.now) {
            Ok(mics) => {
                self.login.note_form();
                established.mutual = true;
                established.integrity = Some(Box::new(mics));
            }
            // A proof of who the server is that nobody asked for.
            Err(_) if self.login.arguments.mutual_authentication == MutualAuthentication::Off => {}
            Err(error) => {
                // Only this ticket, and only where the service has said so: the next login asks the KDC for another,
                // by the key that the service has now.
                if error.kind() == ErrorKind::TicketRefused {
                    let Login { kerberos, identity, arguments, .. } = &self.login;
                    kerberos.accounts().forget(identity, &arguments.target_name, &self.ticket);
                }
                return Err(error);
            }
        }
        Ok(Step::Complete { token: None, established })
    }

    fn finish_without_token(mut self: Box<Self>) -> Result<Established, MechanismError> {
        self.application = None;
        let Login { arguments, .. } = &self.login;
        if arguments.mutual_authentication == MutualAuthentication::Required {
            let target = &arguments.target_name;
            return Err(MechanismError::new(
                ErrorKind::MissingToken,
                format!("{target} accepted without proving who it is, which is required"),
            ));
        }
        Ok(self.login.established(&self.ticket))
    }

    fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        self.login.instead().filter(|_| self.is_first_token)
    }
}

impl Drop for Showing {
    fn drop(&mut self) {
        if self.application.is_some() {
            let Login { kerberos, identity, arguments, .. } = &self.login;
            kerberos.accounts().forget_outdated(identity, &arguments.target_name, &self.ticket, self.now);
        }
    }
}

/// A step that nothing is left for.
pub(super) fn spent() -> MechanismError {
    MechanismError::new(ErrorKind::DefectiveToken, "the server sent a token while a KDC was being asked")
}
