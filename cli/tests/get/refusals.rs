//! What is said where there is no login, or no answer: each time what is wrong, and what to try.

use legwork::testing::{Close, Offer, Quirk, Server, When};
use tokio::net::TcpListener;

use crate::support::{Folder, Raw, answering, as_carol, by_ntlm, digest, get, run, server};

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_missing_says_how_to_log_in() {
    let server = server().offer(Offer::Negotiate).offer(Offer::Ntlm).start().await.expect("a server");
    let url = server.uri("/").to_string();
    let ended = run(&mut get(&[&url]));
    let said = ended.said(67);
    assert!(
        said.contains("wants a login by Negotiate, NTLM") && said.contains("-u NAME, or with --ticket"),
        "{said}"
    );
    assert!(!ended.stdout.is_empty(), "the page of the 401");
    let ended = run(&mut get(&["-f", &url]));
    ended.said(67);
    assert_eq!(ended.stdout, b"");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once() {
    for offer in [Offer::Negotiate, Offer::Ntlm, digest()] {
        let scheme = offer.scheme().to_owned();
        let server = server().offer(offer).start().await.expect("a server");
        let mut command = get(&["-v", "-u", "carol", &server.uri("/").to_string()]);
        let ended = run(command.env("LEGWORK_PASSWORD", "geheim"));
        let said = ended.said(67);
        let (_, said) = said.split_once("legwork: ").expect("a sentence");
        assert!(said.contains("refused the user name or the password"), "{scheme}: {said}");
        assert!(said.contains("tried once") && !said.contains("geheim"), "{scheme}: {said}");
        assert_eq!(server.report().attempts(), 1, "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_shows_the_password_is_not_sent_unless_it_is_said_otherwise() {
    let server = server().offer(Offer::basic("lab")).page("the page").start().await.expect("a server");
    let url = server.uri("/").to_string();
    let ended = run(&mut as_carol(&[&url]));
    let said = ended.said(67);
    assert!(said.contains("would show the password") && said.contains("--insecure-basic"), "{said}");
    assert_eq!(server.report().attempts(), 0);
    assert_eq!(run(&mut as_carol(&["--insecure-basic", &url])).page(), b"the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schemes_that_are_named_are_the_ones_that_are_used() {
    let server = server()
        .offer(Offer::Negotiate)
        .offer(Offer::Ntlm)
        .offer(digest())
        .offer(Offer::basic("lab"))
        .start()
        .await
        .expect("a server");
    let url = server.uri("/").to_string();
    for (arguments, by) in [
        (&[][..], "Negotiate (NTLM), and not by Kerberos: "),
        (&["--scheme", "ntlm"], "NTLM.\n"),
        (&["--ntlm"], "NTLM.\n"),
        (&["--no-ntlm"], "Digest.\n"),
        (&["--scheme", "digest,ntlm"], "Digest.\n"),
        (&["--scheme", "scram", "--scheme", "ntlm"], "NTLM.\n"),
        (&["--scheme", "basic", "--insecure-basic"], "Basic.\n"),
    ] {
        let ended = run(as_carol(arguments).args(["-v", &url]));
        assert!(ended.said(0).contains(&format!(" by {by}")), "{arguments:?}: {}", ended.stderr);
    }
    let ended = run(&mut as_carol(&["--scheme", "scram", &url]));
    let said = ended.said(67);
    assert!(said.contains("offers Negotiate, NTLM, Digest") && said.contains("Leave out --scheme"), "{said}");
    let negotiate = Server::builder().offer(Offer::Ntlm).start().await.expect("a server");
    let ended = run(&mut as_carol(&["--no-ntlm", &negotiate.uri("/").to_string()]));
    assert!(ended.said(67).contains("leave out --no-ntlm"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_spreads_a_login_over_connections_is_named_as_what_it_may_be() {
    let server =
        server().offer(Offer::Ntlm).quirk(Quirk::Close(Close::Announced)).start().await.expect("a server");
    let ended = run(&mut as_carol(&[&server.uri("/").to_string()]));
    assert!(ended.said(56).contains("keepalive"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_denied_is_told_from_a_wrong_password() {
    let server = server().offer(Offer::Ntlm).quirk_when(When::path("/denied"), Quirk::Deny).start().await;
    let server = server.expect("a server");
    // The server's word for it is the same 401.
    let ended = run(&mut as_carol(&[&server.uri("/denied").to_string()]));
    assert!(ended.said(67).contains("The answer does not tell"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_is_missing_or_broken_is_the_servers_fault() {
    let raw = Raw::start("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut as_carol(&[&raw.url]));
    assert!(ended.said(67).contains("sent no challenge"), "{ended:?}");
    let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"a\u{9b}2J\"\r\nContent-Length: 0\r\n\r\n";
    let raw = Raw::start(answer).await;
    let ended = run(&mut as_carol(&["-v", &raw.url]));
    assert!(!ended.said(67).contains('\u{9b}'), "{ended:?}");
    let raw = Raw::start("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut get(&["-H", "Authorization: Bearer abc", &raw.url]));
    assert!(
        ended.said(67).contains("authorization given by -H") && !ended.stderr.contains("abc"),
        "{ended:?}"
    );
    assert!(raw.request().await.contains("Bearer abc"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_answer_has_a_number_and_a_next_step() {
    let closed = {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        format!("http://{}/", listener.local_addr().expect("an address"))
    };
    let no_http = Raw::rude("SSH-2.0-OpenSSH\r\n").await;
    let no_tls = Raw::rude("HTTP/1.1 400 Bad Request\r\n\r\n").await.replace("http:", "https:");
    let silent = server().quirk(Quirk::Close(Close::WithoutAnswer)).start().await.expect("a server");
    let empty = silent.uri("/").to_string();
    for (url, code, words) in [
        ("no url", 3, "such as https://"),
        ("ftp://a/", 3, "such as https://"),
        ("http://host.invalid/", 6, "Check the host's name"),
        (&closed, 7, "Nobody answers at this address"),
        (&no_http, 56, "is no HTTP"),
        (&empty, 56, "is no HTTP"),
        (&no_tls, 35, "does not speak TLS"),
    ] {
        let ended = run(&mut get(&[url]));
        assert!(ended.said(code).contains(words), "{url}: {}", ended.stderr);
        assert_eq!(ended.stdout, b"", "{url}");
        assert_eq!(ended.stderr.lines().count(), 1, "{url}: {}", ended.stderr);
        assert_eq!(run(&mut get(&["-s", "-u", ":", "http://127.0.0.1:1/"])).said(7), "");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn authorities_come_from_the_file_that_is_named() {
    let folder = Folder::new();
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    for (file, word) in [
        (folder.path("missing"), "No such file"),
        (folder.with("empty.pem", "nothing"), "there is no certificate in it"),
    ] {
        let ended = run(&mut get(&["--ca", &file, &url]));
        assert!(ended.said(60).contains(word) && ended.stderr.contains(&file), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_not_let_in_is_told_who_tells_why() {
    let server = by_ntlm().await;
    let url = server.uri("/a").to_string();
    let ended = run(&mut get(&[&format!("{url}?secret=1")]));
    assert!(ended.said(67).ends_with(&format!(" `legwork doctor {url}` tells why.\n")), "{ended:?}");
    let strange = format!("{url};x");
    let ended = run(get(&["-u", "carol", &strange]).env("LEGWORK_PASSWORD", "geheim"));
    let last = format!(" `legwork doctor '{strange}'` (with the same options) tells why.\n");
    assert!(ended.said(67).ends_with(&last), "{ended:?}");
    assert_eq!(run(&mut get(&["-s", &url])).said(67), "");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_no_password() {
    let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=x, error=invalid_token, \
                  error_description=\"it ended \u{9b}2J yesterday\"\r\nContent-Length: 0\r\n\r\n";
    let url = answering(answer).await;
    let ended = run(get(&["--bearer", "--insecure-basic", &url]).env("LEGWORK_TOKEN", "abc"));
    let said = ended.said(67);
    assert!(
        said.contains("refused the token (Bearer): it ended ") && said.contains("Get a new one"),
        "{said}"
    );
    assert!(!said.contains("password") && !said.contains('\u{9b}') && !said.contains("abc"), "{said}");
    let ended = run(&mut get(&["--insecure-basic", &url]));
    assert!(ended.said(67).contains("LEGWORK_TOKEN"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_407_that_no_proxy_was_asked_for_is_called_that() {
    let answer = "HTTP/1.1 407 No\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n";
    let ended = run(&mut as_carol(&["--insecure-basic", &answering(answer).await]));
    let said = ended.said(67);
    assert!(said.contains("answers as a proxy does (407") && said.contains("give it by -x"), "{said}");
    assert!(!said.contains("logged in"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_are_stale_for_ever_are_no_reason_to_try_again() {
    let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x, nonce=n, qop=\"auth\", stale=true\r\n\
                  Content-Length: 0\r\n\r\n";
    let ended = run(&mut as_carol(&[&answering(answer).await]));
    let said = ended.said(67);
    assert!(said.contains("calls each answer stale (Digest)") && said.contains("does not help"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scheme_that_stands_alone_is_not_to_be_changed() {
    let answer = "HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n";
    let ended = run(&mut as_carol(&["--no-ntlm", &answering(answer).await]));
    assert!(!ended.said(67).contains("--scheme"), "{ended:?}");
}

#[test]
fn a_ticket_is_not_of_a_kdc_that_is_named() {
    for who in [&["--ticket"][..], &["-u", ":"]] {
        let ended = run(get(who).args(["--kdc", "LAB.TEST=127.0.0.1:1", "http://127.0.0.1:1/"]));
        assert!(ended.said(2).contains("--kdc is for a user with a password"), "{ended:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_be_shown_is_a_password_or_a_token() {
    for (answer, words) in [
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Bearer realm=x\r\nContent-Length: 0\r\n\r\n",
            "takes Bearer and Basic, which would show the password or the token to",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=x\r\nContent-Length: 0\r\n\r\n",
            "takes Bearer, which would show the token to",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nWWW-Authenticate: Digest realm=x, nonce=n, qop=\"auth\"\r\nContent-Length: 0\r\n\r\n",
            "wants a login by Basic, Digest",
        ),
    ] {
        let ended = run(&mut get(&[&answering(answer).await]));
        assert!(ended.said(67).contains(words), "{ended:?}");
    }
}
