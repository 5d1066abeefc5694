//! The initiator against published vectors, recorded conversations and hostile challenges.

use std::time::{Duration, SystemTime};

use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings};
use crate::credentials::Credentials;
use crate::mechanism::bindings_hash::channel_bindings_hash;
use crate::mechanism::ntlm::authenticate::AuthenticateFields;
use crate::mechanism::ntlm::av_pairs;
use crate::mechanism::ntlm::challenge::ChallengeMessage;
use crate::mechanism::ntlm::crypto::{
    client_challenge, exchange_key, keyed, lm_response, message_integrity_code, nt_proof, response_key,
    session_base_key,
};
use crate::mechanism::ntlm::flags::{
    NEGOTIATE_128, NEGOTIATE_EXTENDED_SESSION_SECURITY, NEGOTIATE_KEY_EXCH, NEGOTIATE_SIGN,
    NEGOTIATE_TARGET_INFO, NEGOTIATE_UNICODE, NEGOTIATE_VERSION, REQUESTED, REQUESTED_FOR_INTEGRITY,
};
use crate::mechanism::ntlm::integrity::{Direction, NtlmIntegrity};
use crate::mechanism::ntlm::rc4::Rc4;
use crate::mechanism::ntlm::vectors::Vectors;
use crate::mechanism::ntlm::{Ntlm, message_type};
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, MessageIntegrity, Moment,
    Proves, SecurityContext, Step,
};
use crate::testing::ntlm::AuthenticateMessage;
use crate::testing::ntlm::SentBindings;

fn specification() -> Vectors {
    Vectors::read(include_str!("../../../tests/vectors/ms-nlmp-4.2.4.txt"))
}

fn windows() -> Vectors {
    Vectors::read(include_str!("../../../tests/vectors/windows-7-bindings.txt"))
}

fn recorded() -> Vectors {
    Vectors::read(include_str!("../../../tests/vectors/gss-ntlmssp.txt"))
}

/// The specification's randomness, the client's challenge and then the session key, at the
/// beginning of 1601, the zero of a FILETIME.
fn moment() -> Moment {
    let mut octets = [0x55; 32];
    octets[..8].fill(0xaa);
    Moment::new(SystemTime::UNIX_EPOCH - Duration::from_secs(11_644_473_600), octets)
}

/// With integrity, as the specification's examples and SPNEGO have it.
fn arguments(username: &str, password: &str, target_name: &str) -> Initiate {
    Initiate::new(target_name, Credentials::password(username, password)).with_integrity(true)
}

/// The first step: the NEGOTIATE_MESSAGE and the context that waits for its answer.
fn negotiate(ntlm: &Ntlm, arguments: Initiate) -> (Vec<u8>, Box<dyn SecurityContext>) {
    match ntlm.initiate(arguments, moment()).step(None).expect("good credentials") {
        Step::Continue { token, context, expects: Expects::Challenge, proves: Proves::Nothing } => {
            (token, context)
        }
        other => panic!("{other:?}"),
    }
}

/// Both steps: the two messages of the client and what was established.
struct Conversation {
    negotiate: Vec<u8>,
    authenticate: AuthenticateMessage,
    established: Established,
}

fn converse(ntlm: &Ntlm, arguments: Initiate, challenge: &[u8]) -> Result<Conversation, MechanismError> {
    let (negotiate, context) = negotiate(ntlm, arguments);
    match context.step(Some(challenge))? {
        Step::Complete { token: Some(token), established } => {
            let authenticate = AuthenticateMessage::parse(&token).expect("our own message");
            Ok(Conversation { negotiate, authenticate, established })
        }
        other => panic!("{other:?}"),
    }
}

/// A challenge with these flags and this target information, at offset 48.
fn challenge(flags: u32, target_info: &[u8]) -> Vec<u8> {
    let mut message = b"NTLMSSP\0\x02\0\0\0\0\0\0\0\0\0\0\0".to_vec();
    message.extend_from_slice(&flags.to_le_bytes());
    message.extend_from_slice(&[0x11; 8]);
    message.extend_from_slice(&[0; 8]);
    let length = u16::try_from(target_info.len()).expect("a short list").to_le_bytes();
    message.extend_from_slice(&[length, length, [48, 0], [0, 0]].concat());
    message.extend_from_slice(target_info);
    message
}

const USUAL: u32 = REQUESTED | REQUESTED_FOR_INTEGRITY | NEGOTIATE_TARGET_INFO;
const TIMESTAMP_PAIR: &[u8] = &[7, 0, 8, 0, 1, 2, 3, 4, 5, 6, 7, 8];
const EOL_PAIR: &[u8] = &[0; 4];

#[test]
fn computes_the_values_of_the_specification() {
    let v = specification();
    let key = response_key(v.text("common.user"), v.text("common.domain"), v.text("common.password"));
    assert_eq!(key.to_vec(), v.octets("v2.response-key"));
    let key = keyed(&key);

    let (server, client) = (v.array("common.server-challenge"), v.array("common.client-challenge"));
    assert_eq!(lm_response(&key, server, client).to_vec(), v.octets("v2.lm-response"));

    let blob =
        client_challenge(v.array("common.time"), client, 0, |pairs| pairs.extend(v.octets("v2.target-info")));
    let proof = nt_proof(&key, server, &blob);
    assert_eq!(proof.to_vec(), v.octets("v2.nt-proof"));

    let base = session_base_key(&key, &proof);
    assert_eq!(base.to_vec(), v.octets("v2.session-base-key"));
    let encrypted = exchange_key(&base, &v.array("common.session-key"));
    assert_eq!(encrypted.to_vec(), v.octets("v2.encrypted-session-key"));
}

#[test]
fn reads_the_challenge_of_the_specification() {
    let v = specification();
    let message = v.octets("messages.challenge");
    let challenge = ChallengeMessage::parse(&message).expect("published");
    assert_eq!(challenge.flags, 0xe28a_8233);
    assert_eq!(challenge.server_challenge, v.array("common.server-challenge"));
    let target_info = challenge.target_info.expect("two names");
    let names = [(2, &b"D\0o\0m\0a\0i\0n\0"[..]), (1, b"S\0e\0r\0v\0e\0r\0")];
    assert_eq!(target_info.iter().collect::<Vec<_>>(), names);
    assert_eq!(target_info.timestamp(), None);
    let mut written = Vec::new();
    names.iter().for_each(|(id, name)| av_pairs::push(&mut written, *id, name));
    av_pairs::push_end(&mut written);
    assert_eq!(written, v.octets("v2.target-info"));
}

#[test]
fn writes_the_answer_of_the_specification_octet_for_octet() {
    let v = specification();
    let blob = client_challenge([0; 8], [0xaa; 8], 0, |pairs| pairs.extend(v.octets("v2.target-info")));
    let message = AuthenticateFields {
        flags: 0xe288_8235,
        version: [5, 1, 0x28, 0x0a, 0, 0, 0, 15],
        domain: v.text("common.domain"),
        user: v.text("common.user"),
        workstation: v.text("common.workstation"),
        lm_response: v.array("v2.lm-response"),
        nt_proof: v.array("v2.nt-proof"),
        client_challenge: &blob,
        encrypted_session_key: &v.octets("v2.encrypted-session-key"),
    };
    assert_eq!(message.write(), v.octets("messages.authenticate"));
}

#[test]
fn answers_the_challenge_of_the_specification_in_two_steps() {
    let v = specification();
    let ntlm = Ntlm::new().workstation(v.text("common.workstation"));
    let done = converse(&ntlm, arguments("Domain\\User", "Password", ""), &v.octets("messages.challenge"))
        .expect("done");
    let message = done.authenticate;
    assert_eq!(message.nt_proof(), v.octets("v2.nt-proof"));
    assert_eq!(message.lm_response(), v.octets("v2.lm-response"));
    assert_eq!(message.encrypted_session_key(), v.octets("v2.encrypted-session-key"));
    assert_eq!((message.domain(), message.user(), message.workstation()), ("Domain", "User", "COMPUTER"));
    assert_eq!(message.flags(), 0xe288_8215, "the specification's, without sealing");
    assert!(message.mic().is_none(), "the server told no time");

    assert_eq!(done.established.mechanism, "NTLM");
    assert_eq!(done.established.principal.as_deref(), Some("Domain\\User"));
    assert_eq!(done.established.binding, Binding::Connection);
    assert!(!done.established.mutual);
}

#[test]
fn signs_as_the_specification_does() {
    let v = specification();
    let flags = NEGOTIATE_SIGN | NEGOTIATE_EXTENDED_SESSION_SECURITY | NEGOTIATE_128 | NEGOTIATE_KEY_EXCH;
    let key = v.array("common.session-key").into();
    let mut integrity =
        NtlmIntegrity::negotiated(flags, &key, Direction::ClientToServer).expect("negotiated");

    // GSS_WrapEx seals first: its 18 octets of key stream come before the checksum's.
    let plaintext = v.octets("wrap.plaintext");
    let mut sealed = plaintext.clone();
    integrity.seal(&mut sealed);
    assert_eq!(sealed, v.octets("wrap.ciphertext"));
    assert_eq!(integrity.mic(&plaintext).expect("signs"), v.octets("wrap.signature"));

    let mut by_key = plaintext;
    Rc4::new(&v.array("wrap.sealing-key")).apply(&mut by_key);
    assert_eq!(by_key, v.octets("wrap.ciphertext"));
}

#[test]
fn recomputes_the_proof_that_windows_sent() {
    let v = windows();
    let theirs = AuthenticateMessage::parse(&v.octets("windows.authenticate")).expect("published");
    let text = |name: &str| v.text(&format!("windows.{name}"));
    assert_eq!(theirs.domain(), text("domain"));
    assert_eq!(theirs.target_name().as_deref(), Some(text("spn")));
    assert_eq!(theirs.channel_bindings_hash(), Some(v.array("windows.bindings-hash")));
    assert_eq!(theirs.mic().map(|(mic, _)| mic), Some(v.array("windows.mic")));

    let key = keyed(&response_key(theirs.user(), theirs.domain(), text("password")));
    let proof = nt_proof(&key, v.array("windows.server-challenge"), theirs.client_challenge());
    assert_eq!(theirs.nt_proof(), proof);

    // Without SIGN in the challenge no key is exchanged, as Windows had it.
    let ours = converse(
        &Ntlm::new().workstation(text("workstation")),
        arguments(&format!("{}\\{}", theirs.domain(), theirs.user()), text("password"), text("spn")),
        &v.octets("windows.challenge"),
    )
    .expect("done");
    assert_eq!(ours.authenticate.flags(), theirs.flags());
    assert_eq!(ours.authenticate.encrypted_session_key(), theirs.encrypted_session_key());
    assert_eq!(ours.authenticate.lm_response(), theirs.lm_response());
    assert_eq!(ours.authenticate.av_flags(), theirs.av_flags());
    assert!(ours.established.integrity.is_none());
}

#[test]
fn recomputes_what_gss_ntlmssp_sent() {
    let v = recorded();
    assert_eq!(v.sections().len(), 6);
    for case in v.sections() {
        let text = |name: &str| v.text(&format!("{case}.{name}"));
        let octets = |name: &str| v.octets(&format!("{case}.{name}"));
        let [first, second, third] = ["negotiate", "challenge", "authenticate"].map(octets);
        let theirs = AuthenticateMessage::parse(&third).expect("recorded");
        assert_eq!((theirs.domain(), theirs.user()), (text("domain"), text("user")), "{case}");
        assert_eq!(theirs.target_name().as_deref(), Some(text("spn")), "{case}");

        let server_challenge = ChallengeMessage::parse(&second).expect("recorded").server_challenge;
        let key = keyed(&response_key(theirs.user(), theirs.domain(), text("password")));
        let proof = nt_proof(&key, server_challenge, theirs.client_challenge());
        assert_eq!(theirs.nt_proof(), proof, "{case}");

        let encrypted = theirs.encrypted_session_key().try_into().expect("16 octets");
        let session_key = exchange_key(&session_base_key(&key, &proof), encrypted);
        if case.starts_with("mic") {
            assert_eq!(theirs.av_flags(), 2, "{case}");
            let (mic, unsigned) = theirs.mic().expect("announced");
            assert_eq!(mic, message_integrity_code(&session_key, [&first, &second, &unsigned]), "{case}");
        }
        let bindings = v.optional(&format!("{case}.bindings")).map(ChannelBindings::from_application_data);
        assert_eq!(theirs.channel_bindings_hash(), bindings.as_ref().map(channel_bindings_hash), "{case}");

        let side =
            |sends| NtlmIntegrity::negotiated(theirs.flags(), &session_key, sends).expect("negotiated");
        let (mut initiator, mut acceptor) =
            (side(Direction::ClientToServer), side(Direction::ServerToClient));
        if case.starts_with("mic") {
            let list = octets("mech-list");
            assert_eq!(initiator.mic(&list).expect("signs"), octets("initiator-mech-list-mic"), "{case}");
            assert_eq!(acceptor.mic(&list).expect("signs"), octets("acceptor-mech-list-mic"), "{case}");
        } else {
            for message in ["one", "two"] {
                let signed = |side| octets(&format!("{side}-signs-{message}"));
                assert_eq!(acceptor.verify(message.as_bytes(), &signed("initiator")), Ok(()), "{case}");
                assert_eq!(initiator.verify(message.as_bytes(), &signed("acceptor")), Ok(()), "{case}");
            }
        }
    }
}

#[test]
fn answers_the_challenges_of_gss_ntlmssp() {
    let v = recorded();
    for case in v.sections() {
        let text = |name: &str| v.text(&format!("{case}.{name}"));
        let second = v.octets(&format!("{case}.challenge"));
        let bindings = v.optional(&format!("{case}.bindings")).map(ChannelBindings::from_application_data);
        let username = format!("{}\\{}", text("domain"), text("user"));
        let arguments =
            arguments(&username, text("password"), text("spn")).with_channel_bindings(bindings.clone());
        let ours = converse(&Ntlm::new(), arguments, &second).expect("done");

        let message = ours.authenticate;
        let challenge = ChallengeMessage::parse(&second).expect("recorded");
        let key = keyed(&response_key(text("user"), text("domain"), text("password")));
        let proof = nt_proof(&key, challenge.server_challenge, message.client_challenge());
        assert_eq!(message.nt_proof(), proof, "{case}");
        assert_eq!(message.lm_response(), [0; 24], "{case}");
        assert_eq!(message.av_flags(), 2, "{case}");
        assert_eq!(message.target_name().as_deref(), Some(text("spn")), "{case}");
        assert_eq!(message.channel_bindings_hash(), bindings.as_ref().map(channel_bindings_hash), "{case}");
        let time = challenge.target_info.and_then(|info| info.timestamp()).expect("their time");
        assert_eq!(message.client_challenge()[8..16], time, "{case}");

        let (mic, unsigned) = message.mic().expect("announced");
        let expected = message_integrity_code(&[0x55; 16].into(), [&ours.negotiate, &second, &unsigned]);
        assert_eq!(mic, expected, "{case}");
        assert!(ours.established.integrity.is_some(), "{case}");
    }
}

#[test]
fn begins_with_forty_octets_that_tell_no_names() {
    let ntlm = Ntlm::new().workstation("DESK-7");
    let (token, _) = negotiate(&ntlm, arguments("LAB\\carol", "carol-pw", "HTTP/mail.example"));
    assert_eq!(token.len(), 40);
    assert_eq!(message_type(&token), Some(1));
    assert_eq!(token[12..16], 0xe208_8215_u32.to_le_bytes());
    assert_eq!(token[16..32], [0; 16]);
    assert_eq!(token[32..], [10, 0, 0, 0, 0, 0, 0, 15]);
}

#[test]
fn asks_for_no_signatures_and_exchanges_no_key_where_nothing_is_to_be_signed() {
    let ntlm = Ntlm::new();
    let unsigned = || arguments("LAB\\carol", "carol-pw", "HTTP/mail.example").with_integrity(false);
    // The first message of Windows' own clients of HTTP has 0xa208_8207: OEM strings besides.
    assert_eq!(negotiate(&ntlm, unsigned()).0[12..16], 0xa208_8205_u32.to_le_bytes());

    // Nor are they used where a server grants them unasked.
    let challenge = challenge(USUAL, &[TIMESTAMP_PAIR, EOL_PAIR].concat());
    let done = converse(&ntlm, unsigned(), &challenge).expect("done");
    let message = done.authenticate;
    assert_eq!(message.flags(), 0xa288_8205);
    assert_eq!(message.encrypted_session_key(), b"");
    assert!(done.established.integrity.is_none());

    // The MIC's key is then the key exchange key (MS-NLMP 3.1.5.1.2).
    let key = keyed(&response_key("carol", "LAB", "carol-pw"));
    let proof = nt_proof(&key, [0x11; 8], message.client_challenge());
    let (mic, without) = message.mic().expect("announced");
    let messages = [&done.negotiate, &challenge, &without].map(Vec::as_slice);
    assert_eq!(mic, message_integrity_code(&session_base_key(&key, &proof), messages));
}

#[test]
fn sends_a_principal_name_whole_and_without_a_domain() {
    let challenge = challenge(USUAL, EOL_PAIR);
    let done = converse(&Ntlm::new(), arguments("carol@lab.test", "pw", ""), &challenge).expect("done");
    assert_eq!((done.authenticate.domain(), done.authenticate.user()), ("", "carol@lab.test"));
}

#[test]
fn leaves_absent_bindings_out_unless_told_to_send_zeros() {
    let challenge = challenge(USUAL, &[TIMESTAMP_PAIR, EOL_PAIR].concat());
    let sent = |bindings: Option<&ChannelBindings>, absent| {
        let arguments = arguments("carol", "pw", "")
            .with_channel_bindings(bindings.cloned())
            .with_absent_channel_bindings(absent);
        converse(&Ntlm::new(), arguments, &challenge).expect("done").authenticate.channel_bindings()
    };
    assert_eq!(sent(None, AbsentChannelBindings::LeftOut), SentBindings::Absent);
    assert_eq!(sent(None, AbsentChannelBindings::Zeros), SentBindings::Zeros);
    let bindings = ChannelBindings::tls_server_end_point(&[9; 32]);
    let hash = SentBindings::Hash(channel_bindings_hash(&bindings));
    assert_eq!(sent(Some(&bindings), AbsentChannelBindings::LeftOut), hash);
    assert_eq!(sent(Some(&bindings), AbsentChannelBindings::Zeros), hash);
}

#[test]
fn replaces_the_pairs_that_are_the_clients_to_say() {
    let mut target_info = [TIMESTAMP_PAIR, &[6, 0, 4, 0, 4, 0, 0, 0], &[10, 0, 16, 0], &[0xee; 16]].concat();
    target_info.extend_from_slice(&[9, 0, 2, 0, b'X', 0, 1, 0, 2, 0, b'S', 0]);
    target_info.extend_from_slice(EOL_PAIR);
    let challenge = challenge(USUAL, &target_info);
    let message =
        converse(&Ntlm::new(), arguments("carol", "pw", ""), &challenge).expect("done").authenticate;
    assert_eq!(message.av_flags(), 0x6, "their bit and the MIC's");
    assert_eq!(message.channel_bindings_hash(), None);
    assert_eq!(message.target_name(), None);
    let server_name = [1, 0, 2, 0, b'S', 0];
    assert!(message.client_challenge().windows(6).any(|pair| pair == server_name), "the rest is quoted");
}

#[test]
fn announces_no_mic_where_the_server_does_it_without_a_time() {
    let challenge = challenge(USUAL, &[&[6, 0, 4, 0, 2, 0, 0, 0], EOL_PAIR].concat());
    let message =
        converse(&Ntlm::new(), arguments("carol", "pw", ""), &challenge).expect("done").authenticate;
    assert_eq!(message.av_flags(), 0);
    assert!(message.mic().is_none());
}

#[test]
fn answers_a_challenge_of_32_octets() {
    let flags = (USUAL & !NEGOTIATE_VERSION & !NEGOTIATE_TARGET_INFO).to_le_bytes();
    let short = [b"NTLMSSP\0\x02\0\0\0\0\0\0\0\0\0\0\0", flags.as_slice(), &[0x11; 8]].concat();
    assert_eq!(short.len(), 32);
    let done =
        converse(&Ntlm::new(), arguments("LAB\\carol", "pw", "HTTP/mail.example"), &short).expect("done");
    let message = done.authenticate;
    // 28 octets and the four reserved ones: a list of pairs that ends at once.
    assert_eq!(message.client_challenge().len(), 32);
    assert_eq!(message.client_challenge()[28..], [0; 4]);
    let key = keyed(&response_key("carol", "LAB", "pw"));
    assert_eq!(message.nt_proof(), nt_proof(&key, [0x11; 8], message.client_challenge()));
    assert_eq!(message.lm_response(), lm_response(&key, [0x11; 8], [0xaa; 8]));
    assert!(message.mic().is_none());
    assert!(done.established.integrity.is_some());
}

#[test]
fn takes_what_is_granted_and_says_so() {
    let target_info = [TIMESTAMP_PAIR, EOL_PAIR].concat();
    for (withheld, key_octets, integrity) in [
        (0, 16, true),
        (NEGOTIATE_KEY_EXCH, 0, true),
        (NEGOTIATE_SIGN, 0, false),
        (NEGOTIATE_EXTENDED_SESSION_SECURITY, 16, false),
        (NEGOTIATE_128, 16, false),
    ] {
        let challenge = challenge(USUAL & !withheld, &target_info);
        let done = converse(&Ntlm::new(), arguments("carol", "pw", ""), &challenge).expect("done");
        assert_eq!(done.authenticate.flags() & withheld, 0, "{withheld:#x}");
        assert_eq!(done.authenticate.encrypted_session_key().len(), key_octets, "{withheld:#x}");
        assert_eq!(done.established.integrity.is_some(), integrity, "{withheld:#x}");
        assert!(done.authenticate.mic().is_some(), "{withheld:#x}");
    }
}

#[test]
fn refuses_a_server_without_unicode() {
    let oem = challenge(USUAL & !NEGOTIATE_UNICODE | 2, EOL_PAIR);
    let error = converse(&Ntlm::new(), arguments("carol", "pw", ""), &oem).err().expect("no Unicode");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("Unicode"), "{error}");
}

#[test]
fn says_what_is_wrong_with_a_hostile_challenge_and_where() {
    let good = challenge(USUAL, &[TIMESTAMP_PAIR, EOL_PAIR].concat());
    let with = |offset: usize, octets: &[u8]| {
        let mut message = good.clone();
        message[offset..offset + octets.len()].copy_from_slice(octets);
        message
    };
    let field = |length: u16, offset: u32| {
        with(40, &[length.to_le_bytes().as_slice(), &[0; 2], &offset.to_le_bytes()].concat())
    };
    for (message, complaint) in [
        (Vec::new(), "no NTLMSSP signature at offset 0"),
        (b"NTLMSSX\0\x02\0\0\0".to_vec(), "no NTLMSSP signature at offset 0"),
        (good[..8].to_vec(), "ends before its type at offset 8"),
        (good[..11].to_vec(), "ends before its type at offset 8"),
        (with(8, &[1]), "the type at offset 8 is 1"),
        (with(8, &[3]), "the type at offset 8 is 3"),
        (good[..31].to_vec(), "31 octets, but at least 32 are needed"),
        (good[..32].to_vec(), "ends before its target information at offset 40"),
        (good[..47].to_vec(), "ends before its target information at offset 44"),
        (good[..63].to_vec(), "(field at offset 40) is 16 octets at 48, beyond the end at 63"),
        (field(16, 49), "(field at offset 40) is 16 octets at 49, beyond the end at 64"),
        (field(u16::MAX, 48), "(field at offset 40) is 65535 octets at 48, beyond the end at 64"),
        (field(16, u32::MAX), "(field at offset 40) is 16 octets at 4294967295, beyond the end at 64"),
        (field(16, 0), "(field at offset 40) begins at 0, inside the header"),
        (field(16, 47), "(field at offset 40) begins at 47, inside the header"),
        (field(12, 48), "the list of pairs ends without MsvAvEOL at offset 60"),
        (field(14, 48), "the list of pairs ends without MsvAvEOL at offset 60"),
        (field(3, 48), "the list of pairs ends without MsvAvEOL at offset 48"),
        (field(11, 48), "pair 7 at offset 48 has a value of 8 octets, of which 7 are there"),
        (with(50, &[0xff, 0xff]), "pair 7 at offset 48 has a value of 65535 octets, of which 12 are there"),
        (with(50, &[7]), "pair 7 at offset 48 has a value of 7 octets"),
        (with(48, &[6]), "pair 6 at offset 48 has a value of 8 octets"),
        (with(48, &[10]), "pair 10 at offset 48 has a value of 8 octets"),
        (challenge(USUAL, &vec![0; 16_337]), "16385 octets, but at most 16384 are allowed"),
    ] {
        let error = converse(&Ntlm::new(), arguments("carol", "pw", ""), &message).err().expect(complaint);
        assert_eq!(error.kind(), ErrorKind::DefectiveToken, "{complaint}");
        assert!(error.to_string().ends_with(complaint), "{error}\nis not: {complaint}");
        assert!(error.to_string().starts_with("NTLM message of type 2: "), "{error}");
    }
}

#[test]
fn takes_what_is_odd_but_harmless() {
    let no_flag = challenge(USUAL & !NEGOTIATE_TARGET_INFO, &[0xff; 7]);
    let mut wild_target_name = challenge(USUAL, EOL_PAIR);
    wild_target_name[12..20].fill(0xff);
    let mut empty_far_away = challenge(USUAL, &[]);
    empty_far_away[44..48].fill(0xff);
    let twice = challenge(USUAL, &[TIMESTAMP_PAIR, TIMESTAMP_PAIR, EOL_PAIR].concat());
    let more_behind = challenge(USUAL, &[EOL_PAIR, TIMESTAMP_PAIR].concat());
    let largest = challenge(USUAL, &[&[99, 0, 0xc8, 0x3f], vec![1; 0x3fc8].as_slice(), EOL_PAIR].concat());
    assert_eq!(largest.len(), 16_384);
    for message in [no_flag, wild_target_name, empty_far_away, twice, more_behind, largest] {
        let target_name = "x".repeat(4096);
        converse(&Ntlm::new(), arguments("carol", "pw", &target_name), &message).expect("an answer");
    }
}

#[test]
fn refuses_credentials_that_cannot_serve_before_it_sends_anything() {
    let long = "x".repeat(5000);
    for (username, password, target_name) in [
        ("", "pw", ""),
        ("LAB\\", "pw", ""),
        (&*long, "pw", ""),
        ("carol", &*long, ""),
        ("carol", "pw", &*long),
    ] {
        let error = Ntlm::new().initiate(arguments(username, password, target_name), moment()).step(None);
        assert_eq!(error.expect_err("cannot serve").kind(), ErrorKind::Credentials);
    }
    let error = Ntlm::new().workstation(&*long).initiate(arguments("carol", "pw", ""), moment()).step(None);
    assert_eq!(error.expect_err("cannot serve").kind(), ErrorKind::Credentials);
}

#[test]
fn wants_its_tokens_in_order() {
    let early =
        Ntlm::new().initiate(arguments("carol", "pw", ""), moment()).step(Some(b"NTLMSSP\0\x02\0\0\0"));
    assert_eq!(early.expect_err("it begins").kind(), ErrorKind::DefectiveToken);
    let (_, context) = negotiate(&Ntlm::new(), arguments("carol", "pw", ""));
    assert_eq!(context.step(None).expect_err("no challenge").kind(), ErrorKind::MissingToken);
    let (_, context) = negotiate(&Ntlm::new(), arguments("carol", "pw", ""));
    assert_eq!(context.finish_without_token().expect_err("no challenge").kind(), ErrorKind::MissingToken);
}

#[test]
fn a_signature_is_good_once_and_for_its_message() {
    let flags = REQUESTED | REQUESTED_FOR_INTEGRITY;
    let side = |sends| NtlmIntegrity::negotiated(flags, &[7; 16].into(), sends).expect("negotiated");
    let mic = side(Direction::ClientToServer).mic(b"hello").expect("signs");
    let refused = |message: &[u8], mic: &[u8]| {
        let mut server = side(Direction::ServerToClient);
        server.verify(message, mic).expect_err("forged").kind()
    };
    assert_eq!(refused(b"hullo", &mic), ErrorKind::BadMic);
    assert_eq!(refused(b"hello", &mic[..15]), ErrorKind::BadMic);
    assert_eq!(refused(b"hello", &[]), ErrorKind::BadMic);
    let mut server = side(Direction::ServerToClient);
    assert_eq!(server.verify(b"hello", &mic), Ok(()));
    assert!(server.verify(b"hello", &mic).is_err(), "the number has moved on");
}

#[test]
fn is_registered_under_its_object_identifier() {
    let mut arcs = vec![1, 3];
    let mut arc = 0_u32;
    for octet in &Ntlm::new().oid()[1..] {
        arc = arc << 7 | u32::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            arcs.push(std::mem::take(&mut arc));
        }
    }
    assert_eq!(arcs, [1, 3, 6, 1, 4, 1, 311, 2, 2, 10]);
    assert_eq!(Ntlm::new().name(), "NTLM");
}
