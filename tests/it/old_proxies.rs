//! Proxies that answer by HTTP/1.0, and say in one field or another that the connection stays.

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, HeaderName};
use http::{HeaderValue, Uri};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::proxy::{Proxies, Proxy};
use legwork::client::tunnel::Tunnel;
use legwork::handshake::{AuthenticatorBuilder, Renewal};
use legwork::service::{Error, ErrorKind};
use legwork::testing::{DigestAcceptor, Offer, Quirk, Report, Server};
use legwork::{Client, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What a server answers, by HTTP/1.0.
async fn old(server: &Server) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("it listens");
    let behind = server.address();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(behind).await.expect("a server");
            tokio::spawn(relay(client, server));
        }
    });
    format!("http://{address}").parse().expect("an origin")
}

async fn relay(client: TcpStream, server: TcpStream) -> std::io::Result<()> {
    let ((mut from_client, mut to_client), (mut from_server, mut to_server)) =
        (client.into_split(), server.into_split());
    tokio::spawn(async move {
        copy(&mut from_client, &mut to_server).await?;
        to_server.shutdown().await
    });
    let mut octets = vec![0; 64 * 1024];
    loop {
        let count = from_server.read(&mut octets).await?;
        if count == 0 {
            return to_client.shutdown().await;
        }
        if octets.starts_with(b"HTTP/1.1") {
            octets[7] = b'0';
        }
        to_client.write_all(&octets[..count]).await?;
    }
}

/// A proxy that wants a login, for tunnels too, and says this of its connections.
async fn proxy(offer: Offer, field: HeaderName, value: &'static str) -> Server {
    let says = Quirk::Field(field, HeaderValue::from_static(value));
    tunnelling(offer).quirk(proxy_support()).quirk(says).start().await.expect("a server")
}

fn builder_for_old_proxies() -> AuthenticatorBuilder {
    builder().dangerous_secrets_to_plain_http_proxies(true)
}

fn client(proxy: &Origin) -> HttpClient {
    let authenticator = builder_for_old_proxies().build();
    let proxies = Proxies::all(Proxy::new(proxy.clone()).credentials(alice()));
    Client::builder(authenticator).proxies(proxies).build_http()
}

fn to_site(method: &str, body: &'static str) -> http::Request<Full<Bytes>> {
    request(method, Uri::from_static("http://site.example/"), body)
}

/// A page through a tunnel.
async fn through_tunnel(proxy: &Origin) -> Result<String, Error> {
    let origin = server_of_three([]).start().await.expect("a server");
    let authenticator = builder()
        .proxy_credentials(proxy.clone(), alice())
        .dangerous_secrets_to_plain_http_proxies(true)
        .build();
    let tunnel = Tunnel::builder(proxy.clone(), authenticator.clone()).build_http();
    let client: Client<Full<Bytes>> = Client::with_connector(authenticator, tunnel);
    Ok(text(without_hanging(client.request(get(&origin, "/"))).await?).await)
}

fn legs(report: &Report) -> Vec<Vec<u16>> {
    report.connections().iter().map(statuses_on).collect()
}

#[tokio::test]
async fn each_scheme_logs_in_on_one_connection_that_stays_by_either_field() {
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    for (offer, login) in [
        (Offer::Ntlm, &[407, 407, 200][..]),
        (Offer::Negotiate, &[407, 407, 200]),
        (Offer::basic("the proxy"), &[407, 200]),
        (Offer::judged("Digest", digest), &[407, 200]),
    ] {
        for field in [CONNECTION, PROXY_CONNECTION] {
            let server = proxy(offer.clone(), field.clone(), "Keep-Alive").await;
            let client = client(&old(&server).await);
            for (method, body) in [("POST", "twelve bytes"), ("GET", ""), ("POST", "three")] {
                let page = fetch(&client, to_site(method, body)).await;
                assert!(page.ends_with(&format!("{} octets\n", body.len())), "{page}");
                settled(&client).await;
            }
            let expected = [login, &[200, 200]].concat();
            assert_eq!(legs(&server.report()), [expected], "{field}: {}", server.report());
            assert_eq!(server.report().misplaced(), 0, "{field}: {}", server.report());

            let server = proxy(offer.clone(), field.clone(), "Keep-Alive").await;
            through_tunnel(&old(&server).await).await.expect("a page");
            assert_eq!(legs(&server.report()), [login], "{field}: {}", server.report());
        }
    }
}

#[tokio::test]
async fn a_connection_that_does_not_stay_serves_no_second_leg() {
    for (field, value) in [(PROXY_CONNECTION, "close"), (HeaderName::from_static("x-none"), "keep-alive")] {
        let server = proxy(Offer::Ntlm, field.clone(), value).await;
        let address = old(&server).await;
        let error = client(&address).request(to_site("GET", "")).await.expect_err("no login");
        let closed = ErrorKind::NewConnectionNeeded(Renewal::ClosedInHandshake);
        assert_eq!(format!("{:?}", error.kind()), format!("{closed:?}"), "{field}");
        assert_eq!(error.proxy(), Some(&address));
        assert!(legs(&server.report()).iter().all(|legs| *legs == [407]), "{}", server.report());

        let error = through_tunnel(&address).await.expect_err("no tunnel");
        assert!(whole(&error).contains("closes the connection in the middle of the handshake"), "{error:?}");
        assert!(legs(&server.report()).iter().all(|legs| *legs == [407]), "{}", server.report());
    }
}

/// By HTTP/1.0 hyper leaves out content whose length is not declared, and says nothing of it.
#[tokio::test]
async fn content_of_unknown_length_arrives_whole_or_is_an_error() {
    let upload = |uri: Uri| http::Request::post(uri).body(Upload::of(3, 4)).expect("a request");
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    for (offer, is_tied) in [
        (None, false),
        (Some(Offer::basic("the proxy")), false),
        (Some(Offer::judged("Digest", digest)), false),
        (Some(Offer::Ntlm), true),
    ] {
        let builder = offer.map_or_else(|| server_of_three([]), tunnelling);
        let says = Quirk::Field(PROXY_CONNECTION, HeaderValue::from_static("keep-alive"));
        let server = builder.quirk(proxy_support()).quirk(says).start().await.expect("a server");
        let proxies = Proxies::all(Proxy::new(old(&server).await).credentials(alice()));
        let authenticator = builder_for_old_proxies().build();
        let client: Client<Upload> = Client::builder(authenticator).proxies(proxies).build_http();
        for _ in 0..3 {
            match without_hanging(client.request(upload(Uri::from_static("http://site.example/")))).await {
                Ok(response) => assert!(text(response).await.ends_with("12 octets\n"), "{}", server.report()),
                Err(error) => assert!(is_tied && whole(&error).contains("speaks HTTP/1.0"), "{error:?}"),
            }
        }
    }

    let says = Quirk::Field(CONNECTION, HeaderValue::from_static("keep-alive"));
    let server = server_of_three([]).quirk(says.clone()).start().await.expect("a server");
    let origin = old(&server).await;
    let uri: Uri = format!("{origin}/").parse().expect("a URI");
    let hyper: Client<Upload> = Client::builder(builder().build()).build_http();
    let settings = legacy::Client::builder(TokioExecutor::new());
    let legacy = Client::builder(builder().build()).build_legacy(settings, HttpConnector::new());
    for _ in 0..3 {
        let response = without_hanging(hyper.request(upload(uri.clone()))).await.expect("a response");
        assert!(text(response).await.ends_with("12 octets\n"), "{}", server.report());
        let response = without_hanging(legacy.request(upload(uri.clone()))).await.expect("a response");
        assert!(text(response).await.ends_with("12 octets\n"), "{}", server.report());
    }

    // Declared, it takes the connection that is there.
    let server = server_of_three([]).quirk(says).start().await.expect("a server");
    let uri: Uri = format!("{}/", old(&server).await).parse().expect("a URI");
    for _ in 0..3 {
        let mut declared = upload(uri.clone());
        declared.headers_mut().insert(CONTENT_LENGTH, HeaderValue::from_static("12"));
        let response = without_hanging(hyper.request(declared)).await.expect("a response");
        assert!(text(response).await.ends_with("12 octets\n"), "{}", server.report());
        settled(&hyper).await;
    }
    assert_eq!(legs(&server.report()), [[200; 3]], "{}", server.report());
}

/// It is no proxy, and the field is about some other connection.
#[tokio::test]
async fn an_origins_proxy_connection_keeps_and_ends_nothing() {
    let says = |value| Quirk::Field(PROXY_CONNECTION, HeaderValue::from_static(value));
    let server = crate::support::server([Offer::Ntlm]).quirk(says("close")).start().await.expect("a server");
    fetch(&crate::support::client(&server), get(&server, "/")).await;
    assert_eq!(legs(&server.report()), [[401, 401, 200]], "{}", server.report());

    let server =
        crate::support::server([Offer::Ntlm]).quirk(says("keep-alive")).start().await.expect("a server");
    let address = old(&server).await;
    let client = build(Client::builder(builder().credentials(address.clone(), carol()).build()));
    let uri = format!("{address}/").parse().expect("a URI");
    let error = client.request(request("GET", uri, "")).await.expect_err("no login");
    let closed = ErrorKind::NewConnectionNeeded(Renewal::ClosedInHandshake);
    assert_eq!(format!("{:?}", error.kind()), format!("{closed:?}"));
    assert_eq!(legs(&server.report()), [[401]; 4], "{}", server.report());
}

#[tokio::test]
async fn octets_right_behind_an_old_proxys_yes_belong_to_the_tunnel() {
    use tower::ServiceExt;

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy: Origin =
        format!("http://{}", listener.local_addr().expect("it listens")).parse().expect("an origin");
    let serving = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut head = [0; 4096];
        let _head = stream.read(&mut head).await.expect("a request");
        let early = "HTTP/1.0 407 no\r\nProxy-Connection: keep-alive\r\n\r\n".repeat(400);
        let yes = format!("HTTP/1.0 200 yes\r\nProxy-Connection: keep-alive\r\n\r\n{early}");
        stream.write_all(yes.as_bytes()).await.expect("it reads");
        early
    });
    let tunnel = Tunnel::builder(proxy, builder().build()).build_http();
    let tunnel =
        without_hanging(tunnel.oneshot(Uri::from_static("https://site.example"))).await.expect("a tunnel");
    let early = serving.await.expect("no panic");
    let mut read = String::new();
    let mut tunnel = hyper_util::rt::TokioIo::new(tunnel);
    without_hanging(tunnel.read_to_string(&mut read)).await.expect("octets");
    assert!(read == early, "{} octets of {}", read.len(), early.len());
}
