//! A terminal that is closed.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::ffi::OsStrExt;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

#[test]
fn it_ends_with_its_terminal() {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let terminal = openpt(flags).expect("a terminal");
    grantpt(&terminal).expect("it is ours");
    unlockpt(&terminal).expect("it is ours");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let path = std::ffi::OsStr::from_bytes(name.as_bytes());
    let open = || File::options().read(true).write(true).open(path).expect("it is open");
    let mut gateway = Command::new("setsid");
    gateway.args(["--ctty", env!("CARGO_BIN_EXE_legwork"), "gateway", "--listen", "127.0.0.1:0"]);
    gateway.args(["-x", "http://127.0.0.1:1"]).stdin(open()).stderr(open()).stdout(Stdio::piped());
    let mut process = gateway.spawn().expect("setsid runs");
    // The other ends of the terminal.
    drop(gateway);
    let mut said = String::new();
    let mut stdout = BufReader::new(process.stdout.take().expect("a pipe"));
    stdout.read_line(&mut said).expect("UTF-8");
    assert!(said.starts_with("listening on "), "{said}");

    drop(terminal);
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = process.try_wait().expect("it is there") {
            break Some(status);
        }
        if begun.elapsed() > Duration::from_secs(60) {
            let _ = process.kill();
            let _ = process.wait();
            break None;
        }
        std::thread::sleep(Duration::from_millis(10));
    };
    assert_eq!(status.expect("it ends").code(), Some(0));
}
