//! What a client put into its `Authorization` field, as far as one can tell from outside.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::ntlm::{AuthenticateMessage, SentBindings};
use super::spnego::NegTokenInit;
use crate::der::{self, Malformed, Reader};
use crate::mechanism::oid;
use crate::mechanism::spnego::token::{NegTokenResp, unframed};

/// The signature that every NTLM message begins with (MS-NLMP, section 2.2.1).
pub(super) const NTLM_SIGNATURE: &[u8; 8] = b"NTLMSSP\0";

/// The kind of a token that a client sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenKind {
    /// The scheme's name alone, or what follows it is no base64.
    None,
    /// A user name and a password, as `Basic` has them.
    UserPass,
    /// A bare NTLM message.
    Ntlm(NtlmMessage),
    /// A bare message of Kerberos or IAKERB.
    Kerberos(KerberosMessage),
    /// SPNEGO's first message, and the mechanism's message in it (RFC 4178, section 4.2.1).
    NegTokenInit(Option<MechanismMessage>),
    /// One of SPNEGO's later messages, and the mechanism's message in it (RFC 4178, section 4.2.2).
    NegTokenResp(Option<MechanismMessage>),
    /// The credentials of one request, as Digest and Bearer have them.
    OfRequest,
    /// Something else.
    Unknown,
}

/// The messages of NTLM, by their numbers (MS-NLMP, section 2.2.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums)]
pub enum NtlmMessage {
    /// Type 1, with which the client begins.
    Negotiate,
    /// Type 2, the server's; a client that sends one is confused.
    Challenge,
    /// Type 3, which is derived from the password.
    Authenticate,
}

/// What clients send in Kerberos and IAKERB (RFC 4121, section 4.1; draft-ietf-kitten-iakerb-03).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum KerberosMessage {
    /// An AP-REQ, which shows a ticket: a login begins with it and ends. There are clients that end one by IAKERB with it.
    ApReq,
    /// An AP-REQ of IAKERB: the end of a login, or all of it where the client has the ticket already.
    IakerbApReq,
    /// A message to a KDC, by IAKERB, that shows nothing of a password.
    IakerbRequest,
    /// A message to a KDC, by IAKERB, with a timestamp that is encrypted by the password.
    IakerbTimestamp,
}

/// A message of a mechanism, inside SPNEGO.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MechanismMessage {
    /// NTLM's.
    Ntlm(NtlmMessage),
    /// Kerberos' or IAKERB's.
    Kerberos(KerberosMessage),
}

impl TokenKind {
    /// Whether a handshake begins with it, always. One by IAKERB without SPNEGO begins with messages that continue it, too, and may
    /// end with an AP-REQ of Kerberos.
    pub fn begins(self) -> bool {
        matches!(self, Self::Ntlm(NtlmMessage::Negotiate) | Self::NegTokenInit(_))
    }

    /// Whether it goes on with a handshake that must have begun on the same connection.
    pub fn continues(self) -> bool {
        matches!(self, Self::Ntlm(NtlmMessage::Authenticate) | Self::NegTokenResp(_))
    }

    /// Whether it is derived from the user's password, so that verifying it counts as an attempt.
    /// Tokens of unknown kinds are taken to be.
    pub fn proves(self) -> bool {
        match self {
            Self::UserPass | Self::OfRequest | Self::Unknown => true,
            Self::Ntlm(message) => MechanismMessage::Ntlm(message).proves(),
            Self::Kerberos(message) => MechanismMessage::Kerberos(message).proves(),
            Self::NegTokenInit(message) | Self::NegTokenResp(message) => {
                message.is_some_and(MechanismMessage::proves)
            }
            Self::None => false,
        }
    }

    /// Whether a KDC verifies it, to which the server passes it on.
    pub(super) fn is_verified_elsewhere(self) -> bool {
        let timestamp = KerberosMessage::IakerbTimestamp;
        match self {
            Self::Kerberos(message) => message == timestamp,
            Self::NegTokenInit(message) | Self::NegTokenResp(message) => {
                message == Some(MechanismMessage::Kerberos(timestamp))
            }
            _ => false,
        }
    }
}

impl MechanismMessage {
    fn proves(self) -> bool {
        matches!(
            self,
            Self::Ntlm(NtlmMessage::Authenticate) | Self::Kerberos(KerberosMessage::IakerbTimestamp)
        )
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (envelope, message) = match self {
            Self::None => return f.write_str("no token"),
            Self::UserPass => return f.write_str("user and password"),
            Self::OfRequest => return f.write_str("credentials of a request"),
            Self::Unknown => return f.write_str("unknown token"),
            Self::Ntlm(message) => return message.fmt(f),
            Self::Kerberos(message) => return message.fmt(f),
            Self::NegTokenInit(message) => ("NegTokenInit", message),
            Self::NegTokenResp(message) => ("NegTokenResp", message),
        };
        match message {
            Some(message) => write!(f, "{envelope} with {message}"),
            None => f.write_str(envelope),
        }
    }
}

impl fmt::Display for NtlmMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Negotiate => "NTLM NEGOTIATE",
            Self::Challenge => "NTLM CHALLENGE",
            Self::Authenticate => "NTLM AUTHENTICATE",
        })
    }
}

impl fmt::Display for KerberosMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ApReq => "Kerberos AP-REQ",
            Self::IakerbApReq => "IAKERB AP-REQ",
            Self::IakerbRequest => "IAKERB request",
            Self::IakerbTimestamp => "IAKERB request with a timestamp",
        })
    }
}

impl fmt::Display for MechanismMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ntlm(message) => message.fmt(f),
            Self::Kerberos(message) => message.fmt(f),
        }
    }
}

/// A field value taken apart. It may hold a password and has no `Debug` for that reason.
pub(super) struct Presented {
    pub(super) scheme: String,
    pub(super) token: Zeroizing<Vec<u8>>,
    /// What follows the scheme's name.
    pub(super) text: Zeroizing<String>,
    pub(super) kind: TokenKind,
}

impl Presented {
    pub(super) fn parse(value: &HeaderValue) -> Self {
        let text = String::from_utf8_lossy(value.as_bytes());
        let (scheme, rest) = text.split_once(' ').unwrap_or((&text, ""));
        let decoded = BASE64_STANDARD.decode(rest.trim()).ok().filter(|token| !token.is_empty());
        let of_request = ["Bearer", "Digest", "SCRAM-SHA-256", "SCRAM-SHA-1"];
        let kind = match &decoded {
            _ if of_request.iter().any(|name| scheme.eq_ignore_ascii_case(name)) => TokenKind::OfRequest,
            None => TokenKind::None,
            Some(_) if scheme.eq_ignore_ascii_case("Basic") => TokenKind::UserPass,
            Some(token) => kind_of(token),
        };
        let (scheme, rest) = (scheme.to_owned(), Zeroizing::new(rest.trim().to_owned()));
        Self { scheme, token: Zeroizing::new(decoded.unwrap_or_default()), text: rest, kind }
    }

    /// What NTLM's answer to a challenge says of channel bindings.
    pub(super) fn channel_bindings(&self) -> Option<SentBindings> {
        let message = &self.token[find_ntlm(&self.token)?..];
        AuthenticateMessage::parse(message).ok().map(|message| message.channel_bindings())
    }
}

/// By the first octet: SPNEGO's messages are DER, `[APPLICATION 0]` and `[1]`. The former is the frame of Kerberos' too.
fn kind_of(token: &[u8]) -> TokenKind {
    let ntlm = find_ntlm(token).and_then(|at| ntlm_message(&token[at..]));
    let inside = |inner: Option<&[u8]>| {
        let kerberos = || kerberos_message(inner?).map(MechanismMessage::Kerberos);
        ntlm.map(MechanismMessage::Ntlm).or_else(kerberos)
    };
    match (token.first(), ntlm) {
        (Some(0x60), _) => match kerberos_message(token) {
            Some(message) => TokenKind::Kerberos(message),
            None => {
                let inner = NegTokenInit::decode(token).ok().and_then(|init| init.mech_token);
                TokenKind::NegTokenInit(inside(inner))
            }
        },
        (Some(0xa1), _) => {
            let inner = NegTokenResp::decode(token).ok().and_then(|response| response.response_token);
            TokenKind::NegTokenResp(inside(inner))
        }
        (_, Some(message)) if token.starts_with(NTLM_SIGNATURE) => TokenKind::Ntlm(message),
        _ => TokenKind::Unknown,
    }
}

/// The message in Kerberos' frame, by its mechanism and `TOK_ID`.
fn kerberos_message(token: &[u8]) -> Option<KerberosMessage> {
    let (mechanism, token) = unframed(token).ok()?;
    let is_iakerb = mechanism == oid::IAKERB;
    let (id, message) = token.split_first_chunk()?;
    match id {
        [1, 0] if is_iakerb => Some(KerberosMessage::IakerbApReq),
        [1, 0] if oid::same_mechanism(mechanism, oid::KERBEROS) => Some(KerberosMessage::ApReq),
        [5, 1] if is_iakerb && shows_timestamp(message).is_ok_and(|shows| shows) => {
            Some(KerberosMessage::IakerbTimestamp)
        }
        [5, 1] if is_iakerb => Some(KerberosMessage::IakerbRequest),
        _ => None,
    }
}

/// Whether the AS-REQ behind IAKERB's header has a PA-ENC-TIMESTAMP (RFC 4120, sections 5.4.1 and 5.2.7.2).
fn shows_timestamp(message: &[u8]) -> Result<bool, Malformed> {
    let mut reader = Reader::new(message)?;
    reader.skip()?;
    let mut fields = reader.within(der::application(10))?.within(der::SEQUENCE)?;
    fields.optional(der::context(1))?;
    fields.optional(der::context(2))?;
    let Some(mut padata) = fields.optional(der::context(3))? else { return Ok(false) };
    let mut padata = padata.within(der::SEQUENCE)?;
    while padata.peek().is_some() {
        let padata_type = padata.within(der::SEQUENCE)?.within(der::context(1))?.only(der::INTEGER)?;
        if padata_type == [2] {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Where in a token an NTLM message begins.
pub(super) fn find_ntlm(token: &[u8]) -> Option<usize> {
    token.windows(NTLM_SIGNATURE.len()).position(|window| window == NTLM_SIGNATURE)
}

/// The message's type: 32 bits in little-endian order behind the signature.
fn ntlm_message(message: &[u8]) -> Option<NtlmMessage> {
    match message.get(8..12)? {
        [1, 0, 0, 0] => Some(NtlmMessage::Negotiate),
        [2, 0, 0, 0] => Some(NtlmMessage::Challenge),
        [3, 0, 0, 0] => Some(NtlmMessage::Authenticate),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mechanism::spnego::token::{mech_type_list, neg_token_init};

    fn kind(value: &str) -> String {
        Presented::parse(&HeaderValue::from_str(value).expect("visible ASCII")).kind.to_string()
    }

    #[test]
    fn tokens_are_told_apart_from_outside() {
        assert_eq!(kind("NTLM TlRMTVNTUAABAAAA"), "NTLM NEGOTIATE");
        assert_eq!(kind("ntlm TlRMTVNTUAADAAAA"), "NTLM AUTHENTICATE");
        assert_eq!(kind("Negotiate YAROVExNU1NQAAEAAAA="), "NegTokenInit with NTLM NEGOTIATE".to_owned());
        assert_eq!(kind("Negotiate oQA="), "NegTokenResp");
        assert_eq!(kind("Basic YWxpY2U6cHc="), "user and password");
        assert_eq!(kind("Negotiate %%%"), "no token");
        assert_eq!(kind("Negotiate"), "no token");
        assert_eq!(kind("Negotiate AAAA"), "unknown token");
    }

    #[test]
    fn messages_of_kerberos_and_iakerb_are_told_apart_bare_and_inside_spnego() {
        let framed = |mechanism: &[u8], id: [u8; 2], parts: &[&[u8]]| {
            let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[mechanism]);
            der::encode(der::APPLICATION_0, &[&mechanism, &id, &parts.concat()])
        };
        let header = der::encode(der::SEQUENCE, &[b"\xa1\x02\x0c\x00"]);
        let as_req = |types: &[u8]| {
            let padata = types.iter().map(|padata_type| {
                let padata_type = der::encode(der::INTEGER, &[&[*padata_type]]);
                der::encode(der::SEQUENCE, &[&der::encode(der::context(1), &[&padata_type])])
            });
            let padata = der::encode(der::SEQUENCE, &[&padata.collect::<Vec<_>>().concat()]);
            let fields = der::encode(der::SEQUENCE, &[&der::encode(der::context(3), &[&padata])]);
            der::encode(der::application(10), &[&fields])
        };
        let tgs_req = der::encode(der::application(12), &[b"\x30\x00"]);
        for (words, token) in [
            ("Kerberos AP-REQ", framed(oid::KERBEROS, [1, 0], &[b"\x6e\x00"])),
            ("Kerberos AP-REQ", framed(oid::MS_KERBEROS, [1, 0], &[b"\x6e\x00"])),
            ("IAKERB AP-REQ", framed(oid::IAKERB, [1, 0], &[b"\x6e\x00"])),
            ("IAKERB request", framed(oid::IAKERB, [5, 1], &[&header])),
            ("IAKERB request", framed(oid::IAKERB, [5, 1], &[&header, &as_req(&[1, 3])])),
            ("IAKERB request", framed(oid::IAKERB, [5, 1], &[&header, &tgs_req])),
            ("IAKERB request", framed(oid::IAKERB, [5, 1], &[&header, b"garbage"])),
            ("IAKERB request with a timestamp", framed(oid::IAKERB, [5, 1], &[&header, &as_req(&[133, 2])])),
        ] {
            let list = mech_type_list([oid::IAKERB].into_iter());
            let init = neg_token_init(&list, Some(&token));
            let resp = NegTokenResp { response_token: Some(&token), ..NegTokenResp::default() }.encode();
            let proves = words.ends_with("timestamp");
            for (token, envelope) in [(token, ""), (init, "NegTokenInit with "), (resp, "NegTokenResp with ")]
            {
                let kind = kind_of(&token);
                assert_eq!(kind.to_string(), format!("{envelope}{words}"));
                assert_eq!((kind.proves(), kind.is_verified_elsewhere()), (proves, proves), "{kind}");
            }
        }
        // Octets that say nothing are those of SPNEGO, as before.
        assert_eq!(kind_of(&framed(oid::IAKERB, [9, 9], &[])), TokenKind::NegTokenInit(None));
    }
}
