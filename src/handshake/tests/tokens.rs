//! Bearer tokens: where they go, and what becomes of one that has expired.

use super::*;
use crate::credentials::credentials_fn;
use crate::scheme::Bearer;

fn token(text: &str) -> Credentials {
    Credentials::bearer_token(text)
}

/// A connection whose provider has this token to begin with.
fn provided(authenticator: &Authenticator, text: &str) -> Connection {
    let mut connection = Connection::new(authenticator).acting_as(authenticator.identity());
    connection.found = Some(token(text));
    connection
}

fn bearer() -> AuthenticatorBuilder {
    // Whom the tests' own driver stands in for.
    using([Arc::new(Bearer::new())]).provider(credentials_fn(|_| async { Ok(None) }))
}

fn expired() -> Response<()> {
    unauthorized(&["Bearer realm=\"api\", error=\"invalid_token\""])
}

fn sent(said: Said) -> String {
    let Said::Send(Some(value), BodyUse::Carried) = said else { panic!("{said:?}") };
    assert!(value.is_sensitive());
    value.to_str().expect("ASCII").to_owned()
}

#[test]
fn a_token_answers_its_scheme_alone_and_goes_ahead_from_then_on() {
    let authenticator = bearer().build();
    let mut connection = provided(&authenticator, "one");
    connection.begin().bare();
    let challenge = unauthorized(&["Basic realm=\"x\"", "Bearer realm=\"api\""]);
    assert_eq!(sent(connection.receive(&challenge)), "Bearer one");
    assert_eq!(connection.receive(&ok()).login().scheme, "Bearer");
    assert_eq!(sent(connection.begin()), "Bearer one");
    connection.receive(&ok()).plain();
    assert_eq!(sent(provided(&authenticator, "one").begin()), "Bearer one", "on a new connection too");
}

// curl CVE-2018-1000007 and its like
#[test]
fn a_token_goes_over_plain_http_only_when_that_is_asked_for_by_name() {
    let to = |authenticator: &Authenticator| {
        let mut connection = Connection::to(authenticator, Challenger::Origin, plain_mail());
        connection.identity = Identity::Credentials(token("one"));
        connection.begin().bare();
        connection
    };
    let refused = to(&bearer().build()).receive(&expired()).tried();
    assert_eq!(refused, [("Bearer".to_owned(), Why::RevealsSecret)]);
    let allowed = bearer().dangerous_secrets_over_plain_http(true).build();
    assert_eq!(sent(to(&allowed).receive(&expired())), "Bearer one");
}

#[test]
fn a_refused_token_is_asked_for_anew_once() {
    let authenticator = bearer().build();
    let mut connection = provided(&authenticator, "one");
    connection.begin().bare();
    assert_eq!(sent(connection.receive(&unauthorized(&["Bearer"]))), "Bearer one");
    connection.found = Some(token("two"));
    assert_eq!(sent(connection.receive(&expired())), "Bearer two");
    assert_eq!(connection.questions.last().expect("it was asked").refused, Some(token("one")));
    assert_eq!(connection.receive(&ok()).login().legs, 3);

    // The second one expires as well, long after it was proven.
    connection.found = Some(token("three"));
    assert_eq!(sent(connection.begin()), "Bearer two");
    assert_eq!(sent(connection.receive(&expired())), "Bearer three");
    let tried = connection.receive(&expired()).tried();
    assert_eq!(tried, [("Bearer".to_owned(), Why::Refused(None))], "no third one in the same request");
}

#[test]
fn a_provider_that_has_no_other_token_ends_it() {
    let authenticator = bearer().build();
    let mut connection = provided(&authenticator, "one");
    connection.begin().bare();
    sent(connection.receive(&unauthorized(&["Bearer"])));
    let tried = connection.receive(&expired()).tried();
    assert_eq!(tried, [("Bearer".to_owned(), Why::Refused(None))]);

    // Another request does not try the same one again, and asks for another.
    let mut other = provided(&authenticator, "one");
    other.begin().bare();
    let tried = other.receive(&expired()).tried();
    assert_eq!(tried, [("Bearer".to_owned(), Why::RefusedBefore)]);
    assert_eq!(other.questions.last().expect("it was asked").refused, Some(token("one")));
}

#[test]
fn the_callers_own_token_is_tried_once() {
    let authenticator = bearer().build();
    let mut connection = Connection::new(&authenticator).acting_as(Identity::Credentials(token("one")));
    connection.begin().bare();
    assert_eq!(sent(connection.receive(&unauthorized(&["Bearer"]))), "Bearer one");
    assert_eq!(connection.receive(&expired()).tried(), [("Bearer".to_owned(), Why::Refused(None))]);
    assert!(connection.questions.is_empty());
}

#[test]
fn a_password_answers_no_bearer_challenge_and_a_token_no_other() {
    let authenticator = using([Arc::new(Bearer::new()) as _, basic(), ntlm()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(
        connection.receive(&unauthorized(&["Bearer"])).tried(),
        [("Bearer".to_owned(), Why::NoCredentials)]
    );
    let mut connection = Connection::new(&authenticator).acting_as(Identity::Credentials(token("one")));
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Basic realm=\"x\"", "NTLM"])).tried();
    assert!(tried.iter().all(|(_, why)| *why == Why::NoCredentials), "{tried:?}");
}

#[test]
fn what_is_no_token_is_not_sent() {
    let authenticator = bearer().build();
    let smuggling = Identity::Credentials(token("one\r\nX-Evil: 1"));
    let mut connection = Connection::new(&authenticator).acting_as(smuggling);
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Bearer"])).tried();
    let why = "the token has '\\r' at octet 3, which cannot be sent";
    assert_eq!(tried, [("Bearer".to_owned(), Why::CannotStart(why.to_owned()))]);
}
