//! What a client shows a server.

use std::borrow::Cow;

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    AuthorizationData, Checksum, EncryptedData, EncryptionKey, KerberosTime, Message, PrincipalName, Ticket,
    read_microseconds, read_type, read_version,
};

const TYPE: u8 = 14;

/// AP-REQ: a ticket, and proof of its session key (RFC 4120, section 5.5.1).
///
/// ```asn1
/// AP-REQ ::= [APPLICATION 14] SEQUENCE { pvno [0] INTEGER (5), msg-type [1] INTEGER (14),
///     ap-options [2] APOptions, ticket [3] Ticket, authenticator [4] EncryptedData -- Authenticator -- }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApReq<'a> {
    pub(crate) ap_options: u32,
    /// A [`Ticket`] as it is encoded. It is one: decoding has looked.
    pub(crate) ticket: &'a [u8],
    /// An [`Authenticator`], by the ticket's session key.
    pub(crate) authenticator: EncryptedData<'a>,
}

impl<'a> Message<'a> for ApReq<'a> {
    const NAME: &'static str = "AP-REQ";

    const FIXED: usize = 128;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(TYPE, |fields| {
            fields.field(0, "no pvno", read_version)?;
            fields.field(1, "no msg-type", |field| read_type(field, TYPE))?;
            Ok(Self {
                ap_options: fields.field(2, "no ap-options", Reader::flags)?,
                ticket: fields.field(3, "no ticket", |field| field.encoded(Ticket::read))?,
                authenticator: fields.field(4, "no authenticator", EncryptedData::read)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application_about(TYPE, self.room(), |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.integer(TYPE));
            fields.field(2, |field| field.flags(self.ap_options));
            fields.encoded_field(3, self.ticket);
            fields.field(4, |field| self.authenticator.write(field));
        });
    }

    fn room(&self) -> usize {
        self.ticket.len() + self.authenticator.room()
    }
}

/// Who shows a ticket, and when (RFC 4120, section 5.5.1).
///
/// ```asn1
/// Authenticator ::= [APPLICATION 2] SEQUENCE { authenticator-vno [0] INTEGER (5), crealm [1] Realm,
///     cname [2] PrincipalName, cksum [3] Checksum OPTIONAL, cusec [4] Microseconds, ctime [5] KerberosTime,
///     subkey [6] EncryptionKey OPTIONAL, seq-number [7] UInt32 OPTIONAL,
///     authorization-data [8] AuthorizationData OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Authenticator<'a> {
    pub(crate) crealm: Cow<'a, str>,
    pub(crate) cname: Cow<'a, PrincipalName>,
    /// In a TGS-REQ over its body; in GSS-API of type 0x8003.
    pub(crate) cksum: Option<Checksum<'a>>,
    pub(crate) cusec: u32,
    pub(crate) ctime: KerberosTime,
    pub(crate) subkey: Option<EncryptionKey<'a>>,
    /// What the client's MIC tokens count from.
    pub(crate) seq_number: Option<u32>,
    /// None where it is left out.
    pub(crate) authorization_data: Vec<AuthorizationData<'a>>,
}

impl<'a> Message<'a> for Authenticator<'a> {
    const NAME: &'static str = "Authenticator";

    const FIXED: usize = 256;

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(2, |fields| {
            fields.field(0, "no authenticator-vno", read_version)?;
            Ok(Self {
                crealm: fields.field(1, "no crealm", Reader::general_string)?.into(),
                cname: Cow::Owned(fields.field(2, "no cname", PrincipalName::read)?),
                cksum: fields.optional_field(3, Checksum::read)?,
                cusec: fields.field(4, "no cusec", read_microseconds)?,
                ctime: fields.field(5, "no ctime", KerberosTime::read)?,
                subkey: fields.optional_field(6, EncryptionKey::read)?,
                seq_number: fields.optional_field(7, Reader::uint32)?,
                authorization_data: fields.optional_field(8, Vec::read)?.unwrap_or_default(),
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        // With a subkey it is longer than 127 octets, and mostly shorter than 256.
        writer.application_about(2, 0x80, |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.general_string(&self.crealm));
            fields.field(2, |field| self.cname.write(field));
            fields.optional_field(3, self.cksum, |field, checksum| checksum.write(field));
            fields.field(4, |field| field.integer(self.cusec));
            fields.field(5, |field| self.ctime.write(field));
            fields.optional_field(6, self.subkey, |field, key| key.write(field));
            fields.optional_field(7, self.seq_number, Writer::integer);
            if !self.authorization_data.is_empty() {
                fields.field(8, |field| self.authorization_data.write(field));
            }
        });
    }

    fn room(&self) -> usize {
        self.crealm.len()
            + self.cname.room()
            + self.authorization_data.room()
            + self.cksum.map_or(0, |checksum| checksum.checksum.len())
    }
}
