//! Requests to a KDC.

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    EncryptedData, KerberosTime, Message, PaData, PrincipalName, Ticket, read_any_sequence, read_type,
    read_version,
};

/// Which of the two exchanges with a KDC a message belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exchange {
    /// The first ticket, by a password or key.
    AuthenticationService,
    /// Further tickets, by the first.
    TicketGranting,
}

impl Exchange {
    /// The type of its requests, and the number of their tag.
    pub(super) fn request(self) -> u8 {
        match self {
            Self::AuthenticationService => 10,
            Self::TicketGranting => 12,
        }
    }

    /// The type of its replies, and the number of their tag.
    pub(super) fn reply(self) -> u8 {
        match self {
            Self::AuthenticationService => 11,
            Self::TicketGranting => 13,
        }
    }

    /// The number of the tag of its replies' encrypted parts.
    pub(super) fn encrypted_part(self) -> u8 {
        match self {
            Self::AuthenticationService => 25,
            Self::TicketGranting => 26,
        }
    }

    /// The exchange whose tag comes next, by what `number` says of it.
    pub(super) fn next(reader: &Reader<'_>, number: impl Fn(Self) -> u8) -> Result<Self, Malformed> {
        let is_next = |exchange: &Self| reader.peek() == Some(crate::der::application(number(*exchange)));
        let exchanges = [Self::AuthenticationService, Self::TicketGranting];
        exchanges.into_iter().find(is_next).ok_or_else(|| reader.malformed("a message of another type"))
    }
}

/// AS-REQ or TGS-REQ (RFC 4120, section 5.4.1).
///
/// ```asn1
/// KDC-REQ ::= SEQUENCE { pvno [1] INTEGER (5), msg-type [2] INTEGER (10 | 12),
///     padata [3] SEQUENCE OF PA-DATA OPTIONAL, req-body [4] KDC-REQ-BODY }
/// AS-REQ ::= [APPLICATION 10] KDC-REQ    TGS-REQ ::= [APPLICATION 12] KDC-REQ
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KdcReq<'a> {
    pub(crate) exchange: Exchange,
    /// None where it is left out.
    pub(crate) padata: Vec<PaData<'a>>,
    /// A [`KdcReqBody`] as it is encoded, over which a TGS-REQ has a checksum. It is one: decoding has looked.
    pub(crate) req_body: &'a [u8],
}

impl<'a> Message<'a> for KdcReq<'a> {
    const NAME: &'static str = "KDC-REQ";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        let exchange = Exchange::next(reader, Exchange::request)?;
        reader.application(exchange.request(), |fields| {
            fields.field(1, "no pvno", read_version)?;
            fields.field(2, "no msg-type", |field| read_type(field, exchange.request()))?;
            Ok(Self {
                exchange,
                padata: fields.optional_field(3, Vec::read)?.unwrap_or_default(),
                req_body: fields.field(4, "no req-body", |field| field.encoded(KdcReqBody::read))?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(self.exchange.request(), |fields| {
            fields.field(1, |field| field.integer(super::VERSION));
            fields.field(2, |field| field.integer(self.exchange.request()));
            if !self.padata.is_empty() {
                fields.field(3, |field| self.padata.write(field));
            }
            fields.field(4, |field| field.encoded(self.req_body));
        });
    }

    fn room(&self) -> usize {
        self.padata.room() + self.req_body.len()
    }
}

/// What is asked for (RFC 4120, section 5.4.1).
///
/// ```asn1
/// KDC-REQ-BODY ::= SEQUENCE { kdc-options [0] KDCOptions, cname [1] PrincipalName OPTIONAL, realm [2] Realm,
///     sname [3] PrincipalName OPTIONAL, from [4] KerberosTime OPTIONAL, till [5] KerberosTime,
///     rtime [6] KerberosTime OPTIONAL, nonce [7] UInt32, etype [8] SEQUENCE OF Int32,
///     addresses [9] HostAddresses OPTIONAL, enc-authorization-data [10] EncryptedData OPTIONAL,
///     additional-tickets [11] SEQUENCE OF Ticket OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KdcReqBody<'a> {
    pub(crate) kdc_options: u32,
    /// In an AS-REQ only.
    pub(crate) cname: Option<PrincipalName>,
    /// The service's realm, in an AS-REQ the client's too.
    pub(crate) realm: String,
    pub(crate) sname: Option<PrincipalName>,
    pub(crate) from: Option<KerberosTime>,
    pub(crate) till: KerberosTime,
    pub(crate) rtime: Option<KerberosTime>,
    pub(crate) nonce: u32,
    /// Numbers of encryption types, the most wanted first.
    pub(crate) etype: Vec<i32>,
    /// As it is encoded.
    pub(crate) addresses: Option<&'a [u8]>,
    pub(crate) enc_authorization_data: Option<EncryptedData<'a>>,
    /// As it is encoded.
    pub(crate) additional_tickets: Option<&'a [u8]>,
}

impl<'a> Message<'a> for KdcReqBody<'a> {
    const NAME: &'static str = "KDC-REQ-BODY";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            Ok(Self {
                kdc_options: fields.field(0, "no kdc-options", Reader::flags)?,
                cname: fields.optional_field(1, PrincipalName::read)?,
                realm: fields.field(2, "no realm", Reader::general_string)?,
                sname: fields.optional_field(3, PrincipalName::read)?,
                from: fields.optional_field(4, KerberosTime::read)?,
                till: fields.field(5, "no till", KerberosTime::read)?,
                rtime: fields.optional_field(6, KerberosTime::read)?,
                nonce: fields.field(7, "no nonce", Reader::uint32)?,
                etype: fields.field(8, "no etype", |field| field.sequence_of(Reader::int32))?,
                addresses: fields.optional_field(9, read_any_sequence)?,
                enc_authorization_data: fields.optional_field(10, EncryptedData::read)?,
                additional_tickets: fields
                    .optional_field(11, |field| field.encoded(Vec::<Ticket<'_>>::read))?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(0, |field| field.flags(self.kdc_options));
            fields.optional_field(1, self.cname.as_ref(), |field, name| name.write(field));
            fields.field(2, |field| field.general_string(&self.realm));
            fields.optional_field(3, self.sname.as_ref(), |field, name| name.write(field));
            fields.optional_field(4, self.from, |field, time| time.write(field));
            fields.field(5, |field| self.till.write(field));
            fields.optional_field(6, self.rtime, |field, time| time.write(field));
            fields.field(7, |field| field.integer(self.nonce));
            fields.field(8, |field| field.sequence_of(&self.etype, |types, etype| types.integer(*etype)));
            fields.optional_field(9, self.addresses, Writer::encoded);
            fields.optional_field(10, self.enc_authorization_data, |field, data| data.write(field));
            fields.optional_field(11, self.additional_tickets, Writer::encoded);
        });
    }

    fn room(&self) -> usize {
        self.additional_tickets.map_or(0, <[u8]>::len)
    }
}
