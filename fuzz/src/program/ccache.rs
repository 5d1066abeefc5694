//! Any octets as a ticket cache's file: an owner is read, or nothing.

use std::time::{Duration, SystemTime};

use super::files::contents;

/// Panics if anything is wrong. Says whether it was a cache.
pub fn check(input: &[u8]) -> bool {
    let Some((owner, end)) = contents(input) else { return false };
    assert!(owner.contains('@') && owner.len() <= 3 * input.len(), "{owner:?}");
    let latest = SystemTime::UNIX_EPOCH + Duration::from_secs(u32::MAX.into());
    assert!(end.is_none_or(|end| end <= latest));
    // What is behind a whole cache changes nothing, and what is cut off takes away no more than itself.
    let shorter = contents(&input[..input.len() - 1]);
    assert!(shorter.is_none_or(|(other, earlier)| other == owner && earlier <= end));
    true
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::seeds;

    #[test]
    fn the_seeds_are_read_and_their_beginnings_do_no_harm() {
        for (name, seed) in seeds::of("ccache") {
            assert!(check(&seed), "{name}");
            for end in 0..seed.len() {
                check(&seed[..end]);
            }
        }
    }

    #[test]
    fn any_octet_may_be_damaged() {
        for damaged in seeds::damaged("ccache") {
            check(&damaged);
        }
    }
}
