//! Any octets as a ticket cache: `cargo +nightly fuzz run ccache fuzz/corpus/ccache fuzz/seeds/ccache`.

#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| {
    legwork_fuzz::program::ccache::check(input);
});
