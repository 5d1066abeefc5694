//! What a client put into its `Authorization` field, as far as one can tell from outside.

use std::fmt;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::HeaderValue;
use zeroize::Zeroizing;

use super::ntlm::{AuthenticateMessage, SentBindings};

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
    /// SPNEGO's first message, and the NTLM message in it (RFC 4178, section 4.2.1).
    NegTokenInit(Option<NtlmMessage>),
    /// One of SPNEGO's later messages, and the NTLM message in it (RFC 4178, section 4.2.2).
    NegTokenResp(Option<NtlmMessage>),
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

impl TokenKind {
    /// Whether a handshake begins with it.
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
            Self::Ntlm(message) => message == NtlmMessage::Authenticate,
            Self::NegTokenInit(message) | Self::NegTokenResp(message) => {
                message == Some(NtlmMessage::Authenticate)
            }
            Self::None => false,
        }
    }
}

impl fmt::Display for TokenKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (envelope, message) = match self {
            Self::None => return f.write_str("no token"),
            Self::UserPass => return f.write_str("user and password"),
            Self::OfRequest => return f.write_str("credentials of a request"),
            Self::Unknown => return f.write_str("unknown token"),
            Self::Ntlm(message) => return write!(f, "{message}"),
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

/// By the first octet: SPNEGO's messages are DER, `[APPLICATION 0]` and `[1]`.
fn kind_of(token: &[u8]) -> TokenKind {
    let message = find_ntlm(token).and_then(|at| ntlm_message(&token[at..]));
    match (token.first(), message) {
        (Some(0x60), message) => TokenKind::NegTokenInit(message),
        (Some(0xa1), message) => TokenKind::NegTokenResp(message),
        (_, Some(message)) if token.starts_with(NTLM_SIGNATURE) => TokenKind::Ntlm(message),
        _ => TokenKind::Unknown,
    }
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
}
