//! Connections in memory, and the connector that makes them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper::rt::ReadBufCursor;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf, duplex};
use tower_service::Service;

use super::ends;
use super::peer::Peers;
use super::stage::Stage;

/// The client's end of a connection.
pub(super) struct ClientEnd {
    stream: DuplexStream,
    is_reset: Reset,
    speaks_http2: bool,
    stage: Stage,
    connection: usize,
}

/// Whether the server has reset a connection, rather than closed it.
#[derive(Clone, Default)]
pub(super) struct Reset(Arc<AtomicBool>);

impl Reset {
    pub(super) fn now(&self) {
        self.0.store(true, Relaxed);
    }

    fn check(&self) -> io::Result<()> {
        if self.0.load(Relaxed) { Err(io::ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }
}

impl Drop for ClientEnd {
    fn drop(&mut self) {
        self.stage.state().ends -= 1;
        // A pool closes those that it keeps in the order of a hash table.
        self.stage.remark(|| format!("the client closes connection {}", self.connection));
    }
}

impl AsyncRead for ClientEnd {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.is_reset.check()?;
        let read = Pin::new(&mut self.stream).poll_read(cx, buffer);
        self.is_reset.check()?;
        read
    }
}

impl AsyncWrite for ClientEnd {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.is_reset.check()?;
        let written = Pin::new(&mut self.stream).poll_write(cx, octets);
        if let Poll::Ready(Ok(written)) = written {
            self.stage.state().octets += written as u64;
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Connection for ClientEnd {
    fn connected(&self) -> Connected {
        if self.speaks_http2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

/// Connects to whatever site a URI names.
#[derive(Clone)]
pub(super) struct Connector {
    pub(super) peers: Arc<Peers>,
    pub(super) stage: Stage,
}

impl Connector {
    /// A connection to the site of this name.
    pub(super) async fn connect(&self, host: &str) -> io::Result<ClientEnd> {
        if self.stage.goes_wrong() {
            match self.stage.script().below(4) {
                0 => return Err(io::ErrorKind::ConnectionRefused.into()),
                1 => tokio::time::sleep(Duration::from_secs(40)).await,
                _ => tokio::time::sleep(Duration::from_secs(2)).await,
            }
        }
        if self.stage.state().all_legs >= ends::ALL_LEGS {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let setting = self.stage.setting();
        let Some(site) = setting.sites().position(|site| site.host == host) else {
            self.stage.wrong(format!("a connection to {host}"));
            return Err(io::ErrorKind::NotFound.into());
        };
        // What agrees on a protocol is the TLS that the streams here stand for.
        let is_origin = site < setting.origins.len();
        let speaks_http2 = setting.http2 && is_origin && !self.stage.script().happens(32);
        let (stream, servers) = duplex(setting.buffer);
        let is_reset = Reset::default();
        {
            let mut state = self.stage.state();
            (state.ends, state.connections) = (state.ends + 1, state.connections + 1);
        }
        let connection = self.peers.accept(site, servers, is_reset.clone(), speaks_http2);
        Ok(ClientEnd { stream, is_reset, speaks_http2, stage: self.stage.clone(), connection })
    }
}

impl Service<Uri> for Connector {
    type Response = TokioIo<ClientEnd>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<TokioIo<ClientEnd>>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let this = self.clone();
        Box::pin(async move { this.connect(target.host().unwrap_or_default()).await.map(TokioIo::new) })
    }
}

/// Around tunnels: the protocol that the origin in there has agreed on.
#[derive(Clone)]
pub(super) struct Agreeing<C> {
    pub(super) connector: C,
    pub(super) speaks_http2: bool,
}

pub(super) struct Agreed<T> {
    io: T,
    speaks_http2: bool,
}

impl<C, T> Service<Uri> for Agreeing<C>
where
    C: Service<Uri, Response = T>,
    C::Future: Send + 'static,
{
    type Response = Agreed<T>;
    type Error = C::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Agreed<T>, C::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), C::Error>> {
        self.connector.poll_ready(cx)
    }

    fn call(&mut self, target: Uri) -> Self::Future {
        let (connecting, speaks_http2) = (self.connector.call(target), self.speaks_http2);
        Box::pin(async move { Ok(Agreed { io: connecting.await?, speaks_http2 }) })
    }
}

impl<T> Connection for Agreed<T> {
    fn connected(&self) -> Connected {
        if self.speaks_http2 { Connected::new().negotiated_h2() } else { Connected::new() }
    }
}

impl<T: hyper::rt::Read + Unpin> hyper::rt::Read for Agreed<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: hyper::rt::Write + Unpin> hyper::rt::Write for Agreed<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
