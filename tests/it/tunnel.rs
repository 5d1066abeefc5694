//! Tunnels by `CONNECT` through a proxy that challenges.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONNECTION, CONTENT_LENGTH, HOST, PROXY_AUTHORIZATION, TRANSFER_ENCODING, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Uri};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::client::proxy::{InvalidProxy, Proxy};
use legwork::client::tunnel::{Tunnel, TunnelBuilder, TunnelError, TunnelErrorKind};
use legwork::handshake::{AuthenticatorBuilder, Refusal, Renewal, Why};
use legwork::protection_space::Challenger;
use legwork::service::{BoxError, Error, ErrorKind};
use legwork::testing::{
    Close, DigestAcceptor, Gate, Offer, Quirk, RefusalBody, ScramAcceptor, Server, Users, When,
};
use legwork::{Client, Credentials, Origin};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::support::*;

type TunnelClient = Client<Full<Bytes>>;

async fn open_origin() -> Server {
    server_of_three([]).start().await.expect("a server")
}

/// Alice's password for the proxy.
fn at(proxy: &Server) -> AuthenticatorBuilder {
    builder().proxy_credentials(proxy.origin(), alice())
}

fn tunnels(proxy: &Server, authenticator: AuthenticatorBuilder) -> TunnelBuilder {
    Tunnel::builder(proxy.origin(), authenticator.build())
}

fn through(proxy: &Server, authenticator: AuthenticatorBuilder) -> TunnelClient {
    let authenticator = authenticator.build();
    let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
    Client::with_connector(authenticator, tunnel)
}

async fn page(client: &TunnelClient, request: Request<Full<Bytes>>) -> String {
    let response = without_hanging(client.request(request)).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await
}

/// What the connector says, which is what the client's error wraps.
async fn no_tunnel(tunnel: Tunnel<HttpConnector>, target: &str) -> TunnelError {
    let target: Uri = target.parse().expect("a URI");
    without_hanging(tunnel.oneshot(target)).await.expect_err("no tunnel")
}

fn of_the_proxy(error: &Error) -> &TunnelError {
    let ErrorKind::Connect(error) = error.kind() else { panic!("{error:?}") };
    error.downcast_ref().expect("the connector's error")
}

fn refused(error: &TunnelError) -> &Refusal {
    match error.kind() {
        TunnelErrorKind::Answered { status, refusal: Some(refusal), .. } if *status == 407 => refusal,
        kind => panic!("no refusal: {kind:?}"),
    }
}

fn renewal(error: &TunnelError) -> Renewal {
    match error.kind() {
        TunnelErrorKind::Failed(error) => match error.kind() {
            ErrorKind::NewConnectionNeeded(renewal) => *renewal,
            kind => panic!("{kind:?}"),
        },
        kind => panic!("{kind:?}"),
    }
}

/// Each scheme, and how many legs it takes at an unknown proxy and at a known one.
fn schemes() -> [(Offer, &'static [u16], &'static [u16]); 5] {
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    let scram = ScramAcceptor::new(Arc::new(Users::new().with("alice", "alice-pw")), "the proxy", [7; 32]);
    let scram = scram.reauthentication(None);
    [
        (Offer::basic("the proxy"), &[407, 200], &[200]),
        (Offer::judged("Digest", digest), &[407, 200], &[200]),
        (Offer::judged("SCRAM-SHA-256", scram), &[407, 407, 200], &[200]),
        (Offer::Ntlm, &[407, 407, 200], &[407, 200]),
        (Offer::Negotiate, &[407, 407, 200], &[407, 200]),
    ]
}

#[tokio::test]
async fn each_scheme_logs_in_on_one_connection_and_a_known_proxy_takes_a_leg_less() {
    for (offer, at_first, then) in schemes() {
        let (proxy, origin) =
            (tunnelling(offer.clone()).start().await.expect("a server"), open_origin().await);
        let client = through(&proxy, at(&proxy).dangerous_secrets_to_plain_http_proxies(true));
        for path in ["/1", "/2"] {
            page(&client, get(&origin, path)).await;
            settled(&client).await;
        }
        client.close_idle();
        page(&client, get(&origin, "/3")).await;

        let report = proxy.report();
        let [first, second] = report.connections() else { panic!("{offer:?}: {report}") };
        assert_eq!((statuses_on(first), statuses_on(second)), (at_first.to_vec(), then.to_vec()), "{report}");
        assert_eq!((report.misplaced(), report.refused()), (0, 0), "{report}");
        let authority = origin.address().to_string();
        for leg in report.legs() {
            assert_eq!((leg.method.as_str(), &leg.target), ("CONNECT", &authority), "{report}");
            assert_eq!(leg.headers["host"], authority, "{report}");
            assert_eq!(leg.content_length, None, "{report}");
            assert!(leg.authorization.is_none(), "{report}");
        }
        let inside = origin.report();
        assert_eq!(statuses(&inside), [200, 200, 200], "{inside}");
        assert!(inside.legs().all(|leg| leg.proxy_authorization.is_none()), "{inside}");
    }
}

#[tokio::test]
async fn proxy_and_origin_may_both_want_a_login() {
    for (outer, inner) in [
        (Offer::Ntlm, Offer::Ntlm),
        (Offer::Negotiate, Offer::Ntlm),
        (Offer::Ntlm, Offer::Negotiate),
        (Offer::Negotiate, Offer::Negotiate),
    ] {
        let proxy = tunnelling(outer).start().await.expect("a server");
        let origin = server_of_three([inner]).start().await.expect("a server");
        let client = through(&proxy, at(&proxy).credentials(origin.origin(), bob()));
        assert!(page(&client, get(&origin, "/")).await.starts_with("bob"));
        let (outside, inside) = (proxy.report(), origin.report());
        assert_eq!((statuses(&outside), statuses(&inside)), (vec![407, 407, 200], vec![401, 401, 200]));
        assert!(outside.legs().all(|leg| leg.authorization.is_none()), "{outside}");
        assert!(inside.legs().all(|leg| leg.proxy_authorization.is_none()), "{inside}");
    }
}

#[tokio::test]
async fn hyper_utils_own_client_goes_through_the_tunnel_too() {
    let (proxy, origin) = (tunnelling(Offer::Ntlm).start().await.expect("a server"), open_origin().await);
    let tunnel = tunnels(&proxy, at(&proxy)).build_http();
    let client: legacy::Client<_, Full<Bytes>> = legacy::Client::builder(TokioExecutor::new()).build(tunnel);
    for path in ["/1", "/2"] {
        let response = client.request(get(&origin, path)).await.expect("a response");
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.expect("a body");
    }
    let targets: Vec<_> = origin.report().legs().map(|leg| leg.target.clone()).collect();
    assert_eq!(targets, ["/1", "/2"], "inside, requests are as to the origin itself");
    assert!(proxy.report().legs().all(|leg| leg.method == "CONNECT"));
}

#[tokio::test]
async fn basic_goes_to_a_proxy_by_plain_http_only_if_asked_for_by_name() {
    let (proxy, origin) =
        (tunnelling(Offer::basic("x")).start().await.expect("a server"), open_origin().await);
    let client = through(&proxy, at(&proxy));
    let error = client.request(get(&origin, "/")).await.expect_err("no tunnel");
    let refusal = refused(of_the_proxy(&error));
    assert_eq!((refusal.challenger, &refusal.tried[0].why), (Challenger::Proxy, &Why::RevealsSecret));
    let report = proxy.report();
    assert!(report.legs().all(|leg| leg.proxy_authorization.is_none()), "{report}");
    assert_eq!(origin.report().connections().len(), 0);
}

#[tokio::test]
async fn an_origins_password_is_none_of_the_proxys() {
    let (proxy, origin) = (tunnelling(Offer::Ntlm).start().await.expect("a server"), open_origin().await);
    let not_at_the_proxy = builder()
        .credentials(proxy.origin(), carol())
        .credentials(origin.origin(), carol())
        .proxy_credentials(origin.origin(), carol());
    let error = through(&proxy, not_at_the_proxy).request(get(&origin, "/")).await.expect_err("no tunnel");
    assert_eq!(refused(of_the_proxy(&error)).tried[0].why, Why::NoCredentials);
    assert!(proxy.report().legs().all(|leg| leg.proxy_authorization.is_none()));
}

/// Over both clients that take a tunnel as their connector.
#[tokio::test]
async fn each_leg_of_connect_says_who_asks_and_carries_the_callers_fields() {
    let mut own = HeaderMap::new();
    own.insert(USER_AGENT, HeaderValue::from_static("Mozilla/5.0"));
    own.append("x-department", HeaderValue::from_static("storage"));
    own.append("x-department", HeaderValue::from_static("backup"));
    for (offer, legs, _) in schemes() {
        for own in [HeaderMap::new(), own.clone()] {
            let (proxy, origin) =
                (tunnelling(offer.clone()).start().await.expect("a server"), open_origin().await);
            let authenticator = at(&proxy).dangerous_secrets_to_plain_http_proxies(true).build();
            let tunnel = || {
                let builder = Tunnel::builder(proxy.origin(), authenticator.clone());
                builder.connect_fields(own.clone()).expect("fields").build_http()
            };
            let hyper: TunnelClient = Client::with_connector(authenticator.clone(), tunnel());
            page(&hyper, get(&origin, "/")).await;
            let legacy = Client::builder(authenticator.clone())
                .build_legacy(legacy::Client::builder(TokioExecutor::new()), tunnel());
            let response = without_hanging(legacy.request(get(&origin, "/"))).await.expect("a response");
            assert_eq!(response.status(), 200);

            let mut expected = own.clone();
            expected.entry(USER_AGENT).or_insert(OUR_USER_AGENT);
            expected.insert(HOST, origin.origin().to_string()["http://".len()..].parse().expect("a value"));
            let report = proxy.report();
            assert!(report.legs().count() > legs.len(), "both clients: {report}");
            for leg in report.legs() {
                assert_eq!(
                    (leg.method.as_str(), &leg.headers),
                    ("CONNECT", &expected),
                    "{offer:?}: {report}"
                );
            }
            for leg in origin.report().legs() {
                let inside = [USER_AGENT.as_str(), "x-department"].map(|name| leg.headers.get(name));
                assert_eq!(inside, [None, None], "{}", origin.report());
            }
        }
    }
}

#[tokio::test]
async fn fields_that_would_break_connect_are_refused_when_they_are_set() {
    let proxy: Origin = "http://proxy.example:3128".parse().expect("an origin");
    for name in [AUTHORIZATION, PROXY_AUTHORIZATION, HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING] {
        let fields = || HeaderMap::from_iter([(name.clone(), HeaderValue::from_static("s3cret"))]);
        let of_tunnel = Tunnel::builder(proxy.clone(), builder().build()).connect_fields(fields());
        let of_proxy = Proxy::new(proxy.clone()).connect_fields(fields());
        for error in [of_tunnel.expect_err("not the caller's"), of_proxy.expect_err("not the caller's")] {
            assert!(
                matches!(&error, InvalidProxy::ConnectField { name: found, .. } if found == name),
                "{error:?}"
            );
            assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_proxy_brings_its_user_and_its_fields_along() {
    let (proxy, origin) = (tunnelling(Offer::Ntlm).start().await.expect("a server"), open_origin().await);
    let fields = HeaderMap::from_iter([(USER_AGENT, HeaderValue::from_static("backup/2.1"))]);
    let alices = Proxy::new(proxy.origin()).credentials(alice()).connect_fields(fields).expect("fields");
    // Whom the authenticator has is somebody else.
    let other = builder().proxy_credentials(proxy.origin(), Credentials::password("bob", "bob-pw")).build();
    let client: TunnelClient =
        Client::with_connector(other.clone(), Tunnel::through(&alices, other).build_http());
    page(&client, get(&origin, "/")).await;
    let report = proxy.report();
    assert_eq!((report.handshakes(), report.refused()), (1, 0), "{report}");
    assert!(report.legs().all(|leg| leg.headers[USER_AGENT] == "backup/2.1"), "{report}");
}

// px 234
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_by_64_tasks() {
    for (offer, ..) in schemes() {
        let (proxy, origin) = (tunnelling(offer).start().await.expect("a server"), open_origin().await);
        let wrong = Credentials::password("alice", "wrong-pw");
        let authenticator = builder().proxy_credentials(proxy.origin(), wrong);
        let client = through(&proxy, authenticator.dangerous_secrets_to_plain_http_proxies(true));
        let mut tasks = JoinSet::new();
        for _ in 0..64 {
            let (client, request) = (client.clone(), get(&origin, "/"));
            tasks.spawn(async move {
                let error = client.request(request).await.expect_err("no tunnel");
                let text = whole(&error);
                assert!(text.contains("407") && text.contains("refused"), "{text}");
                assert!(!text.contains("wrong-pw") && !format!("{error:?}").contains("wrong-pw"), "{text}");
                refused(of_the_proxy(&error));
            });
        }
        without_hanging(tasks.join_all()).await;
        assert_eq!(proxy.report().attempts(), 1, "{}", proxy.report());
        assert_eq!(origin.report().connections().len(), 0);
    }
}

// go-ntlmssp, sonar-golc 109
#[tokio::test(flavor = "multi_thread")]
async fn no_leg_of_32_tunnels_goes_astray() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let origin = Arc::new(server([Offer::Ntlm]).start().await.expect("a server"));
    let authenticator = at(&proxy).credentials(origin.origin(), carol()).build();
    let tunnel = Tunnel::builder(proxy.origin(), authenticator.clone()).build_http();
    let client: TunnelClient = Client::builder(authenticator).max_per_origin(32).build(tunnel);
    let mut tasks = JoinSet::new();
    for _ in 0..256 {
        let (client, origin) = (client.clone(), Arc::clone(&origin));
        tasks.spawn(async move { page(&client, get(&origin, "/")).await });
    }
    without_hanging(tasks.join_all()).await;
    for report in [proxy.report(), origin.report()] {
        let connections = report.connections().len();
        assert!(connections <= 32, "{report}");
        assert_eq!((report.misplaced(), report.refused(), report.handshakes()), (0, 0, connections));
    }
}

// Firefox, Chromium
#[tokio::test]
async fn a_407_from_inside_a_tunnel_is_delivered_and_not_answered() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let challenge = HeaderValue::from_static("NTLM");
    let origin = server_of_three([])
        .quirk(Quirk::Field(HeaderName::from_static("proxy-authenticate"), challenge))
        .start()
        .await
        .expect("a server");
    let client = through(&proxy, at(&proxy));
    let response = client.request(get(&origin, "/status/407")).await.expect("a response");
    assert_eq!(response.status(), 407);
    text(response).await;
    let inside = origin.report();
    assert_eq!(statuses(&inside), [407], "{inside}");
    assert!(inside.legs().all(|leg| leg.proxy_authorization.is_none()), "{inside}");
}

#[tokio::test]
async fn bodies_of_challenges_are_read_up_to_a_limit() {
    for (body, connections) in
        [(RefusalBody::Large(32 << 10), 1), (RefusalBody::Large(1 << 20), 2), (RefusalBody::Endless, 2)]
    {
        let odd = Quirk::RefusalBody(body.clone());
        let proxy = tunnelling(Offer::Ntlm).quirk_when(When::leg(1).connections(..=1), odd).start().await;
        let (proxy, origin) = (proxy.expect("a server"), open_origin().await);
        page(&through(&proxy, at(&proxy)), get(&origin, "/")).await;
        assert_eq!(proxy.report().connections().len(), connections, "{body:?}: {}", proxy.report());
    }
}

#[tokio::test]
async fn a_proxy_whose_challenges_never_end_is_given_up() {
    for body in [RefusalBody::Large(1 << 20), RefusalBody::Endless] {
        let proxy = tunnelling(Offer::Ntlm).quirk(Quirk::RefusalBody(body)).start().await.expect("a server");
        let error = no_tunnel(tunnels(&proxy, at(&proxy)).build_http(), "http://site.example").await;
        assert_eq!(renewal(&error), Renewal::LongAnswer);
        assert_eq!(proxy.report().connections().len(), 4, "three anew: {}", proxy.report());
    }
}

#[tokio::test]
async fn a_connection_that_ends_with_a_leg_is_replaced() {
    for close in [
        Quirk::Close(Close::Announced),
        Quirk::Close(Close::Unannounced),
        Quirk::Close(Close::WithoutAnswer),
        Quirk::Http10,
    ] {
        for leg in [1, 2] {
            let proxy = tunnelling(Offer::Ntlm).quirk_when(When::leg(leg).connections(..=1), close.clone());
            let (proxy, origin) = (proxy.start().await.expect("a server"), open_origin().await);
            let client = through(&proxy, at(&proxy));
            let result = without_hanging(client.request(get(&origin, "/"))).await;
            let report = proxy.report();
            if (leg, report.connections().len()) == (1, 1) {
                // Nothing was answered on a new connection: not sent twice.
                assert!(matches!(close, Quirk::Close(Close::WithoutAnswer)), "{close:?}: {report}");
                result.expect_err("no tunnel");
                continue;
            }
            assert_eq!(result.expect("a response").status(), 200, "{close:?} {leg}: {report}");
            assert_eq!((report.connections().len(), report.misplaced()), (2, 0), "{close:?} {leg}: {report}");
        }
    }
}

#[tokio::test]
async fn a_proxy_that_never_keeps_a_connection_is_given_up_with_the_cause() {
    for close in [Quirk::Close(Close::Announced), Quirk::Close(Close::Unannounced), Quirk::Http10] {
        let proxy = tunnelling(Offer::Ntlm).quirk(close.clone()).start().await.expect("a server");
        let error = no_tunnel(tunnels(&proxy, at(&proxy)).build_http(), "http://site.example").await;
        assert_eq!(renewal(&error), Renewal::ClosedInHandshake, "{close:?}");
        let cause = std::error::Error::source(&error).expect("a cause").to_string();
        assert!(cause.contains("in the middle of the handshake"), "{cause}");
        assert!(proxy.report().connections().len() <= 5, "{close:?}: {}", proxy.report());
    }
}

#[tokio::test]
async fn dropping_the_connecting_future_closes_the_connection_to_the_proxy() {
    for leg in [1, 2, 3] {
        let gate = Gate::closed();
        let proxy = tunnelling(Offer::Ntlm).quirk_when(When::leg(leg), Quirk::HeldBy(gate.clone()));
        let proxy = proxy.start().await.expect("a server");
        let tunnel = tunnels(&proxy, at(&proxy)).build_http();
        let connecting = tokio::spawn(tunnel.oneshot("http://127.0.0.1:1/".parse::<Uri>().expect("a URI")));
        without_hanging(gate.held(1)).await;
        connecting.abort();
        let report = without_hanging(proxy.wait_for(|report| report.open() == 0)).await;
        assert_eq!(report.connections().len(), 1, "{report}");
    }
}

#[tokio::test]
async fn dropping_a_request_whose_tunnel_is_being_opened_frees_its_place() {
    let gate = Gate::closed();
    let proxy =
        tunnelling(Offer::Ntlm).quirk_when(When::leg(2).connections(..=1), Quirk::HeldBy(gate.clone()));
    let (proxy, origin) = (proxy.start().await.expect("a server"), open_origin().await);
    let client = through(&proxy, at(&proxy));
    let dropped = tokio::spawn(client.request(get(&origin, "/dropped")));
    without_hanging(gate.held(1)).await;
    dropped.abort();
    without_hanging(proxy.wait_for(|report| report.open() == 0)).await;
    assert_eq!(client.connections(), (0, 0));
    page(&client, get(&origin, "/")).await;
    assert_eq!(statuses(&origin.report()), [200], "{}", origin.report());
}

#[tokio::test]
async fn a_tunnel_that_is_dropped_closes_both_connections() {
    let (proxy, origin) = (tunnelling(Offer::Ntlm).start().await.expect("a server"), open_origin().await);
    let client = through(&proxy, at(&proxy));
    page(&client, get(&origin, "/")).await;
    settled(&client).await;
    assert_eq!((proxy.report().open(), origin.report().open()), (1, 1));
    client.close_idle();
    for server in [&proxy, &origin] {
        without_hanging(server.wait_for(|report| report.open() == 0)).await;
    }
}

#[tokio::test]
async fn a_tunnel_is_given_up_after_its_time() {
    let gate = Gate::closed();
    let proxy = tunnelling(Offer::Ntlm).quirk(Quirk::HeldBy(gate.clone())).start().await.expect("a server");
    let timeout = Duration::from_millis(50);
    let tunnel = tunnels(&proxy, at(&proxy)).timeout(timeout).build_http();
    let error = no_tunnel(tunnel, "http://site.example").await;
    assert!(matches!(error.kind(), TunnelErrorKind::Timeout(after) if *after == timeout), "{error}");
    without_hanging(proxy.wait_for(|report| report.open() == 0)).await;
}

#[tokio::test]
async fn an_unreachable_proxy_and_an_unreachable_origin_are_told_apart() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    let error = no_tunnel(tunnels(&proxy, at(&proxy)).build_http(), "https://127.0.0.1:1").await;
    let text =
        format!("no tunnel to 127.0.0.1:1 through {}: the proxy answered 502 Bad Gateway", proxy.origin());
    assert_eq!(error.to_string(), text);

    let nobody: Origin = "http://127.0.0.1:1".parse().expect("an origin");
    let tunnel = Tunnel::builder(nobody, builder().build()).build_http();
    let error = no_tunnel(tunnel, "https://site.example").await;
    assert!(matches!(error.kind(), TunnelErrorKind::Unreachable(_)), "{error:?}");
    let text = "no tunnel to site.example:443 through http://127.0.0.1:1: the proxy cannot be reached";
    assert_eq!(error.to_string(), text);
}

#[tokio::test]
async fn a_target_that_is_no_origin_reaches_no_proxy() {
    let proxy = tunnelling(Offer::Ntlm).start().await.expect("a server");
    for target in ["/path", "ftp://files.example/"] {
        let error = no_tunnel(tunnels(&proxy, at(&proxy)).build_http(), target).await;
        assert!(matches!(error.kind(), TunnelErrorKind::Target(_)), "{error:?}");
    }
    assert_eq!(proxy.report().connections().len(), 0);
}

/// A proxy that answers each connection's first request with these octets, and then echoes. Gives
/// the request's head.
async fn scripted(answer: &'static [u8]) -> (Origin, tokio::sync::mpsc::UnboundedReceiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let origin = format!("http://{}", listener.local_addr().expect("it listens")).parse().expect("an origin");
    let (heads, seen) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let head = head(&mut stream).await;
            let _ = heads.send(head);
            let _ = stream.write_all(answer).await;
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                tokio::io::copy(&mut read, &mut write).await
            });
        }
    });
    (origin, seen)
}

async fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read_u8().await {
            Ok(octet) => head.push(octet),
            Err(_) => break,
        }
    }
    String::from_utf8(head).expect("UTF-8")
}

/// A tunnel as tokio sees a connection.
async fn tunnel_by(
    proxy: Origin,
    target: &str,
) -> Result<impl AsyncReadExt + AsyncWriteExt + Unpin, BoxError> {
    let tunnel = Tunnel::builder(proxy, builder().build()).build_http();
    let target: Uri = target.parse().expect("a URI");
    Ok(hyper_util::rt::TokioIo::new(without_hanging(tunnel.oneshot(target)).await?))
}

#[tokio::test]
async fn the_port_is_always_written_and_host_says_the_same() {
    let (proxy, mut heads) = scripted(b"HTTP/1.1 200 OK\r\n\r\n").await;
    for (target, authority) in [
        ("http://Site.example/path?query", "site.example:80"),
        ("https://site.example", "site.example:443"),
        ("https://user:secret@site.example:8443/", "site.example:8443"),
        ("https://[::1]/", "[::1]:443"),
    ] {
        tunnel_by(proxy.clone(), target).await.expect("a tunnel");
        let head = heads.recv().await.expect("a request");
        let agent = OUR_USER_AGENT.to_str().expect("ASCII").to_owned();
        let expected =
            format!("CONNECT {authority} HTTP/1.1\r\nhost: {authority}\r\nuser-agent: {agent}\r\n\r\n");
        assert_eq!(head, expected);
    }
}

#[tokio::test]
async fn octets_behind_the_answer_belong_to_the_tunnel() {
    for answer in [
        &b"HTTP/1.1 200 Connection established\r\n\r\nearly"[..],
        b"HTTP/1.0 200 Connection established\r\nProxy-Agent: old\r\n\r\nearly",
        b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nearly",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nearly",
        b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nearly",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 201 Opened\r\n\r\nearly",
    ] {
        let (proxy, _heads) = scripted(answer).await;
        let answer = String::from_utf8_lossy(answer);
        let mut tunnel = tunnel_by(proxy, "https://site.example").await.expect(&answer);
        tunnel.write_all(b", later").await.expect(&answer);
        let mut octets = [0; 12];
        without_hanging(tunnel.read_exact(&mut octets)).await.expect(&answer);
        assert_eq!(&octets, b"early, later", "{answer}");
    }
}

#[tokio::test]
async fn an_error_page_of_the_proxy_is_an_error_and_never_the_origins_page() {
    let (proxy, _heads) = scripted(b"HTTP/1.1 503 No route\r\nContent-Length: 9\r\n\r\nsome page").await;
    let authenticator = builder().build();
    let tunnel = Tunnel::builder(proxy, authenticator.clone()).build_http();
    let client: TunnelClient = Client::with_connector(authenticator, tunnel);
    let uri = "http://site.example/".parse().expect("a URI");
    let error = without_hanging(client.get(uri)).await.expect_err("no response");
    let tunnel = of_the_proxy(&error);
    let TunnelErrorKind::Answered { status, reason, refusal, .. } = tunnel.kind() else {
        panic!("{error:?}")
    };
    assert_eq!((status.as_u16(), reason.as_str(), refusal), (503, "No route", &None));
    assert!(!whole(&error).contains("some page"), "{error:?}");
}

#[tokio::test]
async fn other_answers_are_errors_too() {
    for (answer, says) in [
        (&b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n"[..], "401"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://elsewhere.example/\r\n\r\n", "302"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", ""),
        (b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n", "407"),
        (b"HTTP/1.1 407 x\r\nProxy-Authenticate: \xff\x00,,==\r\nContent-Length: 0\r\n\r\n", ""),
        (b"HTTP/1.1 407 x\r\nProxy-Authenticate: NTLM !!\r\nContent-Length: 0\r\n\r\n", "407"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (b"\x16\x03\x01\x00\x05garbage", ""),
        (b"HTTP/1.1 2000 OK\r\n\r\n", ""),
    ] {
        let (proxy, _heads) = scripted(answer).await;
        let authenticator = builder()
            .credentials(proxy.clone(), carol())
            .proxy_credentials(proxy.clone(), carol())
            .credentials("https://site.example".parse().expect("an origin"), carol());
        let tunnel =
            Tunnel::builder(proxy, authenticator.build()).timeout(Duration::from_secs(20)).build_http();
        let error = no_tunnel(tunnel, "https://site.example").await;
        assert!(!matches!(error.kind(), TunnelErrorKind::Timeout(_)), "{says}: {error:?}");
        assert!(error.to_string().contains(says), "{error}");
    }
}

#[tokio::test]
async fn what_a_proxy_says_is_kept_up_to_a_limit() {
    let answer = format!("HTTP/1.1 403 {}\r\nContent-Length: 0\r\n\r\n", "no ".repeat(1_000));
    let (proxy, _heads) = scripted(answer.leak().as_bytes()).await;
    let tunnel = Tunnel::builder(proxy, builder().build()).build_http();
    let error = no_tunnel(tunnel, "https://site.example").await;
    let TunnelErrorKind::Answered { reason, .. } = error.kind() else { panic!("{error:?}") };
    assert_eq!(reason.len(), 256);
}

/// A proxy that answers one request with these octets over and over.
async fn flooding(begin: &'static [u8], more: &'static [u8]) -> Origin {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let proxy = format!("http://{}", listener.local_addr().expect("it listens")).parse().expect("an origin");
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        head(&mut stream).await;
        let _ = stream.write_all(begin).await;
        while stream.write_all(more).await.is_ok() {}
    });
    proxy
}

#[tokio::test]
async fn a_head_without_end_is_not_read_for_ever() {
    for (begin, more) in [
        (&b"HTTP/1.1 200 OK\r\nx: "[..], &[b'x'; 4096][..]),
        (b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
        (b"HTTP/1.1 200 ", b"OK"),
    ] {
        let proxy = flooding(begin, more).await;
        let tunnel = Tunnel::builder(proxy, builder().build()).build_http();
        let error = no_tunnel(tunnel, "https://site.example").await;
        assert!(matches!(error.kind(), TunnelErrorKind::Failed(_)), "{error:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn interim_answers_without_end_are_given_up_in_time() {
    let proxy = flooding(b"", b"HTTP/1.1 100 Continue\r\n\r\n").await;
    let timeout = Duration::from_millis(200);
    let tunnel = Tunnel::builder(proxy, builder().build()).timeout(timeout).build_http();
    let error = no_tunnel(tunnel, "https://site.example").await;
    assert!(matches!(error.kind(), TunnelErrorKind::Timeout(_)), "{error:?}");
}
