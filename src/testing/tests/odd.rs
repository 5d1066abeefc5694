//! What the quirks do.

use std::time::{Duration, Instant};

use http::Method;
use http::header::{self, HeaderName, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::client::{Client, Handshake, basic, request};
use crate::protection_space::Challenger;
use crate::testing::fault::Fault;
use crate::testing::persistence::Persistence;
use crate::testing::{Close, Gate, Offer, Quirk, RefusalBody, Server, When};

fn carol() -> Handshake {
    Handshake::ntlm("LAB\\carol", "carol-pw")
}

async fn server(offer: Offer, quirks: impl IntoIterator<Item = (When, Quirk)>) -> Server {
    let builder = Server::builder().user("LAB\\carol", "carol-pw").offer(offer);
    let builder = quirks.into_iter().fold(builder, |builder, (when, quirk)| builder.quirk_when(when, quirk));
    builder.start().await.expect("a loopback port")
}

/// A server with one quirk for all legs.
async fn odd(offer: Offer, quirk: Quirk) -> Server {
    server(offer, [(When::always(), quirk)]).await
}

/// Everything that comes back until the connection ends.
async fn raw(server: &Server, request: &str) -> String {
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    stream.write_all(request.as_bytes()).await.expect("room for it");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an end");
    answer
}

const GET: &str = "GET / HTTP/1.1\r\nHost: lab\r\n\r\n";

#[tokio::test]
async fn a_close_is_announced_or_not_or_comes_without_an_answer() {
    let announced = odd(Offer::Ntlm, Quirk::Close(Close::Announced)).await;
    let answer = raw(&announced, GET).await;
    assert!(answer.starts_with("HTTP/1.1 401") && answer.contains("connection: close"), "{answer}");

    let unannounced = odd(Offer::Ntlm, Quirk::Close(Close::Unannounced)).await;
    let answer = raw(&unannounced, GET).await;
    assert!(answer.starts_with("HTTP/1.1 401") && !answer.contains("\nconnection:"), "{answer}");
    assert!(answer.ends_with("that would do.\n"), "{answer}");

    let silent = odd(Offer::Ntlm, Quirk::Close(Close::WithoutAnswer)).await;
    let answer = raw(&silent, "POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 4\r\n\r\nbody").await;
    assert_eq!(answer, "");
    let report = silent.report();
    assert_eq!((report.body_octets(), report.legs().next().and_then(|leg| leg.status)), (4, None));
}

#[tokio::test]
async fn an_unannounced_close_comes_behind_empty_content_too() {
    let quirks = [Quirk::RefusalBody(RefusalBody::Empty), Quirk::Close(Close::Unannounced)];
    let server = server(Offer::Ntlm, quirks.map(|quirk| (When::always(), quirk))).await;
    let answer = raw(&server, GET).await;
    assert!(answer.contains("content-length: 0") && !answer.contains("\nconnection:"), "{answer}");
}

#[tokio::test]
async fn http_1_0_ends_the_connection() {
    let server = odd(Offer::Ntlm, Quirk::Http10).await;
    let answer = raw(&server, GET).await;
    assert!(answer.starts_with("HTTP/1.0 401") && !answer.contains("\nconnection:"), "{answer}");
}

#[tokio::test]
async fn quirks_hold_for_their_legs_and_connections_alone() {
    let close = (When::leg(2).connections(..=1), Quirk::Close(Close::Announced));
    let server = server(Offer::Ntlm, [close]).await;
    let mut first = Client::connect(&server).await;
    assert_eq!(first.get("/").await.field("connection"), None);
    assert_eq!(first.get("/").await.field("connection"), Some("close"));
    server.wait_for(|report| report.open() == 0).await;
    let mut second = Client::connect(&server).await;
    for _ in 0..3 {
        assert_eq!(second.get("/").await.field("connection"), None);
    }
}

#[tokio::test]
async fn content_of_a_refusal_ends_late_or_is_large_or_never_ends() {
    let late = odd(Offer::Ntlm, Quirk::RefusalBody(RefusalBody::Late(Duration::from_millis(30)))).await;
    let began = Instant::now();
    let answer = Client::connect(&late).await.get("/").await;
    assert!(answer.body.expect("content").ends_with(b"that would do.\n"));
    assert!(began.elapsed() >= Duration::from_millis(30));

    let gate = Gate::closed();
    let held = odd(Offer::Ntlm, Quirk::RefusalBody(RefusalBody::HeldBy(gate.clone()))).await;
    let mut client = Client::connect(&held).await;
    let release = async {
        gate.held(1).await;
        assert_eq!(held.report().legs().next().and_then(|leg| leg.status).map(|s| s.as_u16()), Some(401));
        gate.open();
    };
    let (answer, ()) = tokio::join!(client.get("/"), release);
    assert!(answer.body.is_ok());

    let large = odd(Offer::Ntlm, Quirk::RefusalBody(RefusalBody::Large(100_001))).await;
    assert_eq!(Client::connect(&large).await.get("/").await.body.expect("content").len(), 100_001);

    let endless = odd(Offer::Ntlm, Quirk::RefusalBody(RefusalBody::Endless)).await;
    let mut client = Client::connect(&endless).await;
    assert_eq!(client.head_of("/").await, 401);
    drop(client);
    endless.wait_for(|report| report.open() == 0).await;
}

#[tokio::test]
async fn an_early_refusal_does_not_wait_for_the_content() {
    let server = odd(Offer::Ntlm, Quirk::EarlyRefusal).await;
    let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
    let head = b"POST / HTTP/1.1\r\nHost: lab\r\nContent-Length: 8\r\n\r\nhalf";
    stream.write_all(head).await.expect("room for it");
    let mut octets = [0; 12];
    stream.read_exact(&mut octets).await.expect("an answer to half a request");
    assert_eq!(&octets, b"HTTP/1.1 401");
    stream.write_all(b"half").await.expect("the connection is still read");
    server.wait_for(|report| report.body_octets() == 8).await;
    stream.write_all(GET.as_bytes()).await.expect("the connection goes on");
    server.wait_for(|report| report.legs().count() == 2).await;
}

#[tokio::test]
async fn tokens_go_wrong_as_told() {
    let challenge = async |fault| {
        let server = odd(Offer::Ntlm, Quirk::ChallengeToken(fault)).await;
        let mut client = Client::connect(&server).await;
        let answer = client.get_with(carol().step(None).expect("a token")).await;
        answer.challenges()[0].to_owned()
    };
    assert_eq!(challenge(Fault::LeftOut).await, "NTLM");
    assert_eq!(challenge(Fault::NotBase64).await, "NTLM !not*base64!");
    assert!(challenge(Fault::Garbage).await.starts_with("NTLM paWlpaWl"));
    assert!(challenge(Fault::HostileLengths).await.contains("/////"));
}

#[tokio::test]
async fn a_final_token_goes_wrong_while_the_login_stands() {
    let faults = [Fault::Garbage, Fault::WrongMic, Fault::Truncated];
    for fault in faults {
        let server = odd(Offer::Negotiate, Quirk::FinalToken(fault)).await;
        let mut client = Client::connect(&server).await;
        let honest = odd(Offer::Negotiate, Quirk::JoinedChallenges).await;
        let mut reference = Client::connect(&honest).await;
        let mut last = Vec::new();
        for client in [&mut client, &mut reference] {
            let mut handshake = Handshake::negotiate("LAB\\carol", "carol-pw");
            let answer = client.get_with(handshake.step(None).expect("a token")).await;
            let token = answer.token(Challenger::Origin).expect("a token");
            let answer = client.get_with(handshake.step(Some(&token)).expect("a proof")).await;
            assert_eq!(answer.status, 200);
            last.push(answer.token(Challenger::Origin).expect("a final token"));
        }
        assert_ne!(last[0], last[1], "{fault:?}");
        assert_eq!(client.get("/").await.status, 200);
    }
}

#[tokio::test]
async fn challenges_share_a_line() {
    let server = Server::builder()
        .offer(Offer::Negotiate)
        .offer(Offer::basic("lab"))
        .quirk(Quirk::JoinedChallenges)
        .start()
        .await
        .expect("a loopback port");
    let answer = Client::connect(&server).await.get("/").await;
    assert_eq!(answer.challenges(), ["Negotiate, Basic realm=\"lab\""]);
}

#[tokio::test]
async fn denied_requests_leave_the_login_standing() {
    let server = server(Offer::Ntlm, [(When::path("/secret"), Quirk::Deny)]).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(carol().run(&mut client).await.status, 200);
    assert_eq!(client.get("/secret").await.challenges(), ["NTLM"]);
    assert_eq!(client.get("/").await.status, 200);
}

#[tokio::test]
async fn challenges_without_end_verify_nothing() {
    let server = odd(Offer::Ntlm, Quirk::ChallengeAgain).await;
    let mut client = Client::connect(&server).await;
    let mut handshake = carol();
    let first = client.get_with(handshake.step(None).expect("a token")).await;
    let token = first.token(Challenger::Origin).expect("a token");
    let again = client.get_with(handshake.step(Some(&token)).expect("a proof")).await;
    assert_eq!((again.status, again.token(Challenger::Origin)), (401, Some(token)));
    assert_eq!(server.report().attempts(), 0);
}

#[tokio::test]
async fn authorization_on_an_authenticated_connection_drops_its_state_as_with_apache() {
    let offers = |quirks: &[Quirk]| {
        let builder = Server::builder().user("LAB\\carol", "carol-pw").user("dave", "dave-pw");
        let builder = builder.offer(Offer::Ntlm).offer(Offer::basic("lab"));
        quirks.iter().cloned().fold(builder, |builder, quirk| builder.quirk(quirk)).start()
    };
    for (quirks, status) in [(&[][..], 200), (&[Quirk::AuthorizationDropsState], 401)] {
        let server = offers(quirks).await.expect("a loopback port");
        let mut client = Client::connect(&server).await;
        assert_eq!(carol().run(&mut client).await.status, 200);
        assert_eq!(client.get_with(basic("dave", "dave-pw")).await.field("x-user"), Some("dave"));
        assert_eq!(client.get("/").await.status, status);
    }
}

#[tokio::test]
async fn after_a_failed_handshake_the_next_is_answered_bare() {
    let server = odd(Offer::Ntlm, Quirk::BareAfterFailure).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(Handshake::ntlm("LAB\\carol", "wrong-pw").run(&mut client).await.status, 401);
    let answer = client.get_with(carol().step(None).expect("a token")).await;
    assert_eq!(answer.challenges(), ["NTLM"]);
    assert_eq!(carol().run(&mut Client::connect(&server).await).await.status, 200);
}

#[tokio::test]
async fn a_login_is_persistent_or_not() {
    for (persistence, field, status) in [
        (Persistence::Announced, Some("true"), 200),
        (Persistence::Denied, Some("false"), 401),
        (Persistence::Forgotten, None, 401),
    ] {
        let server = odd(Offer::Ntlm, Quirk::Persistence(persistence)).await;
        let mut client = Client::connect(&server).await;
        assert_eq!(carol().run(&mut client).await.field("persistent-auth"), field);
        assert_eq!(client.get("/").await.status, status);
    }
}

#[tokio::test]
async fn some_methods_are_open_to_everyone() {
    let server = server(Offer::Ntlm, [(When::method(Method::HEAD), Quirk::Open)]).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.send(request(Method::HEAD, "/")).await.expect("an answer").status, 200);
    assert_eq!(client.get("/").await.status, 401);
}

#[tokio::test]
async fn a_head_trickles() {
    let server = odd(Offer::Ntlm, Quirk::TrickledHead(Duration::from_micros(10))).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(carol().run(&mut client).await.status, 200);
}

#[tokio::test]
async fn answers_wait_at_a_gate_until_the_test_opens_it() {
    let gate = Gate::closed();
    let server = odd(Offer::basic("lab"), Quirk::HeldBy(gate.clone())).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let mut client = Client::connect(&server).await;
        tasks.spawn(async move { client.get_with(basic("LAB\\carol", "carol-pw")).await.status });
    }
    gate.held(8).await;
    assert_eq!(server.report().attempts(), 8);
    gate.admit(3);
    let answered = |count| {
        server.wait_for(move |report| report.legs().filter(|leg| leg.status.is_some()).count() == count)
    };
    answered(3).await;
    gate.held(5).await;
    gate.open();
    answered(8).await;
    assert_eq!(tasks.join_all().await, [200; 8]);
}

#[tokio::test]
async fn a_busy_connection_is_not_idle() {
    let gate = Gate::closed();
    let server = odd(Offer::Ntlm, Quirk::HeldBy(gate.clone())).await;
    let mut busy = Client::connect(&server).await;
    let test = async {
        gate.held(1).await;
        server.close_idle();
        gate.open();
    };
    let (answer, ()) = tokio::join!(busy.get("/"), test);
    assert_eq!(answer.field("connection"), None);
    assert_eq!(busy.get("/").await.status, 401);
}

#[tokio::test]
async fn fields_are_added() {
    let cookie = HeaderValue::from_static("leg=1");
    let server = server(Offer::Ntlm, [(When::leg(1), Quirk::Field(header::SET_COOKIE, cookie))]).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/").await.field("set-cookie"), Some("leg=1"));
    let mut leg = request(Method::GET, "/");
    leg.headers_mut().insert(header::COOKIE, HeaderValue::from_static("leg=1"));
    client.send(leg).await.expect("an answer");
    let name = HeaderName::from_static("cookie");
    assert_eq!(server.report().connections()[0].legs[1].headers[name], "leg=1");
}
