//! Any octets as a server's certificate: `cargo +nightly fuzz run certificate fuzz/corpus/certificate
//! fuzz/seeds/certificate`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::certificate::check(input);
});
