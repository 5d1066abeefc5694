//! Logins among other requests, each of which may be challenged.

use std::future::Future;
use std::pin::Pin;
use std::sync::Barrier;
use std::task::{Context, Waker};
use std::thread;
use std::time::{Duration, Instant};

use super::*;
use crate::challenge::Challenges;
use crate::handshake::latest::EarlierChallenges;
use crate::handshake::logins::{Acting, Logins, WireRequest};
use crate::handshake::memory::KnownSpace;
use crate::mechanism::{MechanismError, Moments};
use crate::scheme::Digest;

fn digest() -> AuthenticatorBuilder {
    using([Arc::new(Digest::default())])
}

fn challenge(nonce: &str) -> Response<()> {
    unauthorized(&[&format!("Digest realm=a, nonce={nonce}, qop=auth")])
}

#[test]
fn a_bound_of_two_legs_leaves_none_to_ask_for_another_challenge() {
    let authenticator = digest().max_legs(2).build();
    let [mut first, mut second] = [(); 2].map(|()| Connection::new(&authenticator).by_get());
    first.begin().bare();
    second.begin().bare();
    let mut said = first.receive(&challenge("first"));
    if let Said::Wait(_) = said {
        let _waits = second.receive(&challenge("second"));
        said = first.proceed();
        if let Said::Send(None, _) = said {
            said = first.receive(&challenge("third"));
        }
    }
    assert!(matches!(said, Said::Send(Some(_), _)), "{said:?}");
}

#[test]
fn a_post_to_a_public_path_is_not_executed_without_its_body() {
    let authenticator = digest().build();
    let mut connection = Connection::new(&authenticator);
    connection.begin().bare();
    connection.receive(&challenge("n1")).leg();
    connection.receive(&ok()).login();
    // The second use is refused: it is learnt that a nonce is for one request.
    connection.begin().leg();
    connection.receive(&challenge("n2")).leg();
    connection.receive(&ok());
    let mut post = Connection::new(&authenticator).asking_for("/public").with_body();
    let said = post.begin();
    assert!(
        !matches!(said, Said::Send(None, BodyUse::Withheld)),
        "an empty POST is executed first: {said:?}"
    );
}

/// Its challenge would void the one that the login answers.
#[test]
fn no_request_is_sent_unasked_beside_a_login_that_does_not_wait_for_it() {
    for _ in 0..10_000 {
        let authenticator = digest().build();
        let [mut first, mut second] = [(); 2].map(|()| Connection::new(&authenticator).by_get());
        first.begin().bare();
        let both = Barrier::new(2);
        let (first, second) = thread::scope(|scope| {
            let second = scope.spawn(|| {
                both.wait();
                second.begin()
            });
            both.wait();
            (first.receive(&challenge("first")), second.join().expect("no panic"))
        });
        let logs_in = matches!(first, Said::Send(Some(_), _));
        assert!(!(logs_in && matches!(second, Said::Send(None, _))), "{first:?}, {second:?}");
    }
}

/// How often a wrong password is sent, where a stranger's request is challenged while each login is out.
fn attempts_beside_strangers(closes: bool) -> u32 {
    let authenticator = digest().build();
    let last = |response: Response<()>| if closes { closing(response) } else { response };
    let (mut attempts, mut number) = (0, 0);
    let mut next = || {
        number += 1;
        challenge(&format!("n{number}"))
    };
    // Requests of one user, one after the other.
    for _ in 0..4 {
        let mut connection = Connection::new(&authenticator).by_get().acting_as(mistaken());
        let mut said = connection.begin();
        for _ in 0..60 {
            said = match said {
                Said::Send(None, _) => connection.receive(&last(next())),
                Said::Send(Some(_), _) => {
                    attempts += 1;
                    let mut stranger = Connection::new(&authenticator).acting_as(Identity::None);
                    stranger.begin().bare();
                    stranger.receive(&last(next())).refusal();
                    connection.receive(&last(next()))
                }
                Said::Renew(_) => {
                    connection.renew(&authenticator);
                    connection.begin()
                }
                Said::Wait(_) => connection.proceed(),
                Said::Deliver(_) => break,
                Said::Fail(error) => panic!("{error}"),
                Said::Consult(inquiry) => panic!("{inquiry:?}"),
            };
        }
    }
    attempts
}

#[test]
fn a_wrong_password_is_tried_three_times_at_the_most_whoever_is_challenged_meanwhile() {
    for closes in [false, true] {
        let attempts = attempts_beside_strangers(closes);
        assert!(attempts <= 3, "closing: {closes}, {attempts}");
    }
}

/// The handshakes of a connection to the origin only.
struct Alone(Logins);

impl Alone {
    fn new(authenticator: &Authenticator) -> Self {
        let origin = Handshake::new(authenticator.clone(), Challenger::Origin, mail(), None);
        Self(Logins::new(origin, None))
    }

    fn drive(
        &mut self,
        moments: &dyn Moments,
        act: impl FnOnce(&mut Logins, WireRequest<'_>) -> Action,
    ) -> Action {
        let target = Uri::from_static("/");
        let on_the_wire = RequestContext::new(&Method::GET, &target, false, moments);
        act(&mut self.0, WireRequest { on_the_wire, beyond_proxy: None })
    }

    fn begin(&mut self, acting: Acting) -> Action {
        self.drive(&FixedMoment(now()), |logins, request| logins.begin(acting, request))
    }

    fn receive(&mut self, response: &Response<()>, moments: &dyn Moments) -> Action {
        self.drive(moments, |logins, request| logins.receive(ResponseHead::of(response), request))
    }
}

fn acting() -> Acting {
    Acting::new(Identity::Credentials(carol()), Identity::None)
}

#[test]
fn a_request_that_asks_anew_after_a_wait_does_so_on_its_next_connection() {
    let (authenticator, moments) = (digest().build(), FixedMoment(now()));
    let [mut first, mut second] = [(); 2].map(|()| Alone::new(&authenticator));
    for alone in [&mut first, &mut second] {
        assert!(matches!(alone.begin(acting()), Action::Send { authorization: None, .. }));
    }
    let own = closing(challenge("first"));
    assert!(matches!(first.receive(&own, &moments), Action::Wait(_)), "the second is out");
    assert!(matches!(second.receive(&closing(challenge("second")), &moments), Action::Wait(_)));
    let head = ResponseHead::of(&own);
    let said = first.drive(&moments, |logins, request| logins.resume(Answer::Turn, Some(head), request));
    assert!(matches!(said, Action::Renew(_)), "{said:?}");
    let said = Alone::new(&authenticator).begin(first.0.acting().clone());
    assert!(matches!(said, Action::Send { authorization: None, .. }), "it waits for itself: {said:?}");
}

/// This moment, and whether whoever drives the handshake can wake it.
struct Clock {
    instant: Instant,
    has_timer: bool,
}

impl Moments for Clock {
    fn instant(&self) -> Instant {
        self.instant
    }

    fn moment(&self) -> Result<Moment, MechanismError> {
        FixedMoment(now()).moment()
    }

    fn has_timer(&self) -> bool {
        self.has_timer
    }
}

#[test]
fn without_a_timer_nobody_waits_for_a_leg_that_may_not_end() {
    let authenticator = digest().build();
    let [mut slow, mut other] = [(); 2].map(|()| Alone::new(&authenticator));
    for alone in [&mut slow, &mut other] {
        assert!(matches!(alone.begin(acting()), Action::Send { authorization: None, .. }));
    }
    let without_timer = Clock { instant: Instant::now(), has_timer: false };
    let said = other.receive(&challenge("first"), &without_timer);
    assert!(matches!(said, Action::Send { .. }), "{said:?}");
}

#[test]
fn a_login_that_waited_for_others_does_not_go_once_its_credentials_are_refused() {
    let authenticator = digest().build();
    let clock = |seconds| Clock { instant: Instant::now() + Duration::from_secs(seconds), has_timer: true };
    let [mut first, mut second] = [(); 2].map(|()| Alone::new(&authenticator));
    for alone in [&mut first, &mut second] {
        assert!(matches!(alone.begin(acting()), Action::Send { authorization: None, .. }));
    }
    let [own, others] = ["first", "second"].map(challenge);
    assert!(matches!(first.receive(&own, &clock(0)), Action::Wait(_)), "the second is out");
    assert!(matches!(second.receive(&others, &clock(0)), Action::Wait(_)), "the first is to try");
    let resume = |alone: &mut Alone, response: &Response<()>, clock: &Clock| {
        let head = Some(ResponseHead::of(response));
        alone.drive(clock, |logins, request| logins.resume(Answer::Turn, head, request))
    };
    assert!(matches!(resume(&mut first, &own, &clock(0)), Action::Send { authorization: None, .. }));
    assert!(matches!(first.receive(&challenge("third"), &clock(0)), Action::Send { .. }));
    assert_eq!(first.0.authorizations().count(), 1);

    // There is no answer, so that the second may try. It waits for the leg that is out, and that is a refusal.
    let said = resume(&mut second, &others, &clock(6));
    assert!(matches!(said, Action::Wait(_)), "{said:?}");
    let refused = unauthorized(&["Basic realm=a"]);
    assert!(matches!(first.receive(&refused, &clock(6)), Action::Deliver(Some(_))));
    let said = resume(&mut second, &others, &clock(6));
    assert!(matches!(said, Action::Deliver(Some(_))), "{said:?}");
}

#[test]
fn a_request_that_was_not_challenged_asks_with_its_body() {
    let authenticator = digest().build();
    let [mut first, mut second] = [(); 2].map(|()| Connection::new(&authenticator));
    first.begin().bare();
    second.begin().bare();
    // Neither is known to be the latest, and both end with their connections.
    first.receive(&closing(challenge("first"))).turn();
    second.receive(&closing(challenge("second"))).turn();
    drop((first, second));
    let mut post = Connection::new(&authenticator).asking_for("/public").with_body();
    let mut said = post.begin();
    for _ in 0..3 {
        if let Said::Wait(_) = said {
            said = post.proceed();
        }
    }
    said.bare();
    assert!(!post.handshake.passes_through(StatusCode::FORBIDDEN), "it holds the turn of those that wait");
    post.receive(&status(403)).plain();
    let next = Connection::new(&authenticator).begin();
    assert!(!matches!(next, Said::Wait(_)), "nobody tries the password any more: {next:?}");
}

#[test]
fn what_an_established_connection_carries_voids_a_challenge_only_where_it_is_challenged() {
    let authenticator = using([ntlm()]).build();
    let mut connection = Connection::new(&authenticator);
    connection.converse(&mut Server::ntlm()).login();
    let memory = authenticator.memory(Challenger::Origin, &mail());
    let latest = memory.legs().send().challenged();
    connection.begin().bare();
    connection.receive(&ok()).plain();
    assert!(memory.legs().is_latest(latest));
    connection.begin().bare();
    connection.receive(&unauthorized(&["NTLM"])).leg();
    assert!(!memory.legs().is_latest(latest));
}

fn known(authenticator: &Authenticator) -> KnownSpace {
    let memory = authenticator.memory(Challenger::Origin, &mail());
    memory.known("Digest", Some(&"a".into())).expect("it was used")
}

/// A connection on which Carol has logged in by this nonce.
fn logged_in(authenticator: &Authenticator, nonce: &str) -> Connection {
    let mut connection = Connection::new(authenticator).by_get();
    connection.begin().bare();
    connection.receive(&challenge(nonce)).leg();
    connection.receive(&ok()).login();
    connection
}

/// A request of nobody's, which is out.
fn stranger(authenticator: &Authenticator) -> Connection {
    let mut stranger = Connection::new(authenticator).acting_as(Identity::None);
    stranger.begin().bare();
    stranger
}

#[track_caller]
fn nonce(said: Said) -> String {
    let Said::Send(Some(value), _) = said else { panic!("{said:?}") };
    let answer = Challenges::from_value(value.as_bytes());
    answer.iter().next().and_then(|answer| answer.param_str("nonce")).expect("a nonce").into_owned()
}

use EarlierChallenges::{AreVoid, Doubtful, Hold, Unknown};

#[test]
fn what_becomes_of_earlier_challenges_is_learnt_from_what_is_accepted() {
    for (before, is_replaced, learnt) in [
        (Unknown, false, Unknown),
        (Unknown, true, Hold),
        (Doubtful, false, AreVoid),
        (Doubtful, true, Hold),
        (AreVoid, false, AreVoid),
        (AreVoid, true, Hold),
        (Hold, false, Hold),
    ] {
        let authenticator = digest().build();
        let mut connection = logged_in(&authenticator, "first");
        known(&authenticator).latest.learn(before);
        if is_replaced {
            stranger(&authenticator).receive(&challenge("second")).refusal();
        }
        assert_eq!(nonce(connection.begin()), "first");
        connection.receive(&ok()).plain();
        assert_eq!(known(&authenticator).latest.earlier(), learnt, "{before:?}, {is_replaced}");
    }
}

#[test]
fn a_challenge_that_comes_while_an_answer_is_out_shows_nothing_of_what_becomes_of_earlier_ones() {
    let authenticator = digest().build();
    let mut connection = logged_in(&authenticator, "first");
    connection.begin().leg();
    // The server may have made it after it had accepted the answer.
    stranger(&authenticator).receive(&challenge("second")).refusal();
    connection.receive(&ok()).plain();
    assert_eq!(known(&authenticator).latest.earlier(), Unknown);
}

#[test]
fn who_waits_for_others_legs_goes_on_once_the_server_is_seen_to_keep_its_nonces() {
    let authenticator = digest().build();
    let mut carols = logged_in(&authenticator, "first");
    let mut tries = Connection::new(&authenticator).by_get().acting_as(mistaken());
    tries.begin().bare();
    let _out = stranger(&authenticator);
    let mut turn = tries.receive(&challenge("second")).turn();
    let mut is_due = || Pin::new(&mut turn).poll(&mut Context::from_waker(Waker::noop())).is_ready();
    assert_eq!(nonce(carols.begin()), "first");
    assert!(!is_due());
    carols.receive(&ok()).plain();
    assert!(is_due());
    assert_eq!(nonce(tries.proceed()), "second");
}

#[test]
fn an_answer_is_given_again_where_its_challenge_may_have_been_voided() {
    #[derive(Clone, Copy, Debug)]
    enum Others {
        AreAbsent,
        AreOut,
        WereChallenged,
    }
    use Others::*;
    for (before, others, is_again, learnt) in [
        (Unknown, AreAbsent, false, Unknown),
        (Unknown, AreOut, true, Doubtful),
        (Unknown, WereChallenged, true, Doubtful),
        (AreVoid, AreAbsent, false, AreVoid),
        (AreVoid, AreOut, true, AreVoid),
        (Hold, AreOut, false, Hold),
        (Hold, WereChallenged, false, Hold),
    ] {
        let authenticator = digest().build();
        let mut connection = logged_in(&authenticator, "first");
        connection.begin().leg();
        connection.receive(&challenge("second")).leg();
        known(&authenticator).latest.learn(before);
        let mut other = None;
        match others {
            AreAbsent => {}
            AreOut => other = Some(stranger(&authenticator)),
            WereChallenged => {
                stranger(&authenticator).receive(&challenge("other")).refusal();
            }
        }
        let said = connection.receive(&challenge("third"));
        let case = format!("{before:?}, {others:?}: {said:?}");
        assert_eq!(!matches!(said, Said::Deliver(_)), is_again, "{case}");
        assert_eq!(known(&authenticator).latest.earlier(), learnt, "{case}");
        drop(other);
    }
}

#[test]
fn a_password_that_was_never_accepted_is_refused_by_the_answer_to_it_unless_another_was_challenged() {
    for (is_challenged, is_again) in [(false, false), (true, true)] {
        let authenticator = digest().build();
        let mut connection = Connection::new(&authenticator).by_get();
        connection.begin().bare();
        connection.receive(&challenge("first")).leg();
        let mut other = stranger(&authenticator);
        if is_challenged {
            other.receive(&challenge("other")).refusal();
        }
        let said = connection.receive(&challenge("second"));
        assert_eq!(!matches!(said, Said::Deliver(_)), is_again, "{said:?}");
        assert_eq!(known(&authenticator).latest.earlier(), Unknown);
    }
}

/// A challenge that came to another request of Carol's.
fn hear(authenticator: &Authenticator, nonce: &str) {
    let heard = challenge(nonce);
    let mut challenges = Challenges::parse(heard.headers(), Challenger::Origin.challenge_field());
    let arrival = authenticator.memory(Challenger::Origin, &mail()).legs().send().challenged();
    challenges.number(arrival.number);
    known(authenticator).latest.hear(challenges.iter().next().expect("one"), arrival, &carol());
}

#[test]
fn the_latest_challenge_is_answered_where_it_voids_those_before_it() {
    for (before, answered) in [(Unknown, "first"), (Doubtful, "first"), (Hold, "first"), (AreVoid, "second")]
    {
        let authenticator = digest().build();
        let mut connection = logged_in(&authenticator, "first");
        hear(&authenticator, "second");
        known(&authenticator).latest.learn(before);
        assert_eq!(nonce(connection.begin()), answered, "{before:?}");
    }
}

#[test]
fn a_login_that_speaks_first_waits_for_one_that_is_about_to_ask_for_its_challenge() {
    let (authenticator, instant) = (digest().build(), Instant::now());
    // Refused where it was accepted: nobody speaks first.
    let mut connection = logged_in(&authenticator, "first");
    connection.begin().leg();
    connection.receive(&challenge("second")).leg();
    connection.receive(&challenge("third")).refusal();
    let begin = |has_timer: bool| {
        let clock = Clock { instant, has_timer };
        let mut alone = Alone::new(&authenticator);
        let action = alone.drive(&clock, |logins, request| logins.begin(acting(), request));
        matches!(action, Action::Wait(_))
    };
    let expect_one = || authenticator.memory(Challenger::Origin, &mail()).legs().expect_one(instant);
    assert!(!begin(true), "nobody is about to ask");
    expect_one();
    assert!(begin(true));
    assert!(!begin(false), "nothing would wake it");
    expect_one();
    known(&authenticator).latest.learn(Hold);
    assert!(!begin(true), "its challenge voids nothing");
}

#[test]
fn the_nonce_of_an_earlier_request_may_have_been_used_up_and_is_refused_unless_it_was_voided() {
    for (before, rests) in [(Unknown, true), (AreVoid, false)] {
        let authenticator = digest().build();
        let mut connection = logged_in(&authenticator, "first");
        // The server takes a nonce more than once.
        connection.begin().leg();
        connection.receive(&ok()).plain();
        assert_eq!(nonce(connection.begin()), "first");
        // Another request shows that meanwhile.
        known(&authenticator).latest.learn(before);
        assert_eq!(nonce(connection.receive(&challenge("second"))), "second");
        connection.receive(&challenge("third")).refusal();
        // Two refusals begin a pause.
        let mut next = Connection::new(&authenticator).by_get();
        next.begin().bare();
        let said = next.receive(&challenge("fourth"));
        assert_eq!(matches!(said, Said::Deliver(_)), rests, "{before:?}: {said:?}");
    }
}

/// A request that was challenged on a connection before, and what it says first on the next.
fn moved(authenticator: &Authenticator) -> (Connection, String) {
    let mut connection = Connection::new(authenticator).by_get();
    connection.demand = Demand::default().challenged();
    let nonce = nonce(connection.begin());
    (connection, nonce)
}

#[test]
fn a_request_that_was_challenged_answers_the_latest_challenge_unless_the_password_was_accepted() {
    let authenticator = digest().build();
    logged_in(&authenticator, "first");
    hear(&authenticator, "second");
    assert_eq!(moved(&authenticator).1, "first");

    // Without a guard nobody knows whether it was.
    let authenticator = digest().lockout_guard(false).build();
    logged_in(&authenticator, "first");
    hear(&authenticator, "second");
    let (mut connection, answered) = moved(&authenticator);
    assert_eq!(answered, "second");
    // It was the latest: there is nothing that another program could have used up.
    connection.receive(&challenge("third")).refusal();

    // What was taken for a server with a single nonce refuses the latest.
    let authenticator = digest().lockout_guard(false).build();
    logged_in(&authenticator, "first");
    hear(&authenticator, "second");
    known(&authenticator).latest.learn(AreVoid);
    let (mut connection, answered) = moved(&authenticator);
    assert_eq!(answered, "second");
    assert_eq!(nonce(connection.receive(&challenge("third"))), "third");
    assert_eq!(known(&authenticator).latest.earlier(), Unknown);
}

/// Its first message was read, and what came of that may come out otherwise.
#[test]
fn a_mechanism_that_failed_in_the_middle_is_tried_again_where_the_server_is_asked_anew() {
    let authenticator = using([negotiate(), Arc::new(Digest::default())]).build();
    let offer = |negotiate: &str, nonce: &str| {
        unauthorized(&[negotiate, &format!("Digest realm=a, nonce={nonce}, qop=auth")])
    };
    let mut connection = Connection::new(&authenticator).by_get();
    connection.begin().bare();
    let mut other = stranger(&authenticator);
    assert_eq!(connection.receive(&offer("Negotiate", "first")).leg().0, "Negotiate");
    connection.receive(&offer("Negotiate oQcwBaADCgEC", "second")).turn();
    other.receive(&ok()).plain();
    connection.proceed().bare();
    assert_eq!(connection.receive(&offer("Negotiate", "third")).leg().0, "Negotiate");
}

#[test]
fn a_request_that_went_as_it_is_logs_in_where_it_is_challenged() {
    let mut alone = Alone::new(&using([basic()]).build());
    let identity = Identity::Credentials(carol());
    assert!(alone.0.go_on(&identity, "/", true));
    assert!(!alone.0.passes_through(StatusCode::UNAUTHORIZED));
    alone.0.went_on();
    assert_eq!(alone.0.acting().at_origin, identity);
    let said = alone.receive(&unauthorized(&["Basic realm=a"]), &FixedMoment(now()));
    assert!(matches!(said, Action::Send { .. }), "{said:?}");
    assert_eq!(alone.0.authorizations().count(), 1);
}
