//! What kind of token this is, for reports.

use crate::mechanism::oid;

/// What kind of token this is, for reports: never its contents.
pub(crate) fn describe_token(token: &[u8]) -> &'static str {
    match (wrapping(token), ntlm_message(token), kerberos_message(token)) {
        (Wrapping::Init, Some(1), _) => "SPNEGO NegTokenInit with NTLM NEGOTIATE",
        (Wrapping::Init, _, Some(1)) => "SPNEGO NegTokenInit with Kerberos AP-REQ",
        (Wrapping::Init, ..) => "SPNEGO NegTokenInit",
        (Wrapping::Resp, Some(2), _) => "SPNEGO NegTokenResp with NTLM CHALLENGE",
        (Wrapping::Resp, Some(3), _) => "SPNEGO NegTokenResp with NTLM AUTHENTICATE",
        (Wrapping::Resp, _, Some(1)) => "SPNEGO NegTokenResp with Kerberos AP-REQ",
        (Wrapping::Resp, _, Some(2)) => "SPNEGO NegTokenResp with Kerberos AP-REP",
        (Wrapping::Resp, _, Some(3)) => "SPNEGO NegTokenResp with KRB-ERROR",
        (Wrapping::Resp, ..) => "SPNEGO NegTokenResp",
        (Wrapping::None, Some(1), _) => "NTLM NEGOTIATE",
        (Wrapping::None, Some(2), _) => "NTLM CHALLENGE",
        (Wrapping::None, Some(3), _) => "NTLM AUTHENTICATE",
        (Wrapping::None, _, Some(1)) => "Kerberos AP-REQ",
        (Wrapping::None, _, Some(2)) => "Kerberos AP-REP",
        (Wrapping::None, _, Some(3)) => "KRB-ERROR",
        _ => "",
    }
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

/// Which of Kerberos' three is in it: the first octet of `TOK_ID` behind the mechanism's frame (RFC
/// 4121, section 4.1). A list of mechanisms names Kerberos as well, with another tag after it.
fn kerberos_message(token: &[u8]) -> Option<u8> {
    let length = oid::KERBEROS.len();
    token.windows(length + 2).find_map(|window| match window.strip_prefix(oid::KERBEROS)? {
        [message @ 1..=3, 0] => Some(*message),
        _ => None,
    })
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
        let kerberos = |message: u8| {
            let mechanism = der::encode(der::OBJECT_IDENTIFIER, &[oid::KERBEROS]);
            der::encode(der::APPLICATION_0, &[&mechanism, &[message, 0], &[0x6e; 300]])
        };
        let list = token::mech_type_list([oid::KERBEROS, oid::NTLM].into_iter());
        let response = |inner: &[u8]| {
            token::NegTokenResp { response_token: Some(inner), ..token::NegTokenResp::default() }.encode()
        };
        for (described, token) in [
            ("Kerberos AP-REQ", kerberos(1)),
            ("Kerberos AP-REP", kerberos(2)),
            ("KRB-ERROR", kerberos(3)),
            ("SPNEGO NegTokenInit with Kerberos AP-REQ", token::neg_token_init(&list, Some(&kerberos(1)))),
            ("SPNEGO NegTokenInit", token::neg_token_init(&list, None)),
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
