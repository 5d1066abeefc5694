//! Any lines as cookies of an origin behind the gateway: `cargo +nightly fuzz run cookies fuzz/corpus/cookies fuzz/seeds/cookies`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::program::cookies::check(input);
});
