//! Any octets as the error token of a server that cannot take a ticket: `cargo +nightly fuzz run krb_error
//! fuzz/corpus/krb_error fuzz/seeds/krb_error`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::krb_error::check(input);
});
