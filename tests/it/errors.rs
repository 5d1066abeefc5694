//! What an error says: whom it is about, and whether the request may be sent again.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::header::LOCATION;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::client::ClientBuilder;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::redirect::FollowRedirects;
use legwork::client::tunnel::{Tunnel, TunnelErrorKind};
use legwork::handshake::{Authenticator, AuthenticatorBuilder};
use legwork::protection_space::Challenger;
use legwork::service::{AuthenticateLayer, ConnectionInfo, Environment, Error, ErrorKind, LegBody, Limits};
use legwork::testing::{Close, Gate, Offer, Quirk, When};
use legwork::{Client, Credentials, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::retry::{Policy, Retry};
use tower::{Layer, Service, ServiceExt};

use crate::leaf::{Leaf, origin_form, send};
use crate::support::*;

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1";

/// What takes longer is too late.
const SHORT: Duration = Duration::from_millis(40);

/// A client of each kind, for `http` and `https`.
struct Clients {
    hyper: Client<Full<Bytes>>,
    reqwest: legwork::client::reqwest::Client,
    legacy: legwork::Client<Full<Bytes>>,
}

impl Clients {
    fn new(authenticator: AuthenticatorBuilder) -> Self {
        Self::of(authenticator, |builder| builder, settings)
    }

    fn of(
        authenticator: AuthenticatorBuilder,
        change: impl Fn(ClientBuilder) -> ClientBuilder,
        settings: fn() -> reqwest::ClientBuilder,
    ) -> Self {
        let authenticator = authenticator.build();
        let builder = || change(Client::builder(authenticator.clone()));
        let mut http = HttpConnector::new();
        http.enforce_http(false);
        let https = hyper_rustls::HttpsConnector::from((http, trusting_nobody()));
        let legacy = legacy::Client::builder(TokioExecutor::new());
        Self {
            hyper: builder().build_with_tls(trusting_nobody()),
            reqwest: builder().build_reqwest(settings).expect("settings that fit"),
            legacy: builder().build_legacy(legacy, https),
        }
    }

    /// Why each of them has no response to a `GET`.
    async fn fail(&self, uri: &str) -> [(&'static str, Error); 3] {
        without_hanging(self.requests_fail(uri)).await
    }

    async fn requests_fail(&self, uri: &str) -> [(&'static str, Error); 3] {
        let request = || request("GET", uri.parse().expect("a URI"), "");
        [
            ("hyper", self.hyper.request(request()).await.expect_err("no response")),
            ("reqwest", self.reqwest.get(uri).send().await.expect_err("no response")),
            ("legacy", self.legacy.request(request()).await.expect_err("no response")),
        ]
    }
}

fn through(proxy: &str) -> ClientBuilder {
    let proxy: Proxy = proxy.parse().expect("a proxy");
    Client::builder(builder().build()).proxies(Proxies::all(proxy))
}

/// What an error says of itself.
fn says(error: &Error) -> Vec<&'static str> {
    let said = [
        (error.is_timeout(), "timeout"),
        (error.is_connect(), "connect"),
        (error.is_refused(), "refused"),
        (error.is_retryable(), "retryable"),
    ];
    said.into_iter().filter_map(|(is_so, word)| is_so.then_some(word)).collect()
}

fn origin(text: &str) -> Origin {
    text.parse().expect("an origin")
}

#[tokio::test]
async fn an_origin_that_cannot_be_reached_is_named() {
    let plain = server([]).start().await.expect("a server");
    let speaks_no_tls = format!("https://{}", plain.address());
    for at in [DEAD, "http://nobody.invalid", "https://nobody.invalid:8443", &speaks_no_tls] {
        for (client, error) in Clients::new(builder()).fail(&format!("{at}/page?query")).await {
            assert_eq!(error.to_string(), format!("{at}: cannot connect"), "{client}");
            assert_eq!(says(&error), ["connect", "retryable"], "{client}: {error:?}");
            assert_eq!((error.origin(), error.proxy()), (Some(&origin(at)), None), "{client}");
        }
    }
    assert_eq!(plain.report().legs().count(), 0);
}

/// By each way over which a client knows its proxy.
async fn fail_through(proxy: &str, at: &str) -> Vec<(&'static str, Error)> {
    let uri: Uri = format!("{at}/page").parse().expect("a URI");
    let hyper: Client<Full<Bytes>> = through(proxy).build_with_tls(trusting_nobody());
    let following = FollowRedirects::new(hyper.clone());
    let tunnel = || {
        let tunnel = Tunnel::builder(origin(proxy), builder().build()).build_http();
        hyper_rustls::HttpsConnector::from((tunnel, trusting_nobody()))
    };
    let hyper_by_tunnel: Client<Full<Bytes>> = Client::with_connector(builder().build(), tunnel());
    let settings = legacy::Client::builder(TokioExecutor::new());
    let legacy_by_tunnel = Client::builder(builder().build()).build_legacy(settings, tunnel());
    let request = || request("GET", uri.clone(), "");
    without_hanging(async {
        vec![
            ("hyper", hyper.request(request()).await.expect_err("no response")),
            ("ahead", hyper.authenticate(uri.clone()).await.expect_err("no login")),
            ("redirects", following.oneshot(request()).await.expect_err("no response")),
            ("hyper, tunnel", hyper_by_tunnel.request(request()).await.expect_err("no response")),
            ("legacy, tunnel", legacy_by_tunnel.request(request()).await.expect_err("no response")),
        ]
    })
    .await
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    for proxy in [DEAD, "http://proxy.invalid:3128"] {
        for at in ["http://site.example", "https://site.example"] {
            for (client, error) in fail_through(proxy, at).await {
                let expected = format!("{at}: cannot connect to the proxy {proxy}");
                assert_eq!(error.to_string(), expected, "{client}");
                assert_eq!(says(&error), ["connect", "retryable"], "{client}: {error:?}");
                assert_eq!(
                    (error.origin(), error.proxy()),
                    (Some(&origin(at)), Some(&origin(proxy))),
                    "{client}"
                );
            }
        }
    }
}

/// A proxy that closes each connection at once, or after the request.
async fn closing_proxy(reads: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            if reads {
                read_head(&mut stream).await;
            }
        }
    });
    format!("http://{address}")
}

#[tokio::test]
async fn a_proxy_that_closes_before_its_response_is_named() {
    for reads in [false, true] {
        let proxy = closing_proxy(reads).await;
        for at in ["http://site.example", "https://site.example"] {
            for (client, error) in fail_through(&proxy, at).await {
                // A tunnel is a part of connecting.
                let expected = match at.starts_with("http:") && !client.ends_with("tunnel") {
                    true => format!("{at}: the connection to the proxy {proxy} failed"),
                    false => format!("{at} through the proxy {proxy}: cannot connect"),
                };
                assert_eq!(error.to_string(), expected, "{client}, {reads}");
                assert_eq!(
                    (error.origin(), error.proxy()),
                    (Some(&origin(at)), Some(&origin(&proxy))),
                    "{client}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_proxy_that_opens_no_tunnel_is_named_by_every_client() {
    let proxy =
        server([]).offer_as(Challenger::Proxy, Offer::Ntlm).tunnels().start().await.expect("a server");
    let tunnel = || Tunnel::builder(proxy.origin(), builder().build()).build_http();
    let https = || hyper_rustls::HttpsConnector::from((tunnel(), trusting_nobody()));
    let legacy = legacy::Client::builder(TokioExecutor::new());
    let request = || request("GET", Uri::from_static("https://site.example/"), "");

    let own: Client<Full<Bytes>> = through(&proxy.origin().to_string()).build_with_tls(trusting_nobody());
    let connectors: Client<Full<Bytes>> = Client::with_connector(builder().build(), https());
    let legacy = Client::builder(builder().build()).build_legacy(legacy, https());
    let errors = without_hanging(async {
        [own.request(request()).await, connectors.request(request()).await, legacy.request(request()).await]
    });
    for error in errors.await.map(|answer| answer.expect_err("no tunnel")) {
        let at = format!("https://site.example through the proxy {}", proxy.origin());
        assert_eq!(error.to_string(), format!("{at}: cannot connect"));
        assert!(whole(&error).contains("no credentials are configured"), "{}", whole(&error));
        assert_eq!(error.proxy(), Some(&proxy.origin()));
        assert_eq!(says(&error), ["connect"], "{error:?}");
    }
}

#[tokio::test]
async fn a_proxy_that_refuses_the_login_is_told_from_one_that_is_down() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let wrong = Credentials::password("alice", "wrong-pw");
    let authenticator = || builder().proxy_credentials(proxy.origin(), wrong.clone()).build();
    let tunnel = Tunnel::builder(proxy.origin(), authenticator()).build_http();
    let https = hyper_rustls::HttpsConnector::from((tunnel, trusting_nobody()));
    let connectors: Client<Full<Bytes>> = Client::with_connector(authenticator(), https);
    let proxies = Proxies::all(Proxy::new(proxy.origin()));
    let own = Client::builder(authenticator()).proxies(proxies);
    let own: Client<Full<Bytes>> = own.build_with_tls(trusting_nobody());
    let site = || Uri::from_static("https://site.example/");
    for answer in [connectors.get(site()).await, own.get(site()).await] {
        let error = answer.expect_err("refused");
        assert_eq!(says(&error), ["connect", "refused"], "{error:?}");
    }
}

#[tokio::test]
async fn a_refusal_names_who_refused_once() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = || builder().credentials(server.origin(), Credentials::password(USER, "wrong-pw"));
    let uri = server.uri("/");
    let hyper = build(Client::builder(wrong().build())).authenticate(uri.clone()).await;
    let reqwest = over_reqwest(wrong()).authenticate(uri.to_string()).await;
    for error in [hyper, reqwest].map(|login| login.expect_err("a refusal")) {
        let text = error.to_string();
        assert!(text.starts_with(&format!("{} refused the login: NTLM: ", server.origin())), "{text}");
        assert_eq!(error.origin(), Some(&server.origin()));
        assert_eq!(says(&error), ["refused"]);
    }
    let proxy = server_of_three([]).offer_as(Challenger::Proxy, Offer::Ntlm).start().await.expect("a server");
    let client = build(through(&proxy.origin().to_string()));
    let error = client.authenticate(Uri::from_static("http://site.example/")).await.expect_err("a refusal");
    let text = error.to_string();
    assert!(text.starts_with(&format!("did not log in at the proxy {}: NTLM: ", proxy.origin())), "{text}");
    assert_eq!(error.origin(), Some(&origin("http://site.example")));
    assert_eq!(error.proxy(), Some(&proxy.origin()));
    assert!(says(&error).is_empty(), "nobody has refused anything: {error:?}");
}

#[tokio::test]
async fn a_leg_that_is_never_answered_is_a_timeout() {
    let gate = Gate::closed();
    let held = Quirk::HeldBy(gate.clone());
    let server = server([Offer::Ntlm]).quirk_when(When::leg(2), held).start().await.expect("a server");
    let hasty = || Environment::tokio().limits(Limits::default().leg_timeout(SHORT));
    let builder = || {
        let authenticator = authenticator(&server).lockout_bounds(lenient()).build();
        Client::builder(authenticator).environment(hasty())
    };
    let legacy = legacy::Client::builder(TokioExecutor::new());
    let legacy = builder().build_legacy(legacy, HttpConnector::new());
    let info = ConnectionInfo::new(server.origin());
    let layer = AuthenticateLayer::new(authenticator(&server).build(), info).environment(hasty());
    let mut connection = layer.layer(Leaf::connect(&server).await);
    let by_reqwest = builder().build_reqwest(settings).expect("settings that fit");
    let errors = without_hanging(async {
        [
            build(builder()).request(get(&server, "/")).await.expect_err("late"),
            by_reqwest.get(url(&server, "/")).send().await.expect_err("late"),
            legacy.request(get(&server, "/")).await.expect_err("late"),
            send(&mut connection, origin_form("GET", "/", "")).await.expect_err("late"),
        ]
    });
    for error in errors.await {
        let text = format!("{}: no answer within 40ms while waiting for a leg's response", server.origin());
        assert_eq!((error.to_string(), says(&error)), (text, vec!["timeout", "retryable"]));
    }
}

#[tokio::test]
async fn connecting_that_takes_too_long_is_a_timeout_and_no_connection() {
    let says_nothing = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let at = format!("https://{}", says_nothing.local_addr().expect("it listens"));
    let hasty = || settings().connect_timeout(SHORT);
    let clients = Clients::of(builder(), |builder| builder.connect_timeout(SHORT), hasty);
    for (client, error) in clients.fail(&at).await {
        assert_eq!(says(&error), ["timeout", "connect", "retryable"], "{client}: {error:?}");
        assert!(error.to_string().starts_with(&format!("{at}: ")), "{error}");
    }
}

#[tokio::test]
async fn a_wait_for_a_connection_ends_and_the_next_request_gets_one() {
    let gate = Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .start()
        .await
        .expect("a server");
    let wait = Duration::from_millis(250);
    let one = |builder: ClientBuilder| builder.max_per_origin(1).wait_timeout(wait);
    let clients = Clients::of(authenticator(&server), one, settings);
    let held = || get(&server, "/held");
    let (hyper, legacy) = (clients.hyper.request(held()), clients.legacy.request(held()));
    let reqwest = clients.reqwest.get(url(&server, "/held")).send();
    let (hyper, reqwest, legacy) = (tokio::spawn(hyper), tokio::spawn(reqwest), tokio::spawn(legacy));
    without_hanging(gate.held(3)).await;
    for (client, error) in clients.fail(&url(&server, "/")).await {
        let text = format!("{}: no answer within 250ms while waiting for a free connection", server.origin());
        assert_eq!((error.to_string(), says(&error)), (text, vec!["timeout", "retryable"]), "{client}");
    }
    gate.open();
    text(hyper.await.expect("no panic").expect("a response")).await;
    reqwest.await.expect("no panic").expect("a response").text().await.expect("a text");
    text(legacy.await.expect("no panic").expect("a response")).await;
    text(clients.hyper.request(get(&server, "/")).await.expect("a response")).await;
    clients.reqwest.get(url(&server, "/")).send().await.expect("a response").text().await.expect("a text");
    text(clients.legacy.request(get(&server, "/")).await.expect("a response")).await;
    let report = server.report();
    assert_eq!((report.connections().len(), report.misplaced()), (3, 0), "{report}");
    assert_eq!(
        report.legs().filter(|leg| leg.target == "/").count(),
        3,
        "none of those that failed: {report}"
    );
}

/// A policy that sends a request again as often as this, where the error says that it may.
#[derive(Clone)]
struct Tries(u32);

impl<B> Policy<Request<Full<Bytes>>, Response<B>, Error> for Tries {
    type Future = std::future::Ready<()>;

    fn retry(
        &mut self,
        _: &mut Request<Full<Bytes>>,
        result: &mut Result<Response<B>, Error>,
    ) -> Option<Self::Future> {
        let Err(error) = result else { return None };
        self.0 = self.0.checked_sub(1)?;
        error.is_retryable().then(|| std::future::ready(()))
    }

    fn clone_request(&mut self, request: &Request<Full<Bytes>>) -> Option<Request<Full<Bytes>>> {
        Some(request.clone())
    }
}

#[tokio::test]
async fn towers_retry_reaches_a_server_that_comes_up_and_repeats_nothing_that_was_sent() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/lost"), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let (connects, address) = (Arc::new(AtomicUsize::new(0)), server.address());
    let counted = Arc::clone(&connects);
    let comes_up = tower::service_fn(move |_: Uri| {
        let is_up = counted.fetch_add(1, Ordering::SeqCst) >= 2;
        async move {
            match is_up {
                true => TcpStream::connect(address).await.map(TokioIo::new),
                false => Err(std::io::ErrorKind::ConnectionRefused.into()),
            }
        }
    });
    let client = Client::with_connector(authenticator(&server).build(), comes_up);
    let retrying = Retry::new(Tries(5), client);
    let response =
        retrying.clone().oneshot(request("POST", server.uri("/"), "body")).await.expect("it is up");
    assert_eq!((response.status().as_u16(), connects.load(Ordering::SeqCst)), (200, 3));
    text(response).await;

    let error = retrying.oneshot(request("POST", server.uri("/lost"), "body")).await.expect_err("lost");
    assert!(says(&error).is_empty(), "{error:?}");
    let report = server.report();
    assert_eq!(report.legs().filter(|leg| leg.target == "/lost").count(), 1, "{report}");
}

#[tokio::test]
async fn what_was_lost_on_one_connection_is_not_to_be_sent_again_where_there_is_no_other() {
    let server = server([])
        .quirk_when(When::path("/lost"), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let (connects, address) = (Arc::new(AtomicUsize::new(0)), server.address());
    let only_once = tower::service_fn(move |_: Uri| {
        let is_first = connects.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            match is_first {
                true => TcpStream::connect(address).await.map(TokioIo::new),
                false => Err(std::io::ErrorKind::ConnectionRefused.into()),
            }
        }
    });
    let client = Client::with_connector(authenticator(&server).build(), only_once);
    fetch(&client, get(&server, "/")).await;
    let error = client.request(get(&server, "/lost")).await.expect_err("nobody listens any more");
    assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error:?}");
    assert!(says(&error).is_empty(), "the server may have acted on it: {error:?}");
    let report = server.report();
    assert_eq!(report.legs().filter(|leg| leg.target == "/lost").count(), 1, "{report}");
}

/// What a future that need not wait resolves to outside of a runtime.
fn outside<F: Future>(future: F) -> F::Output {
    let mut future = std::pin::pin!(future);
    match future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it waits"),
    }
}

#[test]
fn without_a_runtime_there_is_an_error_that_says_so() {
    let clients = Clients::new(builder());
    let mut errors = Vec::from(outside(clients.requests_fail(DEAD)).map(|(_, error)| error));
    errors.push(outside(clients.hyper.authenticate(Uri::from_static(DEAD))).expect_err("no runtime"));
    errors.push(outside(clients.reqwest.authenticate(DEAD)).expect_err("no runtime"));
    for error in errors {
        let text = format!("{DEAD}: there is no tokio runtime here: await the request in one");
        assert!(error.to_string().starts_with(&text), "{error}");
        assert!(says(&error).is_empty(), "{error}");
    }
    outside(clients.hyper.shut_down());
    outside(clients.reqwest.shut_down());
    outside(clients.legacy.shut_down());

    let tunnel = Tunnel::builder(origin(DEAD), builder().build()).build_http();
    let error = outside(tunnel.oneshot(Uri::from_static("https://site.example"))).expect_err("no runtime");
    let TunnelErrorKind::Failed(error) = error.kind() else { panic!("{error:?}") };
    assert!(matches!(error.kind(), ErrorKind::NoRuntime), "{error:?}");
}

#[test]
fn redirects_are_followed_without_a_runtime_where_the_service_beneath_needs_none() {
    let service = tower::service_fn(|request: Request<Full<Bytes>>| async move {
        let status = if request.uri().path() == "/" { 302 } else { 200 };
        let response = Response::builder().status(status).header(LOCATION, "/there");
        response.body(Full::<Bytes>::from("content"))
    });
    let get = request("GET", Uri::from_static("http://site.example/"), "");
    let response = outside(FollowRedirects::new(service).oneshot(get)).expect("a response");
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn the_layer_names_what_its_connection_is_to() {
    let authenticator = || Authenticator::builder().build();
    let info = ConnectionInfo::new(origin("http://site.example"));
    let breaks = || {
        tower::service_fn(|_: Request<LegBody<Full<Bytes>>>| async {
            Err::<Response<Full<Bytes>>, _>(std::io::Error::other("it broke"))
        })
    };
    for (info, at, failed) in [
        (info.clone(), "http://site.example", "http://site.example: the connection failed"),
        (
            info.proxy(origin("http://proxy.example:3128")),
            "http://site.example through the proxy http://proxy.example:3128",
            "http://site.example: the connection to the proxy http://proxy.example:3128 failed",
        ),
        (
            ConnectionInfo::new(origin("https://site.example")).proxy(origin("http://proxy.example:3128")),
            "https://site.example through the proxy http://proxy.example:3128",
            "https://site.example through the proxy http://proxy.example:3128: the connection failed",
        ),
    ] {
        let layer = AuthenticateLayer::new(authenticator(), info);
        let mut service = layer.layer(breaks());
        let mut ask = async || {
            std::future::poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, cx)).await?;
            service.call(Request::get("/").body(Full::<Bytes>::default()).expect("a request")).await
        };
        let error = ask().await.expect_err("it breaks");
        assert_eq!(error.to_string(), failed);
        let error = ask().await.expect_err("it is gone");
        assert_eq!(error.to_string(), format!("{at}: an earlier request on the connection was dropped"));
    }
}

#[tokio::test]
async fn no_user_or_password_in_a_uri_is_shown() {
    let clients = Clients::new(builder());
    for uri in ["http://carol:secret@127.0.0.1:1/", "https://carol:secret@nobody.invalid/"] {
        for (client, error) in clients.fail(uri).await {
            let shown = format!("{} {error:?}", whole(&error));
            assert!(!shown.contains("secret") && !shown.contains("carol"), "{client}: {shown}");
        }
    }
    let client: Client<Full<Bytes>> = through("http://carol:secret@127.0.0.1:1").build_http();
    let error = client.get(Uri::from_static("http://bob:word@site.example/")).await.expect_err("no proxy");
    let shown = format!("{} {error:?}", whole(&error));
    assert!(["carol", "secret", "bob", "word"].iter().all(|part| !shown.contains(part)), "{shown}");
}

#[tokio::test]
async fn a_request_after_the_end_names_its_origin() {
    let server = server([]).start().await.expect("a server");
    let clients = Clients::new(builder());
    clients.hyper.shut_down().await;
    clients.reqwest.shut_down().await;
    clients.legacy.shut_down().await;
    for (client, error) in clients.fail(&server.uri("/").to_string()).await {
        let text = format!("{}: the client was shut down", server.origin());
        assert_eq!(error.to_string(), text, "{client}");
    }
}

/// Each ends by an error that is no reason to send the request again.
#[tokio::test]
async fn what_a_server_may_have_acted_on_is_not_to_be_sent_again() {
    // The last leg of a login carries the request: lost, it goes out once more.
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2).with_path("/lost"), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = build(Client::builder(authenticator(&server).lockout_bounds(lenient()).build()));
    fetch(&client, get(&server, "/")).await;
    client.close_idle();
    let put = request("PUT", server.uri("/lost"), "twelve bytes");
    let error = without_hanging(client.request(put)).await.expect_err("it is lost");
    let report = server.report();
    assert_eq!(report.legs().filter(|leg| leg.body_octets > 0).count(), 2, "{report}");
    assert_eq!(says(&error), Vec::<&str>::new(), "{error:?}");

    // It was sent on a connection that was lost, and no other can be made.
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let uri: Uri = format!("http://{}/", listener.local_addr().expect("an address")).parse().expect("a URI");
    let server = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        read_head(&mut stream).await;
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.expect("it is written");
        read_head(&mut stream).await
    });
    let client = build(Client::builder(builder().build()));
    fetch(&client, request("GET", uri.clone(), "")).await;
    let error = without_hanging(client.request(request("DELETE", uri, ""))).await.expect_err("it is gone");
    assert!(server.await.expect("no panic").starts_with("DELETE / "));
    assert_eq!(says(&error), Vec::<&str>::new(), "{error:?}");

    // A redirect leads on from it.
    let elsewhere = Quirk::Field(LOCATION, format!("{DEAD}/done").parse().expect("a value"));
    let server = crate::support::server([]).quirk(elsewhere).start().await.expect("a server");
    for (method, expected) in [("POST", vec![]), ("GET", vec!["connect", "retryable"])] {
        let request = request(method, server.uri("/status/303"), "");
        let client = build(Client::builder(builder().build()));
        let error = FollowRedirects::new(client).request(request).await.expect_err("nobody is there");
        assert_eq!(says(&error), expected, "{method}: {error:?}");
    }
}

/// A request's head.
async fn read_head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.expect("more"));
    }
    String::from_utf8(head).expect("ASCII")
}
