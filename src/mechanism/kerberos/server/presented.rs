//! A ticket that is shown with an AP-REQ, to a KDC or to a service (RFC 4120, section 3.2.3).

use std::time::SystemTime;

use zeroize::Zeroizing;

use crate::mechanism::kerberos::crypto::{Key, KeyUsage};
use crate::mechanism::kerberos::exchange::Principal;
use crate::mechanism::kerberos::messages::krb_error::{
    KRB_AP_ERR_BAD_INTEGRITY, KRB_AP_ERR_BADKEYVER, KRB_AP_ERR_BADMATCH, KRB_AP_ERR_NOT_US, KRB_AP_ERR_SKEW,
    KRB_AP_ERR_TKT_EXPIRED, KRB_AP_ERR_TKT_NYV, KRB_ERR_GENERIC,
};
use crate::mechanism::kerberos::messages::{
    ApReq, Authenticator, EncTicketPart, KerberosTime, Message, PrincipalName, Ticket,
};
use crate::mechanism::kerberos::server::refusal::Refusal;

/// By how many seconds clocks may differ (RFC 4120, section 3.2.3: typically five minutes).
const TOLERATED: u64 = 300;
/// The version of every key here.
pub(super) const KEY_VERSION: u32 = 1;

/// Whether a client's time is too far from ours.
pub(super) fn is_skewed(theirs: KerberosTime, ours: SystemTime) -> bool {
    theirs.unix().abs_diff(KerberosTime::of(ours).0.unix()) > TOLERATED
}

/// A ticket that was read and is valid, and the Authenticator that came with it, which its client has made.
pub(super) struct Presented {
    pub(super) client: Principal,
    pub(super) session_key: Key,
    /// Of the ticket.
    pub(super) authtime: KerberosTime,
    pub(super) endtime: KerberosTime,
    /// Of the ticket.
    pub(super) flags: u32,
    authenticator: Zeroizing<Vec<u8>>,
}

impl Presented {
    /// Reads what is shown to a server with this key; `usage` is the Authenticator's.
    ///
    /// # Errors
    ///
    /// The [`Refusal`] that RFC 4120 has for it.
    pub(super) fn open(
        ap_req: &ApReq<'_>,
        server: &Principal,
        key: &Key,
        usage: KeyUsage,
        now: SystemTime,
    ) -> Result<Self, Refusal> {
        let ticket = Ticket::decode(ap_req.ticket)?;
        if ticket.realm != server.realm || !ticket.sname.is_same(&server.name) {
            let text = format!("the ticket is for {}@{}, not for {server}", ticket.sname, ticket.realm);
            return Err(Refusal::new(KRB_AP_ERR_NOT_US, text));
        }
        if ticket.enc_part.kvno.is_some_and(|version| version != KEY_VERSION) {
            return Err(Refusal::new(KRB_AP_ERR_BADKEYVER, "the ticket is by another version of the key"));
        }
        let unreadable = |what: &str| Refusal::new(KRB_AP_ERR_BAD_INTEGRITY, format!("cannot read {what}"));
        let part = ticket.enc_part.decrypt(&key.for_messages(KeyUsage::TICKET));
        let part = part.map_err(|_| unreadable("the ticket"))?;
        let part = EncTicketPart::decode(&part)?;
        let (now_unix, starttime) = (KerberosTime::of(now).0.unix(), part.starttime.unwrap_or(part.authtime));
        if starttime.unix() > now_unix + TOLERATED {
            return Err(Refusal::new(KRB_AP_ERR_TKT_NYV, "the ticket is not valid yet"));
        }
        if part.endtime.unix() + TOLERATED < now_unix {
            return Err(Refusal::new(KRB_AP_ERR_TKT_EXPIRED, "the ticket has expired"));
        }
        let session_key = part.key.to_key();
        let session_key =
            session_key.ok_or_else(|| Refusal::new(KRB_ERR_GENERIC, "a session key of another type"))?;
        let authenticator = ap_req.authenticator.decrypt(&session_key.for_messages(usage));
        let presented = Self {
            client: Principal::new(part.cname.clone(), part.crealm.clone()),
            session_key,
            authtime: part.authtime,
            endtime: part.endtime,
            flags: part.flags,
            authenticator: authenticator.map_err(|_| unreadable("the Authenticator"))?,
        };
        let authenticator = presented.authenticator()?;
        if !presented.is_by(&authenticator.cname, &authenticator.crealm) {
            return Err(Refusal::new(KRB_AP_ERR_BADMATCH, "the Authenticator is of another client"));
        }
        if is_skewed(authenticator.ctime, now) {
            return Err(Refusal::new(KRB_AP_ERR_SKEW, "the Authenticator is not of the present"));
        }
        Ok(presented)
    }

    pub(super) fn authenticator(&self) -> Result<Authenticator<'_>, Refusal> {
        Ok(Authenticator::decode(&self.authenticator)?)
    }

    fn is_by(&self, name: &PrincipalName, realm: &str) -> bool {
        self.client.name.is_same(name) && self.client.realm == realm
    }
}
