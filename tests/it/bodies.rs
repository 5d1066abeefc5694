//! The request's body across the legs.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http::header::CONTENT_LENGTH;
use http_body::{Body, Frame};
use http_body_util::Full;
use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use legwork::Client;
use legwork::handshake::HandshakeError;
use legwork::service::ErrorKind;
use legwork::testing::{Close, Offer, Quirk, RefusalBody, Server, When};
use legwork::unversioned::testing::Persistence;
use tokio::sync::oneshot;

use crate::support::*;

const MEGABYTE: u64 = 1 << 20;

type Uploader = Client<Upload>;

fn uploader(server: &Server) -> Uploader {
    Client::builder(authenticator(server).build()).build_http()
}

fn upload(server: &Server, body: Upload) -> Request<Upload> {
    Request::post(server.uri("/upload")).body(body).expect("a request")
}

/// 100 MB in chunks of 64 KiB.
fn large() -> Upload {
    Upload::of(1600, 64 << 10)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_to_a_declared_origin_goes_over_the_wire_once() {
    let server = server([Offer::Negotiate]).start().await.expect("a server");
    let authenticator =
        authenticator(&server).declare(server.origin(), "Negotiate").expect("a known scheme").build();
    let client: Uploader = Client::builder(authenticator).build_http();
    let body = large();
    let alive = body.alive.clone();
    let response = client.request(upload(&server, body)).await.expect("a response");
    assert_eq!(response.status(), 200);
    assert_eq!(login(&response).legs, 2);
    text(response).await;

    let report = server.report();
    assert_eq!(report.body_octets(), 100 * MEGABYTE, "{report}");
    assert_eq!(statuses(&report), [401, 200]);
    assert_eq!(report.connections()[0].legs[0].content_length.as_deref(), Some("0"));
    let most = alive.most.load(Ordering::SeqCst);
    assert!(most < 64, "{most} chunks were held at once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_after_authenticate_goes_over_the_wire_once() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = uploader(&server);
    let login = client.authenticate(server.uri("/upload")).await.expect("a login");
    assert_eq!(login.map(|login| login.legs), Some(3));
    settled(&client).await;
    let body = large();
    let alive = body.alive.clone();
    let response = client.request(upload(&server, body)).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;

    let report = server.report();
    assert_eq!(report.connections().len(), 1, "{report}");
    assert_eq!(statuses(&report), [401, 401, 200, 200]);
    assert_eq!(report.body_octets(), 100 * MEGABYTE);
    assert!(alive.most.load(Ordering::SeqCst) < 64);
}

#[tokio::test]
async fn authenticate_takes_404_and_405_for_success() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    for path in ["/status/404", "/method-not-allowed"] {
        let client = client(&server);
        let login = client.authenticate(server.uri(path)).await.expect("a login");
        assert_eq!(login.expect("a login").legs, 3);
        let again = client.authenticate(server.uri(path)).await.expect("still logged in");
        assert!(again.is_none());
        fetch(&client, get(&server, "/")).await;
    }
    let report = server.report();
    assert_eq!(report.handshakes(), 2, "{report}");
    assert!(report.legs().filter(|leg| leg.target != "/").all(|leg| leg.method == "HEAD"));
}

#[tokio::test]
async fn authenticate_tells_why_it_was_refused() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let wrong = legwork::Credentials::password(USER, "wrong-pw");
    let authenticator = builder().credentials(server.origin(), wrong).build();
    let client = build(Client::builder(authenticator));
    let error = client.authenticate(server.uri("/")).await.expect_err("a refusal");
    assert!(matches!(error.kind(), ErrorKind::Refused(_)), "{error:?}");
    assert!(whole(&error).contains("NTLM: "), "{}", whole(&error));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_to_an_origin_that_asks_for_it_before_its_login_is_an_error_once_and_then_works() {
    // It answers `Expect` by `100 Continue`, reads the body, and then says that it wants a login.
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = uploader(&server);
    let body = || Upload::of(128, 8 << 10);
    let error = without_hanging(client.request(upload(&server, body()))).await.expect_err("too late");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { kept: 65_536, lost: None }), "{error:?}");
    let before = server.report().connections().len();

    let response = without_hanging(client.request(upload(&server, body()))).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    let report = server.report();
    let again = report.connections()[before..].iter().flat_map(|connection| &connection.legs);
    let octets: Vec<_> = again.map(|leg| leg.body_octets).collect();
    assert_eq!(octets, [0, MEGABYTE], "{report}");
}

#[tokio::test]
async fn a_small_body_is_sent_again() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let client = client(&server);
    let page = fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
    assert!(page.ends_with("leg 3, 12 octets\n"), "{page}");
    let report = server.report();
    let octets: Vec<_> = report.legs().map(|leg| leg.body_octets).collect();
    assert_eq!(octets, [12, 0, 12], "{report}");
}

// cyberduck 15868, requests-ntlm 87
#[tokio::test]
async fn legs_before_the_last_carry_a_length_of_zero_and_the_body_goes_once() {
    for (scheme, offer) in [("NTLM", Offer::Ntlm), ("Negotiate", Offer::Negotiate)] {
        let server = server([offer]).start().await.expect("a server");
        let authenticator =
            authenticator(&server).declare(server.origin(), scheme).expect("a known scheme").build();
        let client = build(Client::builder(authenticator));
        fetch(&client, request("POST", server.uri("/"), "twelve bytes")).await;
        let report = server.report();
        let legs: Vec<_> =
            report.legs().map(|leg| (leg.content_length.as_deref(), leg.body_octets)).collect();
        assert_eq!(legs, [(Some("0"), 0), (Some("12"), 12)], "{report}");
    }
}

// hyper
#[tokio::test]
async fn a_leg_without_the_body_never_carries_the_callers_length() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let authenticator =
        authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme").build();
    let client = build(Client::builder(authenticator));
    let mut post = request("POST", server.uri("/"), "twelve bytes");
    post.headers_mut().insert(CONTENT_LENGTH, 12.into());
    post.headers_mut().insert("content-digest", "sha-256=:x:".parse().expect("a value"));
    fetch(&client, post).await;
    let report = server.report();
    let legs: Vec<_> = report.legs().map(|leg| leg.content_length.as_deref()).collect();
    assert_eq!(legs, [Some("0"), Some("12")], "{report}");
    let digests: Vec<_> = report.legs().map(|leg| leg.headers.contains_key("content-digest")).collect();
    assert_eq!(digests, [false, true]);
}

#[tokio::test]
async fn a_get_says_no_length_on_any_leg() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    fetch(&client(&server), get(&server, "/")).await;
    assert!(server.report().legs().all(|leg| leg.content_length.is_none()));
}

// curl (`authneg`)
#[tokio::test]
async fn an_answer_to_a_leg_whose_body_was_withheld_is_never_delivered() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let authenticator =
        authenticator(&server).declare(server.origin(), "NTLM").expect("a known scheme").build();
    let client = build(Client::builder(authenticator));
    let page = fetch(&client, request("POST", server.uri("/public"), "twelve bytes")).await;
    assert!(page.ends_with("leg 2, 12 octets\n"), "{page}");
    let report = server.report();
    assert_eq!(report.connections().len(), 1, "{report}");
    let legs: Vec<_> = report.legs().map(|leg| (leg.authorization.is_some(), leg.body_octets)).collect();
    assert_eq!(legs, [(true, 0), (false, 12)]);
}

#[tokio::test]
async fn a_401_in_the_middle_of_an_upload_moves_the_body_to_another_connection() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(1).connections(..=1), Quirk::EarlyRefusal)
        .start()
        .await
        .expect("a server");
    let authenticator = authenticator(&server).build();
    let client: Client<Slow> = Client::builder(authenticator).build_http();
    let (body, more) = Slow::new(Upload::of(4, 1024));
    let post = Request::post(server.uri("/upload")).body(body).expect("a request");
    let answered = tokio::spawn(client.request(post));
    // The upload goes on only when the server has had its say on the second connection.
    without_hanging(server.wait_for(|report| report.connections().len() == 2)).await;
    // The first is not left to wait for a body that goes elsewhere.
    without_hanging(server.wait_for(|report| report.open() == 1)).await;
    more.send(()).expect("the body is still wanted");
    let response = without_hanging(answered).await.expect("no panic").expect("a response");
    assert_eq!(response.status(), 200);
    assert!(text(response).await.ends_with("4096 octets\n"));
    let report = server.report();
    let second: Vec<_> = report.connections()[1].legs.iter().map(|leg| leg.body_octets).collect();
    assert_eq!(second, [0, 4096], "{report}");
}

#[tokio::test]
async fn a_401_body_that_ends_late_is_waited_for() {
    let late = Quirk::RefusalBody(RefusalBody::Late(Duration::from_millis(20)));
    let server = server([Offer::Ntlm]).quirk(late).start().await.expect("a server");
    fetch(&client(&server), request("POST", server.uri("/"), "body")).await;
    assert_eq!(statuses(&server.report()), [401, 401, 200]);
}

#[tokio::test]
async fn a_body_that_fails_is_the_callers_error() {
    let server = server([Offer::Ntlm]).start().await.expect("a server");
    let authenticator = authenticator(&server).build();
    let client: Client<Failing> = Client::builder(authenticator).build_http();
    let post = Request::post(server.uri("/")).body(Failing).expect("a request");
    let error = without_hanging(client.request(post)).await.expect_err("the body's own error");
    assert!(whole(&error).contains("the file vanished"), "{}", whole(&error));
    assert!(!matches!(error.kind(), ErrorKind::Handshake(HandshakeError::TooManyLegs(_))));
    assert_eq!(settled(&client).await, 0);
}

/// An upload whose second half waits.
struct Slow {
    upload: Upload,
    given: usize,
    more: Option<oneshot::Receiver<()>>,
}

impl Slow {
    fn new(upload: Upload) -> (Self, oneshot::Sender<()>) {
        let (sender, more) = oneshot::channel();
        (Self { upload, given: 0, more: Some(more) }, sender)
    }
}

impl Body for Slow {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if let (2, Some(more)) = (self.given, &mut self.more) {
            let _ = ready!(Pin::new(more).poll(cx));
            self.more = None;
        }
        self.given += 1;
        Pin::new(&mut self.upload).poll_frame(cx)
    }
}

struct Failing;

impl Body for Failing {
    type Data = Bytes;
    type Error = &'static str;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Poll::Ready(Some(Err("the file vanished")))
    }
}

// hyper
#[tokio::test]
async fn a_post_without_a_body_says_a_length_of_zero_on_every_leg() {
    for method in ["POST", "PUT"] {
        let server = server([Offer::Ntlm]).start().await.expect("a server");
        fetch(&client(&server), request(method, server.uri("/"), "")).await;
        let report = server.report();
        let legs: Vec<_> = report.legs().map(|leg| leg.content_length.as_deref()).collect();
        assert_eq!(legs, [Some("0"); 3], "{method}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_that_got_no_answer_is_not_sent_again() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/upload"), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = uploader(&server);
    client.authenticate(server.uri("/")).await.expect("a login");
    settled(&client).await;
    let put = Request::put(server.uri("/upload")).body(Upload::of(128, 8 << 10)).expect("a request");
    let error = without_hanging(client.request(put)).await.expect_err("no answer");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { lost: Some(_), .. }), "{error:?}");
    let says = whole(&error);
    assert!(says.contains("cannot be sent again") && says.contains("closed before"), "{says}");
    let report = server.report();
    assert_eq!(report.body_octets(), MEGABYTE, "{report}");
}

#[tokio::test]
async fn a_small_put_that_got_no_answer_is_sent_again_whole() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::path("/upload").connections(..=1), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let client = client(&server);
    fetch(&client, get(&server, "/")).await;
    let page = fetch(&client, request("PUT", server.uri("/upload"), "twelve bytes")).await;
    assert!(page.ends_with("connection 2, leg 2, 12 octets\n"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_the_server_forgot_costs_a_large_upload_one_attempt() {
    let server = server([Offer::Ntlm])
        .quirk_when(When::leg(3).connections(..=1), Quirk::Persistence(Persistence::Forgotten))
        .start()
        .await
        .expect("a server");
    let client = uploader(&server);
    client.authenticate(server.uri("/")).await.expect("a login");
    settled(&client).await;
    let body = || Upload::of(128, 8 << 10);
    let error = without_hanging(client.request(upload(&server, body()))).await.expect_err("it is gone");
    assert!(matches!(error.kind(), ErrorKind::BodyNotReplayable { .. }), "{error:?}");
    let response = without_hanging(client.request(upload(&server, body()))).await.expect("a response");
    assert_eq!(response.status(), 200);
    text(response).await;
    let report = server.report();
    let octets: Vec<_> = report.connections()[1].legs.iter().map(|leg| leg.body_octets).collect();
    assert_eq!(octets, [0, MEGABYTE], "{report}");
}

/// Hyper, reqwest, and hyper-util's legacy client.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_in_memory_is_sent_again_at_any_size() {
    let whole = Bytes::from(vec![b'w'; MEGABYTE as usize]);
    for (offer, legs) in [(Offer::Ntlm, 3), (Offer::basic("a realm"), 2)] {
        for client in 0..3 {
            let server = server([offer.clone()]).start().await.expect("a server");
            let authenticator = authenticator(&server).dangerous_secrets_over_plain_http(true).build();
            let builder = Client::builder(authenticator);
            let post =
                || Request::post(server.uri("/upload")).body(Full::new(whole.clone())).expect("a request");
            let status = match client {
                0 => {
                    let client: HttpClient = builder.build_http();
                    client.request(post()).await.expect("a response").status()
                }
                1 => {
                    let client = builder.build_reqwest(settings).expect("settings that fit");
                    let post = client.post(url(&server, "/upload")).body(whole.clone());
                    post.send().await.expect("a response").status()
                }
                _ => {
                    let settings = legacy::Client::builder(TokioExecutor::new());
                    let client = builder.build_legacy::<_, Full<Bytes>>(settings, HttpConnector::new());
                    client.request(post()).await.expect("a response").status()
                }
            };
            let report = server.report();
            assert_eq!((status.as_u16(), report.legs().count()), (200, legs), "{report}");
            assert_eq!(report.body_octets(), 2 * MEGABYTE, "{report}");
        }
    }
}
