//! HTTP/2 servers that are particular about their streams, frame by frame (RFC 9113, section 4.1).

use std::collections::VecDeque;
use std::sync::Mutex;

use http::header::{AUTHORIZATION, CONTENT_LENGTH, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, HeaderValue, Response, Version};
use http_body_util::BodyExt;
use legwork::Authenticator;
use legwork::client::RequestBody;
use legwork::service::{Environment, ErrorKind, Limits};
use tokio::io::{AsyncReadExt, AsyncWriteExt, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::task::JoinSet;
use tokio_rustls::server::TlsStream;

use super::*;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

const MAX_CONCURRENT_STREAMS: u16 = 3;
const REFUSED_STREAM: u32 = 7;

struct Frame {
    kind: u8,
    flags: u8,
    stream: u32,
}

/// What becomes of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Served,
    Refused,
    /// The same, once content has come.
    RefusedLater,
    /// The connection takes neither it nor any after it.
    PastEnd,
}

/// What a server does.
struct Rules {
    /// How many streams a connection takes. The first number is in the server's first settings, which
    /// are sent after the first request, so that a client that guesses may guess wrong. The next one is
    /// sent after ten answers, or at once after a zero, and holds once the client has acknowledged it.
    limits: Vec<u32>,
    /// By the streams' numbers over all connections, from 1.
    fate: fn(usize) -> Fate,
}

#[derive(Clone, Copy, Default, Debug)]
struct Seen {
    connections: usize,
    streams: usize,
    served: usize,
    /// Refused because as many were open as the server takes.
    too_many: usize,
    most_at_once: usize,
}

struct Particular {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Particular {
    async fn start(limits: &[u32], fate: fn(usize) -> Fate) -> Self {
        let (rules, seen) = (Arc::new(Rules { limits: limits.to_vec(), fate }), Arc::default());
        let noted = Arc::clone(&seen);
        let serve = move |stream| Connection::serve(stream, Arc::clone(&rules), Arc::clone(&noted));
        Self { address: listen(serve).await, seen }
    }

    fn uri(&self) -> Uri {
        format!("https://{}/", self.address).parse().expect("a URI")
    }

    fn seen(&self) -> Seen {
        *self.seen.lock().expect("no panic")
    }

    /// So many tasks send so many requests each, with and without content, and all are served.
    async fn serves(&self, tasks: usize, requests: usize) -> Seen {
        let client = client::<Full<Bytes>>();
        let mut set = JoinSet::new();
        for task in 0..tasks {
            let (client, uri) = (client.clone(), self.uri());
            let (method, content) = if task % 2 == 0 { ("GET", "") } else { ("POST", "twelve bytes") };
            set.spawn(async move {
                for _ in 0..requests {
                    let answer = client.request(request(method, uri.clone(), content));
                    let response = without_hanging(answer).await.expect("a response");
                    assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
                    text(response).await;
                }
            });
        }
        while let Some(done) = set.join_next().await {
            done.expect("no task fails");
        }
        let seen = self.seen();
        assert_eq!(seen.served, tasks * requests, "{seen:?}");
        seen
    }
}

fn client<B: RequestBody>() -> Client<B> {
    Client::builder(Authenticator::builder().build()).http2().build_with_tls(trusting([ECDSA]))
}

/// Accepts connections over TLS that have agreed to HTTP/2.
async fn listen<F>(serve: impl Fn(TlsStream<TcpStream>) -> F + Send + Sync + 'static) -> SocketAddr
where
    F: Future<Output = Option<()>> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    let (acceptor, serve) = (ECDSA.acceptor(&["h2"]), Arc::new(serve));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (accepting, serve) = (acceptor.accept(stream), Arc::clone(&serve));
            tokio::spawn(async move { serve(accepting.await.ok()?).await });
        }
    });
    address
}

/// The server's side of a connection.
struct Connection {
    write: WriteHalf<TlsStream<TcpStream>>,
    rules: Arc<Rules>,
    seen: Arc<Mutex<Seen>>,
    /// How many of the limits were said.
    said: usize,
    takes: u32,
    answered: usize,
    /// Streams to be answered.
    open: VecDeque<u32>,
    /// Streams to be refused once their content comes.
    doomed: Vec<u32>,
    has_ended: bool,
}

impl Connection {
    /// Until the client closes it.
    async fn serve(stream: TlsStream<TcpStream>, rules: Arc<Rules>, seen: Arc<Mutex<Seen>>) -> Option<()> {
        let (mut read, write) = tokio::io::split(stream);
        let (frames, received) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            read.read_exact(&mut [0; 24]).await.ok()?; // the client's preface
            while let Some(frame) = read_frame(&mut read).await {
                frames.send(frame).ok()?;
            }
            Some(())
        });
        let connection = Self {
            write,
            takes: rules.limits[0],
            rules,
            seen,
            said: 0,
            answered: 0,
            open: VecDeque::new(),
            doomed: Vec::new(),
            has_ended: false,
        };
        connection.note(|seen| seen.connections += 1);
        connection.run(received).await
    }

    /// Frames that are there come before answers, so that streams pile up.
    async fn run(mut self, mut received: UnboundedReceiver<Frame>) -> Option<()> {
        loop {
            tokio::select! {
                biased;
                frame = received.recv() => self.take(frame?).await?,
                () = tokio::task::yield_now(), if !self.open.is_empty() => self.answer().await?,
            }
        }
    }

    async fn take(&mut self, frame: Frame) -> Option<()> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
            SETTINGS => {
                self.takes = self.rules.limits[self.said - 1];
                if self.takes == 0 { self.say_limit().await } else { Some(()) }
            }
            HEADERS => {
                if self.said == 0 {
                    self.say_limit().await?;
                }
                self.begin(frame.stream).await
            }
            DATA if self.doomed.contains(&frame.stream) => {
                self.doomed.retain(|stream| *stream != frame.stream);
                self.refuse(frame.stream).await
            }
            _ => Some(()),
        }
    }

    async fn begin(&mut self, stream: u32) -> Option<()> {
        if self.has_ended {
            return Some(());
        }
        if self.open.len() >= self.takes as usize {
            self.note(|seen| seen.too_many += 1);
            return self.refuse(stream).await;
        }
        let number = self.note(|seen| seen.streams += 1).streams;
        match (self.rules.fate)(number) {
            Fate::Served => {
                self.open.push_back(stream);
                self.note(|seen| seen.most_at_once = seen.most_at_once.max(self.open.len()));
                Some(())
            }
            Fate::Refused => self.refuse(stream).await,
            Fate::RefusedLater => {
                self.doomed.push(stream);
                Some(())
            }
            Fate::PastEnd => {
                self.has_ended = true;
                let last = stream.saturating_sub(2).to_be_bytes();
                self.send(GOAWAY, 0, 0, &[last, [0; 4]].concat()).await
            }
        }
    }

    async fn answer(&mut self) -> Option<()> {
        let stream = self.open.pop_front()?;
        self.note(|seen| seen.served += 1);
        // The eighth of the static table is `:status: 200` (RFC 7541, appendix A).
        self.send(HEADERS, END_STREAM | END_HEADERS, stream, &[0x88]).await?;
        self.answered += 1;
        if self.answered == 10 { self.say_limit().await } else { Some(()) }
    }

    async fn refuse(&mut self, stream: u32) -> Option<()> {
        self.send(RST_STREAM, 0, stream, &REFUSED_STREAM.to_be_bytes()).await
    }

    /// Says the next limit, if there is one.
    async fn say_limit(&mut self) -> Option<()> {
        let Some(limit) = self.rules.limits.get(self.said).copied() else { return Some(()) };
        self.said += 1;
        let setting = [&MAX_CONCURRENT_STREAMS.to_be_bytes()[..], &limit.to_be_bytes()].concat();
        self.send(SETTINGS, 0, 0, &setting).await
    }

    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Option<()> {
        let length = u32::try_from(payload.len()).expect("it is short").to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        self.write.write_all(&[&head, payload].concat()).await.ok()?;
        self.write.flush().await.ok()
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) -> Seen {
        let mut seen = self.seen.lock().expect("no panic");
        change(&mut seen);
        *seen
    }
}

async fn read_frame(read: &mut (impl AsyncReadExt + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    read.read_exact(&mut head).await.ok()?;
    let [a, b, c, kind, flags, stream @ ..] = head;
    let length = u32::from_be_bytes([0, a, b, c]) as usize;
    read.read_exact(&mut vec![0; length]).await.ok()?;
    Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1) })
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_streams_are_opened_than_the_server_takes() {
    for takes in [1, 4, 10, 100] {
        let server = Particular::start(&[takes], |_| Fate::Served).await;
        let seen = server.serves(64, 4).await;
        assert_eq!(seen.too_many, 0, "{takes}: {seen:?}");
        assert!(seen.most_at_once <= takes as usize && seen.connections <= 64, "{takes}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_that_is_lowered_is_kept_to() {
    let server = Particular::start(&[20, 1], |_| Fate::Served).await;
    let seen = server.serves(64, 8).await;
    assert_eq!(seen.too_many, 0, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_nothing_for_a_moment_is_waited_for() {
    let server = Particular::start(&[0, 10], |_| Fate::Served).await;
    let seen = server.serves(16, 4).await;
    // The client cannot know it before its first request.
    assert!(seen.too_many <= seen.connections, "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_streams_are_sent_again_on_the_same_connection() {
    let server = Particular::start(&[100], |number| match number {
        1..=40 => Fate::Refused,
        _ => Fate::Served,
    });
    let server = server.await;
    let seen = server.serves(64, 2).await;
    assert_eq!((seen.connections, seen.streams), (1, 40 + 128), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_past_the_end_of_a_connection_go_to_another_one() {
    let server = Particular::start(&[100], |number| match number {
        4 => Fate::PastEnd,
        _ => Fate::Served,
    });
    let server = server.await;
    let seen = server.serves(8, 2).await;
    assert_eq!(seen.connections, 2, "{seen:?}");
}

#[tokio::test]
async fn a_server_that_refuses_all_is_an_error_after_some_attempts() {
    let server = Particular::start(&[100], |_| Fate::Refused).await;
    let post = request("POST", server.uri(), "twelve bytes");
    let error = without_hanging(client().request(post)).await.expect_err("it refuses all");
    assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
    assert!(whole(&error).contains("refused stream"), "{}", whole(&error));
    let seen = server.seen();
    assert_eq!((seen.connections, seen.streams), (1, 65), "{seen:?}");
}

#[tokio::test]
async fn a_refused_upload_is_sent_again_as_long_as_all_of_it_is_kept() {
    let fate = |number| if number == 1 { Fate::RefusedLater } else { Fate::Served };
    for (kept, expected) in [(64 << 10, Some(200)), (16, None)] {
        let server = Particular::start(&[100], fate).await;
        let builder = Client::builder(Authenticator::builder().build());
        let builder =
            builder.http2().environment(Environment::tokio().limits(Limits::default().replay(kept)));
        let client: Client<Upload> = builder.build_with_tls(trusting([ECDSA]));
        let post = Request::post(server.uri()).body(Upload::of(4, 1024)).expect("a request");
        let answer = without_hanging(client.request(post)).await;
        let status = answer.as_ref().ok().map(|response| response.status().as_u16());
        assert_eq!(status, expected, "{answer:?}");
        if let Err(error) = answer {
            assert!(whole(&error).contains("refused stream"), "{}", whole(&error));
        }
        assert_eq!(server.seen().streams, if expected.is_some() { 2 } else { 1 });
    }
}

/// What came with a request: its content, and its trailer `x-sum`.
type Content = (Vec<u8>, Option<HeaderValue>);

/// Challenges a request without an `Authorization`; answers another with trailers.
async fn serve_trailers(
    stream: TlsStream<TcpStream>,
    contents: mpsc::UnboundedSender<Content>,
) -> Option<()> {
    let mut connection = h2::server::handshake(stream).await.ok()?;
    while let Some(Ok((request, mut respond))) = connection.accept().await {
        let contents = contents.clone();
        tokio::spawn(async move {
            let has_login = request.headers().contains_key(AUTHORIZATION);
            let (mut body, mut content) = (request.into_body(), Vec::new());
            while let Some(data) = body.data().await {
                content.extend_from_slice(&data.ok()?);
            }
            let trailers = body.trailers().await.ok()?.unwrap_or_default();
            contents.send((content, trailers.get("x-sum").cloned())).ok()?;
            if !has_login {
                let challenge =
                    Response::builder().status(401).header(WWW_AUTHENTICATE, "Basic realm=\"lab\"");
                respond.send_response(challenge.body(()).expect("a response"), true).ok()?;
                return Some(());
            }
            let mut answer = respond.send_response(Response::new(()), false).ok()?;
            answer.send_data(Bytes::from_static(b"ok"), false).ok()?;
            let sum = (HeaderName::from_static("x-sum"), HeaderValue::from_static("9"));
            answer.send_trailers(HeaderMap::from_iter([sum])).ok()
        });
    }
    Some(())
}

#[tokio::test]
async fn trailers_after_an_exact_length_arrive_on_every_leg_and_with_the_response() {
    for declared in [false, true] {
        let (contents, mut seen) = mpsc::unbounded_channel();
        let address = listen(move |stream| serve_trailers(stream, contents.clone())).await;
        let origin: Origin = format!("https://{address}").parse().expect("an origin");
        let authenticator = Authenticator::builder().credentials(origin.clone(), carol()).build();
        let client: Client<Trailed> =
            Client::builder(authenticator).http2().build_with_tls(trusting([ECDSA]));
        // To an origin that is unknown, and to one that is known.
        for legs in [2, 1] {
            let mut post = Request::post(format!("{origin}/")).body(trailed()).expect("a request");
            if declared {
                post.headers_mut().insert(CONTENT_LENGTH, 5.into());
            }
            let response = without_hanging(client.request(post)).await.expect("a response");
            assert_eq!((response.status().as_u16(), response.version()), (200, Version::HTTP_2));
            let content = response.into_body().collect().await.expect("a body");
            assert_eq!(
                content.trailers().and_then(|trailers| trailers.get("x-sum")),
                Some(&"9".parse().expect("a value"))
            );
            for _ in 0..legs {
                let sent = seen.recv().await.expect("a leg");
                assert_eq!(sent, (b"body!".to_vec(), Some(HeaderValue::from_static("7"))), "{declared}");
            }
        }
        assert!(seen.try_recv().is_err());
    }
}
