//! Which logins go, and which wait for their answers.

use super::*;

#[test]
fn the_first_goes_alone_and_then_all_go() {
    let mut requests = Requests::new();
    let first = requests.send(ORIGIN, "/");
    assert!(first.goes_alone());
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    requests.conclude(ORIGIN, first, Evidence::Proven);
    for _ in 0..100 {
        assert!(!requests.send(ORIGIN, "/").goes_alone());
    }
}

#[test]
fn so_does_the_first_after_ten_seconds_of_quiet_and_each_after_what_is_no_success() {
    for evidence in [None, Some(Evidence::Refused), Some(Evidence::Undecided)] {
        let mut requests = Requests::accepted();
        match evidence {
            Some(evidence) => {
                requests.end(ORIGIN, "/", evidence);
            }
            None => requests.pass(11),
        }
        let trial = requests.send(ORIGIN, "/");
        assert_eq!(requests.told(ORIGIN, "/"), Wait(5), "{evidence:?}");
        requests.conclude(ORIGIN, trial, Evidence::Nothing);
        let trial = requests.send(ORIGIN, "/");
        assert_eq!(requests.told(ORIGIN, "/"), Wait(5), "{evidence:?}");
        requests.conclude(ORIGIN, trial, Evidence::Proven);
        let _beside = (requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/"));
    }
    let mut requests = Requests::accepted();
    requests.pass(10);
    let _beside = (requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/"));
}

#[test]
fn so_does_the_first_after_a_pause() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.sit_out(PauseCause::Refused);
    let _alone = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    assert_eq!(requests.told(OTHER, "/"), Wait(5));
}

#[test]
fn of_what_was_accepted_as_many_again_go_every_five_seconds() {
    let mut requests = Requests::accepted();
    requests.pass(11);
    let mut out = vec![requests.send(ORIGIN, "/")];
    for count in [2, 4, 8, 16, 32, 64] {
        assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
        requests.pass(5);
        while out.len() < count {
            out.push(requests.send(ORIGIN, "/"));
        }
    }
}

#[test]
fn the_five_seconds_run_from_the_sending() {
    let mut requests = Requests::new();
    let permission = requests.ask(ORIGIN, "/", |_| {});
    requests.pass(3);
    let _trial = requests.sent(ORIGIN, permission);
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
}

#[test]
fn one_that_never_comes_to_be_sent_holds_nobody_up_for_longer() {
    let mut requests = Requests::new();
    let Permission::Go(_held) = requests.ask(ORIGIN, "/", |_| {}) else { panic!("it may go") };
    requests.pass(5);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn those_that_follow_one_another_without_a_gap_wait_no_less() {
    let mut requests = Requests::new();
    let first = requests.send(ORIGIN, "/");
    requests.pass(5);
    let beside = requests.send(ORIGIN, "/");
    requests.conclude(ORIGIN, first, Evidence::Nothing);
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    requests.pass(3);
    assert_eq!(requests.told(ORIGIN, "/"), Wait(2));
    requests.conclude(ORIGIN, beside, Evidence::Nothing);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn who_has_waited_for_thirty_seconds_is_told_of_a_pause() {
    let mut requests = Requests::new();
    let since = requests.now;
    let _out = (requests.send(ORIGIN, "/"), requests.send(OTHER, "/"));
    requests.pass(29);
    let told = requests.told_if(ORIGIN, "/", |asking| asking.waits_since = Some(since));
    assert_eq!(told, Wait(1));
    requests.pass(1);
    let told = requests.told_if(ORIGIN, "/", |asking| asking.waits_since = Some(since));
    assert_eq!(told, Paused(PauseCause::Busy, 5));
}

#[test]
fn what_is_let_through_opens_its_space_only() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    let _all_go = (requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/"));
    let _alone = requests.send(OTHER, "/");
    assert_eq!(requests.told(OTHER, "/"), Wait(5));
}

#[test]
fn what_is_let_through_lifts_no_refusal() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn once_they_were_refused_where_they_were_accepted_one_goes_over_all_spaces() {
    let mut requests = Requests::accepted();
    requests.end(OTHER, "/", Evidence::Proven);
    requests.end(ORIGIN, "/", Evidence::Refused);
    let alone = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(OTHER, "/"), Wait(5));
    requests.conclude(ORIGIN, alone, Evidence::Proven);
    let _beside = (requests.send(ORIGIN, "/"), requests.send(OTHER, "/"));
}

#[test]
fn what_is_let_through_opens_nothing_where_a_refusal_stands() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/a", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    let _alone = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
}

#[test]
fn who_has_waited_is_not_refused_however_long_a_login_may_take() {
    let bounds = LockoutBounds { unanswered: Duration::MAX, ..LockoutBounds::default() };
    let mut requests = Requests::bounded(bounds);
    let since = requests.now;
    let _out = requests.send(ORIGIN, "/");
    requests.pass(30);
    let told = requests.told_if(ORIGIN, "/", |asking| asking.waits_since = Some(since));
    assert_eq!(told, Paused(PauseCause::Busy, 30));
}

#[test]
fn refused_where_they_were_accepted_they_go_one_at_a_time_everywhere() {
    for (path, told) in [("/", Wait(5)), ("/elsewhere", Go)] {
        let mut requests = Requests::accepted();
        requests.end(OTHER, "/", Evidence::Proven);
        requests.end(ORIGIN, path, Evidence::Refused);
        let _alone = requests.send(ORIGIN, "/");
        assert_eq!(requests.told(OTHER, "/"), told, "{path}");
    }
}

#[test]
fn the_first_in_a_space_holds_up_those_elsewhere_only_where_none_has_succeeded_of_late() {
    for (quiet, told) in [(0, Go), (11, Wait(5))] {
        let mut requests = Requests::accepted();
        requests.pass(quiet);
        let _first = requests.send(OTHER, "/");
        assert_eq!(requests.told("http://third.example", "/"), told);
    }
}

#[test]
fn who_would_void_the_nonce_of_one_that_is_out_waits_for_it_instead_of_listening() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    let told = |requests: &mut Requests, disturbs_others: bool| {
        requests.told_if(ORIGIN, "/", |asking| {
            (asking.speaks_first, asking.disturbs_others) = (true, disturbs_others);
        })
    };
    assert_eq!(told(&mut requests, true), Listen);
    let alone = requests.send(ORIGIN, "/");
    assert_eq!([told(&mut requests, false), told(&mut requests, true)], [Listen, Wait(30)]);
    requests.conclude(ORIGIN, alone, Evidence::Nothing);
    assert_eq!(told(&mut requests, true), Listen);
}

#[test]
fn one_that_was_out_before_a_refusal_leaves_no_place_to_those_that_go_one_at_a_time_since() {
    let mut requests = Requests::accepted();
    requests.pass(11);
    let first = requests.send(ORIGIN, "/");
    requests.pass(5);
    let beside = requests.send(ORIGIN, "/");
    requests.conclude(ORIGIN, beside, Evidence::Refused);
    let _alone = requests.send(ORIGIN, "/");
    requests.conclude(ORIGIN, first, Evidence::Nothing);
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
}
