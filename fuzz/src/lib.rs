//! What the fuzz targets check. The checks run without a fuzzer too: `cargo test` in this folder
//! gives them generated input.

pub mod challenges;
