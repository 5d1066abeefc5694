//! Kerberos: the KDCs are asked by whoever drives the context.

use std::sync::Arc;

use crate::mechanism::kerberos::accounts::{Found, Lead};
use crate::mechanism::kerberos::exchange::{
    AuthenticationService, KdcRequest, Next, TicketGranting, Transport,
};
use crate::mechanism::kerberos::login::{Form, Login, spent};
use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::oid;
use crate::mechanism::{
    ErrorKind, Initiate, Inquiry, KdcInquiry, Mechanism, MechanismError, Moment, Proves, SecurityContext,
    Step,
};

impl Mechanism for Kerberos {
    fn name(&self) -> &'static str {
        "Kerberos"
    }

    fn oid(&self) -> &'static [u8] {
        oid::KERBEROS
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(Start { kerberos: self.clone(), arguments, moment })
    }

    fn authenticates_peer(&self) -> bool {
        true
    }

    fn asks_kdc(&self) -> bool {
        true
    }

    fn forget_refusals(&self) {
        self.accounts().forget_refusals();
    }
}

/// Before the first step.
struct Start {
    kerberos: Kerberos,
    arguments: Initiate,
    moment: Moment,
}

impl SecurityContext for Start {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        look(Login::new(self.kerberos, self.arguments, Form::Kerberos)?, &self.moment)
    }
}

/// Shows the ticket, or gets it, or waits for who does.
fn look(login: Login, moment: &Moment) -> Result<Step, MechanismError> {
    if let Some(ticket) = login.held(moment.now) {
        return Ok(login.show(ticket, &[], moment));
    }
    let realm = &login.identity.client().realm;
    let Some(addresses) = login.kerberos.kdcs(realm).cloned() else {
        // Of two reasons, the one that the user can do something about.
        return Err(login.refused(moment.now).unwrap_or_else(|| {
            let sentence = format!("no KDC is named for the realm {realm} (Kerberos::kdc)");
            MechanismError::new(ErrorKind::Unavailable, sentence)
        }));
    };
    match login.find(moment.now) {
        // Another login has got it meanwhile.
        Found::Ticket(ticket) => Ok(login.show(ticket, &[], moment)),
        Found::Refused(error) => Err(error),
        Found::Awaits(awaited) => {
            Ok(Step::Consult { inquiry: Inquiry::Another(awaited), context: Box::new(Waiting { login }) })
        }
        Found::Leads(lead) => {
            let asking = Asking { realm: realm.as_str().into(), addresses, login, lead };
            match asking.lead.first() {
                Some(_) => asking.ask_for_service(moment),
                None => asking.ask_for_first(moment),
            }
        }
    }
}

/// Another login gets the ticket.
struct Waiting {
    login: Login,
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
        look(self.login, &moment)
    }
}

/// Gets the ticket.
struct Asking {
    login: Login,
    lead: Lead,
    realm: Arc<str>,
    addresses: Arc<[String]>,
}

impl Asking {
    fn ask_for_first(self, moment: &Moment) -> Result<Step, MechanismError> {
        let Login { identity, kerberos, .. } = &self.login;
        let opening = self.lead.opening();
        let (client, policy) = (identity.client().clone(), kerberos.policy().clone());
        let Some(password) = identity.password().cloned() else { return Err(spent()) };
        let (request, exchange) = AuthenticationService::begin(client, password, policy, opening, moment);
        Ok(self.send(request, FirstTicketAsked(exchange)))
    }

    fn ask_for_service(self, moment: &Moment) -> Result<Step, MechanismError> {
        let Some(first) = self.lead.first() else { return self.ask_for_first(moment) };
        let (service, kerberos) = (self.login.service()?, &self.login.kerberos);
        match TicketGranting::begin(first, service, kerberos.policy().clone(), moment) {
            Ok((request, exchange)) => {
                let proves = Proves::Ticket { is_new: self.login.is_new };
                Ok(self.send(KdcRequest { proves, ..request }, ServiceTicketAsked(exchange)))
            }
            Err(error) => Err(self.lead.fail(error, moment.now)),
        }
    }

    fn send<E>(self, request: KdcRequest, exchange: E) -> Step
    where
        Asked<E>: SecurityContext + 'static,
    {
        let inquiry = KdcInquiry::new(Arc::clone(&self.realm), Arc::clone(&self.addresses), request.message)
            .with_proves(request.proves)
            .with_needs_stream(request.transport == Transport::Stream);
        Step::Consult { inquiry: Inquiry::Kdc(inquiry), context: Box::new(Asked { asking: self, exchange }) }
    }
}

/// A KDC is asked, in this exchange.
struct Asked<E> {
    asking: Asking,
    exchange: E,
}

struct FirstTicketAsked(AuthenticationService);
struct ServiceTicketAsked(TicketGranting);

impl SecurityContext for Asked<FirstTicketAsked> {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(spent())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let Self { mut asking, exchange: FirstTicketAsked(exchange) } = *self;
        match answer.and_then(|answer| exchange.answer(&answer, moment.now)) {
            Ok(Next::Send { request, exchange }) => Ok(asking.send(request, FirstTicketAsked(exchange))),
            Ok(Next::Granted(first)) => {
                asking.lead.first_granted(first, moment.now);
                asking.login.is_new = true;
                asking.ask_for_service(&moment)
            }
            Err(error) => Err(asking.lead.fail(error, moment.now)),
        }
    }

    /// It may name another salt, and the key of the password is made anew.
    fn takes_time(&self) -> bool {
        true
    }
}

impl SecurityContext for Asked<ServiceTicketAsked> {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(spent())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let Self { mut asking, exchange: ServiceTicketAsked(exchange) } = *self;
        match answer.and_then(|answer| exchange.answer(&answer)) {
            Ok(Next::Send { request, exchange }) => {
                let proves = Proves::Ticket { is_new: asking.login.is_new };
                Ok(asking.send(KdcRequest { proves, ..request }, ServiceTicketAsked(exchange)))
            }
            Ok(Next::Granted(ticket)) => {
                let ticket = asking.lead.granted(ticket, moment.now);
                Ok(asking.login.show(ticket, &[], &moment))
            }
            // The KDC does not take a ticket that was held: its key has changed, or so has the account. Of the logins that
            // hear that, one gets another ticket: it may be the password that has changed.
            Err(error) if error.kind() == ErrorKind::TicketRefused && asking.login.may_lose_first() => {
                asking.lead.drop_first(true);
                let Asking { login, lead, .. } = asking;
                drop(lead);
                look(Login { has_lost_first: true, ..login }, &moment)
            }
            Err(error) => Err(asking.lead.fail(error, moment.now)),
        }
    }
}
