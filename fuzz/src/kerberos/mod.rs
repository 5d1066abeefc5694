//! Any octets as a message of Kerberos: what is one is so to a plain second reader too, and it encodes to what
//! decodes to the same. The embedded server and its KDC bear all of them.

mod plain;
mod served;

use legwork::testing::kerberos_readings;

/// Panics if anything is wrong. Says whether the input is a message of any kind.
pub fn check(input: &[u8]) -> bool {
    let readings = kerberos_readings(input);
    for (name, grammar) in plain::MESSAGES {
        let ours = readings.iter().any(|(reading, _)| reading == name);
        assert_eq!(ours, plain::accepts(grammar, input), "{name}");
    }
    for (name, encoded) in &readings {
        let again = kerberos_readings(encoded);
        assert!(again.contains(&(name, encoded.clone())), "{name}: {encoded:02x?} reads as {again:02x?}");
    }
    served::serve(input);
    !readings.is_empty()
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_messages_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("kerberos") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for input in seeds::damaged("kerberos") {
            check(&input);
        }
    }
}
