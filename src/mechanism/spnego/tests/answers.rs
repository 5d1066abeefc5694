//! What servers answer: odd, wrong, hostile.

use super::*;

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
fn a_proof_that_nobody_asked_for_is_not_looked_at() {
    let kerberos = Keyed::kerberos(Legs::One);
    let wrapped = answer(NegState::AcceptCompleted, Some(oid::KERBEROS), Some(b"no proof"), None);
    for proof in [wrapped, kerberos.framed("no proof")] {
        let (_, context) = first(&spnego([kerberos.clone(), Keyed::ntlm()]));
        assert_eq!(completed(context.step(Some(&proof))).1.mechanism, "Kerberos");
    }
}

#[test]
fn a_bare_kerberos_answer_is_taken_if_kerberos_was_offered_first() {
    let kerberos = Keyed::kerberos(Legs::Two);
    for others in [vec![], vec![Keyed::ntlm()]] {
        let (_, context) = first(&spnego([vec![kerberos.clone()], others].concat()));
        let (_, established) = completed(context.step(Some(&kerberos.framed("challenge"))));
        assert_eq!(established.mechanism, "Kerberos");
    }

    // Behind another mechanism it is no answer at all, nor is another mechanism's bare token.
    let (_, context) = first(&spnego([Keyed::ntlm(), kerberos.clone()]));
    assert_eq!(kind(context.step(Some(&kerberos.framed("challenge")))), ErrorKind::DefectiveToken);
    let (_, context) = first(&spnego([kerberos, Keyed::ntlm()]));
    assert_eq!(kind(context.step(Some(&Keyed::ntlm().framed("challenge")))), ErrorKind::DefectiveToken);
}

#[test]
fn a_bare_answer_is_taken_from_then_on_if_ntlm_was_the_sole_offer() {
    let server = || SpnegoAcceptor::new(oid::NTLM, Keyed::ntlm().acceptor()).answering_bare();
    let established = converse(&spnego([Keyed::ntlm()]), &mut server()).expect("bare NTLM");
    assert_eq!(established.mechanism, "NTLM");

    // Offered alone since Kerberos could not start.
    let fallen_back = spnego([Keyed::kerberos(Legs::CannotStart), Keyed::ntlm()]);
    assert!(converse(&fallen_back, &mut server()).is_ok());

    // Not by a mechanism that has nothing left to say.
    let (_, context) = first(&spnego([Keyed { legs: Legs::One, ..Keyed::ntlm() }]));
    assert_eq!(kind(context.step(Some(&Keyed::ntlm().message("challenge")))), ErrorKind::DefectiveToken);

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
fn a_server_sends_its_code_once() {
    let (token, _) = first(&spnego([Keyed::ntlm()]));
    let list = NegTokenInit::decode(&token).expect("ours").mech_types.to_vec();
    let mic = |number| md5_mic("server", number, &list);
    let challenge = Keyed::ntlm().message("challenge");
    let (_, context) = first(&spnego([Keyed::ntlm()]));
    let input = answer(NegState::AcceptIncomplete, Some(oid::NTLM), Some(&challenge), Some(&mic(0)));
    let (_, context) = went_on(context.step(Some(&input)));
    let last = answer(NegState::AcceptCompleted, None, None, Some(&mic(1)));
    let error = context.step(Some(&last)).expect_err("another code");
    assert_eq!(error.kind(), ErrorKind::DefectiveToken);
    assert!(error.to_string().contains("the server sent a second mechListMIC"), "{error}");
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
