//! What client, KDC and server write to each other, in DER (RFC 4120, section 5).
//!
//! | file | messages |
//! |---|---|
//! | `kdc_req`, `kdc_rep` | AS-REQ and TGS-REQ, AS-REP and TGS-REP |
//! | `ap_req`, `ap_rep` | AP-REQ with its Authenticator, AP-REP |
//! | `krb_error` | KRB-ERROR, and the errors by number |
//! | `ticket` | Ticket, and what only its service reads |
//! | `pa_data` | what goes with a request to a KDC: the encrypted timestamp, ETYPE-INFO2 |
//! | `encrypted`, `principal`, `authorization_data`, `flags` | what these are made of |
//!
//! Decoding is strict: DER, the fields in their order and nothing behind them, as RFC 4120's definitions have no
//! room for more. Octets are borrowed, names are copied. A ticket, and the body of a request, stay as they
//! are encoded: the one is sent on unchanged, and a checksum is made over the other.

mod ap_rep;
mod ap_req;
mod authorization_data;
mod encrypted;
pub(crate) mod flags;
mod kdc_rep;
mod kdc_req;
pub(crate) mod krb_error;
mod message;
pub(crate) mod pa_data;
mod principal;
#[cfg(test)]
mod tests;
mod ticket;

pub(crate) use ap_rep::{ApRep, EncApRepPart};
pub(crate) use ap_req::{ApReq, Authenticator};
pub(crate) use authorization_data::{AD_IF_RELEVANT, AuthorizationData};
pub(crate) use encrypted::{Checksum, EncryptedData, EncryptionKey};
pub(crate) use kdc_rep::{EncKdcRepPart, KdcRep};
pub(crate) use kdc_req::{Exchange, KdcReq, KdcReqBody};
pub(crate) use krb_error::KrbError;
pub(crate) use message::{MalformedMessage, Message};
use message::{VERSION, read_any_sequence, read_microseconds, read_type, read_version};
pub(crate) use pa_data::{EtypeInfo2Entry, PaData, PaEncTsEnc};
pub(crate) use principal::PrincipalName;
pub(crate) use ticket::{EncTicketPart, Ticket, TransitedEncoding};

pub(crate) use crate::der::GeneralizedTime as KerberosTime;
