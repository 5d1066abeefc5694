//! Any octets as a message of Kerberos: `cargo +nightly fuzz run kerberos fuzz/corpus/kerberos fuzz/seeds/kerberos`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::kerberos::check(input);
});
