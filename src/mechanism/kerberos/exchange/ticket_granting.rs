//! The TGS exchange: a ticket for a service by the first ticket (RFC 4120, section 3.3).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::{CONFOUNDER, Key, KeyUsage, Random};
use crate::mechanism::kerberos::exchange::answer::{Answer, Asked, defective};
use crate::mechanism::kerberos::exchange::policy::Policy;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::exchange::refusal::Refused;
use crate::mechanism::kerberos::exchange::request::{KdcRequest, Next, Transport};
use crate::mechanism::kerberos::exchange::ticket::GrantedTicket;
use crate::mechanism::kerberos::messages::krb_error::KRB_ERR_RESPONSE_TOO_BIG;
use crate::mechanism::kerberos::messages::pa_data::PA_TGS_REQ;
use crate::mechanism::kerberos::messages::{
    ApReq, Authenticator, Checksum, EncKdcRepPart, EncryptedData, EncryptionKey, Exchange, KdcRep, KdcReq,
    KdcReqBody, KerberosTime, Message, PaData, PrincipalName,
};
use crate::mechanism::{ErrorKind, MechanismError, Moment, Proves};

/// Whatever the ticket was got with, its refusal says nothing about a password.
const PROVES: Proves = Proves::Ticket { is_new: false };

/// A TGS exchange that waits for the KDC's answer. It takes one message, and a second if the reply does not fit into a datagram.
pub(crate) struct TicketGranting {
    by: Arc<GrantedTicket>,
    service: Principal,
    policy: Policy,
    subkey: Key,
    nonce: u32,
    request: KdcRequest,
}

impl TicketGranting {
    /// Begins an exchange with a KDC of the realm that the ticket grants in.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::Credentials`] if the ticket is not one that grants others.
    pub(crate) fn begin(
        by: Arc<GrantedTicket>,
        service: PrincipalName,
        policy: Policy,
        moment: &Moment,
    ) -> Result<(KdcRequest, Self), MechanismError> {
        let Some(realm) = by.grants_in() else {
            let sentence = format!("a ticket for {} gets no others: one for krbtgt is needed", by.server);
            return Err(MechanismError::new(ErrorKind::Credentials, sentence));
        };
        let service = Principal::new(service, realm);
        let mut random = Random::new(&moment.entropy);
        let subkey = Key::random(by.session_key.etype(), random.octets());
        let nonce = random.number();
        let body = KdcReqBody {
            kdc_options: 0,
            cname: None,
            realm: service.realm.clone(),
            sname: Some(service.name.clone()),
            from: None,
            // As long as the KDC allows, which is at most as long as the first ticket.
            till: KerberosTime::from_unix(0),
            rtime: None,
            nonce,
            etype: policy.numbers(),
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        }
        .encode();
        let ap_req = ap_req(&by, &body, &subkey, moment.now, &mut random);
        let padata = vec![PaData { padata_type: PA_TGS_REQ, padata_value: &ap_req }];
        let message = KdcReq { exchange: Exchange::TicketGranting, padata, req_body: &body }.encode();
        let request =
            KdcRequest { realm: service.realm.clone(), message, proves: PROVES, transport: Transport::Any };
        Ok((request.clone(), Self { by, service, policy, subkey, nonce, request }))
    }

    /// Takes the KDC's answer.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the KDC refuses, or its answer is not one to the request.
    pub(crate) fn answer(mut self, answer: &[u8]) -> Result<Next<Self, GrantedTicket>, MechanismError> {
        match Answer::decode(answer)? {
            Answer::Reply(reply) => self.granted(&reply).map(Next::Granted),
            Answer::Error(error)
                if error.error_code == KRB_ERR_RESPONSE_TOO_BIG
                    && self.request.transport == Transport::Any =>
            {
                self.request.transport = Transport::Stream;
                Ok(Next::Send { request: self.request.clone(), exchange: self })
            }
            Answer::Error(error) => {
                let (client, server, policy) = (&self.by.client, &self.service, &self.policy);
                Err(Refused { client, server, proves: PROVES, policy }.explain(&error))
            }
        }
    }

    fn granted(&self, reply: &KdcRep<'_>) -> Result<GrantedTicket, MechanismError> {
        let asked = Asked {
            exchange: Exchange::TicketGranting,
            client: &self.by.client,
            server: &self.service,
            nonce: self.nonce,
            policy: &self.policy,
            canonicalize: false,
        };
        asked.check(reply)?;
        // There are KDCs that pass over the subkey.
        let by_subkey = reply.enc_part.decrypt(&self.subkey.for_messages(KeyUsage::TGS_REP_SUBKEY));
        let part = by_subkey
            .or_else(|_| reply.enc_part.decrypt(&self.by.session_key.for_messages(KeyUsage::TGS_REP)))
            .map_err(|unreadable| defective(format!("the KDC's reply cannot be read: {unreadable}")))?;
        let part = EncKdcRepPart::decode(&part).map_err(|malformed| defective(malformed.to_string()))?;
        Ok(asked.granted(reply, &part)?.with_clock(self.by.clock))
    }
}

impl fmt::Debug for TicketGranting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TicketGranting")
            .field("client", &format_args!("{}", self.by.client))
            .field("service", &format_args!("{}", self.service))
            .finish_non_exhaustive()
    }
}

/// The first ticket, shown for this body.
fn ap_req(by: &GrantedTicket, body: &[u8], subkey: &Key, now: SystemTime, random: &mut Random) -> Vec<u8> {
    let keys = by.keys_for_kdc();
    let checksum = keys.checksum.checksum(&[body]);
    let (ctime, cusec) = by.clock.time(now);
    let authenticator = Authenticator {
        crealm: Cow::Borrowed(&by.client.realm),
        cname: Cow::Borrowed(&by.client.name),
        cksum: Some(Checksum::new(&keys.checksum, &checksum)),
        cusec,
        ctime,
        subkey: Some(EncryptionKey::from(subkey)),
        seq_number: None,
        authorization_data: Vec::new(),
    };
    let confounder: Zeroizing<[u8; CONFOUNDER]> = random.octets();
    let cipher = keys.authenticator.encrypt_in_place(authenticator.encode_behind(&*confounder));
    let authenticator = EncryptedData::new(&keys.authenticator, None, &cipher);
    ApReq { ap_options: 0, ticket: &by.ticket, authenticator }.encode()
}
