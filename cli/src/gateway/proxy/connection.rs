//! One connection of a local program.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, Uri};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};

use super::ForwardProxy;
use super::answer::{self, Body};
use super::counts::Counted;
use super::relay::relay;
use super::upstream::{NoTunnel, OpenTunnel};

/// A tunnel through the upstream proxy. It counts as open before the local program hears of it.
struct Tunnel {
    upstream: OpenTunnel,
    _counted: Counted,
}

/// How much of a request's head is read.
const MAX_HEAD: usize = 64 * 1024;

/// Serves requests, and then the tunnel, if one of them asks for it.
pub(super) async fn serve(
    proxy: Arc<ForwardProxy>,
    local: TcpStream,
    draining: watch::Receiver<bool>,
) -> io::Result<()> {
    local.set_nodelay(true)?;
    // What HTTP takes is freed before the tunnel begins.
    let (local, early, tunnel) = Box::pin(requests(&proxy, local, draining)).await;
    let Some(Tunnel { upstream, _counted }) = tunnel else { return linger(local).await };
    relay(local, upstream, early, proxy.limits.idle_timeout, &proxy.counts).await?;
    Ok(())
}

/// Answers requests, up to one that opens a tunnel. Gives the connection back, with what came
/// behind the last head.
async fn requests(
    proxy: &Arc<ForwardProxy>,
    local: TcpStream,
    mut draining: watch::Receiver<bool>,
) -> (TcpStream, Bytes, Option<Tunnel>) {
    let (tunnels, mut opened) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let (proxy, tunnels) = (Arc::clone(proxy), tunnels.clone());
        Box::pin(async move { Ok::<_, Infallible>(answer(&proxy, request, &tunnels).await) })
    });
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(proxy.limits.head_timeout)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        // Whoever has said all may still want to hear the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(local), service);
    // Its errors have been answered, as far as they can be.
    let is_draining = tokio::select! {
        _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => false,
        _ = draining.wait_for(|draining| *draining) => true,
    };
    if is_draining {
        Pin::new(&mut connection).graceful_shutdown();
        let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
    }
    let parts = connection.into_parts();
    (parts.io.into_inner(), parts.read_buf, opened.try_recv().ok())
}

async fn answer(
    proxy: &ForwardProxy,
    request: Request<Incoming>,
    tunnels: &mpsc::Sender<Tunnel>,
) -> Response<Body> {
    match request.uri().scheme_str() {
        _ if request.method() == Method::CONNECT => match connect(proxy, request.uri()).await {
            Ok(tunnel) => {
                // There is one CONNECT at the most: HTTP ends with it.
                let _ = tunnels.try_send(tunnel);
                Response::new(Body::default())
            }
            Err(response) => response,
        },
        Some("http") => proxy.plain.forward(request).await,
        Some(_) => answer::text(
            StatusCode::BAD_REQUEST,
            "legwork gateway: what is not http goes through a tunnel, which CONNECT asks for\n",
        ),
        None => answer::text(
            StatusCode::BAD_REQUEST,
            "legwork gateway: this is a proxy and no server; the variables http_proxy and https_proxy, or a \
             program's own settings, lead requests through it\n",
        ),
    }
}

/// Opens a tunnel to host and port.
async fn connect(proxy: &ForwardProxy, target: &Uri) -> Result<Tunnel, Response<Body>> {
    let target = target.authority().filter(|authority| authority.port_u16().is_some());
    let opened = match target {
        Some(target) => proxy.tunnels.open(target).await,
        None => Err(NoTunnel::Target),
    };
    match opened {
        Ok(upstream) => Ok(Tunnel { upstream, _counted: proxy.counts.tunnel() }),
        Err(error) => {
            let (response, why) = answer::no_tunnel(&error);
            proxy.counts.refused(&why);
            Err(response)
        }
    }
}

/// Ends a connection so that its last answer arrives: closed with octets unread, TCP would take
/// the answer back.
async fn linger(mut local: TcpStream) -> io::Result<()> {
    local.shutdown().await?;
    let mut rest = (&mut local).take(MOST_UNREAD);
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

const LINGER: Duration = Duration::from_secs(1);
const MOST_UNREAD: u64 = 1024 * 1024;
