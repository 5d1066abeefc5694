//! What an error says, and of whom.

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::hyper::{ClientBuilder, HttpsConnector};
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::handshake::{Authenticator, AuthenticatorBuilder};
use legwork::protection_space::Challenger;
use legwork::service::{AuthenticateLayer, ConnectionInfo, Error, ErrorKind, LegBody};
use legwork::testing::Offer;
use legwork::{Client, Credentials, Origin};
use tower::{Layer, Service};

use crate::support::*;

/// Nobody listens there.
const DEAD: &str = "http://127.0.0.1:1";

/// A client of each kind, for `http` and `https`.
struct Clients {
    hyper: Client<HttpsConnector, Full<Bytes>>,
    reqwest: legwork::client::reqwest::Client,
    legacy: legwork::client::legacy::Client<hyper_rustls::HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Clients {
    fn new(authenticator: AuthenticatorBuilder) -> Self {
        let authenticator = authenticator.build();
        let builder = || Client::builder(authenticator.clone());
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
        let request = || request("GET", uri.parse().expect("a URI"), "");
        without_hanging(async {
            [
                ("hyper", self.hyper.request(request()).await.expect_err("no response")),
                ("reqwest", self.reqwest.get(uri).send().await.expect_err("no response")),
                ("legacy", self.legacy.request(request()).await.expect_err("no response")),
            ]
        })
        .await
    }
}

fn through(proxy: &str) -> ClientBuilder {
    let proxy: Proxy = proxy.parse().expect("a proxy");
    Client::builder(builder().build()).proxies(Proxies::all(proxy))
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
            assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{client}: {error:?}");
            assert_eq!((error.origin(), error.proxy()), (Some(&origin(at)), None), "{client}");
        }
    }
    assert_eq!(plain.report().legs().count(), 0);
}

#[tokio::test]
async fn a_proxy_that_cannot_be_reached_is_named() {
    for at in ["http://site.example", "https://site.example"] {
        let client: Client<_, Full<Bytes>> = through(DEAD).build_with_tls(trusting_nobody());
        let failed = client.get(format!("{at}/page").parse().expect("a URI"));
        let error = without_hanging(failed).await.expect_err("no proxy");
        assert_eq!(error.to_string(), format!("{at}: cannot connect to the proxy {DEAD}"));
        assert!(matches!(error.kind(), ErrorKind::Connect(_)), "{error:?}");
        assert_eq!((error.origin(), error.proxy()), (Some(&origin(at)), Some(&origin(DEAD))));
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

    let own: Client<_, Full<Bytes>> = through(&proxy.origin().to_string()).build_with_tls(trusting_nobody());
    let connectors: Client<_, Full<Bytes>> = Client::with_connector(builder().build(), https());
    let legacy = Client::builder(builder().build()).build_legacy(legacy, https());
    let errors = without_hanging(async {
        [own.request(request()).await, connectors.request(request()).await, legacy.request(request()).await]
    });
    for error in errors.await.map(|answer| answer.expect_err("no tunnel")) {
        let at = format!("https://site.example through the proxy {}", proxy.origin());
        assert_eq!(error.to_string(), format!("{at}: cannot connect"));
        assert!(whole(&error).contains("no credentials are configured"), "{}", whole(&error));
        assert_eq!(error.proxy(), Some(&proxy.origin()));
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
    }
    let proxy = server_of_three([]).offer_as(Challenger::Proxy, Offer::Ntlm).start().await.expect("a server");
    let client = build(through(&proxy.origin().to_string()));
    let error = client.authenticate(Uri::from_static("http://site.example/")).await.expect_err("a refusal");
    let text = error.to_string();
    assert!(text.starts_with(&format!("did not log in at the proxy {}: NTLM: ", proxy.origin())), "{text}");
    assert_eq!(error.origin(), Some(&origin("http://site.example")));
    assert_eq!(error.proxy(), Some(&proxy.origin()));
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
    for (info, at) in [
        (info.clone(), "http://site.example"),
        (
            info.proxy(origin("http://proxy.example:3128")),
            "http://site.example through the proxy http://proxy.example:3128",
        ),
    ] {
        let layer = AuthenticateLayer::new(authenticator(), info);
        let mut service = layer.layer(breaks());
        let mut ask = async || {
            std::future::poll_fn(|cx| Service::<Request<Full<Bytes>>>::poll_ready(&mut service, cx)).await?;
            service.call(Request::get("/").body(Full::<Bytes>::default()).expect("a request")).await
        };
        let error = ask().await.expect_err("it breaks");
        assert_eq!(error.to_string(), format!("{at}: the connection failed"));
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
    let client: Client<_, Full<Bytes>> = through("http://carol:secret@127.0.0.1:1").build_http();
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
