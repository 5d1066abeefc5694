//! Client and acceptor in conversation.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::channel_bindings::{AbsentChannelBindings, ChannelBindings};
use crate::credentials::Credentials;
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::ntlm::flags::{NEGOTIATE_KEY_EXCH, NEGOTIATE_SIGN, NEGOTIATE_VERSION};
use crate::mechanism::{Initiate, Mechanism, MessageIntegrity, Moment, Step};
use crate::testing::ntlm::{AuthenticateMessage, ChallengeForm, NtlmAcceptor};
use crate::testing::{Accept, Acceptor, Users};

const FORMS: [ChallengeForm; 4] = [
    ChallengeForm::WithTimestamp,
    ChallengeForm::WithoutTimestamp,
    ChallengeForm::WithoutTargetInfo,
    ChallengeForm::Short,
];

fn acceptor() -> NtlmAcceptor {
    let users =
        Users::new().with("LAB\\carol", "carol-pw").with("Jürgen", "Pässwörd ☃").with("erin@lab.test", "");
    NtlmAcceptor::new(Arc::new(users), [3; 8], SystemTime::UNIX_EPOCH)
}

fn bindings(octet: u8) -> ChannelBindings {
    ChannelBindings::tls_server_end_point(&[octet; 32])
}

struct Client {
    username: &'static str,
    password: &'static str,
    bindings: Option<ChannelBindings>,
    absent: AbsentChannelBindings,
    integrity: bool,
}

impl Client {
    fn new(username: &'static str, password: &'static str) -> Self {
        Self { username, password, bindings: None, absent: AbsentChannelBindings::LeftOut, integrity: true }
    }

    /// Steps through a login; `on_the_way` may tamper with the AUTHENTICATE_MESSAGE.
    fn log_in(
        &self,
        server: &mut NtlmAcceptor,
        on_the_way: impl FnOnce(&mut Vec<u8>),
    ) -> (Accept, Option<Box<dyn MessageIntegrity>>) {
        let credentials = Credentials::password(self.username, self.password);
        let arguments = Initiate::new("HTTP/mail.example", credentials)
            .with_channel_bindings(self.bindings.clone())
            .with_absent_channel_bindings(self.absent)
            .with_integrity(self.integrity);
        let context = Ntlm::new().initiate(arguments, Moment::new(SystemTime::UNIX_EPOCH, [7; 32]));
        let Ok(Step::Continue { token, context, .. }) = context.step(None) else { panic!("a first message") };
        let Accept::Continue(challenge) = server.step(&token) else { panic!("a challenge") };
        let Ok(Step::Complete { token: Some(mut token), established }) = context.step(Some(&challenge))
        else {
            panic!("an answer")
        };
        on_the_way(&mut token);
        (server.step(&token), established.integrity)
    }

    fn refusal(&self, server: &mut NtlmAcceptor, on_the_way: impl FnOnce(&mut Vec<u8>)) -> String {
        match self.log_in(server, on_the_way) {
            (Accept::Refused { why, token: None }, _) => why,
            (other, _) => panic!("{other:?}"),
        }
    }
}

/// What curl 7.88.1 has answered, with --proxy-ntlm and carol's password: its names are no UTF-16.
#[test]
fn names_may_come_without_unicode() {
    let negotiate = "TlRMTVNTUAABAAAABoIIAAAAAAAAAAAAAAAAAAAAAAA=";
    let authenticate = "TlRMTVNTUAADAAAAGAAYAEAAAABgAGAAWAAAAAMAAwC4AAAABQAFALsAAAALAAsAwAAAAAAAAAAAAAAABIKKAKrPZxLhmSMEU4uX\
                        e6ZSDPl5Cj+dbL+DHv9pjrZGeGZ9AGF52kq0h7kBAQAAAAAAAABPXuEMgN0BeQo/nWy/gx4AAAAAAgAMAEQATwBNAEEASQBO\
                        AAEADABTAEUAUgBWAEUAUgAHAAgA+whn4QyA3QEAAAAAAAAAAExBQmNhcm9sV09SS1NUQVRJT04=";
    let octets = |token: &str| STANDARD.decode(token).expect("base64");
    let users = Arc::new(Users::new().with("LAB\\carol", "carol-pw"));
    let mut server = NtlmAcceptor::new(users, [0; 8], SystemTime::UNIX_EPOCH);
    assert!(matches!(server.step(&octets(negotiate)), Accept::Continue(_)));
    let accepted = server.step(&octets(authenticate));
    let Accept::Accepted { user, .. } = accepted else { panic!("{accepted:?}") };
    assert_eq!(user, "LAB\\carol");

    let mut beyond_ascii = octets(authenticate);
    beyond_ascii[0xbb] = 0xe4;
    let error = AuthenticateMessage::parse(&beyond_ascii).expect_err("in which code page?");
    assert!(error.to_string().contains("user at offset 187 is not ASCII"), "{error}");
}

#[test]
fn client_and_acceptor_agree_in_every_form_of_challenge() {
    for form in FORMS {
        for withheld in [0, NEGOTIATE_KEY_EXCH, NEGOTIATE_KEY_EXCH | NEGOTIATE_SIGN, NEGOTIATE_VERSION] {
            for (name, password, user) in [
                ("LAB\\carol", "carol-pw", "LAB\\carol"),
                ("CAROL", "carol-pw", "CAROL"),
                ("jürgen", "Pässwörd ☃", "jürgen"),
                ("erin@lab.test", "", "erin@lab.test"),
            ] {
                let mut unsigned = Client::new(name, password);
                unsigned.integrity = false;
                let (accepted, ours) = unsigned.log_in(&mut acceptor().challenge_form(form), |_| {});
                assert!(matches!(accepted, Accept::Accepted { integrity: None, .. }), "{name} {form:?}");
                assert!(ours.is_none(), "it was not asked for");

                let mut server = acceptor().challenge_form(form).withhold(withheld);
                let (accepted, ours) = Client::new(name, password).log_in(&mut server, |_| {});
                let Accept::Accepted { user: found, token: None, integrity } = accepted else {
                    panic!("{name} {form:?} {withheld:#x}: {accepted:?}")
                };
                assert_eq!(found, user);
                let (Some(mut ours), Some(mut theirs)) = (ours, integrity) else {
                    assert_ne!(withheld & NEGOTIATE_SIGN, 0, "only without SIGN");
                    continue;
                };
                for message in [b"one".as_slice(), b"two", b""] {
                    assert_eq!(theirs.verify(message, &ours.mic(message).expect("signs")), Ok(()));
                    assert_eq!(ours.verify(message, &theirs.mic(message).expect("signs")), Ok(()));
                }
            }
        }
    }
}

#[test]
fn refuses_a_wrong_password_and_an_unknown_name() {
    for form in FORMS {
        let mut server = acceptor().challenge_form(form);
        let why = Client::new("LAB\\carol", "guess").refusal(&mut server, |_| {});
        assert_eq!(why, "NTProofStr of \"LAB\\\\carol\" does not match: the password is wrong");
        let why = Client::new("OTHER\\carol", "carol-pw").refusal(&mut server, |_| {});
        assert_eq!(why, "there is no account \"OTHER\\\\carol\"");
    }
}

#[test]
fn refuses_a_message_that_was_changed_on_the_way() {
    let carol = Client::new("LAB\\carol", "carol-pw");
    for offset in [64, 72, 87] {
        let why = carol.refusal(&mut acceptor(), |token| token[offset] ^= 1);
        assert_eq!(why, "the MIC does not match the three messages", "{offset}");
    }
}

#[test]
fn the_flag_that_announces_the_mic_is_itself_under_the_proof() {
    let why = Client::new("LAB\\carol", "carol-pw").refusal(&mut acceptor(), |token| {
        let flag = [6, 0, 4, 0, 2, 0, 0, 0];
        let at = token.windows(8).position(|pair| pair == flag).expect("announced");
        token[at + 4] = 0;
    });
    assert!(why.starts_with("NTProofStr"), "{why}");
}

#[test]
fn requires_the_bindings_of_its_own_connection() {
    let mut carol = Client::new("LAB\\carol", "carol-pw");
    let server = || acceptor().require_channel_bindings(bindings(1));
    assert_eq!(carol.refusal(&mut server(), |_| {}), "channel bindings are required, and there are none");

    carol.absent = AbsentChannelBindings::Zeros;
    assert_eq!(carol.refusal(&mut server(), |_| {}), "the channel bindings are zero");

    carol.bindings = Some(bindings(2));
    assert_eq!(carol.refusal(&mut server(), |_| {}), "the channel bindings are those of another connection");

    carol.bindings = Some(bindings(1));
    assert!(matches!(carol.log_in(&mut server(), |_| {}).0, Accept::Accepted { .. }));
    let mut elsewhere = server().challenge_form(ChallengeForm::WithoutTargetInfo);
    assert_eq!(carol.refusal(&mut elsewhere, |_| {}), "channel bindings are required, and there are none");
}

#[test]
fn takes_absent_bindings_but_no_others_than_its_own_where_they_are_optional() {
    let mut carol = Client::new("LAB\\carol", "carol-pw");
    let server = || acceptor().accept_channel_bindings(bindings(1));
    let accepted = |carol: &Client| matches!(carol.log_in(&mut server(), |_| {}).0, Accept::Accepted { .. });
    assert!(accepted(&carol), "absent");
    carol.bindings = Some(bindings(1));
    assert!(accepted(&carol), "its own");

    carol.bindings = Some(bindings(2));
    assert_eq!(carol.refusal(&mut server(), |_| {}), "the channel bindings are those of another connection");
    carol.bindings = None;
    carol.absent = AbsentChannelBindings::Zeros;
    assert_eq!(carol.refusal(&mut server(), |_| {}), "the channel bindings are zero");
    let ignoring = carol.log_in(&mut acceptor(), |_| {});
    assert!(matches!(ignoring.0, Accept::Accepted { .. }), "nobody looks at them");
}

#[test]
fn a_challenge_is_good_for_one_answer_and_a_new_beginning_begins_anew() {
    let mut server = acceptor();
    let mut proof = Vec::new();
    let (accepted, _) =
        Client::new("LAB\\carol", "carol-pw").log_in(&mut server, |token| proof = token.clone());
    assert!(matches!(accepted, Accept::Accepted { .. }));
    let Accept::Refused { why, .. } = server.step(&proof) else { panic!("a replay") };
    assert_eq!(why, "an AUTHENTICATE_MESSAGE, but no challenge is open");

    let (accepted, _) = Client::new("LAB\\carol", "carol-pw").log_in(&mut server, |_| {});
    assert!(matches!(accepted, Accept::Accepted { .. }));
}

#[test]
fn refuses_in_words_what_is_no_message_for_a_server() {
    for (token, complaint) in [
        (b"".as_slice(), "not an NTLM message"),
        (b"\x60\x28", "not an NTLM message"),
        (b"NTLMSSP\0\x02\0\0\0", "an NTLM message of type 2 is not for a server"),
        (b"NTLMSSP\0\x01\0\0\0", "NTLM message of type 1: 12 octets, but at least 16 are needed"),
    ] {
        let Accept::Refused { why, .. } = acceptor().step(token) else { panic!("{complaint}") };
        assert_eq!(why, complaint);
    }
    for (cut, complaint) in [(70, "beyond the end at 70"), (12, "12 octets, but at least 64 are needed")] {
        let why = Client::new("LAB\\carol", "carol-pw").refusal(&mut acceptor(), |token| token.truncate(cut));
        assert!(why.ends_with(complaint), "{why}");
    }
}

#[test]
fn an_nt_response_is_read_as_far_as_its_pairs() {
    let error = |octets: u16| {
        let empty = [0_u16, 0, 64, 0];
        let nt_response = [octets, octets, 64, 0];
        let buffers = [empty, nt_response, empty, empty, empty, empty];
        let mut message = b"NTLMSSP\0\x03\0\0\0".to_vec();
        message.extend(buffers.as_flattened().iter().flat_map(|number| number.to_le_bytes()));
        message.extend([0; 4]);
        message.extend(vec![0xff; octets.into()]);
        AuthenticateMessage::parse(&message).map(drop).expect_err("no pairs").to_string()
    };
    // 16 octets of proof and 28 before the pairs, behind a header of 64.
    assert_eq!(error(43), "NTLM message of type 3: an NT response of 43 octets is not NTLMv2");
    let ends = "NTLM message of type 3: the list of pairs ends without MsvAvEOL at offset 108";
    assert_eq!((error(44).as_str(), error(47).as_str()), (ends, ends));
}
