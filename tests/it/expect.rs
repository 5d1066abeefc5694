//! Bodies that wait until their server has said that it wants them: `Expect: 100-continue`.
//!
//! No test waits for time to pass: a body's patience runs out when the test says so.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Method, Request, StatusCode, Uri};
use http_body::{Body, Frame};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::AuthenticateFirst;
use legwork::client::ClientBuilder;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::protection_space::Challenger;
use legwork::service::{BoxError, BoxFuture, Environment, Error, ErrorKind, Limits, Timer};
use legwork::testing::{DigestAcceptor, Judge, Judgement, Offer, Presentation, Quirk, Report, Server};
use legwork::unversioned::testing::{DigestVerdict, PresentedDigest};
use legwork::{Client, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::*;

const MEGABYTE: u64 = 1 << 20;

/// How long a body waits.
const PATIENCE: Duration = Duration::from_secs(1);

type Content = UnsyncBoxBody<Bytes, BoxError>;

/// Timers that stand still, but for patience that has run out.
#[derive(Clone)]
struct Clock(Arc<Hands>);

struct Hands {
    start: Instant,
    passed: Mutex<Duration>,
    /// How often a body's wait has begun.
    waits: watch::Sender<usize>,
    patience: watch::Sender<bool>,
}

impl Clock {
    fn stopped() -> Self {
        Self(Arc::new(Hands {
            start: Instant::now(),
            passed: Mutex::default(),
            waits: watch::Sender::new(0),
            patience: watch::Sender::new(true),
        }))
    }

    fn lose_patience(&self) {
        self.0.patience.send_replace(false);
    }

    fn pass(&self, time: Duration) {
        *self.0.passed.lock().expect("not poisoned") += time;
    }

    fn waits(&self) -> usize {
        *self.0.waits.borrow()
    }

    fn instant(&self) -> Instant {
        self.0.start + *self.0.passed.lock().expect("not poisoned")
    }
}

impl Timer for Clock {
    fn sleep(&self, duration: Duration) -> BoxFuture<()> {
        let mut patience = self.0.patience.subscribe();
        if duration != PATIENCE {
            return Box::pin(std::future::pending());
        }
        self.0.waits.send_modify(|waits| *waits += 1);
        Box::pin(async move {
            let _gone = patience.wait_for(|patience| !patience).await;
        })
    }

    fn now(&self) -> Instant {
        self.instant()
    }
}

/// Which client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hyper,
    Legacy,
}

const WAYS: [Way; 2] = [Way::Hyper, Way::Legacy];

type Answered = Result<(u16, String), Error>;

/// Either client, as a function; the page is read to its end.
struct Sender {
    send: Box<dyn Fn(Request<Content>) -> BoxFuture<Answered> + Send + Sync>,
    connections: Box<dyn Fn() -> (usize, usize) + Send + Sync>,
}

impl Sender {
    fn new(way: Way, builder: ClientBuilder) -> Self {
        async fn page<F>(answer: F) -> Answered
        where
            F: Future<Output = Result<http::Response<legwork::client::ResponseBody>, Error>>,
        {
            let response = answer.await?;
            Ok((response.status().as_u16(), text(response).await))
        }
        match way {
            Way::Hyper => {
                let client: Client<Content> = builder.build_http();
                let other = client.clone();
                Self {
                    send: Box::new(move |request| Box::pin(page(client.request(request)))),
                    connections: Box::new(move || other.connections()),
                }
            }
            Way::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                let client = builder.build_legacy::<_, Content>(settings, HttpConnector::new());
                let other = client.clone();
                Self {
                    send: Box::new(move |request| Box::pin(page(client.request(request)))),
                    connections: Box::new(move || other.connections()),
                }
            }
        }
    }

    /// A client of carol's at this origin.
    fn of(way: Way, origin: Origin, clock: &Clock) -> Self {
        let authenticator = builder().credentials(origin, carol()).dangerous_secrets_over_plain_http(true);
        Self::new(
            way,
            Client::builder(authenticator.build()).environment(Environment::tokio().timer(clock.clone())),
        )
    }

    fn send(&self, request: Request<Content>) -> BoxFuture<Answered> {
        Box::pin(without_hanging((self.send)(request)))
    }
}

/// A body in pieces.
fn streamed(pieces: usize, octets: usize) -> Content {
    Upload::of(pieces, octets).map_err(BoxError::from).boxed_unsync()
}

/// The same of a length that nobody knows.
fn chunked(pieces: usize, octets: usize) -> Content {
    OfNoLength(Upload::of(pieces, octets)).map_err(BoxError::from).boxed_unsync()
}

/// Tells nothing of its length.
struct OfNoLength(Upload);

impl Body for OfNoLength {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn put(uri: Uri, body: Content) -> Request<Content> {
    Request::put(uri).body(body).expect("a request")
}

async fn answer(sent: JoinHandle<Answered>) -> (u16, String) {
    sent.await.expect("no panic").expect("no error")
}

/// A server that a test plays itself.
struct Stage {
    listener: TcpListener,
    origin: Origin,
}

impl Stage {
    async fn set() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        Self { listener, origin: format!("http://{address}").parse().expect("an origin") }
    }

    /// The same with a client of carol's, by a clock that stands still.
    async fn with_client(way: Way) -> (Self, Clock, Sender) {
        let (stage, clock) = (Self::set().await, Clock::stopped());
        let client = Sender::of(way, stage.origin.clone(), &clock);
        (stage, clock, client)
    }

    /// An upload whose body waits, and the new connection that it has come by.
    async fn waiting_upload(&self, client: &Sender) -> (JoinHandle<Answered>, Peer) {
        let sent = tokio::spawn(client.send(put(self.uri("/"), streamed(100, 1000))));
        let mut peer = self.connection().await;
        assert!(waits(&peer.head().await));
        (sent, peer)
    }

    fn uri(&self, path: &str) -> Uri {
        format!("{}{path}", self.origin).parse().expect("a URI")
    }

    async fn connection(&self) -> Peer {
        let (stream, _) = without_hanging(self.listener.accept()).await.expect("a connection");
        stream.set_nodelay(true).expect("no delay");
        Peer { stream, read: Vec::new() }
    }
}

/// A connection of such a server.
struct Peer {
    stream: TcpStream,
    read: Vec<u8>,
}

impl Peer {
    /// The next request's head, in lower case.
    async fn head(&mut self) -> String {
        loop {
            if let Some(end) = self.read.windows(4).position(|octets| octets == b"\r\n\r\n") {
                let head: Vec<_> = self.read.drain(..end + 4).collect();
                return String::from_utf8(head).expect("UTF-8").to_lowercase();
            }
            assert_ne!(self.more().await, 0, "the request ends in its head");
        }
    }

    async fn more(&mut self) -> usize {
        let mut octets = [0; 65_536];
        // A reset is an end, too.
        let read = without_hanging(self.stream.read(&mut octets)).await.unwrap_or(0);
        self.read.extend_from_slice(&octets[..read]);
        read
    }

    /// Reads so many octets of content.
    async fn content(&mut self, octets: usize) {
        while self.read.len() < octets {
            assert_ne!(self.more().await, 0, "the content ends early");
        }
        self.read.drain(..octets);
    }

    /// Reads to the end of the connection; how many octets of content came.
    async fn rest(&mut self) -> usize {
        while self.more().await > 0 {}
        self.read.len()
    }

    async fn say(&mut self, text: &str) {
        self.stream.write_all(text.as_bytes()).await.expect("the client listens");
        self.stream.flush().await.expect("the client listens");
    }

    /// An answer with this content.
    async fn answer(&mut self, status: u16, fields: &str, page: &str) {
        let status = StatusCode::from_u16(status).expect("a status");
        let length = page.len();
        self.say(&format!("HTTP/1.1 {status}\r\n{fields}content-length: {length}\r\n\r\n{page}")).await;
    }
}

const BASIC: &str = "www-authenticate: Basic realm=\"a realm\"\r\n";

fn waits(head: &str) -> bool {
    head.contains("expect: 100-continue\r\n")
}

/// Two hundred megabytes, to servers that answer at once.
#[tokio::test(flavor = "multi_thread")]
async fn an_upload_to_an_unknown_origin_goes_over_the_wire_once() {
    for (way, offer) in [
        (Way::Hyper, digest()),
        (Way::Legacy, Offer::Ntlm),
        (Way::Hyper, Offer::Ntlm),
        (Way::Legacy, digest()),
    ] {
        let name = format!("{way:?}, {offer:?}");
        let is_digest = matches!(offer, Offer::Judged { .. });
        let server = server([offer]).quirk(Quirk::EarlyRefusal).start().await.expect("a server");
        let clock = Clock::stopped();
        let client = Sender::of(way, server.origin(), &clock);
        let upload = put(server.uri("/upload"), streamed(3_200, 64 << 10));
        let (status, page) = client.send(upload).await.expect("no error");
        assert_eq!(status, 200, "{name}");
        assert!(page.ends_with(&format!("{} octets\n", 200 * MEGABYTE)), "{name}: {page}");
        let report = server.report();
        let legs: Vec<_> = report.connections().iter().map(statuses_on).collect();
        let wanted: [&[u16]; 2] = if is_digest { [&[401], &[200]] } else { [&[401], &[401, 200]] };
        assert_eq!(legs, wanted, "{name}");
        assert_eq!(report.body_octets(), 200 * MEGABYTE, "{name}");
        assert_eq!(clock.waits(), 1, "{name}");
    }
}

#[tokio::test]
async fn what_comes_in_chunks_waits_and_is_not_ended_early() {
    for way in WAYS {
        let (stage, _, client) = Stage::with_client(way).await;
        let sent = tokio::spawn(client.send(put(stage.uri("/"), chunked(40, 4096))));
        let mut first = stage.connection().await;
        assert!(waits(&first.head().await));
        first.answer(401, BASIC, "").await;
        assert_eq!(first.rest().await, 0, "{way:?}: not even an end");
        let mut second = stage.connection().await;
        let head = second.head().await;
        assert!(!waits(&head) && head.contains("authorization: basic"), "{head}");
        // A chunk: its length in three hexadecimal digits and more, two line ends.
        second.content(40 * (4096 + 8) + 5).await;
        second.answer(200, "", "page").await;
        assert_eq!(answer(sent).await, (200, "page".into()));
    }
}

/// The server knows nothing of it: after its patience has run out the body goes, and the next one at once.
#[tokio::test]
async fn an_origin_that_let_a_body_wait_is_not_waited_for_again() {
    for way in WAYS {
        let (stage, clock, client) = Stage::with_client(way).await;
        let (sent, mut peer) = stage.waiting_upload(&client).await;
        assert_eq!((peer.read.len(), clock.waits()), (0, 1), "{way:?}");
        clock.lose_patience();
        peer.content(100_000).await;
        // It comes all the same.
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.answer(200, "", "one").await;
        assert_eq!(answer(sent).await, (200, "one".into()));

        let sent = tokio::spawn(client.send(put(stage.uri("/"), streamed(100, 1000))));
        assert!(!waits(&peer.head().await), "{way:?}");
        peer.content(100_000).await;
        peer.answer(200, "", "two").await;
        assert_eq!(answer(sent).await, (200, "two".into()));
        assert_eq!(clock.waits(), 1);
    }
}

#[tokio::test]
async fn a_body_goes_at_100_and_no_other_interim_response() {
    for way in WAYS {
        let (stage, _, client) = Stage::with_client(way).await;
        let (sent, mut peer) = stage.waiting_upload(&client).await;
        peer.say("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n")
            .await;
        for octet in "HTTP/1.1 100 Continue\r\n\r\n".chars() {
            assert!(peer.read.is_empty(), "{way:?}");
            peer.say(octet.encode_utf8(&mut [0; 4])).await;
            tokio::task::yield_now().await;
        }
        peer.content(100_000).await;
        peer.answer(200, "", "page").await;
        assert_eq!(answer(sent).await, (200, "page".into()));

        let sent = tokio::spawn(client.send(put(stage.uri("/"), streamed(100, 1000))));
        assert!(waits(&peer.head().await));
        peer.say("HTTP/1.1 103 Early Hints\r\nlink: </style.css>\r\n\r\n").await;
        peer.answer(403, "", "no").await;
        assert_eq!(peer.rest().await, 0, "{way:?}");
        assert_eq!(answer(sent).await.0, 403);
    }
}

/// A final status is the answer, whole, and nothing of the body follows it.
#[tokio::test]
async fn a_final_answer_is_delivered_whole_and_the_body_stays() {
    for way in WAYS {
        for status in [200, 403, 413, 500] {
            for body in [streamed(100, 1000), chunked(40, 4096)] {
                let (stage, _, client) = Stage::with_client(way).await;
                let sent = tokio::spawn(client.send(put(stage.uri("/"), body)));
                let mut peer = stage.connection().await;
                assert!(waits(&peer.head().await));
                let status_line = StatusCode::from_u16(status).expect("a status");
                peer.say(&format!("HTTP/1.1 {status_line}\r\ncontent-length: 12\r\n\r\nfirst,")).await;
                // The head is there for the caller before the end is.
                tokio::task::yield_now().await;
                peer.say("second").await;
                assert_eq!(peer.rest().await, 0, "{way:?}, {status}");
                let answered = answer(sent).await;
                assert_eq!(answered, (status, "first,second".into()));
                assert_eq!((client.connections)(), (0, 0), "{way:?}, {status}");
            }
        }
    }
}

#[tokio::test]
async fn a_417_is_repeated_once_without_the_expectation() {
    for way in WAYS {
        let (stage, clock, client) = Stage::with_client(way).await;
        let (sent, mut first) = stage.waiting_upload(&client).await;
        first.answer(417, "", "no").await;
        assert_eq!(first.rest().await, 0, "{way:?}");
        let mut second = stage.connection().await;
        assert!(!waits(&second.head().await));
        second.content(100_000).await;
        second.answer(200, "", "page").await;
        assert_eq!(answer(sent).await, (200, "page".into()));

        // And never again.
        let sent = tokio::spawn(client.send(put(stage.uri("/"), streamed(100, 1000))));
        assert!(!waits(&second.head().await));
        second.content(100_000).await;
        second.answer(417, "", "whatever for").await;
        assert_eq!(answer(sent).await.0, 417, "{way:?}: it is the answer");
        assert_eq!(clock.waits(), 1);
    }
}

#[tokio::test]
async fn a_server_that_hangs_up_at_it_is_not_asked_again() {
    for way in WAYS {
        let (stage, _, client) = Stage::with_client(way).await;
        let post = Request::post(stage.uri("/")).body(streamed(100, 1000)).expect("a request");
        let sent = tokio::spawn(client.send(post));
        let mut first = stage.connection().await;
        assert!(waits(&first.head().await));
        drop(first);
        let mut second = stage.connection().await;
        assert!(!waits(&second.head().await), "{way:?}");
        second.content(100_000).await;
        second.answer(200, "", "page").await;
        assert_eq!(answer(sent).await, (200, "page".into()));
    }
}

#[tokio::test]
async fn a_server_that_speaks_http_1_0_is_not_asked() {
    for way in WAYS {
        let (stage, clock, client) = Stage::with_client(way).await;
        let get = Request::get(stage.uri("/")).body(Content::default()).expect("a request");
        let sent = tokio::spawn(client.send(get));
        let mut peer = stage.connection().await;
        peer.head().await;
        peer.say("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold").await;
        assert_eq!(answer(sent).await.1, "old");
        let sent = tokio::spawn(client.send(put(stage.uri("/"), streamed(100, 1000))));
        let mut peer = stage.connection().await;
        assert!(!waits(&peer.head().await), "{way:?}");
        peer.content(100_000).await;
        peer.say("HTTP/1.0 200 OK\r\ncontent-length: 3\r\n\r\nold").await;
        assert_eq!(answer(sent).await.0, 200);
        assert_eq!(clock.waits(), 0);
    }
}

/// A server that says that it wants the body, and then that it wants a login.
#[tokio::test]
async fn a_challenge_after_100_comes_too_late() {
    for way in WAYS {
        let (stage, _, client) = Stage::with_client(way).await;
        let (sent, mut peer) = stage.waiting_upload(&client).await;
        peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
        peer.content(100_000).await;
        peer.answer(401, BASIC, "").await;
        let error = sent.await.expect("no panic").expect_err("too late");
        assert!(
            matches!(error.kind(), ErrorKind::BodyNotReplayable { lost: None, .. }),
            "{way:?}: {error:?}"
        );
    }
}

#[tokio::test]
async fn whoever_gives_up_while_the_body_waits_leaves_nothing_behind() {
    for way in WAYS {
        let (stage, _, client) = Stage::with_client(way).await;
        let (sent, mut peer) = stage.waiting_upload(&client).await;
        sent.abort();
        assert!(sent.await.expect_err("it was given up").is_cancelled());
        assert_eq!(peer.rest().await, 0, "{way:?}");
        assert_eq!((client.connections)(), (0, 0));
    }
}

/// What can be sent again for nothing does not wait, nor does what nobody can be asked to log in for.
#[tokio::test]
async fn bodies_that_are_at_hand_do_not_wait() {
    let whole = || Full::new(Bytes::from(vec![b'w'; 1 << 20])).map_err(BoxError::from).boxed_unsync();
    let none = |_: &Origin| builder().credentials("http://elsewhere.example".parse().expect("one"), carol());
    let all = |origin: &Origin| builder().credentials(origin.clone(), carol());
    for way in WAYS {
        for (body, octets, is_login) in [
            (whole(), 1 << 20, true),
            (streamed(60, 1000), 60_000, true),
            (chunked(3, 0x1000), 3 * (0x1000 + 8) + 5, true),
            (streamed(100, 1000), 100_000, false),
        ] {
            let (stage, clock) = (Stage::set().await, Clock::stopped());
            let authenticator = if is_login { all(&stage.origin) } else { none(&stage.origin) }.build();
            let client = Sender::new(
                way,
                Client::builder(authenticator).environment(Environment::tokio().timer(clock.clone())),
            );
            let sent = tokio::spawn(client.send(put(stage.uri("/"), body)));
            let mut peer = stage.connection().await;
            assert!(!waits(&peer.head().await), "{way:?}, {octets}");
            peer.content(octets).await;
            peer.answer(200, "", "page").await;
            assert_eq!(answer(sent).await.0, 200);
            assert_eq!(clock.waits(), 0);
        }
    }
}

/// A challenge would take another connection.
#[tokio::test]
async fn a_client_that_may_not_begin_again_does_not_wait() {
    for way in WAYS {
        let (stage, clock) = (Stage::set().await, Clock::stopped());
        let authenticator = builder().credentials(stage.origin.clone(), carol()).build();
        let client = Sender::new(
            way,
            Client::builder(authenticator)
                .environment(Environment::tokio().timer(clock.clone()).limits(Limits::default().restarts(0))),
        );
        let sent = tokio::spawn(client.send(put(stage.uri("/"), streamed(100, 1000))));
        let mut peer = stage.connection().await;
        assert!(!waits(&peer.head().await), "{way:?}");
        peer.content(100_000).await;
        peer.answer(200, "", "page").await;
        assert_eq!(answer(sent).await.0, 200);
    }
}

/// Whoever asks for it gets it, and the answer to it.
#[tokio::test]
async fn a_callers_own_expectation_holds_back_the_body() {
    for way in WAYS {
        for refusal in [None, Some(413), Some(417)] {
            let (stage, clock) = (Stage::set().await, Clock::stopped());
            let authenticator = builder().build();
            let client = Sender::new(
                way,
                Client::builder(authenticator).environment(Environment::tokio().timer(clock.clone())),
            );
            let mut request = put(stage.uri("/"), streamed(10, 10));
            request.headers_mut().insert("expect", "100-continue".parse().expect("a value"));
            let sent = tokio::spawn(client.send(request));
            let mut peer = stage.connection().await;
            assert!(waits(&peer.head().await));
            match refusal {
                Some(status) => {
                    peer.answer(status, "", "").await;
                    assert_eq!(peer.rest().await, 0, "{way:?}, {status}");
                }
                None => {
                    assert!(peer.read.is_empty());
                    peer.say("HTTP/1.1 100 Continue\r\n\r\n").await;
                    peer.content(100).await;
                    peer.answer(200, "", "").await;
                }
            }
            let answered = answer(sent).await;
            assert_eq!(answered.0, refusal.unwrap_or(200), "{way:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_uploads_at_once_to_an_unknown_origin_go_once_each() {
    for way in WAYS {
        for offer in [Offer::Ntlm, digest()] {
            let server = server([offer]).quirk(Quirk::EarlyRefusal).start().await.expect("a server");
            let client = Sender::of(way, server.origin(), &Clock::stopped());
            let upload = || client.send(put(server.uri("/upload"), streamed(16, 64 << 10)));
            let (one, other) = tokio::join!(upload(), upload());
            assert_eq!((one.expect("no error").0, other.expect("no error").0), (200, 200));
            let report = server.report();
            assert_eq!(report.body_octets(), 2 * MEGABYTE, "{way:?}: {report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_through_an_unknown_proxy_goes_once() {
    for offer in [Offer::Ntlm, Offer::basic("a realm")] {
        let proxy = server([])
            .offer_as(Challenger::Proxy, offer)
            .quirk(Quirk::EarlyRefusal)
            .start()
            .await
            .expect("a proxy");
        let authenticator = builder()
            .proxy_credentials(proxy.origin(), carol())
            .dangerous_secrets_to_plain_http_proxies(true)
            .build();
        let proxies = Proxies::all(Proxy::new(proxy.origin()));
        let builder = Client::builder(authenticator)
            .environment(Environment::tokio().timer(Clock::stopped()))
            .proxies(proxies);
        let client = Sender::new(Way::Hyper, builder);
        let uri = Uri::from_static("http://origin.example/upload");
        let (status, _) = client.send(put(uri, streamed(16, 64 << 10))).await.expect("no error");
        assert_eq!(status, 200);
        let report = proxy.report();
        assert_eq!(report.body_octets(), MEGABYTE, "{report}");
        assert_eq!(report.connections()[0].legs[0].status, Some(StatusCode::PROXY_AUTHENTICATION_REQUIRED));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_through_a_tunnel_goes_once() {
    for offer in [Offer::Ntlm, digest()] {
        let server = server([offer]).quirk(Quirk::EarlyRefusal).start().await.expect("a server");
        let proxy = Server::builder().tunnels().start().await.expect("a proxy");
        let authenticator = authenticator(&server).build();
        let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
        let clock = Clock::stopped();
        let client: Client<Content> = Client::builder(authenticator)
            .environment(Environment::tokio().timer(clock.clone()))
            .build(tunnel);
        let upload = put(server.uri("/upload"), streamed(16, 64 << 10));
        let response = without_hanging(client.request(upload)).await.expect("no error");
        assert_eq!(response.status(), 200);
        let report = server.report();
        assert_eq!((report.body_octets(), clock.waits()), (MEGABYTE, 1), "{report}");
    }
}

/// Whoever asks hyper for interim responses goes on to get them, and the body does not wait.
#[tokio::test]
async fn a_callers_own_view_of_interim_responses_stays() {
    let (stage, _, client) = Stage::with_client(Way::Hyper).await;
    let seen = Arc::new(Mutex::new(Vec::new()));
    let mut request = put(stage.uri("/"), streamed(100, 1000));
    let told = Arc::clone(&seen);
    hyper::ext::on_informational(&mut request, move |response| {
        told.lock().expect("not poisoned").push(response.status().as_u16());
    });
    let sent = tokio::spawn(client.send(request));
    let mut peer = stage.connection().await;
    assert!(!waits(&peer.head().await));
    peer.say("HTTP/1.1 103 Early Hints\r\n\r\n").await;
    peer.content(100_000).await;
    peer.answer(200, "", "page").await;
    assert_eq!(answer(sent).await.0, 200);
    assert_eq!(*seen.lock().expect("not poisoned"), [103]);
}

/// Digest whose nonces age by the test's clock.
struct Ageing {
    acceptor: DigestAcceptor,
    clock: Clock,
}

impl Judge for Ageing {
    fn challenges(&self) -> Vec<String> {
        self.acceptor.challenges(false, self.clock.instant())
    }

    fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
        let (now, target) = (self.clock.instant(), presentation.target.to_string());
        let presented = PresentedDigest::new(presentation.method, &target, presentation.field);
        match self.acceptor.judge(&presented, now) {
            DigestVerdict::Accepted(accepted) => {
                Judgement::Accepted { user: accepted.user().to_owned(), info: accepted.info(b"") }
            }
            DigestVerdict::Stale => Judgement::Refused {
                why: "too old".to_owned(),
                challenges: Some(self.acceptor.challenges(true, now)),
            },
            DigestVerdict::Refused { why } => panic!("{why}"),
            DigestVerdict::Unreadable => panic!("it can be read"),
        }
    }
}

async fn ageing(lifetime: Duration, clock: &Clock) -> Server {
    let acceptor = DigestAcceptor::new("a realm").user(USER, PASSWORD).nonce_lifetime(lifetime);
    let ageing = Ageing { acceptor, clock: clock.clone() };
    server([Offer::judged("Digest", ageing)]).quirk(Quirk::EarlyRefusal).start().await.expect("a server")
}

/// A post every 2.1 s, to a server whose nonces live for one. Up to 16 KiB go at once.
#[tokio::test]
async fn posts_whose_nonce_is_always_too_old_go_once_as_soon_as_that_is_known() {
    for (octets, bodies, waits) in [(100 * 1024, 22, 18), (16 * 1024 + 1, 22, 18), (16 * 1024, 40, 0)] {
        for way in WAYS {
            let clock = Clock::stopped();
            let server = ageing(Duration::from_secs(1), &clock).await;
            let client = Sender::of(way, server.origin(), &clock);
            for _ in 0..20 {
                let whole = Full::new(Bytes::from(vec![b'p'; octets])).map_err(BoxError::from).boxed_unsync();
                let post = Request::post(server.uri("/")).body(whole).expect("a request");
                assert_eq!(client.send(post).await.expect("no error").0, 200);
                clock.pass(Duration::from_millis(2_100));
            }
            let report = server.report();
            let sent = report.body_octets() / octets as u64;
            assert!(sent <= bodies, "{way:?}: {sent} bodies of {octets} for 20 requests: {report}");
            assert_eq!(clock.waits(), waits, "{octets}: all but the first two, or none");
        }
    }
}

#[tokio::test]
async fn a_nonce_that_has_not_been_used_for_long_is_doubted() {
    for way in WAYS {
        let clock = Clock::stopped();
        let server = ageing(Duration::from_secs(300), &clock).await;
        let client = Sender::of(way, server.origin(), &clock);
        let upload = || client.send(put(server.uri("/"), streamed(100, 1000)));
        for (later, waits) in [(0, 1), (50, 1), (50, 1), (70, 2), (200, 3), (0, 3)] {
            clock.pass(Duration::from_secs(later));
            assert_eq!(upload().await.expect("no error").0, 200);
            assert_eq!(clock.waits(), waits, "{way:?}, {later} s later");
        }
        let report = server.report();
        assert_eq!(report.body_octets(), 6 * 100_000, "{way:?}: {report}");
    }
}

fn digest() -> Offer {
    Offer::judged("Digest", DigestAcceptor::new("a realm").user(USER, PASSWORD))
}

/// The methods of all legs with their statuses, in order.
fn methods(report: &Report) -> Vec<(&str, u16)> {
    report.legs().map(|leg| leg.method.as_str()).zip(statuses(report)).collect()
}

/// reqwest tells nothing of interim responses. Its streamed body goes once all the same, if asked for.
#[tokio::test(flavor = "multi_thread")]
async fn over_reqwest_a_head_logs_in_ahead_of_an_upload() {
    let wrapped = |upload| reqwest::Body::wrap(upload);
    for offer in [digest(), Offer::Ntlm, Offer::basic("a realm")] {
        let server = server([offer.clone()]).start().await.expect("a server");
        let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
        let client = Client::builder(authenticator).build_reqwest(settings).expect("settings that fit");
        let put = |upload| client.request(Method::PUT, url(&server, "/upload")).body(wrapped(upload));
        let first = put(Upload::of(16, 64 << 10)).authenticate_first().send();
        let response = without_hanging(first).await.expect("a response");
        assert_eq!(response.status(), 200, "{offer:?}");
        let report = server.report();
        assert_eq!(report.body_octets(), MEGABYTE, "{offer:?}: {report}");
        assert!(report.legs().all(|leg| leg.target == "/upload"), "{report}");
        if offer.scheme() != "NTLM" {
            assert_eq!(methods(&report), [("HEAD", 401), ("HEAD", 200), ("PUT", 200)]);
        }
        // An empty PUT truncates, unless it is a login's first message, which no server takes for the request.
        let bare = report.legs().filter(|leg| leg.method == "PUT" && leg.body_octets == 0);
        assert!(bare.into_iter().all(|leg| leg.status.is_some_and(|it| it == 401)), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn over_reqwest_without_one_the_error_says_what_to_do() {
    let server = server([digest()]).start().await.expect("a server");
    let client = Client::builder(authenticator(&server).build()).build_reqwest(settings).expect("they fit");
    let body = reqwest::Body::wrap(Upload::of(16, 64 << 10));
    let error = without_hanging(client.request(Method::PUT, url(&server, "/upload")).body(body).send()).await;
    let error = error.expect_err("too late");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { .. }), "{error:?}");
    let says = error.to_string();
    assert!(says.contains("authenticate") && says.contains("AuthenticateFirst"), "{says}");
}

#[tokio::test]
async fn no_head_goes_ahead_where_it_is_of_no_use() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = Client::builder(authenticator(&server).build()).build_reqwest(settings).expect("they fit");
    let put = || client.request(Method::PUT, url(&server, "/upload")).authenticate_first();
    for body in [reqwest::Body::from("twelve bytes"), reqwest::Body::wrap(Upload::of(100, 1000))] {
        assert_eq!(put().body(body).send().await.expect("a response").status(), 200);
    }
    let report = server.report();
    assert!(report.legs().all(|leg| leg.method == "PUT"), "short, and known to keep it back: {report}");
}

#[tokio::test]
async fn a_login_ahead_that_is_refused_sends_nothing_else() {
    let server = server([digest()]).start().await.expect("a server");
    let wrong = legwork::Credentials::password(USER, "wrong-pw");
    let authenticator = builder().credentials(server.origin(), wrong).build();
    for way in WAYS {
        let client = Sender::new(way, Client::builder(authenticator.clone()));
        let mut request = put(server.uri("/upload"), streamed(16, 64 << 10));
        request.extensions_mut().insert(AuthenticateFirst);
        let error = client.send(request).await.expect_err("a refusal");
        assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{way:?}: {error:?}");
    }
    let report = server.report();
    assert!(report.legs().all(|leg| leg.method == "HEAD"), "{report}");
}

/// A server that says that it wants the body and then a login: the `HEAD` gets it first.
#[tokio::test(flavor = "multi_thread")]
async fn a_head_serves_where_the_body_is_asked_for_before_the_login() {
    for way in WAYS {
        let server = server([digest()]).start().await.expect("a server");
        let client = Sender::of(way, server.origin(), &Clock::stopped());
        let mut request = put(server.uri("/upload"), streamed(16, 64 << 10));
        request.extensions_mut().insert(AuthenticateFirst);
        request.headers_mut().insert("content-length", MEGABYTE.into());
        request.headers_mut().insert("x-tenant", "seven".parse().expect("a value"));
        assert_eq!(client.send(request).await.expect("no error").0, 200);
        let report = server.report();
        assert_eq!(methods(&report), [("HEAD", 401), ("HEAD", 200), ("PUT", 200)], "{way:?}");
        assert_eq!(report.body_octets(), MEGABYTE);
        let heads = report.legs().filter(|leg| leg.method == "HEAD");
        assert!(
            heads.into_iter().all(|leg| leg.content_length.is_none() && leg.headers["x-tenant"] == "seven")
        );
    }
}
