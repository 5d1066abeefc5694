//! Any octets as a server's NTLM challenge: `cargo +nightly fuzz run ntlm_challenge fuzz/corpus/ntlm_challenge
//! fuzz/seeds/ntlm_challenge`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::ntlm_challenge::check(input);
});
