//! Requests to `http` origins.

use http::{HeaderValue, StatusCode};
use legwork::testing::Quirk;
use tokio::task::JoinSet;

use super::*;

/// A request for a page of the upstream server, which is the origin too.
pub(super) fn get(path: &str) -> String {
    format!("GET http://site.example{path} HTTP/1.1\r\nHost: other.example\r\nConnection: close\r\n\r\n")
}

fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

#[tokio::test]
async fn a_page_comes_through_by_each_scheme() {
    for (offer, legs) in [(Offer::basic("the proxy"), 2), (Offer::Ntlm, 3), (Offer::Negotiate, 3)] {
        let upstream = upstream(offer.clone()).page("a page").start().await.expect("a server");
        let authenticator = carol_at(&upstream).dangerous_secrets_to_plain_http_proxies(true);
        let proxy = Running::new(&upstream, authenticator, Limits::default()).await;
        let answer = proxy.answer(&get("/a/page?of=it")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && body(&answer) == "a page", "{answer}");
        let report = upstream.report();
        assert_eq!((report.connections().len(), report.legs().count()), (1, legs), "{offer:?}: {report}");
        for leg in report.legs() {
            assert_eq!(leg.target, "http://site.example/a/page?of=it");
            assert_eq!(leg.headers["host"], "site.example", "the target says it");
        }
    }
}

#[tokio::test]
async fn a_local_connection_is_kept_for_more_requests() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let request = get("/").replace("Connection: close\r\n", "");
    let mut local = proxy.send(&request).await;
    for _ in 0..3 {
        assert!(head(&mut local).await.starts_with("HTTP/1.1 200 OK\r\n"));
        let mut page = [0; 6];
        without_hanging(local.read_exact(&mut page)).await.expect("a page");
        assert_eq!(&page, b"a page");
        local.write_all(request.as_bytes()).await.expect("sent");
    }
    assert!(head(&mut local).await.starts_with("HTTP/1.1 200 OK\r\n"));
    let report = upstream.report();
    assert_eq!((report.connections().len(), report.handshakes()), (1, 1), "{report}");
}

// apt
#[tokio::test]
async fn requests_that_do_not_wait_for_answers_are_answered_in_order() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let statuses = [200, 404, 418, 204];
    let requests: String = statuses.map(|status| get(&format!("/status/{status}"))).concat();
    let (requests, last) = requests.split_at(requests.rfind("Connection").expect("a field"));
    let answers = proxy.answer(&(requests.replace("Connection: close\r\n", "") + last)).await;
    let lines = answers.match_indices("HTTP/1.1 ").map(|(place, _)| &answers[place + 9..place + 12]);
    assert_eq!(lines.collect::<Vec<_>>(), statuses.map(|status| status.to_string()), "{answers}");
}

#[tokio::test]
async fn a_head_tells_the_length_and_has_no_body() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let answer = Running::in_front_of(&upstream).await.answer(&get("/").replace("GET", "HEAD")).await;
    assert!(answer.contains("content-length: 6\r\n") && body(&answer).is_empty(), "{answer}");
}

#[tokio::test]
async fn what_is_meant_for_one_hop_ends_there() {
    let field = |name: &'static str, value: &'static str| {
        Quirk::Field(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    let upstream = upstream(Offer::Ntlm)
        .quirk(field("keep-alive", "timeout=5"))
        .quirk(field("proxy-support", "Session-Based-Authentication"))
        .quirk(field("proxy-authenticate", "Basic realm=\"x\""))
        .quirk(field("upgrade", "h2c"))
        .quirk(field("x-end-to-end", "kept"))
        .start()
        .await
        .expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let fields = "Connection: close, X-Hop ,\r\nconnection: x-other-hop\r\nX-Hop: 1\r\nX-Other-Hop: 1\r\n\
         Keep-Alive: timeout=5\r\nProxy-Connection: keep-alive\r\nProxy-Authorization: Basic bG9jYWw6cHc=\r\n\
         TE: trailers\r\nTrailer: X\r\nUpgrade: websocket\r\nX-End-To-End: kept\r\n";
    let answer = proxy.answer(&get("/").replace("Connection: close\r\n", fields)).await.to_ascii_lowercase();
    assert!(answer.starts_with("http/1.1 200 ok\r\n") && answer.contains("x-end-to-end: kept"), "{answer}");
    for name in ["keep-alive", "proxy-", "upgrade"] {
        assert!(!answer.contains(&format!("\r\n{name}")), "{name}: {answer}");
    }
    let report = upstream.report();
    for leg in report.legs() {
        assert_eq!(leg.headers["x-end-to-end"], "kept");
        assert!(leg.headers["via"].as_bytes().starts_with(b"1.1 legwork-"), "{:?}", leg.headers);
        for name in [
            "connection",
            "x-hop",
            "x-other-hop",
            "keep-alive",
            "proxy-connection",
            "te",
            "trailer",
            "upgrade",
        ] {
            assert!(!leg.headers.contains_key(name), "{name}: {:?}", leg.headers);
        }
        let by = leg.proxy_authorization.as_ref().map(|seen| seen.scheme.as_str());
        assert_ne!(by, Some("Basic"), "{report}");
    }
}

#[tokio::test]
async fn a_login_at_the_origin_is_the_local_programs_own() {
    let upstream = upstream(Offer::Ntlm).offer(Offer::basic("the origin")).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    let answer = proxy.answer(&get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{answer}");
    assert!(answer.contains("www-authenticate: Basic realm=\"the origin\"\r\n"), "{answer}");
    assert!(upstream.report().legs().all(|leg| leg.authorization.is_none()), "{}", upstream.report());

    let with_login =
        get("/").replace("Connection", "Authorization: Basic YWxpY2U6YWxpY2UtcHc=\r\nConnection");
    let answer = proxy.answer(&with_login).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-user: alice\r\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_by_requests_and_tunnels_together() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let wrong = Credentials::password(USER, "wrong-pw");
    let authenticator = Authenticator::builder().proxy_credentials(upstream.origin(), wrong);
    let proxy = Arc::new(Running::new(&upstream, authenticator, Limits::default()).await);
    let mut tasks = JoinSet::new();
    for number in 0..32 {
        let proxy = Arc::clone(&proxy);
        tasks.spawn(async move {
            let request = match number % 2 {
                0 => get("/"),
                _ => connect(proxy.address),
            };
            let answer = proxy.answer(&request).await;
            assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
            for part in ["407 Proxy Authentication Required", "NTLM: ", "not tried again"] {
                assert!(answer.contains(part), "{part} is missing: {answer}");
            }
            assert!(!answer.to_ascii_lowercase().contains("proxy-authenticate"), "{answer}");
        });
    }
    tasks.join_all().await;
    assert_eq!(upstream.report().attempts(), 1, "{}", upstream.report());
}

#[tokio::test]
async fn a_body_goes_up_while_it_comes_in_and_goes_once() {
    for (framing, close) in [("Transfer-Encoding: chunked", true), ("Content-Length: 300000", false)] {
        let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
        let proxy = Running::in_front_of(&upstream).await;
        let head = format!("POST http://site.example/ HTTP/1.1\r\n{framing}\r\nConnection: close\r\n\r\n");
        let mut local = proxy.send(&head).await;
        let part = "x".repeat(100_000);
        for parts in 1..=3 {
            let chunk = if close { format!("186a0\r\n{part}\r\n") } else { part.clone() };
            local.write_all(chunk.as_bytes()).await.expect("sent");
            without_hanging(upstream.wait_for(|report| report.body_octets() == parts * 100_000)).await;
        }
        if close {
            local.write_all(b"0\r\n\r\n").await.expect("sent");
        }
        let mut answer = String::new();
        without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(answer.contains("x-body-octets: 300000\r\n"), "{answer}");
    }
}

#[tokio::test]
async fn a_body_comes_down_while_the_origin_makes_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = format!("http://{}", listener.local_addr().expect("it listens"));
    let proxy =
        Running::at(upstream.parse().expect("an origin"), Authenticator::builder(), Limits::default());
    let proxy = proxy.await;
    let mut local = proxy.send(&get("/")).await;
    let (mut origin, _) = listener.accept().await.expect("a connection");
    assert!(head(&mut origin).await.starts_with("GET http://site.example/ HTTP/1.1\r\n"));
    origin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n").await.expect("sent");
    assert!(head(&mut local).await.starts_with("HTTP/1.1 200 OK\r\n"));
    for part in ["one", "two", "end"] {
        origin.write_all(part.as_bytes()).await.expect("sent");
        let mut octets = [0; 3];
        without_hanging(local.read_exact(&mut octets)).await.expect("octets");
        assert_eq!(&octets, part.as_bytes());
    }

    // What breaks off must not look whole.
    let mut local = proxy.send(&get("/")).await;
    let mut answer = String::new();
    assert!(head(&mut origin).await.starts_with("GET "));
    origin.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\none").await.expect("sent");
    drop(origin);
    let _ = without_hanging(local.read_to_string(&mut answer)).await;
    assert!(answer.contains("content-length: 9\r\n") && body(&answer).len() < 9, "{answer}");
}

// A program that gives up ends its side too, and then there is nobody to whom the answer would be sent.
#[tokio::test]
async fn an_answer_is_not_waited_for_without_end_when_the_program_has_ended_its_side() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = format!("http://{}", listener.local_addr().expect("it listens"));
    let limits = Limits { idle_timeout: Duration::from_millis(40), ..Limits::default() };
    let proxy = Running::at(upstream.parse().expect("an origin"), Authenticator::builder(), limits).await;
    for says in ["", "HTTP/1.1 103 Early Hints\r\n\r\n"] {
        let mut local = proxy.send(&get("/")).await;
        let (mut origin, _) = without_hanging(listener.accept()).await.expect("a connection");
        assert!(head(&mut origin).await.starts_with("GET http://site.example/ HTTP/1.1\r\n"));
        let (mut read, mut write) = origin.split();
        let speaks = async {
            while !says.is_empty() && write.write_all(says.as_bytes()).await.is_ok() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            std::future::pending::<()>().await;
        };
        local.shutdown().await.expect("it is open");
        let mut rest = Vec::new();
        tokio::select! {
            _ = without_hanging(read.read_to_end(&mut rest)) => {}
            () = speaks => {}
        }
        let mut answer = String::new();
        without_hanging(local.read_to_string(&mut answer)).await.expect("its end");
        assert_eq!(answer, "");
    }
}

#[tokio::test]
async fn the_body_of_a_get_goes_on_or_is_refused() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    for fields in ["", "Connection: content-length\r\n"] {
        let fields = format!("{fields}Content-Length: 4\r\nConnection: close\r\n\r\nbody");
        let answer = proxy.answer(&get("/").replace("Connection: close\r\n\r\n", &fields)).await;
        assert!(answer.starts_with("HTTP/1.1 200 ") && answer.contains("x-body-octets: 4\r\n"), "{answer}");
    }
    let before = upstream.report().legs().count();
    let chunked =
        get("/").replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n");
    for method in ["GET", "HEAD"] {
        let answer = proxy.answer(&chunked.replace("GET", method)).await;
        assert!(answer.starts_with("HTTP/1.1 411 Length Required\r\n"), "{answer}");
    }
    assert_eq!(upstream.report().legs().count(), before);
}

/// What comes of a response that says this.
async fn answered(response: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream = format!("http://{}", listener.local_addr().expect("it listens"));
    let proxy =
        Running::at(upstream.parse().expect("an origin"), Authenticator::builder(), Limits::default());
    let proxy = proxy.await;
    let answers = async {
        let (mut origin, _) = listener.accept().await.expect("a connection");
        head(&mut origin).await;
        origin.write_all(response.as_bytes()).await.expect("sent");
        origin
    };
    let request = get("/");
    tokio::join!(proxy.answer(&request), answers).0
}

#[tokio::test]
async fn a_protocol_that_nobody_asked_for_is_a_502() {
    let answer =
        answered("HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\noctets").await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && body(&answer).contains("nobody asked for"), "{answer}");
    assert!(!answer.contains("octets"), "{answer}");
}

#[tokio::test]
async fn how_long_a_response_is_is_told_in_one_way() {
    let chunks = "\r\n\r\n6\r\noctets\r\n0\r\n\r\n";
    for fields in [
        "Content-Length: 2\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: Chunked\r\nContent-Length: 99",
    ] {
        let answer = answered(&format!("HTTP/1.1 200 OK\r\n{fields}{chunks}")).await;
        assert!(!answer.contains("content-length") && body(&answer).contains("octets\r\n0\r\n"), "{answer}");
    }
    for coding in ["gzip, chunked", "gzip", "identity"] {
        let answer = answered(&format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: {coding}{chunks}")).await;
        assert!(answer.starts_with("HTTP/1.1 502 ") && !answer.contains("octets"), "{coding}: {answer}");
    }
}

#[tokio::test]
async fn what_comes_back_is_a_508() {
    let listen = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let upstream: Origin =
        format!("http://{}", listen.local_addr().expect("it listens")).parse().expect("an origin");
    let proxy = Running::at(upstream, Authenticator::builder(), Limits::default()).await;
    let itself = proxy.address;
    // Whatever leads back.
    tokio::spawn(async move {
        while let Ok((mut there, _)) = listen.accept().await {
            let mut back = TcpStream::connect(itself).await?;
            tokio::spawn(async move { tokio::io::copy_bidirectional(&mut there, &mut back).await });
        }
        Ok::<_, std::io::Error>(())
    });
    let answer = proxy.answer(&get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 508 Loop Detected\r\n"), "{answer}");
    assert!(body(&answer).contains("comes back"), "{answer}");
    let answer = proxy.answer(&connect(itself)).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && body(&answer).contains("508"), "{answer}");
}

#[tokio::test]
async fn what_is_no_request_for_a_proxy_is_explained() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let proxy = Running::in_front_of(&upstream).await;
    for (target, says) in [
        ("/", "http_proxy"),
        ("https://site.example/", "CONNECT"),
        ("ftp://site.example/", "CONNECT"),
        ("*", "proxy"),
    ] {
        let answer =
            proxy.answer(&format!("OPTIONS {target} HTTP/1.1\r\nHost: {}\r\n\r\n", proxy.address)).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{target}: {answer}");
        assert!(body(&answer).contains(says), "{target}: {answer}");
    }
    assert_eq!(upstream.report().connections().len(), 0);
}

#[tokio::test]
async fn an_upstream_that_cannot_be_reached_is_a_502() {
    let nobody = "http://127.0.0.1:1".parse().expect("an origin");
    let proxy = Running::at(nobody, Authenticator::builder(), Limits::default()).await;
    for request in [get("/"), connect(proxy.address)] {
        let answer = proxy.answer(&request).await;
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
        assert!(answer.contains("onnection refused"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_as_many_logins_as_connections_at_the_most() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let proxy = Arc::new(Running::in_front_of(&upstream).await);
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        let proxy = Arc::clone(&proxy);
        tasks.spawn(async move {
            // 2,000 of them all.
            for _ in 0..(if task < 16 { 32 } else { 31 }) {
                let answer = proxy.answer(&get("/")).await;
                assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            }
        });
    }
    tasks.join_all().await;
    let report = upstream.report();
    assert!((1..=64).contains(&report.handshakes()), "{}", report.handshakes());
    assert_eq!(report.connections().len(), report.open(), "none was closed");
    assert!(report.handshakes() <= report.connections().len());
    let served = report.legs().filter(|leg| leg.status == Some(StatusCode::OK)).count();
    assert_eq!(served, 2_000);
}

#[tokio::test]
async fn a_large_body_meets_no_challenge_after_a_page_that_needs_no_proxy() {
    let direct = Server::builder().user(USER, PASSWORD).quirk(Quirk::Open).page("a page").start().await;
    let direct = direct.expect("a server");
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let (proxies, limits) = (all(upstream.origin()).except("127.0.0.1"), Limits::default());
    let proxy = Running::through(proxies, carol_at(&upstream), tls(RootCertStore::empty()), limits).await;
    let page = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", direct.uri("/"));
    assert!(proxy.answer(&page).await.ends_with("a page"));
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(64) + "0\r\n\r\n";
    let head = get("/").replace("GET", "PUT").replace("\r\n\r\n", "\r\nTransfer-Encoding: chunked\r\n\r\n");
    let answer = proxy.answer(&(head + &chunks)).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
}
