//! The program as carol's, and servers for it.

use std::fs;
use std::process::Command;
use std::sync::Arc;

use legwork::testing::{Builder, DigestAcceptor, Offer, ScramAcceptor, Server, Users};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) use crate::program::{Ended, Folder, get, run};

pub(crate) const USER: &str = "carol";
pub(crate) const PASSWORD: &str = "carol-pw";

/// The same as carol, whose password is in the environment.
pub(crate) fn as_carol(arguments: &[&str]) -> Command {
    let mut command = get(&["-u", USER]);
    command.args(arguments).env("LEGWORK_PASSWORD", PASSWORD);
    command
}

/// A server that knows carol.
pub(crate) fn server() -> Builder {
    Server::builder().user(USER, PASSWORD)
}

pub(crate) fn digest() -> Offer {
    Offer::judged("Digest", DigestAcceptor::new("the lab").user(USER, PASSWORD))
}

pub(crate) fn scram() -> Offer {
    let users = Arc::new(Users::new().with(USER, PASSWORD));
    Offer::judged("SCRAM-SHA-256", ScramAcceptor::new(users, "the lab", [7; 32]))
}

pub(crate) async fn by_ntlm() -> Server {
    server().offer(Offer::Ntlm).page("the page").start().await.expect("a server")
}

impl Folder {
    /// The names of its files.
    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(self.file(".")).expect("a folder");
        let mut names: Vec<_> =
            names.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

/// A server for one connection that reads a request with its content, answers with these octets, and closes.
pub(crate) struct Raw {
    pub(crate) url: String,
    seen: JoinHandle<Vec<u8>>,
}

impl Raw {
    pub(crate) async fn start(answer: impl Into<Vec<u8>>) -> Self {
        Self::then(answer, |_| async {}).await
    }

    /// The same, which does something with the connection before it closes it.
    pub(crate) async fn then<F: Future<Output = ()> + Send>(
        answer: impl Into<Vec<u8>>,
        then: impl FnOnce(TcpStream) -> F + Send + 'static,
    ) -> Self {
        let answer = answer.into();
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        let seen = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let request = request(&mut stream).await;
            // Whoever does not read it to its end is not our concern.
            let _ = stream.write_all(&answer).await;
            then(stream).await;
            request
        });
        Self { url, seen }
    }

    /// The URL of one that answers before it has read anything.
    pub(crate) async fn rude(answer: &'static str) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("an address"));
        tokio::spawn(async move {
            // A client may try again.
            loop {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                stream.write_all(answer.as_bytes()).await.expect("it is written");
                let _ = stream.read_to_end(&mut Vec::new()).await;
            }
        });
        url
    }

    /// The request as it was sent.
    pub(crate) async fn request(self) -> String {
        String::from_utf8(self.seen.await.expect("a request")).expect("UTF-8")
    }
}

async fn request(stream: &mut TcpStream) -> Vec<u8> {
    let mut request = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&request);
        if let Some((head, content)) = text.split_once("\r\n\r\n") {
            let head = head.to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            let is_whole = match length {
                Some(length) => content.len() >= length.parse().expect("a number"),
                None if head.contains("transfer-encoding: chunked") => content.ends_with("0\r\n\r\n"),
                None => true,
            };
            if is_whole {
                return request;
            }
        }
        let read = stream.read_buf(&mut request).await.expect("a request");
        assert!(read > 0, "the request broke off: {}", String::from_utf8_lossy(&request));
    }
}

/// The URL of a server that answers each request with these octets, as often as it is asked.
pub(crate) async fn answering(answer: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(async move {
                let mut head = Vec::new();
                while stream.read_buf(&mut head).await.is_ok_and(|read| read > 0) {
                    if head.ends_with(b"\r\n\r\n") {
                        head.clear();
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                }
            });
        }
    });
    url
}
