//! IAKERB, with the KDC asked by the server.

use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::credentials::{Credentials, Secret};
use crate::mechanism::kerberos::exchange::Carried;
use crate::mechanism::kerberos::exchange::tests::kdc::{self, error};
use crate::mechanism::kerberos::gss::iakerb::IakerbHeader;
use crate::mechanism::kerberos::gss::{Token, TokenId};
use crate::mechanism::kerberos::messages::krb_error::{
    KDC_ERR_POLICY, KDC_ERR_PREAUTH_FAILED, KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE,
    KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, KRB_AP_ERR_MODIFIED, KRB_ERR_RESPONSE_TOO_BIG,
};
use crate::mechanism::kerberos::{Iakerb, Kerberos, NegotiatedIakerb};
use crate::mechanism::spnego::Spnego;
use crate::mechanism::spnego::token::{NegState, NegTokenResp, unframed};
use crate::mechanism::{
    Binding, ErrorKind, Established, Expects, Initiate, Mechanism, MechanismError, MutualAuthentication,
    Proves, SecurityContext, Step, oid,
};
use crate::testing::spnego::NegTokenInit;

const NEW: Proves = Proves::Ticket { is_new: true };
const HELD: Proves = Proves::Ticket { is_new: false };

/// Without a KDC in reach.
fn iakerb() -> Iakerb {
    Kerberos::new().iakerb()
}

/// The legs of a login, as far as the server takes part in it.
struct Conversation {
    /// What each token expects and proves.
    legs: Vec<(Expects, Proves)>,
    /// All tokens before the last one.
    tokens: Vec<u8>,
    /// The last one, and who waits for the answer.
    last: Vec<u8>,
    context: Box<dyn SecurityContext>,
}

fn converse(world: &mut World, login: Result<Login, MechanismError>) -> Result<Conversation, MechanismError> {
    let (mut legs, mut tokens, mut login) = (Vec::new(), Vec::new(), login?);
    loop {
        let (last, expects, proves, context) = login.sends();
        legs.push((expects, proves));
        if expects == Expects::Success {
            return Ok(Conversation { legs, tokens, last, context });
        }
        let answer = world.relay(&last);
        tokens.extend([last, answer.clone()].concat());
        login = Login::of(context.step(Some(&answer))?);
    }
}

fn log_in(
    world: &mut World,
    mechanism: &dyn Mechanism,
    arguments: Initiate,
) -> Result<Established, MechanismError> {
    let login = world.begin(mechanism, arguments);
    let Conversation { tokens, last, context, .. } = converse(world, login)?;
    match context.step(world.accept(&last, Carried::Iakerb(&tokens)).token.as_deref())? {
        Step::Complete { token: None, established } => Ok(established),
        step => panic!("{step:?}"),
    }
}

/// What a server's KDC says in the place of an answer, framed.
fn said(code: i32, now: std::time::SystemTime) -> Vec<u8> {
    let header = IakerbHeader { target_realm: kdc::REALM.to_owned(), cookie: None };
    header.token(&error(code, None, now))
}

#[test]
fn a_password_logs_in_by_four_tokens() {
    let (mut world, iakerb) = (World::new(), iakerb());
    let login = world.begin(&iakerb, to(WWW).with_channel_bindings(Some(bindings())));
    let Conversation { legs, tokens, last, context } = converse(&mut world, login).expect("a login");
    let expected = [
        (Expects::Challenge, Proves::Nothing),
        (Expects::Challenge, Proves::Relayed),
        (Expects::Challenge, NEW),
        (Expects::Success, NEW),
    ];
    assert_eq!(legs, expected);
    let token = Token::decode(&last).expect("a token");
    assert_eq!((token.mechanism, token.id), (oid::IAKERB, TokenId::ApReq));
    // With the bindings, and KRB-FINISHED over all tokens before it.
    let accepted = world.accept_bound(&last, Carried::Iakerb(&tokens));
    assert!(world.kdc.options(&last).mutual_required);
    let answer = accepted.token.expect("an AP-REP");
    let Ok(Step::Complete { token: None, established }) = context.step(Some(&answer)) else {
        panic!("it is not established")
    };
    assert_eq!((established.mechanism, established.binding), ("IAKERB", Binding::Connection));
    assert!(established.mutual && established.integrity.is_some());
}

#[test]
fn the_cookie_comes_back_and_the_realm_is_the_users() {
    let (mut world, iakerb) = (World::new(), iakerb());
    let (token, _, _, context) = world.begin(&iakerb, to(WWW)).expect("a token").sends();
    let (header, _) = IakerbHeader::split(Token::decode(&token).expect("a token").message).expect("a header");
    assert_eq!(header, IakerbHeader { target_realm: "LAB.TEST".to_owned(), cookie: None });
    let answer = world.relay(&token);
    let (token, ..) = Login::of(context.step(Some(&answer)).expect("a token")).sends();
    let token = Token::decode(&token).expect("a token");
    let (header, _) = IakerbHeader::split(token.message).expect("a header");
    assert_eq!(header.cookie, Some(&b"cookie 1"[..]));
}

#[test]
fn only_steps_that_may_make_a_key_take_time() {
    let (mut world, iakerb) = (World::new(), iakerb());
    let mut login = world.begin(&iakerb, to(WWW)).expect("a token");
    for takes_time in [true, true, false] {
        let (token, _, _, context) = login.sends();
        assert_eq!(context.takes_time(), takes_time);
        let answer = world.relay(&token);
        login = Login::of(context.step(Some(&answer)).expect("a token"));
    }
}

#[test]
fn with_a_ticket_that_is_held_one_token_does() {
    let (mut world, kerberos) = (World::new(), Kerberos::new());
    log_in(&mut world, &kerberos.iakerb(), to(WWW)).expect("a login");
    let (token, expects, proves, _) = world.begin(&kerberos.iakerb(), to(WWW)).expect("a token").sends();
    assert_eq!((expects, proves), (Expects::Success, HELD));
    assert_eq!(Token::decode(&token).expect("a token").mechanism, oid::IAKERB);
    // Nothing was carried, and so there is no KRB-FINISHED.
    world.accept(&token, Carried::Iakerb(&[]));
    // Kerberos shows the same, though no KDC is named.
    let (token, ..) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    assert_eq!(Token::decode(&token).expect("a token").mechanism, oid::KERBEROS);
    // Another server carries one message.
    let login = world.begin(&kerberos.iakerb(), to(WIKI));
    let legs = converse(&mut world, login).expect("a login").legs;
    assert_eq!(legs, [(Expects::Challenge, HELD), (Expects::Success, HELD)]);
    assert_eq!(world.counted(), (2, 2));
}

#[test]
fn where_the_password_is_for_a_kdc_only_a_ticket_is_shown_or_nothing() {
    let (mut world, kerberos) = (World::new(), Kerberos::new());
    let only_kdc = || to(WWW).with_only_kdc(true);
    let refused = failed(world.begin(&kerberos.iakerb(), only_kdc()));
    assert_eq!(refused.kind(), ErrorKind::Credentials);
    log_in(&mut world, &kerberos.iakerb(), to(WWW)).expect("a login");
    world.begin(&kerberos.iakerb(), only_kdc()).expect("a token").sends();
}

#[test]
fn what_a_kdc_behind_the_server_refuses_is_the_servers_word() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.alice().password = Secret::new("changed-pw");
    let login = world.begin(&kerberos.iakerb(), to(WWW));
    let refused = converse(&mut world, login).err().expect("a refusal");
    assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, true));
    // No other server gets to try it.
    let refused = failed(world.begin(&kerberos.iakerb(), to(WIKI)));
    assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, true));
    assert_eq!(world.kdc.alice().failures, 1);
    // Where no KDC is named, that is the reason to give.
    let (mut relayed_only, unnamed) = (World::new(), Kerberos::new());
    relayed_only.kdc.alice().password = Secret::new("changed-pw");
    let login = relayed_only.begin(&unnamed.iakerb(), to(WWW));
    converse(&mut relayed_only, login).err().expect("a refusal");
    let refused = failed(relayed_only.begin(&unnamed, to(WIKI)));
    assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, true));
    // But the KDC itself may be asked, and what it has taken no server can bar.
    world.kdc.alice().password = Secret::new("alice-pw");
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(36_000));
    let (token, _, _, context) = world.begin(&kerberos.iakerb(), to(WWW)).expect("a token").sends();
    let answer = world.relay(&token);
    let (_, _, proves, context) = Login::of(context.step(Some(&answer)).expect("a token")).sends();
    assert_eq!(proves, Proves::Relayed);
    let forged = context.step(Some(&said(KDC_ERR_PREAUTH_FAILED, world.now))).expect_err("a refusal");
    assert_eq!((forged.kind(), forged.is_relayed()), (ErrorKind::WrongPassword, true));
    world.begin(&kerberos.iakerb(), to(WIKI)).expect("a token").sends();
}

#[test]
fn a_server_without_a_kdc_blames_no_password() {
    let (mut world, iakerb) = (World::new(), iakerb());
    for code in [KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, KRB_AP_ERR_IAKERB_KDC_NO_RESPONSE] {
        let (_, _, _, context) = world.begin(&iakerb, to(WWW)).expect("a token").sends();
        let error = context.step(Some(&said(code, world.now))).expect_err("no KDC");
        assert_eq!((error.kind(), error.is_relayed()), (ErrorKind::Unavailable, true), "{error}");
    }
    // A refusal of what was not sent is a lie.
    let (_, _, _, context) = world.begin(&iakerb, to(WWW)).expect("a token").sends();
    let error = context.step(Some(&said(KDC_ERR_PREAUTH_FAILED, world.now))).expect_err("a lie");
    assert_eq!((error.kind(), error.is_relayed()), (ErrorKind::Refused, true), "{error}");
    world.begin(&iakerb, to(WWW)).expect("a token").sends();
}

#[test]
fn what_is_no_answer_of_iakerbs_is_an_error() {
    let mut world = World::new();
    let ap_rep = Token { mechanism: oid::IAKERB, id: TokenId::ApRep, message: b"\x6f\x00" }.encode();
    let krb_error = error(KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, None, world.now);
    let krb_error = Token { mechanism: oid::IAKERB, id: TokenId::KrbError, message: &krb_error }.encode();
    let old = [b"\x60\x10\x06\x06\x2b\x06\x01\x05\x02\x05\x05\x01".as_slice(), b"\x30\x04\xa1\x02\x04\x00"]
        .concat();
    for (token, kind, words) in [
        (&b""[..], ErrorKind::DefectiveToken, "malformed"),
        (b"NTLMSSP\0", ErrorKind::DefectiveToken, "malformed"),
        (&ap_rep, ErrorKind::DefectiveToken, "with one of its own"),
        (&krb_error, ErrorKind::Unavailable, "knows no KDC"),
        (&old, ErrorKind::DefectiveToken, "MIT Kerberos before 1.22"),
    ] {
        let (_, _, _, context) = world.begin(&iakerb(), to(WWW)).expect("a token").sends();
        let error = context.step(Some(token)).expect_err("no answer");
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let (_, _, _, context) = world.begin(&iakerb(), to(WWW)).expect("a token").sends();
    assert_eq!(context.finish_without_token().expect_err("too early").kind(), ErrorKind::MissingToken);
}

#[test]
fn a_first_ticket_that_the_server_says_is_refused_is_got_anew_there() {
    let (mut world, kerberos) = (World::new(), Kerberos::new());
    log_in(&mut world, &kerberos.iakerb(), to(WWW)).expect("a login");
    let (_, _, _, context) = world.begin(&kerberos.iakerb(), to(WIKI)).expect("a token").sends();
    let login = context.step(Some(&said(KRB_AP_ERR_MODIFIED, world.now))).map(Login::of);
    let legs = converse(&mut world, login).expect("a login").legs;
    assert_eq!(legs.len(), 4, "{legs:?}");
    assert_eq!(legs[0], (Expects::Challenge, Proves::Nothing));
}

#[test]
fn a_kdc_may_have_more_to_say_to_a_request_for_a_service() {
    let (mut world, kerberos) = (World::new(), Kerberos::new());
    assert!(kerberos.iakerb().authenticates_peer());
    log_in(&mut world, &kerberos.iakerb(), to(WWW)).expect("a login");
    let (first, _, proves, context) = world.begin(&kerberos.iakerb(), to(WIKI)).expect("a token").sends();
    assert_eq!(proves, HELD);
    let too_big = said(KRB_ERR_RESPONSE_TOO_BIG, world.now);
    let (again, expects, proves, context) = Login::of(context.step(Some(&too_big)).expect("a token")).sends();
    assert_eq!((expects, proves), (Expects::Challenge, HELD));
    assert_eq!(again, first, "the same message");
    let forbidden = context.step(Some(&said(KDC_ERR_POLICY, world.now))).expect_err("a refusal");
    assert_eq!((forbidden.kind(), forbidden.is_relayed()), (ErrorKind::Credentials, true));
    assert!(forbidden.to_string().contains("the KDC's policy forbids it"), "{forbidden}");
}

#[test]
fn the_proof_of_the_server_is_looked_at_unless_nobody_asked() {
    let mut world = World::new();
    for (rule, is_taken) in [(MutualAuthentication::Off, true), (MutualAuthentication::Preferred, false)] {
        let login = world.begin(&iakerb(), to(WWW).with_mutual_authentication(rule));
        let Conversation { tokens, last, context, .. } = converse(&mut world, login).expect("a login");
        let service = world.kdc.service(&last).with_change(|part| part.cusec ^= 1);
        let wrong = world.accept_by(&service, &last, Carried::Iakerb(&tokens)).token.expect("an AP-REP");
        assert_eq!(context.step(Some(&wrong)).is_ok(), is_taken);
    }
}

#[test]
fn a_user_without_a_realm_cannot_start() {
    let mut world = World::new();
    for name in ["alice", "LAB\\alice"] {
        let arguments = Initiate::new(WWW, Credentials::password(name, "alice-pw"));
        assert_eq!(failed(world.begin(&iakerb(), arguments)).kind(), ErrorKind::Credentials);
    }
}

/// The first token of a mechanism, and what is inside.
fn opened(world: &mut World, mechanism: &dyn Mechanism) -> (Vec<u8>, bool, Box<dyn SecurityContext>) {
    let login = world.begin(mechanism, to(WWW));
    let (token, _, _, context) = world.ask(login).expect("a token").sends();
    let (mechanism, _) = unframed(&token).expect("a frame");
    let is_bare = mechanism == oid::IAKERB;
    assert!(is_bare || mechanism == oid::SPNEGO);
    (token, is_bare, context)
}

#[test]
fn where_it_is_not_taken_inside_spnego_it_goes_without_and_the_server_is_remembered() {
    let (mut world, kerberos) = (World::new(), Kerberos::new());
    let negotiated = NegotiatedIakerb::new(kerberos.clone(), Vec::new());
    let (_, is_bare, context) = opened(&mut world, &negotiated);
    assert!(!is_bare);
    let instead = context.instead().expect("another form");
    drop(context);
    let (token, is_bare, context) = opened(&mut world, &*instead);
    assert!(is_bare && context.instead().is_none(), "it is tried once");
    assert!(!kerberos.bare().has(WWW), "the server has not answered it yet");
    let login = world.begin(&negotiated, to(WWW)).expect("a wait");
    let answer = world.relay(&token);
    let (_, _, _, context) = Login::of(context.step(Some(&answer)).expect("a token")).sends();
    assert!(context.instead().is_none() && kerberos.bare().has(WWW));
    drop(context);
    // Somebody who has waited meanwhile goes without SPNEGO, too.
    let (mut awaited, context) = login.waits();
    assert!(poll(&mut awaited, &Arc::default()).is_ready());
    let (token, _, _, context) = world.tell(context, Ok(Vec::new())).expect("a token").sends();
    assert_eq!(unframed(&token).expect("a frame").0, oid::IAKERB);
    drop(context);
    let (_, is_bare, context) = opened(&mut world, &negotiated);
    assert!(is_bare);
    // The server has changed.
    let instead = context.instead().expect("another form");
    drop(context);
    assert!(!opened(&mut world, &*instead).1);
    assert!(!opened(&mut world, &negotiated).1);
}

#[test]
fn inside_spnego_it_comes_behind_kerberos() {
    let mut world = World::new();
    let negotiated = NegotiatedIakerb::new(kerberos(), Vec::new());
    let (_, context) = world.begin(&negotiated, to(WWW)).expect("an inquiry").asks();
    let (token, _, proves, context) = world.tell(context, silent()).expect("a token").sends();
    assert_eq!(proves, Proves::Nothing);
    assert!(!token.windows(oid::KERBEROS.len()).any(|part| part == oid::KERBEROS), "it could not start");
    assert!(!token.windows(oid::NTLM.len()).any(|part| part == oid::NTLM));
    // The whole of it inside SPNEGO.
    let at = token.windows(2).position(|part| part == [0x05, 0x01]).expect("a token for the relay");
    let start = token[..at].windows(6).rposition(|part| part == oid::IAKERB).expect("its mechanism");
    let inner = |token: &[u8]| {
        let start = token[..start].iter().rposition(|octet| *octet == 0x60).expect("its frame");
        token[start..].to_vec()
    };
    let answer = world.relay(&inner(&token));
    let answer = NegTokenResp {
        state: Some(NegState::AcceptIncomplete),
        supported_mech: Some(oid::IAKERB),
        response_token: Some(&answer),
        ..NegTokenResp::default()
    };
    let (_, _, proves, _) = Login::of(context.step(Some(&answer.encode())).expect("a token")).sends();
    assert_eq!(proves, Proves::Relayed);
}

#[test]
fn inside_spnego_a_server_may_accept_without_the_last_token() {
    let mut world = World::new();
    let spnego = Spnego::new(vec![Arc::new(iakerb())]);
    let (token, _, _, mut context) = world.begin(&spnego, to(WWW)).expect("a token").sends();
    let mut relayed = NegTokenInit::decode(&token).expect("ours").mech_token.expect("IAKERB's").to_vec();
    let established = loop {
        let answer = world.relay(&relayed);
        let answer = NegTokenResp {
            state: Some(NegState::AcceptIncomplete),
            supported_mech: Some(oid::IAKERB),
            response_token: Some(&answer),
            ..NegTokenResp::default()
        };
        let step = context.step(Some(&answer.encode())).expect("a token");
        let (token, expects, _, next) = Login::of(step).sends();
        if expects == Expects::Success {
            break next.finish_without_token().expect("it has proven nothing, and need not");
        }
        relayed = NegTokenResp::decode(&token).expect("ours").response_token.expect("IAKERB's").to_vec();
        context = next;
    };
    assert_eq!((established.mechanism, established.mutual), ("IAKERB", false));
}

#[test]
fn a_kdcs_word_inside_a_rejection_is_told() {
    let mut world = World::new();
    let negotiated = NegotiatedIakerb::new(Kerberos::new(), Vec::new());
    let (_, _, context) = opened(&mut world, &negotiated);
    let inner = said(KRB_AP_ERR_IAKERB_KDC_NOT_FOUND, world.now);
    let answer = NegTokenResp {
        state: Some(NegState::Reject),
        response_token: Some(&inner),
        ..NegTokenResp::default()
    };
    let error = context.step(Some(&answer.encode())).expect_err("no KDC");
    assert_eq!((error.kind(), error.is_relayed()), (ErrorKind::Unavailable, true), "{error}");
}
