//! Replies of a KDC.

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    EncryptedData, EncryptionKey, Exchange, KerberosTime, Message, PaData, PrincipalName, Ticket,
    read_any_sequence, read_type, read_version,
};

/// AS-REP or TGS-REP (RFC 4120, section 5.4.2).
///
/// ```asn1
/// KDC-REP ::= SEQUENCE { pvno [0] INTEGER (5), msg-type [1] INTEGER (11 | 13),
///     padata [2] SEQUENCE OF PA-DATA OPTIONAL, crealm [3] Realm, cname [4] PrincipalName, ticket [5] Ticket,
///     enc-part [6] EncryptedData }
/// AS-REP ::= [APPLICATION 11] KDC-REP    TGS-REP ::= [APPLICATION 13] KDC-REP
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KdcRep<'a> {
    pub(crate) exchange: Exchange,
    /// None where it is left out.
    pub(crate) padata: Vec<PaData<'a>>,
    pub(crate) crealm: String,
    pub(crate) cname: PrincipalName,
    /// A [`Ticket`] as it is encoded, to be sent on like that. It is one: decoding has looked.
    pub(crate) ticket: &'a [u8],
    /// An [`EncKdcRepPart`].
    pub(crate) enc_part: EncryptedData<'a>,
}

impl<'a> Message<'a> for KdcRep<'a> {
    const NAME: &'static str = "KDC-REP";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let exchange = Exchange::next(reader, Exchange::reply)?;
        reader.application(exchange.reply(), |fields| {
            fields.field(0, "no pvno", read_version)?;
            fields.field(1, "no msg-type", |field| read_type(field, exchange.reply()))?;
            Ok(Self {
                exchange,
                padata: fields.optional_field(2, Vec::read)?.unwrap_or_default(),
                crealm: fields.field(3, "no crealm", Reader::general_string)?,
                cname: fields.field(4, "no cname", PrincipalName::read)?,
                ticket: fields.field(5, "no ticket", |field| field.encoded(Ticket::read))?,
                enc_part: fields.field(6, "no enc-part", EncryptedData::read)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(self.exchange.reply(), |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.integer(self.exchange.reply()));
            if !self.padata.is_empty() {
                fields.field(2, |field| self.padata.write(field));
            }
            fields.field(3, |field| field.general_string(&self.crealm));
            fields.field(4, |field| self.cname.write(field));
            fields.field(5, |field| field.encoded(self.ticket));
            fields.field(6, |field| self.enc_part.write(field));
        });
    }

    fn room(&self) -> usize {
        self.padata.room() + self.ticket.len() + self.enc_part.room()
    }
}

/// What a KDC tells a client about its ticket (RFC 4120, section 5.4.2; RFC 6806, section 11).
///
/// ```asn1
/// EncKDCRepPart ::= SEQUENCE { key [0] EncryptionKey, last-req [1] LastReq, nonce [2] UInt32,
///     key-expiration [3] KerberosTime OPTIONAL, flags [4] TicketFlags, authtime [5] KerberosTime,
///     starttime [6] KerberosTime OPTIONAL, endtime [7] KerberosTime, renew-till [8] KerberosTime OPTIONAL,
///     srealm [9] Realm, sname [10] PrincipalName, caddr [11] HostAddresses OPTIONAL,
///     encrypted-pa-data [12] SEQUENCE OF PA-DATA OPTIONAL }
/// EncASRepPart ::= [APPLICATION 25] EncKDCRepPart    EncTGSRepPart ::= [APPLICATION 26] EncKDCRepPart
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct EncKdcRepPart<'a> {
    /// What the tag says. MIT's KDC says [`TicketGranting`](Exchange::TicketGranting) in an AS-REP as well, so nothing
    /// follows from it.
    pub(crate) exchange: Exchange,
    /// The session key.
    pub(crate) key: EncryptionKey<'a>,
    pub(crate) last_req: Vec<LastReq>,
    /// The request's.
    pub(crate) nonce: u32,
    /// When the password expires.
    pub(crate) key_expiration: Option<KerberosTime>,
    pub(crate) flags: u32,
    pub(crate) authtime: KerberosTime,
    pub(crate) starttime: Option<KerberosTime>,
    pub(crate) endtime: KerberosTime,
    pub(crate) renew_till: Option<KerberosTime>,
    pub(crate) srealm: String,
    pub(crate) sname: PrincipalName,
    /// As it is encoded.
    pub(crate) caddr: Option<&'a [u8]>,
    /// None where it is left out.
    pub(crate) encrypted_pa_data: Vec<PaData<'a>>,
}

impl<'a> Message<'a> for EncKdcRepPart<'a> {
    const NAME: &'static str = "EncKDCRepPart";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let exchange = Exchange::next(reader, Exchange::encrypted_part)?;
        reader.application(exchange.encrypted_part(), |fields| {
            Ok(Self {
                exchange,
                key: fields.field(0, "no key", EncryptionKey::read)?,
                last_req: fields.field(1, "no last-req", Vec::read)?,
                nonce: fields.field(2, "no nonce", Reader::uint32)?,
                key_expiration: fields.optional_field(3, KerberosTime::read)?,
                flags: fields.field(4, "no flags", Reader::flags)?,
                authtime: fields.field(5, "no authtime", KerberosTime::read)?,
                starttime: fields.optional_field(6, KerberosTime::read)?,
                endtime: fields.field(7, "no endtime", KerberosTime::read)?,
                renew_till: fields.optional_field(8, KerberosTime::read)?,
                srealm: fields.field(9, "no srealm", Reader::general_string)?,
                sname: fields.field(10, "no sname", PrincipalName::read)?,
                caddr: fields.optional_field(11, read_any_sequence)?,
                encrypted_pa_data: fields.optional_field(12, Vec::read)?.unwrap_or_default(),
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(self.exchange.encrypted_part(), |fields| {
            fields.field(0, |field| self.key.write(field));
            fields.field(1, |field| self.last_req.write(field));
            fields.field(2, |field| field.integer(self.nonce));
            fields.optional_field(3, self.key_expiration, |field, time| time.write(field));
            fields.field(4, |field| field.flags(self.flags));
            fields.field(5, |field| self.authtime.write(field));
            fields.optional_field(6, self.starttime, |field, time| time.write(field));
            fields.field(7, |field| self.endtime.write(field));
            fields.optional_field(8, self.renew_till, |field, time| time.write(field));
            fields.field(9, |field| field.general_string(&self.srealm));
            fields.field(10, |field| self.sname.write(field));
            fields.optional_field(11, self.caddr, Writer::encoded);
            if !self.encrypted_pa_data.is_empty() {
                fields.field(12, |field| self.encrypted_pa_data.write(field));
            }
        });
    }

    fn room(&self) -> usize {
        self.encrypted_pa_data.room()
    }
}

/// When something last happened to the account (RFC 4120, section 5.4.2). A SEQUENCE OF them is LastReq.
///
/// ```asn1
/// LastReq ::= SEQUENCE OF SEQUENCE { lr-type [0] Int32, lr-value [1] KerberosTime }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct LastReq {
    pub(crate) lr_type: i32,
    pub(crate) lr_value: KerberosTime,
}

impl Message<'_> for LastReq {
    const NAME: &'static str = "LastReq";

    fn read(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                lr_type: fields.field(0, "no lr-type", Reader::int32)?,
                lr_value: fields.field(1, "no lr-value", KerberosTime::read)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.integer(self.lr_type));
            fields.field(1, |field| self.lr_value.write(field));
        });
    }
}
