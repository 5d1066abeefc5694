//! Any octets as a `.netrc` file: what a plain second reader finds too, or an error that shows
//! nothing of the file.

mod plain;

use legwork::Origin;
use legwork::credentials::Netrc;

/// Panics if anything is wrong. Says whether the file is well-formed.
pub fn check(input: &[u8]) -> bool {
    let plain = plain::entries(input);
    let netrc = match Netrc::parse(input) {
        Ok(netrc) => netrc,
        Err(error) => {
            let lines = input.split(|&octet| octet == b'\n').count();
            assert!(error.line().is_none_or(|line| (1..=lines).contains(&line)), "{error}");
            assert!(plain.is_none(), "{error}, and the plain reader has {plain:?}");
            return false;
        }
    };
    let plain = plain.expect("the plain reader reads it too");
    let told = netrc.unusable().iter().map(|error| (error.host(), error.line().expect("a line")));
    assert!(told.eq(plain.iter().filter_map(plain::Entry::told)), "{:?} and {plain:?}", netrc.unusable());
    let with_default = netrc.clone().dangerous_default_entry();
    let machines = plain.iter().filter_map(|entry| entry.machine.as_deref());
    for host in machines.chain(["nobody.has.this.entry"]) {
        for origin in [format!("https://{host}"), format!("https://{host}:8443")] {
            let Ok(origin) = origin.parse::<Origin>() else { continue };
            for login in [None, Some("a")] {
                let (file, whoever) = match login {
                    None => (netrc.clone(), with_default.clone()),
                    Some(name) => (netrc.clone().login(name), with_default.clone().login(name)),
                };
                let expected = plain::find(&plain, &origin, login, plain::Default::PassedOver);
                assert_eq!(found(&file, &origin), expected, "{origin}");
                let expected = plain::find(&plain, &origin, login, plain::Default::ForWhoeverAsks);
                assert_eq!(found(&whoever, &origin), expected, "{origin}");
            }
            // What is accepted for a host with its port is not always one without.
            let Ok(plain_http) = format!("http://{}", origin.host()).parse() else { continue };
            assert_eq!(found(&with_default, &plain_http), None);
        }
    }
    true
}

fn found(netrc: &Netrc, origin: &Origin) -> Option<(String, String)> {
    let credentials = netrc.find(origin)?;
    let (username, password) = credentials.as_password().expect("a file has passwords");
    Some((username.to_owned(), password.expose().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_well_formed_and_their_beginnings_do_no_harm() {
        for (name, input) in seeds::of("netrc") {
            assert!(check(&input), "{name}");
            for end in 0..input.len() {
                check(&input[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for (_, input) in seeds::of("netrc") {
            for at in 0..input.len() {
                for damage in [0x01, 0x02, 0x20, 0x80, 0xff] {
                    let mut damaged = input.clone();
                    damaged[at] ^= damage;
                    check(&damaged);
                }
            }
        }
    }
}
