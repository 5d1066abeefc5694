//! Any value as a URL in a field of the gateway's: `cargo +nightly fuzz run names fuzz/corpus/names fuzz/seeds/names`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::program::names::check(input);
});
