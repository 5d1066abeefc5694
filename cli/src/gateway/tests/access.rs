//! Who may use the proxy's listener, and what it says of itself.

use super::*;

fn to_itself(running: &Running, path: &str, fields: &str) -> String {
    format!("GET {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{fields}\r\n", running.address)
}

async fn proxy(upstream: &Server, access: Access, login_at: Vec<Origin>) -> Running {
    let (limits, counts) = (Limits::default(), Arc::default());
    let authenticator = login_at.iter().fold(carol_at(upstream), |builder, origin| {
        builder.credentials(origin.clone(), Credentials::password(USER, PASSWORD))
    });
    let proxies = all(upstream.origin());
    let upstream =
        Upstream::new(proxies, authenticator.build(), tls(RootCertStore::empty()), &limits, &counts);
    let role = Role::Proxy(ForwardProxy::new(Arc::new(upstream), login_at));
    Running::serving(Service { access, role }, limits, counts).await
}

#[tokio::test]
async fn what_it_does_is_shown_as_a_page_and_for_prometheus() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let running = Running::in_front_of(&upstream).await;
    for _ in 0..2 {
        running.answer(&plain::get("/")).await;
    }
    let _tunnel = running.tunnel(echo().await).await;
    let answer = running.answer(&to_itself(&running, "/metrics", "")).await;
    assert!(answer.contains("content-type: text/plain; version=0.0.4; charset=utf-8\r\n"), "{answer}");
    for line in [
        "# TYPE legwork_gateway_tunnels gauge\nlegwork_gateway_tunnels 1\n",
        "legwork_gateway_connections_total 4\n",
        "legwork_gateway_upstream_connections_total 1\n",
        "# TYPE legwork_gateway_logins_total counter\nlegwork_gateway_logins_total 2\n",
        "legwork_gateway_logins_refused_total 0\n",
        "legwork_gateway_pauses_total 0\n",
        "legwork_gateway_refusals_total 0\n",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
    let page = running.answer(&to_itself(&running, "/", "Sec-Fetch-Site: none\r\n")).await;
    assert!(page.starts_with("HTTP/1.1 200 OK\r\n") && page.contains("<!doctype html>"), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");
    assert!(!page.contains("<script") && !page.contains("carol"), "{page}");
}

#[tokio::test]
async fn refusals_and_pauses_are_counted() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let wrong =
        Authenticator::builder().proxy_credentials(upstream.origin(), Credentials::password(USER, "wrong"));
    let running = Running::new(&upstream, wrong, Limits::default()).await;
    for _ in 0..3 {
        running.answer(&plain::get("/")).await;
    }
    let answer = running.answer(&to_itself(&running, "/metrics", "")).await;
    for line in [
        "legwork_gateway_logins_refused_total 3\n",
        "legwork_gateway_pauses_total 2\n",
        "legwork_gateway_refusals_total 3\n",
    ] {
        assert!(answer.contains(line), "{line}: {answer}");
    }
}

#[tokio::test]
async fn its_page_is_for_no_other_site_and_for_no_other_name() {
    let upstream = upstream(Offer::Ntlm).start().await.expect("a server");
    let running = Running::in_front_of(&upstream).await;
    for fields in [
        "Sec-Fetch-Site: cross-site\r\n",
        "Sec-Fetch-Site: same-site\r\n",
        "Origin: http://attacker.example\r\n",
        "Origin: null\r\n",
        "Referer: http://attacker.example/\r\n",
    ] {
        for path in ["/", "/metrics", "/anything"] {
            let answer = running.answer(&to_itself(&running, path, fields)).await;
            assert!(answer.starts_with("HTTP/1.1 403 "), "{fields}{answer}");
        }
    }
    let rebound = to_itself(&running, "/", "").replace("Host: 127.0.0.1", "Host: attacker.example");
    assert!(running.answer(&rebound).await.starts_with("HTTP/1.1 403 "));
    // A form's content is not the next request.
    let inner = plain::get("/");
    let form = format!(
        "POST / HTTP/1.1\r\nHost: {}\r\nOrigin: http://attacker.example\r\nContent-Type: text/plain\r\nContent-Length: \
         {}\r\n\r\n{inner}",
        running.address,
        inner.len()
    );
    let answer = running.answer(&form).await;
    assert!(answer.starts_with("HTTP/1.1 403 ") && answer.matches("HTTP/1.1 ").count() == 1, "{answer}");
    assert_eq!(upstream.report().connections().len(), 0);
}

#[tokio::test]
async fn only_an_origin_that_is_named_sees_the_users_login() {
    let origin = Server::builder().user(USER, PASSWORD).offer(Offer::Ntlm).page("a page");
    let (named, other) = (origin.start().await.expect("a server"), Server::builder().user(USER, PASSWORD));
    let other = other.offer(Offer::Ntlm).start().await.expect("a server");
    let (limits, counts) = (Limits::default(), Arc::default());
    let carol = || Credentials::password(USER, PASSWORD);
    // Whom the authenticator would log in makes no difference.
    let authenticator =
        Authenticator::builder().credentials(named.origin(), carol()).credentials(other.origin(), carol());
    let none = all(named.origin()).except("*");
    let upstream = Upstream::new(none, authenticator.build(), tls(RootCertStore::empty()), &limits, &counts);
    let role = Role::Proxy(ForwardProxy::new(Arc::new(upstream), vec![named.origin()]));
    let running = Running::serving(Service { access: Access::new(Users::Own), role }, limits, counts).await;
    let get = |server: &Server, fields: &str| {
        format!("GET {} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{fields}\r\n", server.uri("/"))
    };
    let answer = running.answer(&get(&named, "")).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("a page"), "{answer}");
    assert!(!answer.to_ascii_lowercase().contains("www-authenticate"), "{answer}");

    let answer = running.answer(&get(&other, "")).await;
    assert!(answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: NTLM\r\n"), "{answer}");
    assert!(other.report().legs().all(|leg| leg.authorization.is_none()), "{}", other.report());

    // A page of another site gets what anybody gets.
    for fields in [
        "Origin: http://attacker.example\r\n",
        "Sec-Fetch-Site: cross-site\r\n",
        "Referer: http://attacker.example/\r\n",
        // Nor does a browser, which can log in itself.
        "User-Agent: Mozilla/5.0 (X11; Linux x86_64)\r\n",
    ] {
        let before = named.report().legs().count();
        let answer = running.answer(&get(&named, fields)).await;
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(
            named.report().legs().skip(before).all(|leg| leg.authorization.is_none()),
            "{}",
            named.report()
        );
    }
}

#[tokio::test]
async fn a_program_shows_the_token_as_its_proxys_password() {
    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let access = Access::new(Users::All).token(Some(Token::new("0123456789abcdef")));
    let running = proxy(&upstream, access, Vec::new()).await;
    let with = |request: String, value: &str| {
        request.replacen("\r\n\r\n", &format!("\r\nProxy-Authorization: {value}\r\n\r\n"), 1)
    };
    for request in [plain::get("/"), connect(running.address)] {
        for wrong in
            [request.clone(), with(request.clone(), "Basic eDowMTIz"), with(request.clone(), "NTLM TlRM")]
        {
            let answer = running.answer(&wrong).await;
            assert!(answer.starts_with("HTTP/1.1 407 "), "{answer}");
            assert!(answer.contains("proxy-authenticate: Basic realm=\"legwork gateway\""), "{answer}");
        }
    }
    assert_eq!(upstream.report().connections().len(), 0);
    let itself = |value: &str| to_itself(&running, "/metrics", &format!("Authorization: {value}\r\n"));
    for wrong in [to_itself(&running, "/metrics", ""), itself("Basic eDowMTIz")] {
        let answer = running.answer(&wrong).await;
        assert!(
            answer.starts_with("HTTP/1.1 401 ") && answer.contains("www-authenticate: Basic "),
            "{answer}"
        );
    }
    let answer = running.answer(&itself("Bearer 0123456789abcdef")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // x:0123456789abcdef
    let answer = running.answer(&with(plain::get("/"), "Basic eDowMTIzNDU2Nzg5YWJjZGVm")).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
}

#[tokio::test]
#[cfg(unix)]
async fn a_socket_in_the_file_system_is_its_users_alone() {
    use std::os::unix::fs::PermissionsExt;
    use tokio::net::UnixStream;

    let upstream = upstream(Offer::Ntlm).page("a page").start().await.expect("a server");
    let path = std::env::temp_dir().join(format!("legwork-gateway-{}.socket", std::process::id()));
    let address = Address::Unix(path.clone());
    // What an earlier process has left behind is in nobody's way.
    drop(std::os::unix::net::UnixListener::bind(&path).expect("a socket"));
    let listener = Listener::bind(&address).await.expect("a socket");
    assert_eq!(std::fs::metadata(&path).expect("a socket").permissions().mode() & 0o777, 0o600);
    Listener::bind(&address).await.expect_err("somebody listens there");

    let tcp = Running::in_front_of(&upstream).await;
    let (stop, stopped) = oneshot::channel::<()>();
    let mut gateway = Gateway::new(Limits::default(), Arc::clone(&tcp.counts));
    gateway.listen(listener, tcp.services.subscribe());
    let ended = tokio::spawn(gateway.serve(async {
        let _ = stopped.await;
    }));
    let mut local = UnixStream::connect(&path).await.expect("it listens");
    local.write_all(plain::get("/").as_bytes()).await.expect("sent");
    let mut answer = String::new();
    without_hanging(local.read_to_string(&mut answer)).await.expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("a page"), "{answer}");
    stop.send(()).expect("it runs");
    without_hanging(ended).await.expect("no panic");
    assert!(!path.exists(), "it is gone with the gateway");

    // A socket that has taken its place stays.
    let listener = Listener::bind(&address).await.expect("a socket");
    let moved = path.with_extension("moved");
    std::fs::rename(&path, &moved).expect("it is there");
    let other = Listener::bind(&address).await.expect("a socket");
    drop(listener);
    assert!(path.exists() && moved.exists());
    drop(other);
    assert!(!path.exists());
    let _ = std::fs::remove_file(&moved);

    std::fs::write(&path, "a file").expect("written");
    Listener::bind(&address).await.expect_err("that is no socket");
    assert_eq!(std::fs::read_to_string(&path).expect("it is there still"), "a file");
    let _ = std::fs::remove_file(&path);
}
