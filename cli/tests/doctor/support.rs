//! The program, and servers for it.

use std::process::{Command, Output};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::command::legwork;

pub(crate) const USER: &str = "carol";
pub(crate) const PASSWORD: &str = "carol-geheim";

/// `legwork doctor` in an environment that has nothing of ours in it, and no tickets.
pub(crate) fn doctor(arguments: &[&str]) -> Command {
    let mut command = legwork("doctor", arguments);
    command.env("KRB5_CONFIG", "/dev/null").env("KRB5CCNAME", "FILE:/nowhere/tickets");
    command
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// The report, with this exit code.
    #[track_caller]
    pub(crate) fn report(&self, code: i32) -> &str {
        assert_eq!((self.code, self.stderr.as_str()), (Some(code), ""), "{}", self.stdout);
        &self.stdout
    }

    /// The report as JSON, with this exit code, which it also says itself.
    #[track_caller]
    pub(crate) fn json(&self, code: i32) -> Value {
        let report: Value = serde_json::from_str(self.report(code)).expect("JSON");
        assert_eq!(report["exit"], code);
        report
    }

    /// The last two lines: what fails, and what to try.
    #[track_caller]
    pub(crate) fn verdict(&self, code: i32) -> [&str; 2] {
        let lines: Vec<_> = self.report(code).lines().collect();
        let [.., fails, next] = lines[..] else { panic!("{}", self.stdout) };
        [fails.strip_prefix("Fails: ").unwrap_or(fails), next.strip_prefix("Next:  ").expect(next)]
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        let [stdout, stderr] =
            [output.stdout, output.stderr].map(|text| String::from_utf8(text).expect("UTF-8"));
        assert!(!stderr.contains("panicked"), "{stderr}");
        assert!(![&stdout, &stderr].iter().any(|text| text.contains("geheim")), "a password is printed");
        Self { code: output.status.code(), stdout, stderr }
    }
}

/// Runs it to its end.
pub(crate) fn run(command: &mut Command) -> Ended {
    command.output().expect("it starts").into()
}

/// The same as carol, who says that her password is to be tried.
pub(crate) fn run_as_carol(arguments: &[&str]) -> Ended {
    run(doctor(&["-u", USER, "--try"]).args(arguments).env("LEGWORK_PASSWORD", PASSWORD))
}

/// The URL of a server that does this with each connection.
pub(crate) async fn each<F: Future<Output = ()> + Send + 'static>(
    act: impl Fn(TcpStream) -> F + Copy + Send + 'static,
) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.expect("a connection");
            tokio::spawn(act(stream));
        }
    });
    url
}

/// The URL of a server that answers each request with these octets.
pub(crate) async fn answering(answer: &'static str) -> String {
    each(move |mut stream| async move {
        let mut request = Vec::new();
        while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            if request.ends_with(b"\r\n\r\n") {
                request.clear();
                if stream.write_all(answer.as_bytes()).await.is_err() {
                    return;
                }
            }
        }
    })
    .await
}
