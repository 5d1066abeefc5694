//! The KDC and the services that clients are tested with.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, SystemTime};

use crate::credentials::Secret;
use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::{EncryptionType, KeyUsage};
use crate::mechanism::kerberos::exchange::Principal;
use crate::mechanism::kerberos::gss::Token;
use crate::mechanism::kerberos::messages::flags::ap_options;
use crate::mechanism::kerberos::messages::pa_data::{PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_FX_COOKIE};
use crate::mechanism::kerberos::messages::{
    ApReq, Authenticator, AuthorizationData, EncTicketPart, KerberosTime, KrbError, Message, PaData,
    PrincipalName, Ticket,
};
use crate::mechanism::kerberos::server::{self, Service, User};

pub(in crate::mechanism::kerberos) const REALM: &str = "LAB.TEST";
/// 2026-11-26 00:00:00 UTC.
pub(in crate::mechanism::kerberos) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200)
}

/// A KDC that knows alice, HTTP/www.lab.test and HTTP/wiki.lab.test, with a clock that is set.
pub(in crate::mechanism::kerberos) struct Kdc {
    pub(in crate::mechanism::kerberos) clock: SystemTime,
    kdc: server::Kdc,
}

impl Kdc {
    /// Alice's key and all session keys are of this type.
    pub(in crate::mechanism::kerberos) fn new(etype: EncryptionType) -> Self {
        let mut kdc = server::Kdc::new(REALM, vec![etype], &Entropy::new([3; 32]));
        let alice = kdc.add_user("alice", Secret::new("alice-pw"), vec![etype]);
        alice.salt = b"a salt of its own".to_vec();
        for host in ["www.lab.test", "wiki.lab.test"] {
            let name = PrincipalName::service("HTTP", host);
            kdc.add_service(name, EncryptionType::Aes256Sha1, vec![etype]);
        }
        Self { clock: now(), kdc }
    }

    pub(in crate::mechanism::kerberos) fn alice(&mut self) -> &mut User {
        self.kdc.user("alice").expect("she was added")
    }

    pub(in crate::mechanism::kerberos) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        self.kdc.answer(request, self.clock)
    }

    /// The service that a token shows a ticket for; it has seen no other token.
    pub(in crate::mechanism::kerberos) fn service(&self, token: &[u8]) -> Service {
        let name = Ticket::decode(ap_req(token).ticket).expect("a ticket").sname;
        let key = self.kdc.service_key(&name).expect("a service of the KDC").clone();
        Service::new(Principal::new(name, REALM), key)
    }

    /// What a token asks of its service outside the checksum.
    pub(in crate::mechanism::kerberos) fn options(&self, token: &[u8]) -> Options {
        let ap_req = ap_req(token);
        let ticket = Ticket::decode(ap_req.ticket).expect("a ticket");
        let key = self.kdc.service_key(&ticket.sname).expect("a service of the KDC");
        let part = ticket.enc_part.decrypt(&key.for_messages(KeyUsage::TICKET)).expect("for this service");
        let session_key = EncTicketPart::decode(&part).expect("a ticket").key.to_key().expect("a key");
        let keys = session_key.for_messages(KeyUsage::AP_REQ_AUTHENTICATOR);
        let authenticator = ap_req.authenticator.decrypt(&keys).expect("by the session key");
        let data = Authenticator::decode(&authenticator).expect("an Authenticator").authorization_data;
        Options {
            mutual_required: ap_req.ap_options == ap_options::MUTUAL_REQUIRED,
            insists_on_bindings: AuthorizationData::says_channel_bindings_are_known(&data).expect("readable"),
        }
    }
}

impl Deref for Kdc {
    type Target = server::Kdc;

    fn deref(&self) -> &server::Kdc {
        &self.kdc
    }
}

impl DerefMut for Kdc {
    fn deref_mut(&mut self) -> &mut server::Kdc {
        &mut self.kdc
    }
}

/// What the embedded server's service does not look at, or only where bindings are missing.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::mechanism::kerberos) struct Options {
    pub(in crate::mechanism::kerberos) mutual_required: bool,
    /// KERB_AP_OPTIONS_CBT.
    pub(in crate::mechanism::kerberos) insists_on_bindings: bool,
}

fn ap_req(token: &[u8]) -> ApReq<'_> {
    ApReq::decode(Token::decode(token).expect("a token").message).expect("an AP-REQ")
}

/// METHOD-DATA with an encrypted timestamp, this ETYPE-INFO2 and a cookie.
pub(in crate::mechanism::kerberos) fn methods(infos: &[u8]) -> Vec<u8> {
    let method = |padata_type, padata_value| PaData { padata_type, padata_value };
    vec![method(PA_ETYPE_INFO2, infos), method(PA_ENC_TIMESTAMP, &[]), method(PA_FX_COOKIE, b"cookie")]
        .encode()
}

/// A KRB-ERROR, which anybody can write.
pub(in crate::mechanism::kerberos) fn error(
    error_code: i32,
    e_data: Option<&[u8]>,
    clock: SystemTime,
) -> Vec<u8> {
    let (stime, susec) = KerberosTime::of(clock);
    KrbError {
        ctime: None,
        cusec: None,
        stime,
        susec,
        error_code,
        crealm: Some("OTHER.TEST".to_owned()),
        cname: None,
        realm: REALM.to_owned(),
        sname: PrincipalName::ticket_granting(REALM),
        e_text: Some(b"the KDC's words"),
        e_data,
    }
    .encode()
}
