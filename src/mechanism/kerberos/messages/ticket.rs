//! Tickets.

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    AuthorizationData, EncryptedData, EncryptionKey, KerberosTime, Message, PrincipalName, read_any_sequence,
    read_version,
};

/// A ticket, of which only its service can read the encrypted part (RFC 4120, section 5.3).
///
/// ```asn1
/// Ticket ::= [APPLICATION 1] SEQUENCE { tkt-vno [0] INTEGER (5), realm [1] Realm, sname [2] PrincipalName,
///     enc-part [3] EncryptedData -- EncTicketPart -- }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ticket<'a> {
    /// The service's realm.
    pub(crate) realm: String,
    /// The service.
    pub(crate) sname: PrincipalName,
    /// An [`EncTicketPart`], by the service's key.
    pub(crate) enc_part: EncryptedData<'a>,
}

impl<'a> Message<'a> for Ticket<'a> {
    const NAME: &'static str = "Ticket";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(1, |fields| {
            fields.field(0, "no tkt-vno", read_version)?;
            Ok(Self {
                realm: fields.field(1, "no realm", Reader::general_string)?,
                sname: fields.field(2, "no sname", PrincipalName::read)?,
                enc_part: fields.field(3, "no enc-part", EncryptedData::read)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(1, |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.general_string(&self.realm));
            fields.field(2, |field| self.sname.write(field));
            fields.field(3, |field| self.enc_part.write(field));
        });
    }

    fn room(&self) -> usize {
        self.enc_part.room()
    }
}

/// What a KDC tells a service about the client (RFC 4120, section 5.3).
///
/// ```asn1
/// EncTicketPart ::= [APPLICATION 3] SEQUENCE { flags [0] TicketFlags, key [1] EncryptionKey, crealm [2] Realm,
///     cname [3] PrincipalName, transited [4] TransitedEncoding, authtime [5] KerberosTime,
///     starttime [6] KerberosTime OPTIONAL, endtime [7] KerberosTime, renew-till [8] KerberosTime OPTIONAL,
///     caddr [9] HostAddresses OPTIONAL, authorization-data [10] AuthorizationData OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncTicketPart<'a> {
    pub(crate) flags: u32,
    /// The session key.
    pub(crate) key: EncryptionKey<'a>,
    pub(crate) crealm: String,
    pub(crate) cname: PrincipalName,
    pub(crate) transited: TransitedEncoding<'a>,
    pub(crate) authtime: KerberosTime,
    pub(crate) starttime: Option<KerberosTime>,
    pub(crate) endtime: KerberosTime,
    pub(crate) renew_till: Option<KerberosTime>,
    /// As it is encoded.
    pub(crate) caddr: Option<&'a [u8]>,
    /// None where it is left out.
    pub(crate) authorization_data: Vec<AuthorizationData<'a>>,
}

impl<'a> Message<'a> for EncTicketPart<'a> {
    const NAME: &'static str = "EncTicketPart";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(3, |fields| {
            Ok(Self {
                flags: fields.field(0, "no flags", Reader::flags)?,
                key: fields.field(1, "no key", EncryptionKey::read)?,
                crealm: fields.field(2, "no crealm", Reader::general_string)?,
                cname: fields.field(3, "no cname", PrincipalName::read)?,
                transited: fields.field(4, "no transited", TransitedEncoding::read)?,
                authtime: fields.field(5, "no authtime", KerberosTime::read)?,
                starttime: fields.optional_field(6, KerberosTime::read)?,
                endtime: fields.field(7, "no endtime", KerberosTime::read)?,
                renew_till: fields.optional_field(8, KerberosTime::read)?,
                caddr: fields.optional_field(9, read_any_sequence)?,
                authorization_data: fields.optional_field(10, Vec::read)?.unwrap_or_default(),
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(3, |fields| {
            fields.field(0, |field| field.flags(self.flags));
            fields.field(1, |field| self.key.write(field));
            fields.field(2, |field| field.general_string(&self.crealm));
            fields.field(3, |field| self.cname.write(field));
            fields.field(4, |field| self.transited.write(field));
            fields.field(5, |field| self.authtime.write(field));
            fields.optional_field(6, self.starttime, |field, time| time.write(field));
            fields.field(7, |field| self.endtime.write(field));
            fields.optional_field(8, self.renew_till, |field, time| time.write(field));
            fields.optional_field(9, self.caddr, Writer::encoded);
            if !self.authorization_data.is_empty() {
                fields.field(10, |field| self.authorization_data.write(field));
            }
        });
    }

    fn room(&self) -> usize {
        self.authorization_data.room()
    }
}

/// The realms between client and service (RFC 4120, section 5.3).
///
/// ```asn1
/// TransitedEncoding ::= SEQUENCE { tr-type [0] Int32, contents [1] OCTET STRING }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransitedEncoding<'a> {
    pub(crate) tr_type: i32,
    pub(crate) contents: &'a [u8],
}

impl TransitedEncoding<'_> {
    /// No realms: what both are in is one, or two that trust each other.
    pub(crate) const NONE: Self = Self { tr_type: 1, contents: b"" };
}

impl<'a> Message<'a> for TransitedEncoding<'a> {
    const NAME: &'static str = "TransitedEncoding";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                tr_type: fields.field(0, "no tr-type", Reader::int32)?,
                contents: fields.field(1, "no contents", Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.tr_type));
            fields.field(1, |field| field.octet_string(self.contents));
        });
    }
}
