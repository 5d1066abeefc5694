//! Credentials that were accepted before: refusals begin pauses, and do not bar them.

use super::*;

#[test]
fn two_strong_refusals_begin_pauses_of_5_and_32_minutes() {
    let mut requests = Requests::accepted();
    assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), RefusalVerdict::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
    assert_eq!(requests.told(OTHER, "/"), Paused(PauseCause::Refused, 5 * 60));
    let lengths = requests.pauses("/", Evidence::Refused, PauseCause::Refused, 3);
    assert_eq!(lengths, [5 * 60, 32 * 60, 32 * 60]);
}

#[test]
fn a_proof_ends_the_counts_and_the_pauses_begin_anew() {
    let mut requests = Requests::accepted();
    for _ in 0..2 {
        requests.end(ORIGIN, "/", Evidence::Refused);
        requests.end(ORIGIN, "/", Evidence::Refused);
        assert_eq!(requests.sit_out(PauseCause::Refused), 5 * 60);
        requests.end(ORIGIN, "/", Evidence::Proven);
        requests.end(ORIGIN, "/", Evidence::Refused);
        assert_eq!(requests.told(ORIGIN, "/"), Go);
        requests.end(ORIGIN, "/x", Evidence::Proven);
    }
}

#[test]
fn three_weak_refusals_begin_pauses_of_what_was_never_accepted() {
    let mut requests = Requests::accepted();
    for path in ["/a", "/b", "/c"] {
        assert_eq!(requests.told(ORIGIN, path), Go);
        assert_eq!(requests.end(ORIGIN, path, Evidence::Refused), RefusalVerdict::Denied);
    }
    let lengths = requests.pauses("/a", Evidence::Refused, PauseCause::RefusedElsewhere, 5);
    assert_eq!(lengths, [60, 4 * 60, 16 * 60, 32 * 60, 32 * 60]);
}

#[test]
fn the_method_matters_for_what_was_accepted() {
    let mut requests = Requests::accepted();
    let permission = requests.ask(ORIGIN, "/", |asking| asking.method = &Method::POST);
    let trial = requests.sent(ORIGIN, permission);
    assert_eq!(requests.conclude(ORIGIN, trial, Evidence::Refused), RefusalVerdict::Denied);
    assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), RefusalVerdict::Refused);
}

#[test]
fn in_a_weak_pause_what_was_accepted_goes_alone_and_ends_it() {
    let mut requests = Requests::accepted();
    for path in ["/a", "/b", "/c"] {
        requests.end(ORIGIN, path, Evidence::Refused);
    }
    assert_eq!(requests.told(ORIGIN, "/a"), Paused(PauseCause::RefusedElsewhere, 60));
    let trial = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    requests.conclude(ORIGIN, trial, Evidence::Proven);
    assert_eq!(requests.told(ORIGIN, "/a"), Go);
}

#[test]
fn in_a_weak_pause_what_was_accepted_is_refused_strongly() {
    let mut requests = Requests::accepted();
    for path in ["/a", "/b", "/c", "/", "/"] {
        requests.end(ORIGIN, path, Evidence::Refused);
    }
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn a_space_and_all_spaces_are_counted_apart() {
    let mut requests = Requests::accepted();
    requests.end(OTHER, "/", Evidence::Proven);
    for path in ["/a", "/b"] {
        requests.end(ORIGIN, path, Evidence::Refused);
    }
    // A proof in another space ends what is counted over all, and nothing here.
    requests.end(OTHER, "/", Evidence::Proven);
    requests.end(ORIGIN, "/c", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/d"), Paused(PauseCause::RefusedElsewhere, 60));
    assert_eq!(requests.told(OTHER, "/d"), Go);
    // Two here and one there are three over all.
    let mut requests = Requests::accepted();
    requests.end(OTHER, "/", Evidence::Proven);
    for (origin, path) in [(ORIGIN, "/a"), (ORIGIN, "/b"), (OTHER, "/c")] {
        requests.end(origin, path, Evidence::Refused);
    }
    let told = requests.told("http://third.example", "/");
    assert_eq!(told, Paused(PauseCause::RefusedElsewhere, 60));
}

#[test]
fn a_sick_backend_takes_five_in_a_row() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::Proven);
    for _ in 0..4 {
        requests.end(ORIGIN, "/", Evidence::Refused);
        assert_eq!(requests.told(ORIGIN, "/"), Go);
    }
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn nobody_is_sick_who_refuses_one_path_and_accepts_another_or_accepts_after_a_pause() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/x", Evidence::Proven);
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/x", Evidence::Proven);
    for _ in 0..2 {
        requests.end(ORIGIN, "/", Evidence::Refused);
        requests.end(ORIGIN, "/", Evidence::Refused);
        requests.sit_out(PauseCause::Refused);
        requests.end(ORIGIN, "/", Evidence::Proven);
    }
}

#[test]
fn nobody_speaks_first_after_a_refusal_until_a_proof_there() {
    let mut requests = Requests::accepted();
    requests.end(OTHER, "/", Evidence::Proven);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told_first(ORIGIN, "/"), Listen);
    assert_eq!(requests.told_first(OTHER, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    requests.end(OTHER, "/", Evidence::Proven);
    assert_eq!(requests.told_first(ORIGIN, "/"), Listen);
    requests.end(ORIGIN, "/", Evidence::Proven);
    assert_eq!(requests.told_first(ORIGIN, "/"), Go);
}

#[test]
fn one_that_was_sent_before_the_last_refusal_was_known_counts_for_nothing() {
    let mut requests = Requests::accepted();
    let flight: Vec<_> = (0..5).map(|_| requests.send(ORIGIN, "/")).collect();
    for trial in flight {
        requests.conclude(ORIGIN, trial, Evidence::Refused);
    }
    assert_eq!(requests.told(ORIGIN, "/"), Go);

    let mut requests = Requests::accepted();
    let (early, refused) = (requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/"));
    requests.conclude(ORIGIN, refused, Evidence::Refused);
    requests.conclude(ORIGIN, early, Evidence::Proven);
    let _alone = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
    assert_eq!(requests.told_first(ORIGIN, "/"), Listen);
}

#[test]
fn three_without_an_answer_begin_a_pause_and_those_lost_together_are_one() {
    let mut requests = Requests::accepted();
    for _ in 0..3 {
        assert_eq!(requests.told(ORIGIN, "/"), Go);
        requests.end(ORIGIN, "/", Evidence::Undecided);
    }
    let lengths = requests.pauses("/", Evidence::Undecided, PauseCause::Unanswered, 4);
    assert_eq!(lengths, [30, 5 * 60, 32 * 60, 32 * 60]);

    let mut requests = Requests::accepted();
    let flight: Vec<_> = (0..5).map(|_| requests.send(ORIGIN, "/")).collect();
    for trial in flight {
        requests.conclude(ORIGIN, trial, Evidence::Undecided);
    }
    requests.end(ORIGIN, "/", Evidence::Undecided);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::Undecided);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Unanswered, 30));
}

#[test]
fn an_answer_ends_the_row_of_those_without_one() {
    for answer in [Evidence::Proven, Evidence::LetThrough] {
        let mut requests = Requests::accepted();
        for _ in 0..3 {
            requests.end(ORIGIN, "/", Evidence::Undecided);
            requests.end(ORIGIN, "/", Evidence::Undecided);
            requests.end(ORIGIN, "/", answer);
        }
        assert_eq!(requests.told(ORIGIN, "/"), Go, "{answer:?}");
    }
}

#[test]
fn a_nonce_that_was_superseded_counts_for_nothing_and_the_next_goes_alone() {
    let mut requests = Requests::accepted();
    for _ in 0..10 {
        requests.end(ORIGIN, "/", Evidence::Superseded);
    }
    let _alone = requests.send(ORIGIN, "/");
    assert_eq!(requests.told(ORIGIN, "/"), Wait(5));
}

#[test]
fn an_answer_to_what_was_sent_before_a_nonce_was_superseded_lets_nobody_go_beside_another() {
    for answer in [Evidence::Proven, Evidence::LetThrough] {
        let mut requests = Requests::accepted();
        let (superseded, before) = (requests.send(ORIGIN, "/"), requests.send(ORIGIN, "/"));
        requests.conclude(ORIGIN, superseded, Evidence::Superseded);
        requests.conclude(ORIGIN, before, answer);
        let alone = requests.send(ORIGIN, "/");
        assert_eq!(requests.told(ORIGIN, "/"), Wait(5), "{answer:?}");
        requests.conclude(ORIGIN, alone, answer);
        let _one = requests.send(ORIGIN, "/");
        assert_eq!(requests.told(ORIGIN, "/"), Go, "{answer:?}");
    }
}

#[test]
fn refusals_and_pauses_are_forgotten_where_they_are_asked_to_be() {
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.verdicts.forget_refusals();
    assert_eq!(requests.told_first(ORIGIN, "/"), Go);
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn in_a_weak_pause_no_number_of_weak_refusals_goes_on() {
    let mut requests = Requests::accepted();
    for path in ["/a", "/b", "/c", "/", "/"] {
        requests.end(ORIGIN, path, Evidence::RefusedWeakly);
    }
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn what_was_let_through_was_accepted_in_its_space() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::LetThrough);
    assert_eq!(requests.end(ORIGIN, "/a", Evidence::Refused), RefusalVerdict::Denied);
    requests.end(ORIGIN, "/b", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/c"), Go);
    requests.end(ORIGIN, "/c", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/d"), Paused(PauseCause::RefusedElsewhere, 60));
    assert_eq!(requests.told(ORIGIN, "/"), Go);
}

#[test]
fn what_was_let_through_in_many_spaces_is_counted_over_all() {
    let mut requests = Requests::new();
    for origin in [ORIGIN, OTHER] {
        requests.end(origin, "/", Evidence::LetThrough);
    }
    for origin in [ORIGIN, OTHER] {
        requests.end(origin, "/", Evidence::Refused);
    }
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
    assert_eq!(requests.told(OTHER, "/"), Paused(PauseCause::Refused, 5 * 60));
}

#[test]
fn refusals_and_logins_without_an_answer_are_counted_together() {
    use Evidence::{Refused, Undecided};
    for (evidence, cause) in [
        ([Refused, Undecided, Undecided], PauseCause::Unanswered),
        ([Undecided, Undecided, Refused], PauseCause::RefusedElsewhere),
    ] {
        let mut requests = Requests::accepted();
        for evidence in evidence {
            assert_eq!(requests.told(ORIGIN, "/a"), Go);
            requests.end(ORIGIN, "/a", evidence);
        }
        let Paused(seen, _) = requests.told(ORIGIN, "/a") else { panic!("there is no pause") };
        assert_eq!(seen, cause);
    }
    // After a pause, each is followed by the next one.
    let mut requests = Requests::accepted();
    requests.end(ORIGIN, "/", Refused);
    requests.end(ORIGIN, "/", Refused);
    requests.sit_out(PauseCause::Refused);
    requests.end(ORIGIN, "/", Undecided);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Unanswered, 30));
}

#[test]
fn a_pause_for_all_holds_though_one_with_exemptions_is_longer() {
    use Evidence::{Refused, Undecided};
    for (evidence, told) in
        [(Undecided, Paused(PauseCause::Unanswered, 30)), (Refused, Paused(PauseCause::Refused, 5 * 60))]
    {
        let mut requests = Requests::accepted();
        for path in ["/a", "/b", "/c"] {
            requests.end(ORIGIN, path, Refused);
        }
        for _ in 0..2 {
            requests.sit_out(PauseCause::RefusedElsewhere);
            requests.end(ORIGIN, "/a", Refused);
        }
        // Of 16 minutes; what was accepted goes in it.
        if evidence == Refused {
            requests.end(ORIGIN, "/", Refused);
        }
        requests.end(ORIGIN, "/", evidence);
        assert_eq!(requests.told(ORIGIN, "/"), told);
    }
}

#[test]
fn a_row_of_logins_without_an_answer_is_ended_by_what_asks_for_logins_and_by_nothing_else() {
    for (was_challenged, told) in [(true, Go), (false, Paused(PauseCause::Unanswered, 30))] {
        let mut requests = Requests::accepted();
        requests.end(OTHER, "/", Evidence::Undecided);
        requests.end(OTHER, "/", Evidence::Undecided);
        let permission = requests.ask(ORIGIN, "/answered", |asking| asking.speaks_first = !was_challenged);
        let trial = requests.sent(ORIGIN, permission);
        requests.conclude(ORIGIN, trial, Evidence::LetThrough);
        requests.end("http://third.example", "/", Evidence::Undecided);
        assert_eq!(requests.told(ORIGIN, "/"), told);
    }
}

#[test]
fn a_refusal_from_before_the_first_proof_is_a_weak_one() {
    let mut requests = Requests::new();
    requests.end(ORIGIN, "/", Evidence::Refused);
    requests.end(OTHER, "/", Evidence::Proven);
    requests.end(ORIGIN, "/", Evidence::RefusedByKdc);
    assert_eq!(requests.told(ORIGIN, "/"), Go, "a second strong one would begin a pause");
    requests.end(ORIGIN, "/", Evidence::Refused);
    assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::RefusedElsewhere, 60), "it is one of three");
}
