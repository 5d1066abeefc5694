//! What NTLM's first message brings to light. It carries no name and no password, and so counts against nobody.
//!
//! # Whether one login's messages stay together
//!
//! A login by NTLM is a conversation on one connection. A proxy that gives each request another connection to the server
//! breaks it, and all that a client sees is a `401` to a right password. Two ways to tell without a password:
//!
//! - NTLM's first message is sent twice. A server in the middle of a login does not begin another one (Apache). One that
//!   begins whenever it is asked to leaves the question open.
//! - Where Negotiate is offered, a list of mechanisms (only NTLM) is sent without a message. The server picks NTLM from it
//!   (RFC 4178, section 4.2), and is then sent NTLM's first message as a continuation, which only a server that remembers
//!   the list understands.
//!
//! A last message with a made-up user would tell less: a server that has lost the first message and one that does not
//! know the user answer the same. And a directory may write it down as a failed login.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use legwork::Credentials;
use legwork::challenge::Challenges;
use legwork::mechanism::ntlm;
use legwork::mechanism::{Initiate, Mechanism, Moments, Step};
use legwork::protection_space::Challenger;
use legwork::unversioned::handshake::SystemMoments;

use crate::doctor::facts::{Legs, Ntlm};
use crate::doctor::wire::Answer;

/// 1.3.6.1.4.1.311.2.2.10
const OID: [u8; 12] = [0x06, 0x0a, 0x2b, 0x06, 0x01, 0x04, 0x01, 0x82, 0x37, 0x02, 0x02, 0x0a];
/// 1.3.6.1.5.5.2
const SPNEGO: [u8; 8] = [0x06, 0x06, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x02];
/// A message of the second type begins so.
const CHALLENGE: &[u8] = b"NTLMSSP\0\x02\0\0\0";

/// NTLM's first message (MS-NLMP, section 2.2.1.1).
pub(crate) fn negotiate() -> Option<Vec<u8>> {
    // Of which nothing is in that message.
    let nobody = Credentials::password("nobody", "");
    let moment = SystemMoments.moment().ok()?;
    let context = ntlm::Ntlm::new().initiate(Initiate::new("HTTP/nowhere", nobody), moment);
    match context.step(None).ok()? {
        Step::Continue { token, .. } => Some(token),
        _ => None,
    }
}

/// SPNEGO's first token, for NTLM and nothing else: with its message, or without.
pub(crate) fn list(message: Option<&[u8]>) -> Vec<u8> {
    let mut fields = tlv(0xa0, &tlv(0x30, &OID));
    if let Some(message) = message {
        fields.extend(tlv(0xa2, &tlv(0x04, message)));
    }
    let token = tlv(0xa0, &tlv(0x30, &fields));
    tlv(0x60, &[&SPNEGO[..], &token].concat())
}

/// SPNEGO's second token, with this message.
pub(crate) fn continued(message: &[u8]) -> Vec<u8> {
    tlv(0xa1, &tlv(0x30, &tlv(0xa2, &tlv(0x04, message))))
}

/// A value in DER, of less than 65,536 octets.
fn tlv(tag: u8, value: &[u8]) -> Vec<u8> {
    let length = match value.len() {
        short @ 0..=0x7f => vec![short as u8],
        middle @ 0x80..=0xff => vec![0x81, middle as u8],
        long => vec![0x82, (long >> 8) as u8, long as u8],
    };
    [&[tag][..], &length, value].concat()
}

/// The token that an answer has for this scheme.
pub(crate) fn token(answer: &Answer, challenger: Challenger, scheme: &str) -> Option<Vec<u8>> {
    let challenges = Challenges::parse(&answer.headers, challenger.challenge_field());
    challenges.iter().filter(|challenge| challenge.is(scheme)).find_map(|challenge| challenge.token().ok()?)
}

/// The value of a field that carries a token.
pub(crate) fn field_value(scheme: &str, token: &[u8]) -> String {
    format!("{scheme} {}", BASE64_STANDARD.encode(token))
}

/// Whether SPNEGO goes on: an answer with `accept-incomplete` or `request-mic` (RFC 4178, section 4.2.2).
pub(crate) fn goes_on(token: &[u8]) -> bool {
    let state = token.windows(5).find(|octets| octets[..4] == [0xa0, 0x03, 0x0a, 0x01]);
    state.is_some_and(|state| matches!(state[4], 1 | 3))
}

/// NTLM's second message, bare or inside of SPNEGO.
pub(crate) fn challenge(token: &[u8]) -> Option<&[u8]> {
    let begins = token.windows(CHALLENGE.len()).position(|octets| octets == CHALLENGE)?;
    Some(&token[begins..])
}

/// What a server says of itself (MS-NLMP, section 2.2.1.2), as far as it can be read.
pub(crate) fn read(challenge: &[u8], scheme: &'static str, now: SystemTime) -> Ntlm {
    let mut told = Ntlm {
        scheme,
        domain: None,
        computer: None,
        dns_domain: None,
        dns_computer: None,
        clock_ahead_seconds: None,
        legs: Legs::PerhapsApart,
    };
    let mut pairs = payload(challenge, 40).unwrap_or_default();
    // AvId, AvLen, Value (section 2.2.2.1).
    while let Some((head, rest)) = pairs.split_first_chunk::<4>() {
        let (id, length) = (u16::from_le_bytes([head[0], head[1]]), u16::from_le_bytes([head[2], head[3]]));
        let Some((value, rest)) = rest.split_at_checked(usize::from(length)) else { break };
        match id {
            0 => break,
            1 => told.computer = text(value),
            2 => told.domain = text(value),
            3 => told.dns_computer = text(value),
            4 => told.dns_domain = text(value),
            7 => told.clock_ahead_seconds = ahead(value, now),
            _ => {}
        }
        pairs = rest;
    }
    if told.domain.is_none() {
        told.domain = payload(challenge, 12).and_then(text);
    }
    told
}

/// What the fields at this place say where it lies: length, space, offset.
fn payload(message: &[u8], at: usize) -> Option<&[u8]> {
    let fields = message.get(at..at + 8)?;
    let length = usize::from(u16::from_le_bytes([fields[0], fields[1]]));
    let offset = usize::try_from(u32::from_le_bytes([fields[4], fields[5], fields[6], fields[7]])).ok()?;
    message.get(offset..offset.checked_add(length)?)
}

/// A name in UTF-16, little-endian.
fn text(octets: &[u8]) -> Option<String> {
    let units = octets.chunks_exact(2).map(|unit| u16::from_le_bytes([unit[0], unit[1]]));
    let text: String =
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).take(256).collect();
    Some(text).filter(|text| !text.is_empty())
}

/// How far a FILETIME is ahead: tenths of microseconds since 1601.
fn ahead(value: &[u8], now: SystemTime) -> Option<i64> {
    const FROM_1601_TO_1970: u64 = 11_644_473_600;
    let ticks = u64::from_le_bytes(value.try_into().ok()?);
    let since = Duration::from_secs((ticks / 10_000_000).checked_sub(FROM_1601_TO_1970)?);
    Some(crate::doctor::clock::ahead(UNIX_EPOCH.checked_add(since)?, now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(pairs: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = CHALLENGE.to_vec();
        message.resize(56, 0);
        let mut info = Vec::new();
        for (id, value) in pairs {
            info.extend(id.to_le_bytes());
            info.extend((value.len() as u16).to_le_bytes());
            info.extend(*value);
        }
        message[40..42].copy_from_slice(&(info.len() as u16).to_le_bytes());
        message[44..48].copy_from_slice(&56_u32.to_le_bytes());
        message.extend(info);
        message
    }

    fn utf16(text: &str) -> Vec<u8> {
        text.encode_utf16().flat_map(u16::to_le_bytes).collect()
    }

    #[test]
    fn the_first_message_has_no_name_in_it() {
        let message = negotiate().expect("a message");
        assert_eq!(ntlm::message_type(&message), Some(1));
        assert!(!message.windows(6).any(|octets| octets.eq_ignore_ascii_case(b"nobody")));
        assert!(!message.windows(12).any(|octets| octets.eq_ignore_ascii_case(&utf16("nobody"))));
    }

    #[test]
    fn a_challenge_names_server_and_domain() {
        let now = UNIX_EPOCH + Duration::from_secs(1_795_651_200);
        let ticks = (1_795_651_200_u64 + 90 + 11_644_473_600) * 10_000_000;
        let (lab, server) = (utf16("LAB"), utf16("SRV-1"));
        let message = message(&[(2, &lab), (1, &server), (7, &ticks.to_le_bytes()), (0, &[])]);
        let wrapped = continued(&message);
        let found = challenge(&wrapped).expect("it is inside");
        let told = read(found, "NTLM", now);
        assert_eq!((told.domain.as_deref(), told.computer.as_deref()), (Some("LAB"), Some("SRV-1")));
        assert_eq!(told.clock_ahead_seconds, Some(90));
    }

    #[test]
    fn a_hostile_challenge_is_read_as_far_as_it_goes() {
        let mut message = message(&[(2, &utf16("LAB")), (1, &utf16("SRV"))]);
        let whole = message.clone();
        for length in 0..whole.len() {
            let _ = read(&whole[..length], "NTLM", SystemTime::now());
        }
        message[44..48].copy_from_slice(&u32::MAX.to_le_bytes());
        assert_eq!(read(&message, "NTLM", SystemTime::now()).domain, None);
        let endless = self::message(&[(7, &[0xff; 8]), (7, &[0; 8]), (9, &[]), (9, &[])]);
        assert_eq!(read(&endless, "NTLM", SystemTime::now()).computer, None);
    }

    #[test]
    fn spnego_says_whether_it_goes_on() {
        assert!(goes_on(&[0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x01]));
        assert!(goes_on(&[0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x03]));
        assert!(!goes_on(&[0xa1, 0x07, 0x30, 0x05, 0xa0, 0x03, 0x0a, 0x01, 0x02]));
        assert!(!goes_on(b"\xa1"));
        // 60 1c 06 06 .. a0 12 30 10 a0 0e 30 0c 06 0a ..
        let list = list(None);
        assert_eq!((list.len(), list[1], list[11]), (30, 0x1c, 0x12));
    }
}
