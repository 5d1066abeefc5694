//! What a request and a login cost as a client grows: with the number of its connections, and with the number
//! of origins that it has logged in at.
//!
//! ```text
//! cargo bench --all-features --bench growth
//! cargo bench --all-features --bench growth -- --svg growth.svg    a picture of the same
//! cargo bench --all-features --bench growth -- --idle              only what idle connections keep
//! ```
//!
//! The runtime has one thread; the server is a process of its own. Each cost is the median of several turns, as a
//! ratio to the first row of its table: processor time of our thread, its share of the kernel included, where Linux
//! tells that, and else the time that passed.

#[path = "../requests/allocations.rs"]
mod allocations;
mod idle;
mod picture;
#[path = "../requests/server.rs"]
#[allow(dead_code, reason = "nobody logs in by Kerberos here")]
mod server;

use std::net::SocketAddr;
use std::time::{Duration, Instant};
use std::{env, fs, io};

use bytes::Bytes;
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use legwork::client::ResponseBody;
use legwork::{Authenticator, Client, Credentials};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, service_fn};

use crate::allocations::Counting;
use crate::picture::Line;
use crate::server::{Manner, PASSWORD, Server, USER};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() -> io::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if arguments.iter().any(|argument| argument == "serve") {
        return server::serve();
    }
    let svg = arguments.iter().position(|argument| argument == "--svg").map(|at| arguments.get(at + 1));
    // By `cargo test`: whether it runs at all.
    let scale =
        if arguments.iter().any(|argument| argument == "--bench") { Scale::BENCH } else { Scale::TEST };
    let server = Server::start()?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.iter().any(|argument| argument == "--idle") {
        idle::table(&runtime, &server, Scale::BENCH.idle);
        return Ok(());
    }
    let requests = by_connections(&runtime, &server, scale);
    let logins = by_origins(&runtime, &server, scale);
    idle::table(&runtime, &server, scale.idle);
    match svg {
        Some(Some(file)) => fs::write(file, picture::of(&[requests, logins])),
        Some(None) => Err(io::Error::other("--svg wants the name of a file")),
        None => Ok(()),
    }
}

/// How far it goes.
#[derive(Clone, Copy)]
struct Scale {
    connections: &'static [usize],
    origins: &'static [usize],
    turns: usize,
    /// In each turn, at least.
    requests: usize,
    logins: usize,
    idle: usize,
}

impl Scale {
    const BENCH: Self = Self {
        connections: &[1, 4, 16, 64, 256, 1024],
        origins: &[1, 10, 100, 1_000, 10_000, 100_000],
        turns: 15,
        requests: 4_096,
        logins: 200,
        idle: 256,
    };
    const TEST: Self =
        Self { connections: &[1, 2], origins: &[1, 4], turns: 1, requests: 4, logins: 2, idle: 4 };
}

/// A request on an established connection, with so many of them busy at a time.
fn by_connections(runtime: &Runtime, server: &Server, scale: Scale) -> Line {
    let client = client(server.address(Manner::Ntlm), 1024);
    let mut line = Line::new("connections", "request");
    for &connections in scale.connections {
        let each = scale.requests.div_ceil(connections);
        let turn = || {
            let begun = Spent::now();
            runtime.block_on(send_on(&client, connections, each));
            begun.since() / u32::try_from(each * connections).expect("a small number")
        };
        // Connects and logs in.
        turn();
        line.note(connections, median((0..scale.turns).map(|_| turn()).collect()));
    }
    line
}

async fn send_on(client: &HttpClient, tasks: usize, each: usize) {
    let mut all = JoinSet::new();
    for _ in 0..tasks {
        let client = client.clone();
        all.spawn(async move {
            for _ in 0..each {
                read(client.request(get(0)).await.expect("a response")).await;
            }
        });
    }
    while let Some(done) = all.join_next().await {
        done.expect("no panic");
    }
}

/// A login at an origin that is new to the client, which knows so many. It keeps as many connections as it may.
fn by_origins(runtime: &Runtime, server: &Server, scale: Scale) -> Line {
    let client = client(server.address(Manner::Ntlm), 64);
    let mut line = Line::new("origins", "login");
    let mut known = 0;
    let mut log_in = |logins: usize| {
        let begun = Spent::now();
        runtime.block_on(async {
            for _ in 0..logins {
                known += 1;
                read(client.request(get(known)).await.expect("a response")).await;
            }
        });
        (known, begun.since() / u32::try_from(logins.max(1)).expect("a small number"))
    };
    // The server's process, and ours, get into their stride, and the pool is full.
    let (mut done, _) = log_in(scale.logins);
    for &origins in scale.origins {
        done = log_in(origins.saturating_sub(done)).0;
        line.note(origins, median((0..scale.turns).map(|_| log_in(scale.logins).1).collect()));
    }
    line
}

type HttpClient = Client<Full<Bytes>>;

/// Whatever the origin, its connections lead to this address.
fn client(address: SocketAddr, connections: usize) -> HttpClient {
    let connector = service_fn(move |_: Uri| async move {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok::<_, BoxError>(TokioIo::new(stream))
    });
    Client::builder(Authenticator::builder().build())
        .max_per_origin(connections)
        .max_idle_per_origin(connections)
        .max_total(connections)
        .http1_settings(settled)
        .build(BoxCloneSyncService::new(connector))
}

/// Without this, hyper's read buffers grow where a response comes in pieces, which is the server's doing.
fn settled(http1: &mut http1::Builder) -> &mut http1::Builder {
    http1.read_buf_exact_size(Some(8192))
}

/// From the origin with this number.
fn get(origin: usize) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.uri_mut() = format!("http://host{origin}.example/a/path").parse().expect("a URI");
    request.extensions_mut().insert(Credentials::password(USER, PASSWORD));
    request
}

async fn read(response: Response<ResponseBody>) {
    assert_eq!(response.status(), StatusCode::OK);
    response.into_body().collect().await.expect("a body");
}

/// A moment, by the clock and by the processor.
struct Spent {
    clock: Instant,
    processor: Option<Duration>,
}

impl Spent {
    fn now() -> Self {
        let spent = || fs::read_to_string("/proc/self/schedstat").ok()?.split(' ').next()?.parse().ok();
        Self { clock: Instant::now(), processor: spent().map(Duration::from_nanos) }
    }

    fn since(self) -> Duration {
        let now = Self::now();
        let by_processor = now.processor.zip(self.processor).map(|(now, then)| now.saturating_sub(then));
        by_processor.unwrap_or_else(|| now.clock.duration_since(self.clock))
    }
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}
