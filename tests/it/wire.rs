//! What the octets on the wire look like, to servers and from servers that are particular about it.

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::header::{HOST, TRAILER, TRANSFER_ENCODING};
use http::{HeaderMap, HeaderValue, Request, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http1;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::handshake::AuthenticatorBuilder;
use legwork::service::{AuthenticateLayer, BoxError, ConnectionInfo, LegBody};
use legwork::{Client, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt};

use crate::support::*;

/// A server that answers octets with octets, and keeps what it was sent.
struct Wire {
    origin: Origin,
    seen: Arc<Mutex<Vec<String>>>,
    connections: Arc<AtomicUsize>,
}

impl Wire {
    async fn start(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let (seen, connections, answer) = (Arc::default(), Arc::<AtomicUsize>::default(), Arc::new(answer));
        let wire = Self {
            origin: format!("http://{address}").parse().expect("an origin"),
            seen: Arc::clone(&seen),
            connections: Arc::clone(&connections),
        };
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                connections.fetch_add(1, Ordering::SeqCst);
                let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
                tokio::spawn(async move {
                    while let Some(message) = message(&mut stream).await {
                        let answer = answer(&message);
                        seen.lock().expect("no panic").push(message);
                        if stream.write_all(answer.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        });
        wire
    }

    fn authenticator(&self) -> AuthenticatorBuilder {
        builder().credentials(self.origin.clone(), carol()).dangerous_secrets_over_plain_http(true)
    }

    fn get(&self) -> Request<Full<Bytes>> {
        request("GET", format!("{}/", self.origin).parse().expect("a URI"), "")
    }

    fn seen(&self) -> Vec<String> {
        self.seen.lock().expect("no panic").clone()
    }
}

/// One request, with its content.
async fn message(stream: &mut TcpStream) -> Option<String> {
    let mut message = String::new();
    while !is_whole(&message) {
        message.push(char::from(stream.read_u8().await.ok()?));
    }
    Some(message)
}

fn is_whole(message: &str) -> bool {
    let Some((head, content)) = message.split_once("\r\n\r\n") else { return false };
    let head = head.to_ascii_lowercase();
    if head.contains("transfer-encoding: chunked") {
        return format!("\r\n{content}").contains("\r\n0\r\n") && content.ends_with("\r\n\r\n");
    }
    let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest);
    let length: usize = length.lines().next().and_then(|length| length.parse().ok()).expect("a length");
    content.len() == length
}

/// What challenges a request without an `Authorization`, or another field, and takes every one.
fn challenging(field: &'static str, challenge: String) -> impl Fn(&str) -> String {
    move |message| match message.to_ascii_lowercase().contains(&format!("\r\n{field}: ")) {
        true => "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n".to_owned(),
        false => challenge.clone(),
    }
}

const BASIC: &str =
    "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"lab\"\r\nContent-Length: 0\r\n\r\n";

/// What makes the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Hyper,
    Legacy,
    Reqwest,
    /// The layer, over a connection of the caller's own.
    Layer,
}

const WAYS: [Way; 4] = [Way::Hyper, Way::Legacy, Way::Reqwest, Way::Layer];

#[derive(Clone, Copy, Default)]
struct Settings {
    title_case: bool,
    max_headers: Option<usize>,
}

impl Settings {
    fn apply(self, http1: &mut http1::Builder) -> &mut http1::Builder {
        http1.title_case_headers(self.title_case).max_headers(self.max_headers.unwrap_or(100))
    }
}

/// Sends a request with these settings, and reads the answer.
async fn send<B>(
    wire: &Wire,
    way: Way,
    settings: Settings,
    mut request: Request<B>,
) -> Result<(StatusCode, HeaderMap), BoxError>
where
    B: Body<Data = Bytes, Error = Infallible> + Send + Sync + 'static,
{
    let authenticator = wire.authenticator().build();
    match way {
        Way::Hyper => {
            let client = Client::builder(authenticator).http1_settings(|http1| settings.apply(http1));
            read(without_hanging(client.build_http().request(request)).await?).await
        }
        Way::Legacy => {
            let mut builder = legacy::Client::builder(TokioExecutor::new());
            builder.http1_title_case_headers(settings.title_case);
            builder.http1_max_headers(settings.max_headers.unwrap_or(100));
            let client = Client::builder(authenticator).build_legacy(builder, HttpConnector::new());
            read(without_hanging(client.request(request)).await?).await
        }
        Way::Reqwest => {
            let make = move || {
                let builder =
                    crate::support::settings().http1_max_headers(settings.max_headers.unwrap_or(100));
                if settings.title_case { builder.http1_title_case_headers() } else { builder }
            };
            let client = Client::builder(authenticator).build_reqwest(make)?;
            let request = request.map(reqwest::Body::wrap).try_into()?;
            read(without_hanging(client.execute(request)).await?.into()).await
        }
        Way::Layer => {
            let mut http1 = http1::Builder::new();
            settings.apply(&mut http1).allow_obsolete_multiline_headers_in_responses(true);
            let stream = TcpStream::connect((wire.origin.host(), wire.origin.port())).await?;
            let (sender, connection) = http1.handshake(TokioIo::new(stream)).await?;
            tokio::spawn(connection);
            let sender = Arc::new(tokio::sync::Mutex::new(sender));
            let connection = tower::service_fn(move |leg: Request<LegBody<B>>| {
                let sender = Arc::clone(&sender);
                async move {
                    let mut sender = sender.lock().await;
                    sender.ready().await?;
                    sender.send_request(leg).await
                }
            });
            request.headers_mut().insert(HOST, HeaderValue::from_static("lab"));
            let info = ConnectionInfo::new(wire.origin.clone());
            let service = AuthenticateLayer::new(authenticator, info).layer(connection);
            read(without_hanging(service.oneshot(request)).await?).await
        }
    }
}

async fn read<R>(response: http::Response<R>) -> Result<(StatusCode, HeaderMap), BoxError>
where
    R: Body<Data: Send, Error: Into<BoxError>>,
{
    let status = response.status();
    let content = without_hanging(response.into_body().collect()).await.map_err(Into::into)?;
    Ok((status, content.trailers().cloned().unwrap_or_default()))
}

#[tokio::test]
async fn names_of_fields_are_in_title_case_on_every_leg() {
    for way in WAYS {
        for title_case in [false, true] {
            let wire = Wire::start(challenging("authorization", BASIC.to_owned())).await;
            let settings = Settings { title_case, ..Settings::default() };
            let (status, _) = send(&wire, way, settings, wire.get()).await.expect("a response");
            assert_eq!(status, 200, "{way:?}");
            let seen = wire.seen();
            assert_eq!(seen.len(), 2, "{way:?}: {seen:?}");
            assert!(seen.iter().all(|leg| leg.contains("\r\nHost: ") == title_case), "{way:?}: {seen:?}");
            assert_eq!(seen[1].contains("\r\nAuthorization: Basic "), title_case, "{way:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn more_fields_are_taken_where_more_are_allowed() {
    let fields: String = (0..150).map(|field| format!("X-Field-{field}: of many\r\n")).collect();
    for way in WAYS {
        let challenge = BASIC.replace("WWW", &format!("{fields}WWW"));
        let wire = Wire::start(challenging("authorization", challenge)).await;
        let error = send(&wire, way, Settings::default(), wire.get()).await;
        error.expect_err("it is more than a hundred");

        let settings = Settings { max_headers: Some(200), ..Settings::default() };
        let (status, _) = send(&wire, way, settings, wire.get()).await.expect("a response");
        assert_eq!(status, 200, "{way:?}");
        assert_eq!(wire.seen().len(), 3, "{way:?}");
    }
}

#[tokio::test]
async fn a_head_without_end_is_an_error() {
    // Far more than any client beneath buffers of it.
    let endless = ["X-Field: ", &"x".repeat(4 << 20)].concat();
    for way in WAYS {
        let endless = endless.clone();
        let wire = Wire::start(move |_| format!("HTTP/1.1 401 Unauthorized\r\n{endless}")).await;
        send(&wire, way, Settings::default(), wire.get()).await.expect_err("it does not end");
        assert_eq!(wire.seen().len(), 1, "{way:?}");
    }
}

#[tokio::test]
async fn proxies_are_spoken_to_by_the_same_settings() {
    let fields: String = (0..150).map(|field| format!("X-Field-{field}: of many\r\n")).collect();
    let challenge = BASIC.replace("401", "407").replace("WWW", &format!("{fields}Proxy"));
    let proxy = Wire::start(challenging("proxy-authorization", challenge)).await;
    let settings = Settings { title_case: true, max_headers: Some(200) };
    let authenticator = || {
        let authenticator = builder().proxy_credentials(proxy.origin.clone(), carol());
        authenticator.dangerous_secrets_to_plain_http_proxies(true).build()
    };
    let client = || {
        let proxies = Proxies::all(Proxy::new(proxy.origin.clone()));
        Client::builder(authenticator()).proxies(proxies).http1_settings(|http1| settings.apply(http1))
    };

    let forwarded = request("GET", "http://lab.example/".parse().expect("a URI"), "");
    let response = build(client()).request(forwarded).await.expect("a response");
    assert_eq!(response.status(), 200);

    let through = request("GET", "https://lab.example/".parse().expect("a URI"), "");
    let tunnelled = tokio::spawn(client().build_with_tls(trusting_nobody()).request(through));
    without_hanging(async {
        while proxy.seen().len() < 4 {
            tokio::task::yield_now().await;
        }
    })
    .await;
    tunnelled.abort();

    let tunnel = Tunnel::builder(proxy.origin.clone(), authenticator());
    let tunnel = tunnel.http1_settings(|http1| settings.apply(http1)).build_http();
    let target: http::Uri = "https://lab.example/".parse().expect("a URI");
    without_hanging(tunnel.oneshot(target)).await.expect("a tunnel");

    let seen = proxy.seen();
    let targets: Vec<_> = seen.iter().map(|leg| leg.lines().next().unwrap_or_default()).collect();
    let (get, connect) = ("GET http://lab.example/ HTTP/1.1", "CONNECT lab.example:443 HTTP/1.1");
    assert_eq!(targets, [get, get, connect, connect, connect, connect]);
    for login in seen.chunks(2) {
        assert!(login.iter().all(|leg| leg.contains("\r\nHost: lab.example")), "{login:?}");
        assert!(login[1].contains("\r\nProxy-Authorization: Basic "), "{login:?}");
    }
}

#[tokio::test]
async fn an_answer_without_a_head_opens_no_tunnel() {
    let proxy = Wire::start(|_| "this is no HTTP\r\n".to_owned()).await;
    let tunnel = Tunnel::builder(proxy.origin.clone(), builder().build());
    let tunnel = tunnel.http1_settings(|http1| http1.http09_responses(true)).build_http();
    let target: http::Uri = "https://lab.example/".parse().expect("a URI");
    without_hanging(tunnel.oneshot(target)).await.expect_err("it is no tunnel");
}

#[tokio::test]
async fn a_folded_challenge_is_met() {
    let folded = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"the lab\",\r\n \
                  nonce=\"a nonce\",\r\n\t qop=\"auth\"\r\nContent-Length: 0\r\n\r\n";
    for way in WAYS {
        let wire = Wire::start(challenging("authorization", folded.to_owned())).await;
        let (status, _) = send(&wire, way, Settings::default(), wire.get()).await.expect("a response");
        assert_eq!(status, 200, "{way:?}");
        let seen = wire.seen();
        assert_eq!(seen.len(), 2, "{way:?}: {seen:?}");
        for part in ["realm=\"the lab\"", "nonce=\"a nonce\"", "qop=auth"] {
            assert!(seen[1].contains(part), "{way:?}: {seen:?}");
        }
    }

    let folded = folded.replace("401", "407").replace("WWW", "Proxy");
    let proxy = Wire::start(challenging("proxy-authorization", folded)).await;
    let authenticator = builder().proxy_credentials(proxy.origin.clone(), carol()).build();
    let tunnel = Tunnel::builder(proxy.origin.clone(), authenticator).build_http();
    let target: http::Uri = "https://lab.example/".parse().expect("a URI");
    without_hanging(tunnel.oneshot(target)).await.expect("a tunnel");
    assert!(proxy.seen()[1].contains("nonce=\"a nonce\""), "{:?}", proxy.seen());
}

#[tokio::test]
async fn trailers_arrive_on_every_leg_and_with_the_response() {
    let ok = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: x-sum\r\n\r\n\
              2\r\nok\r\n0\r\nx-sum: 9\r\n\r\n";
    for way in WAYS {
        let wire =
            Wire::start(move |message: &str| match message.to_ascii_lowercase().contains("authorization") {
                true => ok.to_owned(),
                false => BASIC.to_owned(),
            })
            .await;
        let post = Request::post(format!("{}/", wire.origin))
            .header(TRANSFER_ENCODING, "chunked")
            .header(TRAILER, "x-sum");
        let post = post.body(trailed()).expect("a request");
        let (status, trailers) = send(&wire, way, Settings::default(), post).await.expect("a response");
        assert_eq!(
            (status.as_u16(), trailers.get("x-sum").map(HeaderValue::as_bytes)),
            (200, Some(&b"9"[..]))
        );
        let seen = wire.seen();
        assert_eq!((seen.len(), wire.connections.load(Ordering::SeqCst)), (2, 1), "{way:?}: {seen:?}");
        for leg in &seen {
            assert!(leg.ends_with("\r\n\r\n5\r\nbody!\r\n0\r\nx-sum: 7\r\n\r\n"), "{way:?}: {seen:?}");
        }
    }
}

#[tokio::test]
async fn a_length_says_where_a_body_ends_whatever_would_follow() {
    for way in WAYS {
        let wire = Wire::start(challenging("authorization", BASIC.to_owned())).await;
        let post = Request::post(format!("{}/", wire.origin)).body(trailed()).expect("a request");
        let (status, _) = send(&wire, way, Settings::default(), post).await.expect("a response");
        let seen = wire.seen();
        assert_eq!(status, 200);
        assert_eq!((seen.len(), wire.connections.load(Ordering::SeqCst)), (2, 1), "{way:?}: {seen:?}");
        assert!(seen.iter().all(|leg| leg.ends_with("\r\n\r\nbody!")), "{way:?}: {seen:?}");
    }
}
