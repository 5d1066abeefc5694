//! A server that follows a script, against the whole handshake: `cargo +nightly fuzz run handshake fuzz/corpus/handshake
//! fuzz/seeds/handshake`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|script: &[u8]| {
    legwork_fuzz::handshake::check(script);
});
