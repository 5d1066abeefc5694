//! What a KDC answers: a reply, which is held against its request, or an error.

use std::time::SystemTime;

use crate::der;
use crate::mechanism::kerberos::crypto::EncryptionType;
use crate::mechanism::kerberos::exchange::clock::ClockOffset;
use crate::mechanism::kerberos::exchange::policy::Policy;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::exchange::string_to_key;
use crate::mechanism::kerberos::exchange::ticket::{GrantedTicket, TicketTimes};
use crate::mechanism::kerberos::messages::{
    EncKdcRepPart, Exchange, KdcRep, KrbError, Message, PrincipalName, Ticket,
};
use crate::mechanism::krb_error::readable;
use crate::mechanism::{ErrorKind, MechanismError};

/// `[APPLICATION 30]`: KRB-ERROR.
const KRB_ERROR: u8 = der::application(30);

/// An answer, of which nothing is authenticated yet.
pub(super) enum Answer<'a> {
    Reply(KdcRep<'a>),
    Error(KrbError<'a>),
}

impl<'a> Answer<'a> {
    /// Decodes it.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DefectiveToken`] if it is neither.
    pub(super) fn decode(octets: &'a [u8]) -> Result<Self, MechanismError> {
        let decoded = match octets.first() {
            Some(&KRB_ERROR) => KrbError::decode(octets).map(Self::Error),
            _ => KdcRep::decode(octets).map(Self::Reply),
        };
        decoded.map_err(|malformed| defective(format!("the KDC's answer is unusable: {malformed}")))
    }
}

/// What was asked for, against which a reply is held.
pub(super) struct Asked<'a> {
    pub(super) exchange: Exchange,
    pub(super) client: &'a Principal,
    pub(super) server: &'a Principal,
    pub(super) nonce: u32,
    pub(super) policy: &'a Policy,
    /// Another name of the client may come back: the KDC has looked it up (RFC 6806, section 6).
    pub(super) canonicalize: bool,
}

impl Asked<'_> {
    /// Checks what of a reply can be read without a key; gives the type of the key that opens the rest.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DefectiveToken`] if it answers something else.
    pub(super) fn check(&self, reply: &KdcRep<'_>) -> Result<EncryptionType, MechanismError> {
        if reply.exchange != self.exchange {
            return Err(defective("the KDC's reply is of another type than the request: AS-REP or TGS-REP"));
        }
        if reply.crealm != self.client.realm {
            return Err(other_realm(&reply.crealm, &self.client.realm));
        }
        if !self.canonicalize && !reply.cname.is_same(&self.client.name) {
            let found = shown(&reply.cname);
            return Err(defective(format!(
                "the KDC's reply is for the user {found}, not for {}",
                self.client.name
            )));
        }
        self.policy.asked_for(reply.enc_part.etype).ok_or_else(|| {
            let found = string_to_key::name(reply.enc_part.etype);
            defective(format!(
                "the KDC's reply is encrypted by an encryption type that was not asked for: {found}"
            ))
        })
    }

    /// The ticket of a reply whose encrypted part the client's key has opened.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::DefectiveToken`] if it answers another request.
    pub(super) fn granted(
        &self,
        reply: &KdcRep<'_>,
        part: &EncKdcRepPart<'_>,
    ) -> Result<GrantedTicket, MechanismError> {
        // The nonce first: with another one this is an honest reply to another request, and all further differences
        // would only confuse.
        if part.nonce != self.nonce {
            return Err(defective(
                "the KDC's reply answers another request: its nonce is not the one that was sent",
            ));
        }
        if part.srealm != self.server.realm {
            return Err(other_realm(&part.srealm, &self.server.realm));
        }
        let ticket = Ticket::decode(reply.ticket).map_err(|malformed| defective(malformed.to_string()))?;
        // In both places: the one that is encrypted is the KDC's word, the other one is what the service will look
        // at.
        for sname in [&part.sname, &ticket.sname] {
            if !sname.is_same(&self.server.name) {
                let found = shown(sname);
                return Err(defective(format!(
                    "the KDC's reply has a ticket for {found}, not for {}",
                    self.server.name
                )));
            }
        }
        if ticket.realm != self.server.realm {
            return Err(other_realm(&ticket.realm, &self.server.realm));
        }
        // The session key protects all that follows. A KDC, or somebody before it, that picks a weak type for it is
        // refused as one that picks it for the reply.
        let is_asked_for = self.policy.asked_for(part.key.keytype).is_some();
        let Some(session_key) = part.key.to_key().filter(|_| is_asked_for) else {
            let found = string_to_key::name(part.key.keytype);
            let sentence = format!("the KDC made a session key that was not asked for: {found}");
            return Err(defective(sentence));
        };
        let client = Principal::new(reply.cname.clone(), &*reply.crealm);
        let times = TicketTimes {
            authtime: part.authtime,
            starttime: part.starttime.unwrap_or(part.authtime),
            endtime: part.endtime,
            renew_till: part.renew_till,
        };
        let (server, ticket) = (self.server.clone(), reply.ticket.to_vec());
        Ok(GrantedTicket::new(client, server, ticket, session_key, part.flags, times))
    }
}

/// By how much the KDC's clock is ahead, from what it has encrypted: the ticket starts when it is granted.
pub(super) fn clock(ticket: &GrantedTicket, now: SystemTime) -> ClockOffset {
    ClockOffset::between(now, ticket.times.starttime)
}

fn other_realm(found: &str, asked: &str) -> MechanismError {
    let hint = if found.eq_ignore_ascii_case(asked) { " (upper and lower case differ)" } else { "" };
    let found = readable(found.as_bytes());
    defective(format!("the KDC's reply is for the realm {found}, not for {asked}{hint}"))
}

/// A name that a peer wrote, as a short line.
fn shown(name: &PrincipalName) -> String {
    readable(name.to_string().as_bytes())
}

pub(super) fn defective(sentence: impl Into<String>) -> MechanismError {
    MechanismError::new(ErrorKind::DefectiveToken, sentence)
}
