//! Any text as a list of origins, and an origin: it is covered where a plain second reading has it covered, and what cannot be
//! read shows no password.

use legwork::Origin;
use legwork::credentials::OriginPatterns;

/// Panics if anything is wrong. The input is the list, a line feed, and the origin. Says whether the list covers it, if
/// both can be read.
pub fn check(input: &[u8]) -> Option<bool> {
    let (list, origin) = std::str::from_utf8(input).ok()?.rsplit_once('\n')?;
    let origin: Origin = origin.parse().ok()?;
    let patterns: OriginPatterns = match list.parse() {
        Ok(patterns) => patterns,
        Err(error) => {
            // What stands before the last @ of an entry may be a password.
            let shown = format!("{error} {error:?}");
            assert!(!entries(list).any(|entry| entry.contains('@') && shown.contains(entry)), "{shown}");
            return None;
        }
    };
    let found = patterns.matches(&origin);
    assert_eq!(found, entries(list).any(|entry| covers(entry, &origin)), "{list:?} {origin}");
    let again: OriginPatterns = patterns.to_string().parse().expect("it is written as it is read");
    assert_eq!(again, patterns, "{list:?}");
    assert!(OriginPatterns::from(origin.clone()).matches(&origin));
    Some(found)
}

fn entries(list: &str) -> impl Iterator<Item = &str> {
    list.split([',', ' ', '\t', '\n', '\r']).filter(|entry| !entry.is_empty())
}

/// Letter by letter, of an entry that can be read.
fn covers(entry: &str, origin: &Origin) -> bool {
    let entry = entry.to_ascii_lowercase();
    if entry == "*" {
        return true;
    }
    let (scheme, rest) = match entry.split_once("://") {
        Some((scheme, rest)) => (Some(scheme), rest),
        None => (None, &entry[..]),
    };
    // A port is what stands behind the last colon outside of brackets.
    let (host, port) = match rest.rsplit_once(':') {
        Some((host, port)) if scheme.is_some() && !port.contains(']') => (host, Some(port)),
        _ => (rest, None),
    };
    let host_fits = match host.strip_prefix("*.") {
        Some(domain) => {
            origin.host().strip_suffix(domain).is_some_and(|above| above.len() > 1 && above.ends_with('.'))
        }
        None => origin.host() == host,
    };
    let at_fits = scheme.is_none_or(|scheme| {
        let port = port.filter(|port| !port.is_empty());
        let default = if scheme == "https" { 443 } else { 80 };
        let port = port.map_or(Some(default), |port| port.parse().ok());
        (scheme == "https") == origin.is_secure() && port == Some(origin.port())
    });
    host_fits && at_fits
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_read_and_their_beginnings_do_no_harm() {
        for (name, seed) in seeds::of("origins") {
            let expected = match name.split('-').next() {
                Some("not") => Some(false),
                Some("error") => None,
                _ => Some(true),
            };
            assert_eq!(check(&seed), expected, "{name}");
            for end in 0..seed.len() {
                check(&seed[..end]);
                check(&seed[end..]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for damaged in seeds::damaged("origins") {
            check(&damaged);
        }
    }

    #[test]
    fn both_readings_agree_on_every_short_entry() {
        const PIECES: [&str; 14] =
            ["*", ".", "a", "B", "://", "http", "https", ":", "80", "443", "[::1]", ",", "@", "/"];
        const ORIGINS: [&str; 5] =
            ["http://a", "https://b.a", "http://b.a:443", "https://[::1]", "https://a.b:80"];
        let mut ends = [0, 0];
        for number in 0..PIECES.len().pow(4) {
            let pieces = (0..4).map(|place| PIECES[number / PIECES.len().pow(place) % PIECES.len()]);
            let list = pieces.collect::<String>();
            for origin in ORIGINS {
                if let Some(found) = check(format!("{list}\n{origin}").as_bytes()) {
                    ends[usize::from(found)] += 1;
                }
            }
        }
        assert!(ends.iter().all(|end| *end > 100), "one end is hardly tested: {ends:?}");
    }
}
