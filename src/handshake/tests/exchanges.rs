//! What is made of an exchange's word: how often it goes on, and what follows where it has nothing to say.

use super::*;
use crate::mechanism::StepJob;

/// A request's own login, whose answer is always one to an older state of the server.
fn superseded() -> Arc<dyn Scheme> {
    let fake = Fake::new("Fake", |_| token(Expects::Success, true));
    Arc::new(Fake { binding: Binding::Request, challenged: Continuation::Superseded, ..fake })
}

fn challenge() -> Response<()> {
    unauthorized(&["Fake bW9yZQ=="])
}

/// A connection whose login is out, in answer to a challenge.
fn logging_in(authenticator: &Authenticator) -> Connection {
    // What is remembered would speak first.
    authenticator.memory(Challenger::Origin, &mail()).forget("Fake", None);
    let mut connection = Connection::new(authenticator);
    connection.begin().bare();
    connection.receive(&challenge()).leg();
    connection
}

#[test]
fn a_login_that_is_superseded_again_and_again_is_answered_three_times() {
    let mut connection = logging_in(&using([superseded()]).lockout_guard(false).build());
    for _ in 0..2 {
        connection.receive(&challenge()).leg();
    }
    assert_eq!(connection.receive(&challenge()).tried(), [("Fake".to_owned(), Why::Refused(None))]);
}

#[test]
fn with_its_last_leg_a_login_that_is_superseded_waits_for_nobody() {
    let authenticator = using([superseded()]).max_legs(2).build();
    logging_in(&authenticator).receive(&ok()).login();
    let [mut first, mut second] = [(); 2].map(|()| logging_in(&authenticator));
    let undecided =
        [("Fake".to_owned(), Why::Undecided("the server still challenges after 2 legs".to_owned()))];
    assert_eq!(first.receive(&challenge()).tried(), undecided);
    // From here on they go one at a time, and one is out.
    let _alone = logging_in(&authenticator);
    assert_eq!(second.receive(&challenge()).tried(), undecided);
}

#[test]
fn a_server_that_goes_on_for_ever_once_the_secret_was_shown_says_nothing_of_it() {
    let fake = Fake::new("Fake", |_| token(Expects::Challenge, true));
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>]).max_legs(4).build();
    let mut connection = logging_in(&authenticator);
    for _ in 0..2 {
        connection.receive(&challenge()).leg();
    }
    let tried = connection.receive(&challenge()).tried();
    let words = "the server still challenges after 4 legs";
    assert_eq!(tried, [("Fake".to_owned(), Why::Undecided(words.to_owned()))]);
}

#[test]
fn an_exchange_with_nothing_to_say_to_a_challenge_makes_room_for_the_next_scheme() {
    let silent = Fake::new("Fake", |_| Ok(Reply::Listen));
    let mut connection = Connection::new(&using([Arc::new(silent) as Arc<dyn Scheme>, basic()]).build());
    connection.begin().bare();
    assert_eq!(connection.receive(&unauthorized(&["Fake", "Basic realm=x"])).leg().0, "Basic");
    let mut connection = Connection::new(&using([Arc::new(silent) as Arc<dyn Scheme>]).build());
    connection.begin().bare();
    let tried = connection.receive(&unauthorized(&["Fake"])).tried();
    let [(_, Why::CannotStart(words))] = &tried[..] else { panic!("{tried:?}") };
    assert!(words.contains("nothing to say"), "{words}");
}

#[test]
fn a_connection_on_which_nothing_was_begun_can_be_used_again() {
    let mut connection =
        Connection::new(&using([Arc::new(Fake::new("Fake", no_ticket)) as Arc<dyn Scheme>]).build());
    connection.begin().bare();
    connection.receive(&unauthorized(&["Fake"])).refusal();
    assert!(connection.handshake.is_reusable());
}

#[test]
fn what_an_earlier_leg_has_shown_of_the_secret_stays_shown() {
    let fake = Fake::new("Fake", |challenge| match challenge.and_then(Challenge::token68) {
        Some("bGFzdA==") => token(Expects::Success, false),
        _ => token(Expects::Challenge, true),
    });
    let authenticator = using([Arc::new(fake) as Arc<dyn Scheme>]).build();
    for _ in 0..2 {
        logging_in(&authenticator).receive(&unauthorized(&["Fake bGFzdA=="])).leg();
    }
    let mut connection = Connection::new(&authenticator);
    connection.begin();
    assert!(matches!(connection.receive(&challenge()).tried()[..], [(_, Why::Paused(_))]));
}

#[test]
fn a_step_that_may_block_is_left_to_whoever_can_wait() {
    for (takes_time, is_left) in [(false, false), (true, true)] {
        let respond: fn(Option<&Challenge>) -> Result<Reply, SchemeError> = match takes_time {
            true => |_| Ok(Reply::Step(StepJob::compute(|| (), true))),
            false => |_| Ok(Reply::Step(StepJob::compute(|| (), false))),
        };
        let authenticator = using([Arc::new(Fake::new("Fake", respond)) as Arc<dyn Scheme>]).build();
        let mut connection = Connection::new(&authenticator);
        connection.begin().bare();
        let mut steps = false;
        connection.drive(|handshake, request| {
            let action = handshake.receive(ResponseHead::of(&unauthorized(&["Fake"])), request);
            steps = matches!(action, Action::Step(_));
            action
        });
        assert_eq!(steps, is_left);
    }
}
