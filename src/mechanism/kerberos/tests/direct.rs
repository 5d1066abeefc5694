//! Kerberos, with the KDC asked from this side.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use super::world::*;
use crate::credentials::{Ambient, Credentials, Secret};
use crate::mechanism::kerberos::Kerberos;
use crate::mechanism::kerberos::crypto::{EncryptionType, Key};
use crate::mechanism::kerberos::exchange::Carried;
use crate::mechanism::kerberos::exchange::tests::kdc::{self, Options, error};
use crate::mechanism::kerberos::gss::{ContextKey, MicTokens, Side, Token, TokenId};
use crate::mechanism::kerberos::messages::krb_error::{
    KRB_AP_ERR_MODIFIED, KRB_AP_ERR_TKT_EXPIRED, KRB_ERR_RESPONSE_TOO_BIG,
};
use crate::mechanism::ntlm::Ntlm;
use crate::mechanism::spnego::Spnego;
use crate::mechanism::spnego::token::{NegState, NegTokenResp, unframed};
use crate::mechanism::{
    Binding, ErrorKind, Expects, Initiate, Mechanism, MessageIntegrity, MutualAuthentication, Proves, Step,
    oid,
};

const NEW: Proves = Proves::Ticket { is_new: true };
const HELD: Proves = Proves::Ticket { is_new: false };

#[test]
fn a_password_logs_in_by_each_encryption_type() {
    for etype in EncryptionType::ALL {
        let mut world = World::with(etype);
        let kerberos = kerberos().encryption_types([etype]);
        let mut proved = Vec::new();
        let login = world.begin(&kerberos, to(WWW).with_channel_bindings(Some(bindings())));
        let login = world.ask_noting(login, &mut proved);
        assert_eq!(proved, [Proves::Nothing, Proves::Secret, NEW], "{etype}");
        let (token, expects, proves, context) = login.expect("a token").sends();
        assert_eq!((expects, proves), (Expects::Success, NEW), "{etype}");
        assert!(!context.takes_time());
        let mut accepted = world.accept_bound(&token, Carried::Kerberos);
        assert_eq!(accepted.client.to_string(), "alice@LAB.TEST");
        let options = Options { mutual_required: true, insists_on_bindings: true };
        assert_eq!(world.kdc.options(&token), options, "{etype}");
        let answer = accepted.token.expect("an AP-REP");
        let Ok(Step::Complete { token: None, established }) = context.step(Some(&answer)) else {
            panic!("{etype}: it is not established")
        };
        assert_eq!((established.mechanism, established.binding), ("Kerberos", Binding::Request));
        assert_eq!(established.principal.as_deref(), Some("alice@LAB.TEST"));
        assert!(established.mutual);
        let mic = established.integrity.expect("integrity").mic(b"the list").expect("a MIC");
        assert_eq!(accepted.mics.verify(b"the list", &mic), Ok(()), "{etype}");
    }
}

#[test]
fn the_inquiry_says_whom_to_ask_and_only_the_first_ticket_takes_time() {
    let mut world = World::new();
    let kerberos = kerberos().kdc(kdc::REALM, ["one.lab.test", "two.lab.test:8888"]);
    let (inquiry, context) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
    assert_eq!((&*inquiry.realm, inquiry.needs_stream), (kdc::REALM, false));
    assert_eq!(*inquiry.addresses, ["one.lab.test".to_owned(), "two.lab.test:8888".to_owned()]);
    assert!(context.takes_time(), "the key is made of the password");
    let too_big = error(KRB_ERR_RESPONSE_TOO_BIG, None, world.now);
    let (inquiry, context) = world.tell(context, Ok(too_big)).expect("it asks again").asks();
    assert!(inquiry.needs_stream);
    let answer = world.answer(&inquiry.message);
    let (inquiry, context) = world.tell(context, Ok(answer)).expect("it asks again").asks();
    assert!(context.takes_time() && inquiry.needs_stream);
    let answer = world.answer(&inquiry.message);
    let (_, context) = world.tell(context, Ok(answer)).expect("it asks for the service").asks();
    assert!(!context.takes_time(), "no password any more");
}

#[test]
fn tickets_are_held_for_further_logins() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    assert_eq!(world.counted(), (2, 1));
    // The same server: nobody is asked.
    let (token, expects, proves, context) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    assert_eq!((expects, proves), (Expects::Success, HELD));
    context.step(world.accept(&token, Carried::Kerberos).token.as_deref()).expect("a login");
    // Another one, by a clone: the password is not needed.
    let mut proved = Vec::new();
    let login = world.begin(&kerberos.clone(), to(WIKI));
    let (_, _, proves, _) = world.ask_noting(login, &mut proved).expect("a token").sends();
    assert_eq!((proved, proves), (vec![HELD], HELD));
    assert_eq!(world.counted(), (2, 2));
    // The same user under another name of his, too; another password is another user.
    let by_domain = Initiate::new(WWW, Credentials::password("lab.test\\alice", "alice-pw"));
    world.begin(&kerberos, by_domain).expect("a token").sends();
    let other = Initiate::new(WWW, Credentials::password("alice@LAB.TEST", "bob-pw"));
    world.begin(&kerberos, other).expect("an inquiry").asks();
    // A handle that is set otherwise begins anew.
    world.begin(&kerberos.default_realm("LAB.TEST"), to(WWW)).expect("an inquiry").asks();
}

#[test]
fn tickets_are_got_anew_before_they_end() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(36_000 - 61));
    world.begin(&kerberos, to(WWW)).expect("a token").sends();
    world.wait(Duration::from_secs(1));
    // The key of the password is kept: it is shown at once.
    let mut proved = Vec::new();
    let login = world.begin(&kerberos, to(WWW));
    let (_, _, proves, _) = world.ask_noting(login, &mut proved).expect("a token").sends();
    assert_eq!((proved, proves), (vec![Proves::Secret, NEW], NEW));
    world.begin(&kerberos, to(WWW)).expect("a token").sends();
}

#[test]
fn a_ticket_that_holds_for_a_minute_is_held_for_most_of_it() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.lifetime = Duration::from_secs(60);
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(53));
    world.begin(&kerberos, to(WWW)).expect("a token").sends();
    world.wait(Duration::from_secs(1));
    world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
}

#[test]
fn a_ticket_that_the_service_refuses_is_got_anew() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    let (_, _, _, context) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    let message = error(KRB_AP_ERR_MODIFIED, None, world.now);
    let token = Token { mechanism: oid::KERBEROS, id: TokenId::KrbError, message: &message }.encode();
    let refused = context.step(Some(&token)).expect_err("a KRB-ERROR");
    assert_eq!(refused.kind(), ErrorKind::TicketRefused);
    let (inquiry, _) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
    assert_eq!(inquiry.proves, HELD, "for a service: the first one is still good");
}

#[test]
fn an_old_ticket_to_which_the_service_says_nothing_is_got_anew() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(300));
    drop(world.begin(&kerberos, to(WWW)).expect("a token").sends());
    world.wait(Duration::from_secs(1));
    // Accepted, with the proof or without: it is kept.
    let (token, _, _, context) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    context.step(world.accept(&token, Carried::Kerberos).token.as_deref()).expect("a login");
    let (_, _, _, context) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    assert!(!context.finish_without_token().expect("a login").mutual);
    drop(world.begin(&kerberos, to(WWW)).expect("a token").sends());
    world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
}

#[test]
fn a_first_ticket_that_the_kdc_refuses_is_got_anew() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    let (_, context) = world.begin(&kerberos, to(WIKI)).expect("an inquiry").asks();
    let refused = error(KRB_AP_ERR_TKT_EXPIRED, None, world.now);
    let (inquiry, context) = world.tell(context, Ok(refused.clone())).expect("an inquiry").asks();
    assert_eq!(inquiry.proves, Proves::Secret);
    let answer = world.answer(&inquiry.message);
    let (inquiry, context) = world.tell(context, Ok(answer)).expect("an inquiry").asks();
    assert_eq!(inquiry.proves, NEW);
    // But not again and again.
    let error = failed(world.tell(context, Ok(refused)));
    assert_eq!(error.kind(), ErrorKind::TicketRefused);
}

#[test]
fn when_the_clock_is_set_the_first_ticket_is_got_anew() {
    for (before, after) in [(0, 600), (600, 0)] {
        let (mut world, kerberos) = (World::new(), kerberos());
        let right = world.now;
        world.now = right + Duration::from_secs(before);
        let login = world.begin(&kerberos, to(WWW));
        world.ask(login).expect("a token").sends();
        world.now = right + Duration::from_secs(after);
        let login = world.begin(&kerberos, to(WIKI));
        let (_, _, proves, _) = world.ask(login).expect("a token").sends();
        assert_eq!(proves, NEW);
        let login = world.begin(&kerberos, to(WWW));
        world.ask(login).expect("a token").sends();
    }
}

#[test]
fn a_kdc_that_was_silent_is_not_shown_the_password_before_it_answers() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(36_000));
    for proves in [Proves::Secret, Proves::Nothing, Proves::Nothing] {
        let (inquiry, context) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
        assert_eq!(inquiry.proves, proves);
        assert_eq!(failed(world.tell(context, silent())).kind(), ErrorKind::Unavailable);
    }
    let mut proved = Vec::new();
    for _ in 0..2 {
        let login = world.begin(&kerberos, to(WWW));
        world.ask_noting(login, &mut proved).expect("a token").sends();
        world.wait(Duration::from_secs(36_000));
    }
    assert_eq!(proved, [Proves::Nothing, Proves::Secret, NEW, Proves::Secret, NEW]);
}

#[test]
fn without_mutual_authentication_the_first_token_is_the_last() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let login = world.begin(&kerberos, to(WWW).with_mutual_authentication(MutualAuthentication::Off));
    let (token, mut established) = world.ask(login).expect("a token").done();
    let token = token.expect("a token");
    let mut accepted = world.accept(&token, Carried::Kerberos);
    assert!(accepted.token.is_none() && !world.kdc.options(&token).mutual_required && !established.mutual);
    let mic = established.integrity.as_mut().expect("integrity").mic(b"the list").expect("a MIC");
    // The service need not answer, so the key is the client's.
    assert_eq!(accepted.mics.verify(b"the list", &mic), Ok(()));
    let acceptors = ContextKey::AcceptorSubkey(Key::random(EncryptionType::Aes256Sha1, [5; 32].into()));
    assert!(MicTokens::new(Side::Acceptor, acceptors, 0).verify(b"the list", &mic).is_err());
}

#[test]
fn a_server_that_proves_nothing_is_none() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    let (token, _, _, context) = world.begin(&kerberos, to(WWW)).expect("a token").sends();
    let service = world.kdc.service(&token).with_change(|part| part.cusec ^= 1);
    let wrong = world.accept_by(&service, &token, Carried::Kerberos).token.expect("an AP-REP");
    let error = context.step(Some(&wrong)).expect_err("another Authenticator");
    assert_eq!(error.kind(), ErrorKind::BadMic);
    let required = to(WWW).with_mutual_authentication(MutualAuthentication::Required);
    let (_, _, _, context) = world.begin(&kerberos, required).expect("a token").sends();
    let error = context.finish_without_token().expect_err("nothing is proven");
    assert_eq!(error.kind(), ErrorKind::MissingToken);
}

#[test]
fn who_cannot_start_asks_nobody() {
    let mut world = World::new();
    let with = |username: &str, target: &str| Initiate::new(target, Credentials::password(username, "pw"));
    for (arguments, kind, words) in [
        (with("LAB\\alice", WWW), ErrorKind::Credentials, "names a NetBIOS domain"),
        (with("alice", WWW), ErrorKind::Credentials, "the realm of alice is not known"),
        (with("alice@LAB.TEST", "HTTP/192.0.2.1"), ErrorKind::Credentials, "no tickets for an address"),
        (with("alice@OTHER.TEST", WWW), ErrorKind::Unavailable, "no KDC is named for the realm OTHER.TEST"),
    ] {
        let error = failed(world.begin(&kerberos(), arguments));
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
    let error = failed(world.begin(&Kerberos::new(), to(WWW)));
    assert_eq!(error.kind(), ErrorKind::Unavailable);
    let ambient = Initiate::new(WWW, Credentials::ambient(Ambient::new()));
    let error = failed(world.begin(&kerberos(), ambient));
    assert_eq!(error.kind(), ErrorKind::Credentials);
    assert_eq!(error.to_string(), "only a name and a password can be used");
}

#[test]
fn a_name_that_the_kdc_looks_up_logs_in_as_whom_it_finds() {
    let mut world = World::new();
    world.kdc.alice().enterprise = Some("al@mail.example".to_owned());
    let kerberos = kerberos().default_realm("LAB.TEST");
    let arguments = Initiate::new(WWW, Credentials::password("al@mail.example", "alice-pw"));
    let established = world.log_in(&kerberos, arguments).expect("a login");
    assert_eq!(established.principal.as_deref(), Some("alice@LAB.TEST"));
}

#[test]
fn a_reply_for_another_realm_is_an_error() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.change = |reply, _| reply.crealm = "OTHER.TEST".to_owned();
    let login = world.begin(&kerberos, to(WWW));
    let error = failed(world.ask(login));
    assert_eq!(error.kind(), ErrorKind::DefectiveToken);
    assert!(error.to_string().contains("for the realm OTHER.TEST"), "{error}");
}

#[test]
fn a_silent_kdc_leaves_it_to_the_next_mechanism() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let (_, context) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
    assert_eq!(failed(world.tell(context, silent())).kind(), ErrorKind::Unavailable);

    let spnego = Spnego::new(vec![Arc::new(kerberos), Arc::new(Ntlm::new())]);
    let (_, context) = world.begin(&spnego, to(WWW)).expect("an inquiry").asks();
    let (token, ..) = world.tell(context, silent()).expect("NTLM's first message").sends();
    assert!(token.windows(8).any(|part| part == b"NTLMSSP\0"));
}

#[test]
fn a_wrong_password_is_shown_to_nobody_else() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.alice().password = Secret::new("changed-pw");
    let spnego = Spnego::new(vec![Arc::new(kerberos.clone()), Arc::new(Ntlm::new())]);
    let login = world.begin(&spnego, to(WWW));
    let refused = failed(world.ask(login));
    assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, false));
    for target in [WWW, WIKI] {
        for mechanism in [&kerberos as &dyn Mechanism, &kerberos.iakerb(), &spnego] {
            let refused = failed(world.begin(mechanism, to(target)));
            assert_eq!((refused.kind(), refused.is_relayed()), (ErrorKind::WrongPassword, false));
            assert!(refused.to_string().contains("the KDC refused the password of alice@LAB.TEST"));
        }
    }
    assert_eq!((world.kdc.alice().failures, world.counted()), (1, (2, 0)));
    // Another password is another matter.
    let changed = Initiate::new(WWW, Credentials::password("alice@LAB.TEST", "changed-pw"));
    world.log_in(&kerberos, changed).expect("a login");
}

#[test]
fn a_refusal_is_forgotten_in_time_or_when_told() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.kdc.alice().password = Secret::new("changed-pw");
    let login = world.begin(&kerberos, to(WWW));
    failed(world.ask(login));
    world.wait(Duration::from_secs(32 * 60 - 1));
    failed(world.begin(&kerberos, to(WWW)));
    world.wait(Duration::from_secs(1));
    let (_, context) = world.begin(&kerberos, to(WWW)).expect("it asks again").asks();
    drop(context);
    let login = world.begin(&kerberos, to(WWW));
    failed(world.ask(login));
    kerberos.forget_refusals();
    let login = world.begin(&kerberos, to(WWW));
    failed(world.ask(login));
    assert_eq!(world.kdc.alice().failures, 3);

    // One that was taken before is tried after five minutes, and then as any other.
    let (mut world, kerberos) = (World::new(), self::kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    world.wait(Duration::from_secs(36_000));
    world.kdc.alice().password = Secret::new("changed-pw");
    let login = world.begin(&kerberos, to(WWW));
    failed(world.ask(login));
    world.wait(Duration::from_secs(5 * 60));
    let login = world.begin(&kerberos, to(WWW));
    failed(world.ask(login));
    world.wait(Duration::from_secs(5 * 60));
    failed(world.begin(&kerberos, to(WWW)));
    assert_eq!(world.kdc.alice().failures, 2);
}

#[test]
fn it_speaks_inside_spnego() {
    let mut world = World::new();
    let spnego = Spnego::new(vec![Arc::new(kerberos()), Arc::new(Ntlm::new())]);
    let login = world.begin(&spnego, to(WWW));
    let (token, expects, _, context) = world.ask(login).expect("a token").sends();
    assert_eq!(expects, Expects::Success);
    let (mechanism, _) = unframed(&token).expect("a frame");
    assert_eq!(mechanism, oid::SPNEGO);
    let at = token.windows(2).position(|part| part == [0x01, 0x00]).expect("an AP-REQ");
    let start = token[..at].windows(2).rposition(|part| part[0] == 0x60).expect("its frame");
    let accepted = world.accept(&token[start..], Carried::Kerberos);
    let answer = NegTokenResp {
        state: Some(NegState::AcceptCompleted),
        supported_mech: Some(oid::KERBEROS),
        response_token: accepted.token.as_deref(),
        ..NegTokenResp::default()
    };
    let Ok(Step::Complete { established, .. }) = context.step(Some(&answer.encode())) else {
        panic!("it is not established")
    };
    assert_eq!((established.mechanism, established.mutual), ("Kerberos", true));
}

#[test]
fn inside_spnego_a_server_may_accept_without_proof_unless_that_is_required() {
    let mut world = World::new();
    let spnego = Spnego::new(vec![Arc::new(kerberos()), Arc::new(Ntlm::new())]);
    let accepted = NegTokenResp {
        state: Some(NegState::AcceptCompleted),
        supported_mech: Some(oid::KERBEROS),
        ..NegTokenResp::default()
    }
    .encode();
    for (rule, is_taken) in [(MutualAuthentication::Preferred, true), (MutualAuthentication::Required, false)]
    {
        let login = world.begin(&spnego, to(WWW).with_mutual_authentication(rule));
        let (_, _, _, context) = world.ask(login).expect("a token").sends();
        match context.step(Some(&accepted)) {
            Ok(Step::Complete { token: None, established }) => {
                assert!(is_taken && !established.mutual);
                assert_eq!(established.mechanism, "Kerberos");
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => {
                assert!(!is_taken, "{error}");
                assert_eq!(error.kind(), ErrorKind::MissingToken);
                assert!(error.to_string().contains("without proving who it is"), "{error}");
            }
        }
    }
}

#[test]
fn nothing_of_a_password_is_printed() {
    let (mut world, kerberos) = (World::new(), kerberos());
    world.log_in(&kerberos, to(WWW)).expect("a login");
    let shown = format!("{kerberos:?} {:?}", kerberos.iakerb());
    assert!(shown.contains("kdc.lab.test") && !shown.contains("alice"), "{shown}");
}

#[test]
fn a_token_of_the_server_is_none_for_who_waits_for_a_kdc() {
    let (mut world, kerberos) = (World::new(), kerberos());
    let (_, asked) = world.begin(&kerberos, to(WWW)).expect("an inquiry").asks();
    let (_, waiting) = world.begin(&kerberos, to(WWW)).expect("a wait").waits();
    for context in [waiting, asked] {
        let error = context.step(Some(b"a token")).expect_err("nobody has asked for it");
        assert_eq!(error.kind(), ErrorKind::DefectiveToken);
        assert_eq!(error.to_string(), "the server sent a token while a KDC was being asked");
    }
    let login = world.begin(&kerberos, to(WWW));
    let (_, _, _, context) = world.ask(login).expect("a token").sends();
    let error = context.step(None).expect_err("the server has to say something");
    assert_eq!(error.kind(), ErrorKind::MissingToken, "{error}");
}

#[test]
fn fewer_iterations_are_taken_where_the_program_says_so_of_that_encryption_type() {
    for (etype, is_rfc8009) in [(EncryptionType::Aes256Sha1, false), (EncryptionType::Aes256Sha384, true)] {
        let mut world = World::with(etype);
        world.kdc.alice().iterations = NonZeroU32::new(1);
        for (kerberos, is_taken) in [
            (kerberos(), false),
            (kerberos().dangerous_iterations_rfc3962(1..=10), !is_rfc8009),
            (kerberos().dangerous_iterations_rfc8009(1..=10), is_rfc8009),
        ] {
            match world.log_in(&kerberos, to(WWW)) {
                Ok(_) => assert!(is_taken, "{etype}"),
                Err(error) => {
                    assert!(error.to_string().contains("wants 1 iterations"), "{error}");
                    assert!(!is_taken, "{etype}: {error}");
                }
            }
        }
    }
}
