//! Which scheme, and what happens if it cannot be had.

use super::tickets::Tickets;
use super::*;
use crate::mechanism::ErrorKind;
use crate::mechanism::spnego::Spnego;
use BodyUse::{Carried, Withheld};

fn scheme(name: &str) -> String {
    name.to_owned()
}

#[test]
fn the_strongest_scheme_is_chosen_whatever_the_servers_order() {
    let (b, n, s) = ("Basic realm=\"x\"", "NTLM", "Negotiate");
    for lines in [&[b, n, s][..], &[s, n, b], &[n, s], &["Basic realm=\"x\", NTLM, Negotiate"]] {
        let mut connection = Connection::new(&authenticator());
        connection.begin().bare();
        assert_eq!(connection.receive(&unauthorized(lines)).leg(), (scheme("Negotiate"), Carried));
    }
    let mut connection = Connection::new(&using([basic(), ntlm()]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&[n, b])).leg().0, "Basic");
}

#[test]
fn a_refusal_explains_the_schemes_that_cannot_be_used() {
    let mut connection = Connection::to(&authenticator(), Challenger::Origin, plain_mail());
    connection.begin().bare();
    let refusal = connection.receive(&unauthorized(&["Basic realm=\"x\", Hoba, Digest realm=y"])).refusal();
    assert_eq!(refusal.legs, 1);
    assert_eq!(
        refusal.to_string(),
        "did not log in at http://mail.example: Basic: would show the password on a connection without TLS; \
         Hoba: not supported; Digest: could not start: the challenge has no nonce",
    );
}

#[test]
fn basic_goes_over_plain_http_by_the_dangerous_option_for_its_challenger_alone() {
    use Challenger::{Origin, Proxy};
    for (challenger, to_origins, to_proxies, origin, goes) in [
        (Origin, false, false, plain_mail(), false),
        (Origin, false, true, plain_mail(), false),
        (Origin, true, false, plain_mail(), true),
        (Origin, false, false, mail(), true),
        (Proxy, false, false, plain_mail(), false),
        (Proxy, true, false, plain_mail(), false),
        (Proxy, false, true, plain_mail(), true),
        (Proxy, false, false, mail(), true),
    ] {
        let builder = builder()
            .dangerous_secrets_over_plain_http(to_origins)
            .dangerous_secrets_to_plain_http_proxies(to_proxies);
        let declared = builder.declare(origin.clone(), "Basic").expect("a known scheme");
        let authenticator = declared.declare_proxy(origin.clone(), "Basic").expect("a known scheme").build();
        let mut connection = Connection::to(&authenticator, challenger, origin);
        let said = connection.begin();
        if goes {
            assert_eq!(said.leg(), (scheme("Basic"), Carried), "{challenger}");
        } else {
            said.bare();
            let tried = connection.receive(&challenged_by(challenger, &["Basic realm=x"])).tried();
            assert_eq!(tried, [(scheme("Basic"), Why::RevealsSecret)]);
        }
    }
}

#[test]
fn proxies_have_schemes_of_their_own_in_an_order_of_their_own() {
    use Challenger::{Origin, Proxy};
    let offered = &["Digest realm=r, nonce=n", "NTLM", "Basic realm=r"];
    let sends = |builder: AuthenticatorBuilder, challenger: Challenger| {
        let mut connection = Connection::to(&builder.build(), challenger, mail());
        connection.begin().bare();
        connection.receive(&challenged_by(challenger, offered))
    };
    let apart = || using([basic(), ntlm()]).proxy_schemes([ntlm(), basic()]);
    assert_eq!(sends(apart(), Origin).leg(), (scheme("Basic"), Carried));
    assert_eq!(sends(apart(), Proxy).leg().0, scheme("NTLM"));
    // Unless they are set, they are those for origins, whichever are set later.
    for challenger in [Origin, Proxy] {
        assert_eq!(sends(using([basic(), ntlm()]), challenger).leg(), (scheme("Basic"), Carried));
    }
    let tried = sends(using([ntlm()]).proxy_schemes(Schemes::new()), Proxy).tried();
    assert_eq!(tried, ["Digest", "NTLM", "Basic"].map(|name| (scheme(name), Why::Unsupported)));
}

#[test]
fn a_mechanism_takes_its_schemes_place_at_proxies_too() {
    let names = |builder: AuthenticatorBuilder| {
        let authenticator = builder.build();
        [Challenger::Origin, Challenger::Proxy].map(|challenger| {
            authenticator.schemes(challenger).iter().map(|scheme| scheme.name()).collect::<Vec<_>>()
        })
    };
    let own = || NtlmScheme::new(Ntlm::new());
    let at_proxies = using([basic()]).proxy_schemes([basic(), ntlm()]).ntlm(own());
    assert_eq!(names(at_proxies), [vec!["Basic"], vec!["Basic", "NTLM"]]);
    let nowhere = using([basic()]).proxy_schemes([basic()]).ntlm(own());
    assert_eq!(names(nowhere), [vec!["NTLM", "Basic"], vec!["Basic"]]);
    let everywhere = using([basic()]).ntlm(own());
    assert_eq!(names(everywhere), [vec!["NTLM", "Basic"], vec!["NTLM", "Basic"]]);
}

#[test]
fn what_is_declared_for_a_proxy_is_one_of_the_proxies_schemes() {
    let apart = || using([basic()]).proxy_schemes([ntlm()]);
    assert!(apart().declare(mail(), "Basic").is_ok() && apart().declare_proxy(mail(), "NTLM").is_ok());
    let error = apart().declare_proxy(mail(), "Basic").expect_err("it is for origins").to_string();
    assert!(error.ends_with("the authenticator has only NTLM"), "{error}");
    let error = apart().declare(mail(), "NTLM").expect_err("it is for proxies").to_string();
    assert!(error.ends_with("the authenticator has only Basic"), "{error}");
}

#[test]
fn a_scheme_that_cannot_start_makes_room_for_the_next() {
    let mut connection = Connection::new(&using([Arc::new(Fake::new("Fake", no_ticket)), ntlm()]).build());
    let mut server = Server::ntlm().listing(&["Fake"]);
    let login = connection.converse(&mut server).login();
    assert_eq!((login.scheme, login.legs), ("NTLM", 3));
}

#[test]
fn a_login_and_a_refusal_say_which_mechanism_was_wanted_more_and_why_it_was_not_used() {
    let tickets = Tickets::default();
    tickets.refuse(ErrorKind::Credentials, "the clock is 10 minutes off");
    let both = Spnego::new(vec![Arc::new(tickets), Arc::new(Ntlm::new())]);
    let authenticator = using([Arc::new(Negotiate::new(both))]).build();
    let passed_over = Some("Tickets: the clock is 10 minutes off");

    let mut connection = Connection::new(&authenticator);
    let login = connection.converse(&mut Server::negotiate(ServerMic::default())).login();
    assert_eq!((login.mechanism, login.passed_over.as_deref()), ("NTLM", passed_over));

    let wrong = Identity::Credentials(Credentials::password("carol", "wrong"));
    let mut connection = Connection::new(&authenticator).acting_as(wrong);
    let refusal = connection.converse(&mut Server::negotiate(ServerMic::default())).refusal();
    assert_eq!(refusal.tried[0].passed_over.as_deref(), passed_over);
    assert_eq!(
        refusal.to_string(),
        "https://mail.example refused the login: Negotiate: refused (the server rejected the negotiation) (without Tickets: \
         the clock is 10 minutes off)",
    );
}

#[test]
fn a_scheme_that_cannot_start_is_explained_once_even_if_it_would_speak_first() {
    let authenticator = using([Arc::new(Fake::new("Fake", no_ticket)) as Arc<dyn Scheme>])
        .declare(mail(), "Fake")
        .expect("a known scheme")
        .build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Fake"])).tried();
    assert_eq!(tried, [(scheme("Fake"), Why::CannotStart(scheme("there is no ticket")))]);
}

#[test]
fn a_bare_answer_to_the_first_message_on_a_fresh_connection_leads_to_the_next_scheme() {
    let offer = unauthorized(&["Negotiate", "Basic realm=x"]);
    let mut connection = Connection::new(&authenticator()).with_body();
    connection.begin().bare();
    assert_eq!(connection.receive(&offer).leg(), (scheme("Negotiate"), Withheld));
    assert_eq!(connection.receive(&offer).leg(), (scheme("Basic"), Carried));
    let login = connection.receive(&ok()).login();
    assert_eq!((login.scheme, login.legs), ("Basic", 3));
}

#[test]
fn a_bare_answer_to_the_first_message_on_a_used_connection_asks_for_a_new_one() {
    let mut connection = Connection::new(&using([ntlm()]).build());
    let mut server = Server::ntlm();
    connection.converse(&mut server).login();
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().0, "NTLM");
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).renewal(), Renewal::NotTaken);
    assert!(!connection.handshake.is_reusable());
    assert_eq!(connection.begin().renewal(), Renewal::Spoiled);
}

#[test]
fn bare_answers_to_every_first_message_end_with_the_weakest_scheme_on_the_second_connection() {
    let authenticator = authenticator();
    let offer = unauthorized(&["Negotiate", "NTLM", "NTLM", "Basic realm=x"]);
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    assert_eq!(connection.receive(&offer).leg().0, "Negotiate");
    assert_eq!(connection.receive(&offer).leg().0, "NTLM");
    // Perhaps the first attempt spoiled the connection: NTLM gets one of its own.
    assert_eq!(connection.receive(&offer).renewal(), Renewal::NotTaken);

    let mut connection = Connection::new(&authenticator);
    assert_eq!(connection.begin().leg().0, "NTLM");
    assert_eq!(connection.receive(&offer).leg().0, "Negotiate");
    assert_eq!(connection.receive(&offer).leg().0, "Basic");
    assert_eq!(connection.receive(&ok()).login().scheme, "Basic");
}

#[test]
fn a_declared_scheme_speaks_first() {
    let authenticator = using([ntlm()]).declare(mail(), "ntlm").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator).with_body();
    let mut server = Server::ntlm();
    let login = connection.converse(&mut server).login();
    assert_eq!((login.legs, &server.heard[..]), (2, &[scheme("NTLM"), scheme("NTLM")][..]));
}

#[test]
fn a_declared_scheme_that_is_not_offered_gives_way() {
    let authenticator = builder().declare(mail(), "NTLM").expect("a known scheme").build();
    let mut connection = Connection::new(&authenticator);
    let mut server = Server::negotiate(ServerMic::Right);
    assert_eq!(connection.converse(&mut server).login().scheme, "Negotiate");
    assert_eq!(server.heard, ["NTLM", "Negotiate", "Negotiate"]);
}

#[test]
fn what_one_origin_wants_says_nothing_about_another() {
    let authenticator = using([ntlm()]).build();
    Connection::new(&authenticator).converse(&mut Server::ntlm()).login();
    assert_eq!(Connection::new(&authenticator).begin().leg().0, "NTLM");
    for (challenger, origin) in [
        (Challenger::Proxy, "https://mail.example"),
        (Challenger::Origin, "http://mail.example"),
        (Challenger::Origin, "https://mail.example:444"),
        (Challenger::Origin, "https://www.mail.example"),
    ] {
        let origin: Origin = origin.parse().expect("an origin");
        assert_eq!(authenticator.memory(challenger, &origin).scheme(), None);
        Connection::to(&authenticator, challenger, origin).begin().bare();
    }
}

#[test]
fn a_malformed_second_message_leads_to_the_next_scheme() {
    let type_2 = unauthorized(&["NTLM TlRMTVNTUAACAAAA", "Basic realm=x"]);
    // Asked, and speaking first.
    let authenticator = using([ntlm(), basic()]).build();
    for speaks_first in [false, true] {
        let authenticator = match speaks_first {
            true => using([ntlm(), basic()]).declare(mail(), "NTLM").expect("a known scheme").build(),
            false => authenticator.clone(),
        };
        let mut connection = Connection::new(&authenticator);
        let mut said = connection.begin();
        if !speaks_first {
            said.bare();
            said = connection.receive(&unauthorized(&["NTLM", "Basic realm=x"]));
        }
        assert_eq!(said.leg().0, "NTLM");
        assert_eq!(connection.receive(&type_2).leg().0, "Basic");
        assert_eq!(connection.receive(&ok()).login().scheme, "Basic");
    }
}

#[test]
fn a_malformed_second_message_without_another_scheme_is_an_error() {
    let mut connection = Connection::new(&using([ntlm()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    let error = connection.receive(&unauthorized(&["NTLM TlRMTVNTUAACAAAA"])).error();
    assert!(matches!(error, HandshakeError::Scheme(_)), "{error:?}");
    assert!(!connection.handshake.is_reusable());
}

#[test]
fn a_scheme_that_cannot_start_after_another_was_sent_is_a_refusal_not_an_error() {
    let fake = Arc::new(Fake::new("Fake", no_ticket));
    let mut connection = Connection::new(&using([ntlm(), fake]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM", "Fake"])).leg().0, "NTLM");
    let tried = connection.receive(&unauthorized(&["NTLM", "Fake"])).tried();
    assert!(matches!(&tried[..], [(_, Why::CannotStart(_)), (_, Why::CannotStart(_))]), "{tried:?}");
}

#[test]
fn a_challenge_with_a_token_goes_before_a_bare_one_of_the_same_scheme() {
    let mut connection = Connection::new(&using([ntlm()]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    let mut both = type_2();
    let token = both.headers()["www-authenticate"].clone();
    both.headers_mut().insert("www-authenticate", HeaderValue::from_static("NTLM"));
    both.headers_mut().append("www-authenticate", token);
    assert_eq!(connection.receive(&both).leg(), (scheme("NTLM"), Carried));
}

#[test]
fn a_provider_without_credentials_is_asked_for_each_scheme_and_realm() {
    let authenticator = builder().build();
    let provider = Identity::Provider(crate::handshake::ProviderId::unique());
    let mut connection = Connection::new(&authenticator).acting_as(provider);
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["NTLM", "Basic realm=a", "Basic realm=b"])).tried();
    assert_eq!(
        tried.iter().map(|(_, why)| why.clone()).collect::<Vec<_>>(),
        vec![Why::NoCredentials; 2],
        "told once for each scheme"
    );
    let asked: Vec<_> =
        connection.questions.iter().map(|question| (question.scheme, question.realm.as_deref())).collect();
    assert_eq!(asked, [("NTLM", None), ("Basic", Some("a")), ("Basic", Some("b"))]);

    connection.found = Some(carol());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["NTLM"])).leg().0, "NTLM");
}

#[test]
fn realms_of_schemes_that_have_none_are_passed_over() {
    let provider = Identity::Provider(crate::handshake::ProviderId::unique());
    let mut connection = Connection::new(&authenticator()).acting_as(provider);
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM realm=\"made up\""])).refusal();
    assert_eq!(connection.questions[0].realm, None);
}

#[test]
fn basic_is_sent_again_for_another_realm_and_not_for_the_same_among_several() {
    let authenticator = using([basic()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&unauthorized(&["Basic realm=a"])).leg();
    connection.receive(&ok()).login();

    // Another protection space: its own login, at its own try.
    assert_eq!(connection.begin().leg().0, "Basic");
    assert_eq!(connection.receive(&unauthorized(&["Basic realm=b"])).leg().0, "Basic");
    let login = connection.receive(&ok()).login();
    assert_eq!(login.legs, 2);

    // The realm is in the list: that is an answer.
    assert_eq!(connection.begin().leg().0, "Basic");
    let tried = connection.receive(&unauthorized(&["Basic realm=a", "Basic realm=b"])).tried();
    assert_eq!(tried, [(scheme("Basic"), Why::Refused(None))], "it was accepted for the same before");
}

#[test]
fn a_proxys_challenger_uses_its_own_status_and_fields() {
    let proxy: Origin = "http://proxy.example:3128".parse().expect("an origin");
    let authenticator = using([ntlm()]).build();
    let mut connection = Connection::to(&authenticator, Challenger::Proxy, proxy);
    connection.begin().bare();
    // The origin's challenge is not the proxy's business.
    let pass = |connection: &mut Connection, response: &Response<()>| {
        connection.drive(|handshake, request| handshake.receive(ResponseHead::of(response), request))
    };
    pass(&mut connection, &unauthorized(&["NTLM"])).plain();

    connection.begin().bare();
    assert_eq!(connection.receive(&with(status(407), "proxy-authenticate", "NTLM")).leg().0, "NTLM");
    let token = type_2().headers()["www-authenticate"].to_str().expect("ASCII").to_owned();
    assert_eq!(connection.receive(&with(status(407), "proxy-authenticate", &token)).leg().0, "NTLM");
    let login = pass(&mut connection, &unauthorized(&["NTLM"])).login();
    assert_eq!((login.challenger, login.legs), (Challenger::Proxy, 3));
    assert!(connection.handshake.is_established());

    let mut refused = Connection::to(&authenticator, Challenger::Proxy, mail());
    refused.begin().bare();
    let elsewhere = with(status(407), "www-authenticate", "NTLM");
    assert_eq!(refused.receive(&elsewhere).tried(), []);
}

// RFC 4559, section 6
#[test]
fn a_connection_behind_a_proxy_is_logged_in_once_the_proxy_has_said_that_it_ties_it() {
    let relay: Origin = "http://proxy.example:3128".parse().expect("an origin");
    let authenticator = using([ntlm(), basic()]).declare(mail(), "NTLM").expect("a known scheme").build();
    let relayed = || {
        let mut connection = Connection::new(&authenticator);
        connection.handshake = connection.handshake.relayed_by(&relay);
        connection
    };
    let mut silent = relayed();
    silent.begin().bare();
    assert_eq!(silent.receive(&unauthorized(&["NTLM"])).tried(), [(scheme("NTLM"), Why::NoProxySupport)]);

    let mut tied = relayed();
    tied.begin().bare();
    let said = with(unauthorized(&["NTLM"]), "proxy-support", "Other, session-based-authentication");
    assert_eq!(tied.receive(&said).leg().0, "NTLM");
    drop(tied);

    // It speaks first from now on, until the proxy has nothing to say for a challenge of the kind.
    let mut known = relayed();
    assert_eq!(known.begin().leg().0, "NTLM");
    known.receive(&unauthorized(&["Hoba"])).refusal();
    let mut withdrawn = relayed();
    assert_eq!(withdrawn.begin().leg().0, "NTLM");
    let refusal = withdrawn.receive(&unauthorized(&["NTLM"])).tried();
    assert!(refusal.contains(&(scheme("NTLM"), Why::NoProxySupport)), "{refusal:?}");
    relayed().begin().bare();
}

#[test]
fn what_no_scheme_is_called_cannot_be_declared() {
    let declare = |name| using([ntlm(), basic()]).declare(mail(), name);
    let error = declare("NTML").expect_err("no scheme");
    let says =
        "cannot declare the scheme \"NTML\" for https://mail.example: the authenticator has only NTLM, Basic";
    assert_eq!(error.to_string(), says);
    using([ntlm()]).declare_proxy(mail(), "Digest").expect_err("it has none");
    // In any case.
    let mut connection = Connection::new(&declare("ntlm").expect("NTLM").build());
    assert_eq!(connection.begin().leg().0, "NTLM");
}
