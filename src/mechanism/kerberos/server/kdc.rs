//! A KDC: it grants tickets (RFC 4120, sections 3.1 and 3.3).

use std::collections::VecDeque;
use std::fmt;
use std::time::{Duration, SystemTime};

use md5::{Digest, Md5};

use crate::credentials::Secret;
use crate::mechanism::Entropy;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage, Random};
use crate::mechanism::kerberos::exchange::Principal;
use crate::mechanism::kerberos::messages::flags::{kdc_options, ticket_flags};
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_C_PRINCIPAL_UNKNOWN, KDC_ERR_ETYPE_NOSUPP, KDC_ERR_NEVER_VALID, KDC_ERR_PADATA_TYPE_NOSUPP,
    KDC_ERR_S_PRINCIPAL_UNKNOWN, KDC_ERR_WRONG_REALM, KRB_AP_ERR_INAPP_CKSUM, KRB_AP_ERR_MODIFIED,
    KRB_ERR_GENERIC,
};
use crate::mechanism::kerberos::messages::pa_data::{
    PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_REQ_ENC_PA_REP, PA_TGS_REQ,
};
use crate::mechanism::kerberos::messages::{
    ApReq, AuthorizationData, Checksum, EncKdcRepPart, EncTicketPart, EncryptedData, EncryptionKey, Exchange,
    KdcRep, KdcReq, KdcReqBody, KerberosTime, Message, PaData, PrincipalName, Ticket, TransitedEncoding,
};
use crate::mechanism::kerberos::server::presented::{KEY_VERSION, Presented};
use crate::mechanism::kerberos::server::refusal::Refusal;
use crate::mechanism::kerberos::server::user::User;

/// What somebody does to replies, or a KDC with a fault.
pub(crate) type Change = fn(&mut KdcRep<'_>, &mut EncKdcRepPart<'_>);

/// A KDC of one realm. It reads no clock: the time of each answer is its own.
pub(crate) struct Kdc {
    krbtgt: KnownService,
    users: Vec<User>,
    services: Vec<KnownService>,
    /// How long a ticket is good for.
    pub(crate) lifetime: Duration,
    /// What each ticket says of the user beside the name: elements, encoded.
    pub(crate) user_data: Option<Vec<u8>>,
    /// Whether it encrypts by the subkey of a request; there are KDCs that pass over it.
    pub(crate) knows_subkeys: bool,
    pub(crate) change: Change,
    pub(crate) counts: Counts,
    /// The last keys that clients were given, and those that they chose.
    session_keys: VecDeque<Key>,
    random: Random,
}

/// How many session keys are kept.
const KEPT: usize = 64;

/// What a KDC was asked for and has granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Requests for a first ticket, with a password or without.
    pub(crate) as_requests: usize,
    /// Requests for a further ticket.
    pub(crate) tgs_requests: usize,
    /// First tickets.
    pub(crate) as_tickets: usize,
    /// Further tickets.
    pub(crate) tgs_tickets: usize,
}

/// A service that tickets are for.
#[derive(Clone)]
struct KnownService {
    principal: Principal,
    key: Key,
    /// What its clients' session keys may be.
    session_types: Vec<EncryptionType>,
}

/// What both exchanges come to.
struct Grant<'a> {
    exchange: Exchange,
    client: Principal,
    service: &'a KnownService,
    body: &'a KdcReqBody<'a>,
    /// What the reply is encrypted by.
    key: (Key, KeyUsage),
    flags: u32,
    authtime: KerberosTime,
    /// Where the ticket that it is granted by ends.
    latest: KerberosTime,
    padata: Vec<PaData<'a>>,
    encrypted_pa_data: Vec<PaData<'a>>,
}

impl Kdc {
    /// A KDC that knows nobody. Its own key is of the first of these types, and its tickets' session keys may be of all.
    pub(crate) fn new(realm: &str, session_types: Vec<EncryptionType>, entropy: &Entropy) -> Self {
        let mut random = Random::new(entropy);
        let etype = session_types.first().copied().unwrap_or(EncryptionType::Aes256Sha1);
        let krbtgt = KnownService {
            principal: Principal::ticket_granting(realm),
            key: Key::random(etype, random.octets()),
            session_types,
        };
        Self {
            krbtgt,
            users: Vec::new(),
            services: Vec::new(),
            lifetime: Duration::from_secs(36_000),
            user_data: None,
            knows_subkeys: true,
            change: |_, _| (),
            counts: Counts::default(),
            session_keys: VecDeque::new(),
            random,
        }
    }

    /// Its realm.
    pub(crate) fn realm(&self) -> &str {
        &self.krbtgt.principal.realm
    }

    /// Itself, as its errors name it.
    pub(crate) fn principal(&self) -> &Principal {
        &self.krbtgt.principal
    }

    /// Adds a user, `alice` or `alice/admin`, with keys of these types.
    pub(crate) fn add_user(&mut self, name: &str, password: Secret, types: Vec<EncryptionType>) -> &mut User {
        let user = User::new(name, self.realm(), password, types);
        self.users.push(user);
        self.users.last_mut().expect("one was added")
    }

    /// Adds a service with a random key of this type; gives the key, which is the service's too.
    pub(crate) fn add_service(
        &mut self,
        name: PrincipalName,
        key: EncryptionType,
        session_types: Vec<EncryptionType>,
    ) -> Key {
        let key = Key::random(key, self.random.octets());
        let principal = Principal::new(name, self.realm());
        self.services.push(KnownService { principal, key: key.clone(), session_types });
        key
    }

    /// The user with this name.
    pub(crate) fn user(&mut self, name: &str) -> Option<&mut User> {
        self.users.iter_mut().find(|user| user.name == name)
    }

    /// Every user, and how many wrong passwords were tried.
    pub(crate) fn failures(&self) -> impl Iterator<Item = (String, usize)> {
        self.users.iter().map(|user| (user.name.clone(), user.failures))
    }

    /// The keys of the last tickets, and of the last requests for one by another.
    pub(crate) fn session_keys(&self) -> impl Iterator<Item = &Key> {
        self.session_keys.iter()
    }

    fn keep(&mut self, key: &Key) {
        if self.session_keys.len() == KEPT {
            self.session_keys.pop_front();
        }
        self.session_keys.push_back(key.clone());
    }

    /// The key of this service.
    pub(crate) fn service_key(&self, name: &PrincipalName) -> Option<&Key> {
        self.services.iter().find(|known| known.principal.name.is_same(name)).map(|known| &known.key)
    }

    /// Answers a request: a reply, or a KRB-ERROR.
    pub(crate) fn answer(&mut self, request: &[u8], now: SystemTime) -> Vec<u8> {
        let answer = self.serve(request, now);
        answer.unwrap_or_else(|refusal| refusal.message(self.principal(), now))
    }

    fn serve(&mut self, octets: &[u8], now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let request = KdcReq::decode(octets)?;
        let body = KdcReqBody::decode(request.req_body)?;
        let reply = match request.exchange {
            Exchange::AuthenticationService => {
                self.counts.as_requests += 1;
                self.first_ticket(octets, &request, &body, now)
            }
            Exchange::TicketGranting => {
                self.counts.tgs_requests += 1;
                self.further_ticket(&request, &body, now)
            }
        };
        reply.or_else(|refusal| {
            // As by MIT's KDC: clients tell their users from this which service there is no ticket for.
            let asked_for = body.sname.clone().map(|name| Principal::new(name, &*body.realm));
            Ok(refusal.message(asked_for.as_ref().unwrap_or(self.principal()), now))
        })
    }

    fn first_ticket(
        &mut self,
        octets: &[u8],
        request: &KdcReq<'_>,
        body: &KdcReqBody<'_>,
        now: SystemTime,
    ) -> Result<Vec<u8>, Refusal> {
        let service = self.find_service(body)?;
        let user = self.find_user(body)?;
        user.check_state()?;
        let types = user.asked_for(&body.etype);
        let Some(first) = types.first() else {
            return Err(Refusal::new(KDC_ERR_ETYPE_NOSUPP, "the user has no key of these types"));
        };
        user.check_timestamp(PaData::find(&request.padata, PA_ENC_TIMESTAMP), &types, now)?;
        // The one that was asked for first, whichever the timestamp is by: as MIT's KDC does.
        let key = user.key(*first);
        let infos = user.etype_info2(&types[..1]);
        let client = PrincipalName { name_string: user.components(), ..PrincipalName::user("") };
        let checksum_key = key.for_checksums(KeyUsage::AS_REQ_CHECKSUM);
        let checksum = checksum_key.checksum(&[octets]);
        let checksum = Checksum::new(&checksum_key, &checksum).encode();
        let is_asked = PaData::find(&request.padata, PA_REQ_ENC_PA_REP).is_some();
        let arrived = PaData { padata_type: PA_REQ_ENC_PA_REP, padata_value: &checksum };
        let reply = self.grant(
            Grant {
                exchange: Exchange::AuthenticationService,
                client: Principal::new(client, self.realm()),
                service: &service,
                body,
                key: (key, KeyUsage::AS_REP),
                flags: ticket_flags::INITIAL | if is_asked { ticket_flags::ENC_PA_REP } else { 0 },
                authtime: KerberosTime::of(now).0,
                latest: KerberosTime::from_unix(u64::MAX),
                padata: vec![PaData { padata_type: PA_ETYPE_INFO2, padata_value: &infos }],
                encrypted_pa_data: if is_asked { vec![arrived] } else { Vec::new() },
            },
            now,
        )?;
        self.counts.as_tickets += 1;
        Ok(reply)
    }

    fn further_ticket(
        &mut self,
        request: &KdcReq<'_>,
        body: &KdcReqBody<'_>,
        now: SystemTime,
    ) -> Result<Vec<u8>, Refusal> {
        let Some(ap_req) = PaData::find(&request.padata, PA_TGS_REQ) else {
            return Err(Refusal::new(KDC_ERR_PADATA_TYPE_NOSUPP, "no ticket is shown"));
        };
        let (principal, key) = (&self.krbtgt.principal, &self.krbtgt.key);
        let usage = KeyUsage::TGS_REQ_AUTHENTICATOR;
        let by = Presented::open(&ApReq::decode(ap_req)?, principal, key, usage, now)?;
        let authenticator = by.authenticator()?;
        let Some(checksum) = authenticator.cksum else {
            return Err(Refusal::new(KRB_AP_ERR_INAPP_CKSUM, "no checksum over the request"));
        };
        if !is_over(&checksum, &by.session_key, request.req_body) {
            return Err(Refusal::new(KRB_AP_ERR_MODIFIED, "the request was changed on its way"));
        }
        let service = self.find_service(body)?;
        let key = match authenticator.subkey {
            Some(subkey) if self.knows_subkeys => {
                let unknown = || Refusal::new(KDC_ERR_ETYPE_NOSUPP, "a subkey of another type");
                (subkey.to_key().ok_or_else(unknown)?, KeyUsage::TGS_REP_SUBKEY)
            }
            _ => (by.session_key.clone(), KeyUsage::TGS_REP),
        };
        let reply = self.grant(
            Grant {
                exchange: Exchange::TicketGranting,
                client: by.client.clone(),
                service: &service,
                body,
                key,
                flags: by.flags & !(ticket_flags::INITIAL | ticket_flags::ENC_PA_REP),
                authtime: by.authtime,
                latest: by.endtime,
                padata: Vec::new(),
                encrypted_pa_data: Vec::new(),
            },
            now,
        )?;
        self.counts.tgs_tickets += 1;
        Ok(reply)
    }

    fn find_user(&mut self, body: &KdcReqBody<'_>) -> Result<&mut User, Refusal> {
        let Some(name) = &body.cname else {
            return Err(Refusal::new(KRB_ERR_GENERIC, "no client is named"));
        };
        let canonicalizes = body.kdc_options & kdc_options::CANONICALIZE != 0;
        let found = if canonicalizes && name.name_type == PrincipalName::NT_ENTERPRISE {
            self.look_up(&name.to_string())
        } else {
            self.user(&name.to_string())
        };
        found.ok_or_else(|| Refusal::new(KDC_ERR_C_PRINCIPAL_UNKNOWN, "there is no such user"))
    }

    /// The user with this enterprise name, or user@domain, where the domain is the realm's in some case.
    fn look_up(&mut self, enterprise: &str) -> Option<&mut User> {
        let local = enterprise.rsplit_once('@');
        let local = local.filter(|(_, domain)| domain.eq_ignore_ascii_case(self.realm()));
        let name = local.map_or(enterprise, |(user, _)| user);
        let is_wanted = |user: &User| user.name == name || user.enterprise.as_deref() == Some(enterprise);
        self.users.iter_mut().find(|user| is_wanted(user))
    }

    fn find_service(&self, body: &KdcReqBody<'_>) -> Result<KnownService, Refusal> {
        if body.realm != self.realm() {
            let text = format!("this is the KDC of {}", self.realm());
            return Err(Refusal::new(KDC_ERR_WRONG_REALM, text));
        }
        let known = || self.services.iter().chain([&self.krbtgt]);
        let sname = body.sname.as_ref();
        let found = sname.and_then(|name| known().find(|service| service.principal.name.is_same(name)));
        let unknown = || Refusal::new(KDC_ERR_S_PRINCIPAL_UNKNOWN, "there is no such service");
        found.cloned().ok_or_else(unknown)
    }

    fn grant(&mut self, grant: Grant<'_>, now: SystemTime) -> Result<Vec<u8>, Refusal> {
        let Grant { service, body, key: (reply_key, usage), .. } = grant;
        let asked = body.etype.iter().filter_map(|number| EncryptionType::from_number(*number));
        let session_type = { asked }.find(|etype| service.session_types.contains(etype));
        let none = || Refusal::new(KDC_ERR_ETYPE_NOSUPP, "no session key of these types");
        let session_key = Key::random(session_type.ok_or_else(none)?, self.random.octets());
        self.keep(&session_key);
        self.keep(&reply_key);
        let (starttime, _) = KerberosTime::of(now);
        // A `till` of 1970 asks for all that there is (RFC 4120, section 5.4.1).
        let till = Some(body.till.unix()).filter(|till| *till != 0).unwrap_or(u64::MAX);
        let latest = till.min(grant.latest.unix());
        let endtime = latest.min(starttime.unix().saturating_add(self.lifetime.as_secs()));
        if endtime <= starttime.unix() {
            return Err(Refusal::new(KDC_ERR_NEVER_VALID, "the ticket would end before it began"));
        }
        let part = EncTicketPart {
            flags: grant.flags,
            key: EncryptionKey::from(&session_key),
            crealm: grant.client.realm.clone(),
            cname: grant.client.name.clone(),
            transited: TransitedEncoding::NONE,
            authtime: grant.authtime,
            starttime: Some(starttime).filter(|starttime| *starttime != grant.authtime),
            endtime: KerberosTime::from_unix(endtime),
            renew_till: None,
            caddr: None,
            authorization_data: self
                .user_data
                .as_deref()
                .map(AuthorizationData::if_relevant)
                .into_iter()
                .collect(),
        };
        let ticket_keys = service.key.for_messages(KeyUsage::TICKET);
        let cipher = ticket_keys.encrypt(&self.random.octets(), &part.encode());
        let enc_part = EncryptedData::new(&ticket_keys, Some(KEY_VERSION), &cipher);
        let Principal { name: sname, realm } = service.principal.clone();
        let ticket = Ticket { realm: realm.clone(), sname: sname.clone(), enc_part }.encode();
        let mut part = EncKdcRepPart {
            // As MIT's KDC has it in both.
            exchange: Exchange::TicketGranting,
            key: part.key,
            last_req: Vec::new(),
            nonce: body.nonce,
            key_expiration: None,
            flags: part.flags,
            authtime: part.authtime,
            starttime: part.starttime,
            endtime: part.endtime,
            renew_till: None,
            srealm: realm,
            sname,
            caddr: None,
            encrypted_pa_data: grant.encrypted_pa_data,
        };
        let mut reply = KdcRep {
            exchange: grant.exchange,
            padata: grant.padata,
            crealm: grant.client.realm,
            cname: grant.client.name,
            ticket: &ticket,
            enc_part: EncryptedData { etype: reply_key.etype().number(), kvno: None, cipher: &[] },
        };
        (self.change)(&mut reply, &mut part);
        let cipher = reply_key.for_messages(usage).encrypt(&self.random.octets(), &part.encode());
        reply.enc_part.cipher = &cipher;
        Ok(reply.encode())
    }
}

/// Whether a request's body has this checksum: by the session key, or by MD5 without one, which some clients send. The Authenticator
/// around it is encrypted, and MIT's KDC takes that too.
fn is_over(checksum: &Checksum<'_>, session_key: &Key, req_body: &[u8]) -> bool {
    if checksum.cksumtype == Checksum::RSA_MD5 {
        return *checksum.checksum == *Md5::digest(req_body);
    }
    checksum.verify(&session_key.for_checksums(KeyUsage::TGS_REQ_CHECKSUM), &[req_body])
}

impl fmt::Debug for Kdc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kdc")
            .field("realm", &self.realm())
            .field("users", &self.users)
            .field("counts", &self.counts)
            .finish_non_exhaustive()
    }
}
