//! What an IAKERB token is: an exchange with a KDC that the server relays, or Kerberos' own token
//! (draft-ietf-kitten-iakerb-03, section 3).
//!
//! ```asn1
//! IAKERB-HEADER ::= SEQUENCE {
//!     target-realm [1] UTF8String, cookie [2] OCTET STRING OPTIONAL, header-flags [3] BIT STRING OPTIONAL, ... }
//! ```
//!
//! The header is followed by the bare message to the KDC or from it, and all of that is behind the
//! mechanism's frame and `TOK_ID` 05 01.

use crate::der::{self, Reader};
use crate::mechanism::krb_error::KrbError;
use crate::mechanism::oid;
use crate::mechanism::spnego::token::unframed;

/// `TOK_ID` of what is relayed, and of Kerberos' own request.
const PROXY: &[u8] = &[0x05, 0x01];
const AP_REQ: &[u8] = &[0x01, 0x00];
const UTF8_STRING: u8 = 0x0c;
/// `AS-REQ` and `TGS-REQ`, `[APPLICATION 10]` and `[APPLICATION 12]`, constructed (RFC 4120, section 5.4.1).
const AS_REQ: u8 = 0x6a;
const TGS_REQ: u8 = 0x6c;

/// A token with a message that the server relays.
pub(super) struct Relayed<'a> {
    /// The tag of target-realm's value.
    realm: Option<u8>,
    message: &'a [u8],
}

impl<'a> Relayed<'a> {
    /// Reads a token; `None` if it is Kerberos' own, or none of IAKERB's.
    pub(super) fn read(token: &'a [u8]) -> Option<Self> {
        let (mechanism, message) = unframed(token).ok()?;
        if mechanism != oid::IAKERB {
            return None;
        }
        let mut relayed = Reader::new(message.strip_prefix(PROXY)?).ok()?;
        let header = relayed.within(der::SEQUENCE).ok()?.within(der::context(1)).ok()?;
        Some(Self { realm: header.peek(), message: relayed.rest() })
    }

    /// Whether it is as the draft has it, which is what Windows and MIT from 1.22 on speak. Before, MIT
    /// had a dialect of its own, in which the realm is an OCTET STRING.
    pub(super) fn is_of_the_draft(&self) -> bool {
        self.realm == Some(UTF8_STRING)
    }

    /// Whether it asks for a ticket-granting ticket.
    pub(super) fn asks_for_first_ticket(&self) -> bool {
        self.message.first() == Some(&AS_REQ)
    }

    /// Whether it asks for a ticket by one that is there.
    pub(super) fn asks_by_ticket(&self) -> bool {
        self.message.first() == Some(&TGS_REQ)
    }

    /// Whether a password can be guessed from it, so that a KDC counts it as an attempt.
    pub(super) fn is_attempt(&self) -> bool {
        self.asks_for_first_ticket() && self.pre_authentications().is_none_or(|mut all| all.any(is_attempt))
    }

    /// The code of the KDC's error, if it is one.
    pub(super) fn error_code(&self) -> Option<i64> {
        KrbError::read(self.message).ok().map(|error| error.code())
    }

    /// The types and values of a request's pre-authentication (`PA-DATA`, RFC 4120, section 5.2.7).
    fn pre_authentications(&self) -> Option<impl Iterator<Item = (u64, &'a [u8])> + use<'a>> {
        let mut request = Reader::new(self.message).ok()?.within(AS_REQ).ok()?.within(der::SEQUENCE).ok()?;
        // The protocol's version and the message's type.
        request.value(der::context(1)).ok()?;
        request.value(der::context(2)).ok()?;
        let field = request.optional(der::context(3)).ok()?;
        let mut list = field.map(|mut field| field.within(der::SEQUENCE)).transpose().ok()?;
        Some(std::iter::from_fn(move || {
            let mut one = list.as_mut()?.within(der::SEQUENCE).ok()?;
            let number = one.within(der::context(1)).ok()?.value(der::INTEGER).ok()?;
            let value = one.within(der::context(2)).ok()?.value(der::OCTET_STRING).ok()?;
            Some((number.iter().fold(0, |number, octet| number << 8 | u64::from(*octet)), value))
        }))
    }
}

/// Whether a token is Kerberos' own request, which ends the exchange (RFC 4121, section 4.1).
pub(super) fn is_ap_req(token: &[u8]) -> bool {
    unframed(token).is_ok_and(|(_, message)| message.starts_with(AP_REQ))
}

/// Whether pre-authentication of this type is made with the password's key.
fn is_attempt((number, value): (u64, &[u8])) -> bool {
    match number {
        // PA-ENC-TIMESTAMP and PA-ENCRYPTED-CHALLENGE (RFC 4120, section 5.2.7.2; RFC 6113, section 5.4.6).
        2 | 138 => true,
        // PA-SPAKE (RFC 9588, section 4): all but the list of groups, which opens it.
        151 => value.first() != Some(&der::context(0)),
        _ => false,
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A token that relays this message, in the draft's dialect.
    pub(crate) fn relay(message: &[u8]) -> Vec<u8> {
        relay_with(UTF8_STRING, message)
    }

    pub(crate) fn relay_with(realm: u8, message: &[u8]) -> Vec<u8> {
        let realm = der::encode(der::context(1), &[&der::encode(realm, &[b"LAB.TEST"])]);
        framed(&[PROXY, &der::encode(der::SEQUENCE, &[&realm]), message].concat())
    }

    pub(crate) fn framed(token: &[u8]) -> Vec<u8> {
        let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[oid::IAKERB]);
        der::encode(der::APPLICATION_0, &[&mechanism, token])
    }

    /// A request with pre-authentication of these types and values.
    pub(crate) fn request(tag: u8, pre_authentications: &[(u8, &[u8])]) -> Vec<u8> {
        let number = |number: u8| der::encode(der::INTEGER, &[&[number]]);
        let list: Vec<u8> = pre_authentications
            .iter()
            .flat_map(|(kind, value)| {
                let kind = der::encode(der::context(1), &[&number(*kind)]);
                let value = der::encode(der::context(2), &[&der::encode(der::OCTET_STRING, &[value])]);
                der::encode(der::SEQUENCE, &[&kind, &value])
            })
            .collect();
        let mut fields = vec![
            der::encode(der::context(1), &[&number(5)]),
            der::encode(der::context(2), &[&number(tag & 0x1f)]),
        ];
        if !list.is_empty() {
            fields.push(der::encode(der::context(3), &[&der::encode(der::SEQUENCE, &[&list])]));
        }
        fields.push(der::encode(der::context(4), &[&der::encode(der::SEQUENCE, &[])]));
        der::encode(tag, &[&der::encode(der::SEQUENCE, &[&fields.concat()])])
    }

    fn read(token: &[u8]) -> Relayed<'_> {
        Relayed::read(token).expect("a token for the relay")
    }

    #[test]
    fn an_attempt_is_told_from_what_says_nothing_of_the_password() {
        // PA-REQ-ENC-PA-REP, which every client of MIT's sends.
        let any = (149, b"".as_slice());
        for (sends, is_attempt) in [
            (vec![], false),
            (vec![any], false),
            (vec![any, (2, b"timestamp")], true),
            (vec![(138, b"challenge")], true),
            (vec![(151, b"\xa0support")], false),
            (vec![(151, b"\xa2response")], true),
        ] {
            let token = relay(&request(AS_REQ, &sends));
            assert!(read(&token).asks_for_first_ticket() && !read(&token).asks_by_ticket());
            assert_eq!(read(&token).is_attempt(), is_attempt, "{sends:?}");
        }
        let token = relay(&request(TGS_REQ, &[(1, b"AP-REQ")]));
        assert!(read(&token).asks_by_ticket() && !read(&token).is_attempt());
        assert!(read(&relay(b"\x6a\x03\x30\x01\x00")).is_attempt(), "what cannot be read may be one");
    }

    #[test]
    fn the_dialect_is_told_by_the_realm() {
        let message = request(AS_REQ, &[]);
        assert!(read(&relay(&message)).is_of_the_draft());
        assert!(!read(&relay_with(der::OCTET_STRING, &message)).is_of_the_draft());
    }

    #[test]
    fn kerberos_own_tokens_and_those_of_other_mechanisms_are_not_relayed() {
        let ap_req = [&[1, 0], b"\x6e\x03\x30\x01\x00".as_slice()].concat();
        assert!(Relayed::read(&framed(&ap_req)).is_none());
        let whole = relay(&request(AS_REQ, &[]));
        for end in 0..whole.len() {
            let _ = Relayed::read(&whole[..end]);
        }
        for token in [&b""[..], b"NTLMSSP\0\x01\0\0\0", &whole[..20]] {
            assert!(Relayed::read(token).is_none(), "{token:02x?}");
        }
        let kerberos = der::encode(der::OBJECT_IDENTIFIER, &[oid::KERBEROS]);
        assert!(Relayed::read(&der::encode(der::APPLICATION_0, &[&kerberos, &whole[10..]])).is_none());
    }
}
