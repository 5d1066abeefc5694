//! The server's reason when it cannot take a ticket: a KRB-ERROR in place of its token (RFC 4121,
//! section 4.1; RFC 4120, section 5.9.1).

use std::time::SystemTime;

use crate::der::{self, GENERAL_STRING, GeneralizedTime, Malformed, Reader};
use crate::mechanism::oid;
use crate::mechanism::spnego::token::{self, NegTokenResp};

/// `TOK_ID` of a KRB-ERROR (RFC 4121, section 4.1).
const TOKEN_ID: &[u8] = &[0x03, 0x00];
/// `[APPLICATION 30]`, constructed.
const APPLICATION_30: u8 = der::application(30);

/// What a server says with a KRB-ERROR in place of its token, as a sentence; `None` if `token` is
/// none. `now` is this side's clock, against which the server's is held.
///
/// A server that cannot take a ticket answers with one under `Negotiate`, mostly beside a 401: bare,
/// or inside SPNEGO's rejection. Its words are shortened and freed of control characters.
///
/// ```
/// use std::time::SystemTime;
///
/// assert_eq!(legwork::mechanism::explain_krb_error(b"NTLMSSP\0", SystemTime::now()), None);
/// ```
pub fn explain_krb_error(token: &[u8], now: SystemTime) -> Option<String> {
    let message = unframed(token)?;
    Some(match KrbError::read(message) {
        Ok(error) => error.sentence(now),
        Err(malformed) => format!("the server sent a malformed KRB-ERROR: {malformed}"),
    })
}

/// The message behind SPNEGO's rejection (RFC 4178, section 4.2.2), GSS-API's frame (RFC 2743,
/// section 3.1) and the token's identifier.
fn unframed(token: &[u8]) -> Option<&[u8]> {
    let inner = NegTokenResp::read(token).ok().and_then(|response| response.response_token);
    let (mechanism, message) = token::unframed(inner.unwrap_or(token)).ok()?;
    let is_kerberos = oid::same_mechanism(mechanism, oid::KERBEROS) || mechanism == oid::IAKERB;
    message.strip_prefix(TOKEN_ID).filter(|_| is_kerberos)
}

/// What of a KRB-ERROR tells the user something.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct KrbError {
    code: i64,
    /// The server's clock.
    time: SystemTime,
    text: Option<String>,
}

impl KrbError {
    /// ```asn1
    /// KRB-ERROR ::= [APPLICATION 30] SEQUENCE {
    ///     pvno [0] INTEGER, msg-type [1] INTEGER, ctime [2] KerberosTime OPTIONAL,
    ///     cusec [3] Microseconds OPTIONAL, stime [4] KerberosTime, susec [5] Microseconds,
    ///     error-code [6] Int32, crealm [7] Realm OPTIONAL, cname [8] PrincipalName OPTIONAL,
    ///     realm [9] Realm, sname [10] PrincipalName, e-text [11] KerberosString OPTIONAL,
    ///     e-data [12] OCTET STRING OPTIONAL }
    /// ```
    pub(super) fn read(message: &[u8]) -> Result<Self, Malformed> {
        let mut fields = Reader::new(message)?.within(APPLICATION_30)?.within(der::SEQUENCE)?;
        let mut skip_to = |tag: u8| {
            while fields.peek().is_some_and(|next| next < tag) {
                fields.skip()?;
            }
            fields.optional(tag)
        };
        let missing = |what| Malformed { at: 0, what };
        let mut time = skip_to(der::context(4))?.ok_or(missing("no stime"))?;
        let mut code = skip_to(der::context(6))?.ok_or(missing("no error-code"))?;
        let text = skip_to(der::context(11))?;
        Ok(Self {
            code: code.integer()?,
            time: GeneralizedTime::read(&mut time)?.to_system(),
            text: text.map(|mut text| text.value(GENERAL_STRING)).transpose()?.map(readable),
        })
    }

    /// Its error-code (RFC 4120, section 7.5.9).
    #[cfg(all(unix, feature = "gssapi"))]
    pub(super) fn code(&self) -> i64 {
        self.code
    }

    fn sentence(&self, now: SystemTime) -> String {
        let reason = match self.code {
            31 => {
                "cannot decrypt the ticket: its key is not the one that the KDC has (is its keytab out of date?)"
            }
            32 => "says that the ticket has expired",
            33 => "says that the ticket is not valid yet",
            34 => "has seen this token before (replay)",
            35 => "says that the ticket is for another server",
            37 => return self.skew(now),
            41 => {
                "cannot decrypt the ticket: its key is not the one that the KDC has (is its keytab out of date?)"
            }
            44 | 45 => "lacks the key that the ticket is encrypted with: its keytab is out of date",
            60 => "refused the ticket",
            code => {
                return format!("the server refused the ticket with Kerberos error {code}{}", self.words());
            }
        };
        format!("the server {reason}{}", self.words())
    }

    fn skew(&self, now: SystemTime) -> String {
        let (seconds, direction) = match self.time.duration_since(now) {
            Ok(ahead) => (ahead.as_secs(), "ahead of"),
            Err(behind) => (behind.duration().as_secs(), "behind"),
        };
        format!("clock skew of {seconds} s: the server's clock is {direction} ours by more than it allows")
    }

    fn words(&self) -> String {
        match &self.text {
            Some(text) if !text.is_empty() => format!(" ({text})"),
            _ => String::new(),
        }
    }
}

/// What a peer wrote, as a short line.
pub(super) fn readable(octets: &[u8]) -> String {
    let text = String::from_utf8_lossy(octets);
    text.chars().filter(|c| !c.is_control()).take(200).collect()
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;
    use crate::mechanism::spnego::token::NegState;

    const INTEGER: u8 = der::INTEGER;
    const GENERALIZED_TIME: u8 = 0x18;

    fn octet_fields(fields: &[(u8, Vec<u8>)]) -> Vec<u8> {
        let fields: Vec<u8> =
            fields.iter().flat_map(|(number, value)| der::encode(der::context(*number), &[value])).collect();
        der::encode(APPLICATION_30, &[&der::encode(der::SEQUENCE, &[&fields])])
    }

    fn framed(message: &[u8]) -> Vec<u8> {
        framed_for(oid::KERBEROS, message)
    }

    fn framed_for(mechanism: &[u8], message: &[u8]) -> Vec<u8> {
        let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[mechanism]);
        der::encode(der::APPLICATION_0, &[&mechanism, TOKEN_ID, message])
    }

    fn error(code: u8, time: &str, text: Option<&str>) -> Vec<u8> {
        framed(&message(code, time, text))
    }

    /// A KRB-ERROR with these, without a frame.
    pub(in crate::mechanism) fn message(code: u8, time: &str, text: Option<&str>) -> Vec<u8> {
        let number = |number: u8| der::encode(INTEGER, &[&[number]]);
        let mut fields = vec![
            (0, number(5)),
            (1, number(30)),
            (4, der::encode(GENERALIZED_TIME, &[time.as_bytes()])),
            (5, number(0)),
            (6, number(code)),
            (9, der::encode(GENERAL_STRING, &[b"LAB.TEST"])),
            (10, der::encode(der::SEQUENCE, &[])),
        ];
        fields.extend(text.map(|text| (11, der::encode(GENERAL_STRING, &[text.as_bytes()]))));
        octet_fields(&fields)
    }

    /// 2026-11-26 00:00:00 UTC.
    fn now() -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(1_795_651_200)
    }

    #[test]
    fn skew_is_told_in_seconds() {
        let behind = explain_krb_error(&error(37, "20261125235308Z", None), now()).expect("a KRB-ERROR");
        assert!(behind.starts_with("clock skew of 412 s: the server's clock is behind"), "{behind}");
        let ahead = explain_krb_error(&error(37, "20261126001000Z", None), now()).expect("a KRB-ERROR");
        assert!(ahead.starts_with("clock skew of 600 s: the server's clock is ahead"), "{ahead}");
    }

    #[test]
    fn it_is_found_inside_spnegos_rejection() {
        let error = error(35, "20261126000000Z", None);
        let rejection = NegTokenResp {
            state: Some(NegState::Reject),
            response_token: Some(&error),
            ..NegTokenResp::default()
        };
        assert_eq!(explain_krb_error(&rejection.encode(), now()), explain_krb_error(&error, now()));
        let bare = NegTokenResp { state: Some(NegState::Reject), ..NegTokenResp::default() };
        assert_eq!(explain_krb_error(&bare.encode(), now()), None);
    }

    #[test]
    fn it_is_found_behind_iakerbs_frame() {
        let kerberos = error(35, "20261126000000Z", None);
        let message = unframed(&kerberos).expect("a KRB-ERROR");
        let iakerb = framed_for(oid::IAKERB, message);
        assert_eq!(explain_krb_error(&iakerb, now()), explain_krb_error(&kerberos, now()));
        assert_eq!(explain_krb_error(&framed_for(oid::NTLM, message), now()), None);
    }

    #[test]
    fn the_servers_words_come_along_as_one_line() {
        let text =
            explain_krb_error(&error(60, "20261126000000Z", Some("no\u{7} key\r\nfor HTTP/host")), now());
        assert_eq!(text.as_deref(), Some("the server refused the ticket (no keyfor HTTP/host)"));
        let text = explain_krb_error(&error(60, "20261126000000Z", Some("")), now());
        assert_eq!(text.as_deref(), Some("the server refused the ticket"));
        let text = explain_krb_error(&error(99, "20261126000000Z", None), now());
        assert_eq!(text.as_deref(), Some("the server refused the ticket with Kerberos error 99"));
    }

    #[test]
    fn other_tokens_are_none_and_malformed_ones_say_where() {
        assert_eq!(explain_krb_error(b"", now()), None);
        assert_eq!(explain_krb_error(&error(37, "20261126000000Z", None)[..40], now()), None);
        assert_eq!(
            explain_krb_error(&der::encode(der::APPLICATION_0, &[b"\x06\x01\x2a", TOKEN_ID]), now()),
            None
        );
        for time in ["20261326000000Z", "2026112600000Z", "20261126000000", "2026112600000xZ"] {
            let text = explain_krb_error(&error(37, time, None), now()).expect("a KRB-ERROR");
            assert!(text.contains("malformed KRB-ERROR: a time that is not"), "{text}");
        }
        let text = explain_krb_error(&framed(&octet_fields(&[])), now()).expect("a KRB-ERROR");
        assert!(text.contains("no stime"), "{text}");
    }

    #[test]
    fn what_a_server_has_against_a_ticket_is_told_in_words() {
        for (code, words) in [
            (31, "cannot decrypt the ticket"),
            (32, "says that the ticket has expired"),
            (33, "says that the ticket is not valid yet"),
            (34, "has seen this token before (replay)"),
            (41, "cannot decrypt the ticket"),
            (44, "lacks the key that the ticket is encrypted with: its keytab is out of date"),
            (45, "lacks the key that the ticket is encrypted with: its keytab is out of date"),
        ] {
            let text = explain_krb_error(&error(code, "20261126000000Z", None), now()).expect("a KRB-ERROR");
            assert!(text.starts_with(&format!("the server {words}")), "{code}: {text}");
        }
    }
}
