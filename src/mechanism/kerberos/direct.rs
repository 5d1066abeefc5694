//! Kerberos: the KDCs are asked by whoever drives the context.

use std::sync::Arc;

use crate::mechanism::kerberos::accounts::Lead;
use crate::mechanism::kerberos::exchange::{KdcRequest, Next, Transport};
use crate::mechanism::kerberos::login::{Exchange, Form, Login, spent};
use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::oid;
use crate::mechanism::{
    ErrorKind, Initiate, Inquiry, KdcInquiry, Mechanism, MechanismError, Moment, SecurityContext, Step,
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
    let realm = realm.as_str().into();
    login.find(moment, look, |login, lead| Asking { realm, addresses, login, lead }.ask(moment))
}

/// Gets the ticket.
struct Asking {
    login: Login,
    lead: Lead,
    realm: Arc<str>,
    addresses: Arc<[String]>,
}

impl Asking {
    /// Asks for the ticket for the service, or for the one that gets it where that is not held.
    fn ask(self, moment: &Moment) -> Result<Step, MechanismError> {
        let begun = match self.lead.first() {
            Some(first) => self.login.ask_for_service(first, moment),
            None => self.login.ask_for_first(self.lead.opening(), moment),
        };
        match begun {
            Ok((request, exchange)) => Ok(self.send(request, exchange)),
            Err(error) => Err(self.lead.fail(error, moment.now)),
        }
    }

    fn send(self, request: KdcRequest, exchange: Exchange) -> Step {
        let inquiry = KdcInquiry::new(Arc::clone(&self.realm), Arc::clone(&self.addresses), request.message)
            .with_proves(self.login.proves(request.proves))
            .with_needs_stream(request.transport == Transport::Stream);
        Step::Consult { inquiry: Inquiry::Kdc(inquiry), context: Box::new(Asked { asking: self, exchange }) }
    }
}

/// A KDC is asked, in this exchange.
struct Asked {
    asking: Asking,
    exchange: Exchange,
}

impl SecurityContext for Asked {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        Err(spent())
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        moment: Moment,
    ) -> Result<Step, MechanismError> {
        let Self { mut asking, exchange } = *self;
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Err(asking.lead.fail(error, moment.now)),
        };
        let error = match exchange {
            Exchange::First(exchange) => match exchange.answer(&answer, moment.now) {
                Ok(Next::Send { request, exchange }) => {
                    return Ok(asking.send(request, Exchange::First(Box::new(exchange))));
                }
                Ok(Next::Granted(first)) => {
                    asking.lead.first_granted(first, moment.now);
                    asking.login.is_new = true;
                    return asking.ask(&moment);
                }
                Err(error) => error,
            },
            Exchange::Service(exchange) => match exchange.answer(&answer) {
                Ok(Next::Send { request, exchange }) => {
                    return Ok(asking.send(request, Exchange::Service(exchange)));
                }
                Ok(Next::Granted(ticket)) => {
                    let ticket = asking.lead.granted(ticket, moment.now);
                    return Ok(asking.login.show(ticket, &[], &moment));
                }
                // The KDC does not take a ticket that was held: its key has changed, or so has the account. Of the logins
                // that hear that, one gets another ticket: it may be the password that has changed.
                Err(error) if error.kind() == ErrorKind::TicketRefused && asking.login.may_lose_first() => {
                    asking.lead.drop_first(true);
                    let Asking { login, lead, .. } = asking;
                    drop(lead);
                    return look(Login { has_lost_first: true, ..login }, &moment);
                }
                Err(error) => error,
            },
        };
        Err(asking.lead.fail(error, moment.now))
    }

    /// The KDC may name another salt, and the key is then made from the password again.
    fn takes_time(&self) -> bool {
        matches!(self.exchange, Exchange::First(_))
    }
}
