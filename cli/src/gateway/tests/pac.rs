//! Requests that go where a PAC file says.

use legwork::testing::Quirk;
use rustls::pki_types::CertificateDer;

use super::super::pac::Pac;
use super::super::proxy::Chosen;
use super::*;

/// A gateway by a PAC file, whose user is logged in at these of its proxies.
async fn by(script: &str, login_at: &[&str], exceptions: &str) -> Running {
    serving(script, login_at, exceptions, |upstream| Role::Proxy(ForwardProxy::new(upstream, Vec::new())))
        .await
}

async fn serving(
    script: &str,
    login_at: &[&str],
    exceptions: &str,
    role: impl FnOnce(Arc<Upstream>) -> Role,
) -> Running {
    let (limits, counts) = (Limits::default(), Arc::<Counts>::default());
    counts.has_pac("The PAC file <b>proxy.pac</b> says it".to_owned());
    let chosen = Chosen {
        pac: Arc::new(Pac::of(script).await),
        exceptions: all("http://proxy.invalid".parse().expect("an origin")).except(exceptions),
        login_at: login_at.iter().map(|patterns| patterns.parse().expect("patterns")).collect(),
    };
    let (nobody, carol) = (Authenticator::builder().build(), Credentials::password(USER, PASSWORD));
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(by_tls::CERTIFICATE)).expect("a certificate");
    let tls = tls(roots);
    let upstream = Upstream::chosen(chosen, Some(carol), nobody, tls, &limits, &counts);
    let service = Service { access: Access::new(Users::Own), role: role(Arc::new(upstream)) };
    Running::serving(service, limits, counts).await
}

/// A script that always answers this.
fn always(list: &str) -> String {
    format!("function FindProxyForURL(url, host) {{ return '{list}' }}")
}

/// Where nobody listens, as far as one can know.
async fn nobody() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.expect("a port").local_addr().expect("it listens")
}

fn metric(running: &Running, name: &str) -> u64 {
    let numbers = running.counts.numbers();
    numbers.iter().find(|number| number.name == name).map(|number| number.value).expect("a number")
}

#[tokio::test]
async fn the_next_proxy_is_taken_where_one_cannot_be_reached() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let (closed, target) = (nobody().await, echo().await);
    let list = format!("PROXY {closed}; PROXY {}; DIRECT", upstream.address());
    let running = by(&always(&list), &["127.0.0.1"], "").await;
    for _ in 0..2 {
        let answer = running.answer(&plain::get("/")).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("a page"), "{answer}");
        echoes(&mut running.tunnel(target).await, "hello").await;
    }
    let report = upstream.report();
    assert_eq!((report.connections().len(), report.refused()), (3, 0), "{report}");
    assert_eq!(metric(&running, "legwork_gateway_pac_calls_total"), 4);
}

#[tokio::test]
async fn a_body_whose_proxy_cannot_be_reached_goes_to_the_next_one() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let list = format!("PROXY {}; PROXY {}", nobody().await, upstream.address());
    let chunks = format!("1000\r\n{}\r\n", "x".repeat(4096)).repeat(64) + "0\r\n\r\n";
    for (field, body, octets) in
        [("Content-Length: 5", "hello", 5), ("Transfer-Encoding: chunked", &chunks, 64 * 4096)]
    {
        let end = format!("\r\n{field}\r\n\r\n{body}");
        let put = plain::get("/").replace("GET", "PUT").replace("\r\n\r\n", &end);
        // The proxy that cannot be reached is tried first.
        let running = by(&always(&list), &["127.0.0.1"], "").await;
        let answer = running.answer(&put).await;
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{field}: {answer}");
        let report = upstream.report();
        assert_eq!(report.legs().last().expect("a leg").body_octets, octets, "{report}");
    }
}

#[tokio::test]
async fn what_the_file_does_not_say_does_not_go_straight() {
    let origin = Server::builder()
        .user(USER, PASSWORD)
        .quirk(Quirk::Open)
        .page("a page")
        .start()
        .await
        .expect("a server");
    let get = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", origin.uri("/"));
    let closed = format!("PROXY {}", nobody().await);
    for (script, why) in [
        (always(&closed), "refused"),
        (always("SOCKS 127.0.0.1:1080"), "SOCKS is not supported"),
        (always("nothing known"), "neither PROXY, HTTPS nor DIRECT"),
        (
            "function FindProxyForURL() { throw new Error('<b>up</b>') }".to_owned(),
            "the PAC file threw: <b>up</b>",
        ),
        ("function FindProxyForURL() { }".to_owned(), "returned no text, but: undefined"),
    ] {
        let running = by(&script, &[], "").await;
        for request in [get.clone(), connect(origin.address())] {
            let answer = running.answer(&request).await;
            assert!(answer.starts_with("HTTP/1.1 502 "), "{script}: {answer}");
            assert!(answer.contains(why), "{script}: {answer}");
        }
        assert_eq!(origin.report().connections().len(), 0, "{script}");
    }
    for list in ["DIRECT", "", &format!("{closed}; DIRECT")] {
        let running = by(&always(list), &[], "").await;
        assert!(running.answer(&get).await.ends_with("a page"), "{list}");
        running.tunnel(origin.address()).await;
    }
    // Of hosts that need no proxy it is not asked.
    let running = by("function FindProxyForURL() { throw 'asked' }", &[], "127.0.0.0/8").await;
    assert!(running.answer(&get).await.ends_with("a page"));
}

#[tokio::test]
async fn a_failure_is_shown_as_text() {
    let running =
        by("function FindProxyForURL() { alert('hello'); throw new Error('<b>up</b>') }", &[], "").await;
    running.answer(&plain::get("/")).await;
    let itself = format!("GET / HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", running.address);
    let page = running.answer(&itself).await;
    assert!(
        page.contains("&lt;b&gt;proxy.pac&lt;/b&gt;") && page.contains("threw: &lt;b&gt;up&lt;/b&gt;"),
        "{page}"
    );
    assert!(!page.contains("<b>"), "{page}");
    assert_eq!(metric(&running, "legwork_gateway_pac_failures_total"), 1);
    let news = running.counts.news();
    assert!(news.contains(&"PAC file: hello".to_owned()), "{news:?}");
    assert!(news.iter().any(|line| line.starts_with("refused: the PAC file threw")), "{news:?}");
}

#[tokio::test]
async fn only_a_proxy_that_the_user_has_named_gets_a_login() {
    let target = echo().await;
    for offer in [Offer::Ntlm, Offer::Negotiate, Offer::basic("the proxy")] {
        let hostile = upstream(offer).start().await.expect("a server");
        let script = always(&format!("PROXY {}", hostile.address()));
        for login_at in [&[][..], &["proxy.corp.example"], &["https://127.0.0.1"]] {
            let running = by(&script, login_at, "").await;
            for request in [plain::get("/"), connect(target)] {
                let answer = running.answer(&request).await;
                assert!(answer.starts_with("HTTP/1.1 502 "), "{answer}");
                // Basic's is that TLS is missing.
                let advice = ["--pac-login-at", "--insecure-basic"];
                assert!(advice.iter().any(|option| answer.contains(option)), "{answer}");
            }
        }
        let report = hostile.report();
        assert!(report.legs().count() > 0, "it was asked: {report}");
        assert!(report.legs().all(|leg| leg.proxy_authorization.is_none()), "{report}");
    }
}

#[tokio::test]
async fn an_origin_is_served_through_them_too() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    // What of https the script hears: neither path nor query.
    let script = format!(
        "function FindProxyForURL(url, host) {{ return url == 'http://devops.example/a?b' ? 'PROXY {}' : 'PROXY bad:1' }}",
        upstream.address()
    );
    let origin: Origin = "http://devops.example".parse().expect("an origin");
    let running = serving(&script, &["127.0.0.1"], "", |upstream| {
        Role::Origin(ServedOrigin::new(origin, upstream, Arc::default()))
    })
    .await;
    let get = format!("GET /a?b HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", running.address);
    let answer = running.answer(&get).await;
    assert!(answer.ends_with("a page"), "{answer}");
    assert_eq!(upstream.report().refused(), 0);
}

#[tokio::test]
#[cfg_attr(windows, ignore = "wine refuses channel bindings in the first call of the system's NTLM")]
async fn a_proxy_by_https_is_spoken_to_over_tls() {
    let server = Arc::new(upstream(Offer::Ntlm).page("a page").start().await.expect("a server"));
    let origin = by_tls::behind_tls(Arc::clone(&server)).await;
    let script = always(&format!("HTTPS 127.0.0.1:{}", origin.port()));
    // A name stands for each scheme and port; a URL for one.
    for login_at in ["127.0.0.1", &origin.to_string()] {
        let running = by(&script, &[login_at], "").await;
        assert!(running.answer(&plain::get("/")).await.ends_with("a page"), "{login_at}");
        echoes(&mut running.tunnel(echo().await).await, "hello").await;
    }
    assert_eq!(server.report().refused(), 0, "{}", server.report());
    // Without TLS nobody logs in there.
    let plain_http = always(&format!("PROXY 127.0.0.1:{}", server.address().port()));
    let answer = by(&plain_http, &[&origin.to_string()], "").await.answer(&plain::get("/")).await;
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("--pac-login-at"), "{answer}");
}

// What lies behind a proxy is not its fault: it does not rest, and nobody goes around it.
#[tokio::test]
async fn a_proxy_that_answers_is_not_gone_around() {
    let origin = Server::builder().user(USER, PASSWORD).quirk(Quirk::Open).page("a page").start().await;
    let origin = origin.expect("a server");
    let refusing = upstream(Offer::Ntlm).start().await.expect("a server");
    let running = by(&always(&format!("PROXY {}; DIRECT", refusing.address())), &[], "").await;
    let get = format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", origin.uri("/"));
    for _ in 0..2 {
        for request in [get.clone(), connect(origin.address())] {
            let answer = running.answer(&request).await;
            assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("407"), "{answer}");
        }
    }
    assert_eq!(origin.report().connections().len(), 0);
    let open = upstream(Offer::Ntlm).start().await.expect("a server");
    let running = by(&always(&format!("PROXY {}; DIRECT", open.address())), &["127.0.0.1"], "").await;
    // The proxy cannot reach it.
    for _ in 0..2 {
        let answer = running.answer("CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n").await;
        assert!(answer.contains("answered 502"), "{answer}");
    }
}
