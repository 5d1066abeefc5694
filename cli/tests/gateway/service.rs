//! The gateway as a service.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};

use crate::folder::Folder;

#[test]
fn it_says_that_it_is_ready_when_it_listens() {
    let folder = Folder::new("ready");
    let socket = folder.0.join("notify");
    let manager = UnixDatagram::bind(&socket).expect("a socket");
    let listener = folder.0.join("gateway");
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_legwork"))
        .args(["gateway", "--listen", &format!("unix:{}", listener.display()), "-x", "http://127.0.0.1:1"])
        .env("NOTIFY_SOCKET", &socket)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let mut heard = [0; 16];
    let length = manager.recv(&mut heard).expect("heard");
    let is_there = listener.exists();
    gateway.kill().expect("it runs");
    gateway.wait().expect("it ends");
    assert_eq!((&heard[..length], is_there), (&b"READY=1"[..], true));
}
