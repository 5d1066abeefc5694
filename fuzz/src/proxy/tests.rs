use super::check;
use crate::seeds;

#[test]
fn the_seeds_are_read_and_their_beginnings_do_no_harm() {
    for (name, seed) in seeds::of("proxy") {
        assert_eq!(check(&seed), Some(!name.starts_with("error-")), "{name}");
        for end in 0..seed.len() {
            check(&seed[..end]);
        }
    }
}

#[test]
fn any_octet_may_be_damaged() {
    for damaged in seeds::damaged("proxy") {
        check(&damaged);
    }
}

#[test]
fn both_readings_agree_on_every_short_text() {
    const PIECES: [&str; 14] =
        ["http", "://", "socks5", "u", ":", "@", "/", "?", "#", "\\", "%", "4", "\u{e4}", "[::1]"];
    let mut ends = [0, 0];
    for number in 0..PIECES.len().pow(5) {
        let pieces = (0..5).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
        let text = pieces.collect::<String>();
        for text in [format!("{text}h"), format!("http://{text}@h:1")] {
            ends[usize::from(check(text.as_bytes()).expect("text"))] += 1;
        }
    }
    assert!(ends.iter().all(|end| *end > 1000), "one end is hardly tested: {ends:?}");
}
