//! Why a KDC or a service refuses, as the KRB-ERROR that says so.

use std::time::SystemTime;

use crate::mechanism::kerberos::exchange::Principal;
use crate::mechanism::kerberos::messages::krb_error::{KRB_ERR_GENERIC, KRB_ERR_RESPONSE_TOO_BIG};
use crate::mechanism::kerberos::messages::{KerberosTime, KrbError, MalformedMessage, Message};

/// A refusal that has yet to be written.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// One of the numbers in [`krb_error`](crate::mechanism::kerberos::messages::krb_error).
    pub(super) code: i32,
    /// What it says to people.
    pub(super) text: String,
    /// METHOD-DATA, where the refusal has some.
    pub(super) data: Option<Vec<u8>>,
}

impl Refusal {
    pub(super) fn new(code: i32, text: impl Into<String>) -> Self {
        Self { code, text: text.into(), data: None }
    }

    pub(super) fn with_data(mut self, data: Vec<u8>) -> Self {
        self.data = Some(data);
        self
    }

    /// The reply to a datagram does not fit into one.
    pub(crate) fn too_big() -> Self {
        Self::new(KRB_ERR_RESPONSE_TOO_BIG, "the reply does not fit into a datagram")
    }

    /// The KRB-ERROR of this server, at this time by its clock.
    pub(crate) fn message(&self, server: &Principal, now: SystemTime) -> Vec<u8> {
        let (stime, susec) = KerberosTime::of(now);
        KrbError {
            ctime: None,
            cusec: None,
            stime,
            susec,
            error_code: self.code,
            crealm: None,
            cname: None,
            realm: server.realm.clone(),
            sname: server.name.clone(),
            e_text: Some(self.text.as_bytes()),
            e_data: self.data.as_deref(),
        }
        .encode()
    }
}

impl From<MalformedMessage> for Refusal {
    fn from(malformed: MalformedMessage) -> Self {
        Self::new(KRB_ERR_GENERIC, malformed.to_string())
    }
}
