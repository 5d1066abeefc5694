//! Digest in the handshake: which of a server's challenges goes on with what was sent.

use super::*;
use crate::challenge::Challenges;
use crate::scheme::Digest;
use crate::scheme::digest::algorithm::DigestHash;

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

/// A session's first nonces, the server's and the client's, make its key: here they can be told by the answer.
fn session_began_with(answer: &str, nonce: &str) -> bool {
    let challenges = Challenges::from_value(answer.as_bytes());
    let params = challenges.iter().next().expect("an answer");
    let param = |name: &str| params.param_str(name).expect("it is there").into_owned();
    let hash =
        |parts: &[&str]| DigestHash::Md5.of(&parts.iter().map(|part| part.as_bytes()).collect::<Vec<_>>());
    let (cnonce, count) = (param("cnonce"), param("nc"));
    let secret = hash(&["LAB\\carol", "a", "carol-pw"]);
    let key = hash(&[&secret, nonce, &cnonce]);
    let request = hash(&["POST", "/"]);
    *hash(&[&key, &param("nonce"), &count, &cnonce, "auth", &request]) == *param("response")
}

fn with_next_nonce(nonce: &str) -> Response<()> {
    with(ok(), "authentication-info", &format!("nextnonce=\"{nonce}\""))
}

// WEBrick, whose nonce is that of the second
#[test]
fn a_session_that_ended_with_its_nonce_begins_anew_and_says_nothing_about_the_password() {
    let session = |nonce: &str| {
        unauthorized(&[&format!("Digest realm=a, nonce={nonce}, qop=auth, algorithm=MD5-sess")])
    };
    for refused_with in ["second", "third"] {
        for authenticator in [digest().build(), digest().lockout_guard(false).build()] {
            let mut connection = Connection::new(&authenticator);
            connection.begin().bare();
            assert!(session_began_with(&answer(connection.receive(&session("first"))), "first"));
            connection.receive(&with_next_nonce("second")).login();
            let sent = answer(connection.begin());
            assert!(
                sent.contains("nonce=\"second\"") && session_began_with(&sent, "first"),
                "RFC 7616: {sent}"
            );
            let sent = answer(connection.receive(&session(refused_with)));
            assert!(session_began_with(&sent, refused_with), "{sent}");
            connection.receive(&with_next_nonce("fourth")).plain();
            // It is learnt.
            for (nonce, next) in [("fourth", "fifth"), ("fifth", "sixth")] {
                let sent = answer(connection.begin());
                assert!(session_began_with(&sent, nonce), "{sent}");
                connection.receive(&with_next_nonce(next)).plain();
            }
            // A server that does continue sessions has been restarted: that is learnt, too.
            connection.begin().leg();
            let sent = answer(connection.receive(&session("seventh")));
            assert!(session_began_with(&sent, "seventh"), "{sent}");
            connection.receive(&with_next_nonce("eighth")).plain();
            assert!(session_began_with(&answer(connection.begin()), "seventh"));
        }
    }
}

#[test]
fn a_password_that_changed_is_refused_after_the_session_began_anew() {
    let session = |nonce: &str| {
        unauthorized(&[&format!("Digest realm=a, nonce={nonce}, qop=auth, algorithm=MD5-sess")])
    };
    let mut connection = Connection::new(&digest().build());
    connection.begin().bare();
    connection.receive(&session("first")).leg();
    connection.receive(&with_next_nonce("second")).login();
    connection.begin().leg();
    connection.receive(&session("third")).leg();
    let tried = connection.receive(&session("fourth")).tried();
    assert!(matches!(&tried[..], [(_, Why::Refused(None))]), "{tried:?}");
}

fn jason() -> Identity {
    Identity::Credentials(Credentials::password("J\u{e4}s\u{f8}n", "Secret, or not?"))
}

/// How a leg names the user.
#[track_caller]
fn name(said: Said) -> &'static str {
    let Said::Send(Some(value), BodyUse::Carried) = said else { panic!("{said:?}") };
    let value = String::from_utf8(value.as_bytes().to_vec()).expect("UTF-8");
    match () {
        () if value.contains("username*=UTF-8''J%C3%A4s%C3%B8n,") => "extended",
        () if value.contains("username=\"J\u{e4}s\u{f8}n\",") => "raw",
        () => panic!("{value}"),
    }
}

fn in_utf8() -> Response<()> {
    unauthorized(&["Digest realm=a, nonce=first, qop=auth, charset=UTF-8"])
}

// CherryPy
#[test]
fn a_name_goes_as_it_is_where_the_extended_one_gets_a_400_and_that_is_learnt() {
    for authenticator in [digest().build(), digest().lockout_guard(false).build()] {
        let mut connection = Connection::new(&authenticator).acting_as(jason());
        connection.begin().bare();
        assert_eq!(name(connection.receive(&in_utf8())), "extended");
        let said = connection.receive(&status(400));
        let Said::Send(Some(value), _) = &said else { panic!("{said:?}") };
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        assert!(value.contains("nonce=\"first\"") && value.contains("nc=00000002"), "{value}");
        assert_eq!(name(said), "raw");
        assert_eq!(connection.receive(&ok()).login().legs, 3);
        // From then on, everywhere; and a 400 is the request's own answer.
        let mut other = Connection::new(&authenticator).acting_as(jason());
        for connection in [&mut connection, &mut other] {
            assert_eq!(name(connection.begin()), "raw");
            connection.receive(&status(400)).plain();
        }
        assert_eq!(name(connection.begin()), "raw");
    }
}

#[test]
fn a_second_400_is_the_requests_own_answer_and_teaches_nothing() {
    let mut connection = Connection::new(&digest().build()).acting_as(jason());
    connection.begin().bare();
    assert_eq!(name(connection.receive(&in_utf8())), "extended");
    assert_eq!(name(connection.receive(&status(400))), "raw");
    connection.receive(&status(400)).plain();
    assert_eq!(name(connection.begin()), "extended");
    connection.receive(&ok()).login();
}

#[test]
fn a_400_is_delivered_at_once_where_the_name_is_not_the_reason() {
    // An extended name was read before.
    let mut connection = Connection::new(&digest().build()).acting_as(jason());
    connection.begin().bare();
    assert_eq!(name(connection.receive(&in_utf8())), "extended");
    connection.receive(&ok()).login();
    connection.begin().leg();
    connection.receive(&status(400)).plain();
    // The body cannot be sent again.
    let mut connection = Connection::new(&digest().build()).acting_as(jason()).with_body();
    connection.begin().bare();
    assert_eq!(name(connection.receive(&in_utf8())), "extended");
    connection.receive(&status(400)).plain();
    // There is no leg left to send it again.
    let mut connection = Connection::new(&digest().max_legs(2).build()).acting_as(jason());
    connection.begin().bare();
    assert_eq!(name(connection.receive(&in_utf8())), "extended");
    connection.receive(&status(400)).plain();
    // The name is in ASCII.
    let mut connection = Connection::new(&digest().build());
    connection.begin().bare();
    connection.receive(&in_utf8()).leg();
    connection.receive(&status(400)).plain();
    // The server has read the authorization: it says more of it.
    let mut connection = Connection::new(&digest().build()).acting_as(jason());
    connection.begin().bare();
    connection.receive(&in_utf8()).leg();
    connection.receive(&with(status(400), "authentication-info", "nextnonce=second")).plain();
    // Another status.
    let mut connection = Connection::new(&digest().build()).acting_as(jason());
    connection.begin().bare();
    connection.receive(&in_utf8()).leg();
    connection.receive(&status(417)).plain();
}

#[test]
fn a_name_that_is_refused_in_its_second_form_says_nothing_of_the_password() {
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator).acting_as(jason());
    connection.begin().bare();
    assert_eq!(name(connection.receive(&in_utf8())), "extended");
    assert_eq!(name(connection.receive(&status(400))), "raw");
    // The 400 may have been the application's, and the server may not know the name in another form.
    let tried = connection.receive(&in_utf8()).tried();
    assert!(matches!(&tried[..], [(_, Why::Undecided(_))]), "{tried:?}");
    name(connection.begin());
    connection.receive(&ok()).login();
}

#[test]
fn a_server_that_closes_with_its_400_gets_the_name_as_it_is_on_the_next_connection() {
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator).acting_as(jason());
    connection.begin().bare();
    connection.receive(&in_utf8()).leg();
    let said = connection.receive(&closing(status(400)));
    assert_eq!(said.renewal(), Renewal::ClosedInHandshake);
    // It was not for the name.
    let mut connection = Connection::new(&authenticator).acting_as(jason());
    assert_eq!(name(connection.begin()), "raw");
    connection.receive(&closing(status(400))).plain();
    let mut connection = Connection::new(&authenticator).acting_as(jason());
    assert_eq!(name(connection.begin()), "extended");
    connection.receive(&closing(status(400))).renewal();
    let mut connection = Connection::new(&authenticator).acting_as(jason());
    assert_eq!(name(connection.begin()), "raw");
    connection.receive(&ok()).login();
}

#[test]
fn a_body_is_held_back_where_a_challenge_is_expected_and_nothing_can_be_said_before_it() {
    let declared =
        || digest().credentials(mail(), carol()).declare(mail(), "Digest").expect("a known scheme").build();
    let challenge = || unauthorized(&["Digest realm=a, nonce=first, qop=auth"]);
    let withheld = |said: Said| assert!(matches!(said, Said::Send(None, BodyUse::Withheld)), "{said:?}");
    let authenticator = declared();
    let mut connection = Connection::new(&authenticator).with_body();
    withheld(connection.begin());
    assert_eq!(connection.receive(&challenge()).leg().1, BodyUse::Carried);
    assert_eq!(connection.receive(&ok()).login().legs, 2);
    assert_eq!(connection.begin().leg().1, BodyUse::Carried);
    connection.receive(&ok()).plain();
    // Somebody else has no nonce there, and is expected to be asked as well.
    withheld(Connection::new(&authenticator).acting_as(mistaken()).with_body().begin());

    for code in [200, 302, 400, 411, 500] {
        let mut connection = Connection::new(&declared()).with_body();
        withheld(connection.begin());
        connection.receive(&status(code)).bare();
        connection.receive(&status(code)).plain();
        connection.begin().bare();
    }
    // A challenge to the body only.
    let mut connection = Connection::new(&declared()).with_body();
    withheld(connection.begin());
    connection.receive(&status(411)).bare();
    assert_eq!(connection.receive(&challenge()).leg().1, BodyUse::Carried);
    connection.receive(&ok()).login();

    Connection::new(&declared()).begin().bare();
    Connection::new(&declared()).acting_as(Identity::None).with_body().begin().bare();
}

fn first() -> Response<()> {
    unauthorized(&["Digest realm=a, nonce=first, qop=auth"])
}

fn second() -> Response<()> {
    unauthorized(&["Digest realm=a, nonce=second, qop=auth"])
}

// px
#[test]
fn a_nonce_that_died_without_a_word_is_asked_for_anew_and_used_no_more() {
    for is_guarded in [true, false] {
        for bare in [unauthorized(&[]), unauthorized(&["Foo x=y", "Digest realm=a nonce=b"])] {
            let authenticator = digest().lockout_guard(is_guarded).build();
            let mut connection = logged_in(&authenticator, "Digest realm=a, nonce=first, qop=auth");
            connection.begin().leg();
            connection.receive(&bare).bare();
            // Meanwhile nobody uses it.
            Connection::new(&authenticator).begin().bare();
            let mut said = connection.receive(&second());
            if is_guarded {
                // That leg was lost, so nobody knows which challenge was the latest.
                said.bare();
                said = connection.receive(&second());
            }
            assert!(answer(said).contains("nonce=\"second\""));
            connection.receive(&ok()).login();
            assert!(answer(Connection::new(&authenticator).begin()).contains("nonce=\"second\""));
        }
    }
}

#[test]
fn a_refusal_without_a_challenge_is_not_asked_twice() {
    let authenticator = digest().build();
    let mut connection = logged_in(&authenticator, "Digest realm=a, nonce=first, qop=auth");
    connection.begin().leg();
    connection.receive(&unauthorized(&[])).bare();
    let refusal = connection.receive(&unauthorized(&[])).refusal();
    assert!(!refusal.is_refusal() && refusal.tried.is_empty(), "{refusal}");
    // It says nothing of the password.
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&second()).leg();
    connection.receive(&ok()).login();

    // The answer to a challenge is what it always was.
    connection.begin().leg();
    connection.receive(&unauthorized(&[])).bare();
    connection.receive(&first()).leg();
    let tried = connection.receive(&unauthorized(&[])).tried();
    assert!(matches!(&tried[..], [(_, Why::Refused(None))]), "{tried:?}");

    // A body that cannot be sent again.
    let mut connection = logged_in(&digest().build(), "Digest realm=a, nonce=first, qop=auth").with_body();
    connection.begin().leg();
    let tried = connection.receive(&unauthorized(&[])).tried();
    assert!(matches!(&tried[..], [(_, Why::Undecided(_))]), "{tried:?}");
    // It is forgotten all the same.
    connection.begin().bare();

    // A wrong password, at a server that closes after its challenge.
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    connection.begin().bare();
    connection.receive(&closing(first())).renewal();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    connection.begin().leg();
    let tried = connection.receive(&unauthorized(&[])).tried();
    assert!(matches!(&tried[..], [(_, Why::Refused(None))]), "{tried:?}");
}

#[test]
fn a_nonce_that_died_with_its_connection_is_asked_for_anew_on_the_next_one() {
    let authenticator = digest().build();
    let mut connection = logged_in(&authenticator, "Digest realm=a, nonce=first, qop=auth");
    connection.begin().leg();
    assert_eq!(connection.receive(&closing(unauthorized(&[]))).renewal(), Renewal::ClosedInHandshake);
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&second()).leg();
    connection.receive(&ok()).login();
}

#[test]
fn content_that_is_not_kept_is_neither_sent_nor_answered_for_where_it_has_to_be_covered() {
    let covering = |nonce: &str, more: &str| {
        unauthorized(&[&format!("Digest realm=a, nonce={nonce}, qop=\"auth-int\"{more}")])
    };
    let told = |said: Said| assert_eq!(said.tried(), [("Digest".to_owned(), Why::ContentNotKept)]);
    let authenticator = digest().build();
    let mut upload = Connection::new(&authenticator).with_body();
    upload.begin().bare();
    told(upload.receive(&covering("first", "")));
    // It says nothing about the password, and keeps nobody from a login.
    let mut connection = Connection::new(&authenticator);
    assert!(answer(connection.begin()).contains("nonce=\"first\""));
    connection.receive(&ok()).login();

    let mut upload = Connection::new(&authenticator).with_body();
    assert!(matches!(upload.begin(), Said::Send(None, BodyUse::Withheld)));
    told(upload.receive(&covering("second", "")));
    // What is remembered may be wrong.
    assert!(matches!(upload.begin(), Said::Send(None, BodyUse::Withheld)));
    upload.receive(&second()).leg();
    upload.receive(&ok()).login();
    // What was sent had not to be covered, and its nonce has died.
    let mut upload = logged_in(&digest().build(), "Digest realm=a, nonce=first, qop=auth").with_body();
    upload.begin().leg();
    told(upload.receive(&covering("third", ", stale=true")));
}

#[test]
fn a_login_that_stands_is_not_repeated_in_another_protection_space() {
    let authenticator = digest().build();
    let challenge = |realm: &str| {
        unauthorized(&[&format!("Digest realm={realm}, nonce=n{realm}, qop=auth, domain=\"/{realm}/\"")])
    };
    let mut connections = [("a", "/a/1"), ("b", "/b/1")].map(|(realm, path)| {
        let mut connection = Connection::new(&authenticator).asking_for(path);
        connection.begin().bare();
        connection.receive(&challenge(realm)).leg();
        connection.receive(&ok()).login();
        connection
    });
    for (path, realm) in [("/a/2", "realm=\"a\""), ("/b/2", "realm=\"b\"")] {
        connections[0].path = path;
        assert!(answer(connections[0].begin()).contains(realm), "{path}");
        connections[0].receive(&ok());
    }
}
