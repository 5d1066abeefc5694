//! A connection by HTTP/2.

use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{HeaderName, HeaderValue, Response};
use legwork::protection_space::Challenger;
use tokio::io::{AsyncRead, AsyncWrite, DuplexStream, ReadBuf};
use tokio::sync::mpsc;
use tokio::time::sleep;

use super::super::pipe::Reset;
use super::Peers;
use super::answer::{About, Answer, End, Framing};
use super::judge::{Login, Request};

/// What a stream does to its connection.
enum Command {
    Drain,
    Break(Reason),
}

/// Serves a connection until it ends.
pub(super) async fn serve(
    peers: Arc<Peers>,
    site: usize,
    connection: usize,
    stream: DuplexStream,
    is_reset: Reset,
) {
    let stage = peers.stage.clone();
    let left = stage.goes_wrong().then(|| stage.script().below(2_000));
    let resets = stage.script().yes();
    let stream = Cut { stream, left, is_reset, resets };
    let mut builder = h2::server::Builder::new();
    builder.max_concurrent_streams(stage.script().choose(&[100, 1, 2, 10]));
    let Ok(mut served) = builder.handshake::<_, Bytes>(stream).await else { return };
    let (commands, mut told) = mpsc::unbounded_channel();
    loop {
        enum Event<T> {
            Told(Command),
            Accepted(T),
        }
        let event = poll_fn(|cx| {
            if let Poll::Ready(Some(command)) = told.poll_recv(cx) {
                return Poll::Ready(Event::Told(command));
            }
            served.poll_accept(cx).map(Event::Accepted)
        });
        match event.await {
            Event::Told(Command::Drain) => served.graceful_shutdown(),
            Event::Told(Command::Break(reason)) => served.abrupt_shutdown(reason),
            Event::Accepted(Some(Ok((request, respond)))) => {
                let stream =
                    Stream { peers: Arc::clone(&peers), site, connection, commands: commands.clone() };
                tokio::spawn(async move {
                    // An error is the end of the stream.
                    let _ = stream.serve(request, respond).await;
                });
            }
            Event::Accepted(_) => return,
        }
    }
}

struct Stream {
    peers: Arc<Peers>,
    site: usize,
    connection: usize,
    commands: mpsc::UnboundedSender<Command>,
}

impl Stream {
    async fn serve(
        self,
        request: http::Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> Result<(), h2::Error> {
        let (head, mut incoming) = request.into_parts();
        let stage = &self.peers.stage;
        let number = head.headers.get("x-request").and_then(|value| value.to_str().ok()?.parse().ok());
        let target = head.uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        stage.note(|| format!("on {}: {} {target} of {number:?} by HTTP/2", self.connection, head.method));
        if stage.leg(number, self.connection) {
            return Ok(());
        }
        let mut body = Vec::new();
        if !stage.goes_wrong() {
            while let Some(data) = incoming.data().await {
                let data = data?;
                incoming.flow_control().release_capacity(data.len())?;
                body.extend_from_slice(&data);
            }
        }
        let seen = Request { method: &head.method, target: &target, headers: &head.headers, body: &body };
        let fields: Vec<u8> =
            head.headers.values().flat_map(|value| [value.as_bytes(), b"\n"].concat()).collect();
        self.peers.look_for_secrets(self.site, &fields, &seen);
        for (name, value) in &head.headers {
            let value = value.to_str().unwrap_or_default();
            if name == "proxy-authorization" {
                stage.wrong("an origin is told the credentials of a proxy");
            }
            if name == "authorization" && (value.starts_with("NTLM") || value.starts_with("Negotiate")) {
                stage.wrong("a connection that is shared is logged in");
            }
        }
        let verdict = self.peers.judge(self.site, Challenger::Origin, &mut Login::default(), &seen);
        self.peers.check_user(self.site, &head.headers, &verdict);
        let about = About {
            site: self.site,
            challenger: Challenger::Origin,
            number,
            method: &head.method,
            target: &target,
            has_credentials: head.headers.contains_key("authorization"),
        };
        let answer = self.peers.answer(&about, verdict);
        stage.note(|| format!("on {}: {answer:?}", self.connection));
        self.write(answer, &mut respond).await
    }

    async fn write(&self, answer: Answer, respond: &mut SendResponse<Bytes>) -> Result<(), h2::Error> {
        sleep(answer.pause).await;
        for _ in 0..answer.interim {
            let mut interim = Response::new(());
            *interim.status_mut() = http::StatusCode::EARLY_HINTS;
            respond.send_informational(interim)?;
            sleep(answer.interim_pause).await;
        }
        if let Some(reason) = answer.reset {
            match answer.goes_away {
                true => drop(self.commands.send(Command::Break(reason))),
                false => respond.send_reset(reason),
            }
            return Ok(());
        }
        if answer.goes_away || matches!(answer.end, End::Announced | End::Unannounced | End::Later) {
            let _ = self.commands.send(Command::Drain);
        }
        let mut response = Response::new(());
        *response.status_mut() = http::StatusCode::from_u16(answer.status).expect("a status");
        for (name, value) in &answer.fields {
            if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), HeaderValue::from_str(value)) {
                response.headers_mut().append(name, value);
            }
        }
        let mut sending = respond.send_response(response, false)?;
        sleep(answer.content_pause).await;
        let content = Bytes::from(answer.content);
        let kept = answer.cut.map_or(content.len(), |(at, _)| at.min(content.len()));
        let mut left = content.slice(..kept);
        while !left.is_empty() {
            sending.reserve_capacity(left.len());
            // It tells of more room only.
            while sending.capacity() == 0 {
                let Some(more) = poll_fn(|cx| sending.poll_capacity(cx)).await else { return Ok(()) };
                more?;
            }
            let room = sending.capacity();
            let piece = if answer.trickle.is_zero() { room } else { 1 };
            sending.send_data(left.split_to(piece.min(left.len())), false)?;
            if !answer.trickle.is_zero() {
                sleep(answer.trickle).await;
            }
        }
        match answer.cut {
            Some((_, true)) => sending.send_reset(Reason::INTERNAL_ERROR),
            Some((_, false)) => drop(self.commands.send(Command::Break(Reason::NO_ERROR))),
            None if answer.framing == Framing::Trailers => {
                let trailers = [(HeaderName::from_static("x-trailer"), HeaderValue::from_static("late"))];
                sending.send_trailers(trailers.into_iter().collect())?;
            }
            None => sending.send_data(Bytes::new(), true)?,
        }
        Ok(())
    }
}

/// A connection that breaks after some octets.
struct Cut {
    stream: DuplexStream,
    left: Option<usize>,
    is_reset: Reset,
    resets: bool,
}

impl AsyncRead for Cut {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Cut {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        let Some(left) = self.left else { return Pin::new(&mut self.stream).poll_write(cx, octets) };
        if left == 0 {
            if self.resets {
                self.is_reset.now();
            }
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = Pin::new(&mut self.stream).poll_write(cx, &octets[..octets.len().min(left)]);
        if let Poll::Ready(Ok(written)) = written {
            self.left = Some(left - written);
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
