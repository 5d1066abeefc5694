use std::collections::BTreeMap;
use std::ops::Range;
use std::thread;

use super::{Course, check, of_seed};
use crate::client::ends::End;
use crate::seeds;

/// How many worlds are played where nothing else is asked for.
const SEEDS: u64 = 2_000;

/// Seeds whose worlds have found something, past those. Of those, it is 262 (logins by SCRAM at a proxy and an origin that went on
/// for ever), 332, 363 and 1205 (connections that hyper and the legacy client went on with after their requests had ended).
const FOUND: &[u64] = &[
    // One of those connections on which the server has answered what had not been written yet.
    7380,
    // A connection that ends and does not say so, as one that HTTP/1.0 was said on, which was waited for without end.
    72142,
];

/// `LEGWORK_SEEDS`: how many, or which: `100000`, `17..18`.
fn asked_for() -> Range<u64> {
    let Ok(asked) = std::env::var("LEGWORK_SEEDS") else { return 0..SEEDS };
    let number =
        |text: &str| text.parse().expect("LEGWORK_SEEDS is a number, or two of them with .. in between");
    match asked.split_once("..") {
        Some((first, end)) => number(first)..number(end),
        None => 0..number(&asked),
    }
}

#[test]
fn every_world_keeps_the_rules() {
    let asked = asked_for();
    let found = if asked == (0..SEEDS) { FOUND } else { &[] };
    let threads = thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let share =
        |thread| asked.clone().skip(thread as usize).step_by(threads as usize).chain(found.iter().copied());
    let courses: Vec<(u64, Course)> = thread::scope(|scope| {
        let playing: Vec<_> = (0..threads).map(|thread| scope.spawn(move || play(share(thread)))).collect();
        playing.into_iter().flat_map(|playing| playing.join().expect("panics are caught")).collect()
    });
    let mut ends = BTreeMap::new();
    for (_, course) in &courses {
        for (end, times) in &course.ends {
            *ends.entry(end.clone()).or_insert(0) += times;
        }
    }
    let accepted: usize = courses.iter().map(|(_, course)| course.accepted).sum();
    println!("{} worlds, {accepted} logins accepted: {ends:?}", courses.len());

    let wrong: Vec<_> = courses.iter().filter(|(_, course)| !course.violations.is_empty()).collect();
    for (seed, course) in wrong.iter().take(3) {
        println!("{}", of_seed(*seed, true).notes.join("\n"));
        println!(
            "seed {seed}: {}\nagain: LEGWORK_SEEDS={seed}..{} cargo test client",
            course.violations.join("\n"),
            seed + 1
        );
    }
    let seeds: Vec<_> = wrong.iter().map(|(seed, _)| seed).collect();
    assert!(wrong.is_empty(), "{} worlds break the rules: {seeds:?}", seeds.len());
    if courses.len() as u64 >= SEEDS {
        goes_deep(&ends, accepted);
    }
}

fn play(seeds: impl Iterator<Item = u64>) -> Vec<(u64, Course)> {
    seeds.map(|seed| (seed, of_seed(seed, false))).collect()
}

/// All of this has to happen, or the worlds find nothing.
fn goes_deep(ends: &BTreeMap<(String, End), usize>, accepted: usize) {
    assert!(accepted > 5_000, "{accepted} logins");
    for kind in ["Hyper", "Legacy", "Layer"] {
        for (end, least) in [
            (End::Served, 1_000),
            (End::Refused, 400),
            (End::GivenUp, 200),
            (End::ConnectionFailed, 100),
            (End::Answered, 20),
            (End::LoginFailed, 10),
            (End::Broken, 3),
            (End::TimedOut, 1),
        ] {
            let times = ends.get(&(kind.to_owned(), end)).copied().unwrap_or_default();
            assert!(times >= least, "{kind}: {times} are {end:?}");
        }
    }
}

#[test]
fn a_world_has_one_course() {
    for seed in 0..100 {
        let (first, second) = (of_seed(seed, true), of_seed(seed, true));
        assert_eq!(first.digest, second.digest, "seed {seed}: {:#?}\n{:#?}", first.notes, second.notes);
    }
}

#[test]
fn the_seeds_keep_the_rules_and_so_do_their_beginnings() {
    for (_, octets) in seeds::of("client") {
        for end in (0..=octets.len()).step_by(40) {
            check(&octets[..end]);
        }
    }
}
