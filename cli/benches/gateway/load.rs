//! What programs do with a proxy.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty};
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

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
        self.run(self.requests, move |left| async move {
            let (mut connection, mut failed) = (None, 0);
            while take(&left) {
                let asked = tokio::time::timeout(PATIENCE, ask(&mut connection, proxy, site)).await;
                if !matches!(asked, Ok(Ok(StatusCode::OK))) {
                    (connection, failed) = (None, failed + 1);
                }
            }
            failed
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
        Runtime::new()?.block_on(async {
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

/// One that the proxy has closed is replaced, which is no failure.
async fn ask(
    connection: &mut Option<SendRequest<Empty<Bytes>>>,
    proxy: SocketAddr,
    site: SocketAddr,
) -> Result<StatusCode, Box<dyn std::error::Error + Send + Sync>> {
    let is_open = match connection {
        Some(connection) => connection.ready().await.is_ok(),
        None => false,
    };
    if !is_open {
        let stream = TcpStream::connect(proxy).await?;
        stream.set_nodelay(true)?;
        let (sender, connected) = http1::handshake(TokioIo::new(stream)).await?;
        tokio::spawn(connected);
        *connection = Some(sender);
    }
    let sender = connection.as_mut().expect("it is there by now");
    let request = Request::get(format!("http://{site}/")).header(header::HOST, site.to_string());
    let response = sender.send_request(request.body(Empty::new())?).await?;
    let status = response.status();
    response.into_body().collect().await?;
    Ok(status)
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
