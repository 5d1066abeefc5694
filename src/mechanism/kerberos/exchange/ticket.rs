//! A ticket that a client has.

use std::fmt;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};

use crate::mechanism::kerberos::crypto::{ChecksumKey, Key, KeyUsage, MessageKeys};
use crate::mechanism::kerberos::exchange::clock::ClockOffset;
use crate::mechanism::kerberos::exchange::principal::Principal;
use crate::mechanism::kerberos::messages::KerberosTime;

/// A ticket with its session key, and what the KDC has said about it. Made to be kept and shared: the keys that are derived
/// from the session key are kept with it.
pub(crate) struct GrantedTicket {
    /// Whose it is.
    pub(crate) client: Principal,
    /// Whom it is for: `krbtgt/REALM`, which grants further ones, or a service.
    pub(crate) server: Principal,
    /// A [`Ticket`](crate::mechanism::kerberos::messages::Ticket) as the KDC has encoded it.
    pub(crate) ticket: Vec<u8>,
    /// What it is shown with.
    pub(crate) session_key: Key,
    /// Of [`ticket_flags`](crate::mechanism::kerberos::messages::flags::ticket_flags).
    #[cfg_attr(not(test), expect(dead_code, reason = "it is for delegation and referrals"))]
    pub(crate) flags: u32,
    /// Its times, by the KDC's clock.
    pub(crate) times: TicketTimes,
    /// By how much that clock is ahead of ours.
    pub(crate) clock: ClockOffset,
    /// When the password expires, where the KDC has said so with the first ticket.
    pub(crate) key_expiration: Option<KerberosTime>,
    keys_for_kdc: OnceLock<Box<KeysForKdc>>,
    keys_for_service: OnceLock<Box<KeysForService>>,
}

/// Since when and until when (RFC 4120, section 5.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TicketTimes {
    /// When the password was shown.
    pub(crate) authtime: KerberosTime,
    pub(crate) starttime: KerberosTime,
    pub(crate) endtime: KerberosTime,
    /// Until when it can be renewed, if it can.
    pub(crate) renew_till: Option<KerberosTime>,
}

/// What shows a ticket to a KDC, derived from its session key.
pub(super) struct KeysForKdc {
    pub(super) checksum: ChecksumKey,
    pub(super) authenticator: MessageKeys,
}

/// What shows a ticket to a service, and reads its answer.
pub(super) struct KeysForService {
    pub(super) authenticator: MessageKeys,
    pub(super) reply: MessageKeys,
}

impl GrantedTicket {
    /// A ticket from an exchange, or from where tickets are kept.
    pub(crate) fn new(
        client: Principal,
        server: Principal,
        ticket: Vec<u8>,
        session_key: Key,
        flags: u32,
        times: TicketTimes,
    ) -> Self {
        Self {
            client,
            server,
            ticket,
            session_key,
            flags,
            times,
            clock: ClockOffset::NONE,
            key_expiration: None,
            keys_for_kdc: OnceLock::new(),
            keys_for_service: OnceLock::new(),
        }
    }

    /// With the difference between the KDC's clock and ours, as a decrypted reply has told it.
    #[must_use]
    pub(crate) fn with_clock(mut self, clock: ClockOffset) -> Self {
        self.clock = clock;
        self
    }

    /// When it ends, by our clock.
    pub(crate) fn ends(&self) -> SystemTime {
        self.clock.ours(self.times.endtime)
    }

    /// From when until when it holds.
    pub(crate) fn lifetime(&self) -> Duration {
        let TicketTimes { starttime, endtime, .. } = self.times;
        Duration::from_secs(endtime.unix().saturating_sub(starttime.unix()))
    }

    /// The realm that it gets further tickets in, if it is for that.
    pub(crate) fn grants_in(&self) -> Option<&str> {
        match self.server.name.name_string.as_slice() {
            [service, realm] if service == "krbtgt" => Some(realm),
            _ => None,
        }
    }

    pub(super) fn keys_for_kdc(&self) -> &KeysForKdc {
        self.keys_for_kdc.get_or_init(|| {
            Box::new(KeysForKdc {
                checksum: self.session_key.for_checksums(KeyUsage::TGS_REQ_CHECKSUM),
                authenticator: self.session_key.for_messages(KeyUsage::TGS_REQ_AUTHENTICATOR),
            })
        })
    }

    pub(super) fn keys_for_service(&self) -> &KeysForService {
        self.keys_for_service.get_or_init(|| {
            Box::new(KeysForService {
                authenticator: self.session_key.for_messages(KeyUsage::AP_REQ_AUTHENTICATOR),
                reply: self.session_key.for_messages(KeyUsage::AP_REP),
            })
        })
    }
}

impl fmt::Debug for GrantedTicket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GrantedTicket")
            .field("client", &format_args!("{}", self.client))
            .field("server", &format_args!("{}", self.server))
            .field("times", &self.times)
            .field("clock", &self.clock)
            .finish_non_exhaustive()
    }
}
