//! What it says where it cannot serve, and its exit codes.

use std::net::TcpListener;
use std::process::{Command, Stdio};

/// Runs it to its end, with nothing to read a password from.
fn said(arguments: &[&str]) -> (Option<i32>, String) {
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_legwork"));
    gateway.arg("gateway").args(arguments).env_remove("LEGWORK_PASSWORD").stdin(Stdio::null());
    for name in ["http_proxy", "https_proxy", "all_proxy", "no_proxy"] {
        gateway.env_remove(name).env_remove(name.to_uppercase());
    }
    let output = gateway.output().expect("it starts");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(!stderr.contains("panicked"), "{stderr}");
    (output.status.code(), stderr)
}

#[test]
fn an_address_that_is_taken_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("an address").to_string();
    let (code, stderr) = said(&["--listen", &address]);
    assert_eq!(code, Some(7), "{stderr}");
    assert!(stderr.contains(&address) && stderr.contains("Address already in use"), "{stderr}");
}

#[test]
fn a_proxy_that_is_the_gateway_itself_is_refused() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").port();
    for host in ["127.0.0.1", "localhost"] {
        let (listen, proxy) = (format!("127.0.0.1:{port}"), format!("http://{host}:{port}"));
        let (code, stderr) = said(&["--listen", &listen, "--proxy", &proxy]);
        assert_eq!(code, Some(2), "{stderr}");
        assert!(stderr.contains("this gateway itself"), "{stderr}");
    }
}

#[test]
fn a_file_without_certificates_is_named() {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml");
    for (file, why) in [(manifest, "no certificate"), ("/nowhere/ca.pem", "No such file")] {
        let (code, stderr) = said(&["--listen", "127.0.0.1:0", "--ca", file]);
        assert_eq!(code, Some(60), "{stderr}");
        assert!(stderr.contains(file) && stderr.contains(why), "{stderr}");
    }
}

#[test]
fn without_a_password_it_does_not_start() {
    let (code, stderr) =
        said(&["--listen", "127.0.0.1:0", "--user", "carol", "--proxy", "http://127.0.0.1:1"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("no password for carol") && stderr.contains("LEGWORK_PASSWORD"), "{stderr}");
}

#[test]
fn what_lets_the_network_in_has_to_be_asked_for() {
    let (code, stderr) = said(&["--listen", "0.0.0.0:0"]);
    assert_eq!(code, Some(2), "{stderr}");
    assert!(stderr.contains("--dangerous-listen-on-network"), "{stderr}");
}

#[test]
fn a_pac_file_that_cannot_be_had_is_named() {
    let why = match cfg!(feature = "pac") {
        true => "cannot read the PAC file /nowhere/proxy.pac: No such file",
        false => "/nowhere/proxy.pac is a PAC file, and this program was built without them",
    };
    let (code, stderr) = said(&["--listen", "127.0.0.1:0", "--pac", "/nowhere/proxy.pac"]);
    assert_eq!(code, Some(26), "{stderr}");
    assert!(stderr.contains(why), "{stderr}");
}
