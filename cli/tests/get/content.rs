//! What is sent.

use std::fs::File;
use std::io::Write;
use std::process::Stdio;

use legwork::testing::{Offer, Quirk, Server};

use crate::support::{Folder, Raw, as_carol, digest, get, run, scram, server};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/// What is sent with these arguments, and this at stdin: the head, without case, and the content.
async fn sent(arguments: &[&str], stdin: &str) -> (String, String) {
    let raw = Raw::start(OK).await;
    let mut child = get(arguments).arg(&raw.url).stdin(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let request = raw.request().await;
    let (head, content) = request.split_once("\r\n\r\n").expect("a head");
    (format!("{}\r\n", head.to_lowercase()), content.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_as_curl_would_send_it() {
    let (head, content) = sent(&[], "").await;
    assert!(head.starts_with("get / http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\naccept: */*\r\n") && head.contains("\r\nuser-agent: legwork/"), "{head}");
    assert!(!head.contains("content-"), "{head}");
    assert_eq!(content, "");

    let (head, _) = sent(&["-X", "PROPFIND", "-H", "Depth: 1", "-H", "Accept:", "-H", "X-Empty;"], "").await;
    assert!(head.starts_with("propfind / http/1.1\r\n"), "{head}");
    assert!(
        head.contains("\r\ndepth: 1\r\n") && head.contains("\r\nx-empty:") && !head.contains("accept"),
        "{head}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn data_is_sent_as_a_form_or_as_json() {
    let folder = Folder::new();
    let file = folder.with("data", "c=d\r\n&e\n");
    let at_file = format!("@{file}");
    const FORM: &str = "application/x-www-form-urlencoded";
    for (arguments, stdin, content_type, content) in [
        (&["-d", "a=b", "-d", &at_file][..], "", FORM, "a=b&c=d&e"),
        (&["-d", "@-"], "in\n", FORM, "in"),
        (&["--data-raw", "@a"], "", FORM, "@a"),
        (&["--data-binary", &at_file], "", FORM, "c=d\r\n&e\n"),
        (&["--json", "{\"a\":", "--json", "1}"], "", "application/json", "{\"a\":1}"),
        (&["-d", "<a/>", "-H", "Content-Type: text/xml"], "", "text/xml", "<a/>"),
        (&["-d", ""], "", FORM, ""),
    ] {
        let (head, sent) = sent(arguments, stdin).await;
        assert!(head.starts_with("post / "), "{arguments:?}: {head}");
        assert!(head.contains(&format!("\r\ncontent-type: {content_type}\r\n")), "{arguments:?}: {head}");
        assert_eq!(sent, content, "{arguments:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_has_a_length_if_it_is_a_file() {
    let folder = Folder::new();
    let file = folder.with("up load", "12345");
    let (head, content) = sent(&["-T", &file], "").await;
    assert!(
        head.starts_with("put /up%20load http/1.1\r\n") && head.contains("\r\ncontent-length: 5\r\n"),
        "{head}"
    );
    assert_eq!(content, "12345");
    let (head, content) = sent(&["-T", "-", "-X", "POST"], "12345").await;
    assert!(head.starts_with("post / http/1.1\r\n"), "{head}");
    assert!(head.contains("\r\ntransfer-encoding: chunked\r\n"), "{head}");
    assert_eq!(content, "5\r\n12345\r\n0\r\n\r\n");
}

const SIZE: u64 = 3_000_000;

/// What a file of that size takes: octets of content, leg by leg.
async fn uploaded(server: &Server, options: &[&str], file: &str) -> Vec<u64> {
    run(as_carol(options).args(["-T", file, &server.uri("/a").to_string()])).page();
    let report = server.report();
    let last = report.legs().last().expect("a leg");
    assert_eq!((last.body_octets, last.status.map(|status| status.as_u16())), (SIZE, Some(200)), "{report}");
    report.legs().map(|leg| leg.body_octets).filter(|octets| *octets > 0).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_large_upload_waits_until_it_is_wanted() {
    let folder = Folder::new();
    let file = folder.with("file", vec![b'x'; SIZE as usize]);
    for offer in [Offer::Negotiate, Offer::Ntlm, digest(), scram()] {
        let scheme = offer.scheme().to_owned();
        let server = server().offer(offer).quirk(Quirk::EarlyRefusal).start().await.expect("a server");
        assert_eq!(uploaded(&server, &[], &file).await, [SIZE], "{scheme}:\n{}", server.report());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_read_again_for_a_server_that_reads_it_before_it_asks() {
    let folder = Folder::new();
    let file = folder.with("file", vec![b'x'; SIZE as usize]);
    let reading = || async { server().offer(digest()).start().await.expect("a server") };
    assert_eq!(uploaded(&reading().await, &[], &file).await, [SIZE, SIZE]);
    assert_eq!(uploaded(&reading().await, &["--authenticate-first"], &file).await, [SIZE]);

    let server = reading().await;
    let mut command = as_carol(&["-T", "-", &server.uri("/a").to_string()]);
    let ended = run(command.stdin(File::open(&file).expect("a file")));
    assert!(ended.said(56).contains("--authenticate-first"), "stdin is read once: {ended:?}");
    let mut command = as_carol(&["--authenticate-first", "-T", "-", &server.uri("/a").to_string()]);
    run(command.stdin(File::open(&file).expect("a file"))).page();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_not_sent() {
    let folder = Folder::new();
    let missing = folder.path("missing");
    for arguments in [
        &["-T", &missing][..],
        &["-T", &folder.path(".")],
        &["-d", &format!("@{missing}")],
        &["--data-binary", &format!("@{missing}")],
    ] {
        let ended = run(get(arguments).arg("http://127.0.0.1:1/"));
        assert!(ended.said(26).contains("cannot read"), "{ended:?}");
    }
    let ended = run(&mut get(&["-d", "@-", "-u", "carol", "--password-file", "-", "http://127.0.0.1:1/"]));
    assert!(ended.said(2).contains("stdin"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn options_that_contradict_each_other_are_refused() {
    for arguments in [
        &["-d", "a", "--json", "b"][..],
        &["-d", "a", "-T", "b"],
        &["-I", "-d", "a"],
        &["-o", "a", "-O"],
        &["--http2", "--http1.1"],
        &["-k", "--ca", "a"],
        &["-u", "a", "--ticket"],
        &["-u", "a", "--netrc"],
        &["-u", "a", "--bearer"],
        &["--trace", "text"],
        &["--trace", "png", "a"],
        &["-m", "0"],
        &["-m", "x"],
        &["--scheme", "kerberos"],
        &["--unknown"],
    ] {
        let ended = run(get(arguments).arg("http://127.0.0.1:1/"));
        assert_ne!(ended.said(2), "", "{arguments:?}");
    }
}
