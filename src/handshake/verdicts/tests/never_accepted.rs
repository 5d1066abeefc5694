//! Credentials that were never accepted: one refusal is the last login, for a while.

use super::*;

#[test]
fn one_refusal_is_the_last_login_until_it_is_forgotten() {
    let mut requests = Requests::new();
    assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), RefusalVerdict::Refused);
    for _ in 0..2 {
        assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
        assert_eq!(requests.told_first(ORIGIN, "/elsewhere"), Told::Refused);
        requests.pass(24 * 60 * 60);
    }
    requests.verdicts.forget_refusals();
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
}

#[test]
fn a_weak_refusal_is_the_last_login_too() {
    let mut requests = Requests::new();
    assert_eq!(requests.end(ORIGIN, "/", Evidence::RefusedWeakly), RefusalVerdict::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
}

#[test]
fn what_another_space_has_said_bars_a_password_only_while_it_was_accepted_nowhere() {
    let mut requests = Requests::new();
    requests.verdicts.refuse_beside(&requests.credentials, &space(OTHER));
    assert_eq!((requests.told(OTHER, "/"), requests.told(ORIGIN, "/")), (Told::Refused, Go));
    for accepted_at in [OTHER, ORIGIN] {
        let mut requests = Requests::new();
        requests.end(accepted_at, "/", Evidence::Proven);
        requests.verdicts.refuse_beside(&requests.credentials, &space(OTHER));
        assert_eq!(requests.told_first(OTHER, "/"), Go, "accepted at {accepted_at}");
    }
    let mut requests = Requests::new();
    requests.end(OTHER, "/", Evidence::LetThrough);
    requests.verdicts.refuse_beside(&requests.credentials, &space(OTHER));
    assert_eq!(requests.told_first(OTHER, "/"), Go, "accepted there, and proven nowhere");
}

#[test]
fn other_credentials_are_another_matter() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.credentials = Credentials::password("carol", "changed");
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn over_all_spaces_two_refusals_are_the_last() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(OTHER, "/", Evidence::Refused);
    assert_eq!(requests.told("http://third.example", "/"), Told::Refused);
}

#[test]
fn over_all_spaces_two_are_out_and_one_after_a_refusal() {
    let mut requests = Requests::new();
    let first = requests.send(ORIGIN, "/");
    let second = requests.send(OTHER, "/");
    assert_eq!(requests.told("http://third.example", "/"), Wait(30));
    requests.conclude(ORIGIN, first, Evidence::Refused);
    // One refusal and one that is out are two.
    assert_eq!(requests.told("http://third.example", "/"), Wait(30));
    requests.conclude(OTHER, second, Evidence::Nothing);
    assert_eq!(requests.told("http://third.example", "/"), Go);
}

#[test]
fn a_refusal_counts_whenever_it_was_sent() {
    let mut requests = Requests::new();
    let (first, second) = (requests.send(ORIGIN, "/"), requests.send(OTHER, "/"));
    requests.conclude(ORIGIN, first, Evidence::Refused);
    requests.conclude(OTHER, second, Evidence::Refused);
    assert_eq!(requests.told("http://third.example", "/"), Told::Refused);
}

#[test]
fn unanswered_for_five_seconds_one_more_goes_and_no_third() {
    let mut requests = Requests::new();
    let _first = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    requests.pass(5);
    let _second = requests.send(ORIGIN, "/");
    for _ in 0..3 {
        assert_eq!(requests.told(ORIGIN, "/"), Wait(30));
        requests.pass(5);
    }
}

#[test]
fn two_without_an_answer_begin_longer_and_longer_pauses() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Undecided);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::Undecided);
    let lengths = requests.pauses("/", Evidence::Undecided, PauseCause::Unanswered, 4);
    assert_eq!(lengths, [30, 5 * 60, 32 * 60, 32 * 60]);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn those_without_an_answer_count_over_all_spaces_whenever_they_were_sent() {
    let mut requests = Requests::new();
    let (first, second) = (requests.send(ORIGIN, "/"), requests.send(OTHER, "/"));
    requests.conclude(ORIGIN, first, Evidence::Undecided);
    requests.conclude(OTHER, second, Evidence::Undecided);
    assert_eq!(requests.told("http://third.example", "/"), Paused(PauseCause::Unanswered, 30));
}

#[test]
fn one_refused_and_one_without_an_answer_are_two() {
    for (first, second) in
        [(Evidence::Refused, Evidence::Undecided), (Evidence::Undecided, Evidence::Refused)]
    {
        let mut requests = Requests::new();
        requests.end(ORIGIN, "/", first);
        requests.end(OTHER, "/", second);
        assert_eq!(requests.told("http://third.example", "/"), Paused(PauseCause::Unanswered, 30));
    }
}

#[test]
fn what_says_nothing_counts_as_nothing() {
    let mut requests = Requests::new();
    for _ in 0..10 {
        requests.end(ORIGIN, "/", Evidence::Nothing);
    }
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn a_refusal_beside_bars_a_space_where_they_were_never_accepted() {
    let mut requests = Requests::new();
    requests.verdicts.refuse_beside(&requests.credentials, &space(ORIGIN));
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
    assert_eq!(requests.told(OTHER, "/"), Go);

    let mut requests = Requests::accepted();
    requests.verdicts.refuse_beside(&requests.credentials, &space(ORIGIN));
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn the_first_proof_turns_a_refusal_into_a_weak_one_of_its_space() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(OTHER, "/", Evidence::Proven);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
    assert_eq!(requests.told_first(ORIGIN, "/"), Listen);
    // Two more make three.
    assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), RefusalVerdict::Denied);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::RefusedElsewhere, 60));
    // Only of that space.
    assert_eq!(requests.told(OTHER, "/"), Go);
}

#[test]
fn the_first_proof_leaves_nothing_over_all_whenever_it_was_sent() {
    let mut requests = Requests::new();
    let proven = requests.send(ORIGIN, "/");
    requests.end(OTHER, "/", Evidence::Refused);
    requests.conclude(ORIGIN, proven, Evidence::Proven);
    for origin in ["http://third.example", "http://fourth.example"] {
        requests.end(origin, "/", Evidence::Refused);
    }
    assert_eq!(requests.told("http://fifth.example", "/"), Go);
}

#[test]
fn a_nonce_that_is_replaced_for_the_third_time_is_a_refusal() {
    let mut requests = Requests::new();
    for _ in 0..2 {
        requests.end(ORIGIN, "/", Evidence::Superseded);
        assert_eq!(requests.told(ORIGIN, "/"), Go);
    }
    requests.end(ORIGIN, "/", Evidence::Superseded);
    assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);

    let mut accepted = Requests::new();
    accepted.end(ORIGIN, "/", Evidence::LetThrough);
    let mut proven = Requests::new();
    proven.end(OTHER, "/", Evidence::Proven);
    for mut requests in [accepted, proven] {
        for _ in 0..10 {
            requests.end(ORIGIN, "/", Evidence::Superseded);
        }
        assert_eq!(requests.told(ORIGIN, "/"), Go);
    }
}

#[test]
fn what_is_let_through_ends_no_row_of_logins_without_an_answer() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Undecided);
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    requests.end(OTHER, "/", Evidence::Undecided);
    assert_eq!(requests.told("http://third.example", "/"), Paused(PauseCause::Unanswered, 30));
}
