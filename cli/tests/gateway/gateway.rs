//! The program as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};

use crate::lab::lab;

/// The gateway.
pub(crate) struct Gateway {
    process: Child,
    /// It writes more than is read.
    _stdout: BufReader<ChildStdout>,
    /// Of its first listener.
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts it as the lab's carol, with these arguments beside.
    pub(crate) fn of_carol(arguments: &[&str]) -> Self {
        let mut command = Self::command(arguments);
        command.args(["--user", lab("NTLM_USER")]).env("LEGWORK_PASSWORD", lab("NTLM_PASSWORD"));
        Self::start(&mut command)
    }

    /// Starts it with alice's tickets.
    pub(crate) fn of_alice(arguments: &[&str]) -> Self {
        Self::start(Self::command(arguments).arg("--ticket").env("KRB5CCNAME", lab("CCACHE")))
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_legwork"));
        command.args(["gateway", "--ca", lab("CA_BUNDLE")]).args(arguments);
        for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
            command.env_remove(name).env_remove(name.to_uppercase());
        }
        command
    }

    fn start(command: &mut Command) -> Self {
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it starts");
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let mut said = String::new();
        stdout.read_line(&mut said).expect("UTF-8");
        let address = said.strip_prefix("listening on ").and_then(|said| said.split_whitespace().next());
        let address = address.and_then(|address| address.parse().ok());
        Self { process, _stdout: stdout, address: address.unwrap_or_else(|| panic!("{said}")) }
    }

    pub(crate) fn stop(mut self) -> ExitStatus {
        let kill = format!("kill -TERM {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
        self.process.wait().expect("it ends")
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
