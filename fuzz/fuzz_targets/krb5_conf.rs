//! Any text as a `krb5.conf`: `cargo +nightly fuzz run krb5_conf fuzz/corpus/krb5_conf fuzz/seeds/krb5_conf`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::program::krb5_conf::check(input);
});
