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
