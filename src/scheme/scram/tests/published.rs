//! The published messages, and what the types say without a server.

use std::sync::Arc;
use std::time::UNIX_EPOCH;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use http::{Method, Uri};

use super::{challenge, quick, user};
use crate::challenge::AuthenticationInfo;
use crate::credentials::{Ambient, Credentials};
use crate::mechanism::ntlm::vectors::Vectors;
use crate::mechanism::{Entropy, ErrorKind, FixedMoment, Initiate, MechanismError, Moment, Stepped};
use crate::scheme::scram::attributes::authorization;
use crate::scheme::scram::error::ScramError;
use crate::scheme::scram::exchange::{ScramExchange, ScramStep};
use crate::scheme::scram::login::ClientFirst;
use crate::scheme::scram::login::client_nonce;
use crate::scheme::scram::{Scram, ScramHash};
use crate::scheme::{Knowledge, RequestContext, Scheme};

#[test]
fn speaks_as_the_published_examples_do() {
    let vectors = Vectors::read(include_str!("../../../../tests/vectors/scram.txt"));
    for (section, hash) in [("sha-256", ScramHash::Sha256), ("sha-1", ScramHash::Sha1)] {
        let text = |name: &str| vectors.text(&format!("{section}.{name}")).to_owned();
        let scram = Scram::new().hash(hash);
        let first = ClientFirst::with_nonce(&scram, &user(), text("client-nonce")).expect("a first message");
        assert_eq!(first.message(), text("client-first").as_bytes());
        let derivation = first.receive(text("server-first").as_bytes()).expect("a server's first message");
        assert!(!derivation.is_cached());
        let last = derivation.run();
        assert_eq!(last.message(), text("client-final").as_bytes());
        last.verify(Some(text("server-final").as_bytes())).expect("the signature");

        // The second login finds the keys.
        let first = ClientFirst::with_nonce(&scram, &user(), text("client-nonce")).expect("a first message");
        assert!(first.receive(text("server-first").as_bytes()).expect("as before").is_cached());
    }
}

#[test]
fn the_fields_are_those_of_rfc_7804() {
    let vectors = Vectors::read(include_str!("../../../../tests/vectors/scram.txt"));
    let [realm, data, sid] = ["http.realm", "http.data", "http.sid"].map(|name| vectors.text(name));
    let first = authorization(
        ScramHash::Sha256,
        Some(realm.as_bytes()),
        None,
        vectors.text("sha-256.client-first").as_bytes(),
    );
    assert_eq!(
        first.expect("sendable").into_value(),
        format!("SCRAM-SHA-256 realm=\"{realm}\", data=\"{data}\"")
    );
    let last = authorization(ScramHash::Sha256, None, Some(sid.as_bytes()), b"n,,");
    assert_eq!(last.expect("sendable").into_value(), format!("SCRAM-SHA-256 sid=\"{sid}\", data=\"biws\""));
}

/// RFC 7804, section 5.1.
#[test]
fn the_nonce_of_a_login_by_one_message_is_ours_the_count_and_sr() {
    let vectors = Vectors::read(include_str!("../../../../tests/vectors/scram.txt"));
    let nonce = vectors.text("sha-256.client-nonce");
    let first = ClientFirst::with_nonce(&quick(), &user(), nonce.to_owned()).expect("a first message");
    let derivation = first.receive(vectors.text("sha-256.server-first").as_bytes()).expect("well-formed");
    let server_final = vectors.text("sha-256.server-final").as_bytes();
    let login = derivation.run().verify(Some(server_final)).expect("a login");
    let again = login.again(nonce, login.iterations().into(), "%hvYDpWUa2RaTCAfuxFIlj)hNlF");
    let message = String::from_utf8(again.message().to_vec()).expect("ASCII");
    assert!(
        message.starts_with("c=biws,r=rOprNGfwEbeRWgbNEkqO4096%hvYDpWUa2RaTCAfuxFIlj)hNlF,p="),
        "{message}"
    );
}

#[test]
fn credentials_that_cannot_serve_are_errors_without_the_secret() {
    let ambient = Credentials::ambient(Ambient::new());
    for (credentials, reason) in [
        (ambient, "it needs a password"),
        (Credentials::password("", "secret-pw"), "the user name is empty"),
        (Credentials::password("user", "secret-pw\n"), "the user name or password has control characters"),
    ] {
        let error = ClientFirst::new(&Scram::new(), &credentials, &Entropy::new([1; 32])).expect_err(reason);
        assert_eq!(error.to_string(), reason);
    }
}

#[test]
fn challenges_out_of_order_end_the_exchange() {
    let moment = || Moment::new(UNIX_EPOCH, [1; 32]);
    let mut exchange = ScramExchange::new(&quick(), user(), moment(), Arc::default());
    exchange.respond(None).expect("a first message");
    let bare = challenge("SCRAM-SHA-256 realm=lab");
    assert!(!exchange.is_continued_by(&bare));
    assert_eq!(exchange.respond(Some(&bare)).expect_err("data"), ScramError::Missing("its first message"));
    assert_eq!(exchange.respond(Some(&bare)).expect_err("over"), ScramError::OutOfOrder);
    assert_eq!(exchange.conclude(None).expect_err("over"), ScramError::OutOfOrder);
    let info = AuthenticationInfo::from_value(b"data=\"dj0=\"").expect("well-formed");
    let mut exchange = ScramExchange::new(&quick(), user(), moment(), Arc::default());
    assert_eq!(exchange.conclude(Some(&info)).expect_err("no login"), ScramError::OutOfOrder);
}

#[test]
fn an_exchange_says_how_far_it_is_and_no_more() {
    let moment = Moment::new(UNIX_EPOCH, [1; 32]);
    let mut exchange = ScramExchange::new(&quick(), user(), moment, Arc::default());
    let nonce = client_nonce(&Entropy::new([1; 32]), 0);
    let is_in = |exchange: &ScramExchange, state: &str| {
        let text = format!("{exchange:?}");
        assert!(text.contains(&format!("state: {state} ")), "{text}");
        assert!(!text.contains("pencil") && !text.contains(&nonce), "{text}");
    };
    is_in(&exchange, "New");
    exchange.respond(None).expect("a first message");
    is_in(&exchange, "FirstSent");
    let data = BASE64_STANDARD.encode(format!("r={nonce}x,s=QQ==,i=1"));
    let server_first = challenge(&format!("SCRAM-SHA-256 sid=AAAA, data=\"{data}\""));
    let Ok(ScramStep::Derive(derivation)) = exchange.respond(Some(&server_first)) else {
        panic!("a derivation")
    };
    is_in(&exchange, "Deriving");
    exchange.resume(derivation.run()).expect("a final message");
    is_in(&exchange, "FinalSent");
    // Without a reason it is a refusal all the same.
    let refused = exchange.respond(Some(&challenge("SCRAM-SHA-256 realm=lab"))).expect_err("a refusal");
    assert_eq!(refused, ScramError::Refused(None));
    is_in(&exchange, "Over");
}

#[test]
fn what_was_not_asked_for_ends_the_exchange() {
    let begun = || {
        let moment = Moment::new(UNIX_EPOCH, [1; 32]);
        ScramExchange::new(&quick(), user(), moment, Arc::default())
    };
    let nonce = client_nonce(&Entropy::new([1; 32]), 0);
    let first = ClientFirst::new(&quick(), &user(), &Entropy::new([1; 32])).expect("a first message");
    let derivation = first.receive(format!("r={nonce}x,s=QQ==,i=1").as_bytes()).expect("well-formed");
    assert_eq!(begun().resume(derivation.run()).expect_err("not asked for"), ScramError::OutOfOrder);

    let mut exchange = begun();
    exchange.respond(None).expect("a first message");
    let error = exchange.respond(None).expect_err("no challenge");
    assert_eq!(error, ScramError::Missing("a challenge to go on with"));
}

#[test]
fn work_that_was_not_done_ends_the_login() {
    let moments = FixedMoment(UNIX_EPOCH);
    let uri = Uri::from_static("/");
    let request = RequestContext::new(&Method::GET, &uri, false, &moments);
    let mut exchange = quick().begin(Initiate::new("HTTP/host", user()), &Knowledge::default());
    let challenged = challenge("SCRAM-SHA-256 realm=lab");
    exchange.respond(Some(&challenged), request).expect("a first message");
    let late = MechanismError::new(ErrorKind::Timeout, "it took too long");
    let error = exchange.resume(Stepped::failed(late)).expect_err("no result");
    assert_eq!(error.as_mechanism().map(MechanismError::kind), Some(ErrorKind::Timeout));
}

#[test]
fn no_secret_is_printed() {
    let scram = quick();
    let first = ClientFirst::new(&scram, &user(), &Entropy::new([1; 32])).expect("a first message");
    let mut text = format!("{first:?}");
    let nonce = client_nonce(&Entropy::new([1; 32]), 0);
    let derivation = first.receive(format!("r={nonce}x,s=QQ==,i=1").as_bytes()).expect("well-formed");
    text.push_str(&format!("{derivation:?}"));
    let last = derivation.run();
    text.push_str(&format!("{last:?} {scram:?}"));
    assert!(!text.contains("pencil"), "{text}");
    assert!(text.len() < 400, "{text}");
}
