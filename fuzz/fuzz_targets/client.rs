//! A world of servers and programs, against the whole client in virtual time: `cargo +nightly fuzz run client
//! fuzz/corpus/client fuzz/seeds/client`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|octets: &[u8]| {
    legwork_fuzz::client::check(octets);
});
