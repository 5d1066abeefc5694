//! What a connection outlives, who it belongs to, and which leg takes the body.

use http::HeaderValue;

use super::*;
use crate::handshake::action::Outlook;
use crate::mechanism::MutualAuthentication;
use BodyUse::Carried;

/// A connection that carol has logged in on, and its server.
fn established(authenticator: &Authenticator) -> (Connection, Server) {
    let (mut connection, mut server) = (Connection::new(authenticator), Server::ntlm());
    connection.converse(&mut server).login();
    assert!(connection.handshake.is_established());
    (connection, server)
}

#[test]
fn ntlm_takes_three_legs_at_first_two_where_it_is_remembered_and_one_once_it_stands() {
    let authenticator = using([ntlm()]).build();
    for (legs, heard) in [(3, &["-", "NTLM", "NTLM"][..]), (2, &["NTLM", "NTLM"])] {
        let mut connection = Connection::new(&authenticator).with_body();
        let mut server = Server::ntlm();
        let login = connection.converse(&mut server).login();
        assert_eq!((login.legs, login.principal.as_deref()), (legs, Some("LAB\\carol")));
        assert_eq!(server.heard, heard);
        connection.converse(server.anew()).plain();
        assert_eq!(server.heard, ["-"]);
    }
}

#[test]
fn negotiate_proves_the_server_with_its_final_token() {
    let authenticator = using([negotiate()]).build();
    let mut connection = Connection::new(&authenticator);
    let login = connection.converse(&mut Server::negotiate(ServerMic::Right)).login();
    assert_eq!((login.scheme, login.mechanism, login.legs), ("Negotiate", "NTLM", 3));
}

#[test]
fn a_first_challenge_that_closes_moves_to_a_connection_that_speaks_first() {
    for response in [closing(unauthorized(&["NTLM"])), old(unauthorized(&["NTLM"]))] {
        let authenticator = using([ntlm()]).build();
        let mut connection = Connection::new(&authenticator);
        connection.begin().bare();
        assert_eq!(connection.receive(&response).renewal(), Renewal::ClosedAfterChallenge);
        assert!(!connection.handshake.is_reusable());

        let login = Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
        assert_eq!(login.legs, 2);
    }
    let kept = with(old(unauthorized(&["NTLM"])), "connection", "Keep-Alive");
    let mut connection = Connection::new(&using([ntlm()]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&kept).leg().0, "NTLM");
}

#[test]
fn proxy_connection_keeps_or_ends_the_connection_to_a_proxy_and_to_nobody_else() {
    let relay: Origin = "http://proxy.example:3128".parse().expect("an origin");
    for (challenger, is_relayed) in
        [(Challenger::Proxy, false), (Challenger::Origin, true), (Challenger::Origin, false)]
    {
        let is_to_proxy = challenger == Challenger::Proxy || is_relayed;
        let says = |response: Response<()>, value: &str| {
            let authenticator = using([ntlm()]).assume_proxy_support(true).build();
            let mut connection = Connection::to(&authenticator, challenger, mail());
            if is_relayed {
                connection.handshake = connection.handshake.relayed_by(&relay);
            }
            connection.begin().bare();
            let said = connection.receive(&with(response, "proxy-connection", value));
            !matches!(said, Said::Renew(Renewal::ClosedAfterChallenge))
        };
        let challenge = || challenged_by(challenger, &["NTLM"]);
        assert_eq!(says(old(challenge()), "Keep-Alive"), is_to_proxy, "{challenger}, {is_to_proxy}");
        assert!(!says(old(challenge()), "close") && !says(old(challenge()), "keep-alive, close"));
        assert_eq!(says(challenge(), "close"), !is_to_proxy, "{challenger}, {is_to_proxy}");
        assert!(says(challenge(), "keep-alive"));
        assert!(!says(closing(challenge()), "keep-alive") && !says(closing(old(challenge())), "keep-alive"));
    }
}

#[test]
fn a_login_at_an_old_proxy_goes_on_where_it_says_that_the_connection_stays() {
    let authenticator = using([ntlm()]).build();
    let by = |challenge: &str| {
        with(old(challenged_by(Challenger::Proxy, &[challenge])), "proxy-connection", "keep-alive")
    };
    let mut connection = Connection::to(&authenticator, Challenger::Proxy, mail());
    connection.begin().bare();
    assert_eq!(connection.receive(&by("NTLM")).leg().0, "NTLM");
    let type_2 = type_2().headers()["www-authenticate"].to_str().expect("ASCII").to_owned();
    assert_eq!(connection.receive(&by(&type_2)).leg(), ("NTLM".to_owned(), Carried));
    assert_eq!(connection.receive(&with(old(ok()), "proxy-connection", "keep-alive")).login().legs, 3);
    assert!(connection.handshake.is_established());
}

#[test]
fn a_close_in_mid_handshake_starts_over() {
    let authenticator = using([ntlm()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    assert_eq!(connection.receive(&closing(type_2())).renewal(), Renewal::ClosedInHandshake);
    // Nothing secret was sent, so there is no verdict, and nobody waits for one.
    assert_eq!(Connection::new(&authenticator).converse(&mut Server::ntlm()).login().legs, 2);
}

#[test]
fn a_close_after_the_secret_was_sent_does_not_send_it_once_more() {
    let fake = Fake::new("Fake", |_| token(Expects::Challenge, true));
    let authenticator = using([Arc::new(fake), basic()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["Fake", "Basic realm=x"])).leg();
    let tried = connection.receive(&closing(unauthorized(&["Fake Z28gb24="]))).tried();
    assert!(matches!(&tried[..], [(_, Why::Undecided(_))]), "{tried:?}");
}

#[test]
fn a_challenge_on_an_established_connection_begins_one_fresh_handshake() {
    let (mut connection, mut server) = established(&using([ntlm()]).build());
    server.logged_in = false;
    let login = connection.converse(server.anew()).login();
    assert_eq!((login.legs, &server.heard[..]), (3, &["-", "NTLM", "NTLM"].map(String::from)[..]));
    connection.converse(server.anew()).plain();

    // The server takes the login and still says 401.
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    connection.receive(&type_2()).leg();
    let refusal = connection.receive(&unauthorized(&["NTLM"])).refusal();
    assert_eq!(refusal.legs, 3);
    assert!(!connection.handshake.is_reusable());
}

#[test]
fn nothing_of_an_earlier_request_is_told_of_a_later_one() {
    let authenticator = using([Arc::new(Fake::new("Fake", no_ticket)), ntlm()]).build();
    let mut connection = Connection::new(&authenticator);
    let mut server = Server::ntlm().listing(&["Fake", "Hoba"]);
    connection.converse(&mut server).login();
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Digest realm=x"])).tried();
    assert_eq!(tried, [("Digest".to_owned(), Why::Unsupported)]);
}

#[test]
fn persistent_auth_false_logs_in_anew_for_the_next_request() {
    let mut connection = Connection::new(&using([ntlm()]).build());
    for (legs, remembered) in [(3, false), (2, true)] {
        let mut said = connection.begin();
        if !remembered {
            said.bare();
            said = connection.receive(&unauthorized(&["NTLM"]));
        }
        said.leg();
        connection.receive(&type_2()).leg();
        let login = connection.receive(&with(ok(), "persistent-auth", "FALSE")).login();
        assert_eq!(login.legs, legs);
        assert!(connection.handshake.is_reusable() && !connection.handshake.is_established());
    }
    // It stays carol's.
    connection.identity = Identity::None;
    assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
}

#[test]
fn a_connection_serves_nobody_but_its_owner() {
    let (mut connection, mut server) = established(&using([ntlm()]).build());
    for other in [
        Identity::Credentials(Credentials::password("LAB\\dave", "dave-pw")),
        mistaken(),
        Identity::None,
        Identity::CallersOwn(HeaderValue::from_static("Bearer x")),
    ] {
        connection.identity = other;
        assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
    }
    connection.identity = Identity::Credentials(carol());
    connection.converse(server.anew()).plain();
}

#[test]
fn a_half_done_handshake_owns_its_connection_too() {
    let mut connection = Connection::new(&using([ntlm()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    connection.receive(&ok()).plain();
    connection.identity = Identity::None;
    assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
}

#[test]
fn a_login_that_turns_out_to_be_bound_owns_its_connection() {
    let mut fake = Fake::new("Fake", |_| token(Expects::Success, true));
    fake.binding = Binding::Request;
    let mut connection = Connection::new(&using([Arc::new(fake) as Arc<dyn Scheme>]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Fake"])).leg();
    connection.receive(&ok()).login();
    assert!(connection.handshake.is_established());
    connection.identity = Identity::Credentials(Credentials::password("LAB\\dave", "dave-pw"));
    assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
}

#[test]
fn the_callers_own_field_passes_untouched_and_keeps_its_connection() {
    let authenticator = using([ntlm()]).declare(mail(), "NTLM").expect("a known scheme").build();
    let own = |value| Identity::CallersOwn(HeaderValue::from_static(value));
    let mut connection = Connection::new(&authenticator).acting_as(own("NTLM one"));
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).plain();
    connection.begin().bare();
    connection.receive(&ok()).plain();
    for other in [own("NTLM two"), Identity::None, Identity::Credentials(carol())] {
        connection.identity = other;
        assert_eq!(connection.begin().renewal(), Renewal::OtherIdentity);
    }
}

#[test]
fn nobody_gets_the_challenge_with_its_explanation() {
    let mut connection = Connection::new(&authenticator()).acting_as(Identity::None);
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["NTLM"])).tried();
    assert_eq!(tried, [("NTLM".to_owned(), Why::NoCredentials)]);
    // The connection was nobody's and can become carol's.
    connection.identity = Identity::Credentials(carol());
    connection.begin().bare();
}

#[test]
fn basic_speaks_first_for_its_user_and_never_for_the_next() {
    let authenticator = using([basic()]).build();
    let mut connection = Connection::new(&authenticator).with_body();
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Basic realm=x"])).leg(), ("Basic".to_owned(), Carried));
    assert_eq!(connection.receive(&ok()).login().legs, 2);
    // One leg, and nothing to report.
    assert_eq!(connection.begin().leg().1, Carried);
    connection.receive(&ok()).plain();
    assert_eq!(connection.legs, 1);

    let carols = connection.begin();
    connection.receive(&ok()).plain();
    connection.identity = Identity::None;
    connection.begin().bare();
    connection.receive(&ok()).plain();
    connection.identity = Identity::Credentials(Credentials::password("LAB\\dave", "dave-pw"));
    let daves = connection.begin();
    assert_ne!(value(carols), value(daves));
}

#[test]
fn a_wrong_final_token_fails() {
    let mut connection = Connection::new(&using([negotiate()]).build());
    let error = connection.converse(&mut Server::negotiate(ServerMic::Wrong)).error();
    assert!(matches!(error, HandshakeError::FinalToken(_)), "{error:?}");
    assert!(!connection.handshake.is_reusable());
}

#[test]
fn a_missing_final_token_is_accepted_where_ntlm_was_the_only_offer() {
    let mut connection = Connection::new(&using([negotiate()]).build());
    connection.converse(&mut Server::negotiate(ServerMic::Missing)).login();

    let mut connection = Connection::new(&using([negotiate()]).build());
    let mut server = Server::negotiate(ServerMic::Right);
    let mut said = connection.begin();
    let login = loop {
        let Said::Send(authorization, body) = said else { break said.login() };
        let mut response = server.answer(authorization.as_ref(), body);
        if response.status() == StatusCode::OK {
            response.headers_mut().clear();
        }
        said = connection.receive(&response);
    };
    assert_eq!((login.legs, login.mutual), (3, false));
}

#[test]
fn a_server_that_accepts_in_the_midst_of_the_exchange_fails() {
    let mut fake = Fake::new("Fake", |_| token(Expects::Success, true));
    fake.conclude = || token(Expects::Success, true);
    let mut connection = Connection::new(&using([Arc::new(fake) as Arc<dyn Scheme>]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Fake"])).leg();
    let error = connection.receive(&ok()).error();
    assert!(matches!(error, HandshakeError::FinalToken(_)), "{error:?}");
}

#[test]
fn endless_challenges_end() {
    let fake = Fake::new("Fake", |_| token(Expects::Challenge, false));
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>]).max_legs(5).build();
    let mut connection = Connection::new(&authenticator);
    let mut said = connection.begin();
    let error = loop {
        match said {
            Said::Send(..) => said = connection.receive(&unauthorized(&["Fake bW9yZQ=="])),
            _ => break said.error(),
        }
    };
    assert!(matches!(error, HandshakeError::TooManyLegs(5)), "{error:?}");
    assert_eq!(connection.legs, 5);
    assert!(!connection.handshake.is_reusable());
}

#[test]
fn an_answer_out_of_turn_is_an_error_not_a_panic() {
    let mut connection = Connection::new(&authenticator());
    connection.begin().bare();
    assert!(matches!(connection.proceed().error(), HandshakeError::OutOfTurn));
}

fn value(said: Said) -> HeaderValue {
    let Said::Send(Some(value), _) = said else { panic!("{said:?}") };
    value
}

/// A NegTokenResp that says `reject` (RFC 4178, section 4.2.2).
const REJECT: &str = "Negotiate oQcwBaADCgEC";

#[test]
fn a_rejected_negotiation_is_a_refusal_and_the_connection_ends_with_the_request() {
    // Before anything was derived from the password: another scheme may be tried.
    let mut connection = Connection::new(&using([negotiate(), basic()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Negotiate", "Basic realm=x"])).leg();
    let rejected = unauthorized(&[REJECT, "Basic realm=x"]);
    assert_eq!(connection.receive(&rejected).leg().0, "Basic");
    assert_eq!(connection.receive(&ok()).login().scheme, "Basic");
    assert!(!connection.handshake.is_reusable(), "a handshake that was the connection's has failed on it");

    let mut connection = Connection::new(&using([negotiate()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Negotiate"])).leg();
    let refusal = connection.receive(&unauthorized(&[REJECT])).refusal();
    assert!(matches!(&refusal.tried[..], [Tried { why: Why::CannotStart(_), .. }]), "{refusal}");
    assert!(!refusal.is_refusal() && refusal.to_string().contains("reject"), "{refusal}");
}

#[test]
fn a_request_goes_unasked_where_nobody_is_known_to_want_anything_of_it() {
    let plain = || using([ntlm(), basic()]);
    let goes = |connection: &mut Connection| {
        let identity = connection.identity.clone();
        connection.handshake.go_unasked(&identity, connection.path)
    };
    assert!(goes(&mut Connection::new(&plain().build())));

    let callers_own = Identity::CallersOwn(HeaderValue::from_static("Bearer own"));
    let own = Connection::new(&plain().build()).acting_as(callers_own.clone());
    let declared = Connection::new(&plain().declare(mail(), "Basic").expect("a known scheme").build());
    let required = plain().mutual_authentication(MutualAuthentication::Required).build();
    let mut owned = Connection::new(&plain().build()).acting_as(callers_own);
    owned.begin().bare();
    owned.receive(&ok()).plain();
    let mut awaiting = Connection::new(&plain().build());
    awaiting.handshake = awaiting.handshake.awaiting_channel_bindings();
    let remembering = plain().build();
    remembering.memory(Challenger::Origin, &mail()).remember("Basic", None, Binding::Request, None);
    let mut listening = Connection::new(&plain().declare(mail(), "NTLM").expect("a known scheme").build());
    listening.begin().leg();
    for (what, mut connection) in [
        ("the caller's own field", own),
        ("declared", declared),
        ("a proof is required", Connection::new(&required)),
        ("the caller's own connection", owned.acting_as(Identity::None)),
        ("bindings to come", awaiting),
        ("remembered", Connection::new(&remembering)),
        ("a leg is out", listening),
    ] {
        assert!(!goes(&mut connection), "{what}");
    }
}

#[test]
fn a_response_passes_through_where_nothing_is_to_be_told_about_it() {
    let begun = |builder: AuthenticatorBuilder| {
        let mut connection = Connection::new(&builder.build());
        connection.begin().bare();
        connection
    };
    let passes = |connection: &mut Connection, code: u16| {
        connection.handshake.passes_through(StatusCode::from_u16(code).expect("a status"))
    };
    let mut plain = begun(using([ntlm()]));
    assert!(!passes(&mut plain, 401) && passes(&mut plain, 200) && passes(&mut plain, 407));
    let mut required = begun(using([ntlm()]).mutual_authentication(MutualAuthentication::Required));
    assert!(!passes(&mut required, 200));
    let mut awaiting = Connection::new(&using([ntlm()]).build());
    awaiting.handshake = awaiting.handshake.awaiting_channel_bindings();
    awaiting.begin().bare();
    assert!(!passes(&mut awaiting, 200));
    awaiting.handshake.learn_channel_bindings(None);
    assert!(passes(&mut awaiting, 200));
    let mut listening =
        Connection::new(&using([ntlm()]).declare(mail(), "NTLM").expect("a known scheme").build());
    listening.begin().leg();
    assert!(!passes(&mut listening, 200), "a first message is out");
    let (mut established, _) = established(&using([ntlm()]).build());
    assert!(passes(&mut established, 200) && !passes(&mut established, 401));
}

#[test]
fn a_login_that_stands_is_told_with_each_response_where_that_is_asked_for() {
    for is_told in [false, true] {
        let (mut connection, mut server) = established(&using([ntlm()]).report_established(is_told).build());
        assert_ne!(connection.handshake.passes_through(StatusCode::OK), is_told);
        match is_told {
            true => assert_eq!(connection.converse(server.anew()).login().scheme, "NTLM"),
            false => connection.converse(server.anew()).plain(),
        }
    }
}

#[test]
fn the_identity_of_another_program_is_not_this_ones() {
    let authenticator = || using([basic()]).credentials(mail(), carol()).build();
    let (own, other) = (authenticator(), authenticator());
    assert!(Connection::new(&own).handshake.provider().is_some());
    for (identity, is_asked) in [(own.identity(), false), (other.identity(), true)] {
        let mut connection = Connection::new(&own).acting_as(identity);
        connection.begin().bare();
        let said = connection.receive(&unauthorized(&["Basic realm=x"]));
        assert_eq!(matches!(said, Said::Send(Some(_), _)), !is_asked, "{said:?}");
        assert_eq!(connection.questions.is_empty(), !is_asked);
    }
}

#[test]
fn how_a_leg_with_the_body_may_fare_depends_on_who_could_be_asked_to_log_in() {
    let outlook = |builder: AuthenticatorBuilder, identity: Option<Identity>| {
        let authenticator = builder.build();
        let identity = identity.unwrap_or_else(|| authenticator.identity());
        let mut connection = Connection::new(&authenticator).acting_as(identity).with_body();
        connection.begin().bare();
        let before = connection.handshake.outlook();
        // It has heard that nobody asks.
        connection.demand = connection.handshake.demand().let_through();
        connection.handshake = Handshake::new(authenticator, Challenger::Origin, mail(), None);
        connection.begin().bare();
        (before, connection.handshake.outlook())
    };
    let plain = || using([basic()]);
    let elsewhere = || plain().credentials(plain_mail(), carol());
    let callers_own = Identity::CallersOwn(HeaderValue::from_static("Bearer own"));
    for (builder, identity, before) in [
        (plain(), Some(Identity::Credentials(carol())), Outlook::Unknown),
        (plain().credentials(mail(), carol()), None, Outlook::Unknown),
        (elsewhere(), None, Outlook::Clear),
        (plain(), Some(Identity::None), Outlook::Clear),
        (plain(), Some(callers_own), Outlook::Clear),
    ] {
        assert_eq!(outlook(builder, identity), (before, Outlook::Clear));
    }
}

#[test]
fn persistent_auth_counts_from_the_origin_and_of_a_login_by_connection() {
    // Basic's credentials go with each request, whatever a server says.
    for says in ["true", "false"] {
        let mut connection = Connection::new(&using([basic()]).build());
        connection.begin().bare();
        connection.receive(&unauthorized(&["Basic realm=x"])).leg();
        connection.receive(&with(ok(), "persistent-auth", says)).login();
        assert!(!connection.handshake.is_established());
        assert_eq!(connection.begin().leg().0, "Basic");
    }
    // What a proxy passes on is the origin's word.
    let mut connection = Connection::to(&using([ntlm()]).build(), Challenger::Proxy, mail());
    connection.begin().bare();
    connection.receive(&challenged_by(Challenger::Proxy, &["NTLM"])).leg();
    let type_2 = type_2().headers()["www-authenticate"].to_str().expect("ASCII").to_owned();
    connection.receive(&challenged_by(Challenger::Proxy, &[&type_2])).leg();
    connection.receive(&with(ok(), "persistent-auth", "false")).login();
    assert!(connection.handshake.is_established());
}
