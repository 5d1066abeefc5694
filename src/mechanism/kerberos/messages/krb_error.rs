//! What a KDC or a server refuses with. Nothing of it is authenticated.

use crate::der::{GENERAL_STRING, Malformed, Reader, Writer};
use crate::mechanism::kerberos::messages::{
    KerberosTime, Message, PrincipalName, read_microseconds, read_type, read_version,
};

const TYPE: u8 = 30;

/// The account is past its end.
pub(crate) const KDC_ERR_NAME_EXPIRED: i32 = 1;
/// The user is not in the KDC's database.
pub(crate) const KDC_ERR_C_PRINCIPAL_UNKNOWN: i32 = 6;
/// The service is not in the KDC's database.
pub(crate) const KDC_ERR_S_PRINCIPAL_UNKNOWN: i32 = 7;
/// The ticket would have ended before it began.
pub(crate) const KDC_ERR_NEVER_VALID: i32 = 11;
/// The KDC's policy forbids what was asked for.
pub(crate) const KDC_ERR_POLICY: i32 = 12;
/// No encryption type that was asked for is possible for this account.
pub(crate) const KDC_ERR_ETYPE_NOSUPP: i32 = 14;
/// The request lacks what shows who makes it.
pub(crate) const KDC_ERR_PADATA_TYPE_NOSUPP: i32 = 16;
/// The account is locked or disabled.
pub(crate) const KDC_ERR_CLIENT_REVOKED: i32 = 18;
/// The ticket that gets others is not taken any more, such as after a change of the account.
pub(crate) const KDC_ERR_TGT_REVOKED: i32 = 20;
/// The password has expired.
pub(crate) const KDC_ERR_KEY_EXPIRED: i32 = 23;
/// The password is wrong.
pub(crate) const KDC_ERR_PREAUTH_FAILED: i32 = 24;
/// What the KDC wants to see first is in the METHOD-DATA.
pub(crate) const KDC_ERR_PREAUTH_REQUIRED: i32 = 25;
/// The KDC is there, but not what it needs, such as its database.
pub(crate) const KDC_ERR_SVC_UNAVAILABLE: i32 = 29;
/// A key does not fit: with some KDCs a wrong password.
pub(crate) const KRB_AP_ERR_BAD_INTEGRITY: i32 = 31;
/// The ticket has expired.
pub(crate) const KRB_AP_ERR_TKT_EXPIRED: i32 = 32;
/// The ticket is not valid yet.
pub(crate) const KRB_AP_ERR_TKT_NYV: i32 = 33;
/// The server has seen this Authenticator before.
pub(crate) const KRB_AP_ERR_REPEAT: i32 = 34;
/// The ticket is for somebody else.
pub(crate) const KRB_AP_ERR_NOT_US: i32 = 35;
/// The Authenticator is by another client than the ticket.
pub(crate) const KRB_AP_ERR_BADMATCH: i32 = 36;
/// The clocks are too far apart; the error's own time says how far.
pub(crate) const KRB_AP_ERR_SKEW: i32 = 37;
/// The message was changed on its way.
pub(crate) const KRB_AP_ERR_MODIFIED: i32 = 41;
/// The server has no key of the ticket's version.
pub(crate) const KRB_AP_ERR_BADKEYVER: i32 = 44;
/// The Authenticator has no checksum, or one of another type than is wanted.
pub(crate) const KRB_AP_ERR_INAPP_CKSUM: i32 = 50;
/// The reply does not fit into a datagram: ask again over TCP.
pub(crate) const KRB_ERR_RESPONSE_TOO_BIG: i32 = 52;
/// Something else; the text may say what.
pub(crate) const KRB_ERR_GENERIC: i32 = 60;
/// The user is in another realm, which the error names.
pub(crate) const KDC_ERR_WRONG_REALM: i32 = 68;
/// IAKERB: the server knows no KDC for the realm.
pub(crate) const KRB_AP_ERR_IAKERB_KDC_NOT_FOUND: i32 = 85;
/// IAKERB: the realm's KDC does not answer the server.
pub(crate) const KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE: i32 = 86;

/// KRB-ERROR (RFC 4120, section 5.9.1).
///
/// ```asn1
/// KRB-ERROR ::= [APPLICATION 30] SEQUENCE { pvno [0] INTEGER (5), msg-type [1] INTEGER (30),
///     ctime [2] KerberosTime OPTIONAL, cusec [3] Microseconds OPTIONAL, stime [4] KerberosTime,
///     susec [5] Microseconds, error-code [6] Int32, crealm [7] Realm OPTIONAL, cname [8] PrincipalName OPTIONAL,
///     realm [9] Realm, sname [10] PrincipalName, e-text [11] KerberosString OPTIONAL,
///     e-data [12] OCTET STRING OPTIONAL }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct KrbError<'a> {
    pub(crate) ctime: Option<KerberosTime>,
    pub(crate) cusec: Option<u32>,
    /// The clock of whoever refuses.
    pub(crate) stime: KerberosTime,
    pub(crate) susec: u32,
    pub(crate) error_code: i32,
    pub(crate) crealm: Option<String>,
    pub(crate) cname: Option<PrincipalName>,
    pub(crate) realm: String,
    pub(crate) sname: PrincipalName,
    /// Any octets: they have to be made readable before they are shown.
    pub(crate) e_text: Option<&'a [u8]>,
    /// With [`KDC_ERR_PREAUTH_REQUIRED`], and often with [`KDC_ERR_PREAUTH_FAILED`], METHOD-DATA: `Vec<PaData>`.
    pub(crate) e_data: Option<&'a [u8]>,
}

impl<'a> Message<'a> for KrbError<'a> {
    const NAME: &'static str = "KRB-ERROR";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.application(TYPE, |fields| {
            fields.field(0, "no pvno", read_version)?;
            fields.field(1, "no msg-type", |field| read_type(field, TYPE))?;
            Ok(Self {
                ctime: fields.optional_field(2, KerberosTime::read)?,
                cusec: fields.optional_field(3, read_microseconds)?,
                stime: fields.field(4, "no stime", KerberosTime::read)?,
                susec: fields.field(5, "no susec", read_microseconds)?,
                error_code: fields.field(6, "no error-code", Reader::int32)?,
                crealm: fields.optional_field(7, Reader::general_string)?,
                cname: fields.optional_field(8, PrincipalName::read)?,
                realm: fields.field(9, "no realm", Reader::general_string)?,
                sname: fields.field(10, "no sname", PrincipalName::read)?,
                e_text: fields.optional_field(11, |field| field.value(GENERAL_STRING))?,
                e_data: fields.optional_field(12, Reader::octet_string)?,
            })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.application(TYPE, |fields| {
            fields.field(0, |field| field.integer(super::VERSION));
            fields.field(1, |field| field.integer(TYPE));
            fields.optional_field(2, self.ctime, |field, time| time.write(field));
            fields.optional_field(3, self.cusec, Writer::integer);
            fields.field(4, |field| self.stime.write(field));
            fields.field(5, |field| field.integer(self.susec));
            fields.field(6, |field| field.integer(self.error_code));
            fields.optional_field(7, self.crealm.as_deref(), Writer::general_string);
            fields.optional_field(8, self.cname.as_ref(), |field, name| name.write(field));
            fields.field(9, |field| field.general_string(&self.realm));
            fields.field(10, |field| self.sname.write(field));
            fields.optional_field(11, self.e_text, |field, text| field.value(GENERAL_STRING, text));
            fields.optional_field(12, self.e_data, Writer::octet_string);
        });
    }
}
