//! The AS exchange: a first ticket for a password (RFC 4120, section 3.1).

use std::fmt;
use std::time::SystemTime;

use crate::credentials::Secret;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key, KeyUsage, Random};
use crate::mechanism::kerberos::exchange::answer::{self, Answer, Asked, defective};
use crate::mechanism::kerberos::exchange::clock::ClockOffset;
use crate::mechanism::kerberos::exchange::policy::Policy;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::exchange::refusal::Refused;
use crate::mechanism::kerberos::exchange::request::{KdcRequest, Next, Transport};
use crate::mechanism::kerberos::exchange::string_to_key::{PasswordKey, StringToKey};
use crate::mechanism::kerberos::exchange::ticket::GrantedTicket;
use crate::mechanism::kerberos::messages::flags::{kdc_options, ticket_flags};
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_PREAUTH_FAILED, KDC_ERR_PREAUTH_REQUIRED, KRB_AP_ERR_SKEW, KRB_ERR_RESPONSE_TOO_BIG,
};
use crate::mechanism::kerberos::messages::pa_data::{
    PA_ENC_TIMESTAMP, PA_ETYPE_INFO2, PA_FX_COOKIE, PA_REQ_ENC_PA_REP,
};
use crate::mechanism::kerberos::messages::{
    Checksum, EncKdcRepPart, EncryptedData, EtypeInfo2Entry, Exchange, KdcRep, KdcReq, KdcReqBody,
    KerberosTime, KrbError, Message, PaData, PaEncTsEnc, PrincipalName,
};
use crate::mechanism::{ErrorKind, MechanismError, Moment, Proves};

/// An AS exchange that waits for the KDC's answer.
///
/// It takes at most five messages: one without the password, one with it, and one each because the clocks differ, because the
/// parameters known from before are out of date, and because the reply does not fit into a datagram.
pub(crate) struct AuthenticationService {
    client: Principal,
    server: Principal,
    password: Secret,
    /// The key of the password, if it was made before.
    made: Option<PasswordKey>,
    policy: Policy,
    random: Random,
    transport: Transport,
    /// What the KDC wants to have back.
    cookie: Option<Vec<u8>>,
    shown: Shown,
    clock: TimestampClock,
    /// The request that is out.
    nonce: u32,
    message: Vec<u8>,
}

/// What the request that is out shows of the password.
enum Shown {
    Nothing,
    Timestamp { key: PasswordKey, known: Known },
}

/// How an exchange begins.
#[derive(Debug)]
pub(crate) enum Opening {
    /// By asking what the KDC requires. The key may have been made before.
    Asks(Option<PasswordKey>),
    /// By showing the password at once, as the KDC required it before, which saves a message.
    Shows(PasswordKey),
}

/// Where the parameters of the key are known from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    FromBefore,
    InThisExchange,
}

/// What a KDC wants to see first.
struct Required {
    /// How to make the timestamp's key.
    parameters: StringToKey,
    cookie: Option<Vec<u8>>,
}

/// Whose time the timestamp is.
#[derive(Clone, Copy)]
enum TimestampClock {
    Ours,
    /// The KDC has said that ours is wrong, unauthenticated: believed for this, once, and for nothing else.
    Kdcs(ClockOffset),
}

/// What the AS exchange brings.
#[derive(Debug)]
pub(crate) struct FirstTicket {
    /// The ticket-granting ticket.
    pub(crate) ticket: GrantedTicket,
    /// The password's, to be begun with the next time.
    pub(crate) key: PasswordKey,
}

impl AuthenticationService {
    /// Begins an exchange with a KDC of the client's realm.
    pub(crate) fn begin(
        client: Principal,
        password: Secret,
        policy: Policy,
        opening: Opening,
        moment: &Moment,
    ) -> (KdcRequest, Self) {
        let server = Principal::ticket_granting(&client.realm);
        // A key from before may be of a type that the settings no longer have: then the KDC is asked, as if nothing
        // were known.
        let is_asked_for = |key: &PasswordKey| policy.encryption_types().contains(&key.parameters().etype());
        let (made, shown) = match opening {
            Opening::Asks(made) => (made, None),
            Opening::Shows(key) => (Some(key.clone()), Some(key).filter(is_asked_for)),
        };
        let mut exchange = Self {
            client,
            server,
            password,
            made,
            policy,
            random: Random::new(&moment.entropy),
            transport: Transport::Any,
            cookie: None,
            shown: match shown {
                Some(key) => Shown::Timestamp { key, known: Known::FromBefore },
                None => Shown::Nothing,
            },
            clock: TimestampClock::Ours,
            nonce: 0,
            message: Vec::new(),
        };
        (exchange.request(moment.now), exchange)
    }

    /// Takes the KDC's answer, at this time by our clock. Making the key of the password is slow on purpose.
    ///
    /// # Errors
    ///
    /// [`MechanismError`] if the KDC refuses, or its answer is not one to the request. [`ErrorKind::WrongPassword`] only where the
    /// password was shown, or does not open a reply that came without.
    pub(crate) fn answer(
        mut self,
        answer: &[u8],
        now: SystemTime,
    ) -> Result<Next<Self, FirstTicket>, MechanismError> {
        // Nothing of an error is authenticated. Each arm below does no more by its word than send one more message
        // that this side would have sent anyway.
        let error = match Answer::decode(answer)? {
            Answer::Reply(reply) => return self.granted(&reply, now).map(Next::Granted),
            Answer::Error(error) => error,
        };
        // Which errors lead on depends on what was shown: a demand for pre-authentication after one was given with
        // parameters of this exchange would go round for ever.
        match (error.error_code, &self.shown) {
            (
                KDC_ERR_PREAUTH_REQUIRED,
                Shown::Nothing | Shown::Timestamp { known: Known::FromBefore, .. },
            ) => {
                let required = self.required(&error)?;
                self.show_what_is(required);
            }
            // The KDC names another salt than the one that was known: the account was renamed since, say.
            (KDC_ERR_PREAUTH_FAILED, Shown::Timestamp { key, known: Known::FromBefore }) => {
                // Only if the parameters differ. With the same ones it is the password that is wrong, and a second
                // timestamp would be a second attempt.
                let required = self.required(&error).ok().filter(|now| now.parameters != *key.parameters());
                let Some(required) = required else { return Err(self.refused(&error)) };
                self.show_what_is(required);
            }
            (KRB_AP_ERR_SKEW, Shown::Timestamp { .. }) if matches!(self.clock, TimestampClock::Ours) => {
                // By the guard above it is done once. The error may be forged: with a timestamp for another time
                // somebody in between gets no more than with one for now, and the reply is still held against the
                // nonce.
                self.clock = TimestampClock::Kdcs(ClockOffset::between(now, error.stime));
            }
            (KRB_ERR_RESPONSE_TOO_BIG, _) if self.transport == Transport::Any => {
                // The same octets, not a new request: a KDC takes a repeated timestamp from another socket for a
                // retransmission, and a new one for a second attempt.
                self.transport = Transport::Stream;
                return Ok(Next::Send { request: self.sent(), exchange: self });
            }
            _ => return Err(self.refused(&error)),
        }
        let request = self.request(now);
        Ok(Next::Send { request, exchange: self })
    }

    /// What the KDC requires, as far as it can be had.
    fn required(&self, error: &KrbError<'_>) -> Result<Required, MechanismError> {
        let unusable = |malformed| {
            defective(format!("the KDC's demand for pre-authentication is unusable: {malformed}"))
        };
        let methods = Vec::<PaData<'_>>::decode(error.e_data.unwrap_or_default()).map_err(unusable)?;
        let infos = PaData::find(&methods, PA_ETYPE_INFO2);
        let (Some(infos), Some(_)) = (infos, PaData::find(&methods, PA_ENC_TIMESTAMP)) else {
            let sentence = format!(
                "the KDC does not take an encrypted timestamp from {}, and nothing else can be made of a password here (a smart \
                 card, a second factor, or FAST is needed)",
                self.client
            );
            return Err(MechanismError::new(ErrorKind::Unsupported, sentence));
        };
        let infos = Vec::<EtypeInfo2Entry<'_>>::decode(infos).map_err(unusable)?;
        let parameters = StringToKey::strongest(&infos, &self.client, &self.policy)?;
        let cookie = PaData::find(&methods, PA_FX_COOKIE).map(<[u8]>::to_vec);
        Ok(Required { parameters, cookie })
    }

    fn show_what_is(&mut self, required: Required) {
        self.cookie = required.cookie;
        self.shown = Shown::Timestamp { key: self.key(required.parameters), known: Known::InThisExchange };
    }

    fn key(&self, parameters: StringToKey) -> PasswordKey {
        let made = self.made.as_ref().filter(|made| *made.parameters() == parameters);
        made.cloned().unwrap_or_else(|| PasswordKey::new(parameters, &self.password))
    }

    /// The next message.
    fn request(&mut self, now: SystemTime) -> KdcRequest {
        // New for each message, so that a reply to the one before is not taken for the answer to this.
        self.nonce = self.random.number();
        let kdc_options = if self.canonicalizes() { kdc_options::CANONICALIZE } else { 0 };
        let body = KdcReqBody {
            kdc_options,
            cname: Some(self.client.name.clone()),
            realm: self.client.realm.clone(),
            sname: Some(self.server.name.clone()),
            from: None,
            // As long as the KDC allows.
            till: KerberosTime::from_unix(0),
            rtime: None,
            nonce: self.nonce,
            etype: self.policy.numbers(),
            addresses: None,
            enc_authorization_data: None,
            additional_tickets: None,
        }
        .encode();
        let timestamp = match &self.shown {
            Shown::Nothing => None,
            Shown::Timestamp { key, .. } => {
                let clock = match self.clock {
                    TimestampClock::Ours => ClockOffset::NONE,
                    TimestampClock::Kdcs(offset) => offset,
                };
                let (patimestamp, microseconds) = clock.time(now);
                let timestamp = PaEncTsEnc { patimestamp, pausec: Some(microseconds) }.encode();
                let keys = key.key().for_messages(KeyUsage::PA_ENC_TIMESTAMP);
                let cipher = keys.encrypt(&self.random.octets(), &timestamp);
                Some(EncryptedData::new(&keys, None, &cipher).encode())
            }
        };
        let mut padata = Vec::new();
        let mut add = |padata_type, padata_value| padata.push(PaData { padata_type, padata_value });
        if let Some(cookie) = &self.cookie {
            add(PA_FX_COOKIE, cookie);
        }
        if let Some(timestamp) = &timestamp {
            add(PA_ENC_TIMESTAMP, timestamp);
        }
        // Asks the KDC to sign what it has read (RFC 6806, section 11). One that does not know it takes no notice.
        add(PA_REQ_ENC_PA_REP, &[]);
        self.message = KdcReq { exchange: Exchange::AuthenticationService, padata, req_body: &body }.encode();
        self.sent()
    }

    /// The message that is out, again: a KDC that has answered it knows it.
    fn sent(&self) -> KdcRequest {
        KdcRequest {
            realm: self.client.realm.clone(),
            message: self.message.clone(),
            proves: self.proves(),
            transport: self.transport,
        }
    }

    fn granted(self, reply: &KdcRep<'_>, now: SystemTime) -> Result<FirstTicket, MechanismError> {
        let asked = Asked {
            exchange: Exchange::AuthenticationService,
            client: &self.client,
            server: &self.server,
            nonce: self.nonce,
            policy: &self.policy,
            canonicalize: self.canonicalizes(),
        };
        // Before the key is made: a reply that answers something else is not worth thousands of rounds of a hash.
        let etype = asked.check(reply)?;
        let key = match &self.shown {
            Shown::Timestamp { key, .. } if key.parameters().etype() == etype => key.clone(),
            // It needed no timestamp, or has more than one key.
            _ => self.key_of_reply(etype, reply)?,
        };
        let part = reply.enc_part.decrypt(&key.key().for_messages(KeyUsage::AS_REP)).map_err(
            |unreadable| match self.shown {
                Shown::Nothing => MechanismError::new(
                    ErrorKind::WrongPassword,
                    format!("the password of {} does not open the KDC's reply", self.client),
                ),
                Shown::Timestamp { .. } => defective(format!(
                    "the KDC took the password, but its reply cannot be read: {unreadable}"
                )),
            },
        )?;
        let part = EncKdcRepPart::decode(&part).map_err(|malformed| defective(malformed.to_string()))?;
        // All that could be forged is checked from here on against what only the key has opened.
        let mut ticket = asked.granted(reply, &part)?;
        // After the reply is known to be the KDC's: the checksum in it says what the KDC has read, and so whether
        // somebody has taken the stronger encryption types out of the request.
        self.check_request_arrived(key.key(), &part)?;
        ticket.clock = answer::clock(&ticket, now);
        ticket.key_expiration = part.key_expiration;
        Ok(FirstTicket { ticket, key })
    }

    /// The key of a reply of this type.
    fn key_of_reply(&self, etype: EncryptionType, reply: &KdcRep<'_>) -> Result<PasswordKey, MechanismError> {
        let infos = match PaData::find(&reply.padata, PA_ETYPE_INFO2) {
            Some(infos) => Vec::decode(infos).map_err(|malformed| defective(malformed.to_string()))?,
            None => Vec::new(),
        };
        let parameters = StringToKey::of(etype, &infos, &self.client, &self.policy)?;
        Ok(self.key(parameters))
    }

    /// Checks that the KDC has read the request as it was sent, where it says what it has read (RFC 6806, section 11).
    fn check_request_arrived(&self, key: &Key, part: &EncKdcRepPart<'_>) -> Result<(), MechanismError> {
        if part.flags & ticket_flags::ENC_PA_REP == 0 {
            return Ok(());
        }
        let checksum = PaData::find(&part.encrypted_pa_data, PA_REQ_ENC_PA_REP)
            .and_then(|checksum| Checksum::decode(checksum).ok());
        let key = key.for_checksums(KeyUsage::AS_REQ_CHECKSUM);
        if checksum.is_some_and(|checksum| checksum.verify(&key, &[&self.message])) {
            return Ok(());
        }
        Err(defective(
            "the KDC got another request than the one that was sent: somebody changed it on its way",
        ))
    }

    fn refused(&self, error: &KrbError<'_>) -> MechanismError {
        let (client, server, policy) = (&self.client, &self.server, &self.policy);
        Refused { client, server, proves: self.proves(), policy }.explain(error)
    }

    fn proves(&self) -> Proves {
        match self.shown {
            Shown::Nothing => Proves::Nothing,
            Shown::Timestamp { .. } => Proves::Secret,
        }
    }

    /// Whether the KDC is asked to look the name up.
    fn canonicalizes(&self) -> bool {
        self.client.name.name_type == PrincipalName::NT_ENTERPRISE
    }
}

impl fmt::Debug for AuthenticationService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticationService")
            .field("client", &format_args!("{}", self.client))
            .field("proves", &self.proves())
            .finish_non_exhaustive()
    }
}
