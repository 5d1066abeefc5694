//! The peer: blocking sockets in a process of its own, so that nothing of it is measured.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::SystemTime;
use std::{env, io, thread};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use legwork::testing::{Accept, Acceptor, NtlmAcceptor, Users};

pub(crate) const USER: &str = "LAB\\carol";
pub(crate) const PASSWORD: &str = "carol-pw";

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\n\
    date: Sun, 06 Nov 1994 08:49:37 GMT\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

/// A running server; dropped, it ends.
pub(crate) struct Server {
    child: Child,
    /// Wants an NTLM login on each connection.
    pub(crate) ntlm: SocketAddr,
    /// Wants none: what an established connection looks like on the wire.
    pub(crate) open: SocketAddr,
}

impl Server {
    /// This program once more, with `serve` as its argument.
    pub(crate) fn start() -> io::Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg("serve")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let mut address = || lines.next().expect("an address")?.parse().map_err(io::Error::other);
        Ok(Self { ntlm: address()?, open: address()?, child })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until standard input ends, that is until the parent does.
pub(crate) fn serve() -> io::Result<()> {
    for wants_login in [true, false] {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        println!("{}", listener.local_addr()?);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || converse(stream, wants_login));
            }
        });
    }
    io::copy(&mut io::stdin(), &mut io::sink())?;
    Ok(())
}

fn converse(mut stream: TcpStream, wants_login: bool) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let users = Arc::new(Users::new().with(USER, PASSWORD));
    let mut acceptor = wants_login.then(|| NtlmAcceptor::new(users, [1; 8], SystemTime::now()));
    let mut received = vec![0; 16 * 1024];
    let mut end = 0;
    loop {
        match stream.read(&mut received[end..])? {
            0 => return Ok(()),
            octets => end += octets,
        }
        let Some((head, body)) = request(&received[..end]) else { continue };
        if body < content_length(head) {
            continue;
        }
        match &mut acceptor {
            None => stream.write_all(ANSWER)?,
            Some(login) => match leg(login, head) {
                Some(token) => write!(
                    stream,
                    "HTTP/1.1 401 Unauthorized\r\nwww-authenticate: NTLM{token}\r\ncontent-length: 0\r\n\r\n"
                )?,
                None => {
                    acceptor = None;
                    stream.write_all(ANSWER)?;
                }
            },
        }
        end = 0;
    }
}

/// The challenge's token, or `None` once the login is accepted.
fn leg(login: &mut NtlmAcceptor, head: &str) -> Option<String> {
    let Some(token) = field(head, "authorization: NTLM ") else { return Some(String::new()) };
    match login.step(&BASE64_STANDARD.decode(token).expect("base64")) {
        Accept::Continue(challenge) => Some(format!(" {}", BASE64_STANDARD.encode(challenge))),
        Accept::Accepted { .. } => None,
        Accept::Refused { why, .. } => panic!("refused: {why}"),
    }
}

/// The head, once it is whole, and how much of the body there is.
fn request(received: &[u8]) -> Option<(&str, usize)> {
    let end = received.windows(4).position(|octets| octets == b"\r\n\r\n")? + 4;
    Some((std::str::from_utf8(&received[..end]).ok()?, received.len() - end))
}

fn content_length(head: &str) -> usize {
    field(head, "content-length: ").map_or(0, |length| length.parse().expect("a number"))
}

/// A field's value; hyper writes the names in lower case.
fn field<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name))
}
