//! Tokens that go wrong on their way out.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::token;

/// What is wrong with a token that the server sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// The token is left out: the scheme's name stands by itself.
    LeftOut,
    /// What follows the scheme's name is no base64.
    NotBase64,
    /// Octets that are no token of any mechanism.
    Garbage,
    /// The first half of the token.
    Truncated,
    /// An NTLM message whose fields claim to lie past its end, or DER whose length does.
    HostileLengths,
    /// One bit of the last signature is wrong. The signature of SPNEGO's `mechListMIC` ends its
    /// message (RFC 4178, section 4.2.2; MS-NLMP, section 2.2.2.9.1).
    WrongMic,
}

/// The token as token68, with the fault worked in; `None` if nothing is to be sent.
pub(super) fn encode(token: &[u8], fault: Option<Fault>) -> Option<String> {
    let token = match fault {
        None => token.to_vec(),
        Some(Fault::LeftOut) => return None,
        Some(Fault::NotBase64) => return Some("!not*base64!".to_owned()),
        Some(Fault::Garbage) => vec![0xa5; 24],
        Some(Fault::Truncated) => token[..token.len() / 2].to_vec(),
        Some(Fault::HostileLengths) => with_hostile_lengths(token),
        Some(Fault::WrongMic) => with_wrong_mic(token),
    };
    Some(BASE64_STANDARD.encode(token))
}

/// In a CHALLENGE message, TargetName lies at 12 and TargetInfo at 40: length, allocated length,
/// offset (MS-NLMP, section 2.2.1.2).
fn with_hostile_lengths(token: &[u8]) -> Vec<u8> {
    const FIELD: [u8; 8] = [0xff, 0xff, 0xff, 0xff, 0xf0, 0xff, 0xff, 0xff];
    let mut token = token.to_vec();
    let Some(message) = token::find_ntlm(&token) else {
        // A long-form length of 32 bits behind the first tag.
        token.truncate(1);
        token.extend([0x84, 0xff, 0xff, 0xff, 0xff]);
        return token;
    };
    for at in [message + 12, message + 40] {
        if let Some(field) = token.get_mut(at..at + FIELD.len()) {
            field.copy_from_slice(&FIELD);
        }
    }
    token
}

/// The last 12 octets of a signature are its checksum and its sequence number, 8 and 4.
fn with_wrong_mic(token: &[u8]) -> Vec<u8> {
    let mut token = token.to_vec();
    let at = token.len().saturating_sub(8);
    if let Some(octet) = token.get_mut(at) {
        *octet ^= 1;
    }
    token
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged(token: &[u8], fault: Fault) -> Vec<u8> {
        let text = encode(token, Some(fault)).expect("a token");
        BASE64_STANDARD.decode(text).expect("base64")
    }

    #[test]
    fn hostile_lengths_hit_the_fields_of_an_ntlm_message_wherever_it_begins() {
        let mut message = b"\xa1\x03NTLMSSP\0\x02\0\0\0".to_vec();
        message.resize(2 + 56, 0);
        let hostile = damaged(&message, Fault::HostileLengths);
        assert_eq!(hostile.len(), message.len());
        assert_eq!(hostile[14..18], [0xff; 4]);
        assert_eq!(hostile[42..46], [0xff; 4]);
    }

    #[test]
    fn short_tokens_are_damaged_without_a_panic() {
        for fault in [Fault::Garbage, Fault::Truncated, Fault::HostileLengths, Fault::WrongMic] {
            for token in [&b""[..], b"N", b"NTLMSSP\0", b"NTLMSSP\0\x02\0\0\0abcd"] {
                damaged(token, fault);
            }
        }
        assert_eq!(encode(b"token", Some(Fault::LeftOut)), None);
    }

    #[test]
    fn a_wrong_mic_differs_by_one_bit() {
        let whole = [7; 20];
        let wrong = damaged(&whole, Fault::WrongMic);
        assert_eq!(wrong.iter().zip(&whole).map(|(a, b)| (a ^ b).count_ones()).sum::<u32>(), 1);
    }
}
