//! Upstream proxies that want NTLM and do little else, so that they leave the processor to what stands before them. Nothing is
//! behind them: they answer requests, and are the far end of tunnels.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use legwork::testing::{Accept, Acceptor, Users};
use legwork::unversioned::testing::NtlmAcceptor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::http1;
use crate::relays::{PAGE, PASSWORD, USER};

/// How many connections and logins a proxy has had.
#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    logins: AtomicU64,
}

/// Prints the addresses of three. To each line that comes it says how many connections and logins each of them has had.
#[tokio::main(flavor = "current_thread")]
pub(crate) async fn three() -> io::Result<()> {
    let users = Arc::new(Users::new().with(USER, PASSWORD));
    let counts = [(); 3].map(|()| Arc::<Counts>::default());
    let mut addresses = Vec::new();
    for counts in &counts {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        addresses.push(listener.local_addr()?.to_string());
        tokio::spawn(serve(listener, Arc::clone(&users), Arc::clone(counts)));
    }
    println!("{}", addresses.join(" "));
    let said = move || {
        for _ in io::stdin().lines().map_while(Result::ok) {
            let said = counts.each_ref().map(|counts| {
                let [connections, logins] =
                    [&counts.connections, &counts.logins].map(|count| count.load(Ordering::Relaxed));
                format!("{connections} {logins}")
            });
            println!("{}", said.join(" "));
        }
    };
    tokio::task::spawn_blocking(said).await.map_err(io::Error::other)
}

async fn serve(listener: TcpListener, users: Arc<Users>, counts: Arc<Counts>) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        counts.connections.fetch_add(1, Ordering::Relaxed);
        tokio::spawn(connection(stream, Arc::clone(&users), Arc::clone(&counts)));
    }
}

async fn connection(mut stream: TcpStream, users: Arc<Users>, counts: Arc<Counts>) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut acceptor = NtlmAcceptor::new(users, *b"\x01\x23\x45\x67\x89\xab\xcd\xef", SystemTime::now());
    let mut is_logged_in = false;
    let page = [b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n", PAGE].concat();
    let mut read = Vec::with_capacity(4096);
    while let Some(head) = http1::head(&mut stream, &mut read).await? {
        let (is_tunnel, token) = asked(&read[..head])?;
        read.drain(..head);
        if !is_logged_in {
            let challenge = match token.map(|token| acceptor.step(&token)) {
                Some(Accept::Accepted { .. }) => None,
                Some(Accept::Continue(token)) => Some(format!("NTLM {}", BASE64.encode(token))),
                Some(Accept::Refused { .. }) | None => Some("NTLM".to_owned()),
            };
            if let Some(challenge) = challenge {
                let answer = format!(
                    "HTTP/1.1 407 Proxy Authentication Required\r\nProxy-Authenticate: {challenge}\r\nContent-Length: 0\r\n\r\n"
                );
                stream.write_all(answer.as_bytes()).await?;
                continue;
            }
            is_logged_in = true;
            counts.logins.fetch_add(1, Ordering::Relaxed);
        }
        if is_tunnel {
            stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
            stream.read_u64().await?;
            stream.write_u8(0).await?;
            stream.read_u8().await?;
            return Ok(());
        }
        stream.write_all(&page).await?;
    }
    Ok(())
}

/// Whether a request is for a tunnel, and the token that came with it.
fn asked(head: &[u8]) -> io::Result<(bool, Option<Vec<u8>>)> {
    let mut fields = [httparse::EMPTY_HEADER; 32];
    let mut request = httparse::Request::new(&mut fields);
    request.parse(head).map_err(io::Error::other)?;
    let login = request.headers.iter().find(|field| field.name.eq_ignore_ascii_case("proxy-authorization"));
    let token = login.and_then(|field| field.value.strip_prefix(b"NTLM "));
    let token = token.map(|token| BASE64.decode(token)).transpose().map_err(io::Error::other)?;
    Ok((request.method == Some("CONNECT"), token))
}
