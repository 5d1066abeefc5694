//! What is sent where a login is to be tried, and what is said of it. Passwords here have `geheim` in them, and no output does.

use legwork::protection_space::Challenger;
use legwork::testing::{Close, DigestAcceptor, Kdc, Offer, Quirk, Server, When};
use serde_json::json;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{PASSWORD, USER, answering, doctor, each, run, run_as_carol};

fn all_schemes() -> legwork::testing::Builder {
    Server::builder()
        .offer(Offer::Negotiate)
        .offer(Offer::Ntlm)
        .offer(Offer::judged("Digest", DigestAcceptor::new("the lab").user(USER, "right-geheim")))
        .offer(Offer::basic("the lab"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_sent_once_whatever_is_on_offer() {
    let server = all_schemes().user(USER, "right-geheim").start().await.expect("a server");
    let ended = run_as_carol(&["--insecure-basic", &server.uri("/").to_string()]);
    let [fails, next] = ended.verdict(67);
    assert_eq!(
        fails,
        format!(
            "http://{} refused the login of carol by Negotiate; a 401 does not tell whether the name or \
             the password is wrong, the password has expired, or the account is locked.",
            server.address()
        )
    );
    assert!(next.starts_with("Do not try again before you know"), "{next}");
    assert_eq!(server.report().attempts(), 1, "{}", server.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_right_password_is_sent_once_and_what_came_of_it_is_told() {
    let server = all_schemes().user(USER, PASSWORD).start().await.expect("a server");
    let ended = run_as_carol(&[&server.uri("/").to_string()]);
    let report = ended.report(0);
    assert!(
        report.contains(
            "tried       the password of carol, once: logged in by Negotiate (NTLM) as \
                             carol in 3 legs; the answer is 200\n"
        ),
        "{report}"
    );
    assert!(report.contains("No fault was found.\n"), "{report}");
    assert_eq!(server.report().attempts(), 1, "{}", server.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_being_told_to_no_password_is_even_asked_for() {
    let server = all_schemes().user(USER, PASSWORD).start().await.expect("a server");
    let url = server.uri("/").to_string();
    // There is no terminal to ask at: whoever asked would end with 94.
    run(&mut doctor(&["-u", USER, "--password-command", "exit 3", &url])).report(0);
    assert_eq!(server.report().attempts(), 0);
    let ended = run(&mut doctor(&["-u", USER, "--try", "--password-command", "exit 3", &url]));
    assert_eq!(ended.code, Some(94), "{ended:?}");
    let ended = run(&mut doctor(&["--try", &url]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
    let ended = run(&mut doctor(&[&url.replace("http://", "http://carol:geheim@")]));
    assert_eq!(ended.code, Some(2), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_connection_is_not_made_again() {
    let server = Server::builder()
        .user(USER, PASSWORD)
        .offer(Offer::Ntlm)
        .quirk_when(When::leg(3), Quirk::Close(Close::WithoutAnswer))
        .start()
        .await
        .expect("a server");
    let report = run(doctor(&["-u", USER, "--try", "--json", &server.uri("/").to_string()])
        .env("LEGWORK_PASSWORD", PASSWORD));
    let report = report.json(67);
    assert_eq!(
        (&report["fails"], &report["attempt"]["result"]),
        (&json!("login-undecided"), &json!("undecided"))
    );
    let seen = server.report();
    let sent = seen.legs().filter(|leg| leg.authorization.as_ref().is_some_and(|seen| seen.token.proves()));
    assert_eq!(sent.count(), 1, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_the_proxy_refuses_does_not_go_to_the_server() {
    let proxy = Server::builder()
        .user(USER, "right-geheim")
        .offer(Offer::Ntlm)
        .offer_as(Challenger::Proxy, Offer::Ntlm)
        .start()
        .await
        .expect("a proxy");
    let address = format!("http://{}", proxy.address());
    let ended = run(doctor(&["-u", USER, "-U", "dave", "--try", "-x", &address, "http://far.invalid/"])
        .env("LEGWORK_PASSWORD", PASSWORD)
        .env("LEGWORK_PROXY_PASSWORD", "dave-geheim"));
    let [fails, _] = ended.verdict(67);
    assert!(
        fails.starts_with(&format!(
            "the proxy {address} refused the login of dave by NTLM; a 407 does \
                                        not tell"
        )),
        "{fails}"
    );
    assert_eq!(proxy.report().attempts(), 1, "{}", proxy.report());
    // The proxy's own password, in its URL, is tried only on request as well.
    let with_user = address.replace("http://", "http://dave:geheim@");
    run(&mut doctor(&["-x", &with_user, "http://far.invalid/"])).report(0);
    assert_eq!(proxy.report().attempts(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_nonce_that_is_called_stale_at_once_gets_no_second_answer() {
    let server = Server::builder()
        .offer(Offer::Verbatim("Digest realm=x, nonce=n, qop=\"auth\", stale=true"))
        .start()
        .await
        .expect("a server");
    let report = run_as_carol(&["--json", &server.uri("/").to_string()]).json(67);
    assert_eq!(report["attempt"]["result"], "undecided", "{report}");
    assert!(
        report["attempt"]["says"].as_str().expect("a text").contains("calls each answer stale"),
        "{report}"
    );
    let seen = server.report();
    assert_eq!(seen.legs().filter(|leg| leg.authorization.is_some()).count(), 1, "{seen}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_challenge_that_ends_its_connection_is_answered_once_on_another_one() {
    for (password, code) in [(PASSWORD, 0), ("right-geheim", 67)] {
        let server = Server::builder()
            .user(USER, password)
            .offer(Offer::basic("the lab"))
            .quirk(Quirk::Close(Close::Announced))
            .start()
            .await
            .expect("a server");
        let ended = run_as_carol(&["--insecure-basic", &server.uri("/").to_string()]);
        ended.report(code);
        assert_eq!(server.report().attempts(), 1, "{}", server.report());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_went_out_was_sent_whatever_else_is_on_offer() {
    // One scheme cannot start with what the server says of it, and another has sent the password.
    for offer in ["Digest realm=x", "SCRAM-SHA-256 realm=x, s2s=AAAA, data=AAAA"] {
        let server = Server::builder()
            .user(USER, "right-geheim")
            .offer(Offer::Verbatim(offer))
            .offer(Offer::basic("the lab"))
            .start()
            .await
            .expect("a server");
        let ended = run_as_carol(&["--insecure-basic", "--json", &server.uri("/").to_string()]);
        let report = ended.json(67);
        assert_eq!(report["fails"], "password-refused", "{report}");
        assert_eq!(
            (&report["attempt"]["result"], &report["attempt"]["scheme"]),
            (&json!("refused"), &json!("Basic"))
        );
        assert_eq!(server.report().attempts(), 1, "{}", server.report());
    }
}

/// The URL of a server that asks for Basic, and answers the login with this status.
async fn answering_the_login(status: u16) -> String {
    each(move |mut stream| async move {
        let mut request = Vec::new();
        while stream.read_buf(&mut request).await.is_ok_and(|read| read > 0) {
            if !request.ends_with(b"\r\n\r\n") {
                continue;
            }
            let is_login = String::from_utf8_lossy(&request).to_lowercase().contains("authorization: basic");
            let answer = match is_login {
                true => format!("HTTP/1.1 {status} No\r\nContent-Length: 0\r\n\r\n"),
                false => "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n"
                    .to_owned(),
            };
            request.clear();
            if stream.write_all(answer.as_bytes()).await.is_err() {
                return;
            }
        }
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_is_answered_by_a_500_is_not_called_unasked_for() {
    let url = answering_the_login(500).await;
    let ended = run_as_carol(&["--insecure-basic", &url]);
    let [fails, next] = ended.verdict(67);
    assert!(fails.contains("was sent the login; the answer was 500"), "{fails}");
    assert!(next.starts_with("Look at the server's log") && !next.contains("--try"), "{next}");
    let report = run_as_carol(&["--insecure-basic", "--json", &url]).json(67);
    assert_eq!(
        (&report["attempt"]["result"], &report["fails"]),
        (&json!("undecided"), &json!("login-undecided"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_refused_is_called_a_token() {
    let url = answering(
        "HTTP/1.1 401 No\r\nWWW-Authenticate: Bearer realm=x, error_description=\"it has ended\"\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    let ended =
        run(doctor(&["--bearer", "--try", "--insecure-basic", &url]).env("LEGWORK_TOKEN", "abc-geheim"));
    let [fails, next] = ended.verdict(67);
    assert!(fails.ends_with("refused the token (Bearer): it has ended."), "{fails}");
    assert!(next.starts_with("Get a new one") && !ended.stdout.contains("password"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_proposed_can_be_pasted_and_is_said_to_need_the_same_options() {
    let server = all_schemes().user(USER, PASSWORD).start().await.expect("a server");
    let url = server.uri("/").to_string();
    let ended = run(&mut doctor(&["--insecure-basic", "-u", "o'neil`id`", &url]));
    let [_, next] = ended.verdict(0);
    let command = format!("`legwork doctor --try -u 'o'\\''neil`id`' {url}` (with the same options) tries");
    assert!(next.starts_with(&command), "{next}");
    let ended = run(&mut doctor(&["-u", USER, &url]));
    let [_, next] = ended.verdict(0);
    assert!(next.starts_with(&format!("`legwork doctor --try -u carol {url}` tries")), "{next}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_password_goes_where_none_gets_in() {
    let server = Server::builder()
        .user(USER, PASSWORD)
        .offer(Offer::Ntlm)
        .quirk(Quirk::Close(Close::Announced))
        .start()
        .await
        .expect("a server");
    let report = run_as_carol(&["--json", &server.uri("/").to_string()]).json(67);
    assert_eq!((&report["fails"], &report["attempt"]), (&json!("ntlm-connection-closed"), &json!(null)));
    assert_eq!(server.report().attempts(), 0, "{}", server.report());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_without_access_is_told_from_one_that_works() {
    let url = answering_the_login(403).await;
    let ended = run_as_carol(&["--insecure-basic", &url]);
    assert!(ended.report(0).contains("gives this user no access to the page (403)"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_option_that_nobody_gave_is_not_named() {
    let url = answering("HTTP/1.1 401 No\r\nWWW-Authenticate: Negotiate\r\nContent-Length: 0\r\n\r\n").await;
    let mut command = doctor(&["-u", "a@X.TEST", "--try", "--kdc", "X.TEST=127.0.0.1:1", &url]);
    let ended = run(command.env("LEGWORK_PASSWORD", PASSWORD));
    assert!(ended.report(67).contains("  not tried   the password of a@X.TEST ("), "{}", ended.stdout);
    assert!(!ended.stdout.contains("--no-ntlm"), "{}", ended.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_for_another_server_puts_no_password_in_doubt() {
    const SERVICE: &str = "HTTP/www.lab.test";
    const OTHER: &str = "HTTP/other.lab.test";
    let kdc = Kdc::builder("LAB.TEST").user(USER, PASSWORD).service(SERVICE).service(OTHER);
    let kdc = kdc.start().await.expect("a KDC");
    let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    let server = Server::builder().offer(offer).start().await.expect("a server");
    let (url, named) = (server.uri("/").to_string(), format!("LAB.TEST={}", kdc.address()));
    let mut command = doctor(&[
        "--try",
        "--no-ntlm",
        "--kdc",
        &named,
        "--target-name",
        OTHER,
        "-u",
        "carol@LAB.TEST",
        &url,
    ]);
    let ended = run(command.env("LEGWORK_PASSWORD", PASSWORD));
    let [fails, next] = ended.verdict(67);
    assert!(fails.contains("refuses the ticket, which is for another server"), "{fails}");
    assert!(next.starts_with("Leave out --target-name"), "{next}");
}
