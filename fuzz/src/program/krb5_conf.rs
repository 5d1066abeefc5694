//! Any text as a `krb5.conf`, and a host: what is found stands in the text.

use super::files::Configuration;

/// Panics if anything is wrong. The input is a host, a line feed, and the file. Says whether the host has a realm there.
pub fn check(input: &[u8]) -> Option<bool> {
    let (host, text) = std::str::from_utf8(input).ok()?.split_once('\n')?;
    let read = Configuration::read(text);
    for value in read.setting("default_realm").into_iter().chain(read.kdcs("LAB.TEST")) {
        assert!(text.contains(value), "{value:?} of {text:?}");
    }
    let realm = read.realm_of(host)?;
    assert!(text.contains("domain_realm") && text.contains(realm), "{realm:?} of {text:?}");
    // A host of the same name in other letters is the same.
    assert_eq!(read.realm_of(&host.to_ascii_uppercase()), Some(realm));
    // What follows is not looked at: the first relation counts.
    let more = Configuration::read(&format!("{text}\n[domain_realm]\n{host} = OTHER\n"));
    assert!(more.realm_of(host).is_some());
    Some(true)
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_read_and_their_beginnings_do_no_harm() {
        for (name, seed) in seeds::of("krb5_conf") {
            assert_eq!(check(&seed).is_some(), !name.starts_with("not-"), "{name}");
            for end in 0..seed.len() {
                check(&seed[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for damaged in seeds::damaged("krb5_conf") {
            check(&damaged);
        }
    }
}
