//! Legs without the request's body, and what their answers are.

use super::*;

use BodyUse::{Carried, Withheld};

/// No success, and no challenge.
const OTHER: [u16; 8] = [302, 303, 400, 403, 404, 411, 500, 503];

/// A POST with a body, by NTLM.
fn post(declared: bool) -> Connection {
    let builder = using([ntlm()]);
    let builder = if declared { builder.declare(mail(), "NTLM").expect("a known scheme") } else { builder };
    Connection::new(&builder.build()).with_body()
}

#[test]
fn a_leg_that_expects_a_challenge_leaves_the_body_at_home() {
    let mut connection = post(false);
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().1, Withheld);
    assert_eq!(connection.receive(&type_2()).leg().1, Carried);
    assert_eq!(connection.receive(&status(201)).login().legs, 3);
}

#[test]
fn what_answers_a_first_message_that_was_asked_for_is_delivered_unless_it_is_a_success() {
    for code in OTHER {
        let mut connection = post(false);
        connection.begin().bare();
        assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().1, Withheld);
        connection.receive(&status(code)).plain();
        assert_eq!(connection.legs, 2);
        assert!(connection.handshake.is_reusable(), "{code}");
    }
}

#[test]
fn an_answer_to_a_first_message_that_nobody_asked_for_is_not_delivered_and_the_connection_listens() {
    for code in OTHER.into_iter().chain([200, 204]) {
        let mut connection = post(true);
        assert_eq!(connection.begin().leg().1, Withheld);
        connection.receive(&status(code)).bare();
        connection.receive(&status(code)).plain();
        assert_eq!(connection.legs, 2);
        // The server does not want it, so each further request takes one leg.
        connection.begin().bare();
        connection.receive(&ok()).plain();
        // Until it asks.
        connection.begin().bare();
        assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().0, "NTLM");
    }
}

#[test]
fn a_target_that_asked_for_nothing_is_not_spoken_to_first_until_it_asks() {
    let authenticator = using([ntlm()]).declare(mail(), "NTLM").expect("a known scheme").build();
    let post = |path| Connection::new(&authenticator).with_body().asking_for(path);
    let mut connection = post("/public");
    connection.begin().leg();
    connection.receive(&status(404)).bare();
    connection.receive(&status(404)).plain();
    // On other connections.
    assert_eq!(post("/private").begin().leg().1, Withheld);
    let mut connection = post("/public");
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    drop(connection);
    assert_eq!(post("/public").begin().leg().1, Withheld);
}

#[test]
fn after_a_success_the_body_follows_once() {
    let mut connection = post(false);
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    connection.receive(&ok()).bare();
    connection.receive(&status(201)).plain();
    assert_eq!(connection.legs, 3);
}

#[test]
fn a_server_that_alternates_between_answers_and_challenges_sees_the_body_twice() {
    for declared in [false, true] {
        let mut connection = post(declared);
        let (mut said, mut bodies) = (connection.begin(), 0);
        let tried = loop {
            said = match said {
                Said::Send(None, body) => {
                    assert_eq!(body, Carried);
                    bodies += 1;
                    connection.receive(&unauthorized(&["NTLM"]))
                }
                Said::Send(Some(_), body) => {
                    assert_eq!(body, Withheld);
                    connection.receive(&ok())
                }
                said => break said.tried(),
            };
        };
        assert_eq!((bodies, connection.legs), (2, if declared { 4 } else { 3 }));
        let [(scheme, Why::CannotStart(reason))] = &tried[..] else { panic!("{tried:?}") };
        assert_eq!(scheme, "NTLM");
        assert!(reason.contains("first message for the request itself"), "{reason}");
    }
}

#[test]
fn a_hint_that_was_right_after_all_costs_the_body_twice() {
    let mut connection = post(true);
    assert_eq!(connection.begin().leg().1, Withheld);
    // A front end minds the missing body before anybody asks for a login.
    connection.receive(&status(411)).bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().1, Withheld);
    assert_eq!(connection.receive(&type_2()).leg().1, Carried);
    assert_eq!(connection.receive(&ok()).login().legs, 4);
}

#[test]
fn without_a_body_any_answer_is_the_requests() {
    for code in OTHER.into_iter().chain([200, 204]) {
        for declared in [false, true] {
            let mut connection = post(declared);
            connection.has_body = false;
            if !declared {
                connection.begin().bare();
                assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().1, Carried);
            } else {
                assert_eq!(connection.begin().leg().1, Carried);
            }
            connection.receive(&status(code)).plain();
        }
    }
}

#[test]
fn nothing_is_delivered_unproven_where_proof_is_required() {
    let rule = crate::mechanism::MutualAuthentication::Required;
    let fake = Fake::new("Fake", |_| token(Expects::Challenge, false));
    #[derive(Debug)]
    struct Proving(Fake);
    impl Scheme for Proving {
        fn name(&self) -> &'static str {
            self.0.name
        }
        fn binding(&self) -> Binding {
            self.0.binding
        }
        fn authenticates_server(&self) -> bool {
            true
        }
        fn begin(&self, arguments: Initiate, knowledge: &Knowledge) -> Box<dyn Exchange> {
            self.0.begin(arguments, knowledge)
        }
    }
    let scheme = Arc::new(Proving(fake)) as Arc<dyn Scheme>;
    let authenticator = using([scheme]).mutual_authentication(rule).build();
    let mut connection = Connection::new(&authenticator).with_body();
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Fake"])).leg().1, Withheld);
    let error = connection.receive(&status(400)).error();
    assert!(matches!(error, HandshakeError::Unproven), "{error:?}");
}
