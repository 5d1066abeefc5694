//! Any octets as a `Location` against the plain reading: `cargo +nightly fuzz run location fuzz/corpus/location
//! fuzz/seeds/location`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::location::check(input);
});
