use super::check;
use crate::seeds;

#[test]
fn the_seeds_are_read_and_their_beginnings_do_no_harm() {
    for (name, seed) in seeds::of("no_proxy") {
        assert_eq!(check(&seed), Some(!name.starts_with("not-")), "{name}");
        for end in 0..seed.len() {
            check(&seed[..end]);
            check(&seed[end..]);
        }
    }
}

#[test]
fn any_octet_may_be_damaged() {
    for damaged in seeds::damaged("no_proxy") {
        check(&damaged);
    }
}

#[test]
fn both_readings_agree_on_every_short_entry() {
    const PIECES: [&str; 16] = [
        "*",
        ".",
        ":",
        "80",
        "/",
        "9",
        "a",
        "B",
        "10.0.0.1",
        "::",
        "[",
        "]",
        "ffff:10.0.0.1",
        " ",
        ",",
        "104",
    ];
    const HOSTS: [&str; 8] = [
        "a",
        "b.A.:80",
        "ab.a:81",
        "10.0.0.1",
        "10.127.0.1.:443",
        "[::ffff:10.0.0.1]",
        "[::]:80",
        "[::ffff:0:0]",
    ];
    let mut ends = [0, 0];
    for number in 0..PIECES.len().pow(4) {
        let pieces = (0..4).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
        let list = pieces.collect::<String>();
        for host in HOSTS {
            if let Some(found) = check(format!("{list}\nhttp://{host}/").as_bytes()) {
                ends[usize::from(found)] += 1;
            }
        }
    }
    assert!(ends.iter().all(|end| *end > 1000), "one end is hardly tested: {ends:?}");
}
