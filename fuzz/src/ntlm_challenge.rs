//! Any octets as the server's CHALLENGE_MESSAGE: an answer that the acceptor can read, or an error.

use std::time::UNIX_EPOCH;

use legwork::channel_bindings::{AbsentChannelBindings, ChannelBindings};
use legwork::credentials::Credentials;
use legwork::mechanism::ntlm::Ntlm;
use legwork::mechanism::{Initiate, Mechanism, Moment, Step};
use legwork::unversioned::testing::AuthenticateMessage;

/// Panics if anything is wrong. Says whether the challenge was answered.
///
/// The first octet has the options, and the form of the rest: the whole message, target
/// information in an otherwise good message, or what comes behind a good header, the flags first.
pub fn check(input: &[u8]) -> bool {
    let Some((form, rest)) = input.split_first() else { return false };
    let challenge = match form % 3 {
        0 => rest.to_vec(),
        1 => with_target_info(rest),
        _ => [b"NTLMSSP\0\x02\0\0\0\0\0\0\0\0\0\0\0", rest].concat(),
    };

    let carol = Credentials::password("LAB\\carol", "carol-pw");
    let bindings = (form & 0x80 != 0).then(|| ChannelBindings::tls_server_end_point(&[1; 32]));
    let absent = if form & 0x40 != 0 { AbsentChannelBindings::Zeros } else { AbsentChannelBindings::LeftOut };
    let arguments = Initiate::new("HTTP/mail.example", carol)
        .with_channel_bindings(bindings)
        .with_absent_channel_bindings(absent)
        .with_integrity(form & 0x20 == 0);
    let moment = Moment::new(UNIX_EPOCH, [7; 32]);
    let Ok(Step::Continue { context, .. }) = Ntlm::new().initiate(arguments, moment).step(None) else {
        panic!("the first step needs no peer")
    };

    let Ok(step) = context.step(Some(&challenge)) else { return false };
    let Step::Complete { token: Some(token), mut established } = step else {
        panic!("NTLM ends with its second message")
    };
    let message = AuthenticateMessage::parse(&token).expect("the acceptor reads what the client writes");
    assert_eq!((message.domain(), message.user()), ("LAB", "carol"));
    assert_eq!(message.mic().is_some(), message.av_flags() & 2 != 0);
    if let Some(integrity) = &mut established.integrity {
        let mic = integrity.mic(&challenge).expect("what was negotiated signs");
        integrity.verify(&challenge, &mic).expect_err("a signature of this side is not one of the other");
    }
    true
}

/// A message with all flags that matter and this target information.
fn with_target_info(target_info: &[u8]) -> Vec<u8> {
    let target_info = &target_info[..target_info.len().min(usize::from(u16::MAX))];
    let length = u16::try_from(target_info.len()).expect("cut to fit").to_le_bytes();
    let flags = 0xe28a_8215_u32.to_le_bytes();
    let header = [b"NTLMSSP\0\x02\0\0\0\0\0\0\0\0\0\0\0", flags.as_slice(), &[0x11; 8], &[0; 8]].concat();
    [&header, length.as_slice(), &length, &[48, 0, 0, 0], target_info].concat()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_answered_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("ntlm_challenge") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("ntlm_challenge") {
            check(&input);
        }
    }
}
