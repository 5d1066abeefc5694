//! The program as a process.

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStderr, ChildStdout, Command, ExitStatus, Stdio};

use crate::lab::lab;

/// The gateway.
pub(crate) struct Gateway {
    process: Child,
    /// It writes more than is read.
    _stdout: BufReader<ChildStdout>,
    /// It writes a line for each reason of a refusal, and less than a pipe holds.
    stderr: BufReader<ChildStderr>,
    /// Of its first listener.
    pub(crate) address: SocketAddr,
    addresses: Vec<SocketAddr>,
}

impl Gateway {
    /// Starts it as this user, with these arguments beside.
    pub(crate) fn of(user: &str, password: &str, arguments: &[&str]) -> Self {
        Self::start(Self::command(arguments).args(["--user", user]).env("LEGWORK_PASSWORD", password))
    }

    /// Starts it with these arguments, among which is who logs in.
    pub(crate) fn with(arguments: &[&str]) -> Self {
        Self::start(&mut Self::command(arguments))
    }

    /// The same with these variables.
    pub(crate) fn with_variables(arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::start(Self::command(arguments).envs(variables.iter().copied()))
    }

    /// Has it read passwords again, and gives what it says of that.
    pub(crate) fn reload(&mut self) -> String {
        self.signal("HUP");
        loop {
            let mut said = String::new();
            assert_ne!(self.stderr.read_line(&mut said).expect("UTF-8"), 0, "it has ended");
            if said.contains("reloaded") {
                return said.trim_end().to_owned();
            }
        }
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
        let listeners = command.get_args().filter(|word| *word == "--listen" || *word == "--serve").count();
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        let stderr = BufReader::new(process.stderr.take().expect("a pipe"));
        let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
        let (mut addresses, mut said) = (Vec::new(), String::new());
        while addresses.len() < listeners {
            said.clear();
            assert_ne!(stdout.read_line(&mut said).expect("UTF-8"), 0, "it has not started");
            let address = said.strip_prefix("listening on ").and_then(|said| said.split_whitespace().next());
            addresses.extend(address.map(|address| address.parse::<SocketAddr>().expect("an address")));
        }
        Self { process, _stdout: stdout, stderr, address: addresses[0], addresses }
    }

    /// Of all its listeners, in the order in which they are announced.
    pub(crate) fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    pub(crate) fn stop(mut self) -> ExitStatus {
        self.signal("TERM");
        self.process.wait().expect("it ends")
    }
}

impl Gateway {
    pub(crate) fn signal(&self, signal: &str) {
        let kill = format!("kill -{signal} {}", self.process.id());
        assert!(Command::new("sh").args(["-c", &kill]).status().expect("a shell").success());
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
