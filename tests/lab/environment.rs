//! What curl makes of the values that people write into `http_proxy` and `no_proxy`, beside what this library does: the rows
//! of the tables in `client::proxy` where the two are the same.

use std::process::{Command, Stdio};

use http::Uri;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::{Authenticator, Client};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::support::*;

/// A proxy that wants Basic, and tells of each request what came for it.
struct ByBasic {
    address: String,
    seen: UnboundedReceiver<Option<String>>,
}

impl ByBasic {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (tell, seen) = unbounded_channel();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.expect("a connection");
                answer(stream, &tell).await;
            }
        });
        Self { address, seen }
    }

    /// The authorizations of the requests so far.
    fn seen(&mut self) -> Vec<Option<String>> {
        std::iter::from_fn(|| self.seen.try_recv().ok()).collect()
    }

    /// Runs curl with these variables, and tells whether it got an answer.
    fn curl(&self, variables: &[(&str, &str)], arguments: &[&str]) -> bool {
        let mut curl = Command::new("curl");
        curl.env_clear()
            .env("PATH", std::env::var_os("PATH").expect("a path"))
            .envs(variables.iter().copied());
        curl.args(["--disable", "--silent", "--fail", "--max-time", "20"]).args(arguments);
        let curl = tokio::task::block_in_place(|| curl.stdout(Stdio::null()).status());
        curl.expect("curl runs").success()
    }
}

/// Tells of the `Proxy-Authorization` of a connection's request, and answers it.
async fn answer(stream: TcpStream, tell: &UnboundedSender<Option<String>>) {
    let mut stream = BufReader::new(stream);
    let mut found = None;
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.expect("a line");
        match line.trim_end().split_once(": ") {
            Some((name, value)) if name.eq_ignore_ascii_case("proxy-authorization") => {
                found = Some(value.to_owned());
            }
            Some(_) => {}
            None if line.trim_end().is_empty() => break,
            None => {}
        }
    }
    let answer = match found {
        Some(_) => "200 OK\r\n",
        None => {
            "407 Proxy Authentication Required\r\nProxy-Authenticate: Basic realm=lab, charset=\"UTF-8\"\r\n"
        }
    };
    let answer = format!("HTTP/1.1 {answer}Content-Length: 0\r\nConnection: close\r\n\r\n");
    if tell.send(found).is_ok() {
        stream.write_all(answer.as_bytes()).await.expect("an answer is sent");
    }
}

/// What a request through this proxy carries in the end.
async fn authorization_of(proxy: Proxy, by_basic: &mut ByBasic) -> Option<String> {
    let authenticator = Authenticator::builder().dangerous_secrets_to_plain_http_proxies(true).build();
    let client = Client::builder(authenticator).proxies(Proxies::all(proxy)).build_http();
    let response = client.request(get(Uri::from_static("http://site.example/"))).await.expect("a response");
    assert_eq!(response.status(), 200);
    by_basic.seen().pop().expect("a request")
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn the_user_of_a_proxy_is_who_curl_takes_for_it() {
    let mut proxy = ByBasic::start().await;
    for userinfo in [
        "carol:p%40ss@",
        "carol:p:w@",
        r"CORP\carol:pw@",
        "CORP%5Ccarol:pw@",
        "carol:100%@",
        "carol:p%zz@",
        "j\u{e4}son:p\u{e4}@",
        "j%C3%A4son:p%C3%A4@",
        "carol@",
        "carol:@",
        "@",
    ] {
        let uri = format!("http://{userinfo}{}", proxy.address);
        for uri in [format!("{uri}/path"), format!("{uri}?query"), uri] {
            assert!(proxy.curl(&[("http_proxy", &uri)], &["http://site.example/"]), "{uri}");
            let by_curl = proxy.seen().pop().flatten();
            assert!(by_curl.is_some(), "{uri}");
            let ours = authorization_of(uri.parse().expect("a proxy"), &mut proxy).await;
            assert_eq!(ours, by_curl, "{uri}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn nothing_of_a_proxy_that_neither_can_read_is_sent() {
    let mut proxy = ByBasic::start().await;
    let address = proxy.address.clone();
    for uri in [
        format!("http://carol:p/ss@{address}"),
        format!("http://carol:p?ss@{address}"),
        format!("http://carol:p#ss@{address}"),
        format!("http://carol:p ss@{address}"),
        format!("http:{address}"),
        format!("ftp://{address}"),
        "http://".to_owned(),
    ] {
        assert!(!proxy.curl(&[("http_proxy", &uri)], &["http://site.example/"]), "{uri}");
        uri.parse::<Proxy>().expect_err(&uri);
    }
    assert_eq!(proxy.seen(), []);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs the lab: tests/run"]
async fn a_host_goes_past_the_proxy_where_it_does_with_curl() {
    let mut proxy = ByBasic::start().await;
    let uri = format!("http://carol:pw@{}", proxy.address);
    for (entries, hosts) in [
        ("example.com", "+example.com +a.example.com +EXAMPLE.com -notexample.com -example.org"),
        ("Example.COM", "+example.com +a.example.com"),
        (".example.com", "+example.com +a.example.com -notexample.com"),
        ("example.com.", "+example.com +a.example.com"),
        ("example.com", "+example.com."),
        ("example.com, example.org", "+example.com +b.example.org -example.net"),
        ("example.com example.org", "+example.com +b.example.org -example.net"),
        ("*", "+example.com +192.0.2.1 +[2001:db8::1]"),
        ("192.0.2.1", "+192.0.2.1 -192.0.2.10"),
        ("192.0.2.0/24", "+192.0.2.77 -192.0.3.1"),
        ("2001:db8::1", "+[2001:db8::1] -[2001:db8::2]"),
        ("http://example.com", "-example.com"),
        ("a*", "-ab"),
        ("", "-example.com"),
    ] {
        let proxies = Proxies::all(uri.parse().expect("a proxy")).except(entries);
        for host in hosts.split(' ') {
            let (is_past, host) = (host.starts_with('+'), &host[1..]);
            let target = format!("http://{host}/");
            // What goes past the proxy ends at a port that nobody listens at.
            let arguments = ["--connect-to", "::127.0.0.1:1", &target];
            proxy.curl(&[("http_proxy", &uri), ("no_proxy", entries)], &arguments);
            assert_eq!(proxy.seen().is_empty(), is_past, "curl: {entries:?}, {host}");
            let ours = proxies.of(&target.parse().expect("a URI")).expect("it can be read");
            assert_eq!(ours.is_none(), is_past, "{entries:?}, {host}");
        }
    }
}
