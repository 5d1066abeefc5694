//! IAKERB: messages to a KDC that the server carries (draft-ietf-kitten-iakerb-03).

use crate::der::{Malformed, Reader, Writer};
use crate::mechanism::MechanismError;
use crate::mechanism::kerberos::gss::{Token, TokenId, defective};
use crate::mechanism::kerberos::messages::{Checksum, Message};
use crate::mechanism::oid;

const UTF8_STRING: u8 = 0x0c;
const OCTET_STRING: u8 = crate::der::OCTET_STRING;

/// What is in front of a message to a KDC or from it.
///
/// ```asn1
/// IAKERB-HEADER ::= SEQUENCE { target-realm [1] UTF8String, cookie [2] OCTET STRING OPTIONAL,
///     header-flags [3] BIT STRING OPTIONAL -- Microsoft's --, ... }
/// ```
///
/// MIT before 1.22 has an OCTET STRING for the realm, and other rules for the rest: an error that says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct IakerbHeader<'a> {
    /// The realm whose KDC is meant; empty where the server is asked for its own.
    pub(crate) target_realm: String,
    /// What the server wants to have back.
    pub(crate) cookie: Option<&'a [u8]>,
}

impl<'a> Message<'a> for IakerbHeader<'a> {
    const NAME: &'static str = "IAKERB-HEADER";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            let target_realm = fields.field(1, "no target-realm", |field| match field.peek() {
                Some(OCTET_STRING) => Err(field.malformed(
                    "a target-realm as MIT Kerberos before 1.22 writes it, whose IAKERB is another protocol",
                )),
                _ => field.text(UTF8_STRING),
            })?;
            let cookie = fields.optional_field(2, Reader::octet_string)?;
            // "..." in the definition, and header-flags.
            while fields.peek().is_some_and(|tag| tag > crate::der::context(2)) {
                fields.skip()?;
            }
            Ok(Self { target_realm, cookie })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| {
            fields.field(1, |field| field.value(UTF8_STRING, self.target_realm.as_bytes()));
            fields.optional_field(2, self.cookie, Writer::octet_string);
        });
    }
}

impl<'a> IakerbHeader<'a> {
    /// A token with this header and a message, which is empty where the server is asked for its realm.
    pub(crate) fn token(&self, message: &[u8]) -> Vec<u8> {
        let body = [&self.encode(), message].concat();
        Token { mechanism: oid::IAKERB, id: TokenId::IakerbProxy, message: &body }.encode()
    }

    /// The header and the message of a token without its frame.
    ///
    /// # Errors
    ///
    /// [`DefectiveToken`](crate::mechanism::ErrorKind::DefectiveToken) if the header is malformed. The message is not
    /// looked at.
    pub(crate) fn split(body: &'a [u8]) -> Result<(Self, &'a [u8]), MechanismError> {
        let read = Reader::new(body).and_then(|mut reader| Ok((Self::read(&mut reader)?, reader.rest())));
        read.map_err(|malformed| defective(format!("malformed {}: {malformed}", Self::NAME)))
    }
}

/// What ties the context to the messages that were carried: a checksum over all tokens before it as they were sent, by the
/// Authenticator's subkey and [`KeyUsage::FINISHED`](crate::mechanism::kerberos::crypto::KeyUsage::FINISHED).
///
/// ```asn1
/// KRB-FINISHED ::= SEQUENCE { gss-mic [1] Checksum, ... }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KrbFinished<'a> {
    pub(crate) gss_mic: Checksum<'a>,
}

impl<'a> Message<'a> for KrbFinished<'a> {
    const NAME: &'static str = "KRB-FINISHED";

    fn read(reader: &mut Reader<'a>) -> Result<Self, Malformed> {
        reader.sequence(|fields| {
            let gss_mic = fields.field(1, "no gss-mic", Checksum::read)?;
            while fields.peek().is_some_and(|tag| tag > crate::der::context(1)) {
                fields.skip()?;
            }
            Ok(Self { gss_mic })
        })
    }

    fn write(&self, writer: &mut Writer) {
        writer.sequence(|fields| fields.field(1, |field| self.gss_mic.write(field)));
    }
}
