//! What a large upload takes of memory.
#![cfg(target_os = "linux")]

use std::io::{Read, Write};
use std::net::TcpStream;

use legwork::testing::{Offer, Server};

use crate::gateway::Gateway;

const OCTETS: usize = 200_000_000;

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_megabytes_go_up_in_sixteen() {
    let server = Server::builder().user("LAB\\carol", "carol-pw").offer(Offer::Ntlm).start().await;
    let server = server.expect("a server");
    for framing in [format!("Content-Length: {OCTETS}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()] {
        let serve = format!("127.0.0.1:0={}", server.origin());
        let gateway = Gateway::of("LAB\\carol", "carol-pw", &["--serve", &serve]);
        let address = gateway.address;
        let answer = tokio::task::spawn_blocking(move || {
            exchange(address, "GET / HTTP/1.1", "", 0);
            let before = gateway.resident_kibibytes("VmRSS");
            let answer = exchange(address, "POST /upload HTTP/1.1", &framing, OCTETS);
            let grown = gateway.resident_kibibytes("VmHWM") - before;
            assert!(grown <= 16 * 1024, "{grown} KiB more than before");
            answer
        });
        let answer = answer.await.expect("no panic");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains(&format!("x-body-octets: {OCTETS}\r\n")), "{answer}");
    }
}

/// One request, with as much content.
fn exchange(address: std::net::SocketAddr, line: &str, framing: &str, octets: usize) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    write!(stream, "{line}\r\nHost: {address}\r\nConnection: close\r\n{framing}\r\n").expect("sent");
    let chunk = vec![b'x'; 1_000_000];
    for _ in 0..octets / chunk.len() {
        if framing.starts_with('T') {
            write!(stream, "{:x}\r\n", chunk.len()).expect("sent");
        }
        stream.write_all(&chunk).expect("sent");
        if framing.starts_with('T') {
            stream.write_all(b"\r\n").expect("sent");
        }
    }
    if framing.starts_with('T') {
        stream.write_all(b"0\r\n\r\n").expect("sent");
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}
