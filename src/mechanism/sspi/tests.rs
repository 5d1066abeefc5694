//! The system's packages against our own acceptors, and what is left of each conversation.

use std::sync::Arc;
use std::time::SystemTime;

use crate::channel_bindings::ChannelBindings;
use crate::credentials::{Ambient, Credentials};
use crate::mechanism::oid;
use crate::mechanism::sspi::Sspi;
use crate::mechanism::sspi::library::{
    Bindings, Context, Credential, Identity, Package, Setup, Text, held, lent_with_list,
};
use crate::mechanism::{
    ErrorKind, Established, Initiate, Mechanism, MechanismError, Moment, MutualAuthentication,
    SecurityContext, Step,
};
use crate::testing::ntlm::NtlmAcceptor;
use crate::testing::spnego::SpnegoAcceptor;
use crate::testing::{Accept, Acceptor, Users};

fn moment() -> Moment {
    Moment::new(SystemTime::now(), [7; 32])
}

fn carol() -> Initiate {
    Initiate::new("HTTP/mail.example", Credentials::password("LAB\\carol", "carol-pw"))
}

fn ntlm_acceptor() -> NtlmAcceptor {
    let users = Users::new().with("LAB\\carol", "carol-pw");
    NtlmAcceptor::new(Arc::new(users), [7; 8], SystemTime::now())
}

/// Whom an acceptor for this mechanism lets in.
fn acceptor(mechanism: &Sspi) -> Box<dyn Acceptor> {
    match mechanism.package {
        Package::Ntlm => Box::new(ntlm_acceptor()),
        Package::Negotiate | Package::NegotiateWithoutNtlm | Package::Kerberos => {
            Box::new(SpnegoAcceptor::new(oid::NTLM, Box::new(ntlm_acceptor())))
        }
    }
}

fn first(mechanism: &Sspi, arguments: Initiate) -> (Vec<u8>, Box<dyn SecurityContext>) {
    match mechanism.initiate(arguments, moment()).step(None).expect("a first token") {
        Step::Continue { token, context, .. } => (token, context),
        step => panic!("{step:?}"),
    }
}

/// A whole login: who was let in, and what the client holds of it.
fn log_in(mechanism: &Sspi, arguments: Initiate) -> Result<(String, Established), MechanismError> {
    let (mut token, mut context) = first(mechanism, arguments);
    let mut acceptor = acceptor(mechanism);
    loop {
        match acceptor.step(&token) {
            Accept::Continue(answer) => match context.step(Some(&answer))? {
                Step::Continue { token: next, context: further, .. } => (token, context) = (next, further),
                Step::Complete { token: Some(last), established } => match acceptor.step(&last) {
                    Accept::Accepted { user, .. } => return Ok((user, established)),
                    Accept::Refused { why, .. } => return Err(MechanismError::new(ErrorKind::Refused, why)),
                    Accept::Continue(_) => panic!("the client is through"),
                },
                Step::Complete { token: None, .. } | Step::Consult { .. } => panic!("the acceptor waits"),
            },
            Accept::Accepted { user, token, .. } => {
                let established = match token {
                    None => context.finish_without_token()?,
                    Some(last) => match context.step(Some(&last))? {
                        Step::Complete { token: None, established } => established,
                        step => panic!("{step:?}"),
                    },
                };
                return Ok((user, established));
            }
            Accept::Refused { why, .. } => return Err(MechanismError::new(ErrorKind::Refused, why)),
        }
    }
}

#[test]
fn a_thousand_logins_leave_nothing_behind() {
    let before = held::count();
    for mechanism in [Sspi::negotiate(), Sspi::ntlm()] {
        for _ in 0..500 {
            let (user, established) = log_in(&mechanism, carol()).expect("her password");
            assert_eq!(user, "LAB\\carol");
            assert!(held::count() > before, "a context and her credentials");
            drop(established);
        }
        assert_eq!(held::count(), before + 1, "her credentials, for the next login");
    }
    assert_eq!(held::count(), before);
}

#[test]
fn a_login_that_ends_anyhow_leaves_nothing_behind() {
    let before = held::count();
    for mechanism in [Sspi::negotiate(), Sspi::ntlm()] {
        for _ in 0..20 {
            drop(mechanism.initiate(carol(), moment()));
            drop(first(&mechanism, carol()));
            let (_, context) = first(&mechanism, carol());
            assert!(context.step(Some(b"no token of any kind")).is_err());
            let (_, context) = first(&mechanism, carol());
            assert!(context.step(None).is_err());
            let wrong = Credentials::password("LAB\\carol", "wrong-pw");
            let refused = log_in(&mechanism, Initiate::new("HTTP/mail.example", wrong));
            assert_eq!(refused.expect_err("wrong").kind(), ErrorKind::Refused);
        }
    }
    assert_eq!(held::count(), before);
}

#[test]
fn ntlm_is_not_used_where_the_server_has_to_prove_who_it_is() {
    let arguments = carol().with_mutual_authentication(MutualAuthentication::Required);
    let error = Sspi::ntlm().initiate(arguments, moment()).step(None).expect_err("NTLM cannot");
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn codes_of_integrity_hold_both_ways() {
    let (mut token, mut context) = first(&Sspi::ntlm(), carol());
    let mut acceptor = ntlm_acceptor();
    let mut theirs = None;
    let mut established = loop {
        match acceptor.step(&token) {
            Accept::Continue(answer) => match context.step(Some(&answer)).expect("a step") {
                Step::Continue { token: next, context: further, .. } => (token, context) = (next, further),
                Step::Complete { token: Some(last), established } => {
                    if let Accept::Accepted { integrity, .. } = acceptor.step(&last) {
                        theirs = integrity;
                    }
                    break established;
                }
                Step::Complete { token: None, .. } | Step::Consult { .. } => panic!("the acceptor waits"),
            },
            other => panic!("{other:?}"),
        }
    };
    let ours = established.integrity.as_mut().expect("it was asked for");
    let theirs = theirs.as_mut().expect("it was granted");
    for message in [b"one".as_slice(), b"another"] {
        theirs.verify(message, &ours.mic(message).expect("a code")).expect("holds");
        ours.verify(message, &theirs.mic(message).expect("a code")).expect("holds");
    }
    let code = theirs.mic(b"one").expect("a code");
    assert_eq!(ours.verify(b"two", &code).expect_err("of another message").kind(), ErrorKind::BadMic);
}

#[test]
fn a_context_moves_between_threads() {
    let (token, context) = first(&Sspi::ntlm(), carol());
    let mut acceptor = ntlm_acceptor();
    let Accept::Continue(answer) = acceptor.step(&token) else { panic!("a challenge") };
    let stepped = std::thread::spawn(move || context.step(Some(&answer))).join().expect("no panic");
    let Ok(Step::Complete { token: Some(last), .. }) = stepped else { panic!("{stepped:?}") };
    assert!(matches!(acceptor.step(&last), Accept::Accepted { .. }));
}

/// Below the mechanism, which gives them with every call, as Windows wants it: wine refuses them in
/// the first.
#[test]
fn channel_bindings_go_into_a_call_beside_the_token() {
    let identity =
        Identity { user: Text::new("carol"), domain: Text::new("LAB"), password: Text::new("carol-pw") };
    let credential = Arc::new(Credential::acquire(Package::Ntlm, Some(&identity)).expect("a handle"));
    let mut context = Context::new(credential);
    let mut setup = Setup { target: Text::new("HTTP/mail.example"), flags: 0, bindings: None };
    let first = context.step(&setup, None).expect("a first token");
    let mut acceptor = ntlm_acceptor();
    let Accept::Continue(challenge) = acceptor.step(&first.token) else { panic!("a challenge") };
    let bindings = ChannelBindings::tls_server_end_point(&[9; 32]);
    setup.bindings = Some(Bindings::new(bindings.application_data()));
    let last = context.step(&setup, Some(&challenge)).expect("the last token");
    assert!(last.is_complete);
    assert!(matches!(acceptor.step(&last.token), Accept::Accepted { .. }));
}

#[test]
fn channel_bindings_are_laid_out_as_the_system_reads_them() {
    let bindings = ChannelBindings::from_application_data(*b"tls-server-end-point:x");
    let laid_out = Bindings::new(bindings.application_data());
    let numbers: Vec<u32> = laid_out.octets()[..32]
        .chunks_exact(4)
        .map(|octets| u32::from_ne_bytes(octets.try_into().expect("four")))
        .collect();
    assert_eq!(numbers, [0, 0, 0, 0, 0, 0, 22, 32]);
    assert_eq!(&laid_out.octets()[32..], b"tls-server-end-point:x");
}

#[test]
fn packages_are_listed_beside_the_identity_as_the_system_reads_them() {
    let identity =
        Identity { user: Text::new("carol"), domain: Text::new("LAB"), password: Text::new("carol-pw") };
    let list = Text::new("!ntlm");
    let lent = lent_with_list(Some(&identity), &list);
    assert_eq!((lent.Version, lent.Length as usize), (0x200, size_of_val(&lent)));
    let lengths = [lent.UserLength, lent.DomainLength, lent.PasswordLength, lent.PackageListLength];
    assert_eq!((lengths, lent.Flags), ([5, 3, 8, 5], 2));
    let nobody = lent_with_list(None, &list);
    assert!(nobody.User.is_null() && nobody.Domain.is_null() && nobody.Password.is_null());
    assert_eq!((nobody.UserLength, nobody.PackageListLength), (0, 5));
}

/// wine has nothing but NTLM; Windows may have Kerberos for her.
#[test]
fn ntlm_that_is_shut_out_is_never_sent() {
    for mechanism in [Sspi::without_ntlm(), Sspi::negotiate()] {
        let mechanism: Arc<dyn Mechanism> = Arc::new(mechanism);
        let mechanism = Mechanism::without_ntlm(&*mechanism).of(&mechanism).expect("Negotiate is left");
        match mechanism.initiate(carol(), moment()).step(None) {
            Ok(Step::Continue { token, .. } | Step::Complete { token: Some(token), .. }) => {
                assert!(!token.windows(8).any(|part| part == b"NTLMSSP\0"), "{token:02x?}");
            }
            Ok(step) => panic!("{step:?}"),
            Err(error) => {
                let words = error.to_string();
                assert!(words.contains("which is shut out") || words.contains("(SSPI 0x"), "{words}");
            }
        }
    }
    let ntlm: Arc<dyn Mechanism> = Arc::new(Sspi::ntlm());
    assert!(Mechanism::without_ntlm(&*ntlm).of(&ntlm).is_none());
}

#[test]
fn nobody_logged_on_is_an_error_with_a_sentence_or_a_token() {
    let ambient = Initiate::new("HTTP/mail.example", Credentials::ambient(Ambient::new()));
    if let Err(error) = Sspi::negotiate().initiate(ambient, moment()).step(None) {
        assert!(error.to_string().contains("(SSPI 0x"), "{error}");
    }
}

#[test]
fn a_package_that_is_not_there_is_an_error_or_makes_a_token_of_its_own() {
    match Sspi::kerberos().initiate(carol(), moment()).step(None) {
        Err(error) => assert!(error.to_string().contains("(SSPI 0x"), "{error}"),
        Ok(step) => assert!(matches!(step, Step::Continue { .. }), "{step:?}"),
    }
}
