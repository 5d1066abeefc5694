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
pub(crate) mod pa_data;
mod principal;
#[cfg(test)]
mod tests;
mod ticket;

use std::fmt;

pub(crate) use ap_rep::{ApRep, EncApRepPart};
pub(crate) use ap_req::{ApReq, Authenticator};
pub(crate) use authorization_data::{AD_IF_RELEVANT, AuthorizationData};
pub(crate) use encrypted::{Checksum, EncryptedData, EncryptionKey, Unreadable};
pub(crate) use kdc_rep::{EncKdcRepPart, KdcRep, LastReq};
pub(crate) use kdc_req::{Exchange, KdcReq, KdcReqBody};
pub(crate) use krb_error::KrbError;
pub(crate) use pa_data::{EtypeInfo2Entry, PaData, PaEncTsEnc};
pub(crate) use principal::PrincipalName;
pub(crate) use ticket::{EncTicketPart, Ticket, TransitedEncoding};

pub(crate) use crate::der::GeneralizedTime as KerberosTime;
use crate::der::{Malformed, Reader, Writer};

/// The protocol's version (`pvno`, `tkt-vno`, `authenticator-vno`).
const VERSION: i32 = 5;

/// A message, or a value that is encoded on its own.
pub(crate) trait Message<'a>: Sized {
    /// Its name in the RFC, for errors.
    const NAME: &'static str;

    /// Reads the next value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed>;

    /// Writes it.
    fn write(&self, writer: &mut Writer);

    /// Octets that its borrowed parts take up. What holds keys has room from the start, so that no copy of them is left
    /// behind where a buffer had to grow.
    fn room(&self) -> usize {
        0
    }

    /// Decodes what holds this and nothing else.
    ///
    /// # Errors
    ///
    /// [`MalformedMessage`], which says what is wrong and where.
    fn decode(octets: &'a [u8]) -> Result<Self, MalformedMessage> {
        let decoded = Reader::new(octets).and_then(|mut reader| {
            let message = Self::read(&mut reader)?;
            reader.finish()?;
            Ok(message)
        });
        decoded.map_err(|malformed| MalformedMessage { message: Self::NAME, malformed })
    }

    /// Its octets.
    fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_room(1024 + self.room());
        self.write(&mut writer);
        writer.finish()
    }
}

/// A SEQUENCE OF messages.
impl<'a, M: Message<'a>> Message<'a> for Vec<M> {
    const NAME: &'static str = M::NAME;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence_of(M::read)
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence_of(self, |writer, item| item.write(writer));
    }

    fn room(&self) -> usize {
        self.iter().map(M::room).sum()
    }
}

/// What is no message of the kind that was expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MalformedMessage {
    /// The message's name.
    pub(crate) message: &'static str,
    /// What is wrong, and where.
    pub(crate) malformed: Malformed,
}

impl fmt::Display for MalformedMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "malformed {}: {}", self.message, self.malformed)
    }
}

impl std::error::Error for MalformedMessage {}

/// Reads the version, which has to be 5.
fn read_version(reader: &mut Reader<'_>) -> Result<(), Malformed> {
    match reader.int32()? {
        VERSION => Ok(()),
        _ => Err(reader.malformed("another version than 5")),
    }
}

/// Reads a message's type, which has to be the one that its tag says.
fn read_type(reader: &mut Reader<'_>, number: u8) -> Result<(), Malformed> {
    match reader.int32()? {
        found if found == i32::from(number) => Ok(()),
        _ => Err(reader.malformed("another msg-type than its tag says")),
    }
}

/// Reads `Microseconds ::= INTEGER (0..999999)`.
fn read_microseconds(reader: &mut Reader<'_>) -> Result<u32, Malformed> {
    match reader.integer()? {
        number @ 0..=999_999 => Ok(number as u32),
        _ => Err(reader.malformed("microseconds out of range")),
    }
}

/// Reads any SEQUENCE without looking into it, such as addresses.
fn read_any_sequence<'a>(reader: &mut Reader<'a>) -> Result<&'a [u8], Malformed> {
    reader.encoded(|reader| reader.value(crate::der::SEQUENCE))
}
