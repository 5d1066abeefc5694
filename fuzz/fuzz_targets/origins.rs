//! Any text as a list of origins against the plain reading: `cargo +nightly fuzz run origins fuzz/corpus/origins fuzz/seeds/origins`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::origins::check(input);
});
