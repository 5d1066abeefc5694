//! Challenges that are malformed: who answers them all the same, and who never sees them.

use super::*;
use crate::scheme::{Bearer, Digest};

/// As they were seen, and the realm that is read in each.
const SEEN: [(&str, Option<&str>); 7] = [
    ("Basic realm=my realm", Some("my realm")),
    ("Basic realm=cam@host/1", Some("cam@host/1")),
    ("Basic realm=\"x", Some("x")),
    ("Basic realm=\"a\" charset=\"UTF-8\"", Some("a")),
    ("Basic realm=Hall, realm=\"Yard\"", Some("Hall")),
    ("Basic YWJj, realm=\"x\"", Some("x")),
    ("Basic my realm", None),
];

fn digest() -> Arc<dyn Scheme> {
    Arc::new(Digest::default())
}

#[test]
fn basic_is_answered_whatever_its_parameters_look_like_and_goes_ahead_from_then_on() {
    for (challenge, realm) in SEEN {
        let authenticator = builder().build();
        let mut connection = Connection::new(&authenticator).asking_for("/a/b");
        connection.begin().bare();
        assert_eq!(connection.receive(&unauthorized(&[challenge])).leg().0, "Basic", "{challenge}");
        assert_eq!(connection.receive(&ok()).login().legs, 2);
        assert_eq!(connection.begin().leg().0, "Basic", "{challenge}");
        // Some servers challenge with a success as well.
        connection.receive(&with(ok(), "www-authenticate", challenge)).plain();

        let provider = Identity::Provider(crate::handshake::ProviderId::unique());
        let mut asking = Connection::new(&builder().build()).acting_as(provider);
        asking.begin().bare();
        asking.receive(&unauthorized(&[challenge])).refusal();
        assert_eq!(asking.questions[0].realm.as_deref(), realm, "{challenge}");
    }
}

#[test]
fn a_missing_comma_does_not_hide_the_charset() {
    let latin1: Arc<dyn Scheme> = Arc::new(Basic::new().charset(crate::scheme::Charset::Latin1));
    let test = Identity::Credentials(Credentials::password("test", "123£"));
    for (challenge, expected) in [
        ("Basic realm=\"a\" charset=\"UTF-8\"", "Basic dGVzdDoxMjPCow=="),
        ("Basic realm=\"a\" charset=\"none\"", "Basic dGVzdDoxMjOj"),
    ] {
        let mut connection = Connection::new(&using([Arc::clone(&latin1)]).build()).acting_as(test.clone());
        connection.begin().bare();
        let Said::Send(Some(value), _) = connection.receive(&unauthorized(&[challenge])) else { panic!() };
        assert_eq!(value, expected);
    }
}

#[test]
fn bearer_is_answered_whatever_its_parameters_look_like() {
    for challenge in [
        "Bearer authorization_uri=https://login.example/a resource_id=https://api.example",
        "Bearer error=invalid_request, error_description=The token, it seems, is missing",
        "Bearer realm=\"api",
    ] {
        let authenticator = using([Arc::new(Bearer::new()) as _]).build();
        let token = Identity::Credentials(Credentials::bearer_token("one"));
        let mut connection = Connection::new(&authenticator).acting_as(token);
        connection.begin().bare();
        assert_eq!(connection.receive(&unauthorized(&[challenge])).leg().0, "Bearer", "{challenge}");
        assert_eq!(connection.receive(&ok()).login().scheme, "Bearer");
    }
}

#[test]
fn schemes_that_need_parameters_never_see_a_malformed_challenge() {
    let answered: fn(Option<&Challenge>) -> _ = |_| panic!("it was asked");
    let fake = Arc::new(Fake::new("Fake", answered));
    let authenticator = using([digest(), negotiate(), ntlm(), fake]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection
        .receive(&unauthorized(&[
            "Digest realm=\"a\", nonce=\"n\", opaque=a b",
            "Digest realm=\"a\", realm=\"b\", nonce=\"n\"",
            "Negotiate a b",
            "NTLM realm=a b",
            "Fake a=b c",
        ]))
        .refusal();
}

#[test]
fn a_well_formed_challenge_goes_before_a_malformed_one_of_its_scheme() {
    let provider = Identity::Provider(crate::handshake::ProviderId::unique());
    let mut connection = Connection::new(&authenticator()).acting_as(provider);
    connection.begin().bare();
    let lines = ["Basic realm=front door", "Basic realm=\"yard\"", "Digest realm=\"a\", nonce=n m"];
    connection.receive(&unauthorized(&lines)).refusal();
    let asked: Vec<_> =
        connection.questions.iter().map(|question| (question.scheme, question.realm.as_deref())).collect();
    assert_eq!(asked, [("Basic", Some("yard")), ("Basic", Some("front door"))]);
}

#[test]
fn nothing_in_quotes_becomes_a_challenge() {
    for line in [
        "Digest realm=\"by a stranger, Basic realm=x\", nonce=n m",
        "Digest realm=\"by a stranger, Basic realm=x, nonce=n",
        "Digest \"Basic realm=x, Basic realm=x\" realm=y z",
        // A quote of his may hide what comes after.
        "Basic realm=\"Hello stranger\"s\", NTLM",
    ] {
        let mut connection = Connection::new(&using([basic()]).build());
        connection.begin().bare();
        connection.receive(&unauthorized(&[line])).refusal();
    }
}

#[test]
fn a_malformed_challenge_to_a_wrong_password_refuses_it_like_any_other() {
    for (challenge, _) in SEEN {
        let authenticator = using([basic()]).build();
        // Asked, and on another connection.
        for expected in [Why::Refused(None), Why::RefusedBefore] {
            let mut connection = Connection::new(&authenticator).acting_as(mistaken());
            connection.begin().bare();
            let mut said = connection.receive(&unauthorized(&[challenge]));
            if expected != Why::RefusedBefore {
                said.leg();
                said = connection.receive(&unauthorized(&[challenge]));
            }
            assert_eq!(said.tried(), [("Basic".to_owned(), expected)], "{challenge}");
        }
        // Going ahead with what was right before.
        let mut connection = Connection::new(&using([basic()]).build());
        connection.begin().bare();
        connection.receive(&unauthorized(&[challenge])).leg();
        connection.receive(&ok()).login();
        assert_eq!(connection.begin().leg().0, "Basic");
        let tried = connection.receive(&unauthorized(&[challenge])).tried();
        assert_eq!(tried, [("Basic".to_owned(), Why::Refused(None))], "{challenge}");
    }
}

#[test]
fn the_realm_of_a_malformed_challenge_is_a_protection_space() {
    let mut connection = Connection::new(&using([basic()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Basic realm=front door"])).leg();
    connection.receive(&ok()).login();
    assert_eq!(connection.begin().leg().0, "Basic");
    assert_eq!(connection.receive(&unauthorized(&["Basic realm=back door"])).leg().0, "Basic");
    assert_eq!(connection.receive(&ok()).login().legs, 2);

    // A malformed challenge of another scheme, too, says that what is on trial was refused there.
    let authenticator = using([digest(), basic()]).build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    authenticator.memory(Challenger::Origin, &mail()).remember(
        "Basic",
        Some("front door".into()),
        Binding::Request,
        None,
    );
    assert_eq!(connection.begin().leg().0, "Basic");
    let lines = ["Digest realm=front door, nonce=n", "Basic realm=\"yard\""];
    let tried = connection.receive(&unauthorized(&lines)).tried();
    assert_eq!(tried[0], ("Basic".to_owned(), Why::Refused(None)));
}

#[test]
fn what_cannot_be_read_is_in_the_outcome_with_scheme_octet_and_reason() {
    let mut connection = Connection::new(&using([digest(), ntlm(), basic()]).build());
    connection.begin().bare();
    let lines = [
        "digest realm=\"a\", nonce=n m",
        "Hoba challenge=\"never ends",
        "realm=\"whose?\"",
        "NTLM/2, Basic realm=front door",
        "Mutual realm=\"a\"",
    ];
    connection.receive(&unauthorized(&lines)).leg();
    let refusal = connection.receive(&unauthorized(&lines)).refusal();
    assert_eq!(
        refusal.to_string(),
        "https://mail.example refused the login: Mutual: not supported; \
         Basic: wrong user name or password, or the account may not log in; \
         Digest: the challenge cannot be read: unexpected octet, at octet 26 of field line 0; \
         Hoba: the challenge cannot be read: a quoted string without an end, at octet 15 of field line 1; \
         the challenge cannot be read: a parameter before any scheme, at octet 0 of field line 2; \
         the challenge cannot be read: unexpected octet, at octet 4 of field line 3",
    );
    let errors: Vec<_> = refusal.tried[2..].iter().map(|tried| &tried.why).collect();
    let Why::Unreadable(error) = errors[0] else { panic!("{errors:?}") };
    assert_eq!((error.scheme(), error.offset(), error.line()), (Some("digest"), 26, 0));
}

#[test]
fn a_challenge_that_nobody_can_read_is_no_missing_one() {
    for (lines, said) in [
        (
            &["NTLM realm=a b"][..],
            "NTLM: the challenge cannot be read: unexpected octet, at octet 13 of field line 0",
        ),
        (
            &["=x"],
            "the challenge cannot be read: no scheme where a challenge begins, at octet 0 of field line 0",
        ),
        (&[], "it sent no challenge"),
    ] {
        let mut connection = Connection::new(&using([ntlm()]).build());
        connection.begin().bare();
        let refusal = connection.receive(&unauthorized(lines)).refusal();
        assert_eq!(refusal.to_string(), format!("did not log in at https://mail.example: {said}"));
    }
}

#[test]
fn what_could_not_be_read_at_first_is_told_in_the_end_and_not_with_the_next_request() {
    let fake = Arc::new(Fake::new("Fake", no_ticket));
    let authenticator = using([ntlm(), fake]).build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM, Fake a=b c"])).leg();
    connection.receive(&type_2()).leg();
    let tried = connection.receive(&unauthorized(&["NTLM"])).tried();
    assert!(matches!(&tried[..], [(_, Why::Refused(None)), (fake, Why::Unreadable(_))] if fake == "Fake"));

    let mut connection = Connection::new(&using([ntlm()]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM a b"])).tried().len(), 1);
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&[])).tried(), []);
}

#[test]
fn what_cannot_be_read_is_told_where_a_login_went_ahead() {
    let mut connection = Connection::new(&using([ntlm(), basic()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Basic realm=a"])).leg();
    connection.receive(&ok()).login();
    connection.begin().leg();
    let tried = connection.receive(&unauthorized(&["NTLM realm=a b", "Basic realm=a"])).tried();
    assert!(matches!(&tried[..], [(_, Why::Refused(None)), (ntlm, Why::Unreadable(_))] if ntlm == "NTLM"));
}
