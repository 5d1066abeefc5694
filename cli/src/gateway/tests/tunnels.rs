//! What `CONNECT` asks for.

use std::sync::Arc;
use std::time::Duration;

use legwork::protection_space::Challenger;
use legwork::testing::{DigestAcceptor, Gate, Offer, Quirk, ScramAcceptor, Server, Users};
use legwork::{Authenticator, Credentials};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::*;

#[tokio::test]
async fn a_connect_has_no_content() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let target = echo().await;
    let with = |fields: &str| connect(target).replace("\r\n\r\n", &format!("\r\n{fields}\r\n\r\n"));
    for fields in ["Content-Length: 4", "Transfer-Encoding: chunked"] {
        let answer = proxy.answer(&format!("{}4\r\n", with(fields))).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer}");
    }
    assert_eq!(upstream.report().connections().len(), 0);
    let mut none = proxy.send(&with("Content-Length: 0")).await;
    assert!(head(&mut none).await.starts_with("HTTP/1.1 200 OK\r\n"));
    echoes(&mut none, "octets").await;
}

#[tokio::test]
async fn a_tunnel_is_opened_by_each_scheme() {
    let digest = DigestAcceptor::new("the proxy").user("alice", "alice-pw");
    let users = Arc::new(Users::new().with("alice", "alice-pw"));
    let scram = ScramAcceptor::new(users, "the proxy", [7; 32]);
    for offer in [
        Offer::basic("the proxy"),
        Offer::judged("Digest", digest),
        Offer::judged("SCRAM-SHA-256", scram),
        Offer::Ntlm,
        Offer::Negotiate,
    ] {
        let (upstream, origin) = (upstream(offer.clone()).start().await.expect("a server"), echo().await);
        let alice = Credentials::password("alice", "alice-pw");
        let authenticator = Authenticator::builder()
            .proxy_credentials(upstream.origin(), alice)
            .dangerous_secrets_to_plain_http_proxies(true);
        let proxy = Running::new(&upstream, authenticator, Limits::default()).await;
        echoes(&mut proxy.tunnel(origin).await, "hello").await;
        let report = upstream.report();
        assert_eq!((report.connections().len(), report.refused()), (1, 0), "{offer:?}: {report}");
        for leg in report.legs() {
            assert!(leg.headers["user-agent"].as_bytes().starts_with(b"legwork/"), "{offer:?}: {report}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_and_the_answer_says_why() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let wrong = Credentials::password(USER, "wrong-pw");
    let authenticator = Authenticator::builder().proxy_credentials(upstream.origin(), wrong);
    let proxy = Arc::new(Running::new(&upstream, authenticator, Limits::default()).await);
    let mut tasks = JoinSet::new();
    for _ in 0..64 {
        let proxy = Arc::clone(&proxy);
        tasks.spawn(async move {
            let answer = proxy.answer(&connect(origin)).await;
            assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
            for part in ["407 Proxy Authentication Required", "NTLM: ", "not tried again"] {
                assert!(answer.contains(part), "{part} is missing: {answer}");
            }
            assert!(!answer.to_ascii_lowercase().contains("proxy-authenticate"), "{answer}");
        });
    }
    assert_eq!(tasks.join_all().await.len(), 64);
    assert_eq!(upstream.report().attempts(), 1, "{}", upstream.report());
    assert!(proxy.counts.to_string().ends_with("64 refused"), "{}", proxy.counts);
    // Each reason is told once.
    let news = proxy.counts.news();
    assert!(news.len() == 2 && news[0] != news[1], "{news:?}");
    assert!(proxy.counts.news().is_empty());
}

#[tokio::test]
async fn without_credentials_the_answer_says_how_to_give_some() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let proxy = Running::new(&upstream, Authenticator::builder(), Limits::default()).await;
    let answer = proxy.answer(&connect(origin)).await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n") && answer.contains("--user"), "{answer}");

    let basic = self::upstream(Offer::basic("x")).start().await.expect("a server");
    let answer = Running::in_front_of(&basic).await.answer(&connect(origin)).await;
    assert!(answer.contains("--insecure-basic"), "{answer}");
    assert_eq!(basic.report().attempts(), 0);
}

#[tokio::test]
async fn an_origin_that_the_upstream_cannot_reach_is_a_502_with_its_status() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let answer = proxy.answer("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
    assert!(answer.contains("to 127.0.0.1:1") && answer.contains("answered 502 Bad Gateway"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_does_not_answer_is_a_504() {
    let held = Quirk::HeldBy(Gate::closed());
    let (upstream, origin) =
        (upstream(Offer::Ntlm).quirk(held).start().await.expect("a server"), echo().await);
    let limits = Limits { tunnel_timeout: Duration::from_millis(50), ..Limits::default() };
    let proxy = Running::new(&upstream, carol_at(&upstream), limits).await;
    let answer = proxy.answer(&connect(origin)).await;
    assert!(answer.starts_with("HTTP/1.1 504 Gateway Timeout\r\n") && answer.contains("50ms"), "{answer}");
}

#[tokio::test]
async fn connect_wants_a_host_and_a_port() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    for target in ["site.example", "/path", "site.example:99999"] {
        let answer = proxy.answer(&format!("CONNECT {target} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{target}: {answer}");
    }
    assert_eq!(upstream.report().connections().len(), 0);
}

#[tokio::test]
async fn a_local_programs_own_proxy_login_goes_nowhere() {
    for offers in [vec![Offer::Ntlm], vec![]] {
        let builder = Server::builder().user(USER, PASSWORD).tunnels();
        let builder =
            offers.into_iter().fold(builder, |builder, offer| builder.offer_as(Challenger::Proxy, offer));
        let (upstream, origin) = (builder.start().await.expect("a server"), echo().await);
        let proxy = Running::in_front_of(&upstream).await;
        let field = "Proxy-Authorization: Basic bG9jYWw6cHc=\r\nX-Local: 1\r\n\r\n";
        let request = connect(origin).replace("\r\n\r\n", &format!("\r\n{field}"));
        let mut local = proxy.send(&request).await;
        assert!(head(&mut local).await.starts_with("HTTP/1.1 200 "));
        let report = upstream.report();
        for leg in report.legs() {
            let by = leg.proxy_authorization.as_ref().map(|seen| seen.scheme.as_str());
            assert_ne!(by, Some("Basic"), "{report}");
            assert!(!leg.headers.contains_key("x-local"), "{report}");
        }
    }
}

#[tokio::test]
async fn octets_behind_the_head_get_through() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let proxy = Running::in_front_of(&upstream).await;
    let early = "e".repeat(200_000);
    let local = proxy.send(&(connect(origin) + "early, ")).await;
    let (mut read, mut write) = local.into_split();
    let sent = early.clone();
    let sending = tokio::spawn(async move {
        write.write_all(sent.as_bytes()).await?;
        write.shutdown().await
    });
    let mut heard = String::new();
    without_hanging(read.read_to_string(&mut heard)).await.expect("octets");
    let (head, octets) = heard.split_once("\r\n\r\n").expect("a head");
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    assert!(octets == format!("early, {early}"), "{} octets", octets.len());
    sending.await.expect("no panic").expect("sent");
}

#[tokio::test]
async fn a_side_that_has_said_all_still_hears_the_other() {
    let (upstream, echo) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let proxy = Running::in_front_of(&upstream).await;
    let mut local = proxy.tunnel(echo).await;
    local.write_all(b"all").await.expect("sent");
    local.shutdown().await.expect("ended");
    let mut heard = String::new();
    without_hanging(local.read_to_string(&mut heard)).await.expect("octets");
    assert_eq!(heard, "all");

    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut local = proxy.tunnel(listener.local_addr().expect("it listens")).await;
    let (mut origin, _) = listener.accept().await.expect("a connection");
    origin.write_all(b"bye").await.expect("sent");
    origin.shutdown().await.expect("ended");
    heard.clear();
    without_hanging(local.read_to_string(&mut heard)).await.expect("octets");
    assert_eq!(heard, "bye");
    local.write_all(b"late").await.expect("sent");
    drop(local);
    heard.clear();
    without_hanging(origin.read_to_string(&mut heard)).await.expect("octets");
    assert_eq!(heard, "late");
}

#[tokio::test]
async fn a_tunnel_in_which_nothing_moves_is_closed() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let limits = Limits { idle_timeout: Duration::from_millis(40), ..Limits::default() };
    let proxy = Running::new(&upstream, carol_at(&upstream), limits).await;
    let mut local = proxy.tunnel(origin).await;
    assert_eq!(without_hanging(local.read(&mut [0])).await.expect("no error"), 0);
    without_hanging(upstream.wait_for(|report| report.open() == 0)).await;
}

#[tokio::test]
async fn a_head_that_is_too_large_is_answered() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let request = format!("CONNECT site.example:443 HTTP/1.1\r\nX: {}\r\n\r\n", "x".repeat(100_000));
    let answer = proxy.answer(&request).await;
    assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    assert_eq!(upstream.report().connections().len(), 0);
}

#[tokio::test]
async fn a_head_that_does_not_come_is_given_up() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let limits = Limits { head_timeout: Duration::from_millis(50), ..Limits::default() };
    let proxy = Running::new(&upstream, carol_at(&upstream), limits).await;
    for begun in ["", "CONNECT site.example:443 HTTP/1.1\r\n"] {
        proxy.answer(begun).await;
    }
}

#[tokio::test]
async fn connections_past_the_limit_wait_for_a_place() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let limits = Limits { connections: 2, ..Limits::default() };
    let proxy = Running::new(&upstream, carol_at(&upstream), limits).await;
    let first = proxy.tunnel(origin).await;
    let _second = proxy.tunnel(origin).await;
    let mut third = proxy.send(&connect(origin)).await;
    assert!(proxy.counts.to_string().starts_with("2 tunnels open of 2"), "{}", proxy.counts);
    drop(first);
    assert!(head(&mut third).await.starts_with("HTTP/1.1 200 "));
    echoes(&mut third, "in its place").await;
}

#[tokio::test]
async fn when_it_stops_a_tunnel_under_way_may_end() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let proxy = Running::in_front_of(&upstream).await;
    let mut local = proxy.tunnel(origin).await;
    proxy.stop.send(()).expect("it runs");
    // Some may still be let in by the system, though never served.
    without_hanging(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    echoes(&mut local, "still there").await;
    local.shutdown().await.expect("ended");
    without_hanging(proxy.ended).await.expect("no panic");
    assert_eq!(without_hanging(local.read(&mut [0])).await.expect("no error"), 0);
}

#[tokio::test]
async fn when_it_stops_a_tunnel_that_is_being_opened_still_opens() {
    let gate = Gate::closed();
    let held = upstream(Offer::Ntlm).quirk(Quirk::HeldBy(gate.clone()));
    let (upstream, origin) = (held.start().await.expect("a server"), echo().await);
    let proxy = Running::in_front_of(&upstream).await;
    let mut waiting = proxy.send("").await;
    let mut local = proxy.send(&connect(origin)).await;
    without_hanging(gate.held(1)).await;
    proxy.stop.send(()).expect("it runs");
    without_hanging(async { while TcpStream::connect(proxy.address).await.is_ok() {} }).await;
    gate.open();
    assert!(head(&mut local).await.starts_with("HTTP/1.1 200 OK\r\n"));
    echoes(&mut local, "late, and in time").await;
    drop(local);
    // Without a request it is not under way.
    assert_eq!(without_hanging(waiting.read(&mut [0])).await.expect("no error"), 0);
    without_hanging(proxy.ended).await.expect("no panic");
}

#[tokio::test]
async fn after_the_time_of_grace_it_stops_whatever_is_under_way() {
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let limits = Limits { grace: Duration::from_millis(50), ..Limits::default() };
    let proxy = Running::new(&upstream, carol_at(&upstream), limits).await;
    let mut local = proxy.tunnel(origin).await;
    proxy.stop.send(()).expect("it runs");
    without_hanging(proxy.ended).await.expect("no panic");
    assert_eq!(without_hanging(local.read(&mut [0])).await.expect("no error"), 0);
    assert!(proxy.counts.to_string().starts_with("0 tunnels open of 1"), "{}", proxy.counts);
}

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(windows, ignore = "wine takes minutes for a thousand logins by the system")]
async fn a_thousand_tunnels_are_open_at_the_same_time() {
    let tunnels = as_many_as_the_descriptors_allow(1_000);
    let (upstream, origin) = (upstream(Offer::Ntlm).start().await.expect("a server"), echo().await);
    let proxy = Arc::new(Running::in_front_of(&upstream).await);
    let all_are_open = Arc::new(Barrier::new(tunnels + 1));
    let all_have_echoed = Arc::new(Barrier::new(tunnels + 1));
    let mut tasks = JoinSet::new();
    for number in 0..tunnels {
        let (proxy, opened, echoed) =
            (Arc::clone(&proxy), Arc::clone(&all_are_open), Arc::clone(&all_have_echoed));
        tasks.spawn(async move {
            let mut tunnel = proxy.tunnel(origin).await;
            opened.wait().await;
            for round in 0..3 {
                echoes(&mut tunnel, &format!("tunnel {number}, round {round}")).await;
            }
            echoed.wait().await;
        });
    }
    without_hanging(all_are_open.wait()).await;
    let open = format!("{tunnels} tunnels open of {tunnels}, ");
    assert!(proxy.counts.to_string().starts_with(&open), "{}", proxy.counts);
    without_hanging(all_have_echoed.wait()).await;
    tasks.join_all().await;
    let report = upstream.report();
    assert_eq!((report.handshakes(), report.refused(), report.misplaced()), (tunnels, 0, 0));
}
