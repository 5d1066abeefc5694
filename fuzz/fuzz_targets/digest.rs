//! Any octets as Digest challenges and their Authentication-Info: `cargo +nightly fuzz run digest fuzz/corpus/digest
//! fuzz/seeds/digest`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::digest::check(input);
});
