//! The choice of a mechanism and its protection.

use super::*;
use crate::mechanism::{Inquiry, KdcInquiry};

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
        (Keyed::ntlm(), (Expects::Challenge, Proves::Nothing)),
        (Keyed::kerberos(Legs::Two), (Expects::Success, Proves::Secret)),
        (Keyed::kerberos(Legs::One), (Expects::Success, Proves::Secret)),
    ] {
        let step = spnego([mechanism]).initiate(arguments(), moment()).step(None);
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
    assert_eq!((expects, proves), (Expects::Success, Proves::Secret));
    let sent = NegTokenResp::decode(&token).expect("ours");
    assert_eq!(sent.state, Some(NegState::AcceptIncomplete));
    assert_eq!(sent.supported_mech, None);
    assert_eq!(sent.response_token, Some(&Keyed::ntlm().message("response")[..]));
    assert_eq!(sent.mech_list_mic, Some(&md5_mic("client", 0, &list)[..]));
}

#[test]
fn mechanisms_that_cannot_start_are_not_offered() {
    let none = || Keyed::kerberos(Legs::CannotStart);
    let (token, context) = first(&spnego([none(), Keyed::ntlm()]));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::NTLM]);
    assert_eq!(context.passed_over().map(|text| &**text), Some("Kerberos: no ticket"));

    // Those after the first are offered untried.
    let (token, context) = first(&spnego([Keyed::ntlm(), none()]));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::NTLM, oid::KERBEROS]);
    assert_eq!(context.passed_over(), None);

    let other = Keyed { name: "NTLM", ..none() };
    let error =
        spnego([none(), other]).initiate(arguments(), moment()).step(None).expect_err("none can start");
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(error.to_string(), "no mechanism can start: Kerberos: no ticket; NTLM: no ticket");
    assert_eq!(kind(spnego([]).initiate(arguments(), moment()).step(None)), ErrorKind::Unsupported);
}

// A KDC counts attempts, and so does the server that NTLM would go to.
#[test]
fn a_password_that_was_refused_is_tried_in_no_other_mechanism() {
    let (kerberos, ntlm) = (Keyed::kerberos(Legs::WrongPassword), Keyed::ntlm());
    let seen = Arc::clone(&ntlm.seen);
    let step = spnego([kerberos, ntlm]).initiate(arguments(), moment()).step(None);
    assert_eq!(kind(step), ErrorKind::WrongPassword);
    assert!(seen.lock().expect("no test panics with it").is_empty());
}

// dotnet 51701
#[test]
fn where_the_server_must_prove_itself_only_mechanisms_that_can_make_it_are_offered() {
    let required = || arguments().with_mutual_authentication(MutualAuthentication::Required);
    let both = spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]);
    let (token, _) = went_on(both.initiate(required(), moment()).step(None));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::KERBEROS]);
    let step = spnego([Keyed::ntlm()]).initiate(required(), moment()).step(None);
    assert_eq!(kind(step), ErrorKind::Unsupported);
}

// ambient single sign-on
#[test]
fn the_systems_user_is_offered_by_the_systems_mechanisms_alone() {
    let ambient = || Initiate::new("HTTP/mail.example", Credentials::ambient(Ambient::new()));
    let both = spnego([Keyed::kerberos(Legs::Two), Keyed::ntlm()]);
    let (token, _) = went_on(both.initiate(ambient(), moment()).step(None));
    assert_eq!(NegTokenInit::decode(&token).expect("ours").oids, [oid::KERBEROS]);
    let step = spnego([Keyed::ntlm()]).initiate(ambient(), moment()).step(None);
    assert_eq!(kind(step), ErrorKind::Unsupported);
}

#[test]
fn what_the_server_picked_another_mechanism_for_is_told_with_what_could_not_start() {
    let other = Keyed { name: "IAKERB", oid: oid::IAKERB, ..Keyed::kerberos(Legs::Two) };
    let (_, context) = first(&spnego([Keyed::kerberos(Legs::CannotStart), other, Keyed::ntlm()]));
    let picked = answer(NegState::RequestMic, Some(oid::NTLM), None, None);
    let (_, context) = went_on(context.step(Some(&picked)));
    let told = context.passed_over().map(|text| &**text);
    assert_eq!(told, Some("Kerberos: no ticket; IAKERB: the server picked NTLM"));
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
    let (hinted, _) = went_on(spnego.initiate(arguments(), moment()).step(Some(b"a NegTokenInit2")));
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

/// A mechanism that asks somebody before it makes the token of another.
#[derive(Clone, Debug)]
struct Asking {
    then: Keyed,
}

impl Mechanism for Asking {
    fn name(&self) -> &'static str {
        "Asking"
    }

    fn oid(&self) -> &'static [u8] {
        self.then.oid()
    }

    fn initiate(&self, arguments: Initiate, moment: Moment) -> Box<dyn SecurityContext> {
        Box::new(AskingContext(self.then.initiate(arguments, moment)))
    }
}

struct AskingContext(Box<dyn SecurityContext>);

impl SecurityContext for AskingContext {
    fn step(self: Box<Self>, _: Option<&[u8]>) -> Result<Step, MechanismError> {
        let inquiry = Inquiry::Kdc(KdcInquiry::new("LAB.TEST", [].into(), Vec::new()));
        Ok(Step::Consult { inquiry, context: self })
    }

    fn consulted(
        self: Box<Self>,
        answer: Result<Vec<u8>, MechanismError>,
        _: Moment,
    ) -> Result<Step, MechanismError> {
        answer.and_then(|_| self.0.step(None))
    }

    fn takes_time(&self) -> bool {
        true
    }
}

#[track_caller]
fn consults(step: Result<Step, MechanismError>) -> Box<dyn SecurityContext> {
    match step {
        Ok(Step::Consult { context, .. }) => context,
        other => panic!("expected a question, not {other:?}"),
    }
}

#[test]
fn a_mechanism_may_ask_somebody_before_its_first_token() {
    let asking = || Arc::new(Asking { then: Keyed::kerberos(Legs::Two) }) as Arc<dyn Mechanism>;
    let silent = || Err(MechanismError::new(ErrorKind::Unavailable, "nobody answers"));
    let wrong = || Err(MechanismError::new(ErrorKind::WrongPassword, "the KDC refuses it"));
    let both = Spnego::new(vec![asking(), Arc::new(Keyed::ntlm())]);
    let begun = || consults(both.initiate(arguments(), moment()).step(None));
    assert!(begun().takes_time());
    let offers = |answer| {
        let (token, _) = went_on(begun().consulted(answer, moment()));
        NegTokenInit::decode(&token).expect("ours").oids.iter().map(|oid| oid.to_vec()).collect::<Vec<_>>()
    };
    assert_eq!(offers(Ok(Vec::new())), [oid::KERBEROS, oid::NTLM]);
    assert_eq!(offers(silent()), [oid::NTLM]);
    assert_eq!(kind(begun().consulted(wrong(), moment())), ErrorKind::WrongPassword);

    // Two that ask, one after the other.
    let twice = Spnego::new(vec![asking(), asking()]);
    let second =
        consults(consults(twice.initiate(arguments(), moment()).step(None)).consulted(silent(), moment()));
    let error = second.consulted(silent(), moment()).expect_err("nothing starts");
    assert_eq!(error.to_string(), "no mechanism can start: Asking: nobody answers; Asking: nobody answers");

    // A token of the server is not the answer.
    assert_eq!(kind(begun().step(Some(b"a token"))), ErrorKind::DefectiveToken);
}

#[test]
fn a_mechanism_that_the_server_picked_may_ask_somebody_too() {
    let picked = Asking { then: Keyed::kerberos(Legs::Two) };
    let both = Spnego::new(vec![Arc::new(Keyed::ntlm()) as _, Arc::new(picked) as _]);
    let (token, context) = first(&both);
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let pick = answer(NegState::RequestMic, Some(oid::KERBEROS), None, None);
    let context = consults(context.step(Some(&pick)));
    assert!(context.takes_time());
    assert_eq!(kind(consults(first(&both).1.step(Some(&pick))).step(Some(&pick))), ErrorKind::DefectiveToken);
    let (token, context) = went_on(context.consulted(Ok(Vec::new()), moment()));
    let sent = NegTokenResp::decode(&token).expect("ours");
    assert_eq!(sent.response_token, Some(&Keyed::kerberos(Legs::Two).message("hello")[..]));
    // From there on the choice is protected as ever.
    let mic = md5_mic("server", 0, &list);
    let proof = Keyed::kerberos(Legs::Two).message("challenge");
    let last = answer(NegState::AcceptCompleted, None, Some(&proof), None);
    assert_eq!(kind(context.step(Some(&last))), ErrorKind::MissingToken);
    let context = consults(first(&both).1.step(Some(&pick)));
    let (_, context) = went_on(context.consulted(Ok(Vec::new()), moment()));
    let last = answer(NegState::AcceptIncomplete, None, Some(&proof), Some(&mic));
    let (token, established) = completed(context.step(Some(&last)));
    assert_eq!((token.is_some(), established.mechanism), (true, "Kerberos"));
}

#[test]
fn it_can_what_any_of_its_mechanisms_can() {
    let (kerberos, ntlm) = (Keyed::kerberos(Legs::Two), Keyed::ntlm());
    for (spnego, can) in
        [(spnego([kerberos.clone(), ntlm.clone()]), true), (spnego([ntlm]), false), (spnego([]), false)]
    {
        assert_eq!((spnego.name(), spnego.oid()), ("SPNEGO", oid::SPNEGO));
        assert_eq!(spnego.authenticates_peer(), can);
        assert_eq!(spnego.takes_ambient_credentials(), can);
        assert_eq!(spnego.may_block(), can);
    }
}

#[test]
fn an_acceptor_may_answer_with_the_mechanisms_tokens_alone() {
    for is_bare in [false, true] {
        let mut server = SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor());
        if is_bare {
            server = server.answering_bare();
        }
        let (token, _) = first(&spnego([Keyed::ntlm()]));
        let Accept::Continue(answer) = server.step(&token) else { panic!("it goes on") };
        assert_eq!(answer.starts_with(b"NTLMSSP\0"), is_bare);
    }
}
