//! A command of the program, as a test starts it.

use std::process::{Command, Stdio};

/// With an empty stdin, in an environment that has nothing of ours in it.
pub(crate) fn legwork(command: &str, arguments: &[&str]) -> Command {
    let mut process = Command::new(env!("CARGO_BIN_EXE_legwork"));
    process.arg(command).args(arguments);
    process.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_lowercase();
        let is_ours = text.starts_with("legwork_") || text.starts_with("krb5");
        if is_ours || text.ends_with("_proxy") || text == "netrc" {
            process.env_remove(name);
        }
    }
    process
}
