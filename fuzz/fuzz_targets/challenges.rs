//! Challenges against the plain parser: `cargo +nightly fuzz run challenges fuzz/corpus/challenges
//! fuzz/seeds/challenges`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|value: &[u8]| {
    legwork_fuzz::challenges::check(value);
});
