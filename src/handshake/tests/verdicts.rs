//! The lockout guard at work: a password is tried once, and its verdict is everybody's.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Instant;

use super::*;
use crate::handshake::logins::Logins;
use crate::handshake::{Actor, Pause, PauseCause};
use crate::mechanism::{KdcInquiry, StepJob};
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
    let authenticator = using([basic()]).declare(mail(), "Basic").expect("a known scheme").build();
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
fn a_challenge_after_the_proof_is_denied_for_another_path_and_poisons_nothing() {
    let authenticator = using([ntlm()]).build();
    Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
    for (path, why) in [("/barred", Why::Denied), ("/", Why::Refused(None))] {
        let mut connection = Connection::new(&authenticator).asking_for(path);
        // It spoke first, the first time.
        if let Said::Send(None, _) = connection.begin() {
            connection.receive(&unauthorized(&["NTLM"])).leg();
        }
        connection.receive(&type_2()).leg();
        assert_eq!(connection.receive(&unauthorized(&["NTLM"])).tried(), [("NTLM".to_owned(), why)]);
        Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
    }
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
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>, basic()])
        .declare(mail(), "Fake")
        .expect("a known scheme")
        .build();
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
    let challenge = unauthorized(&["NTLM"]);
    let (mut connection, begun) = guess();
    assert_eq!(begun.leg().0, "Basic");
    assert_eq!(connection.receive(&challenge).leg().0, "NTLM");
    drop(connection);
    // Twice is as often as they are sent without a verdict.
    let (mut connection, begun) = guess();
    assert_eq!(begun.leg().0, "Basic");
    assert!(matches!(connection.receive(&challenge).tried()[..], [(_, Why::Paused(_))]));
    guess().1.bare();
}

/// A connection whose login by NTLM is out.
fn logging_in(mut connection: Connection) -> Connection {
    if let Said::Send(None, _) = connection.begin() {
        connection.receive(&unauthorized(&["NTLM"])).leg();
    }
    connection.receive(&type_2()).leg();
    connection
}

/// A response whose content is short.
fn short(code: u16) -> Response<()> {
    with(status(code), "content-length", "9")
}

#[test]
fn nothing_is_asked_again_where_the_connection_or_the_content_ends_late_or_never() {
    for answer in
        [closing(short(403)), old(short(503)), status(403), with(status(403), "content-length", "16385")]
    {
        let mut connection = logging_in(Connection::new(&using([ntlm()]).build()).by_get());
        connection.receive(&answer).plain();
    }
}

#[test]
fn content_of_16_kibibytes_is_short_enough_to_ask_again_behind_it() {
    let mut connection = logging_in(Connection::new(&using([ntlm()]).build()).by_get());
    connection.receive(&with(status(403), "content-length", "16384")).bare();
}

#[test]
fn a_403_to_a_login_that_is_the_requests_own_is_the_requests_own() {
    let mut connection = logging_in(Connection::new(&using([ntlm()]).build()).by_get());
    connection.receive(&with(short(403), "persistent-auth", "false")).login();
    // The server challenges, as it has said it would.
    assert_eq!(connection.begin().leg().0, "NTLM");
}

#[test]
fn a_fault_that_goes_on_proves_nothing() {
    for code in [500, 502, 503, 429] {
        let authenticator = using([ntlm()]).build();
        let mut connection = logging_in(Connection::new(&authenticator).acting_as(mistaken()).by_get());
        connection.receive(&short(500)).bare();
        connection.receive(&short(code)).plain();
        assert!(!connection.handshake.is_reusable());
        // The next one is on trial as the first one was.
        let mut next = logging_in(Connection::new(&authenticator).acting_as(mistaken()).by_get());
        waiting(&authenticator, &mistaken());
        assert!(matches!(next.receive(&unauthorized(&["NTLM"])).tried()[..], [(_, Why::Refused(None))]));
    }
}

// express-ntlm
#[test]
fn a_403_to_a_login_is_asked_for_once_more_and_the_challenge_then_is_the_refusal() {
    let authenticator = using([ntlm()]).build();
    let mut connection = logging_in(Connection::new(&authenticator).acting_as(mistaken()).by_get());
    connection.receive(&short(403)).bare();
    let refusal = connection.receive(&unauthorized(&["NTLM"])).refusal();
    assert!(matches!(refusal.tried[..], [Tried { why: Why::Refused(None), .. }]), "{refusal}");
    let mut next = Connection::new(&authenticator).acting_as(mistaken()).by_get();
    next.begin().bare();
    assert_eq!(next.receive(&unauthorized(&["NTLM"])).tried(), [("NTLM".to_owned(), Why::RefusedBefore)]);
}

#[test]
fn a_403_that_stands_without_an_authorization_is_the_resources() {
    let authenticator = using([ntlm()]).build();
    let mut connection = logging_in(Connection::new(&authenticator).by_get());
    connection.receive(&short(403)).bare();
    assert_eq!(connection.receive(&short(403)).login().legs, 4);
    connection.begin().bare();
    connection.receive(&status(403)).plain();
    // Proven, so that nobody asks twice.
    let mut next = logging_in(Connection::new(&authenticator).by_get());
    next.receive(&short(403)).plain();
    next.begin().bare();
    next.receive(&ok()).login();
}

#[test]
fn where_a_request_cannot_be_repeated_the_next_one_tells() {
    for (code, then, why) in [
        (403, 401, Some(Why::Refused(None))),
        (500, 401, Some(Why::Undecided("the server failed when it looked at the login".into()))),
        (403, 200, None),
        (500, 404, None),
    ] {
        let authenticator = using([ntlm()]).build();
        let mut connection = logging_in(Connection::new(&authenticator));
        connection.receive(&status(code)).plain();
        assert!(connection.handshake.is_reusable());
        connection.begin().bare();
        let said = connection.receive(&if then == 401 { unauthorized(&["NTLM"]) } else { status(then) });
        match why {
            Some(why) => assert_eq!(said.tried(), [("NTLM".to_owned(), why)]),
            None => assert_eq!(said.login().legs, 1),
        }
    }
}

#[test]
fn a_connection_that_is_closed_before_the_next_answer_leaves_it_undecided() {
    let authenticator = using([ntlm()]).build();
    for _ in 0..2 {
        let mut connection = logging_in(Connection::new(&authenticator));
        connection.receive(&status(403)).plain();
    }
    let mut next = Connection::new(&authenticator);
    next.begin().bare();
    let tried = next.receive(&unauthorized(&["NTLM"])).tried();
    assert!(
        matches!(tried[..], [(_, Why::Paused(Pause { cause: PauseCause::Unanswered, .. }))]),
        "{tried:?}"
    );
}

#[test]
fn one_refusal_where_it_was_let_through_is_no_pause_whatever_was_lost_before() {
    let authenticator = using([basic()]).declare(mail(), "Basic").expect("a known scheme").build();
    let speaking = || {
        let mut connection = Connection::new(&authenticator);
        assert_eq!(connection.begin().leg().0, "Basic");
        connection
    };
    drop(speaking());
    speaking().receive(&ok()).login();
    let challenge = unauthorized(&["Basic"]);
    assert!(matches!(speaking().receive(&challenge).tried()[..], [(_, Why::Refused(_))]));
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(connection.receive(&challenge).leg().0, "Basic");
}

// IIS 401.3
#[test]
fn what_was_served_on_an_established_connection_is_served_though_what_is_barred_beside_it_rests() {
    let authenticator = using([ntlm()]).build();
    let mut connection = logging_in(Connection::new(&authenticator));
    connection.receive(&ok()).login();
    connection.path = "/good";
    connection.begin().bare();
    connection.receive(&ok()).plain();
    what_is_barred_rests_beside_what_was_served(&authenticator, connection);
}

/// The same by the short way, on which nobody asks what was served.
#[test]
fn what_went_on_an_established_connection_was_served_too() {
    let authenticator = using([ntlm()]).build();
    let mut connection = logging_in(Connection::new(&authenticator));
    connection.receive(&ok()).login();
    let mut logins = Logins::new(connection.handshake, None);
    assert!(logins.go_on(&connection.identity, "/good", true));
    logins.serves(&connection.method, "/good");
    assert!(logins.passes_through(StatusCode::OK));
    drop(logins);
    what_is_barred_rests_beside_what_was_served(&authenticator, Connection::new(&authenticator));
}

fn what_is_barred_rests_beside_what_was_served(authenticator: &Authenticator, mut connection: Connection) {
    for path in ["/barred/1", "/barred/2", "/barred/3"] {
        connection.path = path;
        if let Said::Send(None, _) = connection.begin() {
            connection.receive(&unauthorized(&["NTLM"])).leg();
        }
        connection.receive(&type_2()).leg();
        assert_eq!(connection.receive(&unauthorized(&["NTLM"])).tried(), [("NTLM".to_owned(), Why::Denied)]);
        connection = Connection::new(authenticator);
    }
    let mut new = Connection::new(authenticator).asking_for("/new");
    new.begin().bare();
    assert!(matches!(new.receive(&unauthorized(&["NTLM"])).tried()[..], [(_, Why::Paused(_))]));
    let mut good = logging_in(Connection::new(authenticator).asking_for("/good"));
    good.receive(&ok()).login();
}

#[test]
fn a_login_that_told_nothing_yet_is_lost_with_its_connection() {
    let authenticator = using([ntlm()]).build();
    for is_proven in [false, true] {
        let mut connection = logging_in(Connection::new(&authenticator));
        connection.receive(&status(403)).plain();
        connection.begin().bare();
        assert_eq!(connection.handshake.lose_connection(Instant::now()), !is_proven);
        logging_in(Connection::new(&authenticator)).receive(&ok()).login();
    }
}

#[test]
fn only_a_login_of_which_others_wait_to_hear_and_that_can_begin_again_is_withdrawn() {
    // A login of the connection's that has begun is the connection's.
    let mut begun = logging_in(Connection::new(&using([ntlm()]).build()));
    let first_message = || {
        let mut connection = Connection::new(&using([ntlm()]).build());
        connection.begin().bare();
        connection.receive(&unauthorized(&["NTLM"])).leg();
        connection
    };
    let sent = |builder: AuthenticatorBuilder| {
        let mut connection = Connection::new(&builder.build());
        connection.begin().bare();
        connection.receive(&unauthorized(&["Basic realm=x"])).leg();
        connection
    };
    let (mut unguarded, mut requests) = (sent(using([basic()]).lockout_guard(false)), sent(using([basic()])));
    let now = Instant::now();
    assert!(!begun.handshake.withdraw(now) && !unguarded.handshake.withdraw(now));
    begun.receive(&ok()).login();
    unguarded.receive(&ok()).login();
    assert!(requests.handshake.withdraw(now) && first_message().handshake.withdraw(now));
    requests.receive(&ok()).plain();
}

#[test]
fn a_fault_that_goes_on_leaves_what_was_accepted_before_logged_in() {
    let authenticator = using([ntlm()]).build();
    logging_in(Connection::new(&authenticator)).receive(&ok()).login();
    for code in [429, 503] {
        let mut connection = logging_in(Connection::new(&authenticator));
        connection.receive(&short(500)).plain();
        connection.begin().bare();
        connection.receive(&short(code)).login();
        assert!(connection.handshake.is_established(), "{code}");
    }
}

/// How often a wrong answer is given at another origin: once by credentials that nothing has proven.
fn attempts_elsewhere(authenticator: &Authenticator) -> usize {
    let refused = unauthorized(&["Basic realm=x"]);
    let attempts = (0..9).filter(|_| {
        let mut there = Connection::to(
            authenticator,
            Challenger::Origin,
            "https://other.example".parse().expect("an origin"),
        );
        there.begin().bare();
        let goes = matches!(there.receive(&refused), Said::Send(..));
        if goes {
            there.receive(&refused).refusal();
        }
        goes
    });
    attempts.count()
}

#[test]
fn the_answer_that_settles_a_login_proves_the_password_where_it_asks_for_logins() {
    const PROVEN: usize = 3;
    const UNPROVEN: usize = 1;
    for (path, code, attempts) in [
        ("/", 403, PROVEN),
        ("/", 200, PROVEN),
        ("/", 302, UNPROVEN),
        ("/other", 403, UNPROVEN),
        ("/other", 200, UNPROVEN),
    ] {
        let authenticator = using([ntlm(), basic()]).build();
        let mut connection = logging_in(Connection::new(&authenticator));
        connection.receive(&status(403)).plain();
        connection.path = path;
        connection.begin().bare();
        connection.receive(&status(code)).login();
        assert_eq!(attempts_elsewhere(&authenticator), attempts, "{path}, {code}");
    }
}

#[test]
fn nothing_is_asked_again_where_there_is_no_leg_left() {
    for (legs, asks) in [(4, true), (3, false)] {
        let mut connection = logging_in(Connection::new(&using([ntlm()]).max_legs(legs).build()).by_get());
        let said = connection.receive(&short(403));
        assert_eq!(matches!(said, Said::Send(None, _)), asks, "{said:?}");
    }
}

#[test]
fn a_standing_authorization_waits_for_the_one_that_goes_alone() {
    let authenticator = using([basic()]).build();
    let mut standing = Connection::new(&authenticator);
    standing.begin().bare();
    standing.receive(&unauthorized(&["Basic realm=x"])).leg();
    standing.receive(&ok()).login();
    // One without an answer, and from then on they go one at a time.
    let mut lost = Connection::new(&authenticator);
    lost.begin().leg();
    lost.handshake.lose_connection(Instant::now());
    let mut alone = Connection::new(&authenticator);
    alone.begin().leg();
    let mut turn = standing.begin().turn();
    assert!(!is_due(&mut turn));
    alone.receive(&ok()).login();
    assert!(is_due(&mut turn));
    assert_eq!(standing.proceed().leg().0, "Basic");
}

/// A request whose first leg carried nothing for the origin.
fn listening(authenticator: &Authenticator) -> Connection {
    let mut connection = Connection::new(authenticator).acting_as(mistaken());
    let identity = connection.identity.clone();
    connection
        .drive(|handshake, request| {
            handshake.begin_as(&identity, FirstLeg::Listens, Demand::default(), request)
        })
        .bare();
    connection
}

#[test]
fn what_was_refused_without_a_realm_is_refused_in_those_that_challenged_and_in_no_others() {
    let authenticator = using([basic()]).declare(mail(), "Basic").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    assert_eq!(connection.begin().leg().0, "Basic");
    connection.receive(&unauthorized(&["Basic realm=a"])).refusal();
    let tried = listening(&authenticator).receive(&unauthorized(&["Basic realm=a"])).tried();
    assert_eq!(tried, [("Basic".to_owned(), Why::RefusedBefore)]);
    assert_eq!(listening(&authenticator).receive(&unauthorized(&["Basic realm=b"])).leg().0, "Basic");
}

#[test]
fn what_was_refused_in_a_realm_is_not_refused_in_that_of_another_scheme() {
    let authenticator = using([basic()]).build();
    let memory = authenticator.memory(Challenger::Origin, &mail());
    memory.remember("Basic", Some("a".into()), Binding::Request, None);
    let mut connection = Connection::new(&authenticator).acting_as(mistaken());
    assert_eq!(connection.begin().leg().0, "Basic");
    connection.receive(&unauthorized(&["Digest realm=b, nonce=n"])).refusal();
    assert_eq!(listening(&authenticator).receive(&unauthorized(&["Basic realm=b"])).leg().0, "Basic");
}

#[test]
fn a_scheme_that_is_out_of_use_is_forgotten() {
    // Asked for, it would have been answered; and where there is no challenge at all, nobody has said so.
    for (challenges, scheme) in
        [(&["Digest realm=a, nonce=n"][..], None), (&["Basic realm=a"], Some("Basic")), (&[], Some("Basic"))]
    {
        let authenticator = using([basic()]).build();
        let memory = authenticator.memory(Challenger::Origin, &mail());
        memory.remember("Basic", Some("a".into()), Binding::Request, None);
        let mut connection = Connection::new(&authenticator);
        assert_eq!(connection.begin().leg().0, "Basic");
        connection.receive(&unauthorized(challenges)).refusal();
        assert_eq!(memory.scheme(), scheme, "{challenges:?}");
    }
    // One that has answered a challenge was in use just now.
    let authenticator = using([basic()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["Basic realm=a"])).leg();
    connection.receive(&unauthorized(&["Digest realm=a, nonce=n"])).refusal();
    assert_eq!(authenticator.memory(Challenger::Origin, &mail()).scheme(), Some("Basic"));
}

#[test]
fn who_a_request_acts_as_is_told_wherever_it_stands() {
    let carol = Actor::Named("LAB\\carol".to_owned());
    let authenticator = using([ntlm(), basic()]).build();
    let mut first = Connection::new(&authenticator);
    first.begin().bare();
    assert_eq!(first.handshake.actor(), carol);
    first.receive(&unauthorized(&["NTLM"])).leg();
    assert_eq!(first.handshake.actor(), carol, "a leg is out");
    let (second, _turn) = waiting(&authenticator, &Identity::Credentials(super::carol()));
    assert_eq!(second.handshake.actor(), carol, "it waits for its turn");
    first.receive(&type_2()).leg();
    first.receive(&status(403)).plain();
    assert_eq!(first.handshake.actor(), carol, "nobody has said whether it is logged in");
    first.begin().bare();
    first.receive(&ok()).login();
    assert_eq!(first.handshake.actor(), carol);
    let nobody = Connection::new(&authenticator).acting_as(Identity::None);
    assert_eq!(nobody.handshake.actor(), Actor::Nobody);
    assert_eq!((carol.name(), Actor::Nobody.name()), (Some("LAB\\carol"), None));
}

#[test]
fn a_handshake_is_shown_with_its_state_and_who_acts_and_without_a_secret() {
    fn shown(handshake: &Handshake) -> String {
        let text = format!("{handshake:?}");
        assert!(!text.contains("carol-pw"), "{text}");
        text.split("state: ").nth(1).expect("a state").trim_end_matches(", .. }").to_owned()
    }
    let authenticator = using([ntlm(), basic()]).build();
    let mut first = Connection::new(&authenticator);
    first.begin().bare();
    assert_eq!(shown(&first.handshake), "Idle");
    first.receive(&unauthorized(&["NTLM"])).leg();
    assert_eq!(shown(&first.handshake), "Sent");
    let (second, _turn) = waiting(&authenticator, &Identity::Credentials(super::carol()));
    assert_eq!(shown(&second.handshake), "Waiting");
    first.receive(&type_2()).leg();
    first.receive(&status(403)).plain();
    assert_eq!(shown(&first.handshake), "Unsettled");
    first.begin().bare();
    first.receive(&ok()).login();
    assert_eq!(shown(&first.handshake), "Established");

    let authenticator = using([ntlm()]).build();
    let mut refused = trying(&authenticator, &mistaken());
    refused.receive(&unauthorized(&["NTLM"])).refusal();
    assert_eq!(shown(&refused.handshake), "Spoiled");

    let mut standing = Connection::new(&using([basic()]).build());
    standing.begin().bare();
    standing.receive(&unauthorized(&["Basic realm=a"])).leg();
    standing.receive(&ok()).login();
    assert_eq!(shown(&standing.handshake), "Standing");

    let digest: Arc<dyn Scheme> = Arc::new(Digest::new());
    let declared = using([digest]).declare(mail(), "Digest").expect("a known scheme").build();
    let mut listening = Connection::new(&declared).with_body();
    assert!(matches!(listening.begin(), Said::Send(None, BodyUse::Withheld)));
    assert_eq!(shown(&listening.handshake), "Listening");

    // What the driver is asked to do on the way.
    let carol = Actor::Named("LAB\\carol".to_owned());
    let unknown = Identity::Provider(crate::handshake::ProviderId::unique());
    let step: fn(Option<&Challenge>) -> Result<Reply, SchemeError> =
        |_| Ok(Reply::Step(StepJob::compute(|| (), true)));
    let consult: fn(Option<&Challenge>) -> Result<Reply, SchemeError> =
        |_| Ok(Reply::Consult(Inquiry::Kdc(KdcInquiry::new("LAB.TEST", [].into(), Vec::new()))));
    for (respond, identity, state, actor) in [
        (step, Identity::Credentials(super::carol()), "Stepping", &carol),
        (consult, Identity::Credentials(super::carol()), "Consulting", &carol),
        (|_| Ok(Reply::Gather), Identity::Credentials(super::carol()), "Gathering", &carol),
        (step, unknown, "Asking", &Actor::NotAsked),
    ] {
        let authenticator = using([Arc::new(Fake::new("Fake", respond)) as Arc<dyn Scheme>]).build();
        let mut connection = Connection::new(&authenticator).acting_as(identity);
        connection.begin().bare();
        connection.drive(|handshake, request| {
            handshake.receive(ResponseHead::of(&unauthorized(&["Fake"])), request);
            Action::Deliver(None)
        });
        assert_eq!((shown(&connection.handshake).as_str(), &connection.handshake.actor()), (state, actor));
    }
}
