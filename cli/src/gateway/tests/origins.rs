//! Programs that know of no login, and an origin that wants one.

use legwork::testing::{Quirk, When};

use super::*;

const ALICE: (&str, &str) = ("alice", "alice-pw");

/// An origin that wants a login.
fn origin(offer: Offer) -> Builder {
    Server::builder().user(USER, PASSWORD).user(ALICE.0, ALICE.1).offer(offer).page("a page")
}

fn carol_of(origin: &Server) -> AuthenticatorBuilder {
    Authenticator::builder().credentials(origin.origin(), Credentials::password(USER, PASSWORD))
}

/// The same at a listener that stands for it.
async fn served(origin: &Server) -> Running {
    served_to(origin, carol_of(origin), Access::new(Users::Own)).await
}

async fn served_to(origin: &Server, authenticator: AuthenticatorBuilder, access: Access) -> Running {
    let (limits, counts) = (Limits::default(), Arc::default());
    let none = Proxies::all(Proxy::new(origin.origin())).except("*");
    let upstream = Upstream::new(none, authenticator.build(), tls(RootCertStore::empty()), &limits, &counts);
    let role = Role::Origin(ServedOrigin::new(origin.origin(), Arc::new(upstream), Arc::default()));
    Running::serving(Service { access, role }, limits, counts).await
}

/// A request with these fields.
fn request(line: &str, running: &Running, fields: &str) -> String {
    format!("{line} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", running.address)
}

fn get(running: &Running, fields: &str) -> String {
    request("GET /a/page?of=it", running, fields)
}

fn field(name: &'static str, value: &str) -> Quirk {
    Quirk::Field(HeaderName::from_static(name), value.parse().expect("a value"))
}

#[tokio::test]
async fn a_page_comes_by_each_scheme_and_tells_of_no_login() {
    for (offer, legs) in [(Offer::basic("the origin"), 2), (Offer::Ntlm, 3), (Offer::Negotiate, 3)] {
        let origin = origin(offer.clone()).start().await.expect("a server");
        let authenticator = carol_of(&origin).dangerous_secrets_over_plain_http(true);
        let running = served_to(&origin, authenticator, Access::new(Users::Own)).await;
        let answer = running.answer(&get(&running, "")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\na page"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("authenticat"), "{answer}");
        let report = origin.report();
        assert_eq!((report.connections().len(), report.legs().count()), (1, legs), "{offer:?}: {report}");
        for leg in report.legs() {
            assert_eq!(leg.target, "/a/page?of=it");
            assert_eq!(leg.headers["host"], origin.address().to_string());
        }
    }
}

#[tokio::test]
async fn what_a_page_says_of_the_listener_the_origin_reads_as_its_own() {
    let origin = origin(Offer::Ntlm)
        .quirk(field("location", "http://elsewhere.example/"))
        .quirk(field("set-cookie", "a=b; Path=/; SameSite=None"))
        .quirk(field("alt-svc", "h3=\":443\""))
        .start()
        .await
        .expect("a server");
    let running = served(&origin).await;
    let own = format!("http://{}", running.address);
    let fields = format!(
        "Origin: {own}\r\nReferer: {own}/before?a\r\nSec-Fetch-Site: same-origin\r\nCookie: c=d; __Host-x=tossed\r\n\
         X-Hop: 1\r\nConnection: x-hop\r\nProxy-Authorization: Basic bG9jYWw6cHc=\r\nExpect: 100-continue\r\n"
    );
    let answer = running.answer(&get(&running, &fields)).await;
    for line in ["location: http://elsewhere.example/\r\n", "set-cookie: a=b; Path=/; SameSite=Lax\r\n"] {
        assert!(answer.contains(line), "{answer}");
    }
    assert!(!answer.contains("alt-svc"), "{answer}");
    for leg in origin.report().legs() {
        let its = origin.origin().to_string();
        assert_eq!(leg.headers["origin"], its.as_str());
        assert_eq!(leg.headers["referer"], format!("{its}/before?a"));
        assert_eq!(leg.headers["cookie"], "c=d");
        assert!(leg.headers["via"].as_bytes().starts_with(b"1.1 legwork-"), "{:?}", leg.headers);
        for name in ["x-hop", "connection", "proxy-authorization", "expect"] {
            assert!(!leg.headers.contains_key(name), "{name}: {:?}", leg.headers);
        }
    }
}

/// An origin that wants no login, in front of it a listener that stands for it.
async fn scripted() -> (TcpListener, Running) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let its: Origin =
        format!("http://{}", listener.local_addr().expect("it listens")).parse().expect("an origin");
    let (limits, counts) = (Limits::default(), Arc::default());
    let none = all(its.clone()).except("*");
    let nobody = Authenticator::builder().build();
    let upstream = Upstream::new(none, nobody, tls(RootCertStore::empty()), &limits, &counts);
    let role = Role::Origin(ServedOrigin::new(its, Arc::new(upstream), Arc::default()));
    (listener, Running::serving(Service { access: Access::new(Users::Own), role }, limits, counts).await)
}

#[tokio::test]
async fn a_redirect_of_the_origin_to_itself_leads_to_the_listener() {
    let (listener, running) = scripted().await;
    let address = listener.local_addr().expect("it listens");
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let heard = head(&mut stream).await;
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: http://{address}/next?x\r\nContent-Length: 0\r\n\r\n");
        stream.write_all(answer.as_bytes()).await.expect("sent");
        heard
    };
    let request = get(&running, "");
    let (heard, answer) = tokio::join!(server, running.answer(&request));
    assert!(answer.contains(&format!("location: http://{}/next?x\r\n", running.address)), "{answer}");
    assert!(heard.contains(&format!("host: {address}\r\n")), "{heard}");
}

#[tokio::test]
async fn a_change_of_protocol_that_nobody_asked_for_is_none() {
    let (listener, running) = scripted().await;
    let server = async {
        let (mut stream, _) = listener.accept().await.expect("a connection");
        head(&mut stream).await;
        let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nHTTP/1.1 200 OK\r\n\r\n";
        stream.write_all(answer.as_bytes()).await.expect("sent");
        stream
    };
    let request = get(&running, "");
    let (_stream, answer) = tokio::join!(server, running.answer(&request));
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.matches("HTTP/1.1").count() == 1, "{answer}");
}

#[tokio::test]
async fn a_body_that_breaks_off_does_not_look_whole_at_the_origin() {
    for (framing, begun) in [
        ("Content-Length: 1000\r\n", "begun"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nbegun\r\n"),
        ("Transfer-Encoding: chunked\r\n", "5\r\nbegun\r\nffffffffffffffffff\r\n"),
    ] {
        let (listener, running) = scripted().await;
        let mut local = running.send(&request("POST /upload", &running, framing)).await;
        local.write_all(begun.as_bytes()).await.expect("sent");
        let (mut stream, _) = listener.accept().await.expect("a connection");
        let mut heard = head(&mut stream).await;
        if heard.starts_with("HEAD ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.expect("sent");
            heard = head(&mut stream).await;
        }
        assert!(heard.starts_with("POST /upload HTTP/1.1\r\n"), "{heard}");
        drop(local);
        let mut rest = String::new();
        let _ = without_hanging(stream.read_to_string(&mut rest)).await;
        let is_whole = rest.ends_with("0\r\n\r\n") || rest.len() >= 1000;
        assert!(!is_whole, "{framing}{rest}");
    }
}

#[tokio::test]
async fn pages_of_other_sites_and_names_that_lead_here_reach_nothing() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let running = served(&origin).await;
    let port = running.address.port();
    for (host, fields) in [
        (format!("attacker.example:{port}"), ""),
        (format!("127.0.0.2:{port}"), ""),
        ("127.0.0.1".to_owned(), ""),
        (running.address.to_string(), "Sec-Fetch-Site: cross-site\r\n"),
        (running.address.to_string(), "Sec-Fetch-Site: same-site\r\n"),
        (running.address.to_string(), "Origin: http://attacker.example\r\n"),
        (running.address.to_string(), "Origin: null\r\n"),
        (
            running.address.to_string(),
            "Origin: http://attacker.example\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
        ),
    ] {
        for method in ["GET", "POST", "OPTIONS", "DELETE"] {
            let request = format!(
                "{method} / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nContent-Length: 0\r\n{fields}\r\n"
            );
            let answer = running.answer(&request).await;
            assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"), "{request}{answer}");
            assert!(!answer.to_ascii_lowercase().contains("access-control"), "{answer}");
        }
    }
    let twice = format!("GET / HTTP/1.1\r\nHost: {0}\r\nHost: {0}\r\n\r\n", running.address);
    assert!(running.answer(&twice).await.starts_with("HTTP/1.1 400 "));
    let none = "GET / HTTP/1.0\r\n\r\n";
    assert!(running.answer(none).await.contains(" 403 Forbidden\r\n"));
    assert_eq!(origin.report().connections().len(), 0);
}

#[tokio::test]
async fn it_is_no_proxy() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let running = served(&origin).await;
    for target in ["http://site.example/", "https://site.example/", "*", "//site.example/"] {
        let answer = running.answer(&request(&format!("OPTIONS {target}"), &running, "")).await;
        // The last is a path, if an odd one.
        let is_path = target.starts_with('/');
        assert_eq!(answer.starts_with("HTTP/1.1 400 "), !is_path, "{target}: {answer}");
    }
    let answer = running.answer(&request(&format!("CONNECT {}", origin.address()), &running, "")).await;
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    let absolute = format!("GET http://{}/absolute", running.address);
    let answer = running.answer(&request(&absolute, &running, "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(origin.report().legs().all(|leg| leg.headers["host"] == origin.address().to_string()));
}

#[tokio::test]
async fn a_wrong_password_is_tried_once_and_the_answer_says_why() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let wrong =
        Authenticator::builder().credentials(origin.origin(), Credentials::password(USER, "wrong-pw"));
    let running = served_to(&origin, wrong, Access::new(Users::Own)).await;
    for _ in 0..3 {
        let answer = running.answer(&get(&running, "")).await;
        assert!(answer.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{answer}");
        assert!(answer.contains("401 Unauthorized") && answer.contains("not tried again"), "{answer}");
        assert!(!answer.to_ascii_lowercase().contains("www-authenticate"), "{answer}");
    }
    assert_eq!(origin.report().attempts(), 1, "{}", origin.report());
}

#[tokio::test]
async fn a_program_may_log_in_itself() {
    let origin = origin(Offer::basic("the origin")).start().await.expect("a server");
    let running = served(&origin).await;
    let answer = running.answer(&get(&running, "Authorization: Basic YWxpY2U6YWxpY2UtcHc=\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("x-user: alice\r\n"), "{answer}");
    let answer = running.answer(&get(&running, "Authorization: Basic YWxpY2U6d3Jvbmc=\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
    assert!(answer.contains("www-authenticate: Basic realm=\"the origin\""), "{answer}");
}

#[tokio::test]
async fn a_websocket_opens_behind_the_login() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let running = served(&origin).await;
    let request = format!(
        "GET /upgrade HTTP/1.1\r\nHost: {0}\r\nOrigin: http://{0}\r\nConnection: keep-alive, Upgrade\r\nUpgrade: \
         websocket\r\n\r\n",
        running.address
    );
    let mut local = running.send(&request).await;
    let head = head(&mut local).await;
    assert!(head.starts_with("HTTP/1.1 101 Switching Protocols\r\n"), "{head}");
    assert!(head.contains("upgrade: websocket\r\n") && head.contains("connection: upgrade\r\n"), "{head}");
    echoes(&mut local, "hello").await;
    echoes(&mut local, "again").await;
    assert_eq!(origin.report().handshakes(), 1);
    assert!(running.counts.to_string().starts_with("1 tunnels open of 1"), "{}", running.counts);

    // Of HTTP/2, what it carries could not be put right.
    let h2c =
        get(&running, "").replace("Connection: close\r\n", "Connection: upgrade, close\r\nUpgrade: h2c\r\n");
    let answer = running.answer(&h2c).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(origin.report().legs().all(|leg| leg.headers.get("upgrade").is_none_or(|to| to == "websocket")));
}

#[tokio::test]
async fn a_large_body_goes_up_once_and_as_it_comes() {
    for offer in [Offer::Ntlm, Offer::basic("the origin")] {
        let origin = origin(offer).start().await.expect("a server");
        let running = served_to(
            &origin,
            carol_of(&origin).dangerous_secrets_over_plain_http(true),
            Access::new(Users::Own),
        )
        .await;
        let octets = 300_000;
        for framing in [format!("Content-Length: {octets}\r\n"), "Transfer-Encoding: chunked\r\n".to_owned()]
        {
            let mut local = running.send(&request("POST /", &running, &framing)).await;
            let content = vec![b'x'; octets];
            if framing.starts_with('T') {
                local.write_all(format!("{octets:x}\r\n").as_bytes()).await.expect("sent");
            }
            local.write_all(&content).await.expect("sent");
            if framing.starts_with('T') {
                local.write_all(b"\r\n0\r\n\r\n").await.expect("sent");
            }
            let mut answer = String::new();
            without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
            assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
            assert!(answer.contains(&format!("x-body-octets: {octets}\r\n")), "{answer}");
        }
        assert_eq!(origin.report().body_octets(), 2 * octets as u64, "{}", origin.report());
    }
}

/// Sends what is written so, and tells which requests an origin makes of it.
async fn smuggled(text: &str) -> (String, Vec<String>) {
    let origin = Server::builder().page("a page").start().await.expect("a server");
    let running = served(&origin).await;
    let mut local = running.send(&text.replace("HOST", &running.address.to_string())).await;
    // Nothing more will come.
    local.shutdown().await.expect("ended");
    let mut answer = String::new();
    without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
    // A HEAD goes ahead of what is too long to be sent again.
    let report = origin.report();
    let legs = report.legs().filter(|leg| leg.method != "HEAD");
    (answer, legs.map(|leg| leg.target.clone()).collect())
}

#[tokio::test]
async fn two_requests_cannot_be_made_of_one() {
    let inner = "GET /inner HTTP/1.1\r\nHost: x\r\n\r\n";
    for (text, targets) in [
        // Whoever reads them takes the same of the two: what follows is a second request on both sides, or none.
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nContent-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}",
                inner.len() + 5
            ),
            &["/outer"][..],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{inner}"
            ),
            &["/outer"],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0\r\nContent-Length: {}\r\n\r\n{inner}",
                inner.len()
            ),
            &[],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nContent-Length: 0, {}\r\n\r\n{inner}",
                inner.len()
            ),
            &[],
        ),
        (
            format!("POST /outer HTTP/1.1\r\nHost: HOST\r\nContent-Length: +{}\r\n\r\n{inner}", inner.len()),
            &[],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{inner}"
            ),
            &[],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n{inner}"
            ),
            &[],
        ),
        (
            format!(
                "POST /outer HTTP/1.1\r\nHost: HOST\r\nX: a\r\n Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
            ),
            &[],
        ),
        (
            format!(
                "POST /outer HTTP/1.0\r\nHost: HOST\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{inner}"
            ),
            &[],
        ),
        (format!("GET /outer\u{b}HTTP/1.1\r\nHost: HOST\r\n\r\n{inner}"), &[]),
        ("GET /outer HTTP/1.1\r\nHost: HOST\r\nX: a\0b\r\n\r\n".to_owned(), &[]),
        ("GET /outer HTTP/1.1\r\nHost: HOST\r\nHost: x\r\n\r\n".to_owned(), &[]),
        ("GET /outer HTTP/1.1\r\n Host: HOST\r\n\r\n".to_owned(), &[]),
    ] {
        let (answer, seen) = smuggled(&text).await;
        let seen: Vec<_> = seen.iter().map(String::as_str).collect();
        assert_eq!(seen, targets, "{text}{answer}");
    }
}

#[tokio::test]
async fn a_token_lets_others_in_and_goes_no_further() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let access = Access::new(Users::All).token(Some(Token::new("0123456789abcdef")));
    let running = served_to(&origin, carol_of(&origin), access).await;
    for wrong in
        ["", "Authorization: Bearer 0123456789abcde0\r\n", "Proxy-Authorization: Bearer 0123456789abcdef\r\n"]
    {
        let answer = running.answer(&get(&running, wrong)).await;
        assert!(
            answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Basic "),
            "{answer}"
        );
    }
    assert_eq!(origin.report().connections().len(), 0);
    let answer = running.answer(&get(&running, "Authorization: Bearer 0123456789abcdef\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(
        origin.report().legs().all(|leg| leg.authorization.as_ref().is_none_or(|seen| seen.scheme == "NTLM"))
    );
}

#[tokio::test]
async fn a_new_service_holds_from_the_next_request_on() {
    let origin = origin(Offer::Ntlm).start().await.expect("a server");
    let running = served_to(&origin, Authenticator::builder(), Access::new(Users::Own)).await;
    let kept = get(&running, "").replace("Connection: close\r\n", "");
    let mut local = running.send(&kept).await;
    let first = head(&mut local).await;
    assert!(first.starts_with("HTTP/1.1 502 "), "{first}");

    let again = served(&origin).await;
    running.services.send_replace(Arc::clone(&again.services.borrow()));
    let answer = running.answer(&get(&running, "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
async fn an_answer_under_way_is_not_lost_when_it_stops() {
    let gate = legwork::testing::Gate::closed();
    let origin = origin(Offer::Ntlm).quirk_when(When::leg(3), Quirk::HeldBy(gate.clone())).start().await;
    let origin = origin.expect("a server");
    let running = served(&origin).await;
    let mut local = running.send(&get(&running, "")).await;
    without_hanging(gate.held(1)).await;
    running.stop.send(()).expect("it runs");
    without_hanging(async { while TcpStream::connect(running.address).await.is_ok() {} }).await;
    gate.open();
    let mut answer = String::new();
    without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("a page"), "{answer}");
    without_hanging(running.ended).await.expect("no panic");
}
