//! What goes with a request to a KDC and its answers: preauthentication data (RFC 4120, section 5.2.7).

use crate::der::{GENERAL_STRING, Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{KerberosTime, Message, read_microseconds};

/// An AP-REQ in a TGS-REQ.
pub(crate) const PA_TGS_REQ: i32 = 1;
/// An encrypted timestamp: EncryptedData of a [`PaEncTsEnc`]. In a KDC's error it is empty.
pub(crate) const PA_ENC_TIMESTAMP: i32 = 2;
/// A certificate in place of a password (RFC 4556).
#[cfg(test)]
pub(crate) const PA_PK_AS_REQ: i32 = 16;
/// What to make the key of a password with: ETYPE-INFO2.
pub(crate) const PA_ETYPE_INFO2: i32 = 19;
/// What a KDC wants to have back in the next request (RFC 6113, section 5.2).
pub(crate) const PA_FX_COOKIE: i32 = 133;
/// In a request, empty: the client knows encrypted-pa-data. In that of the reply, a Checksum over the request (RFC 6806,
/// section 11).
pub(crate) const PA_REQ_ENC_PA_REP: i32 = 149;

/// One of them. A SEQUENCE OF them is METHOD-DATA, what an error says preauthentication can be made with.
///
/// ```asn1
/// PA-DATA ::= SEQUENCE { padata-type [1] Int32, padata-value [2] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaData<'a> {
    pub(crate) padata_type: i32,
    pub(crate) padata_value: &'a [u8],
}

impl<'a> PaData<'a> {
    /// The value of the first one with this type.
    pub(crate) fn find(padata: &[PaData<'a>], padata_type: i32) -> Option<&'a [u8]> {
        padata.iter().find(|padata| padata.padata_type == padata_type).map(|padata| padata.padata_value)
    }
}

impl<'a> Message<'a> for PaData<'a> {
    const NAME: &'static str = "PA-DATA";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                padata_type: fields.field(1, "no padata-type", Reader::int32)?,
                padata_value: fields.field(2, "no padata-value", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(1, |field| field.integer(self.padata_type));
            fields.field(2, |field| field.octet_string(self.padata_value));
        });
    }

    fn room(&self) -> usize {
        self.padata_value.len() + 32
    }
}

/// What proves a password to a KDC: the present, encrypted (RFC 4120, section 5.2.7.2).
///
/// ```asn1
/// PA-ENC-TS-ENC ::= SEQUENCE { patimestamp [0] KerberosTime, pausec [1] Microseconds OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaEncTsEnc {
    pub(crate) patimestamp: KerberosTime,
    pub(crate) pausec: Option<u32>,
}

impl Message<'_> for PaEncTsEnc {
    const NAME: &'static str = "PA-ENC-TS-ENC";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                patimestamp: fields.field(0, "no patimestamp", KerberosTime::read)?,
                pausec: fields.optional_field(1, read_microseconds)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| self.patimestamp.write(field));
            fields.optional_field(1, self.pausec, Writer::integer);
        });
    }
}

/// An encryption type, and how the key is made of a password (RFC 4120, section 5.2.7.5). A SEQUENCE OF them is ETYPE-INFO2.
///
/// ```asn1
/// ETYPE-INFO2-ENTRY ::= SEQUENCE { etype [0] Int32, salt [1] KerberosString OPTIONAL,
///     s2kparams [2] OCTET STRING OPTIONAL }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EtypeInfo2Entry<'a> {
    /// The number of the encryption type, which may be one that is not supported.
    pub(crate) etype: i32,
    /// Without one the salt is made of the realm and the name.
    pub(crate) salt: Option<&'a [u8]>,
    /// Four octets of iterations, for the types that are supported here.
    pub(crate) s2kparams: Option<&'a [u8]>,
}

impl<'a> Message<'a> for EtypeInfo2Entry<'a> {
    const NAME: &'static str = "ETYPE-INFO2";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                etype: fields.field(0, "no etype", Reader::int32)?,
                salt: fields.optional_field(1, |field| field.value(GENERAL_STRING))?,
                s2kparams: fields.optional_field(2, Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.etype));
            fields.optional_field(1, self.salt, |field, salt| field.value(GENERAL_STRING, salt));
            fields.optional_field(2, self.s2kparams, Writer::octet_string);
        });
    }
}
