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
    /// Starts it as this user, with these arguments beside.
    pub(crate) fn of(user: &str, password: &str, arguments: &[&str]) -> Self {
        Self::start(Self::command(arguments).args(["--user", user]).env("LEGWORK_PASSWORD", password))
    }

    /// Starts it as the lab's carol.
    pub(crate) fn of_carol(arguments: &[&str]) -> Self {
        let arguments = [arguments, &["--ca", lab("CA_BUNDLE")]].concat();
        Self::of(lab("NTLM_USER"), lab("NTLM_PASSWORD"), &arguments)
    }

    /// Starts it with alice's tickets.
    pub(crate) fn of_alice(arguments: &[&str]) -> Self {
        let mut command = Self::command(arguments);
        Self::start(command.args(["--ca", lab("CA_BUNDLE"), "--ticket"]).env("KRB5CCNAME", lab("CCACHE")))
    }

    /// What Linux says of its memory.
    #[cfg(target_os = "linux")]
    pub(crate) fn resident_kibibytes(&self, name: &str) -> i64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id())).expect("it runs");
        let line =
            status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).expect("a line");
        line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number")
    }

    fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_legwork"));
        command.arg("gateway").args(arguments);
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
