//! Any octets as a `.netrc` file: `cargo +nightly fuzz run netrc fuzz/corpus/netrc
//! fuzz/seeds/netrc`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::netrc::check(input);
});
