//! Whole negotiations: with the acceptor of `testing`, with answers by hand, and as recorded.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::UNIX_EPOCH;

use md5::{Digest, Md5};

use crate::credentials::Credentials;
use crate::mechanism::spnego::token::{NegState, NegTokenResp};
use crate::mechanism::spnego::{Spnego, der, oid};
use crate::mechanism::{
    Binding, Entropy, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, MessageIntegrity,
    SecurityContext, Step,
};
use crate::testing::acceptor::{Accept, Acceptor};
use crate::testing::spnego::{NegTokenInit, ServerMic, SpnegoAcceptor};

/// A mechanism with tokens of plain text and integrity by MD5 over a shared key.
#[derive(Clone, Debug)]
struct Keyed {
    name: &'static str,
    oid: &'static [u8],
    legs: Legs,
    integrity: bool,
    /// The entropy of every context.
    seen: Arc<Mutex<Vec<[u8; 32]>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Legs {
    /// No ticket: the first step fails.
    CannotStart,
    /// Kerberos without mutual authentication: complete with the first token.
    One,
    /// Kerberos with it: the server sends the last token.
    Two,
    /// NTLM: the client sends the last token.
    Three,
}

impl Keyed {
    fn kerberos(legs: Legs) -> Self {
        Self { name: "Kerberos", oid: oid::KERBEROS, legs, integrity: true, seen: Arc::default() }
    }

    fn ntlm() -> Self {
        Self { name: "NTLM", oid: oid::NTLM, ..Self::kerberos(Legs::Three) }
    }

    fn without_integrity(self) -> Self {
        Self { integrity: false, ..self }
    }

    fn acceptor(&self) -> Box<dyn Acceptor> {
        Box::new(KeyedAcceptor { mechanism: self.clone() })
    }

    fn message(&self, text: &str) -> Vec<u8> {
        let prefix = if self.oid == oid::NTLM { "NTLMSSP\0" } else { "" };
        format!("{prefix}{text}").into_bytes()
    }

    fn established(&self) -> Established {
        let mut established = Established::new(self.name, Some("alice".to_owned()), Binding::Connection);
        established.mutual = self.legs == Legs::Two;
        established.integrity = self.integrity("client", "server");
        established
    }

    fn integrity(&self, own: &'static str, peer: &'static str) -> Option<Box<dyn MessageIntegrity>> {
        self.integrity
            .then(|| -> Box<dyn MessageIntegrity> { Box::new(KeyedMic { own, peer, numbers: (0, 0) }) })
    }
}

impl Mechanism for Keyed {
    fn name(&self) -> &'static str {
        self.name
    }

    fn oid(&self) -> &'static [u8] {
        self.oid
    }

    fn initiate(&self, arguments: Initiate) -> Box<dyn SecurityContext> {
        self.seen.lock().expect("no test panics with it").push(*arguments.entropy.octets());
        assert_eq!(arguments.target_name, "HTTP/mail.example");
        Box::new(KeyedContext(self.clone()))
    }

    fn may_block(&self) -> bool {
        self.oid == oid::KERBEROS
    }
}

struct KeyedContext(Keyed);

impl SecurityContext for KeyedContext {
    fn step(self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let Keyed { legs, .. } = self.0;
        let Some(input) = input else {
            let token = self.0.message("hello");
            let expects = match legs {
                Legs::CannotStart => return Err(MechanismError::new(ErrorKind::Credentials, "no ticket")),
                Legs::One => {
                    return Ok(Step::Complete { token: Some(token), established: self.0.established() });
                }
                Legs::Two => Expects::Success,
                Legs::Three => Expects::Challenge,
            };
            return Ok(Step::Continue { token, context: self, expects, proves: legs == Legs::Two });
        };
        if input == self.0.message("clock skew") {
            return Err(MechanismError::new(ErrorKind::DefectiveToken, "the clocks differ"));
        }
        if input != self.0.message("challenge") {
            return Err(MechanismError::new(ErrorKind::DefectiveToken, "not a challenge"));
        }
        let token = (legs == Legs::Three).then(|| self.0.message("response"));
        Ok(Step::Complete { token, established: self.0.established() })
    }
}

struct KeyedAcceptor {
    mechanism: Keyed,
}

impl Acceptor for KeyedAcceptor {
    fn step(&mut self, token: &[u8]) -> Accept {
        let mechanism = &self.mechanism;
        let accepted = |token| Accept::Accepted {
            user: "alice".to_owned(),
            token,
            integrity: mechanism.integrity("server", "client"),
        };
        match (mechanism.legs, token) {
            (Legs::One, token) if token == mechanism.message("hello") => accepted(None),
            (Legs::Two, token) if token == mechanism.message("hello") => {
                accepted(Some(mechanism.message("challenge")))
            }
            (Legs::Three, token) if token == mechanism.message("hello") => {
                Accept::Continue(mechanism.message("challenge"))
            }
            (Legs::Three, token) if token == mechanism.message("response") => accepted(None),
            _ => Accept::Refused { why: "what?".to_owned(), token: None },
        }
    }
}

struct KeyedMic {
    own: &'static str,
    peer: &'static str,
    numbers: (u8, u8),
}

fn md5_mic(sender: &str, number: u8, message: &[u8]) -> Vec<u8> {
    let mut md5 = Md5::new();
    md5.update(b"key");
    md5.update(sender.as_bytes());
    md5.update([number]);
    md5.update(message);
    md5.finalize().to_vec()
}

impl MessageIntegrity for KeyedMic {
    fn mic(&mut self, message: &[u8]) -> Vec<u8> {
        self.numbers.0 += 1;
        md5_mic(self.own, self.numbers.0 - 1, message)
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        self.numbers.1 += 1;
        if mic != md5_mic(self.peer, self.numbers.1 - 1, message) {
            return Err(MechanismError::new(ErrorKind::BadMic, "the integrity code does not match"));
        }
        Ok(())
    }
}

fn arguments() -> Initiate {
    let credentials = Credentials::password("alice", "pw");
    Initiate::new("HTTP/mail.example", credentials, Entropy::new([7; 32]), UNIX_EPOCH)
}

fn spnego(mechanisms: impl IntoIterator<Item = Keyed>) -> Spnego {
    Spnego::new(mechanisms.into_iter().map(|keyed| Arc::new(keyed) as Arc<dyn Mechanism>).collect())
}

fn first(spnego: &Spnego) -> (Vec<u8>, Box<dyn SecurityContext>) {
    went_on(spnego.initiate(arguments()).step(None))
}

#[track_caller]
fn went_on(step: Result<Step, MechanismError>) -> (Vec<u8>, Box<dyn SecurityContext>) {
    match step {
        Ok(Step::Continue { token, context, .. }) => (token, context),
        other => panic!("expected another leg, not {other:?}"),
    }
}

#[track_caller]
fn completed(step: Result<Step, MechanismError>) -> (Option<Vec<u8>>, Established) {
    match step {
        Ok(Step::Complete { token, established }) => (token, established),
        other => panic!("expected the end, not {other:?}"),
    }
}

#[track_caller]
fn kind(step: Result<Step, MechanismError>) -> ErrorKind {
    step.expect_err("an error").kind()
}

fn answer(
    state: impl Into<Option<NegState>>,
    supported_mech: Option<&[u8]>,
    response_token: Option<&[u8]>,
    mech_list_mic: Option<&[u8]>,
) -> Vec<u8> {
    NegTokenResp { state: state.into(), supported_mech, response_token, mech_list_mic }.encode()
}

/// A conversation as over HTTP: each token is a request, each answer a 401 or, at last, a 200.
fn converse(spnego: &Spnego, server: &mut dyn Acceptor) -> Result<Established, MechanismError> {
    let mut step = spnego.initiate(arguments()).step(None)?;
    for _ in 0..5 {
        let (token, context) = match step {
            Step::Continue { token, context, .. } => (token, Ok(context)),
            Step::Complete { token: Some(token), established } => (token, Err(established)),
            Step::Complete { token: None, established } => return Ok(established),
        };
        step = match (server.step(&token), context) {
            (Accept::Continue(token), Ok(context)) => context.step(Some(&token))?,
            (Accept::Accepted { token: None, .. }, Ok(context)) => return context.finish_without_token(),
            (Accept::Accepted { .. }, Err(established)) => return Ok(established),
            (Accept::Accepted { token: Some(token), .. }, Ok(context)) => {
                let step = context.step(Some(&token))?;
                assert!(
                    matches!(step, Step::Complete { token: None, .. }),
                    "nothing is left to say: {step:?}"
                );
                step
            }
            (Accept::Refused { token: Some(token), .. }, Ok(context)) => context.step(Some(&token))?,
            (answer, _) => panic!("the server is lost: {answer:?}"),
        };
    }
    panic!("the conversation does not end");
}

#[test]
fn the_choice_is_protected_by_integrity_codes_in_both_directions() {
    let kerberos = || Keyed::kerberos(Legs::Two);
    let sole = || spnego([Keyed::ntlm()]);
    let both = || spnego([kerberos(), Keyed::ntlm()]);
    let turned = || spnego([Keyed::ntlm(), kerberos()]);
    let plain = || Keyed::ntlm().without_integrity();
    use ErrorKind::{BadMic, MissingToken, Unsupported};
    use ServerMic::{Missing, Right, Wrong};
    for (what, client, server, mic, outcome) in [
        ("the first, three legs", sole(), Keyed::ntlm(), Right, Ok("NTLM")),
        ("the first, three legs", sole(), Keyed::ntlm(), Missing, Ok("NTLM")),
        ("the first, three legs", sole(), Keyed::ntlm(), Wrong, Err(BadMic)),
        ("the first, no integrity", spnego([plain()]), plain(), Right, Ok("NTLM")),
        ("the first, two legs", both(), kerberos(), Right, Ok("Kerberos")),
        ("the first of two, three legs", turned(), Keyed::ntlm(), Missing, Ok("NTLM")),
        ("another, three legs", both(), Keyed::ntlm(), Right, Ok("NTLM")),
        ("another, three legs", both(), Keyed::ntlm(), Missing, Err(MissingToken)),
        ("another, three legs", both(), Keyed::ntlm(), Wrong, Err(BadMic)),
        ("another, two legs", turned(), kerberos(), Right, Ok("Kerberos")),
        ("another, two legs", turned(), kerberos(), Missing, Err(MissingToken)),
        ("another, two legs", turned(), kerberos(), Wrong, Err(BadMic)),
        ("another, no integrity", spnego([kerberos(), plain()]), plain(), Right, Err(Unsupported)),
    ] {
        let mut acceptor = SpnegoAcceptor::new(server.oid, server.acceptor()).with_mic(mic);
        let result = converse(&client, &mut acceptor);
        assert_eq!(result.map(|e| e.mechanism).map_err(|e| e.kind()), outcome, "{what}, {mic:?}");
    }
}

#[test]
fn what_is_established_is_the_mechanism_that_the_server_picked() {
    let kerberos = Keyed::kerberos(Legs::Two);
    let mut server = SpnegoAcceptor::new(kerberos.oid, kerberos.acceptor());
    let established = converse(&spnego([kerberos, Keyed::ntlm()]), &mut server).expect("accepted");
    assert_eq!((established.mechanism, established.mutual), ("Kerberos", true));
    assert_eq!(established.principal.as_deref(), Some("alice"));
    assert!(established.integrity.is_some());
}

#[test]
fn a_list_that_lost_its_first_mechanism_on_the_way_is_noticed() {
    /// Removes Kerberos from the client's first token.
    struct Attacker(SpnegoAcceptor);
    impl Acceptor for Attacker {
        fn step(&mut self, token: &[u8]) -> Accept {
            match NegTokenInit::decode(token) {
                Ok(_) => self.0.step(&first(&spnego([Keyed::ntlm()])).0),
                Err(_) => self.0.step(token),
            }
        }
    }
    let both = spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]);

    // The attacker's hello has been answered with a challenge; the client never said hello.
    let mut server = Attacker(SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor()));
    let error = converse(&both, &mut server).expect_err("tampering");
    assert_eq!(error.kind(), ErrorKind::DefectiveToken);

    // The same by hand, as far as the last leg: the server's code covers another list than ours.
    let (_, context) = first(&both);
    let (_, context) =
        went_on(context.step(Some(&answer(NegState::AcceptIncomplete, Some(oid::NTLM), None, None))));
    let (_, context) = went_on(context.step(Some(&answer(
        NegState::AcceptIncomplete,
        None,
        Some(&Keyed::ntlm().message("challenge")),
        None,
    ))));
    let short_list =
        NegTokenInit::decode(&first(&spnego([Keyed::ntlm()])).0).expect("ours").mech_types.to_vec();
    let mic = md5_mic("server", 0, &short_list);
    let last = answer(NegState::AcceptCompleted, None, None, Some(&mic));
    assert_eq!(kind(context.step(Some(&last))), ErrorKind::BadMic);
}

#[test]
fn the_first_steps_expectations_are_the_mechanisms() {
    for (mechanism, expected) in [
        (Keyed::ntlm(), (Expects::Challenge, false)),
        (Keyed::kerberos(Legs::Two), (Expects::Success, true)),
        (Keyed::kerberos(Legs::One), (Expects::Success, true)),
    ] {
        let step = spnego([mechanism]).initiate(arguments()).step(None);
        let Ok(Step::Continue { expects, proves, .. }) = step else { panic!("{step:?}") };
        assert_eq!((expects, proves), expected);
    }
}

#[test]
fn the_last_token_proves_and_carries_the_code_over_the_list_as_sent() {
    let (token, context) = first(&spnego([Keyed::ntlm()]));
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let challenge = Keyed::ntlm().message("challenge");
    let input = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&challenge), None);
    let Ok(Step::Continue { token, expects, proves, .. }) = context.step(Some(&input)) else {
        panic!("the server's answer to the last token is awaited")
    };
    assert_eq!((expects, proves), (Expects::Success, true));
    let sent = NegTokenResp::decode(&token).expect("ours");
    assert_eq!(sent.state, Some(NegState::AcceptIncomplete));
    assert_eq!(sent.supported_mech, None);
    assert_eq!(sent.response_token, Some(&Keyed::ntlm().message("response")[..]));
    assert_eq!(sent.mech_list_mic, Some(&md5_mic("client", 0, &list)[..]));
}

#[test]
fn mechanisms_that_cannot_start_are_not_offered() {
    let none = || Keyed::kerberos(Legs::CannotStart);
    let (token, _) = first(&spnego([none(), Keyed::ntlm()]));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::NTLM]);

    // Those after the first are offered untried.
    let (token, _) = first(&spnego([Keyed::ntlm(), none()]));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::NTLM, oid::KERBEROS]);

    let other = Keyed { name: "NTLM", ..none() };
    let error = spnego([none(), other]).initiate(arguments()).step(None).expect_err("none can start");
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(error.to_string(), "no mechanism can start: Kerberos: no ticket; NTLM: no ticket");
    assert_eq!(kind(spnego([]).initiate(arguments()).step(None)), ErrorKind::Unsupported);
}

#[test]
fn a_mechanism_that_cannot_start_when_it_is_picked_fails_with_its_own_error() {
    let (_, context) = first(&spnego([Keyed::ntlm(), Keyed::kerberos(Legs::CannotStart)]));
    let picked = answer(NegState::RequestMic, Some(oid::KERBEROS), None, None);
    assert_eq!(kind(context.step(Some(&picked))), ErrorKind::Credentials);
}

#[test]
fn a_hint_before_the_first_token_changes_nothing() {
    let spnego = spnego([Keyed::ntlm()]);
    let (hinted, _) = went_on(spnego.initiate(arguments()).step(Some(b"a NegTokenInit2")));
    assert_eq!(hinted, first(&spnego).0);
}

#[test]
fn each_context_has_entropy_of_its_own() {
    let seen = Arc::<Mutex<Vec<[u8; 32]>>>::default();
    let watched = |keyed: Keyed| Keyed { seen: Arc::clone(&seen), ..keyed };
    let mechanisms =
        [Keyed::kerberos(Legs::CannotStart), Keyed::kerberos(Legs::Two), Keyed::ntlm()].map(watched);
    let (_, context) = first(&spnego(mechanisms));
    let picked = answer(NegState::RequestMic, Some(oid::NTLM), None, None);
    let _ = went_on(context.step(Some(&picked)));
    let mut seen = seen.lock().expect("no test panics with it").clone();
    seen.push([7; 32]);
    seen.sort_unstable();
    seen.dedup();
    assert_eq!(seen.len(), 4, "three contexts, none of them with the caller's octets");
    assert!(seen.iter().all(|octets| octets[..16] != octets[16..] || octets == &[7; 32]));
}

#[test]
fn success_without_a_token_is_enough_for_the_first_mechanism_alone() {
    // squid: 200 without a token after the last message.
    let challenge = Keyed::ntlm().message("challenge");
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let input = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&challenge), None);
    let (_, context) = went_on(context.step(Some(&input)));
    assert_eq!(context.finish_without_token().expect("squid").mechanism, "NTLM");

    // Complete with the first token.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::One)]));
    assert_eq!(context.finish_without_token().expect("enough").mechanism, "Kerberos");

    // The mechanism itself cannot do without.
    for mechanism in [Keyed::ntlm(), Keyed::kerberos(Legs::Two)] {
        let (_, context) = first(&spnego([mechanism]));
        assert_eq!(context.finish_without_token().expect_err("no token").kind(), ErrorKind::MissingToken);
    }

    // Not the first mechanism.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]));
    let (_, context) =
        went_on(context.step(Some(&answer(NegState::RequestMic, Some(oid::NTLM), None, None))));
    let (_, context) =
        went_on(context.step(Some(&answer(NegState::AcceptIncomplete, None, Some(&challenge), None))));
    let error = context.finish_without_token().expect_err("unprotected");
    assert_eq!(error.kind(), ErrorKind::MissingToken);
    assert!(error.to_string().contains("NTLM"), "{error}");
}

#[test]
fn a_pick_that_was_not_offered_is_named() {
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let error = context
        .step(Some(&answer(NegState::RequestMic, Some(&[0x2b, 6, 1, 5, 2, 5]), None, None)))
        .expect_err("IAKERB was not offered");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().ends_with(": 1.3.6.1.5.2.5"), "{error}");
}

#[test]
fn windows_names_kerberos_by_its_old_identifier() {
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]));
    let input = answer(NegState::AcceptCompleted, Some(oid::MS_KERBEROS), Some(b"challenge"), None);
    assert_eq!(completed(context.step(Some(&input))).1.mechanism, "Kerberos");
}

#[test]
fn a_rejection_is_a_refusal_in_the_mechanisms_words() {
    let mut server = SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor()).rejecting();
    let error = converse(&spnego([Keyed::ntlm()]), &mut server).expect_err("rejected");
    assert_eq!(error.kind(), ErrorKind::Refused);

    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let error =
        context.step(Some(&answer(NegState::Reject, None, Some(b"clock skew"), None))).expect_err("rejected");
    assert_eq!(error.kind(), ErrorKind::Refused);
    assert_eq!(error.to_string(), "the server rejected the negotiation: the clocks differ");

    // Not even the mechanism's success makes a rejection anything else.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let input = answer(NegState::Reject, Some(oid::KERBEROS), Some(b"challenge"), None);
    assert_eq!(kind(context.step(Some(&input))), ErrorKind::Refused);

    // Another identifier beside it neither.
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let input = answer(NegState::Reject, Some(oid::KERBEROS), None, None);
    assert_eq!(kind(context.step(Some(&input))), ErrorKind::Refused);
}

#[test]
fn a_bare_answer_is_taken_from_then_on_if_ntlm_was_the_sole_offer() {
    let server = || SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor()).answering_bare();
    let established = converse(&spnego([Keyed::ntlm()]), &mut server()).expect("bare NTLM");
    assert_eq!(established.mechanism, "NTLM");

    // Offered alone since Kerberos could not start.
    let fallen_back = spnego([Keyed::kerberos(Legs::CannotStart), Keyed::ntlm()]);
    assert!(converse(&fallen_back, &mut server()).is_ok());

    for unprotected in [
        spnego([Keyed::ntlm(), Keyed::kerberos(Legs::Two)]),
        spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]),
    ] {
        let (_, context) = first(&unprotected);
        let bare = Keyed::ntlm().message("challenge");
        assert_eq!(kind(context.step(Some(&bare))), ErrorKind::Unsupported);
    }
}

#[test]
fn a_bare_answer_in_the_midst_of_a_negotiation_is_defective() {
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let bare = Keyed::ntlm().message("challenge");
    let input = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&bare), None);
    let (_, context) = went_on(context.step(Some(&input)));
    assert_eq!(kind(context.step(Some(&bare))), ErrorKind::DefectiveToken);
}

#[test]
fn a_bare_first_token_is_accepted_and_answered_bare() {
    let mut server = SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor());
    let Accept::Continue(challenge) = server.step(&Keyed::ntlm().message("hello")) else { panic!("a leg") };
    assert_eq!(challenge, Keyed::ntlm().message("challenge"));
    assert!(matches!(server.step(&Keyed::ntlm().message("response")), Accept::Accepted { token: None, .. }));
}

#[test]
fn the_acceptor_verifies_the_clients_integrity_code() {
    for (mic, accepted) in [(Some(md5_mic("client", 0, b"another list")), false), (None, true)] {
        let mut server = SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor());
        let Accept::Continue(_) = server.step(&first(&spnego([Keyed::ntlm()])).0) else { panic!("a leg") };
        let response = Keyed::ntlm().message("response");
        let last = answer(NegState::AcceptIncomplete, None, Some(&response), mic.as_deref());
        assert_eq!(matches!(server.step(&last), Accept::Accepted { .. }), accepted, "{mic:?}");
    }
}

#[test]
fn after_the_last_token_only_a_conclusion_may_come() {
    let (token, _) = first(&spnego([Keyed::ntlm()]));
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let right = md5_mic("server", 0, &list);
    let challenge = Keyed::ntlm().message("challenge");
    let cases: [(&str, Vec<u8>, Result<(), ErrorKind>); 8] = [
        ("completed", answer(NegState::AcceptCompleted, None, None, None), Ok(())),
        ("completed with its code", answer(NegState::AcceptCompleted, None, None, Some(&right)), Ok(())),
        ("nothing at all", answer(None, None, None, None), Ok(())),
        ("an empty token", answer(NegState::AcceptCompleted, None, Some(b""), None), Ok(())),
        // MS-SPNG, section 3.3.5: a later supportedMech is ignored.
        ("a supportedMech", answer(NegState::AcceptCompleted, Some(oid::KERBEROS), None, None), Ok(())),
        ("an empty code", answer(NegState::AcceptCompleted, None, None, Some(b"")), Err(ErrorKind::BadMic)),
        (
            "a token",
            answer(NegState::AcceptCompleted, None, Some(&challenge), None),
            Err(ErrorKind::DefectiveToken),
        ),
        ("a rejection", answer(NegState::Reject, None, None, None), Err(ErrorKind::Refused)),
    ];
    for (what, last, outcome) in cases {
        let (_, context) = first(&spnego([Keyed::ntlm()]));
        let input = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&challenge), None);
        let (_, context) = went_on(context.step(Some(&input)));
        let result = context.step(Some(&last));
        match outcome {
            Ok(()) => assert!(completed(result).0.is_none(), "{what}"),
            Err(expected) => assert_eq!(kind(result), expected, "{what}"),
        }
    }
}

#[test]
fn a_server_that_completes_first_gets_our_code_for_its_own() {
    let (token, _) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let server_mic = md5_mic("server", 0, &list);

    // Its code came with its last token: ours is the end.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let input =
        answer(NegState::AcceptIncomplete, Some(oid::KERBEROS), Some(b"challenge"), Some(&server_mic));
    let (token, _) = completed(context.step(Some(&input)));
    let token = token.expect("our code");
    let sent = NegTokenResp::decode(&token).expect("ours");
    assert_eq!(sent.state, Some(NegState::AcceptCompleted));
    assert_eq!(sent.mech_list_mic, Some(&md5_mic("client", 0, &list)[..]));

    // It asks for ours first: its own follows, and only once.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::One)]));
    let (token, context) =
        went_on(context.step(Some(&answer(NegState::RequestMic, Some(oid::KERBEROS), None, None))));
    let sent = NegTokenResp::decode(&token).expect("ours");
    assert_eq!((sent.state, sent.response_token), (Some(NegState::AcceptIncomplete), None));
    assert!(sent.mech_list_mic.is_some());
    let last = answer(NegState::AcceptCompleted, None, None, Some(&server_mic));
    assert!(completed(context.step(Some(&last))).0.is_none());

    // It is done: nothing is sent any more.
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let input = answer(NegState::AcceptCompleted, Some(oid::KERBEROS), Some(b"challenge"), Some(&server_mic));
    assert!(completed(context.step(Some(&input))).0.is_none());
}

#[test]
fn another_mechanism_must_hear_our_code_too() {
    let both = spnego([Keyed::ntlm(), Keyed::kerberos(Legs::Two)]);
    let (token, context) = first(&both);
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let (_, context) =
        went_on(context.step(Some(&answer(NegState::RequestMic, Some(oid::KERBEROS), None, None))));
    let mic = md5_mic("server", 0, &list);
    let input = answer(NegState::AcceptCompleted, None, Some(b"challenge"), Some(&mic));
    assert_eq!(kind(context.step(Some(&input))), ErrorKind::MissingToken);
}

#[test]
fn another_mechanism_cannot_be_picked_as_if_it_were_under_way() {
    for (state, token) in [
        (Some(NegState::AcceptCompleted), None),
        (None, None),
        (Some(NegState::AcceptIncomplete), Some(&b"challenge"[..])),
    ] {
        let (_, context) = first(&spnego([Keyed::ntlm(), Keyed::kerberos(Legs::Two)]));
        let input = answer(state, Some(oid::KERBEROS), token, None);
        assert_eq!(kind(context.step(Some(&input))), ErrorKind::DefectiveToken, "{state:?}");
    }
}

#[test]
fn a_missing_token_is_an_error_unless_the_mechanism_can_do_without() {
    for state in [None, Some(NegState::AcceptIncomplete), Some(NegState::AcceptCompleted)] {
        let (_, context) = first(&spnego([Keyed::ntlm()]));
        let input = answer(state, Some(oid::NTLM), None, None);
        assert_eq!(kind(context.step(Some(&input))), ErrorKind::MissingToken, "{state:?}");
    }
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    assert_eq!(kind(context.step(None)), ErrorKind::MissingToken);
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    assert_eq!(kind(context.step(Some(b""))), ErrorKind::DefectiveToken);
}

#[test]
fn accept_completed_before_the_mechanisms_last_token_is_defective() {
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let challenge = Keyed::ntlm().message("challenge");
    let input = answer(NegState::AcceptCompleted, Some(oid::NTLM), Some(&challenge), None);
    assert_eq!(kind(context.step(Some(&input))), ErrorKind::DefectiveToken);
}

#[test]
fn java_leaves_the_mechanism_out_and_websphere_repeats_the_token_as_its_code() {
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let _ = completed(context.step(Some(&answer(None, None, Some(b"challenge"), None))));

    let (_, context) = first(&spnego([Keyed::kerberos(Legs::Two)]));
    let input =
        answer(NegState::AcceptCompleted, Some(oid::KERBEROS), Some(b"challenge"), Some(b"challenge"));
    let _ = completed(context.step(Some(&input)));
}

#[test]
fn steps_may_block_if_any_mechanisms_may() {
    assert!(spnego([Keyed::ntlm(), Keyed::kerberos(Legs::Two)]).may_block());
    assert!(!spnego([Keyed::ntlm()]).may_block());
}

#[test]
fn hostile_answers_are_errors_at_every_stage() {
    let challenge = Keyed::ntlm().message("challenge");
    let good = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&challenge), Some(b"mic"));
    let nested = (0..2_000).fold(Vec::new(), |inner, _| der::encode(der::SEQUENCE, &[&inner]));
    let field =
        |number, tag, contents: &[u8]| der::encode(der::context(number), &[&der::encode(tag, &[contents])]);
    let response = |fields: &[&[u8]]| der::encode(der::context(1), &[&der::encode(der::SEQUENCE, fields)]);
    let state = field(0, der::ENUMERATED, &[1]);

    let mut hostile: Vec<Vec<u8>> = (0..good.len()).map(|end| good[..end].to_vec()).collect();
    hostile.extend([
        [&good[..], &[0]].concat(),
        // Indefinite and overlong lengths.
        [&[0xa1, 0x80], &good[2..], &[0, 0]].concat(),
        [&[0xa1, 0x82, 0x00], &good[1..]].concat(),
        // Other choices: a NegTokenInit, one within a frame, a bare Kerberos token, no SEQUENCE.
        der::encode(der::context(0), &[&good[2..]]),
        first(&spnego([Keyed::ntlm()])).0,
        der::encode(der::APPLICATION_0, &[&der::encode(der::OBJECT_IDENTIFIER, &[oid::KERBEROS]), &[1, 0]]),
        der::encode(der::context(1), &[&state]),
        // Nesting.
        nested.clone(),
        response(&[&nested]),
        der::encode(der::context(1), &[&nested, &nested]),
        // States.
        response(&[&field(0, der::ENUMERATED, &[4])]),
        response(&[&field(0, der::ENUMERATED, &[])]),
        response(&[&field(0, der::ENUMERATED, &[0, 1])]),
        response(&[&field(0, 0x02, &[1])]),
        // Fields twice, out of order, with something behind, of another type.
        response(&[&state, &state]),
        response(&[&field(2, der::OCTET_STRING, &challenge), &state]),
        response(&[&der::encode(der::context(0), &[&[0x0a, 1, 1, 0x0a, 1, 1]])]),
        response(&[&field(1, der::OCTET_STRING, oid::NTLM)]),
        response(&[&field(2, 0x24, &challenge)]),
        vec![0xa1; der::LIMIT + 1],
    ]);
    for token in hostile {
        let (_, context) = first(&spnego([Keyed::ntlm()]));
        assert_eq!(kind(context.step(Some(&token))), ErrorKind::DefectiveToken, "offered: {token:02x?}");

        let (_, context) = first(&spnego([Keyed::ntlm()]));
        let (_, context) = went_on(context.step(Some(&answer(None, None, Some(&challenge), None))));
        assert_eq!(kind(context.step(Some(&token))), ErrorKind::DefectiveToken, "selected: {token:02x?}");

        let mut server = SpnegoAcceptor::new(oid::KERBEROS, Keyed::kerberos(Legs::Two).acceptor());
        assert!(matches!(server.step(&token), Accept::Refused { .. }), "acceptor: {token:02x?}");
    }

    // Fields of a later version are no error.
    let later = response(&[&state, &field(2, der::OCTET_STRING, &challenge), &field(4, 0x04, b"?")]);
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    assert!(context.step(Some(&later)).is_ok());
}

/// NTLM as recorded: the messages and integrity codes of a file in `tests/vectors/spnego`.
#[derive(Clone, Debug)]
struct Recorded {
    /// The messages and, at last, the code, of the client and of the server.
    client: VecDeque<Vec<u8>>,
    server: VecDeque<Vec<u8>>,
    /// What the codes cover.
    mech_types: Vec<u8>,
}

impl Mechanism for Recorded {
    fn name(&self) -> &'static str {
        "NTLM"
    }

    fn oid(&self) -> &'static [u8] {
        oid::NTLM
    }

    fn initiate(&self, _: Initiate) -> Box<dyn SecurityContext> {
        Box::new(self.clone())
    }
}

impl SecurityContext for Recorded {
    fn step(mut self: Box<Self>, input: Option<&[u8]>) -> Result<Step, MechanismError> {
        let token = self.client.pop_front().expect("a recorded message");
        if input.is_none() {
            return Ok(Step::Continue { token, context: self, expects: Expects::Challenge, proves: false });
        }
        assert_eq!(input.map(<[u8]>::to_vec), self.server.pop_front(), "the recorded challenge");
        let mut established = Established::new("NTLM", None, Binding::Connection);
        established.integrity = Some(self);
        Ok(Step::Complete { token: Some(token), established })
    }
}

impl MessageIntegrity for Recorded {
    fn mic(&mut self, message: &[u8]) -> Vec<u8> {
        assert_eq!(message, self.mech_types);
        self.client.pop_front().expect("the recorded code")
    }

    fn verify(&mut self, message: &[u8], mic: &[u8]) -> Result<(), MechanismError> {
        assert_eq!(message, self.mech_types);
        assert_eq!(Some(mic.to_vec()), self.server.pop_front());
        Ok(())
    }
}

/// The tokens of a recording: `C` or `S` and hexadecimal octets on each line.
fn recording(text: &str) -> Vec<(char, Vec<u8>)> {
    let octets = |hex: &str| -> Vec<u8> {
        let digit = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal");
        (0..hex.len()).step_by(2).map(digit).collect()
    };
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| (line.chars().next().expect("a side"), octets(&line[2..])))
        .collect()
}

#[test]
fn a_conversation_of_mit_krb5_and_gss_ntlmssp_is_reproduced_octet_for_octet() {
    let recorded = recording(include_str!("../../../tests/vectors/spnego/ntlm_gssapi.txt"));
    let [('C', init), ('S', challenge), ('C', last), ('S', end)] = &recorded[..] else {
        panic!("four tokens, the client's first")
    };

    let decoded_init = NegTokenInit::decode(init).expect("a NegTokenInit");
    assert_eq!(decoded_init.oids, [oid::NTLM]);
    let negotiate = decoded_init.mech_token.expect("NTLM's first message");
    assert!(negotiate.starts_with(b"NTLMSSP\0\x01"));

    let decoded = NegTokenResp::decode(challenge).expect("a NegTokenResp");
    assert_eq!(decoded.state, Some(NegState::AcceptIncomplete));
    assert_eq!(decoded.supported_mech, Some(oid::NTLM));
    assert_eq!(decoded.mech_list_mic, None);
    let challenge_message = decoded.response_token.expect("NTLM's second message");
    assert!(challenge_message.starts_with(b"NTLMSSP\0\x02"));

    let decoded_last = NegTokenResp::decode(last).expect("a NegTokenResp");
    let authenticate = decoded_last.response_token.expect("NTLM's third message");
    assert!(authenticate.starts_with(b"NTLMSSP\0\x03"));
    // NTLM's signature: version 1, eight octets, sequence number 0 (MS-NLMP, section 2.2.2.9.1).
    let client_mic = decoded_last.mech_list_mic.expect("the client's code");
    assert_eq!((&client_mic[..4], &client_mic[12..]), (&[1, 0, 0, 0][..], &[0; 4][..]));

    let decoded_end = NegTokenResp::decode(end).expect("a NegTokenResp");
    assert_eq!((decoded_end.state, decoded_end.response_token), (Some(NegState::AcceptCompleted), None));
    let server_mic = decoded_end.mech_list_mic.expect("the server's code");

    for token in [challenge, last, end] {
        assert_eq!(&NegTokenResp::decode(token).expect("a NegTokenResp").encode(), token);
    }

    let replay = Recorded {
        client: [negotiate, authenticate, client_mic].map(<[u8]>::to_vec).into(),
        server: [challenge_message, server_mic].map(<[u8]>::to_vec).into(),
        mech_types: decoded_init.mech_types.to_vec(),
    };
    let (sent, context) = first(&Spnego::new(vec![Arc::new(replay)]));
    assert_eq!(&sent, init);
    let (sent, context) = went_on(context.step(Some(challenge)));
    assert_eq!(&sent, last);
    assert_eq!(completed(context.step(Some(end))).0, None);
}

#[test]
fn mit_krb5s_pick_of_the_second_mechanism_is_reproduced_octet_for_octet() {
    /// What stood where the ticket would be.
    #[derive(Debug)]
    struct NotATicket(Vec<u8>);
    impl Mechanism for NotATicket {
        fn name(&self) -> &'static str {
            "Kerberos"
        }
        fn oid(&self) -> &'static [u8] {
            oid::KERBEROS
        }
        fn initiate(&self, _: Initiate) -> Box<dyn SecurityContext> {
            Box::new(NotATicket(self.0.clone()))
        }
    }
    impl SecurityContext for NotATicket {
        fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
            let token = self.0.clone();
            Ok(Step::Continue { token, context: self, expects: Expects::Success, proves: true })
        }
    }

    let recorded = recording(include_str!("../../../tests/vectors/spnego/request_mic_gssapi.txt"));
    let [('C', init), ('S', pick), ('C', second), ('S', challenge), ('C', last), ('S', end)] = &recorded[..]
    else {
        panic!("six tokens, the client's first")
    };
    let offer = NegTokenInit::decode(init).expect("a NegTokenInit");
    let [pick_, second_, challenge_, last_, end_] = [pick, second, challenge, last, end]
        .map(|token| NegTokenResp::decode(token).expect("a NegTokenResp"));
    assert_eq!(pick_.state, Some(NegState::RequestMic));

    let some = |octets: Option<&[u8]>| octets.expect("in the recording").to_vec();
    let ticket = NotATicket(some(offer.mech_token));
    let ntlm = Recorded {
        client: [second_.response_token, last_.response_token, last_.mech_list_mic].map(some).into(),
        server: [challenge_.response_token, end_.mech_list_mic].map(some).into(),
        mech_types: offer.mech_types.to_vec(),
    };
    let (sent, context) = first(&Spnego::new(vec![Arc::new(ticket), Arc::new(ntlm)]));
    assert_eq!(&sent, init);
    let (sent, context) = went_on(context.step(Some(pick)));
    assert_eq!(&sent, second);
    let (sent, context) = went_on(context.step(Some(challenge)));
    assert_eq!(&sent, last);
    let (sent, established) = completed(context.step(Some(end)));
    assert_eq!((sent, established.mechanism), (None, "NTLM"));
}
