//! The examples as programs.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// An example's executable, built from the sources of these tests.
pub(crate) fn executable(example: &'static str) -> PathBuf {
    static BUILT: Mutex<Option<HashMap<&str, PathBuf>>> = Mutex::new(None);
    let mut built = BUILT.lock().unwrap_or_else(PoisonError::into_inner);
    built.get_or_insert_default().entry(example).or_insert_with(|| build(example)).clone()
}

fn build(example: &str) -> PathBuf {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--example", example]).current_dir(env!("CARGO_MANIFEST_DIR"));
    // As these tests were built: then there is most often nothing to build.
    cargo.arg(match cfg!(feature = "native-tls") {
        true => "--all-features",
        false => "--features=gssapi,http2,kerberos,reqwest-rustls,saslprep,testing",
    });
    cargo.args((!cfg!(debug_assertions)).then_some("--release"));
    // What cargo tells these tests of their package would have crates built anew.
    for (name, _) in std::env::vars() {
        if name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_") {
            cargo.env_remove(name);
        }
    }
    assert!(cargo.status().expect("cargo runs").success(), "the example is not built");
    let tests = std::env::current_exe().expect("a path");
    tests.parent().and_then(Path::parent).expect("the profile's folder").join("examples").join(example)
}
