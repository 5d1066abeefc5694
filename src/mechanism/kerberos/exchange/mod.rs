//! A client's exchanges as pure values: each gives the octets to send, and takes the answer.
//!
//! | exchange | with | brings | messages, at most |
//! |---|---|---|---|
//! | [`AuthenticationService`] | a KDC of the user's realm | the first ticket, for a password | 5 |
//! | [`TicketGranting`] | a KDC of the service's realm | a ticket for a service, by the first | 2 |
//! | [`Application`] | the service | the login, and what signs | 1 |
//!
//! An exchange is begun at a [`Moment`](crate::mechanism::Moment) that is used for nothing else. How a message gets to a KDC is
//! someone else's business: over UDP, over TCP, or through the server by IAKERB. What comes back may be anybody's, so:
//!
//! - A reply counts if the client's key opens it, and if it has the names, the realm and the nonce of the request, and a session key
//!   and an encryption of types that were asked for.
//! - A KRB-ERROR is authenticated by nothing. It cannot make the client use an encryption type that was not asked for, or iterations
//!   out of the [`Policy`]'s bounds; its clock serves the one timestamp, and what is kept is the clock of a decrypted reply.
//! - A password counts as refused only where something that was made with it was sent, or where it does not open a reply.

mod answer;
mod application;
mod authentication_service;
mod clock;
mod policy;
mod principal;
mod refusal;
mod request;
mod string_to_key;
#[cfg(test)]
pub(super) mod tests;
mod ticket;
mod ticket_granting;

pub(crate) use application::{Application, Carried, Shown};
pub(crate) use authentication_service::{AuthenticationService, FirstTicket, Opening};
pub(crate) use policy::Policy;
pub(crate) use principal::Principal;
pub(crate) use request::{KdcRequest, Next, Transport};
pub(crate) use string_to_key::PasswordKey;
pub(crate) use ticket::GrantedTicket;
pub(crate) use ticket_granting::TicketGranting;
