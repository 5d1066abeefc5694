//! Any text as a list of hosts that need no proxy against the plain reading: `cargo +nightly fuzz run no_proxy
//! fuzz/corpus/no_proxy fuzz/seeds/no_proxy`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::no_proxy::check(input);
});
