//! What the report says of servers that behave.

use legwork::protection_space::Challenger;
use legwork::testing::{Offer, Server};
use serde_json::{Value, json};

use crate::support::{PASSWORD, USER, answering, doctor, run};

#[tokio::test(flavor = "multi_thread")]
async fn the_report_names_all_that_is_on_offer_and_what_to_try() {
    let server = Server::builder()
        .user(USER, PASSWORD)
        .offer(Offer::Ntlm)
        .offer(Offer::basic("the lab"))
        .start()
        .await
        .expect("a server");
    let url = server.uri("/a?secret=geheim").to_string();
    let ended = run(&mut doctor(&[&url]));
    let address = server.address();
    let report = ended.report(0);
    for line in [
        &format!(
            "http://{address} (the server)\n  reached at  {address}\n  answer      401 over HTTP/1.1, and \
             the connection stays open\n"
        ),
        "  offers      NTLM\n              Basic realm=\"the lab\"\n",
        "  NTLM        domain DOMAIN, server SERVER\n",
        "  would be    by NTLM with a password\n",
        "No fault can be seen without a login.\n",
        &format!("Next:  `legwork doctor --try -u NAME http://{address}/a` tries the password, once.\n"),
    ] {
        assert!(report.contains(line), "{line}\n{report}");
    }
    // Nothing that proves a password has gone out, and nothing of what NTLM was sent has a name in it.
    let seen = server.report();
    assert_eq!(seen.attempts(), 0, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn json_has_the_same_by_names_that_are_kept() {
    let server = Server::builder()
        .user("LAB\\carol", PASSWORD)
        .offer(Offer::Negotiate)
        .start()
        .await
        .expect("a server");
    let address = server.address();
    let report = run(&mut doctor(&["--json", "-u", "LAB\\carol", &server.uri("/a").to_string()])).json(0);
    let names =
        |value: &Value| -> Vec<String> { value.as_object().expect("an object").keys().cloned().collect() };
    assert_eq!(
        names(&report),
        ["attempt", "choice", "exit", "fails", "findings", "hops", "kerberos", "next", "url", "version"]
    );
    let hop = &report["hops"][0];
    assert_eq!(hop["role"], "origin");
    assert_eq!(hop["origin"], format!("http://{address}"));
    assert_eq!((&hop["reached"], &hop["status"]), (&json!(address.to_string()), &json!(401)));
    assert_eq!(hop["challenges"][0]["scheme"], "Negotiate");
    assert_eq!((&hop["ntlm"]["scheme"], &hop["ntlm"]["legs"]), (&json!("Negotiate"), &json!("together")));
    assert_eq!(
        report["choice"],
        json!({
            "role": "origin", "scheme": "Negotiate", "mechanism": "NTLM", "with": "password",
            "why": "it is the only scheme on offer; no KDC is known for the user, which leaves NTLM inside \
                    Negotiate"
        })
    );
    assert_eq!((&report["attempt"], &report["fails"]), (&Value::Null, &Value::Null));
}

#[tokio::test(flavor = "multi_thread")]
async fn negotiate_and_nothing_else_needs_a_ticket() {
    let url = answering("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut doctor(&[&url]));
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        "there is no Kerberos ticket here (FILE:/nowhere/tickets), and Negotiate without a password needs \
         one."
    );
    assert_eq!(next, "Get a ticket: kinit NAME@REALM.");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_where_nothing_else_serves() {
    let url =
        answering("HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=x\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut doctor(&[&url]));
    let [_, next] = ended.verdict(0);
    assert!(next.starts_with(&format!("`legwork doctor --try --bearer {url}` tries a token")), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn basic_without_tls_is_named_and_where_it_is_allowed_it_is_not() {
    let url =
        answering("HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut doctor(&[&url]));
    let [fails, next] = ended.verdict(67);
    assert!(fails.contains("takes only Basic") && fails.contains("there is no TLS"), "{fails}");
    assert!(next.starts_with("Use https"), "{next}");
    let report = run(&mut doctor(&["--json", "--insecure-basic", &url])).json(0);
    assert_eq!((&report["fails"], &report["choice"]["scheme"]), (&Value::Null, &json!("Basic")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_wants_a_login_is_the_end_of_the_way() {
    let proxy = Server::builder()
        .user(USER, PASSWORD)
        .offer_as(Challenger::Proxy, Offer::Ntlm)
        .tunnels()
        .start()
        .await
        .expect("a proxy");
    let address = format!("http://{}", proxy.address());
    let report = run(&mut doctor(&["--json", "-x", &address, "https://far.invalid/"])).json(0);
    assert_eq!(report["hops"].as_array().map(Vec::len), Some(1));
    let hop = &report["hops"][0];
    assert_eq!((&hop["role"], &hop["status"]), (&json!("proxy"), &json!(407)));
    assert_eq!(hop["ntlm"]["computer"], "SERVER");
    assert_eq!(report["choice"]["role"], "proxy");
    let next = report["next"].as_str().expect("a text");
    assert!(next.contains("--try --proxy-user NAME https://far.invalid/"), "{next}");
    assert_eq!(proxy.report().attempts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_that_is_not_there_is_told_from_a_server_that_is_not() {
    let ended = run(&mut doctor(&["-x", "http://127.0.0.1:1", "https://far.invalid/"]));
    let [fails, next] = ended.verdict(7);
    assert!(fails.starts_with("nobody answers at the proxy http://127.0.0.1:1: "), "{fails}");
    assert!(next.starts_with("Check the proxy's address") && next.contains("--noproxy HOST"), "{next}");
    let ended = run(&mut doctor(&["http://127.0.0.1:1/"]));
    let [fails, _] = ended.verdict(7);
    assert!(fails.starts_with("nobody answers at http://127.0.0.1:1: "), "{fails}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_wants_no_login_is_no_failure_and_a_redirect_leads_on() {
    let url = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut doctor(&[&url]));
    assert!(ended.report(0).contains("asks for no login at this URL: it answers 200"), "{ended:?}");
    let url = answering(
        "HTTP/1.1 302 Found\r\nLocation: https://sso.test/login?token=geheim\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let ended = run(&mut doctor(&[&url]));
    assert_eq!(ended.verdict(0)[1], "Examine where it redirects to: https://sso.test/login.");
}

#[tokio::test(flavor = "multi_thread")]
async fn digest_by_other_algorithms_than_md5_is_told() {
    let url = answering(
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x, nonce=n, qop=\"auth\", \
         algorithm=SHA-256-sess\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let report = run(&mut doctor(&["--json", &url])).json(0);
    let finding = &report["findings"][0];
    assert_eq!((&finding["code"], &finding["fails"]), (&json!("digest-without-md5"), &json!(false)));
    let url = answering(
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x, nonce=n, \
         algorithm=SHA3-512\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let report = run(&mut doctor(&["--json", &url])).json(67);
    assert_eq!(report["fails"], "digest-algorithm-unknown");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_message_of_ntlm_that_is_answered_anew_is_no_proof() {
    // A second message is answered as the first one: a server that begins whenever it is asked to, as far as can be told.
    let url = answering(CHALLENGE).await;
    let report = run(&mut doctor(&["--json", &url])).json(0);
    assert_eq!(report["hops"][0]["ntlm"]["legs"], "perhaps-apart");
    let report = run(&mut doctor(&["--json", &answering(BEHIND_NGINX).await])).json(67);
    assert_eq!(report["fails"], "ntlm-legs-apart");
    assert_eq!(report["findings"][0]["certainty"], "likely");
}

const CHALLENGE: &str = "HTTP/1.1 401 No\r\nWWW-Authenticate: NTLM \
                         TlRMTVNTUAACAAAABgAGADgAAAAFgomi6ufu/0/0vo0AAAAAAAAAADoAOgA+AAAABgIAAAAAAA9MAEEAQgABAAwATABBAEIAUwBSAFYAAgAGAEwAQQBCAAMABAB2AG0ABgAEAAAAAAAHAAgAuLFlZOV/3QEAAAAA\r\nContent-Length: \
                         0\r\n\r\n";
const BEHIND_NGINX: &str = "HTTP/1.1 401 No\r\nServer: nginx/1.22.1\r\nWWW-Authenticate: NTLM \
                            TlRMTVNTUAACAAAABgAGADgAAAAFgomi6ufu/0/0vo0AAAAAAAAAADoAOgA+AAAABgIAAAAAAA9MAEEAQgABAAwATABBAEIAUwBSAFYAAgAGAEwAQQBCAAMABAB2AG0ABgAEAAAAAAAHAAgAuLFlZOV/3QEAAAAA\r\nContent-Length: \
                            0\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_an_offer_is_named_by_its_cause() {
    for (answer, code) in [
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: Digest realm=x, nonce=n, algorithm=SHA-7\r\nContent-Length: 0\r\n\r\n",
            "digest-algorithm-unknown",
        ),
        (
            "HTTP/1.1 401 No\r\nWWW-Authenticate: OAuth9 realm=x\r\nContent-Length: 0\r\n\r\n",
            "schemes-unknown",
        ),
        ("HTTP/1.1 401 No\r\nWWW-Authenticate: , ,,\r\nContent-Length: 0\r\n\r\n", "no-challenge"),
        ("HTTP/1.1 407 No\r\nProxy-Authenticate: NTLM\r\nContent-Length: 0\r\n\r\n", "answers-as-a-proxy"),
    ] {
        let url = answering(answer).await;
        let report = run(&mut doctor(&["--json", &url])).json(67);
        assert_eq!(report["fails"], code, "{report}");
    }
}
