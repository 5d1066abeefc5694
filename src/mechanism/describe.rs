//! What kind of token this is, for reports.

use crate::mechanism::oid;

/// Makes the table of what may be in which wrapping.
macro_rules! described {
    ($token:expr, $($message:pat => $words:literal,)*) => {
        match (wrapping($token), message($token)) {
            $(
                (Wrapping::Init, Some($message)) => concat!("SPNEGO NegTokenInit with ", $words),
                (Wrapping::Resp, Some($message)) => concat!("SPNEGO NegTokenResp with ", $words),
                (Wrapping::None, Some($message)) => $words,
            )*
            (Wrapping::Init, None) => "SPNEGO NegTokenInit",
            (Wrapping::Resp, None) => "SPNEGO NegTokenResp",
            (Wrapping::None, None) => "",
        }
    };
}

/// What kind of token this is, for reports: never its contents.
pub(crate) fn describe_token(token: &[u8]) -> &'static str {
    described! { token,
        Message::NtlmNegotiate => "NTLM NEGOTIATE",
        Message::NtlmChallenge => "NTLM CHALLENGE",
        Message::NtlmAuthenticate => "NTLM AUTHENTICATE",
        Message::ApReq => "Kerberos AP-REQ",
        Message::ApRep => "Kerberos AP-REP",
        Message::KrbError => "KRB-ERROR",
        Message::IakerbProxy => "IAKERB message",
        Message::IakerbApReq => "IAKERB AP-REQ",
        Message::IakerbApRep => "IAKERB AP-REP",
    }
}

/// A mechanism's message, wherever it is wrapped.
enum Message {
    NtlmNegotiate,
    NtlmChallenge,
    NtlmAuthenticate,
    ApReq,
    ApRep,
    KrbError,
    /// For a KDC, or from it.
    IakerbProxy,
    IakerbApReq,
    IakerbApRep,
}

fn message(token: &[u8]) -> Option<Message> {
    match ntlm_message(token) {
        Some(1) => return Some(Message::NtlmNegotiate),
        Some(2) => return Some(Message::NtlmChallenge),
        Some(3) => return Some(Message::NtlmAuthenticate),
        _ => {}
    }
    let kerberos = token_id(token, oid::KERBEROS).and_then(|id| match id {
        [1, 0] => Some(Message::ApReq),
        [2, 0] => Some(Message::ApRep),
        [3, 0] => Some(Message::KrbError),
        _ => None,
    });
    kerberos.or_else(|| match token_id(token, oid::IAKERB)? {
        [1, 0] => Some(Message::IakerbApReq),
        [2, 0] => Some(Message::IakerbApRep),
        [3, 0] => Some(Message::KrbError),
        [5, 1] => Some(Message::IakerbProxy),
        _ => None,
    })
}

/// SPNEGO's part in a token (RFC 4178, section 4.2).
enum Wrapping {
    Init,
    Resp,
    None,
}

fn wrapping(token: &[u8]) -> Wrapping {
    match token {
        [0xa1, ..] => Wrapping::Resp,
        // The frame's tag and length, at most five octets, and the tag of its identifier.
        [0x60, ..] if position(token, oid::SPNEGO).is_some_and(|at| at <= 8) => Wrapping::Init,
        _ => Wrapping::None,
    }
}

/// Which of NTLM's three messages is in it, wherever it is wrapped (MS-NLMP, section 2.2.1).
pub(crate) fn ntlm_message(token: &[u8]) -> Option<u8> {
    let signature = b"NTLMSSP\0";
    token.get(position(token, signature)? + signature.len()).copied()
}

/// `TOK_ID` behind the mechanism's frame (RFC 4121, section 4.1; draft-ietf-kitten-iakerb-03, section 3). A list of mechanisms
/// names it as well, with another tag after it.
fn token_id<'a>(token: &'a [u8], mechanism: &[u8]) -> Option<&'a [u8]> {
    let mut windows = token.windows(mechanism.len() + 2);
    windows.find_map(|window| window.strip_prefix(mechanism).filter(|id| matches!(id, [1..=3, 0] | [5, 1])))
}

fn position(token: &[u8], part: &[u8]) -> Option<usize> {
    token.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der;
    use crate::mechanism::spnego::token;

    #[test]
    fn tokens_are_told_apart_inside_spnego_and_outside() {
        let framed = |mechanism: &[u8], id: [u8; 2]| {
            let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[mechanism]);
            der::encode(der::APPLICATION_0, &[&mechanism, &id, &[0x6e; 300]])
        };
        let kerberos = |message: u8| framed(oid::KERBEROS, [message, 0]);
        let relayed = framed(oid::IAKERB, [5, 1]);
        let list = token::mech_type_list([oid::KERBEROS, oid::IAKERB, oid::NTLM].into_iter());
        let response = |inner: &[u8]| {
            token::NegTokenResp { response_token: Some(inner), ..token::NegTokenResp::default() }.encode()
        };
        for (described, token) in [
            ("Kerberos AP-REQ", kerberos(1)),
            ("Kerberos AP-REP", kerberos(2)),
            ("KRB-ERROR", kerberos(3)),
            ("SPNEGO NegTokenInit with Kerberos AP-REQ", token::neg_token_init(&list, Some(&kerberos(1)))),
            ("SPNEGO NegTokenInit", token::neg_token_init(&list, None)),
            ("IAKERB message", relayed.clone()),
            ("IAKERB AP-REQ", framed(oid::IAKERB, [1, 0])),
            ("IAKERB AP-REP", framed(oid::IAKERB, [2, 0])),
            ("KRB-ERROR", framed(oid::IAKERB, [3, 0])),
            ("", framed(oid::KERBEROS, [5, 1])),
            ("SPNEGO NegTokenInit with IAKERB message", token::neg_token_init(&list, Some(&relayed))),
            ("SPNEGO NegTokenResp with IAKERB message", response(&relayed)),
            ("SPNEGO NegTokenResp with Kerberos AP-REP", response(&kerberos(2))),
            ("SPNEGO NegTokenResp with KRB-ERROR", response(&kerberos(3))),
            ("SPNEGO NegTokenResp with NTLM CHALLENGE", response(b"NTLMSSP\0\x02\0\0\0")),
            ("NTLM NEGOTIATE", b"NTLMSSP\0\x01\0\0\0".to_vec()),
            ("", b"nothing known".to_vec()),
            ("", Vec::new()),
        ] {
            assert_eq!(describe_token(&token), described);
        }
    }
}
