use legwork::challenge::Challenges;

use super::reference::{self, Challenge};
use super::{check, read};
use crate::seeds;

/// A deterministic source of choices (xorshift64).
struct Choices(u64);

impl Choices {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).expect("31 bits fit") % bound
    }

    fn one<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn space(&mut self) -> &'static str {
        self.one(&["", "", "", " ", "\t", "  ", " \t "])
    }

    /// A separator of list elements, with empty elements in it at times.
    fn comma(&mut self) -> String {
        let commas = self.one(&[",", ",", ",", ",,", ", ,", ",\t,"]);
        format!("{}{commas}{}", self.space(), self.space())
    }
}

/// A well-formed field value, and the challenges that it was made from.
fn well_formed(choices: &mut Choices) -> (Vec<u8>, Vec<Challenge>) {
    let mut value = choices.one(&["", "", " ", ",", "\t, "]).as_bytes().to_vec();
    let mut challenges = Vec::new();
    for i in 0..choices.below(4) {
        if i > 0 {
            value.extend(choices.comma().bytes());
        }
        let scheme = choices.one(&["Basic", "NTLM", "Negotiate", "x", "!#$%&'*+-.^_`|~"]).to_owned();
        value.extend(scheme.bytes());
        let mut challenge = Challenge { scheme, token68: None, params: Vec::new() };
        match choices.below(3) {
            0 => {}
            1 => {
                let token = choices.one(&["a", "TlRMTVNTUAAB", "YIIK+/==", "-._~+/====", "realm="]);
                value.extend(choices.one(&[" ", "  "]).bytes().chain(token.bytes()));
                challenge.token68 = Some(token.to_owned());
            }
            _ => {
                value.push(b' ');
                for (j, name) in ["realm", "nonce", "q'"].into_iter().take(1 + choices.below(3)).enumerate() {
                    if j > 0 {
                        value.extend(choices.comma().bytes());
                    }
                    value.extend([name, choices.space(), "=", choices.space()].concat().bytes());
                    let (spelled, meant): (&[u8], &[u8]) = choices.one(&[
                        (b"token", b"token"),
                        (b"\"\"", b""),
                        (b"\"a, Basic b=c\"", b"a, Basic b=c"),
                        (b"\"\\\"\\\\\\x\"", b"\"\\x"),
                        (b"\"Z\xc3\xbcrich \xff\t\"", b"Z\xc3\xbcrich \xff\t"),
                    ]);
                    value.extend(spelled);
                    challenge.params.push((name.to_owned(), meant.to_vec()));
                }
            }
        }
        challenges.push(challenge);
    }
    value.extend(choices.one(&["", "", " ", ",", " ,\t"]).bytes());
    (value, challenges)
}

#[test]
fn what_a_value_was_made_from_is_what_both_parsers_read() {
    let mut choices = Choices(0x9E37_79B9_7F4A_7C15);
    for _ in 0..500 {
        let (value, challenges) = well_formed(&mut choices);
        assert_eq!(reference::parse(&value).as_deref(), Some(&challenges[..]), "{}", value.escape_ascii());
        assert_eq!(read(&Challenges::from_value(&value)), challenges, "{}", value.escape_ascii());
        assert_ne!(check(&value), Some(false));
    }
}

#[test]
fn the_parsers_agree_on_damaged_values() {
    let mut choices = Choices(0x2545_F491_4F6C_DD1D);
    let mut verdicts = [0, 0];
    for _ in 0..1500 {
        let (mut value, _) = well_formed(&mut choices);
        for _ in 0..1 + choices.below(3) {
            let at = choices.below(value.len() + 1);
            let octet = choices.one(b"\",=\\ \ta/\x01\x7f\x80@\n");
            match choices.below(3) {
                0 => value.insert(at, octet),
                1 if at < value.len() => value[at] = octet,
                _ => drop(value.drain(at..value.len().min(at + 1))),
            }
        }
        if let Some(accepted) = check(&value) {
            verdicts[usize::from(accepted)] += 1;
        }
    }
    assert!(verdicts.iter().all(|&count| count > 300), "one verdict is hardly tested: {verdicts:?}");
}

#[test]
fn the_parsers_agree_on_every_short_value() {
    let alphabet = b"aB \t,=\"\\/";
    let mut values = vec![Vec::new()];
    for _ in 0..5 {
        values = values
            .iter()
            .flat_map(|value| alphabet.iter().map(move |&octet| [&value[..], &[octet]].concat()))
            .collect();
        for value in &values {
            check(value);
        }
    }
}

#[test]
fn the_seeds_are_read_without_errors_but_for_the_malformed_ones() {
    for (name, value) in seeds::of("challenges") {
        check(&value);
        for line in value.split(|&octet| octet == b'\n') {
            let challenges = Challenges::from_value(line);
            let errors = if name.starts_with("malformed-") { challenges.malformed().len() } else { 0 };
            assert_eq!(challenges.errors().len(), errors, "{name}");
            assert!(!challenges.is_empty() || errors > 0, "{name}");
        }
    }
}
