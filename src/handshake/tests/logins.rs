//! A connection to a proxy, which passes requests on to an origin: both may want a login.

use super::*;
use crate::channel_bindings::ChannelBindings;
use crate::handshake::ProxyOutcome;
use crate::handshake::logins::{Acting, Logins, WireRequest};
use crate::scheme::Digest;

/// The connection, with somebody who runs its steps.
struct Pair {
    logins: Logins,
    has_body: bool,
    method: Method,
}

/// What a leg carries.
#[derive(Debug, PartialEq, Eq)]
struct Sent {
    proxy: Option<String>,
    origin: Option<String>,
    body: BodyUse,
}

/// What both come to.
#[derive(Debug)]
enum Both {
    Send(Sent),
    Deliver(Option<Outcome>, Option<ProxyOutcome>),
    Wait,
    Fail(HandshakeError),
}

impl Pair {
    fn new(authenticator: &Authenticator) -> Self {
        let handshake = |challenger, origin| Handshake::new(authenticator.clone(), challenger, origin, None);
        let origin = handshake(Challenger::Origin, plain_mail()).relayed_by(&proxy());
        let logins = Logins::new(origin, Some(handshake(Challenger::Proxy, proxy())));
        Self { logins, has_body: false, method: Method::GET }
    }

    fn begin(&mut self) -> Both {
        let (origin, proxy) = (Identity::Credentials(carol()), Identity::Credentials(dave()));
        self.drive(None, |logins, request| logins.begin(Acting::new(origin, proxy), request))
    }

    fn receive(&mut self, response: &Response<()>) -> Both {
        let head = ResponseHead::of(response);
        self.drive(Some(head), |logins, request| logins.receive(head, request))
    }

    fn drive(
        &mut self,
        head: Option<ResponseHead<'_>>,
        act: impl FnOnce(&mut Logins, WireRequest<'_>) -> Action,
    ) -> Both {
        let (target, beyond) = (Uri::from_static("http://mail.example/page"), Uri::from_static("/page"));
        let moments = FixedMoment(now());
        let request = WireRequest {
            on_the_wire: RequestContext::new(&self.method, &target, self.has_body, &moments),
            beyond_proxy: Some(&beyond),
        };
        let mut action = act(&mut self.logins, request);
        loop {
            let answer = match action {
                Action::Step(job) => Answer::Stepped(job.run(Moment::new(now(), [7; 32]))),
                Action::Send { body, .. } => {
                    let mut sent = Sent { proxy: None, origin: None, body };
                    for (challenger, value) in self.logins.authorizations() {
                        match challenger {
                            Challenger::Proxy => sent.proxy = Some(scheme_of(&value)),
                            Challenger::Origin => sent.origin = Some(scheme_of(&value)),
                        }
                    }
                    self.logins.leg_sent();
                    return Both::Send(sent);
                }
                Action::Deliver(outcome) => {
                    let of_proxy = self.logins.take_proxy_outcome();
                    return Both::Deliver(outcome.map(|outcome| *outcome), of_proxy);
                }
                Action::Wait(_) => return Both::Wait,
                Action::Fail(error) => return Both::Fail(error),
                action => panic!("{action:?}"),
            };
            action = self.logins.resume(answer, head, request);
        }
    }
}

#[track_caller]
fn leg(proxy: &str, origin: &str, body: BodyUse) -> Sent {
    let scheme = |name: &str| Some(name.to_owned()).filter(|name| name != "-");
    Sent { proxy: scheme(proxy), origin: scheme(origin), body }
}

#[track_caller]
fn sent(said: Both) -> Sent {
    match said {
        Both::Send(sent) => sent,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn delivered(said: Both) -> (Option<Outcome>, Option<ProxyOutcome>) {
    match said {
        Both::Deliver(outcome, of_proxy) => (outcome, of_proxy),
        other => panic!("{other:?}"),
    }
}

fn proxy() -> Origin {
    "http://proxy.example:3128".parse().expect("an origin")
}

fn dave() -> Credentials {
    Credentials::password("dave", "dave-pw")
}

/// A proxy's challenge.
fn required(challenges: &[&str]) -> Response<()> {
    challenged_by(Challenger::Proxy, challenges)
}

fn proxys_type_2() -> Response<()> {
    required(&[type_2().headers()["www-authenticate"].to_str().expect("ASCII")])
}

fn both() -> Authenticator {
    using([ntlm(), basic()])
        .dangerous_secrets_over_plain_http(true)
        .dangerous_secrets_to_plain_http_proxies(true)
        .build()
}

use BodyUse::{Carried, Withheld};

#[test]
fn the_proxys_login_comes_first_and_goes_with_each_leg_of_the_origins() {
    let mut pair = Pair::new(&both());
    pair.has_body = true;
    assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
    assert_eq!(sent(pair.receive(&required(&["Basic realm=p"]))), leg("Basic", "-", Carried));
    let ties = with(unauthorized(&["NTLM"]), "proxy-support", "Session-Based-Authentication");
    assert_eq!(sent(pair.receive(&ties)), leg("Basic", "NTLM", Withheld));
    assert_eq!(sent(pair.receive(&type_2())), leg("Basic", "NTLM", Carried));
    let (outcome, of_proxy) = delivered(pair.receive(&ok()));
    let Some(Outcome::LoggedIn(login)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((login.challenger, login.scheme, login.legs), (Challenger::Origin, "NTLM", 3));
    let Some(ProxyOutcome(Outcome::LoggedIn(login))) = of_proxy else { panic!("{of_proxy:?}") };
    assert_eq!((login.challenger, login.scheme), (Challenger::Proxy, "Basic"));
}

#[test]
fn a_digest_challenge_behind_a_proxy_is_known_to_be_the_latest() {
    let digest: Arc<dyn Scheme> = Arc::new(Digest::default());
    let authenticator = using([digest, ntlm()]).build();
    let challenge = "Digest realm=a, nonce=n, qop=auth";
    let mut pair = Pair::new(&authenticator);
    assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
    let of_proxy = "Digest realm=p, nonce=n, qop=auth";
    assert_eq!(sent(pair.receive(&required(&[of_proxy]))), leg("Digest", "-", Carried));
    assert_eq!(sent(pair.receive(&unauthorized(&[challenge]))), leg("Digest", "Digest", Carried));
    delivered(pair.receive(&ok()));
    // The proxy is known by now, and lets the origin's challenge pass.
    let mut pair = Pair::new(&authenticator);
    let other = "Digest realm=b, nonce=n, qop=auth";
    assert_eq!(sent(pair.begin()), leg("Digest", "Digest", Carried));
    assert_eq!(sent(pair.receive(&unauthorized(&[other]))), leg("Digest", "Digest", Carried));
    delivered(pair.receive(&ok()));
    // The proxy's login of several legs goes ahead of the origin's.
    let mut pair = Pair::new(&using([Arc::new(Digest::default()), ntlm()]).build());
    assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
    assert_eq!(sent(pair.receive(&required(&["NTLM"]))), leg("NTLM", "-", Carried));
    assert_eq!(sent(pair.receive(&proxys_type_2())), leg("NTLM", "-", Carried));
    assert_eq!(sent(pair.receive(&unauthorized(&[challenge]))), leg("-", "Digest", Carried));
    delivered(pair.receive(&ok()));
}

#[test]
fn while_the_proxys_own_handshake_is_under_way_the_origin_sees_nothing() {
    let mut pair = Pair::new(&both());
    pair.has_body = true;
    assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
    assert_eq!(sent(pair.receive(&required(&["NTLM"]))), leg("NTLM", "-", Withheld));
    assert_eq!(sent(pair.receive(&proxys_type_2())), leg("NTLM", "-", Carried));
    let (outcome, of_proxy) = delivered(pair.receive(&ok()));
    assert!(matches!(outcome, Some(Outcome::LoggedIn(login)) if login.challenger == Challenger::Proxy));
    assert!(matches!(of_proxy, Some(ProxyOutcome(Outcome::LoggedIn(_)))));
}

#[test]
fn a_refusal_of_the_one_names_it_and_leaves_the_other_in_peace() {
    let mut pair = Pair::new(&both());
    sent(pair.begin());
    sent(pair.receive(&required(&["Basic realm=p"])));
    let (outcome, of_proxy) = delivered(pair.receive(&required(&["Basic realm=p"])));
    let Some(Outcome::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
    assert_eq!((refusal.challenger, &refusal.origin), (Challenger::Proxy, &proxy()));
    assert!(matches!(of_proxy, Some(ProxyOutcome(Outcome::Refused(_)))), "{of_proxy:?}");
    let words = refusal.to_string();
    assert!(
        words.starts_with("the proxy http://proxy.example:3128 refused the login: Basic: wrong"),
        "{words}"
    );
}

#[test]
fn a_proxy_that_refuses_with_the_origins_status_is_the_one_that_refused() {
    let shapes = [
        ("no challenge at all", closing(unauthorized(&[])), Method::GET),
        ("its own realm", unauthorized(&["Basic realm=p"]), Method::GET),
        (
            "both fields",
            with(unauthorized(&["Basic realm=o"]), "proxy-authenticate", "Basic realm=p"),
            Method::GET,
        ),
        ("a tunnel", unauthorized(&["Basic realm=o"]), Method::CONNECT),
    ];
    for (shape, refusal, method) in shapes {
        let authenticator = both();
        for attempt in 0..2 {
            let mut pair = Pair::new(&authenticator);
            pair.method = method.clone();
            assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
            let said = pair.receive(&required(&["Basic realm=p"]));
            let said = if attempt == 0 {
                assert_eq!(sent(said), leg("Basic", "-", Carried), "{shape}");
                pair.receive(&refusal)
            } else {
                said
            };
            let (outcome, _) = delivered(said);
            let Some(Outcome::Refused(refusal)) = outcome else { panic!("{shape}: {outcome:?}") };
            assert_eq!(refusal.challenger, Challenger::Proxy, "{shape}");
            assert_eq!(refusal.legs, if attempt == 0 { 2 } else { 1 }, "{shape}");
            let why = &refusal.tried.last().expect("it was tried").why;
            assert_eq!(matches!(why, Why::RefusedBefore), attempt == 1, "{shape}: {why:?}");
        }
    }
    // Another realm is the origin's: the proxy has let the request through.
    let mut pair = Pair::new(&both());
    sent(pair.begin());
    sent(pair.receive(&required(&["Basic realm=p"])));
    assert_eq!(sent(pair.receive(&unauthorized(&["Basic realm=o"]))), leg("Basic", "Basic", Carried));
}

#[test]
fn nobody_waits_for_a_turn_who_holds_one_that_has_not_been_used() {
    let authenticator = both();
    let mut pair = Pair::new(&authenticator);
    sent(pair.begin());
    sent(pair.receive(&required(&["Basic realm=p"])));
    delivered(pair.receive(&ok()));
    let memory = authenticator.memory(Challenger::Origin, &plain_mail());
    memory.remember("Basic", Some("o".into()), Binding::Request, None);
    // Proven at the proxy, on trial at the origin.
    let mut first = Pair::new(&authenticator);
    assert_eq!(sent(first.begin()), leg("Basic", "Basic", Carried));
    // It may try at the proxy, and so does not wait at the origin before that has asked.
    let mut second = Pair::new(&authenticator);
    assert_eq!(sent(second.begin()), leg("Basic", "-", Carried));
    let challenged = second.receive(&unauthorized(&["Basic realm=o"]));
    assert!(matches!(challenged, Both::Wait), "{challenged:?}");
}

/// A proxy that is declared to want NTLM, and a POST with a body.
fn declared() -> Pair {
    let builder = using([ntlm(), basic()]).dangerous_secrets_over_plain_http(true);
    let mut pair = Pair::new(&builder.declare_proxy(proxy(), "NTLM").expect("a known scheme").build());
    (pair.has_body, pair.method) = (true, Method::POST);
    pair
}

#[test]
fn what_answers_a_proxys_leg_that_nobody_asked_for_costs_no_body() {
    for code in [200, 302, 400, 404, 411, 503] {
        let mut pair = declared();
        assert_eq!(sent(pair.begin()), leg("NTLM", "-", Withheld));
        assert_eq!(sent(pair.receive(&status(code))), leg("-", "-", Carried));
        delivered(pair.receive(&status(code)));
    }
}

/// It may be the origin's answer to a request without its body.
#[test]
fn the_body_follows_what_answers_a_proxys_leg_that_the_origin_has_not_asked_for() {
    for code in [200, 302, 400, 404, 411, 503] {
        let mut pair = Pair::new(&both());
        (pair.has_body, pair.method) = (true, Method::POST);
        assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
        assert_eq!(sent(pair.receive(&required(&["NTLM"]))), leg("NTLM", "-", Withheld));
        assert_eq!(sent(pair.receive(&status(code))), leg("-", "-", Carried));
        let answer = if code == 200 { required(&["NTLM"]) } else { status(code) };
        let (outcome, _) = delivered(pair.receive(&answer));
        assert_eq!(matches!(outcome, Some(Outcome::Refused(_))), code == 200, "{outcome:?}");
    }
}

/// What the origin asked of the request before says nothing of this one.
#[test]
fn the_body_follows_on_a_connection_whose_origin_has_asked_before() {
    let authenticator = both();
    let mut pair = Pair::new(&authenticator);
    (pair.has_body, pair.method) = (true, Method::POST);
    assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
    assert_eq!(sent(pair.receive(&unauthorized(&["Basic realm=o"]))), leg("-", "Basic", Carried));
    delivered(pair.receive(&ok()));

    // The proxy asks for a login on another connection.
    let as_nobody = || Acting::new(Identity::None, Identity::Credentials(dave()));
    let mut other = Pair::new(&authenticator);
    sent(other.drive(None, |logins, request| logins.begin(as_nobody(), request)));
    assert_eq!(sent(other.receive(&required(&["NTLM"]))), leg("NTLM", "-", Carried));
    assert_eq!(sent(other.receive(&proxys_type_2())), leg("NTLM", "-", Carried));
    delivered(other.receive(&ok()));

    let begun = pair.drive(None, |logins, request| logins.begin(as_nobody(), request));
    assert_eq!(sent(begun), leg("NTLM", "-", Withheld));
    assert_eq!(sent(pair.receive(&status(400))), leg("-", "-", Carried));
    delivered(pair.receive(&status(400)));
}

/// The same user at both, after a login that was lost: one goes on its own, and would wait for itself.
#[test]
fn the_origins_login_makes_way_for_the_proxys() {
    for scheme in ["NTLM", "Basic"] {
        let builder = using([ntlm(), basic()]).assume_proxy_support(true);
        let builder = builder.dangerous_secrets_over_plain_http(true);
        let authenticator = builder.declare(plain_mail(), scheme).expect("a known scheme").build();
        let begin = |pair: &mut Pair| {
            let both = Acting::new(Identity::Credentials(carol()), Identity::Credentials(carol()));
            sent(pair.drive(None, |logins, request| logins.begin(both, request)))
        };
        let mut lost = Pair::new(&authenticator);
        begin(&mut lost);
        if scheme == "NTLM" {
            sent(lost.receive(&type_2()));
        }
        lost.logins.lose_connection(std::time::Instant::now());

        let mut pair = Pair::new(&authenticator);
        assert_eq!(begin(&mut pair).origin.as_deref(), Some(scheme));
        assert_eq!(sent(pair.receive(&required(&["NTLM"]))).proxy.as_deref(), Some("NTLM"), "{scheme}");
        assert_eq!(sent(pair.receive(&proxys_type_2())).proxy.as_deref(), Some("NTLM"), "{scheme}");
    }
}

#[test]
fn the_origins_challenge_to_a_leg_that_was_the_proxys_alone_is_answered() {
    let mut pair = declared();
    assert_eq!(sent(pair.begin()), leg("NTLM", "-", Withheld));
    assert_eq!(sent(pair.receive(&unauthorized(&["Basic realm=o"]))), leg("-", "Basic", Carried));
    let (outcome, of_proxy) = delivered(pair.receive(&ok()));
    assert!(matches!(outcome, Some(Outcome::LoggedIn(login)) if login.challenger == Challenger::Origin));
    assert!(of_proxy.is_none(), "{of_proxy:?}");
}

#[test]
fn a_get_that_a_proxy_lets_through_takes_one_leg() {
    let mut pair = declared();
    (pair.has_body, pair.method) = (false, Method::GET);
    assert_eq!(sent(pair.begin()), leg("NTLM", "-", Carried));
    delivered(pair.receive(&ok()));
}

#[test]
fn what_a_request_has_found_out_goes_along_to_another_connection() {
    // Nothing is remembered of another program's proxy.
    let program = || {
        let builder = using([ntlm()]).declare(plain_mail(), "NTLM").expect("a known scheme");
        let authenticator = builder.declare_proxy(proxy(), "NTLM").expect("a known scheme").build();
        Pair { has_body: true, method: Method::POST, ..Pair::new(&authenticator) }
    };
    let mut pair = program();
    assert_eq!(sent(pair.begin()), leg("NTLM", "-", Withheld));
    // The proxy wants nothing. The origin is not known to be within reach of a login by connection.
    assert_eq!(sent(pair.receive(&ok())), leg("-", "-", Carried));
    let acting = pair.logins.acting().clone();
    let again = program().drive(None, |logins, request| logins.begin(acting, request));
    assert_eq!(sent(again), leg("-", "-", Carried));
    assert_eq!(sent(program().begin()), leg("NTLM", "-", Withheld));
}

#[test]
fn a_proxy_is_known_by_its_realm_where_its_challenge_is_malformed() {
    let authenticator = using([basic()]).dangerous_secrets_to_plain_http_proxies(true).build();
    let mut pair = Pair::new(&authenticator);
    sent(pair.begin());
    assert_eq!(
        sent(pair.receive(&required(&["Basic realm=the proxy"]))),
        leg("Basic", "-", BodyUse::Carried)
    );
    let (outcome, of_proxy) = delivered(pair.receive(&unauthorized(&["Basic realm=the proxy"])));
    let Some(Outcome::Refused(refusal)) = outcome else { panic!("{outcome:?}") };
    assert_eq!(refusal.challenger, Challenger::Proxy);
    assert!(matches!(of_proxy, Some(ProxyOutcome(Outcome::Refused(_)))), "{of_proxy:?}");
}

#[test]
fn who_shares_a_leg_with_nobodys_login_waits_for_the_turn() {
    let authenticator = both();
    let memory = authenticator.memory(Challenger::Origin, &plain_mail());
    memory.remember("Basic", Some("o".into()), Binding::Request, None);
    let mut first = Pair::new(&authenticator);
    assert_eq!(sent(first.begin()), leg("-", "Basic", Carried));
    // The proxy's share of the leg is decided, and there is no login in it.
    assert!(matches!(Pair::new(&authenticator).begin(), Both::Wait));
}

#[test]
fn a_login_at_the_proxy_waits_for_its_turn_though_the_origin_has_decided() {
    let builder = using([ntlm(), basic()]).dangerous_secrets_to_plain_http_proxies(true);
    let builder = builder.assume_proxy_support(true);
    let authenticator = builder.declare(plain_mail(), "NTLM").expect("a known scheme").build();
    let mut pair = Pair::new(&authenticator);
    (pair.has_body, pair.method) = (true, Method::POST);
    assert_eq!(sent(pair.begin()), leg("-", "NTLM", Withheld));
    // Meanwhile the proxy asks somebody else, whose password is on trial there.
    let mut other = Pair::new(&authenticator);
    let as_nobody = Acting::new(Identity::None, Identity::Credentials(dave()));
    sent(other.drive(None, |logins, request| logins.begin(as_nobody, request)));
    assert_eq!(sent(other.receive(&required(&["Basic realm=p"]))), leg("Basic", "-", Carried));
    let said = pair.receive(&ok());
    assert!(matches!(said, Both::Wait), "{said:?}");
}

#[test]
fn a_connection_is_used_again_where_both_of_its_logins_let_it() {
    let spoiled_at = |challenger: Challenger| {
        let mut pair = Pair::new(&using([ntlm()]).assume_proxy_support(true).build());
        sent(pair.begin());
        assert!(pair.logins.is_reusable(), "it asks nobody anything");
        let challenge = |challenge: &str| challenged_by(challenger, &[challenge]);
        sent(pair.receive(&challenge("NTLM")));
        let type_2 = type_2().headers()["www-authenticate"].to_str().expect("ASCII").to_owned();
        sent(pair.receive(&challenge(&type_2)));
        delivered(pair.receive(&challenge("NTLM")));
        pair.logins.is_reusable()
    };
    assert!(!spoiled_at(Challenger::Proxy) && !spoiled_at(Challenger::Origin));
}

/// Both passwords are on trial on one leg.
fn both_on_trial(authenticator: &Authenticator) -> Pair {
    for (challenger, origin) in [(Challenger::Proxy, proxy()), (Challenger::Origin, plain_mail())] {
        let realm = Some(if challenger == Challenger::Proxy { "p" } else { "o" }.into());
        authenticator.memory(challenger, &origin).remember("Basic", realm, Binding::Request, None);
    }
    Pair::new(authenticator)
}

#[test]
fn a_leg_that_is_lost_with_both_logins_has_shown_something_of_a_secret() {
    let mut pair = both_on_trial(&both());
    assert_eq!(sent(pair.begin()), leg("Basic", "Basic", Carried));
    assert!(pair.logins.lose_connection(std::time::Instant::now()));
    let mut pair = Pair::new(&both());
    sent(pair.begin());
    assert!(!pair.logins.lose_connection(std::time::Instant::now()));
}

#[test]
fn nobody_waits_for_a_login_that_nobody_has_looked_at() {
    let authenticator = both();
    let mut pair = both_on_trial(&authenticator);
    assert_eq!(sent(pair.begin()), leg("Basic", "Basic", Carried));
    assert!(matches!(both_on_trial(&authenticator).begin(), Both::Wait));
    pair.logins.withdraw(std::time::Instant::now());
    assert_eq!(sent(both_on_trial(&authenticator).begin()), leg("Basic", "Basic", Carried));
}

#[test]
fn a_login_that_was_decided_and_not_sent_counts_for_nothing() {
    let authenticator = both();
    for _ in 0..4 {
        let mut pair = both_on_trial(&authenticator);
        // In the drive it counts as sent.
        assert_eq!(sent(pair.begin()), leg("Basic", "Basic", Carried));
        pair.logins.not_sent();
    }
}

#[test]
fn a_first_message_that_both_may_have_been_asked_for_in_vain_is_a_hint() {
    let builder = using([ntlm()]).assume_proxy_support(true);
    let authenticator = builder.declare(plain_mail(), "NTLM").expect("a known scheme").build();
    let mut pair = Pair::new(&authenticator);
    (pair.has_body, pair.method) = (true, Method::POST);
    assert_eq!(sent(pair.begin()), leg("-", "NTLM", Withheld));
    assert!(pair.logins.drop_hints());
    let acting = pair.logins.acting().clone();
    let mut next = Pair::new(&authenticator);
    (next.has_body, next.method) = (true, Method::POST);
    assert_eq!(
        sent(next.drive(None, |logins, request| logins.begin(acting, request))),
        leg("-", "-", Carried)
    );
    assert!(!next.logins.drop_hints(), "there is none left");
}

/// Without a guard nobody waits for the origin's login, and it is not begun again.
#[test]
fn what_was_for_the_origin_goes_with_the_leg_after_the_proxys_challenge() {
    let builder = using([basic()]).lockout_guard(false).dangerous_secrets_over_plain_http(true);
    let builder = builder.dangerous_secrets_to_plain_http_proxies(true);
    let authenticator = builder.declare(plain_mail(), "Basic").expect("a known scheme").build();
    let mut pair = Pair::new(&authenticator);
    assert_eq!(sent(pair.begin()), leg("-", "Basic", Carried));
    assert_eq!(sent(pair.receive(&required(&["Basic realm=p"]))), leg("Basic", "Basic", Carried));
    delivered(pair.receive(&ok()));
}

/// Another origin may have been mistaken for the proxy, unless it answers a tunnel.
#[test]
fn a_401_of_a_proxy_that_took_the_password_before_rests_it_sooner_where_it_is_certain() {
    let refusals = |method: Method| {
        let authenticator = both();
        let mut pair = Pair::new(&authenticator);
        pair.method = method.clone();
        sent(pair.begin());
        sent(pair.receive(&required(&["Basic realm=p"])));
        delivered(pair.receive(&ok()));
        for refused in 0..9 {
            let mut pair = Pair::new(&authenticator);
            pair.method = method.clone();
            let mut begun = sent(pair.begin());
            if begun.proxy.is_none() {
                match pair.receive(&required(&["Basic realm=p"])) {
                    Both::Send(sent) => begun = sent,
                    Both::Deliver(Some(Outcome::Refused(_)), _) => return refused,
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(begun.proxy.as_deref(), Some("Basic"));
            delivered(pair.receive(&closing(unauthorized(&[]))));
        }
        panic!("it never rests")
    };
    // Three weak ones, and two strong ones in the pause.
    assert_eq!((refusals(Method::CONNECT), refusals(Method::GET)), (2, 5));
}

#[test]
fn a_401_that_meets_a_first_message_refuses_no_password_of_the_proxys() {
    let mut pair = declared();
    (pair.has_body, pair.method) = (false, Method::GET);
    assert_eq!(sent(pair.begin()), leg("NTLM", "-", Carried));
    let (outcome, of_proxy) = delivered(pair.receive(&unauthorized(&[])));
    assert!(!matches!(of_proxy, Some(ProxyOutcome(Outcome::Refused(_)))), "{of_proxy:?}");
    let of_proxy =
        |outcome: &Outcome| matches!(outcome, Outcome::Refused(it) if it.challenger == Challenger::Proxy);
    assert!(!outcome.as_ref().is_some_and(of_proxy), "{outcome:?}");
}

#[test]
fn a_proxy_that_has_forgotten_its_nonce_is_asked_again_on_a_connection_that_is_there() {
    for closes in [false, true] {
        let authenticator = using([Arc::new(Digest::default())]).build();
        let at_proxy = || Connection::to(&authenticator, Challenger::Proxy, proxy()).by_get();
        let mut connection = at_proxy();
        connection.begin().bare();
        connection.receive(&required(&["Digest realm=p, nonce=n, qop=auth"])).leg();
        connection.receive(&ok()).login();
        let mut connection = at_proxy();
        connection.begin().leg();
        let refusal = if closes { closing(unauthorized(&[])) } else { unauthorized(&[]) };
        let said = connection.drive(|handshake, request| {
            handshake.refuse(ResponseHead::of(&refusal), false, request).expect("it was out")
        });
        match closes {
            true => assert_eq!(said.renewal(), Renewal::ClosedInHandshake),
            false => said.bare(),
        }
    }
}

#[test]
fn a_login_by_connection_is_under_way_at_either_of_both() {
    let under_way = |pair: &Pair| (pair.logins.expects_challenge(), pair.logins.is_bound_under_way());
    for challenger in [Challenger::Proxy, Challenger::Origin] {
        let mut pair = Pair::new(&using([ntlm()]).assume_proxy_support(true).build());
        sent(pair.begin());
        assert_eq!(under_way(&pair), (false, false));
        sent(pair.receive(&challenged_by(challenger, &["NTLM"])));
        assert_eq!(under_way(&pair), (true, true), "{challenger}");
        let type_2 = type_2().headers()["www-authenticate"].to_str().expect("ASCII").to_owned();
        sent(pair.receive(&challenged_by(challenger, &[&type_2])));
        assert_eq!(under_way(&pair), (false, true), "{challenger}");
        delivered(pair.receive(&ok()));
        assert_eq!(under_way(&pair), (false, false));
    }
}

/// Without a guard nobody waits for the origin's login, and it is not begun again.
#[test]
fn a_proxy_is_told_a_name_in_another_form_beside_what_was_for_the_origin() {
    let schemes: [Arc<dyn Scheme>; 2] = [Arc::new(Digest::default()), basic()];
    let builder = using(schemes).lockout_guard(false).dangerous_secrets_over_plain_http(true);
    let authenticator = builder.declare(plain_mail(), "Basic").expect("a known scheme").build();
    let mut pair = Pair::new(&authenticator);
    let jason = Identity::Credentials(Credentials::password("J\u{e4}s\u{f8}n", "Secret, or not?"));
    let acting = Acting::new(Identity::Credentials(carol()), jason);
    assert_eq!(
        sent(pair.drive(None, |logins, request| logins.begin(acting, request))),
        leg("-", "Basic", Carried)
    );
    let challenge = required(&["Digest realm=p, nonce=n, qop=auth, charset=UTF-8"]);
    assert_eq!(sent(pair.receive(&challenge)), leg("Digest", "Basic", Carried));
    assert_eq!(sent(pair.receive(&status(400))), leg("Digest", "Basic", Carried));
    delivered(pair.receive(&ok()));
}

#[test]
fn bindings_that_are_known_are_not_asked_for_again() {
    let bindings = ChannelBindings::tls_server_end_point(&[7; 32]);
    let bound =
        || Handshake::new(using([ntlm()]).build(), Challenger::Origin, mail(), Some(bindings.clone()));
    for (origin, is_asked) in [(bound(), false), (bound().awaiting_channel_bindings(), true)] {
        let mut asked = 0;
        let mut logins = Logins::new(origin, None);
        for _ in 0..2 {
            logins.learn_channel_bindings(|| {
                asked += 1;
                None
            });
        }
        assert_eq!(asked, u32::from(is_asked), "with the first response");
    }
}

#[test]
fn a_request_takes_as_many_legs_as_it_may_over_both_logins() {
    for (legs, is_enough) in [(4, true), (3, false)] {
        let builder = using([ntlm(), basic()]).dangerous_secrets_to_plain_http_proxies(true);
        let mut pair = Pair::new(&builder.assume_proxy_support(true).max_legs(legs).build());
        assert_eq!(sent(pair.begin()), leg("-", "-", Carried));
        // To the origin, it begins with the second leg.
        assert_eq!(sent(pair.receive(&required(&["Basic realm=p"]))), leg("Basic", "-", Carried));
        assert_eq!(sent(pair.receive(&unauthorized(&["NTLM"]))), leg("Basic", "NTLM", Carried));
        match pair.receive(&type_2()) {
            Both::Send(sent) => assert_eq!((sent, is_enough), (leg("Basic", "NTLM", Carried), true)),
            Both::Fail(HandshakeError::TooManyLegs(most)) => assert_eq!((most, is_enough), (legs, false)),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn each_challenger_is_answered_for_the_target_that_it_sees() {
    let authenticator = using([Arc::new(Digest::default())]).build();
    let mut pair = Pair::new(&authenticator);
    sent(pair.begin());
    sent(pair.receive(&required(&["Digest realm=p, nonce=n, qop=auth"])));
    sent(pair.receive(&unauthorized(&["Digest realm=o, nonce=n, qop=auth"])));
    let uris = pair.logins.authorizations().map(|(challenger, value)| {
        let answer = value.to_str().expect("ASCII").to_owned();
        (challenger, ["uri=\"/page\"", "uri=\"http://mail.example/page\""].map(|uri| answer.contains(uri)))
    });
    let uris = Vec::from_iter(uris);
    assert_eq!(uris, [(Challenger::Proxy, [false, true]), (Challenger::Origin, [true, false])]);
}
