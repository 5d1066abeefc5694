//! What the conversations share.

use std::collections::BTreeSet;
use std::convert::Infallible;
use std::future::Ready;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, Uri};
use http_body::{Body, Frame, SizeHint};
use http_body_util::combinators::WithTrailers;
use http_body_util::{BodyExt, Full};
use legwork::client::reqwest as reqwest_client;
use legwork::client::{ClientBuilder, ResponseBody};
use legwork::handshake::{AuthenticatorBuilder, LockoutBounds, Login, Outcome, Refusal};
use legwork::mechanism::ntlm::Ntlm;
use legwork::protection_space::Challenger;
use legwork::scheme::{Negotiate, NtlmScheme};
use legwork::service::Error;
use legwork::testing::{
    Builder, Connection, DigestAcceptor, Gate, Leg, Offer, Quirk, RefusalBody, Report, Server, Verdict, When,
};
use legwork::unversioned::testing::Persistence;
use legwork::{Authenticator, Client, Credentials};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::task::JoinSet;

pub(crate) type HttpClient = Client<Full<Bytes>>;

pub(crate) const USER: &str = "LAB\\carol";
pub(crate) const PASSWORD: &str = "carol-pw";

/// A server that knows carol and offers these schemes.
pub(crate) fn server(offers: impl IntoIterator<Item = Offer>) -> Builder {
    offers.into_iter().fold(Server::builder().user(USER, PASSWORD), Builder::offer)
}

/// What a program says of itself in `CONNECT`, where it does not say it in its own words.
pub(crate) const OUR_USER_AGENT: HeaderValue =
    HeaderValue::from_static(concat!("legwork/", env!("CARGO_PKG_VERSION")));

pub(crate) fn carol() -> Credentials {
    Credentials::password(USER, PASSWORD)
}

/// Starts an authenticator with our own mechanisms, on Windows too.
pub(crate) fn builder() -> AuthenticatorBuilder {
    Authenticator::builder().negotiate(Negotiate::ntlm()).ntlm(NtlmScheme::new(Ntlm::new()))
}

/// An authenticator that holds carol's password for the server.
pub(crate) fn authenticator(server: &Server) -> AuthenticatorBuilder {
    builder().credentials(server.origin(), carol())
}

/// What tests need that drop requests in the middle of their logins: no pauses for that.
pub(crate) fn lenient() -> LockoutBounds {
    let mut bounds = LockoutBounds::default();
    (bounds.undecided, bounds.undecided_accepted, bounds.refusals) = (u32::MAX, u32::MAX, u32::MAX);
    bounds
}

pub(crate) fn client(server: &Server) -> HttpClient {
    build(Client::builder(authenticator(server).build()))
}

pub(crate) fn build(builder: ClientBuilder) -> HttpClient {
    builder.build_http()
}

pub(crate) fn get(server: &Server, path: &str) -> Request<Full<Bytes>> {
    request("GET", server.uri(path), "")
}

pub(crate) fn request(method: &str, uri: Uri, body: &'static str) -> Request<Full<Bytes>> {
    Request::builder().method(method).uri(uri).body(Full::from(body)).expect("a request")
}

/// Reads the response to its end.
pub(crate) async fn text(response: Response<ResponseBody>) -> String {
    let octets = response.into_body().collect().await.expect("a body").to_bytes();
    String::from_utf8(octets.to_vec()).expect("UTF-8")
}

pub(crate) fn login<B>(response: &Response<B>) -> &Login {
    match response.extensions().get() {
        Some(Outcome::LoggedIn(login)) => login,
        other => panic!("no login: {other:?}"),
    }
}

pub(crate) fn refusal<B>(response: &Response<B>) -> &Refusal {
    match response.extensions().get() {
        Some(Outcome::Refused(refusal)) => refusal,
        other => panic!("no refusal: {other:?}"),
    }
}

/// The statuses of all legs, in order.
pub(crate) fn statuses(report: &Report) -> Vec<u16> {
    report.legs().map(|leg| leg.status.expect("answered").as_u16()).collect()
}

/// The request as this user, whatever the client holds.
pub(crate) fn acting_as<B>(mut request: Request<B>, credentials: Credentials) -> Request<B> {
    request.extensions_mut().insert(credentials);
    request
}

pub(crate) fn alice() -> Credentials {
    Credentials::password("alice", "alice-pw")
}

pub(crate) fn bob() -> Credentials {
    Credentials::password("bob", "bob-pw")
}

/// A server that knows alice and bob too.
pub(crate) fn server_of_three(offers: impl IntoIterator<Item = Offer>) -> Builder {
    server(offers).user("alice", "alice-pw").user("bob", "bob-pw")
}

/// A proxy that knows three users and opens tunnels to those that it lets in.
pub(crate) fn tunnelling(offer: Offer) -> Builder {
    server_of_three([]).offer_as(Challenger::Proxy, offer).tunnels()
}

/// A server where every request takes a whole handshake, and whose challenges end late.
pub(crate) fn tiring() -> Builder {
    server([Offer::Ntlm])
        .quirk(Quirk::Persistence(Persistence::Denied))
        .quirk(Quirk::RefusalBody(RefusalBody::Late(Duration::from_millis(2))))
}

/// A proxy's word that it ties its client's connection to the origin's (RFC 4559, section 6).
pub(crate) fn proxy_support() -> Quirk {
    let value = HeaderValue::from_static("Session-Based-Authentication");
    Quirk::Field(HeaderName::from_static("proxy-support"), value)
}

/// Sends a request whose answer is a 200, and reads it.
pub(crate) async fn fetch(client: &HttpClient, request: Request<Full<Bytes>>) -> String {
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
    text(response).await
}

/// So many requests at the same time, each of which is refused with a reason.
pub(crate) async fn all_refused(client: &HttpClient, server: &Server, requests: usize) {
    let mut tasks = JoinSet::new();
    for _ in 0..requests {
        let (client, request) = (client.clone(), get(server, "/"));
        tasks.spawn(async move {
            let response = client.request(request).await.expect("a response");
            assert_eq!(response.status(), 401);
            refusal(&response);
            text(response).await
        });
    }
    assert_eq!(without_hanging(tasks.join_all()).await.len(), requests);
}

/// A lane's settings. What is costly in them is made once.
pub(crate) fn settings() -> reqwest::ClientBuilder {
    reqwest::Client::builder().tls_backend_preconfigured(trusting_nobody())
}

/// TLS settings that take no certificate. They are made once.
pub(crate) fn trusting_nobody() -> ClientConfig {
    static TLS: LazyLock<ClientConfig> = LazyLock::new(|| {
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("ring knows them")
            .with_root_certificates(RootCertStore::empty())
            .with_no_client_auth()
    });
    TLS.clone()
}

pub(crate) fn over_reqwest(authenticator: AuthenticatorBuilder) -> reqwest_client::Client {
    by(authenticator, settings)
}

pub(crate) fn by(
    authenticator: AuthenticatorBuilder,
    make: impl Fn() -> reqwest::ClientBuilder + Send + Sync + 'static,
) -> reqwest_client::Client {
    Client::builder(authenticator.build()).build_reqwest(make).expect("settings that fit")
}

pub(crate) fn url(server: &Server, path: &str) -> String {
    server.uri(path).to_string()
}

/// So many tasks send so many requests each by `send`, which reads a 200. No leg goes astray.
pub(crate) async fn all_are_served<F>(
    server: &Server,
    tasks: usize,
    requests: usize,
    send: impl Fn() -> F + Clone + Send + 'static,
) -> Report
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let send = send.clone();
        set.spawn(async move {
            for _ in 0..requests {
                send().await;
            }
        });
    }
    while let Some(done) = set.join_next().await {
        done.expect("no task fails");
    }
    let report = server.report();
    assert_eq!((report.misplaced(), report.refused()), (0, 0));
    let served = report.legs().filter(|leg| leg.status.is_some_and(|status| status == 200)).count();
    assert_eq!(served, tasks * requests);
    report
}

/// Each scheme that an origin may want, and the statuses of a login and of a request after it.
pub(crate) fn schemes_of_origins() -> [(Offer, &'static [u16]); 4] {
    let digest = DigestAcceptor::new("a realm").user(USER, PASSWORD);
    [
        (Offer::Ntlm, &[401, 401, 200, 200]),
        (Offer::Negotiate, &[401, 401, 200, 200]),
        (Offer::judged("Digest", digest), &[401, 200, 200]),
        (Offer::basic("a realm"), &[401, 200, 200]),
    ]
}

/// A safety net, never a measure: what takes longer hangs.
pub(crate) async fn without_hanging<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(300), work).await.expect("it ends by itself")
}

/// Waits until none of the client's connections is under way, and tells how many are idle.
pub(crate) async fn settled<B>(client: &legwork::Client<B>) -> usize {
    without_hanging(async {
        loop {
            match client.connections() {
                (open, idle) if open == idle => return idle,
                _ => tokio::time::sleep(Duration::from_millis(1)).await,
            }
        }
    })
    .await
}

/// Sends something to a server that sends it back.
pub(crate) async fn converses(io: &mut (impl AsyncRead + AsyncWrite + Unpin)) {
    let mut echo = [0; 5];
    without_hanging(async {
        io.write_all(b"hello").await.expect("it is written");
        io.flush().await.expect("it is sent");
        io.read_exact(&mut echo).await.expect("it is read");
    })
    .await;
    assert_eq!(&echo, b"hello");
}

/// Starts a future and stops when it waits for the first time.
pub(crate) async fn begun<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    std::future::poll_fn(|cx| {
        assert!(future.as_mut().poll(cx).is_pending(), "it has to wait for something");
        Poll::Ready(())
    })
    .await;
    future
}

/// An error and what lies behind it, in one line.
pub(crate) fn whole(error: &Error) -> String {
    let (mut text, mut source) = (error.to_string(), std::error::Error::source(error));
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

/// Who was proven or served on a connection.
pub(crate) fn users(connection: &Connection) -> BTreeSet<String> {
    let proven = |leg: &Leg| match leg.authorization.as_ref().map(|seen| &seen.verdict) {
        Some(Verdict::Accepted { user }) => Some(user.clone()),
        _ => None,
    };
    connection.legs.iter().flat_map(|leg| [leg.user.clone(), proven(leg)]).flatten().collect()
}

/// The statuses of one connection's legs, in order; 0 for a leg without an answer.
pub(crate) fn statuses_on(connection: &Connection) -> Vec<u16> {
    connection.legs.iter().map(|leg| leg.status.map_or(0, |status| status.as_u16())).collect()
}

/// The targets of a connection's legs, in order.
pub(crate) fn targets_on(connection: &Connection) -> Vec<&str> {
    connection.legs.iter().map(|leg| leg.target.as_str()).collect()
}

/// A body that is made while it is sent, and that counts how much of it is held at once.
#[derive(Default)]
pub(crate) struct Upload {
    chunk: Arc<[u8]>,
    left: usize,
    pub(crate) alive: Arc<Alive>,
}

/// How many chunks of an upload there are, and were at most.
#[derive(Default)]
pub(crate) struct Alive {
    now: AtomicUsize,
    pub(crate) most: AtomicUsize,
}

struct Chunk(Arc<[u8]>, Arc<Alive>);

impl Upload {
    pub(crate) fn of(chunks: usize, octets: usize) -> Self {
        let chunk = vec![b'u'; octets].into();
        Self { chunk, left: chunks, alive: Arc::default() }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.left == 0 {
            return Poll::Ready(None);
        }
        self.left -= 1;
        let now = self.alive.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.alive.most.fetch_max(now, Ordering::SeqCst);
        let chunk = Chunk(Arc::clone(&self.chunk), Arc::clone(&self.alive));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_owner(chunk)))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left as u64 * self.chunk.len() as u64)
    }
}

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.1.now.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What `trailed` makes.
pub(crate) type Trailed = WithTrailers<Full<Bytes>, Ready<Option<Result<HeaderMap, Infallible>>>>;

/// Five octets whose number is known, and trailers.
pub(crate) fn trailed() -> Trailed {
    let trailers = HeaderMap::from_iter([(HeaderName::from_static("x-sum"), HeaderValue::from_static("7"))]);
    Full::from("body!").with_trailers(std::future::ready(Some(Ok(trailers))))
}

/// A server by NTLM that keeps the first connection's last leg waiting at the gate.
pub(crate) async fn server_holding_the_first_proof(gate: &Gate) -> Server {
    server([Offer::Ntlm])
        .quirk_when(When::leg(3).connections(..=1), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server")
}

/// So many tasks ask so often; each answer is a refusal with its reasons.
pub(crate) async fn all_are_refused(
    client: &HttpClient,
    server: &Arc<Server>,
    tasks: usize,
    requests: usize,
) {
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let (client, server) = (client.clone(), Arc::clone(server));
        set.spawn(async move {
            for _ in 0..requests {
                let response = client.request(get(&server, "/")).await.expect("a response");
                assert_eq!(response.status(), 401);
                assert!(!refusal(&response).tried.is_empty());
                text(response).await;
            }
        });
    }
    while let Some(done) = set.join_next().await {
        done.expect("no task fails");
    }
}
