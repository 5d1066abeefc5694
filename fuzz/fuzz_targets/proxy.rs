//! Any text as the URI of a proxy against the plain reading: `cargo +nightly fuzz run proxy fuzz/corpus/proxy
//! fuzz/seeds/proxy`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::proxy::check(input);
});
