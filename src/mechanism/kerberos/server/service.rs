//! A service that tickets are shown to (RFC 4120, section 3.2; RFC 4121, section 4.1).

use std::collections::BTreeSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::kerberos::crypto::{Key, KeyUsage, Random};
use crate::mechanism::kerberos::exchange::{Carried, Principal};
use crate::mechanism::kerberos::gss::iakerb::KrbFinished;
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, CHECKSUM_TYPE, ContextKey, Extension, MicTokens, Side, Token, TokenId, flags,
};
use crate::mechanism::kerberos::messages::krb_error::{
    KRB_AP_ERR_INAPP_CKSUM, KRB_AP_ERR_MODIFIED, KRB_AP_ERR_REPEAT, KRB_ERR_GENERIC,
};
use crate::mechanism::kerberos::messages::{
    ApRep, ApReq, Authenticator, AuthorizationData, EncApRepPart, EncryptedData, EncryptionKey, KerberosTime,
    Message,
};
use crate::mechanism::kerberos::server::presented::{Presented, is_skewed};
use crate::mechanism::kerberos::server::refusal::Refusal;
use crate::mechanism::oid;
use crate::mechanism::{MechanismError, Moment};

/// A service with its key, for all of its connections. Clones know what the others have seen.
#[derive(Clone)]
pub(crate) struct Service {
    principal: Principal,
    key: Key,
    bindings: BindingsRule,
    change: ChangeReply,
    seen: Arc<Mutex<Seen>>,
}

/// What a service with a fault does to its AP-REP; without a subkey in it, the client's signs.
pub(crate) type ChangeReply = fn(&mut EncApRepPart<'_>);

/// What is made of a client's channel bindings.
#[derive(Clone, Debug, Default)]
pub(crate) enum BindingsRule {
    /// Nobody looks at them.
    #[default]
    Ignored,
    /// Others than these are refused, and none where the client says that it knows them
    /// (KERB_AP_OPTIONS_CBT): Extended Protection, set to "accept".
    Accepted(ChannelBindings),
    /// They have to be these: Extended Protection, set to "required".
    Required(ChannelBindings),
}

/// A client that is who it says it is.
#[derive(Debug)]
pub(crate) struct Accepted {
    pub(crate) client: Principal,
    /// The AP-REP, where the client wants to have one.
    pub(crate) token: Option<Vec<u8>>,
    pub(crate) mics: MicTokens,
}

/// A client that is not.
#[derive(Debug)]
pub(crate) struct Rejected {
    pub(crate) why: String,
    /// A KRB-ERROR, where the client's token could be told to be Kerberos' at all.
    pub(crate) token: Option<Vec<u8>>,
}

impl Service {
    /// A service with the key that its KDC has for it.
    pub(crate) fn new(principal: Principal, key: Key) -> Self {
        let (bindings, seen) = (BindingsRule::Ignored, Arc::default());
        Self { principal, key, bindings, change: |_| (), seen }
    }

    /// The same with this rule for channel bindings.
    #[must_use]
    pub(crate) fn with_bindings(mut self, rule: BindingsRule) -> Self {
        self.bindings = rule;
        self
    }

    /// The same with a fault.
    #[cfg(test)]
    #[must_use]
    pub(crate) fn with_change(mut self, change: ChangeReply) -> Self {
        self.change = change;
        self
    }

    /// Takes a client's token, in the mechanism that it is to be of.
    ///
    /// # Errors
    ///
    /// [`Rejected`], with what to tell the client.
    pub(crate) fn accept(
        &self,
        token: &[u8],
        carried: Carried<'_>,
        moment: &Moment,
    ) -> Result<Accepted, Rejected> {
        let defective = |error: MechanismError| Rejected { why: error.to_string(), token: None };
        let token = Token::decode(token).map_err(defective)?;
        let is_kerberos = oid::same_mechanism(token.mechanism, oid::KERBEROS);
        let is_expected = match carried {
            Carried::Kerberos => is_kerberos,
            Carried::Iakerb([]) => !is_kerberos,
            // After what was carried there are clients that go on as by Kerberos, and MIT's acceptor takes that as well.
            Carried::Iakerb(_) => true,
        };
        if !is_expected || token.id != TokenId::ApReq {
            let why = "the token shows no ticket, or in another mechanism".to_owned();
            return Err(Rejected { why, token: None });
        }
        self.judge(&token, carried, moment).map_err(|refusal| {
            let message = refusal.message(&self.principal, moment.now);
            let token = Token { id: TokenId::KrbError, message: &message, ..token };
            Rejected { why: refusal.text, token: Some(token.encode()) }
        })
    }

    fn judge(&self, token: &Token<'_>, carried: Carried<'_>, moment: &Moment) -> Result<Accepted, Refusal> {
        let ap_req = ApReq::decode(token.message)?;
        let usage = KeyUsage::AP_REQ_AUTHENTICATOR;
        let presented = Presented::open(&ap_req, &self.principal, &self.key, usage, moment.now)?;
        let authenticator = presented.authenticator()?;
        let said = authenticator.cksum.filter(|checksum| checksum.cksumtype == CHECKSUM_TYPE);
        let Some(said) = said else {
            return Err(Refusal::new(KRB_AP_ERR_INAPP_CKSUM, "the Authenticator has no checksum 0x8003"));
        };
        let said = AuthenticatorChecksum::decode(said.checksum)
            .map_err(|error| Refusal::new(KRB_ERR_GENERIC, error.to_string()))?;
        let subkey = match authenticator.subkey.map(EncryptionKey::to_key) {
            None => presented.session_key.clone(),
            Some(Some(subkey)) => subkey,
            Some(None) => return Err(Refusal::new(KRB_ERR_GENERIC, "a subkey of another type")),
        };
        self.check_bindings(&said, &authenticator)?;
        check_finished(&said, &subkey, carried)?;
        // At the end: what was refused may be sent again.
        self.check_replay(&ap_req, authenticator.ctime, moment.now)?;
        let sequence_number = authenticator.seq_number.unwrap_or_default();
        let (token, mics) = if said.flags & flags::MUTUAL == 0 {
            (None, MicTokens::new(Side::Acceptor, ContextKey::Initiators(subkey), sequence_number))
        } else {
            let (token, mics) = self.reply(token, &presented, &authenticator, subkey, moment);
            (Some(token), mics)
        };
        Ok(Accepted { client: presented.client.clone(), token, mics })
    }

    fn check_bindings(
        &self,
        said: &AuthenticatorChecksum<'_>,
        authenticator: &Authenticator<'_>,
    ) -> Result<(), Refusal> {
        let (BindingsRule::Accepted(ours) | BindingsRule::Required(ours)) = &self.bindings else {
            return Ok(());
        };
        if said.has_bindings(ours) {
            return Ok(());
        }
        let knows = AuthorizationData::says_channel_bindings_are_known(&authenticator.authorization_data)?;
        let text = match (&self.bindings, said.bindings == [0; 16]) {
            (BindingsRule::Accepted(_), true) if !knows => return Ok(()),
            (_, true) => "channel bindings are required, and there are none",
            (_, false) => "the channel bindings are those of another connection",
        };
        Err(Refusal::new(KRB_ERR_GENERIC, text))
    }

    fn check_replay(&self, ap_req: &ApReq<'_>, ctime: KerberosTime, now: SystemTime) -> Result<(), Refusal> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_new(ap_req.authenticator.cipher, ctime, now) {
            return Ok(());
        }
        Err(Refusal::new(KRB_AP_ERR_REPEAT, "this Authenticator was here before"))
    }

    /// AP-REP, and what signs from here on.
    fn reply(
        &self,
        token: &Token<'_>,
        presented: &Presented,
        authenticator: &Authenticator<'_>,
        initiators: Key,
        moment: &Moment,
    ) -> (Vec<u8>, MicTokens) {
        let mut random = Random::new(&moment.entropy);
        let session_key = &presented.session_key;
        let subkey = Key::random(session_key.etype(), random.octets());
        let sequence_number = random.number();
        let mut part = EncApRepPart {
            ctime: authenticator.ctime,
            cusec: authenticator.cusec,
            subkey: Some(EncryptionKey::from(&subkey)),
            seq_number: Some(sequence_number),
        };
        (self.change)(&mut part);
        let keys = session_key.for_messages(KeyUsage::AP_REP);
        let cipher = keys.encrypt(&random.octets(), &part.encode());
        let message = ApRep { enc_part: EncryptedData::new(&keys, None, &cipher) }.encode();
        let token = Token { id: TokenId::ApRep, message: &message, ..*token }.encode();
        let key = match part.subkey {
            Some(_) => ContextKey::AcceptorSubkey(subkey.clone()),
            None => ContextKey::Initiators(initiators),
        };
        (token, MicTokens::new(Side::Acceptor, key, sequence_number))
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("principal", &format_args!("{}", self.principal))
            .field("bindings", &self.bindings)
            .finish_non_exhaustive()
    }
}

/// KRB-FINISHED is there if something was carried, and over all of that. Where nothing was, there has to be none: MIT's acceptor
/// has it so.
fn check_finished(
    said: &AuthenticatorChecksum<'_>,
    subkey: &Key,
    carried: Carried<'_>,
) -> Result<(), Refusal> {
    let finished = said.extension(Extension::FINISHED);
    let tokens = match (carried, finished) {
        (Carried::Kerberos, _) | (Carried::Iakerb([]), None) => return Ok(()),
        (Carried::Iakerb([]), Some(_)) => {
            return Err(Refusal::new(KRB_ERR_GENERIC, "KRB-FINISHED, and nothing was carried"));
        }
        (Carried::Iakerb(tokens), _) => tokens,
    };
    let Some(finished) = finished else {
        return Err(Refusal::new(KRB_AP_ERR_INAPP_CKSUM, "no KRB-FINISHED over what was carried"));
    };
    let finished = KrbFinished::decode(finished)?;
    if finished.gss_mic.verify(&subkey.for_checksums(KeyUsage::FINISHED), &[tokens]) {
        return Ok(());
    }
    Err(Refusal::new(KRB_AP_ERR_MODIFIED, "KRB-FINISHED is over something else than what was carried"))
}

/// Authenticators that were accepted, by their checksums, which no two have in common; as long as they would be taken for new.
#[derive(Default)]
struct Seen(BTreeSet<(KerberosTime, Vec<u8>)>);

impl Seen {
    fn is_new(&mut self, cipher: &[u8], ctime: KerberosTime, now: SystemTime) -> bool {
        while self.0.first().is_some_and(|(ctime, _)| is_skewed(*ctime, now)) {
            self.0.pop_first();
        }
        let checksum = cipher.last_chunk::<12>().map_or(cipher, |checksum| checksum);
        self.0.insert((ctime, checksum.to_vec()))
    }
}
