//! Servers that lie, trickle, or say nothing: each step ends, and the report goes on.

use std::time::Duration;

use legwork::testing::{Offer, Quirk, RefusalBody, Server};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{answering, doctor, each, run};

/// With a second for each step.
fn in_a_hurry(url: &str) -> std::process::Command {
    doctor(&["--timeout", "1", "--json", url])
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_each_step_and_not_the_report() {
    let url = each(|mut stream| async move {
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let report = run(&mut in_a_hurry(&url)).json(28);
    assert_eq!(
        (&report["fails"], &report["hops"][0]["error"]["kind"]),
        (&json!("timeout"), &json!("timeout"))
    );
    // The same where TLS is expected, and by a proxy.
    let report = run(&mut in_a_hurry(&url.replace("http:", "https:"))).json(28);
    assert_eq!(report["fails"], "timeout");
    let report = run(in_a_hurry("https://far.invalid/").args(["-x", &url])).json(28);
    assert_eq!(report["fails"], "proxy-timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_without_an_end_is_given_up() {
    let url = each(|mut stream| async move {
        let _ = stream.read_buf(&mut Vec::new()).await;
        let _ = stream.write_all(b"HTTP/1.1 401 No\r\n").await;
        while stream.write_all(b"X-More: and more and more and more and more\r\n").await.is_ok() {}
    })
    .await;
    let report = run(&mut in_a_hurry(&url)).json(56);
    assert_eq!(report["fails"], "no-http", "{report}");
    let url = each(|mut stream| async move {
        let _ = stream.read_buf(&mut Vec::new()).await;
        let _ = stream.write_all(b"HTTP/1.1 401 No\r\nX: ").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    assert_eq!(run(&mut in_a_hurry(&url)).json(28)["fails"], "timeout");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_without_an_end_costs_the_connection_and_not_the_answer() {
    for body in [RefusalBody::Endless, RefusalBody::Late(Duration::from_secs(60))] {
        let server = Server::builder().offer(Offer::Ntlm).quirk(Quirk::RefusalBody(body));
        let server = server.start().await.expect("a server");
        let report = run(&mut in_a_hurry(&server.uri("/").to_string())).json(67);
        let hop = &report["hops"][0];
        assert_eq!((&hop["status"], &hop["kept"]), (&json!(401), &json!(false)));
        assert_eq!(report["fails"], "ntlm-connection-closed");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn challenges_that_are_garbage_are_shown_and_do_nothing_to_a_terminal() {
    let url = answering(
        "HTTP/1.1 401 No\r\nServer: \u{9b}31mred\u{202e}\r\nWWW-Authenticate: Basic realm=\"\u{9b}2J\", =,=,\u{9b}\r\nWWW-Authenticate: NTLM !!!\r\n\
         WWW-Authenticate: Negotiate AAAA\r\nContent-Length: 0\r\n\r\n",
    )
    .await;
    for arguments in [&["--insecure-basic"][..], &["--json", "--insecure-basic"]] {
        let ended = run(doctor(arguments).arg(&url));
        assert!(ended.stdout.contains("\\u{9b}") || ended.stdout.contains("\\u009b"), "{}", ended.stdout);
        assert!(
            !ended.stdout.chars().any(|c| c != '\n' && (c.is_control() || c == '\u{202e}')),
            "{:?}",
            ended.stdout
        );
        if arguments.len() == 2 {
            let report: serde_json::Value = serde_json::from_str(&ended.stdout).expect("JSON");
            assert_eq!(report["hops"][0]["server"], "\u{9b}31mred\u{202e}");
        }
    }
    // Nothing that could be answered.
    let url = answering("HTTP/1.1 401 No\r\nWWW-Authenticate: =\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(run(&mut in_a_hurry(&url)).json(67)["fails"], "challenge-unreadable");
    let url = answering("HTTP/1.1 401 No\r\nContent-Length: 0\r\n\r\n").await;
    assert_eq!(run(&mut in_a_hurry(&url)).json(67)["fails"], "no-challenge");
}

#[tokio::test(flavor = "multi_thread")]
async fn other_protocols_are_told_from_http() {
    let url = each(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        let _ = stream.read_to_end(&mut Vec::new()).await;
    })
    .await;
    let report = run(&mut in_a_hurry(&url)).json(56);
    assert_eq!(report["fails"], "no-http");
    let says = report["findings"][0]["says"].as_str().expect("a text");
    assert!(says.contains("does not answer in HTTP: ") && !says.contains("channel closed"), "{says}");
    let report = run(&mut in_a_hurry(&url.replace("http:", "https:"))).json(35);
    assert_eq!(report["fails"], "tls", "{report}");
}
