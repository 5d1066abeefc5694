//! Any octets as SPNEGO tokens, on both sides: `cargo +nightly fuzz run spnego_token fuzz/corpus/spnego_token
//! fuzz/seeds/spnego_token`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::spnego_token::check(input);
});
