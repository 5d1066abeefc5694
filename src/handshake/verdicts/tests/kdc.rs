//! What a KDC says of a password, and who may ask it.

use super::*;

fn ask(requests: &mut Requests) -> Permission {
    requests.ask(ORIGIN, "/", |asking| asking.may_ask_kdc = true)
}

fn told(requests: &mut Requests) -> Told {
    requests.told_if(ORIGIN, "/", |asking| asking.may_ask_kdc = true)
}

/// The password was refused by a server, and the KDC was away.
fn refused() -> Requests {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests
}

#[test]
fn it_is_asked_by_one_at_a_time_where_a_server_has_refused() {
    let mut requests = refused();
    let permission = ask(&mut requests);
    let trial = requests.sent(ORIGIN, permission);
    assert!(trial.only_kdc);
    assert_eq!(told(&mut requests), Told::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
    requests.conclude(ORIGIN, trial, Evidence::Proven);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn it_is_asked_until_it_has_answered() {
    let mut requests = refused();
    let permission = ask(&mut requests);
    let trial = requests.sent(ORIGIN, permission);
    requests.conclude(ORIGIN, trial, Evidence::RefusedByKdc);
    requests.pass(24 * 60 * 60);
    assert_eq!(told(&mut requests), Told::Refused);
}

#[test]
fn away_it_is_asked_less_and_less_often() {
    let mut requests = refused();
    for rest in [1, 2, 4, 8, 16, 32, 64, 64] {
        let permission = ask(&mut requests);
        let trial = requests.sent(ORIGIN, permission);
        requests.conclude(ORIGIN, trial, Evidence::Nothing);
        requests.pass(rest - 1);
        assert_eq!(told(&mut requests), Told::Refused);
        requests.pass(1);
    }
}

#[test]
fn it_says_that_the_account_is_locked_and_they_rest_for_15_minutes() {
    for mut requests in [Requests::new(), Requests::accepted()] {
        requests.end(ORIGIN, "/", Evidence::Locked);
        assert_eq!(told(&mut requests), Paused(PauseCause::Locked, 15 * 60));
        assert_eq!(requests.told(OTHER, "/"), Paused(PauseCause::Locked, 15 * 60));
        requests.pass(15 * 60);
        assert_eq!(requests.told(ORIGIN, "/"), Go);
    }
}

#[test]
fn it_may_have_counted_what_it_did_not_answer() {
    let mut requests = refused();
    for rest in [30, 5 * 60, 32 * 60] {
        let permission = ask(&mut requests);
        let trial = requests.sent(ORIGIN, permission);
        requests.conclude(ORIGIN, trial, Evidence::Undecided);
        requests.pass(rest - 1);
        assert_eq!(told(&mut requests), Told::Refused);
        requests.pass(1);
    }
}

#[test]
fn it_is_not_asked_in_a_pause() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(told(&mut requests), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn what_was_never_sent_to_it_keeps_nobody_from_asking() {
    let mut requests = refused();
    assert_eq!(told(&mut requests), Go);
    assert_eq!(told(&mut requests), Go);
}

#[test]
fn that_it_is_locked_ends_no_longer_pause_and_no_earlier_login_ends_that() {
    let mut requests = Requests::accepted();
    let flight = [requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/")];
    let [early, locked] = flight;
    requests.conclude(ORIGIN, locked, Evidence::Locked);
    requests.conclude(ORIGIN, early, Evidence::Proven);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Locked, 15 * 60));

    let mut requests = Requests::new();
    let early = requests.send(ORIGIN, "/");
    requests.end(OTHER, "/", Evidence::Locked);
    requests.conclude(ORIGIN, early, Evidence::Proven);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Locked, 15 * 60));

    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.sit_out(PauseCause::Refused);
    let flight = [requests.send(ORIGIN, "/"), {
        requests.pass(5);
        requests.send(ORIGIN, "/")
    }];
    let [refused, locked] = flight;
    requests.conclude(ORIGIN, refused, Evidence::Refused);
    requests.conclude(ORIGIN, locked, Evidence::Locked);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 32 * 60));
}

#[test]
fn its_refusal_is_strong_whatever_was_asked_for() {
    let mut requests = Requests::accepted();
    assert_eq!(requests.end(ORIGIN, "/a", Evidence::RefusedByKdc), RefusalVerdict::Refused);
    requests.end(ORIGIN, "/b", Evidence::RefusedByKdc);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn it_is_asked_where_two_servers_have_refused() {
    let mut requests = refused();
    requests.end(OTHER, "/", Evidence::Refused);
    assert_eq!(requests.told("http://third.example", "/"), Told::Refused);
    assert_eq!(told(&mut requests), Go);
}
