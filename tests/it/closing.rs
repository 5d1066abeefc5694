//! Connections that end where a handshake would go on, and those that were found dead.

use std::future::{Ready, ready};
use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Uri};
use http_body::{Body, Frame};
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::{Connected, Connection};
use hyper_util::rt::{TokioExecutor, TokioIo};
use legwork::client::ClientBuilder;
use legwork::handshake::Renewal;
use legwork::service::ErrorKind;
use legwork::testing::{Close, Offer, Quirk, When};
use legwork::unversioned::testing::Persistence;
use legwork::{Client, Credentials};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};
use tokio::sync::oneshot;
use tower::Service;

use crate::support::*;

// curl "Connection closure while negotiating"
#[tokio::test]
async fn connection_close_on_the_first_401_takes_a_new_connection() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Close(Close::Unannounced), Quirk::Http10] {
        for (method, body) in [("GET", ""), ("POST", "twelve bytes")] {
            let server = server([Offer::Negotiate])
                .quirk_when(When::leg(1).connections(..=1), quirk.clone())
                .start()
                .await
                .expect("a server");
            let client = client(&server);
            fetch(&client, request(method, server.uri("/"), body)).await;
            let report = server.report();
            assert_eq!(statuses_on(&report.connections()[0]), [401], "{quirk:?}: {report}");
            // What the origin wants is known by now: the second connection begins with a token.
            assert_eq!(statuses_on(&report.connections()[1]), [401, 200], "{quirk:?}: {report}");
            assert_eq!(report.misplaced(), 0);
        }
    }
}

// curl "Connection closure while negotiating"
#[tokio::test]
async fn a_connection_closed_in_mid_handshake_starts_over() {
    for close in [Close::Announced, Close::Unannounced, Close::WithoutAnswer] {
        for (method, body) in [("GET", ""), ("POST", "twelve bytes"), ("POST", "")] {
            let server = server([Offer::Ntlm])
                .quirk_when(When::leg(2).connections(..=1), Quirk::Close(close))
                .start()
                .await
                .expect("a server");
            let client = client(&server);
            let what = format!("{close:?}, {method} {body}");
            let response = client.request(request(method, server.uri("/"), body)).await;
            assert_eq!(
                response.map(|response| response.status().as_u16()).map_err(|error| whole(&error)),
                Ok(200),
                "{what}: {}",
                server.report()
            );
            let report = server.report();
            assert_eq!(report.connections().len(), 2, "{what}: {report}");
            assert_eq!((report.handshakes(), report.misplaced()), (1, 0), "{what}: {report}");
        }
    }
}

// curl "Connection closure while negotiating"
#[tokio::test]
async fn a_server_that_always_closes_in_mid_handshake_ends_in_an_error_that_says_so() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Http10, Quirk::Close(Close::WithoutAnswer)] {
        let server = server([Offer::Ntlm])
            .quirk_when(When::leg(1), quirk.clone())
            .quirk_when(When::legs(2..), quirk.clone())
            .start()
            .await
            .expect("a server");
        let authenticator =
            authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme").build();
        let client = build(Client::builder(authenticator));
        let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("no keep-alive");
        let report = server.report();
        match quirk {
            // The very first leg got no answer, which is no handshake yet: nor did the bare request.
            Quirk::Close(Close::WithoutAnswer) => {
                assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
                let spoke: Vec<_> = report.legs().map(|leg| leg.authorization.is_some()).collect();
                assert_eq!((spoke, report.connections().len()), (vec![true, false], 2), "{report}");
            }
            _ => {
                let closed = Renewal::ClosedInHandshake;
                let says_so = matches!(error.kind(), ErrorKind::NewConnectionNeeded(why) if *why == closed);
                assert!(says_so, "{error:?}");
                assert!(whole(&error).contains("in the middle of the handshake"));
                assert_eq!(report.connections().len(), 4, "three restarts: {report}");
            }
        }
        assert_eq!(client.connections(), (0, 0));
    }
}

// px 234
#[tokio::test]
async fn a_wrong_password_is_tried_once_more_at_the_most_where_the_server_hangs_up_on_it() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer])
            .quirk_when(When::leg(3), Quirk::Close(Close::WithoutAnswer))
            .quirk_when(When::leg(2).connections(2..), Quirk::Close(Close::WithoutAnswer))
            .start()
            .await
            .expect("a server");
        let wrong = Credentials::password(USER, "wrong-pw");
        let authenticator = builder().credentials(server.origin(), wrong).build();
        let client = build(Client::builder(authenticator));
        let error = without_hanging(client.request(get(&server, "/"))).await.expect_err("no answer");
        assert!(server.report().attempts() <= 2, "{}", server.report());
        assert!(whole(&error).contains("in the middle of the handshake"), "{error}");
    }
}

#[tokio::test]
async fn a_proven_login_lost_with_its_last_leg_starts_over() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(2).connections(2..=2), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    client.close_idle();
    fetch(&client, get(&server, "/")).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 3, "{report}");
    assert_eq!(statuses_on(&report.connections()[1]), [401, 0]);
    assert_eq!(statuses_on(&report.connections()[2]), [401, 200]);
}

// keep-alive race
#[tokio::test]
async fn an_idle_connection_that_the_server_closed_costs_the_caller_nothing() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    for round in 0..20 {
        let method = if round % 2 == 0 { "GET" } else { "PUT" };
        fetch(&client, request(method, server.uri("/"), "")).await;
        server.close_idle();
        if round % 4 < 2 {
            without_hanging(server.wait_for(|report| report.open() == 0)).await;
        }
    }
    assert_eq!(server.report().misplaced(), 0);
}

// keep-alive race
#[tokio::test]
async fn a_post_is_sent_once_on_a_connection_that_was_found_closed() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    server.close_idle();
    without_hanging(server.wait_for(|report| report.open() == 0)).await;
    fetch(&client, request("POST", server.uri("/post"), "body")).await;
    let report = server.report();
    let posts = report.legs().filter(|leg| leg.target == "/post" && leg.body_octets > 0).count();
    assert_eq!(posts, 1, "{report}");
}

// keep-alive race
#[tokio::test]
async fn an_idempotent_request_that_got_no_answer_is_retried_once() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(4).connections(..=1), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    fetch(&client, get(&server, "/again")).await;
    let report = server.report();
    assert_eq!(statuses_on(&report.connections()[0]), [401, 401, 200, 0], "{report}");
    assert_eq!(statuses_on(&report.connections()[1]), [401, 200], "{report}");
}

// keep-alive race
#[tokio::test]
async fn a_retry_does_not_go_to_another_connection_that_may_be_as_dead() {
    let gate = legwork::testing::Gate::closed();
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/held"), Quirk::HeldBy(gate.clone()))
        .quirk_when(When::path("/again").connections(..=3), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    let held: Vec<_> = (0..3).map(|_| tokio::spawn(client.request(get(&server, "/held")))).collect();
    without_hanging(gate.held(3)).await;
    gate.open();
    for held in held {
        text(held.await.expect("no panic").expect("a response")).await;
    }
    assert_eq!(settled(&client).await, 3);
    fetch(&client, get(&server, "/again")).await;
    let report = server.report();
    assert_eq!(report.connections().len(), 4, "{report}");
}

// keep-alive race
#[tokio::test]
async fn a_post_that_got_no_answer_is_an_error_and_is_not_sent_twice() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/post"), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    let error = client.request(request("POST", server.uri("/post"), "body")).await.expect_err("no answer");
    assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
    let report = server.report();
    assert_eq!(report.legs().filter(|leg| leg.target == "/post").count(), 1, "{report}");
    fetch(&client, get(&server, "/")).await;
}

#[tokio::test]
async fn a_first_request_without_an_answer_is_not_retried() {
    let server =
        server([Offer::Ntlm]).quirk(Quirk::Close(Close::WithoutAnswer)).start().await.expect("a server");
    let error = client(&server).request(get(&server, "/")).await.expect_err("no answer");
    assert!(matches!(error.kind(), ErrorKind::Connection(_)), "{error:?}");
    assert_eq!(server.report().legs().count(), 1);
}

// IIS
#[tokio::test]
async fn persistent_auth_false_starts_a_fresh_handshake_for_the_next_request() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server =
            server([offer]).quirk(Quirk::Persistence(Persistence::Denied)).start().await.expect("a server");
        let client = client(&server);
        for _ in 0..3 {
            fetch(&client, get(&server, "/")).await;
        }
        let report = server.report();
        assert_eq!(report.connections().len(), 1, "{report}");
        assert_eq!(statuses(&report), [401, 401, 200, 401, 200, 401, 200], "{report}");
    }
}

// IIS
#[tokio::test]
async fn a_401_on_an_authenticated_connection_starts_a_fresh_handshake_once() {
    for (method, body) in [("GET", ""), ("POST", "twelve bytes")] {
        let server = server([Offer::Ntlm])
            .quirk(Quirk::Persistence(Persistence::Forgotten))
            .start()
            .await
            .expect("a server");
        let client = client(&server);
        fetch(&client, get(&server, "/")).await;
        fetch(&client, request(method, server.uri("/"), body)).await;
        let report = server.report();
        assert_eq!(statuses(&report), [401, 401, 200, 401, 401, 200], "{report}");
        assert_eq!(report.connections().len(), 1, "{report}");
    }
}

// httpx-ntlm 11
#[tokio::test]
async fn an_authenticated_connection_is_not_authenticated_again() {
    for offer in [Offer::Ntlm, Offer::Negotiate] {
        let server = server([offer]).start().await.expect("a server");
        let client = client(&server);
        for _ in 0..10 {
            fetch(&client, get(&server, "/")).await;
        }
        let report = server.report();
        assert_eq!((report.connections().len(), report.handshakes(), report.legs().count()), (1, 1, 12));
        assert!(report.legs().skip(3).all(|leg| leg.authorization.is_none()));
    }
}

// requests-kerberos 95
#[tokio::test]
async fn the_security_context_is_continued_on_the_second_401() {
    // A rebuilt context would send another first message instead of the third.
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    fetch(&client(&server), get(&server, "/")).await;
    let report = server.report();
    let begins: Vec<_> =
        report.legs().map(|leg| leg.authorization.as_ref().map(|seen| seen.token.begins())).collect();
    assert_eq!(begins, [None, Some(true), Some(false)], "{report}");
}

#[tokio::test]
async fn a_connection_that_closes_behind_the_page_is_not_used_again() {
    for quirk in [Quirk::Close(Close::Announced), Quirk::Close(Close::Unannounced), Quirk::Http10] {
        let server = server([Offer::Ntlm]).quirk_when(When::leg(3), quirk).start().await.expect("a server");
        let client = client(&server);
        for _ in 0..3 {
            fetch(&client, get(&server, "/")).await;
        }
        assert_eq!(server.report().misplaced(), 0);
    }
}

#[tokio::test]
async fn a_callers_own_connection_close_goes_with_the_last_leg_alone() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let mut request = get(&server, "/");
    request.headers_mut().insert("connection", http::HeaderValue::from_static("close"));
    let response = client.request(request).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    let report = server.report();
    let closing: Vec<bool> = report.legs().map(|leg| leg.headers.contains_key("connection")).collect();
    assert_eq!(closing, [true, false, true], "the bare request, then a handshake on a new connection");
    assert_eq!(report.connections().len(), 2);
}

// Found in virtual time (`fuzz/src/client`): hyper waits for as long as such a server keeps the connection.
#[tokio::test]
async fn one_whose_server_reads_no_more_ends_with_its_request() {
    for build in [
        |builder: ClientBuilder, one: One| builder.build(one),
        |builder: ClientBuilder, one: One| {
            builder.build_legacy(legacy::Client::builder(TokioExecutor::new()), one)
        },
    ] {
        let (client_end, mut server_end) = duplex(1_024);
        let (dropped, is_dropped) = oneshot::channel();
        let connector = One(Arc::new(Mutex::new(Some(Told { stream: client_end, _dropped: dropped }))));
        let client: Client<Octets> = build(Client::builder(builder().build()), connector);
        let upload = Request::post("http://site.example/").body(Octets).expect("a request");
        let asking = tokio::spawn(client.request(upload));

        let mut read = Vec::new();
        while !read.ends_with(b"\r\n\r\n") {
            read.push(server_end.read_u8().await.expect("a head"));
        }
        // More of the body than is kept, and nothing after that.
        server_end.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.expect("it is read");
        server_end.read_exact(&mut vec![0; 80_000]).await.expect("a body");
        let refusal = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic\r\nContent-Length: 9000\r\n\r\n";
        server_end.write_all(refusal.as_bytes()).await.expect("it is read");
        drop(without_hanging(asking).await.expect("no panic"));

        let _ = without_hanging(is_dropped).await;
        assert_eq!(client.connections(), (0, 0));
        drop(server_end);
    }
}

/// Content without end.
struct Octets;

impl Body for Octets {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'x'; 1_000])))))
    }
}

/// A connector of one connection.
#[derive(Clone)]
struct One(Arc<Mutex<Option<Told>>>);

impl Service<Uri> for One {
    type Response = TokioIo<Told>;
    type Error = io::Error;
    type Future = Ready<io::Result<TokioIo<Told>>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let stream = self.0.lock().expect("no panic").take();
        ready(stream.map(TokioIo::new).ok_or_else(|| io::ErrorKind::ConnectionRefused.into()))
    }
}

/// A client's end of a connection, which tells when it is dropped.
struct Told {
    stream: DuplexStream,
    _dropped: oneshot::Sender<()>,
}

impl Connection for Told {
    fn connected(&self) -> Connected {
        Connected::new()
    }
}

impl AsyncRead for Told {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Told {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, octets: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, octets)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
