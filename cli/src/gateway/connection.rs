//! One connection of a program.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::sync::{OwnedSemaphorePermit, mpsc, watch};

use super::access::NotAdmitted;
use super::answer::{self, Body};
use super::counts::{Counted, Counts};
use super::listener::Peer;
use super::octets::Connected;
use super::relay::relay;
use super::server::{Limits, Role, Service};

/// What all connections of a listener share.
pub(super) struct Door {
    pub(super) service: watch::Receiver<Arc<Service>>,
    pub(super) limits: Limits,
    pub(super) counts: Arc<Counts>,
}

/// What a connection carries when HTTP on it has ended. It counts as open before the program hears of it.
pub(super) struct Tunnel {
    far: Connected,
    _counted: Counted,
}

impl Tunnel {
    pub(super) fn new(far: Connected, counts: &Arc<Counts>) -> Self {
        Self { far, _counted: counts.tunnel() }
    }
}

/// How much of a request's head is read.
const MAX_HEAD: usize = 64 * 1024;

/// A program that has connected.
pub(super) struct Arrived {
    pub(super) door: Arc<Door>,
    pub(super) local: Connected,
    pub(super) peer: Peer,
    pub(super) draining: watch::Receiver<bool>,
    /// Among so many connections as there may be.
    pub(super) place: OwnedSemaphorePermit,
}

/// A connection on which HTTP has ended with a tunnel.
struct Opened {
    door: Arc<Door>,
    local: Connected,
    early: Bytes,
    tunnel: Tunnel,
    _counted: Counted,
    _place: OwnedSemaphorePermit,
}

/// Serves requests, and then the tunnel, if one of them asks for it. In between, all is freed that HTTP takes: what stays is
/// what each idle tunnel costs.
pub(super) async fn serve(arrived: Box<Arrived>) -> io::Result<()> {
    let Some(mut opened) = Box::pin(http(*arrived)).await? else { return Ok(()) };
    let (local, far) = (&mut opened.local, &mut opened.tunnel.far);
    relay(local, far, opened.early, opened.door.limits.idle_timeout, &opened.door.counts).await?;
    Ok(())
}

/// Answers requests, and ends the connection unless a tunnel is to follow.
async fn http(arrived: Arrived) -> io::Result<Option<Opened>> {
    let Arrived { door, mut local, peer, draining, place } = arrived;
    let counted = door.counts.connection();
    let admitted = door.service.borrow().access.admits(&peer);
    if let Err(why) = admitted {
        door.counts.refused(&why.to_string());
        local.write_all(answer::not_admitted(&why).as_bytes()).await?;
        linger(local).await?;
        return Ok(None);
    }
    let (local, early, tunnel) = requests(&door, local, peer, draining).await;
    let Some(tunnel) = tunnel else {
        linger(local).await?;
        return Ok(None);
    };
    Ok(Some(Opened { door, local, early, tunnel, _counted: counted, _place: place }))
}

/// Answers requests, up to one that opens a tunnel. Gives the connection back, with what came
/// behind the last head.
async fn requests(
    door: &Arc<Door>,
    local: Connected,
    peer: Peer,
    mut draining: watch::Receiver<bool>,
) -> (Connected, Bytes, Option<Tunnel>) {
    let (tunnels, mut opened) = mpsc::channel(1);
    let service = service_fn(move |request| {
        let (door, tunnels) = (Arc::clone(door), tunnels.clone());
        Box::pin(async move { Ok::<_, Infallible>(answer(&door, &peer, request, &tunnels).await) })
    });
    let local = Watched::new(local);
    let mut connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(door.limits.head_timeout)
        .max_header_size(MAX_HEAD)
        .max_buf_size(MAX_HEAD)
        // Whoever has said all may still want to hear the answer.
        .half_close(true)
        .serve_connection(TokioIo::new(local.clone()), service);
    // Its errors have been answered, as far as they can be.
    let all_are_answered = async {
        let is_draining = tokio::select! {
            _ = poll_fn(|cx| connection.poll_without_shutdown(cx)) => false,
            _ = draining.wait_for(|draining| *draining) => true,
        };
        if is_draining {
            Pin::new(&mut connection).graceful_shutdown();
            let _ = poll_fn(|cx| connection.poll_without_shutdown(cx)).await;
        }
    };
    let is_given_up = tokio::select! {
        () = all_are_answered => false,
        () = local.is_given_up(door.limits.idle_timeout) => true,
    };
    let read = connection.into_parts().read_buf;
    let tunnel = opened.try_recv().ok().filter(|_| !is_given_up);
    (local.into_inner(), read, tunnel)
}

/// A program's connection while it carries HTTP. Nobody reads from it while an answer is awaited, so that its end has to be
/// looked for.
#[derive(Clone)]
struct Watched(Arc<Mutex<Option<Local>>>);

struct Local {
    stream: Connected,
    has_heard: bool,
}

impl Watched {
    fn new(stream: Connected) -> Self {
        Self(Arc::new(Mutex::new(Some(Local { stream, has_heard: false }))))
    }

    fn with<T>(&self, what: impl FnOnce(&mut Local) -> T) -> T {
        let mut local = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        what(local.as_mut().expect("it is there until HTTP has ended"))
    }

    /// Ends when the program has ended its side, and hears nothing for so long. It may have gone.
    async fn is_given_up(&self, limit: Duration) {
        let mut has_given_up = false;
        while !has_given_up {
            self.with(|local| local.has_heard = false);
            tokio::time::sleep(limit).await;
            has_given_up = self.with(|local| !local.has_heard && local.stream.has_ended());
        }
    }

    fn into_inner(self) -> Connected {
        let local = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        local.expect("it is there until HTTP has ended").stream
    }
}

impl AsyncRead for Watched {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.with(|local| Pin::new(&mut local.stream).poll_read(cx, into))
    }
}

impl AsyncWrite for Watched {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        self.with(|local| {
            let written = Pin::new(&mut local.stream).poll_write(cx, octets);
            local.has_heard |= written.is_ready();
            written
        })
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        octets: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.with(|local| {
            let written = Pin::new(&mut local.stream).poll_write_vectored(cx, octets);
            local.has_heard |= written.is_ready();
            written
        })
    }

    fn is_write_vectored(&self) -> bool {
        self.with(|local| local.stream.is_write_vectored())
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|local| Pin::new(&mut local.stream).poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.with(|local| Pin::new(&mut local.stream).poll_shutdown(cx))
    }
}

async fn answer(
    door: &Door,
    peer: &Peer,
    request: Request<Incoming>,
    tunnels: &mpsc::Sender<Tunnel>,
) -> Response<Body> {
    // Who passes it on would choose one of them, and who answers it another.
    if request.headers().get_all(http::header::HOST).iter().count() > 1 {
        return answer::text(StatusCode::BAD_REQUEST, "legwork gateway: there is more than one Host\n");
    }
    // It would go on without its body: nothing tells that there is one where no length says so.
    let has_bodies = !matches!(*request.method(), Method::GET | Method::HEAD);
    if !has_bodies && !request.body().is_end_stream() && request.body().size_hint().exact().is_none() {
        let said = format!("legwork gateway: a {} with a body has to say how long it is\n", request.method());
        return answer::text(StatusCode::LENGTH_REQUIRED, said);
    }
    let service = Arc::clone(&door.service.borrow());
    let answered = match &service.role {
        Role::Proxy(proxy) => proxy.answer(request, &service.access, peer, &door.counts).await,
        Role::Origin(origin) => origin.answer(request, &service.access, peer, &door.counts).await,
    };
    match answered {
        Answered::Response(response) => response,
        Answered::Tunnel(response, tunnel) => {
            // There is one at the most: HTTP ends with it.
            let _ = tunnels.try_send(tunnel);
            response
        }
    }
}

/// What a request has come to.
pub(super) enum Answered {
    Response(Response<Body>),
    /// Behind this response, the connection is a tunnel.
    Tunnel(Response<Body>, Tunnel),
}

impl Answered {
    /// A request that was not let in, with what its program is told.
    pub(super) fn refused(response: Response<Body>, why: &NotAdmitted, counts: &Counts) -> Self {
        counts.refused(&why.to_string());
        Self::Response(response)
    }
}

/// Ends a connection so that its last answer arrives: closed with octets unread, TCP would take
/// the answer back.
async fn linger(mut local: Connected) -> io::Result<()> {
    local.shutdown().await?;
    let mut rest = (&mut local).take(MOST_UNREAD);
    let _ = tokio::time::timeout(LINGER, tokio::io::copy(&mut rest, &mut tokio::io::sink())).await;
    Ok(())
}

const LINGER: Duration = Duration::from_secs(1);
const MOST_UNREAD: u64 = 1024 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn size<A, F: Future>(_: impl FnOnce(A) -> F) -> usize {
        size_of::<F>()
    }

    // Beside it there are two sockets, of some 300 octets each.
    #[test]
    fn a_tunnel_that_waits_is_a_small_task() {
        assert!(size(serve) <= 512, "{}", size(serve));
    }
}
