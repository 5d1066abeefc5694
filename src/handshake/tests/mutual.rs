//! Servers that have to prove who they are, and do not.

use super::tickets::{Tickets, proven};
use super::*;
use crate::mechanism::MutualAuthentication;
use crate::scheme::{Digest, Scram};

const STATUSES: [u16; 22] = [
    200, 204, 302, 304, 400, 402, 403, 404, 407, 408, 411, 413, 414, 417, 421, 429, 431, 500, 501, 502, 503,
    504,
];

fn required<const N: usize>(schemes: [Arc<dyn Scheme>; N]) -> AuthenticatorBuilder {
    using(schemes).mutual_authentication(MutualAuthentication::Required)
}

/// A connection whose login by a ticket is out.
fn asked(authenticator: &Authenticator) -> Connection {
    let mut connection = Connection::new(authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["Negotiate"])).leg();
    connection
}

fn code_of(mut response: Response<()>, code: u16) -> Response<()> {
    *response.status_mut() = StatusCode::from_u16(code).expect("a status");
    response
}

#[test]
fn no_response_is_delivered_without_the_proof_that_is_required() {
    for code in STATUSES {
        let authenticator = || required([Tickets::default().scheme()]).build();
        let mut connection = asked(&authenticator());
        let error = connection.receive(&status(code)).error();
        assert!(matches!(error, HandshakeError::Unproven | HandshakeError::FinalToken(_)), "{code}: {error}");
        assert!(!connection.handshake.is_reusable(), "{code}");

        let mut connection = asked(&authenticator());
        assert!(connection.receive(&code_of(proven(b"proof"), code)).login().mutual, "{code}");
        // The next request is another one.
        connection.begin().leg();
        connection.receive(&status(code)).error();
    }
}

#[test]
fn what_follows_on_a_connection_that_was_proven_needs_no_other_proof() {
    for code in STATUSES {
        let mut connection = asked(&required([Tickets::default().scheme()]).build());
        connection.receive(&with(proven(b"proof"), "persistent-auth", "true")).login();
        connection.begin().bare();
        connection.receive(&status(code)).plain();
    }
}

#[test]
fn a_resource_that_asks_for_no_login_is_an_error_where_a_proof_is_required() {
    let schemes: [Arc<dyn Scheme>; 3] =
        [Tickets::default().scheme(), Arc::new(Scram::new()), Arc::new(Digest::default())];
    for scheme in schemes {
        for code in STATUSES {
            let mut connection = Connection::new(&required([Arc::clone(&scheme)]).build());
            connection.begin().bare();
            let error = connection.receive(&status(code)).error();
            assert!(matches!(error, HandshakeError::Unproven), "{code}: {error}");
        }
    }
    // A first message that nobody looked at.
    let mut connection = Connection::new(&required([Arc::new(Scram::new())]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["SCRAM-SHA-256 realm=a"])).leg();
    assert!(matches!(connection.receive(&ok()).error(), HandshakeError::Unproven));
}

#[test]
fn requests_that_act_as_nobody_need_no_proof() {
    for identity in [Identity::None, Identity::CallersOwn(HeaderValue::from_static("Bearer own"))] {
        let authenticator = required([Tickets::default().scheme()]).build();
        let mut connection = Connection::new(&authenticator).acting_as(identity);
        connection.begin().bare();
        connection.receive(&ok()).plain();
    }
}

#[test]
fn the_challengers_own_last_word_is_delivered_and_says_that_nothing_was_proven() {
    let mut connection = asked(&required([Tickets::default().scheme()]).build());
    let refusal = connection.receive(&unauthorized(&["Negotiate"])).refusal();
    assert!(!refusal.mutual);
}

#[test]
fn a_forged_proof_is_an_error_whatever_the_status_unless_nobody_looks() {
    for code in STATUSES {
        for rule in [MutualAuthentication::Preferred, MutualAuthentication::Required] {
            let authenticator = using([Tickets::default().scheme()]).mutual_authentication(rule).build();
            let error = asked(&authenticator).receive(&code_of(proven(b"forged"), code)).error();
            assert!(matches!(error, HandshakeError::FinalToken(_)), "{code}: {error}");

            let digest = using([Arc::new(Digest::default())]).mutual_authentication(rule).build();
            let mut connection = Connection::new(&digest);
            connection.begin().bare();
            connection.receive(&unauthorized(&["Digest realm=a, nonce=n, qop=auth"])).leg();
            let forged =
                with(status(code), "authentication-info", "rspauth=\"00112233445566778899aabbccddeeff\"");
            let error = connection.receive(&forged).error();
            assert!(matches!(error, HandshakeError::FinalToken(_)), "{code}: {error}");
        }
        let off = MutualAuthentication::Off;
        let authenticator = using([Tickets::default().scheme()]).mutual_authentication(off).build();
        let said = asked(&authenticator).receive(&code_of(proven(b"forged"), code));
        assert!(matches!(said, Said::Deliver(_)), "{code}: {said:?}");
    }
}

#[test]
fn each_request_of_a_login_that_holds_for_one_is_delivered_with_its_own_proof() {
    let mut connection = asked(&required([Tickets::default().scheme()]).build());
    connection.receive(&proven(b"proof")).login();
    for code in STATUSES {
        connection.begin().leg();
        connection.receive(&code_of(proven(b"proof"), code)).plain();
    }
}

#[test]
fn who_has_not_proven_himself_proves_no_password() {
    let fake = Fake { binding: Binding::Request, ..Fake::new("Fake", |_| token(Expects::Success, true)) };
    let authenticator = required([Arc::new(fake) as Arc<dyn Scheme>]).build();
    let mut sent = Vec::new();
    for answer in [ok(), unauthorized(&["Fake"]), unauthorized(&["Fake"])] {
        let mut connection = Connection::new(&authenticator);
        let said = match connection.begin() {
            Said::Send(None, _) => connection.receive(&unauthorized(&["Fake"])),
            said => said,
        };
        sent.push(matches!(said, Said::Send(Some(_), _)));
        if sent.last() == Some(&true) {
            connection.receive(&answer);
        }
    }
    assert_eq!(sent, [true, true, false], "never accepted, it is refused once");
}

#[test]
fn what_says_nothing_of_the_login_is_unproven_where_its_token_is_missing() {
    let mut connection = asked(&required([Tickets::default().scheme()]).build());
    let error = connection.receive(&with(status(503), "www-authenticate", "Negotiate")).error();
    assert!(matches!(error, HandshakeError::Unproven), "{error:?}");
}
