//! What programs do with a proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime;
use tokio::task::JoinSet;

use crate::http1;

/// So many programs at once, which share so many requests, and then so many tunnels.
pub(crate) struct Load {
    pub(crate) programs: usize,
    pub(crate) requests: usize,
    pub(crate) tunnels: usize,
}

/// How fast it went, and how much of it went wrong.
pub(crate) struct Outcome {
    pub(crate) per_second: f64,
    pub(crate) failed: usize,
}

/// After which a request has failed.
const PATIENCE: Duration = Duration::from_secs(30);

impl Load {
    /// Requests for a page by plain http, on connections that are kept.
    pub(crate) fn requests(&self, proxy: SocketAddr, site: SocketAddr) -> io::Result<Outcome> {
        let request = format!("GET http://{site}/ HTTP/1.1\r\nHost: {site}\r\n\r\n");
        self.run(self.requests, move |left| {
            let request = request.clone();
            async move {
                let (mut kept, mut failed) = (None, 0);
                while take(&left) {
                    let asked = ask(&mut kept, proxy, request.as_bytes());
                    if !matches!(tokio::time::timeout(PATIENCE, asked).await, Ok(Ok(200))) {
                        (kept, failed) = (None, failed + 1);
                    }
                }
                failed
            }
        })
    }

    /// Tunnels through which an octet comes.
    pub(crate) fn tunnels(&self, proxy: SocketAddr, origin: SocketAddr) -> io::Result<Outcome> {
        self.run(self.tunnels, move |left| async move {
            let mut failed = 0;
            while take(&left) {
                let opened = tokio::time::timeout(PATIENCE, tunnel(proxy, origin)).await;
                failed += usize::from(!matches!(opened, Ok(Ok(()))));
            }
            failed
        })
    }

    fn run<F>(&self, count: usize, program: impl Fn(Arc<AtomicUsize>) -> F) -> io::Result<Outcome>
    where
        F: Future<Output = usize> + Send + 'static,
    {
        // On one thread: what the programs take is not the proxy's.
        runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
            let left = Arc::new(AtomicUsize::new(count));
            let start = Instant::now();
            let programs: JoinSet<_> = (0..self.programs).map(|_| program(Arc::clone(&left))).collect();
            let failed = programs.join_all().await.into_iter().sum();
            Ok(Outcome { per_second: (count - failed) as f64 / start.elapsed().as_secs_f64(), failed })
        })
    }
}

/// Whether there is one left to do.
fn take(left: &AtomicUsize) -> bool {
    left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Gives the status. A connection that the proxy has closed is replaced, which is no failure.
async fn ask(kept: &mut Option<Connection>, proxy: SocketAddr, request: &[u8]) -> io::Result<u16> {
    if let Some(mut connection) = kept.take() {
        match connection.ask(request).await {
            Err(_) if connection.read.is_empty() => {}
            answered => return answered.map(|answer| answer.keep(connection, kept)),
        }
    }
    let stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let mut connection = Connection { stream, read: Vec::with_capacity(4096) };
    connection.ask(request).await.map(|answer| answer.keep(connection, kept))
}

/// A program's connection to the proxy, and what of an answer was read.
struct Connection {
    stream: TcpStream,
    read: Vec<u8>,
}

struct Answer {
    status: u16,
    is_last: bool,
}

impl Answer {
    fn keep(self, connection: Connection, kept: &mut Option<Connection>) -> u16 {
        *kept = (!self.is_last).then_some(connection);
        self.status
    }
}

impl Connection {
    async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.read.clear();
        self.stream.write_all(request).await?;
        let head = http1::head(&mut self.stream, &mut self.read).await?;
        let head = head.ok_or(io::ErrorKind::UnexpectedEof)?;
        let mut fields = [httparse::EMPTY_HEADER; 64];
        let mut response = httparse::Response::new(&mut fields);
        response.parse(&self.read[..head]).map_err(io::Error::other)?;
        let field = |name: &str| {
            let found = response.headers.iter().find(|field| field.name.eq_ignore_ascii_case(name));
            found.map(|field| field.value.to_ascii_lowercase())
        };
        let is_last = match field("connection").as_deref() {
            Some(b"close") => true,
            Some(b"keep-alive") => false,
            _ => response.version == Some(0),
        };
        let length =
            field("content-length").and_then(|length| std::str::from_utf8(&length).ok()?.parse().ok());
        let answer =
            Answer { status: response.code.unwrap_or_default(), is_last: is_last || length.is_none() };
        match length {
            Some(length) => {
                let length: usize = length;
                while self.read.len() < head + length {
                    self.more().await?;
                }
            }
            None => drop(self.stream.read_to_end(&mut self.read).await?),
        }
        Ok(answer)
    }

    async fn more(&mut self) -> io::Result<()> {
        match self.stream.read_buf(&mut self.read).await? {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            _ => Ok(()),
        }
    }
}

async fn tunnel(proxy: SocketAddr, origin: SocketAddr) -> io::Result<()> {
    let mut stream = TcpStream::connect(proxy).await?;
    stream.set_nodelay(true)?;
    let connect = format!("CONNECT {origin} HTTP/1.1\r\nHost: {origin}\r\n\r\n");
    stream.write_all(connect.as_bytes()).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await?);
    }
    if !head.starts_with(b"HTTP/1.1 200 ") && !head.starts_with(b"HTTP/1.0 200 ") {
        return Err(io::Error::other(String::from_utf8_lossy(&head).into_owned()));
    }
    stream.write_u64(1).await?;
    stream.read_u8().await?;
    Ok(())
}
