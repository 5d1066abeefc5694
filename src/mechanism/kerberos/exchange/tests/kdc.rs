//! A plain KDC, and a plain service, as far as the exchanges need one.

use std::num::NonZeroU32;
use std::time::{Duration, SystemTime};

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage, Random};
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, ContextKey, MicTokens, Side, Token, TokenId, flags,
};
use crate::mechanism::kerberos::messages::flags::ticket_flags;
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_C_PRINCIPAL_UNKNOWN, KDC_ERR_PREAUTH_FAILED, KDC_ERR_PREAUTH_REQUIRED,
    KDC_ERR_S_PRINCIPAL_UNKNOWN, KRB_AP_ERR_SKEW,
};
use crate::mechanism::kerberos::messages::pa_data::{
    PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_FX_COOKIE, PA_REQ_ENC_PA_REP, PA_TGS_REQ,
};
use crate::mechanism::kerberos::messages::{
    ApRep, ApReq, Authenticator, AuthorizationData, Checksum, EncApRepPart, EncKdcRepPart, EncTicketPart,
    EncryptedData, EncryptionKey, EtypeInfo2Entry, Exchange, KdcRep, KdcReq, KdcReqBody, KerberosTime,
    KrbError, Message, PaData, PaEncTsEnc, PrincipalName, Ticket, TransitedEncoding,
};

pub(in crate::mechanism::kerberos) const REALM: &str = "LAB.TEST";
/// 2026-11-26 00:00:00 UTC.
pub(in crate::mechanism::kerberos) fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_795_651_200)
}

pub(in crate::mechanism::kerberos) type Change = fn(&mut KdcRep<'_>, &mut EncKdcRepPart<'_>);

/// A KDC that knows alice, HTTP/www.lab.test and HTTP/wiki.lab.test.
pub(in crate::mechanism::kerberos) struct Kdc {
    pub(in crate::mechanism::kerberos) password: &'static str,
    pub(in crate::mechanism::kerberos) etype: EncryptionType,
    pub(in crate::mechanism::kerberos) salt: Vec<u8>,
    pub(in crate::mechanism::kerberos) s2kparams: Option<[u8; 4]>,
    pub(in crate::mechanism::kerberos) clock: SystemTime,
    pub(in crate::mechanism::kerberos) wants_timestamp: bool,
    pub(in crate::mechanism::kerberos) knows_subkeys: bool,
    /// Another name of alice's, which it looks up.
    pub(in crate::mechanism::kerberos) enterprise: Option<&'static str>,
    /// How long tickets hold.
    pub(in crate::mechanism::kerberos) lifetime: Duration,
    /// What somebody does to replies, or a KDC with a fault.
    pub(in crate::mechanism::kerberos) change: Change,
    /// Timestamps that were not made with alice's key.
    pub(in crate::mechanism::kerberos) refused: usize,
    random: Random,
    /// Alice's key by this salt.
    made: Option<(Vec<u8>, Key)>,
    krbtgt: Key,
    pub(in crate::mechanism::kerberos) service: Key,
}

impl Kdc {
    pub(in crate::mechanism::kerberos) fn new(etype: EncryptionType) -> Self {
        let mut random = Random::new(&Entropy::new([3; 32]));
        Self {
            password: "alice-pw",
            etype,
            salt: b"a salt of its own".to_vec(),
            s2kparams: None,
            clock: now(),
            wants_timestamp: true,
            knows_subkeys: true,
            enterprise: None,
            lifetime: Duration::from_secs(36_000),
            change: |_, _| (),
            refused: 0,
            made: None,
            krbtgt: Key::random(EncryptionType::Aes256Sha1, random.octets()),
            service: Key::random(EncryptionType::Aes256Sha1, random.octets()),
            random,
        }
    }

    fn alice(&mut self) -> Key {
        if let Some((_, key)) = self.made.as_ref().filter(|(salt, _)| *salt == self.salt) {
            return key.clone();
        }
        let iterations = self.s2kparams.map_or(self.etype.default_iterations(), u32::from_be_bytes);
        let iterations = NonZeroU32::new(iterations).expect("some");
        let key = Key::from_password(self.etype, self.password, &self.salt, iterations);
        self.made = Some((self.salt.clone(), key.clone()));
        key
    }

    /// The password was changed.
    pub(in crate::mechanism::kerberos) fn forget_key(&mut self) {
        self.made = None;
    }

    pub(in crate::mechanism::kerberos) fn answer(&mut self, request: &[u8]) -> Vec<u8> {
        let request_octets = request;
        let request = KdcReq::decode(request).expect("a request");
        let body = KdcReqBody::decode(request.req_body).expect("a body");
        match request.exchange {
            Exchange::AuthenticationService => self.first_ticket(request_octets, &request, &body),
            Exchange::TicketGranting => self.further_ticket(&request, &body),
        }
    }

    fn first_ticket(&mut self, octets: &[u8], request: &KdcReq<'_>, body: &KdcReqBody<'_>) -> Vec<u8> {
        let client = body.cname.clone().expect("a client");
        let is_alias = self.enterprise.is_some_and(|alias| client == PrincipalName::enterprise(alias));
        if client != PrincipalName::user("alice") && !is_alias {
            return error(KDC_ERR_C_PRINCIPAL_UNKNOWN, None, self.clock);
        }
        let client = PrincipalName::user("alice");
        let params = self.s2kparams;
        let info = EtypeInfo2Entry {
            etype: self.etype.number(),
            salt: Some(&self.salt),
            s2kparams: params.as_ref().map(<[u8; 4]>::as_slice),
        };
        let infos = vec![info].encode();
        let methods = methods(&infos);
        if self.wants_timestamp && PaData::find(&request.padata, PA_ENC_TIMESTAMP).is_none() {
            return error(KDC_ERR_PREAUTH_REQUIRED, Some(&methods), self.clock);
        }
        let key = self.alice();
        match PaData::find(&request.padata, PA_ENC_TIMESTAMP) {
            None => (),
            Some(timestamp) => {
                let timestamp = EncryptedData::decode(timestamp).expect("encrypted");
                let Ok(timestamp) = timestamp.decrypt(&key.for_messages(KeyUsage::PA_ENC_TIMESTAMP)) else {
                    self.refused += 1;
                    return error(KDC_ERR_PREAUTH_FAILED, Some(&methods), self.clock);
                };
                let shown = PaEncTsEnc::decode(&timestamp).expect("a timestamp").patimestamp.unix();
                if shown.abs_diff(KerberosTime::of(self.clock).0.unix()) > 300 {
                    return error(KRB_AP_ERR_SKEW, None, self.clock);
                }
            }
        }
        let checksum_key = key.for_checksums(KeyUsage::AS_REQ_CHECKSUM);
        let checksum = checksum_key.checksum(&[octets]);
        let checksum = Checksum::new(&checksum_key, &checksum).encode();
        let (krbtgt, usage) = (self.krbtgt.clone(), KeyUsage::AS_REP);
        let padata = vec![PaData { padata_type: PA_ETYPE_INFO2, padata_value: &infos }];
        self.reply(
            Exchange::AuthenticationService,
            client,
            body,
            &krbtgt,
            (&key, usage),
            padata,
            Some(&checksum),
        )
    }

    fn further_ticket(&mut self, request: &KdcReq<'_>, body: &KdcReqBody<'_>) -> Vec<u8> {
        assert_eq!(body.cname, None, "a name is for an AS-REQ only");
        let ap_req = PaData::find(&request.padata, PA_TGS_REQ).expect("an AP-REQ");
        let ap_req = ApReq::decode(ap_req).expect("an AP-REQ");
        let ticket = Ticket::decode(ap_req.ticket).expect("a ticket");
        let ticket = ticket.enc_part.decrypt(&self.krbtgt.for_messages(KeyUsage::TICKET)).expect("ours");
        let ticket = EncTicketPart::decode(&ticket).expect("a ticket");
        let session_key = ticket.key.to_key().expect("a key");
        let keys = session_key.for_messages(KeyUsage::TGS_REQ_AUTHENTICATOR);
        let authenticator = ap_req.authenticator.decrypt(&keys).expect("by the session key");
        let authenticator = Authenticator::decode(&authenticator).expect("an Authenticator");
        assert_eq!((&authenticator.cname, &authenticator.crealm), (&ticket.cname, &ticket.crealm));
        let checksum_key = session_key.for_checksums(KeyUsage::TGS_REQ_CHECKSUM);
        assert!(authenticator.cksum.expect("a checksum").verify(&checksum_key, &[request.req_body]));
        if authenticator.ctime.unix().abs_diff(KerberosTime::of(self.clock).0.unix()) > 300 {
            return error(KRB_AP_ERR_SKEW, None, self.clock);
        }
        let service = body.sname.as_ref().expect("a service").to_string();
        if !["HTTP/www.lab.test", "HTTP/wiki.lab.test"].contains(&&*service) {
            return error(KDC_ERR_S_PRINCIPAL_UNKNOWN, None, self.clock);
        }
        let subkey = authenticator.subkey.and_then(EncryptionKey::to_key).expect("a subkey");
        let by = if self.knows_subkeys {
            (&subkey, KeyUsage::TGS_REP_SUBKEY)
        } else {
            (&session_key, KeyUsage::TGS_REP)
        };
        let service = self.service.clone();
        self.reply(Exchange::TicketGranting, ticket.cname, body, &service, by, Vec::new(), None)
    }

    #[allow(clippy::too_many_arguments, reason = "what differs between the two exchanges")]
    fn reply(
        &mut self,
        exchange: Exchange,
        client: PrincipalName,
        body: &KdcReqBody<'_>,
        server_key: &Key,
        by: (&Key, KeyUsage),
        padata: Vec<PaData<'_>>,
        checksum: Option<&[u8]>,
    ) -> Vec<u8> {
        let sname = body.sname.clone().expect("a service");
        let session_key = Key::random(self.etype, self.random.octets());
        let (starts, ends) = (KerberosTime::of(self.clock).0, KerberosTime::of(self.clock + self.lifetime).0);
        let key = EncryptionKey::from(&session_key);
        let pa_rep = checksum.map_or(0, |_| ticket_flags::ENC_PA_REP);
        let part = EncTicketPart {
            flags: ticket_flags::INITIAL | pa_rep,
            key,
            crealm: REALM.to_owned(),
            cname: client.clone(),
            transited: TransitedEncoding::NONE,
            authtime: starts,
            starttime: None,
            endtime: ends,
            renew_till: None,
            caddr: None,
            authorization_data: Vec::new(),
        };
        let keys = server_key.for_messages(KeyUsage::TICKET);
        let cipher = keys.encrypt(&self.random.octets(), &part.encode());
        let enc_part = EncryptedData::new(&keys, Some(1), &cipher);
        let ticket = Ticket { realm: REALM.to_owned(), sname: sname.clone(), enc_part }.encode();
        let mut part = EncKdcRepPart {
            // As MIT's KDC has it in both.
            exchange: Exchange::TicketGranting,
            key,
            last_req: Vec::new(),
            nonce: body.nonce,
            key_expiration: None,
            flags: part.flags,
            authtime: part.authtime,
            starttime: None,
            endtime: part.endtime,
            renew_till: None,
            srealm: REALM.to_owned(),
            sname,
            caddr: None,
            encrypted_pa_data: checksum
                .map(|padata_value| PaData { padata_type: PA_REQ_ENC_PA_REP, padata_value })
                .into_iter()
                .collect(),
        };
        let empty = EncryptedData { etype: by.0.etype().number(), kvno: None, cipher: &[] };
        let mut reply = KdcRep {
            exchange,
            padata,
            crealm: REALM.to_owned(),
            cname: client,
            ticket: &ticket,
            enc_part: empty,
        };
        (self.change)(&mut reply, &mut part);
        let cipher = by.0.for_messages(by.1).encrypt(&self.random.octets(), &part.encode());
        reply.enc_part.cipher = &cipher;
        reply.encode()
    }
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

/// What a service found in a token, and its answer.
pub(in crate::mechanism::kerberos) struct Accepted {
    pub(in crate::mechanism::kerberos) client: String,
    pub(in crate::mechanism::kerberos) has_bindings: bool,
    pub(in crate::mechanism::kerberos) insists_on_bindings: bool,
    pub(in crate::mechanism::kerberos) is_mutual: bool,
    pub(in crate::mechanism::kerberos) finished: Option<Vec<u8>>,
    pub(in crate::mechanism::kerberos) subkey: Key,
    pub(in crate::mechanism::kerberos) answer: Vec<u8>,
    pub(in crate::mechanism::kerberos) mics: MicTokens,
}

/// A service with this key and, where it has one, a subkey of its own.
pub(in crate::mechanism::kerberos) fn accept(
    token: &[u8],
    key: &Key,
    bindings: &ChannelBindings,
    change: impl Fn(&mut EncApRepPart<'_>),
) -> Accepted {
    let mut random = Random::new(&Entropy::new([4; 32]));
    let token = Token::decode(token).expect("a token");
    assert_eq!(token.id, TokenId::ApReq);
    let ap_req = ApReq::decode(token.message).expect("an AP-REQ");
    let ticket = Ticket::decode(ap_req.ticket).expect("a ticket");
    let ticket = ticket.enc_part.decrypt(&key.for_messages(KeyUsage::TICKET)).expect("for this service");
    let ticket = EncTicketPart::decode(&ticket).expect("a ticket");
    let session_key = ticket.key.to_key().expect("a key");
    let keys = session_key.for_messages(KeyUsage::AP_REQ_AUTHENTICATOR);
    let authenticator = ap_req.authenticator.decrypt(&keys).expect("by the session key");
    let authenticator = Authenticator::decode(&authenticator).expect("an Authenticator");
    assert_eq!((&authenticator.cname, &authenticator.crealm), (&ticket.cname, &ticket.crealm));
    let said =
        AuthenticatorChecksum::decode(authenticator.cksum.expect("a checksum").checksum).expect("0x8003");
    let acceptors = Key::random(session_key.etype(), random.octets());
    let mut part = EncApRepPart {
        ctime: authenticator.ctime,
        cusec: authenticator.cusec,
        subkey: Some(EncryptionKey::from(&acceptors)),
        seq_number: Some(7),
    };
    change(&mut part);
    let subkey = authenticator.subkey.and_then(EncryptionKey::to_key).expect("a subkey");
    let context_key = match part.subkey {
        Some(_) => ContextKey::AcceptorSubkey(acceptors.clone()),
        None => ContextKey::Initiators(subkey.clone()),
    };
    let keys = session_key.for_messages(KeyUsage::AP_REP);
    let cipher = keys.encrypt(&random.octets(), &part.encode());
    let reply = ApRep { enc_part: EncryptedData::new(&keys, None, &cipher) }.encode();
    let data = &authenticator.authorization_data;
    Accepted {
        client: format!("{}@{}", authenticator.cname, authenticator.crealm),
        has_bindings: said.has_bindings(bindings),
        insists_on_bindings: AuthorizationData::says_channel_bindings_are_known(data).expect("readable"),
        is_mutual: ap_req.ap_options != 0 && said.flags & flags::MUTUAL != 0,
        finished: said.extension(2).map(<[u8]>::to_vec),
        subkey,
        answer: Token { id: TokenId::ApRep, message: &reply, ..token }.encode(),
        mics: MicTokens::new(Side::Acceptor, context_key, 7),
    }
}
