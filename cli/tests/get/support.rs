//! The program, and servers for it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use legwork::testing::{Builder, DigestAcceptor, Offer, ScramAcceptor, Server, Users};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

pub(crate) const USER: &str = "carol";
pub(crate) const PASSWORD: &str = "carol-pw";

/// `legwork get` with an empty stdin, in an environment that has nothing of ours in it.
pub(crate) fn get(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_legwork"));
    command.arg("get").args(arguments);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy().to_lowercase();
        if text.ends_with("_proxy")
            || text.starts_with("legwork_")
            || text.starts_with("krb5")
            || text == "netrc"
        {
            command.env_remove(name);
        }
    }
    // No KDC of the machine's is asked about the users here.
    command.env("KRB5_CONFIG", "/dev/null");
    command
}

/// The same as carol, whose password is in the environment.
pub(crate) fn as_carol(arguments: &[&str]) -> Command {
    let mut command = get(&["-u", USER]);
    command.args(arguments).env("LEGWORK_PASSWORD", PASSWORD);
    command
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: Vec<u8>,
    pub(crate) stderr: String,
}

impl Ended {
    /// That all went well, and nothing was said beside the page.
    #[track_caller]
    pub(crate) fn page(&self) -> &[u8] {
        assert_eq!((self.code, self.stderr.as_str()), (Some(0), ""));
        &self.stdout
    }

    /// That it ended so, and what it said.
    #[track_caller]
    pub(crate) fn said(&self, code: i32) -> &str {
        assert_eq!(self.code, Some(code), "{}", self.stderr);
        &self.stderr
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let stderr = String::from_utf8(output.stderr).expect("UTF-8");
        assert!(!stderr.contains("panicked"), "{stderr}");
        Self { code: output.status.code(), stdout: output.stdout, stderr }
    }
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    command.output().expect("it starts").into()
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

/// A folder of its own for a test.
pub(crate) struct Folder(PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("get-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::create_dir(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn with(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        fs::write(self.file(name), content).expect("it is written");
        self.path(name)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).to_str().expect("UTF-8").to_owned()
    }

    pub(crate) fn names(&self) -> Vec<String> {
        let names = fs::read_dir(&self.0).expect("a folder");
        let mut names: Vec<_> =
            names.map(|entry| entry.expect("a file").file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
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
