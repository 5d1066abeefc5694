//! The way through a proxy.

use legwork::protection_space::Challenger;
use legwork::testing::{Offer, Server};

use crate::support::{Folder, PASSWORD, USER, as_carol, by_ntlm, digest, get, run, server};

async fn proxy(offer: Offer) -> Server {
    server().offer_as(Challenger::Proxy, offer).page("by the proxy").start().await.expect("a proxy")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_environment_or_the_command_line_names_a_proxy_and_its_user() {
    let proxy = proxy(Offer::Ntlm).await;
    let address = proxy.address().to_string();
    let folder = Folder::new();
    let file = folder.with("password", PASSWORD);
    let url = "http://origin.example/page";
    let with_user = format!("http://c%61rol:{PASSWORD}@{address}");
    assert_eq!(run(get(&[url]).env("http_proxy", &with_user)).page(), b"by the proxy");
    assert_eq!(run(&mut get(&["-x", &with_user, url])).page(), b"by the proxy");
    let named = ["-x", &address, "-U", USER, "--proxy-password-file", &file];
    assert_eq!(run(get(&named).arg(url)).page(), b"by the proxy");
    let mut command = get(&["-U", USER, url]);
    command.env("http_proxy", &address).env("LEGWORK_PROXY_PASSWORD", PASSWORD);
    assert_eq!(run(&mut command).page(), b"by the proxy");
    assert!(proxy.report().legs().all(|leg| leg.target == url), "{}", proxy.report());
    assert_eq!(proxy.report().handshakes(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn some_hosts_need_no_proxy() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    let dead = "http://127.0.0.1:1";
    assert_eq!(run(&mut as_carol(&["-x", dead, "--noproxy", "127.0.0.1", &url])).page(), b"the page");
    assert_eq!(run(as_carol(&[&url]).env("http_proxy", dead).env("no_proxy", "*")).page(), b"the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_lets_nobody_through_is_told_from_the_server() {
    let url = "http://origin.example/";
    let proxy = proxy(digest()).await;
    let address = format!("http://{}", proxy.address());
    let ended = run(&mut as_carol(&["-x", &address, url]));
    let said = ended.said(67);
    assert!(said.contains(&format!("the proxy {address} wants a login by Digest")), "{said}");
    assert!(said.contains("--proxy-user NAME"), "{said}");
    let mut command = get(&["-x", &address, "-U", USER, url]);
    let ended = run(command.env("LEGWORK_PROXY_PASSWORD", "geheim"));
    assert!(ended.said(67).contains(&format!("the proxy {address} refused")), "{ended:?}");
    assert_eq!(proxy.report().attempts(), 1);
    let ended = run(&mut as_carol(&["-x", &address, "https://origin.example/"]));
    assert!(ended.said(67).contains("--proxy-user NAME"), "a tunnel: {ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_cannot_be_used_is_named() {
    let http = "http://origin.example/";
    for (proxy, url, code, word) in [
        ("http://127.0.0.1:1", http, 7, "127.0.0.1:1"),
        ("http://127.0.0.1:1", "https://origin.example/", 7, "127.0.0.1:1"),
        ("http://proxy.invalid:3128", http, 5, "proxy.invalid"),
        ("socks5://127.0.0.1:1", http, 2, "SOCKS"),
        ("http://car/ol:geheim@127.0.0.1:1", http, 2, "%2F"),
    ] {
        let ended = run(&mut get(&["-x", proxy, url]));
        let said = ended.said(code);
        assert!(said.contains(word) && !said.contains("geheim"), "{said}");
        if code != 2 {
            assert!(said.contains("Check the proxy's address") && said.contains("--noproxy"), "{said}");
        }
    }
    let closed = by_ntlm().await;
    let ended = run(&mut get(&["-x", &closed.origin().to_string(), "https://origin.example/"]));
    assert!(ended.said(56).contains("501"), "{ended:?}");
    let ended = run(&mut get(&["-U", "carol", http]));
    assert!(ended.said(2).contains("there is no proxy"), "{ended:?}");
    let ended = run(get(&[http]).env("http_proxy", "http://:geheim@/"));
    assert!(ended.said(2).contains("http_proxy") && !ended.stderr.contains("geheim"), "{ended:?}");
}
