//! Conversations that are shown and written.

use std::fs;

use legwork::testing::Offer;

use crate::support::{Folder, Raw, as_carol, by_ntlm, digest, get, run, scram, server};

#[tokio::test(flavor = "multi_thread")]
async fn the_conversation_goes_to_stderr_and_the_page_to_stdout() {
    let server = by_ntlm().await;
    let ended = run(&mut as_carol(&["-v", &server.uri("/a?secret=1").to_string()]));
    let said = ended.said(0);
    for part in
        ["connection 1", "├─ GET /a ──", "NTLM AUTHENTICATE", "200 OK", "Logged in as carol by NTLM.\n"]
    {
        assert!(said.contains(part), "{part} is missing:\n{said}");
    }
    assert!(!said.contains("secret"), "{said}");
    assert_eq!(ended.stdout, b"the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_has_each_scheme_and_no_secret() {
    let folder = Folder::new();
    for offer in [Offer::Negotiate, Offer::Ntlm, Offer::basic("lab"), digest(), scram()] {
        let scheme = offer.scheme().to_owned();
        let server = server().offer(offer).start().await.expect("a server");
        let url = server.uri("/a").to_string();
        for (format, mark) in [("text", "├─"), ("mermaid", "sequenceDiagram"), ("html", "<!doctype html>")]
        {
            let file = folder.path("trace");
            run(&mut as_carol(&["--insecure-basic", "--trace", format, &file, &url])).page();
            let trace = fs::read_to_string(&file).expect("a trace");
            assert!(trace.to_lowercase().contains(&mark.to_lowercase()), "{format}: {trace}");
            assert!(trace.contains(&scheme.replace("SCRAM-SHA-256", "SCRAM")), "{scheme}: {trace}");
            // The password, as it is and as Basic has it.
            for secret in ["carol-pw", "Y2Fyb2w6Y2Fyb2wtcHc="] {
                assert!(!trace.contains(secret), "{scheme} as {format}: {trace}");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trace_is_written_however_it_ends() {
    let folder = Folder::new();
    let file = folder.path("trace");
    let ended = run(&mut get(&["--trace", "text", &file, "http://127.0.0.1:1/"]));
    ended.said(7);
    assert!(fs::read_to_string(&file).expect("a trace").contains("127.0.0.1:1"));
    let raw = Raw::then("", |stream| async move { std::mem::forget(stream) }).await;
    let ended = run(&mut get(&["-m", "0.3", "--trace", "text", "-", &raw.url]));
    assert!(ended.said(28).contains("given up"), "{ended:?}");
    let server = by_ntlm().await;
    let ended =
        run(&mut as_carol(&["--trace", "html", &folder.path("no/trace"), &server.uri("/").to_string()]));
    assert!(ended.said(23).contains("no/trace"), "{ended:?}");
    assert_eq!(ended.stdout, b"the page");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_writes_does_nothing_to_a_terminal() {
    let challenge = "WWW-Authenticate: Basic realm=\"\\\"><script>\u{9b}31m\u{202e}\"\r\n";
    for arguments in
        [&["-v"][..], &["--trace", "text", "-"], &["--trace", "html", "-"], &["--trace", "mermaid", "-"]]
    {
        let raw = Raw::start(format!("HTTP/1.1 401 N\r\n{challenge}Content-Length: 0\r\n\r\n")).await;
        let ended = run(get(arguments).arg(&raw.url));
        let said = ended.said(67);
        assert!(!said.contains(['\u{9b}', '\u{202e}']), "{said:?}");
        assert!(!said.contains("<script>") || arguments != ["--trace", "html", "-"], "{said}");
    }
}
