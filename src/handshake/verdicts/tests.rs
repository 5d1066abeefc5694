//! Each row of evidence and each bound, against the pure value.

use super::*;
use crate::protection_space::Challenger;

const ORIGIN: &str = "http://host.example";
const OTHER: &str = "http://other.example";

/// Requests of one user, and the clock.
struct Requests {
    verdicts: Verdicts,
    credentials: Credentials,
    now: Instant,
}

/// What a request was told; times are seconds from now.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Go,
    Wait(u64),
    Listen,
    Refused,
    Paused(PauseCause, u64),
}

use Told::{Go, Listen, Paused, Wait};

fn space(origin: &str) -> ProtectionSpace {
    ProtectionSpace::new(Challenger::Origin, origin.parse().expect("an origin"), None)
}

impl Requests {
    fn new() -> Self {
        Self::bounded(LockoutBounds::default())
    }

    fn bounded(bounds: LockoutBounds) -> Self {
        let credentials = Credentials::password("carol", "pw");
        Self { verdicts: Verdicts::new(bounds), credentials, now: Instant::now() }
    }

    /// Of credentials that were accepted with `GET /`.
    fn accepted() -> Self {
        let mut requests = Self::new();
        requests.end(ORIGIN, "/", Evidence::Proven);
        requests
    }

    fn pass(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
    }

    fn ask(&mut self, origin: &str, path: &str, change: impl FnOnce(&mut Asking<'_>)) -> Permission {
        let space = space(origin);
        let mut asking = Asking {
            credentials: &self.credentials,
            space: &space,
            method: &Method::GET,
            path,
            speaks_first: false,
            disturbs_others: false,
            may_ask_kdc: false,
            waits_since: None,
        };
        change(&mut asking);
        self.verdicts.ask(&asking, self.now)
    }

    /// A challenged request may go, and what is derived from the secret is sent.
    fn send(&mut self, origin: &str, path: &str) -> Trial {
        let permission = self.ask(origin, path, |_| {});
        self.sent(origin, permission)
    }

    fn sent(&mut self, origin: &str, permission: Permission) -> Trial {
        let Permission::Go(mut trial) = permission else { panic!("it may not go: {permission:?}") };
        self.verdicts.sent(&mut trial, &self.credentials, &space(origin), self.now);
        trial
    }

    fn conclude(&mut self, origin: &str, trial: Trial, evidence: Evidence) -> Verdict {
        self.verdicts.end(trial, &self.credentials, &space(origin), evidence, self.now)
    }

    /// A challenged login that ends at once.
    fn end(&mut self, origin: &str, path: &str, evidence: Evidence) -> Verdict {
        let trial = self.send(origin, path);
        self.conclude(origin, trial, evidence)
    }

    /// What a challenged request would be told. If it may go, it gives that up.
    fn told(&mut self, origin: &str, path: &str) -> Told {
        self.told_if(origin, path, |_| {})
    }

    fn told_first(&mut self, origin: &str, path: &str) -> Told {
        self.told_if(origin, path, |asking| asking.speaks_first = true)
    }

    fn told_if(&mut self, origin: &str, path: &str, change: impl FnOnce(&mut Asking<'_>)) -> Told {
        let now = self.now;
        let seconds = |until: Instant| until.duration_since(now).as_secs();
        match self.ask(origin, path, change) {
            Permission::Go(trial) => {
                self.conclude(origin, trial, Evidence::Nothing);
                Go
            }
            Permission::Wait(until) => Wait(until.map_or(u64::MAX, seconds)),
            Permission::Listen => Listen,
            Permission::Refused => Told::Refused,
            Permission::Paused(pause) => Paused(pause.cause, seconds(pause.ends)),
        }
    }

    /// How long the pause is in which it is now, which then passes.
    fn sit_out(&mut self, cause: PauseCause) -> u64 {
        let Paused(seen, seconds) = self.told(ORIGIN, "/unseen") else { panic!("there is no pause") };
        assert_eq!(seen, cause);
        self.pass(seconds);
        seconds
    }

    /// The lengths of the next pauses, of which each is begun by one login with this end.
    fn pauses(&mut self, path: &str, evidence: Evidence, cause: PauseCause, count: usize) -> Vec<u64> {
        let mut lengths = vec![self.sit_out(cause)];
        lengths.extend((1..count).map(|_| {
            self.end(ORIGIN, path, evidence);
            self.sit_out(cause)
        }));
        lengths
    }
}

mod never_accepted {
    use super::*;

    #[test]
    fn one_refusal_is_the_last_login_until_it_is_forgotten() {
        let mut requests = Requests::new();
        assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), Verdict::Refused);
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
        assert_eq!(requests.end(ORIGIN, "/", Evidence::RefusedWeakly), Verdict::Refused);
        assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
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
        assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), Verdict::Denied);
        assert_eq!(requests.told(ORIGIN, "/"), Go);
        requests.end(ORIGIN, "/", Evidence::Refused);
        assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::RefusedElsewhere, 60));
        // Of that space alone.
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
}

mod accepted_before {
    use super::*;

    #[test]
    fn two_strong_refusals_begin_pauses_of_5_and_32_minutes() {
        let mut requests = Requests::accepted();
        assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), Verdict::Refused);
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
            assert_eq!(requests.end(ORIGIN, path, Evidence::Refused), Verdict::Denied);
        }
        let lengths = requests.pauses("/a", Evidence::Refused, PauseCause::RefusedElsewhere, 5);
        assert_eq!(lengths, [60, 4 * 60, 16 * 60, 32 * 60, 32 * 60]);
    }

    #[test]
    fn the_method_matters_for_what_was_accepted() {
        let mut requests = Requests::accepted();
        let permission = requests.ask(ORIGIN, "/", |asking| asking.method = &Method::POST);
        let trial = requests.sent(ORIGIN, permission);
        assert_eq!(requests.conclude(ORIGIN, trial, Evidence::Refused), Verdict::Denied);
        assert_eq!(requests.end(ORIGIN, "/", Evidence::Refused), Verdict::Refused);
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
        assert_eq!(requests.end(ORIGIN, "/a", Evidence::Refused), Verdict::Denied);
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
}

mod alone {
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
}

mod kdc {
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
        assert_eq!(requests.end(ORIGIN, "/a", Evidence::RefusedByKdc), Verdict::Refused);
        requests.end(ORIGIN, "/b", Evidence::RefusedByKdc);
        assert_eq!(requests.told(ORIGIN, "/"), Paused(PauseCause::Refused, 5 * 60));
    }
}

mod worn_out {
    use super::*;

    #[test]
    fn a_token_is_not_tried_again_though_it_was_proven() {
        let mut requests = Requests::accepted();
        requests.end(ORIGIN, "/", Evidence::WornOut);
        assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
        requests.pass(24 * 60 * 60);
        assert_eq!(requests.told(ORIGIN, "/"), Told::Refused);
        requests.credentials = Credentials::bearer_token("another");
        assert_eq!(requests.told(ORIGIN, "/"), Go);
    }
}

mod memory {
    use super::table::{MAX_OCTETS, MAX_OCTETS_OF_ORIGIN};
    use super::*;
    use crate::protection_space::Realm;

    fn realm(number: usize, length: usize) -> ProtectionSpace {
        let realm = Realm::from(format!("{number:0length$}").as_str());
        ProtectionSpace { realm: Some(realm), ..space(ORIGIN) }
    }

    fn touch(verdicts: &mut Verdicts, credentials: &Credentials, space: &ProtectionSpace, path: &str) {
        let _ = verdicts.has_challenged(credentials, space, &Method::GET, path);
    }

    #[test]
    fn one_origin_takes_no_more_than_its_share_and_all_no_more_than_there_is() {
        let (mut requests, now) = (Requests::new(), Instant::now());
        let carol = requests.credentials.clone();
        for number in 0..2000 {
            let space = realm(number, 1024);
            touch(&mut requests.verdicts, &carol, &space, "/");
            assert!(requests.verdicts.table.octets() <= MAX_OCTETS_OF_ORIGIN);
        }
        for number in 0..10_000 {
            let space = space(&format!("http://host{number}.example"));
            let asking = Asking {
                credentials: &carol,
                space: &space,
                method: &Method::GET,
                path: "/",
                speaks_first: false,
                disturbs_others: false,
                may_ask_kdc: false,
                waits_since: None,
            };
            requests.verdicts.ask(&asking, now);
            assert!(requests.verdicts.table.octets() <= MAX_OCTETS);
        }
    }

    #[test]
    fn a_hostile_origin_makes_nobody_forget_what_stands() {
        let mut requests = Requests::accepted();
        for number in 0..100 {
            let origin = format!("http://good{number}.example");
            requests.end(&origin, "/", Evidence::Proven);
        }
        let mallory = Credentials::password("mallory", "wrong");
        let carol = std::mem::replace(&mut requests.credentials, mallory);
        requests.end("http://good0.example", "/", Evidence::Refused);
        for number in 0..5000 {
            touch(&mut requests.verdicts, &carol, &realm(number, 1000), "/");
        }
        assert_eq!(requests.told("http://good0.example", "/"), Told::Refused);
        requests.credentials = carol;
        for number in 0..100 {
            let origin = format!("http://good{number}.example");
            assert_eq!(requests.end(&origin, "/", Evidence::Refused), Verdict::Refused, "{number}");
            requests.verdicts.forget_refusals();
        }
    }

    #[test]
    fn refusals_pauses_and_whether_they_were_accepted_go_last() {
        let users = ["refused", "paused", "accepted", "tried"].map(|name| Credentials::password(name, "pw"));
        let mut requests = Requests::new();
        let mut trials = Vec::new();
        for user in &users {
            requests.credentials = user.clone();
            match user.as_password().expect("a password").0 {
                "refused" => drop(requests.end(ORIGIN, "/", Evidence::Refused)),
                "paused" => {
                    requests.end(ORIGIN, "/", Evidence::Undecided);
                    requests.end(ORIGIN, "/", Evidence::Undecided);
                }
                "accepted" => drop(requests.end(ORIGIN, "/", Evidence::Proven)),
                _ => trials.push(requests.send(ORIGIN, "/")),
            }
        }
        for number in 0..20_000 {
            let other = Credentials::password(format!("user{number}"), "pw");
            touch(&mut requests.verdicts, &other, &space(&format!("http://o{}.example", number % 50)), "/");
            touch(&mut requests.verdicts, &other, &space(ORIGIN), "/");
        }
        let told = users.map(|user| {
            requests.credentials = user;
            requests.told(ORIGIN, "/")
        });
        assert_eq!(told, [Told::Refused, Paused(PauseCause::Unanswered, 30), Go, Wait(5)]);
        assert!(requests.verdicts.table.queued().0 > 100, "there was room for some");
    }

    #[test]
    fn a_million_uses_leave_the_queues_short() {
        let mut requests = Requests::accepted();
        let carol = requests.credentials.clone();
        let spaces: Vec<_> = (0..20).map(|number| realm(number, 8)).collect();
        for use_ in 0..1_000_000 {
            // Neighbours in turn, so that no use is of what was used last.
            touch(&mut requests.verdicts, &carol, &spaces[use_ * 7 % spaces.len()], "/");
        }
        let (spaces, queued) = requests.verdicts.table.queued();
        assert!(queued <= 2 * spaces + 16, "{queued} entries of {spaces} spaces");
    }

    #[test]
    fn a_use_adds_one_entry_and_that_of_what_was_used_last_none() {
        let mut requests = Requests::new();
        let carol = requests.credentials.clone();
        let spaces: Vec<_> = (0..100).map(|number| realm(number, 8)).collect();
        for space in &spaces {
            touch(&mut requests.verdicts, &carol, space, "/");
        }
        for (space, added) in [(&spaces[99], 0), (&spaces[0], 1), (&spaces[0], 0), (&spaces[50], 1)] {
            let before = requests.verdicts.table.queued().1;
            touch(&mut requests.verdicts, &carol, space, "/");
            assert_eq!(requests.verdicts.table.queued().1 - before, added);
        }
    }

    #[test]
    fn many_paths_take_no_more_than_a_share() {
        let mut requests = Requests::accepted();
        for number in 0..10_000 {
            requests.end(ORIGIN, &format!("/{number}"), Evidence::Proven);
        }
        assert!(requests.verdicts.table.octets() < MAX_OCTETS_OF_ORIGIN / 2);
        assert_eq!(requests.end(ORIGIN, "/9900", Evidence::Refused), Verdict::Refused);
    }
}
