use super::check;
use super::reference::resolve;
use crate::seeds;

/// A request's URI and a `Location`, as the target takes them.
fn input(base: &str, location: &[u8]) -> Vec<u8> {
    [base.as_bytes(), b"\n", location].concat()
}

#[test]
fn the_reference_has_the_examples_of_rfc_3986() {
    for (reference, expected) in [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("#s", "http://a/b/c/d;p?q"),
        (";x", "http://a/b/c/;x"),
        ("..", "http://a/b/"),
        ("../../../g", "http://a/g"),
        ("/./g", "http://a/g"),
        ("g.", "http://a/b/c/g."),
        ("./g/.", "http://a/b/c/g/"),
        ("g;x=1/../y", "http://a/b/c/y"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
    ] {
        let target = resolve("http://a/b/c/d;p?q", reference.as_bytes());
        assert_eq!(target.as_deref(), Some(expected), "{reference}");
        assert_eq!(check(&input("http://a/b/c/d;p?q", reference.as_bytes())), Some(true), "{reference}");
    }
    assert_eq!(resolve("http://a/b/c/d;p?q", b"g:h"), None);
}

#[test]
fn the_seeds_lead_somewhere_and_their_beginnings_do_no_harm() {
    for (name, seed) in seeds::of("location") {
        assert_eq!(check(&seed), Some(!name.starts_with("nowhere-")), "{name}");
        for end in 0..seed.len() {
            check(&seed[..end]);
        }
    }
}

#[test]
fn any_octet_may_be_damaged() {
    for damaged in seeds::damaged("location") {
        check(&damaged);
    }
}

#[test]
fn both_readings_agree_on_every_short_reference() {
    const PIECES: [&[u8]; 13] =
        [b"http:", b"x-y:", b"//", b"/", b"u:p@", b"h", b":81", b"..", b".", b"1:", b"?", b"#", b" \xfc"];
    let mut ends = [0, 0];
    for base in ["http://base", "https://base:8443/b/./c//d/..?q"] {
        for number in 0..PIECES.len().pow(4) {
            let pieces = (0..4).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
            let location = pieces.collect::<Vec<_>>().concat();
            if let Some(leads) = check(&input(base, &location)) {
                ends[usize::from(leads)] += 1;
            }
        }
    }
    assert!(ends.iter().all(|end| *end > 1000), "one end is hardly tested: {ends:?}");
}
