//! Legs that go without the request's body, or by a hint, and are answered by what nobody planned.
//!
//! [`Cell`] is a row of a table: how the client came to expect a login, what the server answers in its
//! place, which scheme, which request, which way. What the caller gets, and what the wire carries for
//! it, are plain rules here ([`Cell::expected`]).

use std::collections::VecDeque;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Method, Request, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::ClientBuilder;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::handshake::{AuthenticatorBuilder, Renewal};
use legwork::protection_space::Challenger;
use legwork::service::{AuthenticateLayer, BoxFuture, ConnectionInfo, Error, ErrorKind};
use legwork::testing::{Builder, Close, DigestAcceptor, Offer, Quirk, ScramAcceptor, Server, Users, When};
use legwork::{Client, Credentials, Origin};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::Layer;

use crate::leaf::{self, Leaf};
use crate::support::*;

/// How the client came to expect a login.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Known {
    /// The request is challenged.
    Challenged,
    /// The scheme is declared.
    Declared,
    /// An earlier request, on another connection, logged in.
    Remembered,
}

/// What the server answers from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answer {
    Status(u16),
    /// The same, and the connection ends with it.
    Last(u16),
    /// A 200 whose page is longer than what is read to keep a connection.
    Long,
    /// The connection is closed.
    Closed,
    /// The same by RST.
    Reset,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scheme {
    Ntlm,
    Negotiate,
    Digest,
    Scram,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Get,
    /// A POST whose content is in memory.
    Whole,
    /// A POST whose content comes in pieces, of a length that nobody knows.
    Streamed,
}

/// The client, and how it reaches the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hyper,
    /// It is the proxy that wants the login.
    Proxy,
    /// Through a proxy that does not.
    Tunnel,
    Reqwest,
    Legacy,
}

/// What comes of it.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Came {
    /// `None` for an error.
    status: Option<u16>,
    legs: usize,
    bodies: usize,
    connections: usize,
}

impl fmt::Debug for Came {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { status, legs, bodies, connections } = self;
        write!(f, "{status:?} after {legs} legs, {bodies} bodies, {connections} connections")
    }
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    known: Known,
    answer: Answer,
    scheme: Scheme,
    sent: Sent,
    way: Way,
}

const ANSWERS: [Answer; 16] = [
    Answer::Status(200),
    Answer::Long,
    Answer::Status(204),
    Answer::Status(302),
    Answer::Status(303),
    Answer::Status(400),
    Answer::Status(403),
    Answer::Status(404),
    Answer::Status(411),
    Answer::Status(413),
    Answer::Status(500),
    Answer::Status(503),
    Answer::Last(200),
    Answer::Last(400),
    Answer::Closed,
    Answer::Reset,
];

impl Answer {
    fn status(self) -> Option<u16> {
        match self {
            Self::Status(status) | Self::Last(status) => Some(status),
            Self::Long => Some(200),
            Self::Closed | Self::Reset => None,
        }
    }
}

impl Cell {
    fn expected(self) -> Came {
        let Self { known, answer, scheme, sent, way } = self;
        let (status, is_lost) = (answer.status(), answer.status().is_none());
        let came = |legs, bodies, connections| Came { status, legs, bodies, connections };
        // Digest and SCRAM wait for a challenge, where one is declared without the body. Digest's answer to one
        // carries it.
        let speaks_first = matches!(scheme, Scheme::Ntlm | Scheme::Negotiate);
        let withholds = scheme != Scheme::Digest;
        match (known, sent) {
            // The message speaks for the whole request. One that nobody asked for is left out once.
            (Known::Challenged, Sent::Get) if is_lost => came(3, 0, 2),
            (Known::Challenged, Sent::Get) => came(2, 0, 1),
            (_, Sent::Get) if is_lost && speaks_first => came(2, 0, 2),
            (_, Sent::Get) => came(1, 0, 1),

            // No POST goes twice of which nobody knows what came.
            (Known::Challenged, _) if !withholds => came(2, 2, 1),
            // What is only remembered holds no body back before the first message.
            (Known::Remembered, _) if !speaks_first => came(1, 1, 1),

            // The request was challenged: what answers its login's first message is its answer, but for
            // a success, which the body follows.
            (Known::Challenged, _) if is_lost => came(3, 1, 2),
            // What a proxy's challenge held back may have been missed by the origin.
            (Known::Challenged, _) if way == Way::Proxy => {
                came(3, 2, if matches!(answer, Answer::Status(_)) { 1 } else { 2 })
            }
            (Known::Challenged, _) => match answer {
                Answer::Long | Answer::Last(200..=299) => came(3, 2, 2),
                Answer::Status(200..=299) => came(3, 2, 1),
                _ => came(2, 1, 1),
            },
            // It was not: whatever answers, the request goes without a login.
            (_, _) => came(2, 1, if matches!(answer, Answer::Status(_)) { 1 } else { 2 }),
        }
    }

    /// What came of it, with a client and a server of its own.
    async fn run(self) -> Came {
        let peer = Arc::new(Peer::start(self).await);
        let client = self.client(&peer);
        let before = match self.known {
            Known::Remembered => {
                let login = (client.send)(Method::GET, "/", Content::new(Sent::Get)).await;
                assert_eq!(login.expect("a login"), 200);
                (client.close_idle)();
                let report = peer.server.wait_for(|report| report.open() == 0).await;
                (report.connections().len(), report.legs().count())
            }
            Known::Challenged | Known::Declared => (0, 0),
        };
        let method = if self.sent == Sent::Get { Method::GET } else { Method::POST };
        let path = format!("/status/{}", self.answer.status().unwrap_or(200));
        let status = without_hanging((client.send)(method, &path, Content::new(self.sent))).await;
        let report = peer.server.report();
        let bodies: Vec<_> =
            report.legs().skip(before.1).map(|leg| leg.body_octets).filter(|octets| *octets > 0).collect();
        assert!(bodies.iter().all(|octets| *octets == CONTENT.len() as u64), "{self:?}: {report}");
        Came {
            status: status.ok(),
            legs: report.legs().count() - before.1,
            bodies: bodies.len(),
            connections: report.connections().len() - before.0,
        }
    }

    fn authenticator(self, peer: &Peer) -> AuthenticatorBuilder {
        let builder = builder().lockout_bounds(lenient());
        let name = match self.scheme {
            Scheme::Ntlm => "NTLM",
            Scheme::Negotiate => "Negotiate",
            Scheme::Digest => "Digest",
            Scheme::Scram => "SCRAM-SHA-256",
        };
        let user = match self.scheme {
            Scheme::Scram => Credentials::password("user", "pencil"),
            Scheme::Ntlm | Scheme::Negotiate | Scheme::Digest => carol(),
        };
        let (at, declared) = (peer.origin.clone(), self.known == Known::Declared);
        match (self.way, declared) {
            (Way::Proxy, true) => {
                builder.proxy_credentials(at.clone(), user).declare_proxy(at, name).expect("a known scheme")
            }
            (Way::Proxy, false) => builder.proxy_credentials(at, user),
            (_, true) => builder.credentials(at.clone(), user).declare(at, name).expect("a known scheme"),
            (_, false) => builder.credentials(at, user),
        }
    }

    fn client(self, peer: &Peer) -> Asks {
        let authenticator = self.authenticator(peer).build();
        let builder = Client::builder(authenticator.clone());
        let origin = match self.way {
            Way::Proxy => "http://site.example".to_owned(),
            _ => peer.origin.to_string(),
        };
        let uri = move |path: &str| -> Uri { format!("{origin}{path}").parse().expect("a URI") };
        match self.way {
            Way::Hyper => over_hyper(builder, uri),
            Way::Proxy => {
                let proxy: Proxy = peer.origin.to_string().parse().expect("a proxy");
                over_hyper(builder.proxies(Proxies::all(proxy)), uri)
            }
            Way::Tunnel => {
                let proxy = peer.tunnels.as_ref().expect("a proxy").origin();
                let client = builder.build(Tunnel::builder(proxy, authenticator).build_http());
                let sending = client.clone();
                over(move |request| sending.request(request), uri, move || client.close_idle())
            }
            Way::Legacy => {
                let settings = legacy::Client::builder(TokioExecutor::new());
                let client = builder.build_legacy(settings, HttpConnector::new());
                let sending = client.clone();
                over(move |request| sending.request(request), uri, move || client.close_idle())
            }
            Way::Reqwest => {
                let client = builder.build_reqwest(settings).expect("settings that fit");
                let sending = client.clone();
                let send = move |method, path: &str, content: Content| -> Asking {
                    let request = sending.request(method, uri(path).to_string());
                    let request = match content.length {
                        _ if content.is_end_stream() => request,
                        Some(_) => request.body(CONTENT),
                        None => request.body(reqwest::Body::wrap(content)),
                    };
                    Box::pin(async move {
                        let response = request.send().await?;
                        let status = response.status().as_u16();
                        response.bytes().await.expect("a body");
                        Ok(status)
                    })
                };
                Asks { send: Box::new(send), close_idle: Box::new(move || client.close_idle()) }
            }
        }
    }
}

const CONTENT: &str = "twelve bytes";

/// A request's content.
#[derive(Default)]
struct Content {
    pieces: VecDeque<&'static str>,
    /// `None` where it is not told.
    length: Option<u64>,
}

impl Content {
    fn new(sent: Sent) -> Self {
        match sent {
            Sent::Get => Self { pieces: VecDeque::new(), length: Some(0) },
            Sent::Whole => Self { pieces: [CONTENT].into(), length: Some(CONTENT.len() as u64) },
            Sent::Streamed => Self { pieces: [&CONTENT[..6], &CONTENT[6..]].into(), length: None },
        }
    }
}

impl Body for Content {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let piece = self.pieces.pop_front();
        Poll::Ready(piece.map(|piece| Ok(Frame::data(Bytes::from_static(piece.as_bytes())))))
    }

    fn is_end_stream(&self) -> bool {
        self.pieces.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// A client.
struct Asks {
    /// Sends a request, reads the response, and tells its status.
    send: Box<Sends>,
    close_idle: Box<dyn Fn() + Send + Sync>,
}

type Sends = dyn Fn(Method, &str, Content) -> Asking + Send + Sync;
type Asking = BoxFuture<Result<u16, Error>>;

fn over_hyper(builder: ClientBuilder, uri: impl Fn(&str) -> Uri + Send + Sync + 'static) -> Asks {
    let client: Client<Content> = builder.build_http();
    let sending = client.clone();
    over(move |request| sending.request(request), uri, move || client.close_idle())
}

fn over<F, R>(
    send: impl Fn(Request<Content>) -> F + Send + Sync + 'static,
    uri: impl Fn(&str) -> Uri + Send + Sync + 'static,
    close_idle: impl Fn() + Send + Sync + 'static,
) -> Asks
where
    F: Future<Output = Result<http::Response<R>, Error>> + Send + 'static,
    R: Body<Data: Send, Error: fmt::Debug> + Send,
{
    let send = move |method, path: &str, content| -> Asking {
        let request = Request::builder().method(method).uri(uri(path)).body(content).expect("a request");
        let sending = send(request);
        Box::pin(async move {
            let response = sending.await?;
            let status = response.status().as_u16();
            response.into_body().collect().await.expect("a body");
            Ok(status)
        })
    };
    Asks { send: Box::new(send), close_idle: Box::new(close_idle) }
}

/// The server of one cell.
struct Peer {
    server: Arc<Server>,
    tunnels: Option<Server>,
    origin: Origin,
}

impl Peer {
    async fn start(cell: Cell) -> Self {
        // From when on the answer is the cell's.
        let whens = match cell.known {
            Known::Challenged => {
                vec![When::legs(2..).with_path("/status"), When::path("/status").connections(2..)]
            }
            Known::Declared | Known::Remembered => vec![When::path("/status")],
        };
        let mut builder =
            cell.scheme.offered(if cell.way == Way::Proxy { Challenger::Proxy } else { Challenger::Origin });
        if cell.answer == Answer::Long {
            builder = builder.page(vec![b'x'; 1 << 20]);
        }
        for when in whens {
            builder = builder.quirk_when(when.clone(), Quirk::Open);
            let close = match cell.answer {
                Answer::Closed | Answer::Reset => Close::WithoutAnswer,
                Answer::Last(_) => Close::Announced,
                Answer::Status(_) | Answer::Long => continue,
            };
            builder = builder.quirk_when(when, Quirk::Close(close));
        }
        let server = Arc::new(builder.start().await.expect("a server"));
        let tunnels = match cell.way {
            Way::Tunnel => Some(Server::builder().tunnels().start().await.expect("a proxy")),
            _ => None,
        };
        let origin = match cell.answer {
            Answer::Reset => resetting(Arc::clone(&server), cell.known == Known::Remembered).await,
            _ => server.origin(),
        };
        Self { server, tunnels, origin }
    }
}

impl Scheme {
    const ALL: [Self; 4] = [Self::Ntlm, Self::Negotiate, Self::Digest, Self::Scram];

    fn offered(self, by: Challenger) -> Builder {
        let offer = match self {
            Self::Ntlm => Offer::Ntlm,
            Self::Negotiate => Offer::Negotiate,
            Self::Digest => Offer::judged("Digest", DigestAcceptor::new("lab").user(USER, PASSWORD)),
            Self::Scram => {
                let users = Arc::new(Users::new().with("user", "pencil"));
                Offer::judged("SCRAM-SHA-256", ScramAcceptor::new(users, "lab", [7; 32]))
            }
        };
        server([]).offer_as(by, offer)
    }
}

/// Where the server's connections end by RST, the first perhaps excepted.
async fn resetting(server: Arc<Server>, but_the_first: bool) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        let mut is_first = but_the_first;
        while let Ok((stream, _)) = listener.accept().await {
            stream.set_nodelay(true).expect("a socket");
            if !std::mem::take(&mut is_first) {
                stream.set_zero_linger().expect("a socket");
            }
            server.serve_connection(stream);
        }
    });
    format!("http://{address}").parse().expect("an origin")
}

/// All cells of one way.
async fn holds(way: Way) {
    let mut cells = Vec::new();
    for known in [Known::Challenged, Known::Declared, Known::Remembered] {
        for answer in ANSWERS {
            for scheme in Scheme::ALL {
                for sent in [Sent::Get, Sent::Whole, Sent::Streamed] {
                    cells.push(Cell { known, answer, scheme, sent, way });
                }
            }
        }
    }
    let mut wrong = Vec::new();
    for batch in cells.chunks(16) {
        let mut running = JoinSet::new();
        for &cell in batch {
            running.spawn(async move { (cell, cell.run().await) });
        }
        while let Some(done) = running.join_next().await {
            let (cell, came) = done.expect("no cell panics");
            if came != cell.expected() {
                wrong.push(format!("{cell:?}: {came:?}, not {:?}", cell.expected()));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of {} cells:\n{}", wrong.len(), cells.len(), wrong.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_callers_over_hyper() {
    holds(Way::Hyper).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_callers_by_a_proxy_that_wants_the_login() {
    holds(Way::Proxy).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_callers_through_a_tunnel() {
    holds(Way::Tunnel).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_callers_over_reqwest() {
    holds(Way::Reqwest).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_answer_is_the_callers_over_the_legacy_client() {
    holds(Way::Legacy).await;
}

// The layer has one connection: what needs another one says so.
#[tokio::test]
async fn each_answer_is_the_callers_over_one_connection() {
    for known in [Known::Challenged, Known::Declared] {
        for answer in ANSWERS.into_iter().filter(|answer| matches!(answer, Answer::Status(_) | Answer::Long))
        {
            let (scheme, sent, way) = (Scheme::Ntlm, Sent::Whole, Way::Hyper);
            let cell = Cell { known, answer, scheme, sent, way };
            let peer = Peer::start(cell).await;
            let info = ConnectionInfo::new(peer.origin.clone());
            let layer = AuthenticateLayer::new(cell.authenticator(&peer).build(), info);
            let mut service = layer.layer(Leaf::connect(&peer.server).await);
            let path = format!("/status/{}", answer.status().expect("an answer"));
            let post =
                Request::post(path).header("host", "lab").body(Full::from(CONTENT)).expect("a request");
            let result = leaf::send(&mut service, post).await;
            let expected = cell.expected();
            let report = peer.server.report();
            if answer == Answer::Long {
                let error = result.expect_err("too long to be read");
                let needed = ErrorKind::NewConnectionNeeded(Renewal::LongAnswer);
                assert_eq!(format!("{:?}", error.kind()), format!("{needed:?}"));
            } else {
                let status = result.expect("a response").status().as_u16();
                assert_eq!(
                    (Some(status), report.legs().count()),
                    (expected.status, expected.legs),
                    "{cell:?}"
                );
            }
        }
    }
}
