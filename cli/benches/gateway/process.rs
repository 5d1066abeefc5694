//! The processes between which it is measured.

use std::env;
#[cfg(target_os = "linux")]
use std::io::Write;
use std::io::{self, BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, ChildStdout, Command, Stdio};

use crate::relays;

/// Another program, or this one once more with other arguments. Dropped, it ends.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) addresses: Vec<SocketAddr>,
    /// It may write more than is read.
    stdout: BufReader<ChildStdout>,
}

impl Process {
    pub(crate) fn start(arguments: &[&str]) -> io::Result<Self> {
        Self::spawn(Command::new(env::current_exe()?).args(arguments))
    }

    /// The gateway, before this proxy.
    pub(crate) fn gateway(upstream: SocketAddr) -> io::Result<Self> {
        let mut gateway = Command::new(env!("CARGO_BIN_EXE_legwork"));
        gateway.args(["gateway", "--listen", "127.0.0.1:0", "--user", relays::USER]);
        gateway.args(["--proxy", &format!("http://{upstream}")]).env("LEGWORK_PASSWORD", relays::PASSWORD);
        Self::spawn(gateway.stderr(Stdio::null()))
    }

    /// The first line that it prints has its addresses.
    fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let mut process = Self { child, addresses: Vec::new(), stdout };
        let line = process.line()?;
        let words = line.trim_start_matches("listening on ").split_whitespace();
        let addresses = words.map(|address| address.parse().map_err(io::Error::other));
        process.addresses = addresses.collect::<Result<_, _>>()?;
        Ok(process)
    }

    fn line(&mut self) -> io::Result<String> {
        let mut line = String::new();
        self.stdout.read_line(&mut line)?;
        Ok(line)
    }

    /// What it says when it is asked.
    #[cfg(target_os = "linux")]
    pub(crate) fn ask(&mut self) -> io::Result<String> {
        self.child.stdin.as_mut().expect("it is piped").write_all(b"\n")?;
        self.line()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
