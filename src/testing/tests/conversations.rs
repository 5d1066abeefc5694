//! What a well-behaved server does.

use http::Method;
use http::header::{self, HeaderValue};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio::net::TcpStream;

use super::client::{Client, Handshake, basic, request};
use crate::channel_bindings::ChannelBindings;
use crate::mechanism::ntlm::Ntlm;
use crate::protection_space::Challenger;
use crate::testing::ntlm::SentBindings;
use crate::testing::{Accept, Acceptor, Builder, Offer, Server, TokenKind, Verdict};

fn carol() -> Builder {
    Server::builder().user("LAB\\carol", "carol-pw")
}

async fn started(builder: Builder) -> Server {
    builder.start().await.expect("a loopback port")
}

#[tokio::test]
async fn basic_is_verified_for_each_request() {
    let server = started(carol().offer(Offer::basic("lab"))).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/").await.challenges(), ["Basic realm=\"lab\""]);
    assert_eq!(client.get_with(basic("LAB\\carol", "wrong-pw")).await.status, 401);
    let answer = client.get_with(basic("LAB\\carol", "carol-pw")).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("LAB\\carol")));
    assert_eq!(client.get("/").await.status, 401);

    let report = server.report();
    assert_eq!((report.attempts(), report.refused(), report.handshakes()), (2, 1, 0), "{report}");
    assert!(!format!("{report:?} {server:?}").contains("-pw"));
}

#[tokio::test]
async fn an_ntlm_login_holds_for_its_connection_and_no_other() {
    let server = started(carol().offer(Offer::Ntlm)).await;
    let mut client = Client::connect(&server).await;
    let answer = Handshake::ntlm("LAB\\carol", "carol-pw").run(&mut client).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("LAB\\carol")));
    assert_eq!(answer.field("persistent-auth"), None);
    assert_eq!(client.get("/again").await.field("x-leg"), Some("3"));
    assert_eq!(Client::connect(&server).await.get("/").await.status, 401);

    let report = server.report();
    let kinds: Vec<_> =
        report.legs().flat_map(|leg| &leg.authorization).map(|seen| seen.token.to_string()).collect();
    assert_eq!(kinds, ["NTLM NEGOTIATE", "NTLM AUTHENTICATE"]);
    assert_eq!((report.handshakes(), report.attempts(), report.misplaced()), (1, 1, 0), "{report}");
    assert_eq!(report.connections()[0].legs[2].user.as_deref(), Some("LAB\\carol"));
}

#[tokio::test]
async fn negotiate_takes_spnego_and_bare_ntlm() {
    let server = started(carol().offer(Offer::Negotiate)).await;
    let mut spnego = Client::connect(&server).await;
    let answer = Handshake::negotiate("LAB\\carol", "carol-pw").run(&mut spnego).await;
    assert_eq!(answer.status, 200);
    assert!(answer.token(Challenger::Origin).is_some(), "SPNEGO ends with a token");

    let mut bare = Client::connect(&server).await;
    let handshake = Handshake::of("Negotiate", &Ntlm::new(), "LAB\\carol", "carol-pw");
    let answer = handshake.run(&mut bare).await;
    assert_eq!((answer.status, answer.challenges().len()), (200, 0));

    let report = server.report();
    let first = report.legs().next().and_then(|leg| leg.authorization.as_ref()).expect("a token");
    assert_eq!(first.token.to_string(), "NegTokenInit with NTLM NEGOTIATE");
    assert_eq!((report.handshakes(), report.attempts()), (2, 2), "{report}");
}

#[tokio::test]
async fn a_wrong_password_is_one_attempt() {
    for (offer, handshake) in [
        (Offer::Ntlm, Handshake::ntlm("LAB\\carol", "wrong-pw")),
        (Offer::Negotiate, Handshake::negotiate("LAB\\carol", "wrong-pw")),
    ] {
        let server = started(carol().offer(offer)).await;
        let mut client = Client::connect(&server).await;
        let answer = handshake.run(&mut client).await;
        assert_eq!((answer.status, answer.field("x-user")), (401, None));
        let report = server.report();
        assert_eq!((report.attempts(), report.refused(), report.handshakes()), (1, 1, 0), "{report}");
    }
}

#[tokio::test]
async fn a_proof_on_another_connection_is_misplaced_and_not_verified() {
    let server = started(carol().offer(Offer::Ntlm)).await;
    let (mut one, mut other) = (Client::connect(&server).await, Client::connect(&server).await);
    let mut handshake = Handshake::ntlm("LAB\\carol", "carol-pw");
    let challenged = one.get_with(handshake.step(None).expect("a token")).await;
    let token = challenged.token(Challenger::Origin).expect("a token");
    let answer = other.get_with(handshake.step(Some(&token)).expect("a proof")).await;
    assert_eq!((answer.status, answer.challenges()), (401, vec!["NTLM"]));
    let report = server.report();
    assert_eq!((report.misplaced(), report.attempts()), (1, 0), "{report}");
}

#[tokio::test]
async fn a_request_between_two_legs_ends_the_handshake() {
    let server = started(carol().offer(Offer::Ntlm)).await;
    let mut client = Client::connect(&server).await;
    let mut handshake = Handshake::ntlm("LAB\\carol", "carol-pw");
    let challenged = client.get_with(handshake.step(None).expect("a token")).await;
    let token = challenged.token(Challenger::Origin).expect("a token");
    client.get("/").await;
    assert_eq!(client.get_with(handshake.step(Some(&token)).expect("a proof")).await.status, 401);
    assert_eq!(server.report().misplaced(), 1);
}

#[tokio::test]
async fn challenges_come_in_the_order_of_the_offers() {
    let server = started(
        carol()
            .offer(Offer::basic("a, b"))
            .offer(Offer::Verbatim("Digest realm=\"x\", nonce=\"y\""))
            .offer(Offer::Ntlm),
    )
    .await;
    let mut client = Client::connect(&server).await;
    let challenges = ["Basic realm=\"a, b\"", "Digest realm=\"x\", nonce=\"y\"", "NTLM"];
    assert_eq!(client.get("/").await.challenges(), challenges);
    assert_eq!(client.get_with("Digest username=\"u\"").await.status, 401);
    assert_eq!(server.report().legs().next().expect("a leg").challenges, challenges);
}

#[tokio::test]
async fn a_scheme_of_the_tests_own_goes_through_its_acceptor() {
    struct Twice(usize);
    impl Acceptor for Twice {
        fn step(&mut self, token: &[u8]) -> Accept {
            self.0 += 1;
            match self.0 {
                1 => Accept::Continue(token.to_vec()),
                _ => Accept::Accepted { user: "you".to_owned(), token: None, integrity: None },
            }
        }
    }
    let server = started(Server::builder().offer(Offer::custom("Echo", || Twice(0)))).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get_with("echo aGVsbG8=").await.challenges(), ["Echo aGVsbG8="]);
    assert_eq!(client.get_with("Echo aGVsbG8=").await.field("x-user"), Some("you"));
    assert_eq!(server.report().handshakes(), 1);
}

#[tokio::test]
async fn pages_answer_by_their_path() {
    let server = started(carol().offer(Offer::Ntlm).page("the page")).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(client.get("/public/x").await.status, 200);
    assert_eq!(client.get("/status/418").await.status, 401);
    assert_eq!(Handshake::ntlm("LAB\\carol", "carol-pw").run(&mut client).await.status, 200);
    assert_eq!(client.get("/status/418").await.status, 418);
    assert_eq!(client.get("/denied/x").await.status, 401);
    let head = client.send(request(Method::HEAD, "/method-not-allowed")).await.expect("an answer");
    assert_eq!(head.status, 405);
    assert_eq!(client.get("/").await.body.expect("content"), "the page");
}

#[tokio::test]
async fn content_is_counted_and_the_length_is_told_as_it_was_sent() {
    let server = started(Server::builder()).await;
    let mut client = Client::connect(&server).await;
    let mut post = request(Method::POST, "/");
    *post.body_mut() = "0123456789".repeat(10_000).into();
    let answer = client.send(post).await.expect("an answer");
    assert_eq!(answer.field("x-body-octets"), Some("100000"));
    let report = server.report();
    assert_eq!(report.body_octets(), 100_000);
    assert_eq!(report.legs().next().and_then(|leg| leg.content_length.as_deref()), Some("100000"));
}

#[tokio::test]
async fn a_proxy_and_the_origin_are_both_satisfied_on_one_connection() {
    let server = started(
        carol().user("dave", "dave-pw").offer_as(Challenger::Proxy, Offer::Ntlm).offer(Offer::basic("lab")),
    )
    .await;
    let mut client = Client::connect(&server).await;
    let absolute = || request(Method::GET, "http://lab.example/");
    let mut handshake = Handshake::ntlm("LAB\\carol", "carol-pw");
    let mut token = None;
    let answer = loop {
        let mut leg = absolute();
        if let Some(authorization) = handshake.step(token.as_deref()) {
            leg.headers_mut().insert(header::PROXY_AUTHORIZATION, authorization.into_value());
        }
        let answer = client.send(leg).await.expect("an answer");
        if answer.status != 407 {
            break answer;
        }
        token = answer.token(Challenger::Proxy);
    };
    assert_eq!((answer.status, answer.challenges()), (401, vec!["Basic realm=\"lab\""]));

    let mut last = absolute();
    last.headers_mut().insert(header::AUTHORIZATION, basic("dave", "dave-pw").into_value());
    let answer = client.send(last).await.expect("an answer");
    assert_eq!((answer.status, answer.field("x-user")), (200, Some("dave")));
    // A request in origin form came to no proxy.
    assert_eq!(Client::connect(&server).await.get("/").await.status, 401);
    assert_eq!(server.report().handshakes(), 1);
}

#[tokio::test]
async fn a_connection_may_come_by_other_ways() {
    let server = started(carol().offer(Offer::Ntlm)).await;
    let (near, far) = duplex(1024);
    server.serve_connection(far);
    let mut client = Client::over(near).await;
    assert_eq!(Handshake::ntlm("LAB\\carol", "carol-pw").run(&mut client).await.status, 200);
    drop(client);
    let report = server.wait_for(|report| report.open() == 0).await;
    assert_eq!(report.connections()[0].peer, None);
}

#[tokio::test]
async fn acceptors_can_be_set_up_to_demand_channel_bindings() {
    let bindings = ChannelBindings::tls_server_end_point(&[1; 32]);
    let builder = carol().offer(Offer::Ntlm);
    let server =
        started(builder.ntlm(move |acceptor| acceptor.require_channel_bindings(bindings.clone()))).await;
    let mut client = Client::connect(&server).await;
    assert_eq!(Handshake::ntlm("LAB\\carol", "carol-pw").run(&mut client).await.status, 401);
}

#[tokio::test]
async fn the_report_tells_what_came_of_channel_bindings() {
    let server = started(carol().offer(Offer::Ntlm).offer(Offer::Negotiate)).await;
    for handshake in [Handshake::ntlm, Handshake::negotiate] {
        let mut client = Client::connect(&server).await;
        assert_eq!(handshake("LAB\\carol", "carol-pw").run(&mut client).await.status, 200);
    }
    let report = server.report();
    let sent: Vec<_> =
        report.legs().map(|leg| leg.authorization.as_ref().and_then(|seen| seen.channel_bindings)).collect();
    let absent = Some(SentBindings::Absent);
    assert_eq!(sent, [None, absent, None, absent]);
}

#[tokio::test]
async fn idle_connections_close_on_command_and_all_do_at_shutdown() {
    let server = started(Server::builder()).await;
    let mut idle = Client::connect(&server).await;
    idle.get("/").await;
    server.close_idle();
    server.wait_for(|report| report.open() == 0).await;
    idle.closed().await;

    let mut later = Client::connect(&server).await;
    assert_eq!(later.get("/").await.status, 200);
    let address = server.address();
    server.shutdown().await;
    later.closed().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn dropping_the_server_closes_everything() {
    let server = started(Server::builder()).await;
    let mut client = Client::connect(&server).await;
    client.get("/").await;
    drop(server);
    client.closed().await;
}

#[tokio::test]
async fn odd_input_is_refused_and_the_server_goes_on() {
    let server = started(carol().offer(Offer::Negotiate).offer(Offer::Ntlm).offer(Offer::basic("lab"))).await;
    for value in [
        "",
        " ",
        "NTLM",
        "NTLM ",
        "NTLM =",
        "NTLM !!!",
        "NTLM TlRMTVNTUAA=",
        "NTLM TlRMTVNTUAABAAAA",
        "NTLM TlRMTVNTUAADAAAA",
        "Negotiate YA==",
        "Negotiate oQ==",
        "Negotiate YIQ=",
        "Basic Og==",
        "Basic",
        "Basic /w==",
        "Bearer x",
        "NTLM \u{e4}",
    ] {
        let mut leg = request(Method::GET, "/");
        let value = HeaderValue::from_bytes(value.as_bytes()).expect("a value");
        leg.headers_mut().insert(header::AUTHORIZATION, value);
        let answer = Client::connect(&server).await.send(leg).await.expect("an answer");
        assert_eq!(answer.status, 401);
    }
    for octets in [
        &b"\0\0\0\0\r\n\r\n"[..],
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nx",
    ] {
        let mut stream = TcpStream::connect(server.address()).await.expect("the server listens");
        stream.write_all(octets).await.expect("room for it");
        stream.shutdown().await.expect("an open connection");
        stream.read_to_end(&mut Vec::new()).await.expect("an end");
    }
    server.wait_for(|report| report.open() == 0).await;
    assert_eq!(Client::connect(&server).await.get("/public").await.status, 200);
    let unknown = server.report().legs().filter(|leg| leg.user.is_some()).count();
    assert_eq!(unknown, 0);
}

#[tokio::test]
async fn credentials_that_nobody_asked_for_are_seen_and_ignored() {
    let server = started(Server::builder()).await;
    let mut client = Client::connect(&server).await;
    let answer = client.get_with(basic("LAB\\carol", "carol-pw")).await;
    assert_eq!((answer.status, answer.field("x-user")), (200, None));
    let report = server.report();
    let seen = report.connections()[0].legs[0].authorization.clone().expect("an authorization");
    assert_eq!((seen.token, seen.verdict), (TokenKind::UserPass, Verdict::Ignored));
    assert_eq!(report.attempts(), 0);
}
