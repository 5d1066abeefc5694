//! The lockout guard at work: a password is tried once, and its verdict is everybody's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use super::*;
use crate::scheme::Digest;

fn is_due(turn: &mut Turn) -> bool {
    Pin::new(turn).poll(&mut Context::from_waker(Waker::noop())) == Poll::Ready(())
}

/// A request whose turn it is not: it has been challenged, and somebody tries the password.
fn waiting(authenticator: &Authenticator, identity: &Identity) -> (Connection, Turn) {
    let mut connection = Connection::new(authenticator).acting_as(identity.clone());
    let turn = match connection.begin() {
        Said::Wait(turn) => turn,
        said => {
            said.bare();
            connection.receive(&unauthorized(&["NTLM"])).turn()
        }
    };
    (connection, turn)
}

/// A request that has sent its proof; the server's answer is still out.
fn trying(authenticator: &Authenticator, identity: &Identity) -> Connection {
    let mut connection = Connection::new(authenticator).acting_as(identity.clone());
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM", "Basic realm=x"])).leg();
    connection.receive(&type_2()).leg();
    connection
}

#[test]
fn after_a_refusal_no_further_scheme_gets_the_password() {
    for (scheme, mut server) in [("NTLM", Server::ntlm()), ("Negotiate", Server::negotiate(ServerMic::Right))]
    {
        server = server.listing(&["Basic realm=x", "NTLM", "Negotiate"]);
        let mut connection = Connection::new(&using([server_scheme(scheme), basic()]).build());
        connection.identity = mistaken();
        let refusal = connection.converse(&mut server).refusal();
        assert_eq!(server.heard, ["-", scheme, scheme]);
        assert_eq!(refusal.legs, 3);
        let last = refusal.tried.last().expect("it was tried");
        assert!(last.scheme == scheme && matches!(last.why, Why::Refused(_)), "{refusal}");
        assert!(!connection.handshake.is_reusable());
    }
}

fn server_scheme(name: &str) -> Arc<dyn Scheme> {
    if name == "NTLM" { ntlm() } else { negotiate() }
}

#[test]
fn refused_credentials_are_not_tried_again_until_they_change_or_are_forgiven() {
    let authenticator = using([ntlm(), basic()]).build();
    let ask = |identity: Identity| {
        let mut server = Server::ntlm().listing(&["Basic realm=x"]);
        let said = Connection::new(&authenticator).acting_as(identity).converse(&mut server);
        (said, server.heard.len())
    };
    assert_eq!(ask(mistaken()).1, 3);
    // One leg, no attempt, under no scheme.
    for _ in 0..2 {
        let (said, legs) = ask(mistaken());
        assert_eq!(legs, 1);
        assert!(said.tried().iter().all(|(_, why)| *why == Why::RefusedBefore));
    }
    // Another password is another matter.
    assert_eq!(ask(Identity::Credentials(carol())).0.login().legs, 2);
    authenticator.forget_refusals();
    assert_eq!(ask(mistaken()).1, 2);
    assert_eq!(ask(mistaken()).1, 1);
}

#[test]
fn a_refusal_while_speaking_first_without_a_realm_counts_for_the_realms_it_stands_for() {
    let authenticator = using([basic()]).declare(mail(), "Basic").build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    assert_eq!(connection.begin().leg().0, "Basic");
    let offer = unauthorized(&["Basic realm=a", "Basic realm=b"]);
    assert!(matches!(connection.receive(&offer).tried()[..], [(_, Why::Refused(_))]));
    // Speaking first, and asked in each realm; told once.
    connection.begin().bare();
    let tried = connection.receive(&offer).tried();
    assert_eq!(tried, [("Basic".to_owned(), Why::RefusedBefore)]);
}

#[test]
fn the_password_is_sent_once_though_the_realm_is_listed_second() {
    let authenticator = using([basic()]).build();
    authenticator.memory(Challenger::Origin, &mail()).remember(
        "Basic",
        Some("b".into()),
        Binding::Request,
        None,
    );
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    assert_eq!(connection.begin().leg().0, "Basic");
    let refusal = connection.receive(&unauthorized(&["Basic realm=a", "Basic realm=b"])).refusal();
    assert!(matches!(refusal.tried[..], [Tried { why: Why::Refused(_), .. }]), "{refusal}");
}

#[test]
fn without_the_guard_each_request_tries_for_itself() {
    let authenticator = using([ntlm(), basic()]).lockout_guard(false).build();
    for legs in [3, 2] {
        let mut server = Server::ntlm().listing(&["Basic realm=x"]);
        let refusal = Connection::new(&authenticator).acting_as(mistaken()).converse(&mut server).refusal();
        assert_eq!(refusal.legs, legs);
        assert!(matches!(refusal.tried[..], [Tried { why: Why::Refused(None), .. }]), "{refusal}");
    }
}

#[test]
fn a_challenge_after_the_proof_is_denied_and_poisons_nothing() {
    let authenticator = using([ntlm()]).build();
    Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
    let mut connection = Connection::new(&authenticator);
    connection.begin().leg();
    connection.receive(&type_2()).leg();
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).tried(), [("NTLM".to_owned(), Why::Denied)]);
    assert_eq!(Connection::new(&authenticator).converse(&mut Server::ntlm()).login().legs, 2);
}

#[test]
fn the_second_waits_and_goes_on_once_the_first_is_proven() {
    let authenticator = using([ntlm()]).build();
    let carol = Identity::Credentials(carol());
    let mut first = trying(&authenticator, &carol);
    let (mut second, mut turn) = waiting(&authenticator, &carol);
    assert!(!is_due(&mut turn));
    assert_eq!(first.receive(&ok()).login().legs, 3);
    assert!(is_due(&mut turn));
    assert_eq!(second.proceed().leg().0, "NTLM");
    second.receive(&type_2()).leg();
    second.receive(&ok()).login();
}

#[test]
fn the_second_waits_and_tries_nothing_once_the_first_is_refused() {
    let authenticator = using([ntlm(), basic()]).build();
    let mut first = trying(&authenticator, &mistaken());
    let (mut second, mut turn) = waiting(&authenticator, &mistaken());
    // It was about to speak first; another one was challenged before.
    first.receive(&unauthorized(&["NTLM", "Basic realm=x"])).refusal();
    assert!(is_due(&mut turn));
    second.proceed().bare();
    let tried = second.receive(&unauthorized(&["NTLM", "Basic realm=x"])).tried();
    assert!(tried.iter().all(|(_, why)| *why == Why::RefusedBefore), "{tried:?}");
}

#[test]
fn the_second_tries_itself_once_the_first_has_no_verdict() {
    type Ending = (&'static str, fn(Connection));
    let endings: [Ending; 4] = [
        ("the request is cancelled", drop),
        ("a gateway answers", |mut first| first.receive(&status(503)).plain()),
        ("a proxy's challenge comes from where no proxy is", |mut first| first.receive(&status(407)).plain()),
        ("the front of the server finds the body too large", |mut first| first.receive(&status(413)).plain()),
    ];
    for (ending, end) in endings {
        let authenticator = using([ntlm()]).build();
        let first = trying(&authenticator, &mistaken());
        let (mut second, mut turn) = waiting(&authenticator, &mistaken());
        let (_third, mut thirds) = waiting(&authenticator, &mistaken());
        end(first);
        assert!(is_due(&mut turn) && is_due(&mut thirds), "{ending}");
        assert_eq!(second.proceed().leg().0, "NTLM", "{ending}");
        // The third is not let in beside it.
        waiting(&authenticator, &mistaken());
    }
}

#[test]
fn a_trial_ends_without_a_verdict_where_nothing_secret_was_sent() {
    let offer = unauthorized(&["NTLM"]);
    let answers: [(&str, Response<()>); 4] = [
        ("a bare challenge", offer.clone()),
        ("a malformed second message", unauthorized(&["NTLM TlRMTVNTUAACAAAA"])),
        ("a close", closing(type_2())),
        ("no challenge", ok()),
    ];
    for (name, answer) in answers {
        let authenticator = using([ntlm()]).build();
        let mut first = Connection::new(&authenticator);
        first.begin().bare();
        first.receive(&offer).leg();
        first.receive(&answer);
        let login = Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
        assert_eq!(login.legs, 2, "{name}");
    }
}

#[test]
fn an_exchange_that_ends_before_the_secret_was_sent_refuses_nobody() {
    let fake = Fake::new("Fake", |_| Ok(Reply::Done(proof())));
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>, basic()]).declare(mail(), "Fake").build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Fake", "Basic realm=x"])).leg().0, "Basic");
    connection.receive(&ok()).login();
}

#[test]
fn once_the_secret_was_sent_a_bare_challenge_is_a_refusal_whatever_was_expected() {
    let fake = Fake::new("Fake", |_| token(Expects::Challenge, true));
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>, basic()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let offer = unauthorized(&["Fake", "Basic realm=x"]);
    connection.receive(&offer).leg();
    assert!(matches!(connection.receive(&offer).tried()[..], [(_, Why::Refused(None))]));
    let mut next = Connection::new(&authenticator);
    next.begin().bare();
    assert!(next.receive(&offer).tried().iter().all(|(_, why)| *why == Why::RefusedBefore));
}

#[test]
fn a_changed_password_of_the_provider_is_tried() {
    let provider = Identity::Provider(crate::handshake::ProviderId::unique());
    let authenticator = using([basic()]).build();
    let mut connection = Connection::new(&authenticator).acting_as(provider);
    connection.found = Some(Credentials::password("carol", "old-pw"));
    let offer = unauthorized(&["Basic realm=x"]);
    connection.begin().bare();
    connection.receive(&offer).leg();
    connection.receive(&offer).refusal();
    connection.found = Some(Credentials::password("carol", "new-pw"));
    assert_eq!(connection.begin().leg().0, "Basic");
    assert_eq!(connection.receive(&ok()).login().legs, 1);
}

#[test]
fn a_refusal_that_says_nothing_but_401_is_one() {
    let authenticator = using([basic()]).build();
    authenticator.memory(Challenger::Origin, &mail()).remember(
        "Basic",
        Some("a".into()),
        Binding::Request,
        None,
    );
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    assert_eq!(connection.begin().leg().0, "Basic");
    assert!(matches!(connection.receive(&unauthorized(&[])).tried()[..], [(_, Why::Refused(_))]));
    connection.begin().bare();
}

#[test]
fn another_schemes_challenge_for_the_same_realm_refuses_what_is_on_trial_alone() {
    let authenticator = using([basic(), Arc::new(Digest::default())]).build();
    let goes_ahead = |identity: Identity| {
        let memory = authenticator.memory(Challenger::Origin, &mail());
        memory.remember("Basic", Some("a".into()), Binding::Request, None);
        let mut connection = Connection::new(&authenticator).acting_as(identity);
        assert_eq!(connection.begin().leg().0, "Basic");
        connection
    };
    let challenge = unauthorized(&["Digest realm=a, nonce=n"]);

    let mut connection = goes_ahead(mistaken());
    assert!(matches!(connection.receive(&challenge).tried()[..], [(_, Why::Refused(_))]));
    // Basic is out of use, and the password is refused whatever the scheme.
    connection.begin().bare();
    assert_eq!(connection.receive(&challenge).tried(), [("Digest".to_owned(), Why::RefusedBefore)]);

    let mut connection = goes_ahead(Identity::Credentials(carol()));
    connection.receive(&ok()).login();
    assert_eq!(connection.begin().leg().0, "Basic");
    assert_eq!(connection.receive(&challenge).leg().0, "Digest");
    connection.receive(&ok()).login();
    assert_eq!(connection.begin().leg().0, "Digest");
}

#[test]
fn a_guess_for_another_realm_is_made_twice_at_the_most() {
    let authenticator = using([basic(), ntlm()]).build();
    let guess = || {
        let memory = authenticator.memory(Challenger::Origin, &mail());
        memory.remember("Basic", Some("a".into()), Binding::Request, None);
        let mut connection = Connection::new(&authenticator).acting_as(mistaken());
        let begun = connection.begin();
        (connection, begun)
    };
    for _ in 0..2 {
        let (mut connection, begun) = guess();
        assert_eq!(begun.leg().0, "Basic");
        assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().0, "NTLM");
    }
    guess().1.bare();
}
