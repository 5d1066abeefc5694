//! Any octets as a server's SCRAM messages and attributes: `cargo +nightly fuzz run scram
//! fuzz/corpus/scram fuzz/seeds/scram`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::scram::check(input);
});
