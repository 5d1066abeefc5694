//! The AP exchange: a ticket, shown to its service as a token of GSS-API (RFC 4120, section 3.2; RFC 4121, section 4.1).

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::channel_bindings::ChannelBindings;
use crate::mechanism::kerberos::crypto::{CONFOUNDER, Key, KeyUsage, Random};
use crate::mechanism::kerberos::exchange::answer::defective;
use crate::mechanism::kerberos::exchange::ticket::GrantedTicket;
use crate::mechanism::kerberos::gss::iakerb::KrbFinished;
use crate::mechanism::kerberos::gss::{
    AuthenticatorChecksum, CHECKSUM_TYPE, ContextKey, Extension, MicTokens, Side, Token, TokenId, flags,
    framed,
};
use crate::mechanism::kerberos::messages::flags::ap_options;
use crate::mechanism::kerberos::messages::{
    AD_IF_RELEVANT, ApRep, ApReq, Authenticator, AuthorizationData, Checksum, EncApRepPart, EncryptedData,
    EncryptionKey, KerberosTime, Message,
};
use crate::mechanism::oid;
use crate::mechanism::{ErrorKind, MechanismError, Moment, explain_krb_error};

/// How a ticket is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shown<'a> {
    /// Of [`flags`]: [`flags::MUTUAL`] asks the service to prove who it is. Delegation is not made here.
    pub(crate) flags: u32,
    /// What ties the login to its TLS connection.
    pub(crate) channel_bindings: Option<&'a ChannelBindings>,
    /// How the tickets have been got.
    pub(crate) carried: Carried<'a>,
}

/// Which mechanism a ticket is shown in.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Carried<'a> {
    /// Kerberos.
    Kerberos,
    /// IAKERB: with a checksum over all tokens so far of both sides as they were sent, one behind the other. With a
    /// ticket that was held there are none, and there is no checksum.
    Iakerb(&'a [u8]),
}

/// A ticket that was shown, before the service has answered.
pub(crate) struct Application {
    ticket: Arc<GrantedTicket>,
    subkey: Key,
    sequence_number: u32,
    ctime: KerberosTime,
    cusec: u32,
}

impl Application {
    /// The token that shows a ticket. It proves a [`Ticket`](crate::mechanism::Proves::Ticket).
    pub(crate) fn begin(ticket: Arc<GrantedTicket>, shown: &Shown<'_>, moment: &Moment) -> (Vec<u8>, Self) {
        let mut random = Random::new(&moment.entropy);
        let subkey = Key::random(ticket.session_key.etype(), random.octets());
        let (ctime, cusec) = ticket.clock.time(moment.now);
        let begun = Self { subkey, sequence_number: random.number(), ctime, cusec, ticket };
        let (mechanism, finished) = match shown.carried {
            Carried::Kerberos => (oid::KERBEROS, None),
            Carried::Iakerb([]) => (oid::IAKERB, None),
            Carried::Iakerb(tokens) => (oid::IAKERB, Some(begun.finished(tokens))),
        };
        let checksum = begun.checksum(shown, finished.as_deref());
        // Without it Windows insists on no bindings.
        let knows_bindings = shown.channel_bindings.map(|_| AuthorizationData::knows_channel_bindings());
        let authorization_data = knows_bindings
            .iter()
            .map(|ad_data| AuthorizationData { ad_type: AD_IF_RELEVANT, ad_data })
            .collect();
        let authenticator = Authenticator {
            crealm: Cow::Borrowed(&begun.ticket.client.realm),
            cname: Cow::Borrowed(&begun.ticket.client.name),
            cksum: Some(Checksum { cksumtype: CHECKSUM_TYPE, checksum: &checksum }),
            cusec,
            ctime,
            subkey: Some(EncryptionKey::from(&begun.subkey)),
            seq_number: Some(begun.sequence_number),
            authorization_data,
        };
        let keys = &begun.ticket.keys_for_service().authenticator;
        let confounder: Zeroizing<[u8; CONFOUNDER]> = random.octets();
        let cipher = keys.encrypt_in_place(authenticator.encode_behind(&*confounder));
        let is_mutual = shown.flags & flags::MUTUAL != 0;
        let message = ApReq {
            ap_options: if is_mutual { ap_options::MUTUAL_REQUIRED } else { 0 },
            ticket: &begun.ticket.ticket,
            authenticator: EncryptedData::new(keys, None, &cipher),
        };
        let token =
            framed(mechanism, TokenId::ApReq, ApReq::FIXED + message.room(), |frame| message.write(frame));
        (token, begun)
    }

    /// Takes the service's token, which proves that it has read the ticket; gives what signs from here on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TicketRefused`] if it is a KRB-ERROR, [`ErrorKind::BadMic`] if it proves nothing, and
    /// [`ErrorKind::DefectiveToken`] if it is malformed.
    pub(crate) fn answer(self, token: &[u8], now: SystemTime) -> Result<MicTokens, MechanismError> {
        // Before it is read as an AP-REP: a KRB-ERROR says why the ticket was refused, and the next login has to
        // know.
        if let Some(sentence) = explain_krb_error(token, now) {
            return Err(MechanismError::new(ErrorKind::TicketRefused, sentence));
        }
        let token = Token::decode(token)?;
        if token.id != TokenId::ApRep {
            return Err(defective("the server's Kerberos token is not an AP-REP"));
        }
        let malformed =
            |malformed| defective(format!("the server's Kerberos token is unusable: {malformed}"));
        let reply = ApRep::decode(token.message).map_err(malformed)?;
        let proves_nothing = |why: &str| {
            let sentence =
                format!("{} does not prove that it has read the ticket: {why}", self.ticket.server);
            MechanismError::new(ErrorKind::BadMic, sentence)
        };
        let part = reply.enc_part.decrypt(&self.ticket.keys_for_service().reply);
        let part = part.map_err(|unreadable| proves_nothing(&unreadable.to_string()))?;
        let part = EncApRepPart::decode(&part).map_err(malformed)?;
        // The proof itself (RFC 4120, section 3.2.5): only somebody who has opened the Authenticator knows these
        // numbers.
        if (part.ctime, part.cusec) != (self.ctime, self.cusec) {
            return Err(proves_nothing("it answers another Authenticator"));
        }
        // The acceptor's subkey goes before ours where there is one (RFC 4121, section 2).
        let key = match part.subkey {
            None => ContextKey::Initiators(self.subkey),
            Some(subkey) => ContextKey::AcceptorSubkey(subkey.to_key().ok_or_else(|| {
                defective(format!("the server's subkey has an unknown encryption type: {}", subkey.keytype))
            })?),
        };
        Ok(MicTokens::new(Side::Initiator, key, self.sequence_number))
    }

    /// What signs where the service has to prove nothing.
    pub(crate) fn without_answer(self) -> MicTokens {
        MicTokens::new(Side::Initiator, ContextKey::Initiators(self.subkey), self.sequence_number)
    }

    /// The Authenticator's checksum of type 0x8003.
    fn checksum(&self, shown: &Shown<'_>, finished: Option<&[u8]>) -> Vec<u8> {
        let without_delegation = shown.flags & !flags::DELEG;
        let mut checksum = AuthenticatorChecksum::new(shown.channel_bindings, without_delegation);
        checksum.extensions.extend(finished.map(|data| Extension { number: Extension::FINISHED, data }));
        checksum.encode()
    }

    /// IAKERB's KRB-FINISHED over the tokens.
    fn finished(&self, tokens: &[u8]) -> Vec<u8> {
        let key = self.subkey.for_checksums(KeyUsage::FINISHED);
        KrbFinished { gss_mic: Checksum::new(&key, &key.checksum(&[tokens])) }.encode()
    }
}

impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("ticket", &self.ticket).finish_non_exhaustive()
    }
}
