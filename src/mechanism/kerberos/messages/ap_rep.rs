//! What a server proves itself with.

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    EncryptedData, EncryptionKey, KerberosTime, Message, read_microseconds, read_type, read_version,
};

const TYPE: u8 = 15;

/// AP-REP: proof that the server has read the ticket (RFC 4120, section 5.5.2).
///
/// ```asn1
/// AP-REP ::= [APPLICATION 15] SEQUENCE { pvno [0] INTEGER (5), msg-type [1] INTEGER (15),
///     enc-part [2] EncryptedData -- EncAPRepPart -- }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ApRep<'a> {
    /// An [`EncApRepPart`], by the ticket's session key.
    pub(crate) enc_part: EncryptedData<'a>,
}

impl<'a> Message<'a> for ApRep<'a> {
    const NAME: &'static str = "AP-REP";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(TYPE, |fields| {
            fields.field(0, "no pvno", read_version)?;
            fields.field(1, "no msg-type", |field| read_type(field, TYPE))?;
            Ok(Self { enc_part: fields.field(2, "no enc-part", EncryptedData::read)? })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(TYPE, |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.integer(TYPE));
            fields.field(2, |field| self.enc_part.write(field));
        });
    }

    fn room(&self) -> usize {
        self.enc_part.room()
    }
}

/// The Authenticator's time, sent back (RFC 4120, section 5.5.2).
///
/// ```asn1
/// EncAPRepPart ::= [APPLICATION 27] SEQUENCE { ctime [0] KerberosTime, cusec [1] Microseconds,
///     subkey [2] EncryptionKey OPTIONAL, seq-number [3] UInt32 OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EncApRepPart<'a> {
    pub(crate) ctime: KerberosTime,
    pub(crate) cusec: u32,
    /// The acceptor's subkey, which MIC tokens are made with from here on.
    pub(crate) subkey: Option<EncryptionKey<'a>>,
    /// What the server's MIC tokens count from.
    pub(crate) seq_number: Option<u32>,
}

impl<'a> Message<'a> for EncApRepPart<'a> {
    const NAME: &'static str = "EncAPRepPart";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(27, |fields| {
            Ok(Self {
                ctime: fields.field(0, "no ctime", KerberosTime::read)?,
                cusec: fields.field(1, "no cusec", read_microseconds)?,
                subkey: fields.optional_field(2, EncryptionKey::read)?,
                seq_number: fields.optional_field(3, Reader::uint32)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(27, |fields| {
            fields.field(0, |field| self.ctime.write(field));
            fields.field(1, |field| field.integer(self.cusec));
            fields.optional_field(2, self.subkey, |field, key| key.write(field));
            fields.optional_field(3, self.seq_number, Writer::integer);
        });
    }
}
