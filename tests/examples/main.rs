//! The examples as their users run them: what they print, to where, and their exit codes.
#![cfg(unix)]

use std::fs::File;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Output, Stdio};

use legwork::testing::{Kdc, Offer, Server};

use crate::executable::executable;

mod executable;

const EXAMPLES: [&str; 4] = ["ews", "kerberos", "login", "reqwest"];

/// Those that log in as a user, and the variable that has the password.
const OF_USERS: [(&str, &str); 3] =
    [("ews", "EWS_PASSWORD"), ("kerberos", "LEGWORK_PASSWORD"), ("login", "LEGWORK_PASSWORD")];

/// An example with an empty stdin.
fn example(name: &'static str) -> Command {
    let mut command = Command::new(executable(name));
    for (_, variable) in OF_USERS {
        command.env_remove(variable);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
fn run(command: &mut Command) -> Output {
    command.spawn().expect("it starts").wait_with_output().expect("it ends")
}

/// What it says to stderr, without a panic, and its exit code.
fn said(output: &Output) -> (Option<i32>, String) {
    let stderr = String::from_utf8(output.stderr.clone()).expect("UTF-8");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

/// The arguments by which an example logs in as carol at the server.
fn as_carol(command: &mut Command, name: &str, server: &str) {
    let url = format!("http://{server}/");
    match name {
        "ews" => command.args([&url, "carol"]),
        _ => command.args(["--user", "carol", &url]),
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn an_empty_password_is_not_sent() {
    let server = Server::builder().user("carol", "").offer(Offer::Ntlm).start().await.expect("a server");
    let address = server.address().to_string();
    for (name, variable) in OF_USERS {
        for is_set in [false, true] {
            let mut command = example(name);
            as_carol(&mut command, name, &address);
            if is_set {
                command.env(variable, "");
            }
            let (code, stderr) = said(&run(&mut command));
            assert_eq!(code, Some(1), "{name}: {stderr}");
            assert!(
                stderr.contains("no password for carol") && stderr.contains(variable),
                "{name}: {stderr}"
            );
        }
    }
    assert_eq!(server.report().connections().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_is_the_first_line_of_stdin() {
    let server =
        Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).start().await.expect("a server");
    let mut command = example("login");
    command.args(["--user", "carol", &server.uri("/").to_string()]);
    let (here, there) = UnixStream::pair().expect("a pair");
    std::io::Write::write_all(&mut &here, b"carol-pw\r\nmore\n").expect("it is written");
    let (code, stderr) = said(&run(command.stdin(OwnedFd::from(there))));
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    assert_eq!(server.report().handshakes(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn kerberos_goes_to_a_kdc_that_is_named_or_to_the_servers() {
    const SERVICE: &str = "HTTP/www.lab.test";
    let kdc =
        Kdc::builder("LAB.TEST").user("alice", "alice-pw").service(SERVICE).start().await.expect("a port");
    let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    let server = Server::builder().offer(offer).start().await.expect("a server");
    let named = format!("LAB.TEST={}", kdc.address());
    for (arguments, words) in [
        (&["--kdc", &named, "--mutual", "--user", "alice"][..], "as alice@LAB.TEST by Negotiate (Kerberos)"),
        (&["--iakerb", "--user", "alice@LAB.TEST"], "as alice@LAB.TEST by Negotiate (IAKERB)"),
    ] {
        let mut command = example("kerberos");
        command.args(arguments).args(["--target", SERVICE, &server.uri("/").to_string()]);
        let output = run(command.env("LEGWORK_PASSWORD", "alice-pw"));
        let (code, stderr) = said(&output);
        let stdout = String::from_utf8_lossy(&output.stdout);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{stdout}");
        assert!(stdout.contains(words), "{stdout}");
    }
    assert_eq!((kdc.report().as_tickets, kdc.report().relayed), (2, 3));
}

#[test]
fn an_argument_that_is_not_known_is_an_error() {
    for name in EXAMPLES {
        let (code, stderr) = said(&run(example(name).arg("--not-known")));
        assert_eq!(code, Some(2), "{name}: {stderr}");
        assert!(stderr.contains("--not-known"), "{name}: {stderr}");
    }
}

#[test]
fn a_password_in_a_url_is_not_shown() {
    for name in ["login", "kerberos"] {
        let output = run(example(name).arg("http://carol:s3cret@127.0.0.1:1/"));
        let (code, said) = said(&output);
        let said = format!("{said}{}", String::from_utf8_lossy(&output.stdout));
        assert!(code != Some(0) && said.contains("127.0.0.1:1"), "{name}: {said}");
        assert!(!said.contains("s3cret"), "{name}: {said}");
    }
}

#[test]
fn an_error_shows_its_causes() {
    for (name, variable) in [("ews", "EWS_PASSWORD"), ("login", "LEGWORK_PASSWORD")] {
        let mut command = example(name);
        as_carol(&mut command, name, "127.0.0.1:1");
        let (code, stderr) = said(&run(command.env(variable, "carol-pw")));
        assert_eq!(code, Some(1), "{name}: {stderr}");
        assert!(stderr.contains("Connection refused"), "{name}: {stderr}");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (file, why) in [(manifest, "no certificate"), ("/nowhere/ca.pem", "No such file")] {
        for name in ["kerberos", "login"] {
            let (code, stderr) = said(&run(example(name).args(["--ca", file, "https://127.0.0.1:1"])));
            assert_eq!(code, Some(1), "{name}: {stderr}");
            assert!(stderr.contains(file) && stderr.contains(why), "{name}: {stderr}");
        }
    }
}

#[test]
fn a_reader_that_has_gone_is_no_failure() {
    for name in EXAMPLES {
        let (here, there) = UnixStream::pair().expect("a pair");
        drop(here);
        let (code, stderr) = said(&run(example(name).stdout(OwnedFd::from(there))));
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_an_error() {
    for name in EXAMPLES {
        let full = File::options().write(true).open("/dev/full").expect("a full device");
        let (code, stderr) = said(&run(example(name).stdout(full)));
        assert_eq!(code, Some(1), "{name}: {stderr}");
        assert!(stderr.contains("stdout") && stderr.contains("No space left"), "{name}: {stderr}");
        // Nor is there a panic where not even that can be said.
        let full = || File::options().write(true).open("/dev/full").expect("a full device");
        let status = example(name).stdout(full()).stderr(full()).status().expect("it starts");
        assert_eq!(status.code(), Some(1), "{name}");
    }
}
