//! Transfers that end before their time.

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::oneshot;

use crate::support::{Ended, Folder, Raw, get, run};

/// The beginning of a page that does not end.
const BEGINNING: &str = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nthe beginning";

/// Waits until the client closes.
async fn closed(mut stream: TcpStream) {
    let _ = stream.read_to_end(&mut Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_signal_leaves_no_half_file() {
    for (signal, code) in [("INT", 130), ("TERM", 143)] {
        for before in [None, Some("what was there")] {
            let folder = Folder::new();
            if let Some(before) = before {
                folder.with("file", before);
            }
            let raw = Raw::then(BEGINNING, closed).await;
            let child = get(&["-o", &folder.path("file"), &raw.url]).spawn().expect("it starts");
            // It is hidden while it is a part.
            while !folder.names().iter().any(|name| name.starts_with(".file.")) {
                tokio::task::yield_now().await;
            }
            let id = child.id().to_string();
            assert!(Command::new("kill").args(["-s", signal, &id]).status().expect("kill").success());
            let ended = Ended::from(child.wait_with_output().expect("it ends"));
            assert_eq!(ended.said(code), "legwork: interrupted.\n");
            assert_eq!(fs::read_to_string(folder.file("file")).ok().as_deref(), before);
            assert_eq!(folder.names().len(), usize::from(before.is_some()), "{:?}", folder.names());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_has_read_enough_is_no_failure() {
    let raw =
        Raw::then(
            BEGINNING,
            |mut stream| async move { while stream.write_all(&[b'x'; 4096]).await.is_ok() {} },
        )
        .await;
    let mut child = get(&[&raw.url]).spawn().expect("it starts");
    let mut stdout = child.stdout.take().expect("a pipe");
    stdout.read_exact(&mut [0; 13]).expect("the beginning");
    drop(stdout);
    let ended = Ended::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ended.said(0), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn stderr_that_nobody_reads_is_no_failure() {
    let (reader, writer) = UnixStream::pair().expect("a pair");
    drop(reader);
    let status = get(&["-v", "http://127.0.0.1:1/"]).stderr(OwnedFd::from(writer)).status().expect("it ends");
    assert_eq!(status.code(), Some(7));
}

#[tokio::test(flavor = "multi_thread")]
async fn time_that_is_up_ends_it() {
    let folder = Folder::new();
    let raw = Raw::then(BEGINNING, closed).await;
    let ended = run(&mut get(&["-m", "0.3", "-o", &folder.path("file"), &raw.url]));
    assert!(ended.said(28).contains("--max-time"), "{ended:?}");
    assert_eq!(folder.names(), [""; 0]);
    let raw = Raw::then("", closed).await;
    run(&mut get(&["-m", "0.3", &raw.url])).said(28);
}

#[tokio::test(flavor = "multi_thread")]
async fn stdin_that_does_not_end_does_not_keep_it() {
    // The answer comes before the content has ended.
    let (done, wait) = oneshot::channel::<()>();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = Vec::new();
        while !String::from_utf8_lossy(&head).contains("\r\n\r\n") {
            stream.read_buf(&mut head).await.expect("a head");
        }
        let answer = "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno";
        stream.write_all(answer.as_bytes()).await.expect("it reads");
        let _ = wait.await;
    });
    let mut child = get(&["-T", "-", &url]).stdin(Stdio::piped()).spawn().expect("it starts");
    let stdin = child.stdin.take().expect("a pipe");
    let ended = Ended::from(child.wait_with_output().expect("it ends"));
    assert_eq!(ended.page(), b"no");
    drop((stdin, done));
}
