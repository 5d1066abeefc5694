//! IAKERB: the KDCs are asked by the server.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use crate::mechanism::kerberos::accounts::Lead;
use crate::mechanism::kerberos::crypto::Random;
use crate::mechanism::kerberos::exchange::{KdcRequest, Next, Opening};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{Token, TokenId};
use crate::mechanism::kerberos::login::{Exchange, Form, Login, spent};
use crate::mechanism::kerberos::settings::Kerberos;
use crate::mechanism::oid;
use crate::mechanism::{
    ErrorKind, Expects, Initiate, Mechanism, MechanismError, Moment, Proves, SecurityContext, Step,
};

/// Kerberos whose KDC the server asks ([IAKERB](crate::mechanism::kerberos#iakerb)).
///
/// Behind [`Negotiate`](crate::scheme::Negotiate) as it is, it goes without SPNEGO, as MIT's servers want it.
#[derive(Clone)]
pub struct Iakerb {
    kerberos: Kerberos,
    is_bare: bool,
    /// What to try where the server does not take the first token.
    instead: Option<Arc<dyn Mechanism>>,
}

impl Kerberos {
    /// Returns IAKERB over the same tickets.
    pub fn iakerb(&self) -> Iakerb {
        Iakerb { kerberos: self.clone(), is_bare: false, instead: None }
    }
}

impl Iakerb {
    /// The same without SPNEGO, where that is one of two ways, with the other one.
    pub(super) fn bare(self, instead: Option<Arc<dyn Mechanism>>) -> Self {
        Self { is_bare: true, instead, ..self }
    }

    /// The same, for SPNEGO, with what to try where the server does not take it there.
    pub(super) fn or_else(self, instead: Arc<dyn Mechanism>) -> Self {
        Self { instead: Some(instead), ..self }
    }
}

impl fmt::Debug for Iakerb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Iakerb").field("kerberos", &self.kerberos).finish_non_exhaustive()
    }
}

impl Mechanism for Iakerb {
    fn name(&self) -> &'static str {
        "IAKERB"
    }

    fn oid(&self) -> &'static [u8] {
        oid::IAKERB
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(Start { iakerb: self.clone(), arguments, moment })
    }

    fn authenticates_peer(&self) -> bool {
        true
    }

    fn forget_refusals(&self) {
        self.kerberos.accounts().forget_refusals();
    }
}

/// Before the first step.
struct Start {
    iakerb: Iakerb,
    arguments: Initiate,
    moment: Moment,
}

impl SecurityContext for Start {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Iakerb { kerberos, is_bare, instead } = self.iakerb;
        look(Login::new(kerberos, self.arguments, Form::Iakerb { is_bare, instead })?, &self.moment)
    }
}

/// Shows the ticket, or gets it, or waits for who does.
fn look(login: Login, moment: &Moment) -> Result<Step, MechanismError> {
    if login.arguments.only_kdc {
        // A ticket says nothing of the password.
        let Some(ticket) = login.held(moment.now) else {
            let sentence = "by IAKERB the server would see what a password can be guessed from";
            return Err(MechanismError::new(ErrorKind::Credentials, sentence));
        };
        return Ok(login.show(ticket, &[], moment));
    }
    login.find(moment, look, |login, lead| {
        let seeds = Random::new(&moment.entropy);
        Relaying { login, lead, seeds, now: moment.now, tokens: Vec::new(), cookie: None }.ask()
    })
}

/// Gets the ticket, by messages that the server carries.
struct Relaying {
    login: Login,
    lead: Lead,
    /// The server's tokens come without a moment.
    seeds: Random,
    now: SystemTime,
    /// All tokens so far, as they were sent.
    tokens: Vec<u8>,
    /// What the server wants to have back.
    cookie: Option<Vec<u8>>,
}

impl Relaying {
    /// Asks for the ticket for the service, or for the one that gets it where that is not held.
    fn ask(mut self) -> Result<Step, MechanismError> {
        let moment = self.moment();
        let begun = match self.lead.first() {
            Some(first) => self.login.ask_for_service(first, &moment),
            // The server may not take IAKERB at all, so the first message shows nothing of the password.
            None => self.login.ask_for_first(Opening::Asks(self.lead.key()), &moment),
        };
        match begun {
            Ok((request, exchange)) => Ok(self.send(request, exchange)),
            Err(error) => Err(self.lead.fail(error, self.now)),
        }
    }

    fn send(mut self, request: KdcRequest, exchange: Exchange) -> Step {
        let proves = match request.proves {
            Proves::Secret => Proves::Relayed,
            proves => self.login.proves(proves),
        };
        let is_first_token = self.tokens.is_empty();
        let header = IakerbHeader { target_realm: request.realm, cookie: self.cookie.as_deref() };
        let token = header.token(&request.message);
        // As sent, frame and all: KRB-FINISHED is a checksum over these octets (draft-ietf-kitten-iakerb-03).
        self.tokens.extend_from_slice(&token);
        let context = Box::new(Relayed { relaying: self, exchange, is_first_token });
        Step::Continue { token, context, expects: Expects::Challenge, proves }
    }

    /// Takes the frame off an answer.
    fn message<'a>(&mut self, input: &'a [u8]) -> Result<&'a [u8], MechanismError> {
        let token = Token::decode(input)?;
        // Before it is known what it is: the server has it in its checksum in any case.
        self.tokens.extend_from_slice(input);
        match token.id {
            TokenId::IakerbProxy => {
                let (header, message) = IakerbHeader::split(token.message)?;
                self.cookie = header.cookie.map(<[u8]>::to_vec);
                Ok(message)
            }
            // The server's own error.
            TokenId::KrbError => Ok(token.message),
            TokenId::ApReq | TokenId::ApRep => Err(MechanismError::new(
                ErrorKind::DefectiveToken,
                "the server answers a message to a KDC with one of its own",
            )),
        }
    }

    fn moment(&mut self) -> Moment {
        Moment::new(self.now, *self.seeds.octets())
    }
}

/// The server is asked to carry a message of this exchange.
struct Relayed {
    relaying: Relaying,
    exchange: Exchange,
    is_first_token: bool,
}

impl SecurityContext for Relayed {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Self { mut relaying, exchange, .. } = *self;
        let Some(input) = input else { return Err(spent()) };
        let now = relaying.now;
        let message = match relaying.message(input) {
            Ok(message) => message,
            Err(error) => return Err(relaying.lead.fail(error.relayed(), now)),
        };
        // A token that can be read shows that the server takes this form, whatever the KDC behind it says.
        relaying.login.note_form();
        let error = match exchange {
            Exchange::First(exchange) => match exchange.answer(message, now) {
                Ok(Next::Send { request, exchange }) => {
                    return Ok(relaying.send(request, Exchange::First(Box::new(exchange))));
                }
                Ok(Next::Granted(first)) => {
                    relaying.lead.first_granted(first, now);
                    relaying.login.is_new = true;
                    return relaying.ask();
                }
                Err(error) => error,
            },
            Exchange::Service(exchange) => match exchange.answer(message) {
                Ok(Next::Send { request, exchange }) => {
                    return Ok(relaying.send(request, Exchange::Service(exchange)));
                }
                Ok(Next::Granted(ticket)) => {
                    let moment = relaying.moment();
                    let Relaying { login, lead, tokens, .. } = relaying;
                    return Ok(login.show(lead.granted(ticket, now), &tokens, &moment));
                }
                // The KDC does not take a ticket that was held, or the server says so.
                Err(error) if error.kind() == ErrorKind::TicketRefused && !relaying.login.is_new => {
                    // Not dropped for all: it is the server that says so, and it may have made that up. This login
                    // asks for a new one by itself.
                    relaying.lead.drop_first(false);
                    return relaying.ask();
                }
                Err(error) => error,
            },
        };
        Err(relaying.lead.fail(error.relayed(), now))
    }

    /// The key of the password may be made.
    fn takes_time(&self) -> bool {
        matches!(self.exchange, Exchange::First(_))
    }

    fn instead(&self) -> Option<Arc<dyn Mechanism>> {
        self.relaying.login.instead().filter(|_| self.is_first_token)
    }
}
