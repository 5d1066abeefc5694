//! Cookies on the legs of a login: a server whose nonces are good with the cookie that came with
//! them, and with no other.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Instant;

use bytes::Bytes;
use http::header::{AUTHORIZATION, COOKIE, SET_COOKIE, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1 as server_http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use legwork::Origin;
use legwork::handshake::{AuthenticatorBuilder, Outcome};
use legwork::service::{AuthenticateLayer, BoxError, ConnectionInfo, MakeAuthenticate};
use legwork::testing::DigestAcceptor;
use legwork::unversioned::testing::{DigestVerdict, PresentedDigest};
use reqwest::Url;
use reqwest::cookie::{CookieStore, Jar};
use tokio::net::TcpListener;
use tower::{Layer, Service, ServiceExt};

use crate::leaf::{Leaf, origin_form};
use crate::support::{PASSWORD, USER, builder, by, carol, settings, without_hanging};

/// A server by Digest that hands out a cookie with each nonce.
struct Tied {
    acceptor: DigestAcceptor,
    /// Each cookie's nonce.
    sessions: Mutex<HashMap<String, String>>,
    /// Each leg's cookie, and its answer.
    legs: Mutex<Vec<(Option<String>, u16)>>,
}

impl Tied {
    async fn start() -> (Arc<Self>, SocketAddr) {
        let tied = Arc::new(Self {
            acceptor: DigestAcceptor::new("a realm").user(USER, PASSWORD),
            sessions: Mutex::default(),
            legs: Mutex::default(),
        });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("it listens");
        let server = Arc::clone(&tied);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = Arc::clone(&server);
                let serve = service_fn(move |request| {
                    let answer = server.answer(&request);
                    async move { Ok::<_, BoxError>(answer) }
                });
                tokio::spawn(server_http1::Builder::new().serve_connection(TokioIo::new(stream), serve));
            }
        });
        (tied, address)
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let cookie = request.headers().get(COOKIE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let response = match request.headers().get(AUTHORIZATION) {
            Some(field) if self.is_tied(cookie.as_deref(), field) => self.judge(request, field),
            _ => self.challenge(),
        };
        self.legs.lock().expect("no panic").push((cookie, response.status().as_u16()));
        response
    }

    fn is_tied(&self, cookie: Option<&str>, field: &HeaderValue) -> bool {
        let sessions = self.sessions.lock().expect("no panic");
        let nonce = cookie.and_then(|cookie| sessions.get(cookie));
        nonce.is_some_and(|nonce| field.to_str().is_ok_and(|field| field.contains(&**nonce)))
    }

    fn judge(&self, request: &Request<Incoming>, field: &HeaderValue) -> Response<Full<Bytes>> {
        let target = request.uri().to_string();
        let presented = PresentedDigest::new(request.method(), &target, field);
        match self.acceptor.judge(&presented, Instant::now()) {
            DigestVerdict::Accepted(_) => Response::new(Full::from("let in")),
            _ => self.challenge(),
        }
    }

    fn challenge(&self) -> Response<Full<Bytes>> {
        let challenge = self.acceptor.challenges(false, Instant::now()).remove(0);
        let (_, nonce) = challenge.split_once("nonce=").expect("a nonce");
        let nonce = nonce.split(',').next().expect("a value").to_owned();
        let mut sessions = self.sessions.lock().expect("no panic");
        let cookie = format!("session={}", sessions.len() + 1);
        let response = Response::builder()
            .status(StatusCode::UNAUTHORIZED)
            .header(WWW_AUTHENTICATE, challenge)
            .header(SET_COOKIE, format!("{cookie}; Path=/"));
        sessions.insert(cookie, nonce);
        response.body(Full::from("who are you?")).expect("a response")
    }

    fn legs(&self) -> Vec<(Option<String>, u16)> {
        self.legs.lock().expect("no panic").clone()
    }
}

fn authenticator(address: SocketAddr) -> AuthenticatorBuilder {
    builder().credentials(origin(address), carol())
}

fn origin(address: SocketAddr) -> Origin {
    format!("http://{address}").parse().expect("an origin")
}

fn with(cookie: Option<&str>, status: u16) -> (Option<String>, u16) {
    (cookie.map(str::to_owned), status)
}

/// Cookies for what is sent over a connection, or over whatever else sends requests to one origin.
#[derive(Clone)]
struct Cookies<S> {
    inner: S,
    jar: Arc<Jar>,
    url: Url,
}

impl<S, B, R> Service<Request<B>> for Cookies<S>
where
    S: Service<Request<B>, Response = Response<R>, Future: Send + 'static>,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if let Some(cookies) = self.jar.cookies(&self.url) {
            request.headers_mut().insert(COOKIE, cookies);
        }
        let (jar, url, answer) = (Arc::clone(&self.jar), self.url.clone(), self.inner.call(request));
        Box::pin(async move {
            let response = answer.await?;
            jar.set_cookies(&mut response.headers().get_all(SET_COOKIE).iter(), &url);
            Ok(response)
        })
    }
}

/// Cookies for what sends requests to the server.
fn cookies<S>(inner: S, jar: &Arc<Jar>, address: SocketAddr) -> Cookies<S> {
    let url = format!("http://{address}/").parse().expect("a URL");
    Cookies { inner, jar: Arc::clone(jar), url }
}

/// The status that a page comes with, read to its end.
async fn status<S>(service: &mut S) -> u16
where
    S: Service<Request<Full<Bytes>>, Response = Response<Incoming>, Error: std::fmt::Debug>,
{
    let answer = service.ready().await.expect("ready").call(origin_form("GET", "/", ""));
    let response = without_hanging(answer).await.expect("a response");
    let status = response.status().as_u16();
    response.into_body().collect().await.expect("a body");
    status
}

#[tokio::test]
async fn a_cookie_layer_beneath_the_login_sees_every_leg() {
    let (tied, address) = Tied::start().await;
    let jar = Arc::new(Jar::default());
    let connect = tower::service_fn(|address| {
        let jar = Arc::clone(&jar);
        async move { Ok::<_, BoxError>(cookies(Leaf::to(address).await, &jar, address)) }
    });
    let describe = |address: &SocketAddr, _: &Cookies<Leaf>| Ok(ConnectionInfo::new(origin(*address)));
    let mut make = MakeAuthenticate::new(authenticator(address).build(), connect, describe);
    for _ in 0..2 {
        let mut connection = make.ready().await.expect("ready").call(address).await.expect("a connection");
        assert_eq!((status(&mut connection).await, status(&mut connection).await), (200, 200));
    }
    let tied_to = |status| with(Some("session=1"), status);
    assert_eq!(tied.legs(), [with(None, 401), tied_to(200), tied_to(200), tied_to(200), tied_to(200)]);
}

#[tokio::test]
async fn a_cookie_layer_above_the_login_sees_only_what_is_delivered() {
    let (tied, address) = Tied::start().await;
    let jar = Arc::new(Jar::default());
    let layer = AuthenticateLayer::new(authenticator(address).build(), ConnectionInfo::new(origin(address)));
    let mut connection = cookies(layer.layer(Leaf::to(address).await), &jar, address);
    assert_eq!(status(&mut connection).await, 401);
    assert_eq!(tied.legs(), [with(None, 401), with(None, 401)]);
}

#[tokio::test]
async fn the_jar_of_lanes_is_beneath_the_login() {
    let (tied, address) = Tied::start().await;
    let jar = Arc::new(Jar::default());
    let client = by(authenticator(address), move || settings().cookie_provider(Arc::clone(&jar)));
    for _ in 0..3 {
        let answer = client.get(format!("http://{address}/")).send();
        let response = without_hanging(answer).await.expect("a response");
        assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
        response.text().await.expect("a text");
        // Another lane, with the same jar.
        client.close_idle();
    }
    let tied_to = |status| with(Some("session=1"), status);
    assert_eq!(tied.legs(), [with(None, 401), tied_to(200), tied_to(200), tied_to(200)]);
}

#[tokio::test]
async fn a_jar_for_each_lane_costs_each_a_challenge() {
    let (tied, address) = Tied::start().await;
    let client = by(authenticator(address), || settings().cookie_store(true));
    for _ in 0..2 {
        let response = client.get(format!("http://{address}/")).send().await.expect("a response");
        assert_eq!(response.status(), 200, "{:?}", response.extensions().get::<Outcome>());
        response.text().await.expect("a text");
        client.close_idle();
    }
    let by_itself = |cookie| [with(None, 401), with(Some(cookie), 200)];
    assert_eq!(tied.legs(), [by_itself("session=1"), by_itself("session=2")].concat());
}
