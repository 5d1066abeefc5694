//! What becomes of an answer.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use legwork::testing::Offer;

use crate::support::{Folder, Raw, USER, as_carol, by_ntlm, digest, get, run, scram, server};

#[tokio::test(flavor = "multi_thread")]
async fn the_page_goes_to_stdout_octet_by_octet_and_nothing_else_is_said() {
    let page: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    for offer in [Offer::Negotiate, Offer::Ntlm, scram(), digest()] {
        let scheme = offer.scheme().to_owned();
        let server = server().offer(offer).page(page.clone()).start().await.expect("a server");
        let ended = run(&mut as_carol(&[&server.uri("/a").to_string()]));
        assert!(ended.page() == page, "{scheme}: {} octets", ended.stdout.len());
        let user = server.report().legs().last().and_then(|leg| leg.user.clone());
        assert_eq!(user.as_deref(), Some(USER), "{scheme}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_head_is_printed_if_it_is_asked_for() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    let ended = run(&mut as_carol(&["-i", &url]));
    let text = String::from_utf8(ended.page().to_vec()).expect("UTF-8");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
    assert!(text.ends_with("\r\n\r\nthe page"), "{text}");
    let ended = run(&mut as_carol(&["-I", &url]));
    let text = String::from_utf8(ended.page().to_vec()).expect("UTF-8");
    assert!(text.starts_with("HTTP/1.1 200 OK\r\n") && text.ends_with("\r\n\r\n"), "{text}");
    let last = server.report().legs().last().map(|leg| leg.method.clone());
    assert_eq!(last, Some(http::Method::HEAD));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_gets_the_page_and_keeps_what_it_was() {
    let folder = Folder::new();
    let server = by_ntlm().await;
    let url = server.uri("/b/page%20a.txt?c").to_string();
    let old = folder.with("old", "something longer than the page");
    fs::set_permissions(&old, fs::Permissions::from_mode(0o640)).expect("permissions");
    std::os::unix::fs::symlink("old", folder.file("link")).expect("a link");
    for name in ["new", "old", "link"] {
        assert_eq!(run(&mut as_carol(&["-o", &folder.path(name), &url])).page(), b"");
        assert_eq!(fs::read(folder.file(name)).expect("a file"), b"the page", "{name}");
    }
    assert_eq!(fs::metadata(&old).expect("a file").permissions().mode() & 0o777, 0o640);
    assert!(fs::symlink_metadata(folder.file("link")).expect("a link").is_symlink());
    run(as_carol(&["-O", &url]).current_dir(folder.file("."))).page();
    assert_eq!(folder.names(), ["link", "new", "old", "page%20a.txt"]);
    run(&mut as_carol(&["-o", "/dev/null", &url])).page();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_cannot_be_written_is_named() {
    let folder = Folder::new();
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    for (path, word) in [(folder.path("no/file"), "No such file"), (folder.path("."), "directory")] {
        let ended = run(&mut as_carol(&["-o", &path, &url]));
        let said = ended.said(23).to_owned();
        assert!(said.contains(&path) && said.to_lowercase().contains(&word.to_lowercase()), "{said}");
    }
    let said = run(&mut as_carol(&["-O", &url]));
    assert!(said.said(23).contains("-o FILE"), "{said:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_breaks_off_leaves_the_file_as_it_was() {
    let folder = Folder::new();
    for before in [None, Some("what was there")] {
        let raw = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
        if let Some(before) = before {
            folder.with("file", before);
        }
        let ended = run(&mut get(&["-o", &folder.path("file"), &raw.url]));
        let said = ended.said(18);
        assert!(said.contains("broke off") && said.contains("is as it was before"), "{said}");
        assert_eq!(fs::read_to_string(folder.file("file")).ok().as_deref(), before);
        assert!(folder.names().len() <= 1, "{:?}", folder.names());
    }
    let raw = Raw::start("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf").await;
    let ended = run(&mut get(&[&raw.url]));
    ended.said(18);
    assert_eq!(ended.stdout, b"half", "stdout gets what there is");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_told_by_the_exit_code_if_that_is_wanted() {
    const NOT_FOUND: &str = "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone";
    for (option, code, page) in [("-L", 0, "gone"), ("-f", 22, ""), ("--fail-with-body", 22, "gone")] {
        let raw = Raw::start(NOT_FOUND).await;
        let ended = run(&mut get(&[option, &raw.url]));
        assert_eq!(ended.said(code).contains("answered 404 Not Found"), code != 0, "{option}");
        assert_eq!(String::from_utf8_lossy(&ended.stdout), page, "{option}");
    }
    let raw = Raw::start(NOT_FOUND).await;
    let ended = run(&mut get(&["-sf", &raw.url]));
    assert_eq!(ended.said(22), "");
    let raw = Raw::start(NOT_FOUND).await;
    let ended = run(&mut get(&["-sSf", &raw.url]));
    assert!(ended.said(22).contains("404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_are_followed_if_that_is_wanted() {
    let server = by_ntlm().await;
    let moved =
        format!("HTTP/1.1 302 Found\r\nLocation: {}\r\nContent-Length: 5\r\n\r\nmoved", server.uri("/"));
    let raw = Raw::start(moved.clone()).await;
    assert_eq!(run(&mut as_carol(&[&raw.url])).page(), b"moved");
    // Carol's login is for where she asked.
    let raw = Raw::start(moved).await;
    let ended = run(&mut as_carol(&["-L", &raw.url]));
    assert!(ended.said(67).contains("wants a login by NTLM"), "{ended:?}");
    assert_eq!(server.report().handshakes(), 0);

    let raw = Raw::start("HTTP/1.1 302 Found\r\nLocation: ftp://a/\r\nContent-Length: 5\r\n\r\nmoved").await;
    let ended = run(&mut get(&["-L", &raw.url]));
    assert!(ended.said(47).contains("does not lead to an http or https URI"), "{ended:?}");
    assert_eq!(ended.stdout, b"moved");
    let raw = Raw::start("HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 0\r\n\r\n").await;
    let ended = run(&mut get(&["-L", "--max-redirs", "0", &raw.url]));
    assert!(ended.said(47).contains("too many redirects"), "{ended:?}");
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_terminal_is_spared_what_is_no_text_and_shown_how_far_a_transfer_is() {
    use std::process::Command;

    // script (of util-linux) runs a command at a terminal of its own.
    let at_terminal = |url: &str, options: &str| {
        let command = format!("{} get {options} {url}", env!("CARGO_BIN_EXE_legwork"));
        let output = Command::new("script").args(["-qec", &command, "/dev/null"]).output().expect("script");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let page = "HTTP/1.1 200 OK\r\nX-Evil: \u{9d}0;evil\u{9c}\r\nContent-Length: 4\r\n\r\na\0b\n";
    let raw = Raw::start(page).await;
    let (code, text) = at_terminal(&raw.url, "");
    assert!(text.contains("-o FILE") && !text.contains('\0'), "{text}");
    assert_eq!(code, Some(23));
    let raw = Raw::start(page).await;
    let (code, text) = at_terminal(&raw.url, "-i -o -");
    assert!(text.contains("a\0b") && text.contains(r"x-evil: \u{9d}0;evil\u{9c}"), "{text:?}");
    assert_eq!(code, Some(0));

    let folder = Folder::new();
    let raw = Raw::start(page).await;
    let (code, text) = at_terminal(&raw.url, &format!("-o {}", folder.path("file")));
    assert!(text.contains("download [=") && text.contains("100 %  4 B of 4 B"), "{text}");
    assert_eq!(code, Some(0));
    let raw = Raw::start(page).await;
    let file = folder.with("upload", "12345");
    let (_, text) = at_terminal(&raw.url, &format!("-T {file} -o {}", folder.path("file")));
    assert!(text.contains("upload [=") && text.contains("100 %  5 B of 5 B"), "{text}");
    let raw = Raw::start(page).await;
    let (_, text) = at_terminal(&raw.url, &format!("-s -o {}", folder.path("file")));
    assert_eq!(text, "");
}
