//! Digest in the handshake: which of a server's challenges goes on with what was sent.

use super::*;
use crate::scheme::Digest;

fn digest() -> AuthenticatorBuilder {
    using([Arc::new(Digest::default())])
}

/// The parameters of a leg's answer, as they were sent.
#[track_caller]
fn answer(said: Said) -> String {
    let Said::Send(Some(value), _) = said else { panic!("{said:?}") };
    value.to_str().expect("ASCII").to_owned()
}

/// A connection on which Carol has logged in by this challenge.
fn logged_in(authenticator: &Authenticator, challenge: &str) -> Connection {
    let mut connection = Connection::new(authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&[challenge])).leg();
    connection.receive(&ok()).login();
    connection
}

#[test]
fn another_realm_gets_a_login_of_its_own() {
    for authenticator in [digest().build(), digest().lockout_guard(false).build()] {
        let mut connection = logged_in(&authenticator, "Digest realm=a, nonce=first, qop=auth");
        assert!(answer(connection.begin()).contains("realm=\"a\""));
        let said = connection.receive(&unauthorized(&["Digest realm=b, nonce=second, qop=auth"]));
        assert!(answer(said).contains("realm=\"b\", nonce=\"second\""));
        assert_eq!(connection.receive(&ok()).login().legs, 2);
    }
}

#[test]
fn another_nonce_for_a_login_that_was_accepted_is_taken_once_whether_or_not_there_is_a_guard() {
    for authenticator in [digest().build(), digest().lockout_guard(false).build()] {
        logged_in(&authenticator, "Digest realm=a, nonce=first, qop=auth");
        let mut connection = Connection::new(&authenticator);
        assert!(answer(connection.begin()).contains("nonce=\"first\""));
        let second = unauthorized(&["Digest realm=a, nonce=second, qop=auth"]);
        assert!(answer(connection.receive(&second)).contains("nonce=\"second\""));
        connection.receive(&unauthorized(&["Digest realm=a, nonce=third, qop=auth"])).refusal();
    }
}

#[test]
fn a_fresh_nonce_is_taken_by_the_strongest_algorithm_whatever_the_order() {
    let offer = |nonce: &str, more: &str| {
        let challenge = |algorithm: &str| {
            format!("Digest realm=a, nonce={nonce}-{algorithm}, qop=auth, algorithm={algorithm}{more}")
        };
        unauthorized(&[&challenge("MD5"), &challenge("SHA-256")])
    };
    let mut connection = Connection::new(&digest().build());
    connection.begin().bare();
    assert!(answer(connection.receive(&offer("first", ""))).contains("algorithm=SHA-256"));
    connection.receive(&ok()).login();
    connection.begin().leg();
    let said = connection.receive(&offer("second", ", stale=true"));
    assert!(answer(said).contains("algorithm=SHA-256"));
}

#[test]
fn a_server_that_closes_with_each_challenge_is_answered_on_the_next_connection() {
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let first = unauthorized(&["Digest realm=a, nonce=first, qop=auth"]);
    assert_eq!(connection.receive(&closing(first)).renewal(), Renewal::ClosedAfterChallenge);
    let mut connection = Connection::new(&authenticator);
    assert!(answer(connection.begin()).contains("nonce=\"first\""));
    connection.receive(&ok()).login();

    connection.begin().leg();
    let second = unauthorized(&["Digest realm=a, nonce=second, qop=auth, stale=true"]);
    assert_eq!(connection.receive(&old(second)).renewal(), Renewal::ClosedInHandshake);
    let mut connection = Connection::new(&authenticator);
    assert!(answer(connection.begin()).contains("nonce=\"second\""));
    connection.receive(&ok()).login();
}

#[test]
fn a_server_that_closes_and_calls_each_nonce_stale_gets_two_answers_at_the_most() {
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    connection.begin().bare();
    connection.receive(&closing(unauthorized(&["Digest realm=a, nonce=0, qop=auth"]))).renewal();
    for nonce in 1..3 {
        let mut connection = Connection::new(&authenticator).acting_as(mistaken());
        connection.begin().leg();
        let stale = format!("Digest realm=a, nonce={nonce}, qop=auth, stale=true");
        connection.receive(&closing(unauthorized(&[&stale]))).renewal();
    }
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Digest realm=a, nonce=3, qop=auth"])).tried();
    assert!(matches!(&tried[..], [(_, Why::Paused(_))]), "{tried:?}");
}
