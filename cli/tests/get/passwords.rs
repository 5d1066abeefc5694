//! Where the password comes from, and where it does not go.

use std::io::Write;
use std::process::{Command, Stdio};

use legwork::testing::{Judge, Judgement, Kdc, Offer, Presentation, Server};

use crate::support::{Ended, Folder, PASSWORD, USER, by_ntlm, get, run, server};

/// Runs it with this at stdin.
fn fed(mut command: Command, stdin: &str) -> Ended {
    let mut child = command.stdin(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("a pipe").write_all(stdin.as_bytes()).expect("it reads");
    child.wait_with_output().expect("it ends").into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_password_comes_from_a_file_a_command_stdin_or_the_environment() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    let folder = Folder::new();
    let file = folder.with("password", format!("{PASSWORD}\r\nand more\n"));
    let with = |arguments: &[&str]| {
        let mut command = get(&["-u", USER, &url]);
        command.args(arguments);
        command
    };
    assert_eq!(run(&mut with(&["--password-file", &file])).page(), b"the page");
    assert_eq!(run(&mut with(&["--password-command", &format!("cat {file}")])).page(), b"the page");
    assert_eq!(run(with(&[]).env("LEGWORK_PASSWORD", PASSWORD)).page(), b"the page");
    assert_eq!(fed(with(&["--password-file", "-"]), &format!("{PASSWORD}\n")).page(), b"the page");
    // What is named goes before the environment.
    assert_eq!(run(with(&["--password-file", &file]).env("LEGWORK_PASSWORD", "wrong")).page(), b"the page");
    assert_eq!(server.report().handshakes(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_password_nothing_is_sent() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    let folder = Folder::new();
    let empty = folder.with("empty", "\n");
    let binary = folder.with("binary", b"\xff\xfe");
    for (arguments, word) in [
        (&[][..], "no terminal to ask at"),
        (&["--password-file", &empty], "has none"),
        (&["--password-file", &binary], "UTF-8"),
        (&["--password-file", &folder.path("missing")], "No such file"),
        (&["--password-command", "exit 3"], "3"),
        (&["--password-command", "true"], "has none"),
    ] {
        let ended = run(get(&["-u", USER, &url]).args(arguments));
        let said = ended.said(94);
        assert!(said.contains(word) && said.contains("password for carol"), "{said}");
    }
    let ended = run(get(&["-u", USER, &url]).env("LEGWORK_PASSWORD", ""));
    assert!(ended.said(94).contains("LEGWORK_PASSWORD has none"), "{ended:?}");
    assert_eq!(server.report().connections().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_is_no_place_for_a_password() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    for arguments in [
        &["-u", "carol:geheim"][..],
        &["--user=carol:geheim"],
        &["-U", "carol:geheim"],
        &["-u", "LAB\\carol:geheim"],
    ] {
        let ended = run(get(arguments).arg(&url));
        let said = ended.said(2);
        assert!(said.contains("takes no password") && !said.contains("geheim"), "{said}");
    }
    let ended = run(&mut get(&[&url.replace("http://", "http://carol:geheim@")]));
    assert!(ended.said(2).contains("-u") && !ended.stderr.contains("geheim"), "{ended:?}");
    assert_eq!(server.report().connections().len(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn netrc_is_for_https_unless_it_is_said_otherwise() {
    let server = by_ntlm().await;
    let url = server.uri("/").to_string();
    let folder = Folder::new();
    let netrc = format!("machine 127.0.0.1 login carol password {PASSWORD}\n");
    let file = folder.with(".netrc", netrc);
    let ended = run(&mut get(&["--netrc-file", &file, &url]));
    assert!(ended.said(67).contains("wants a login"), "{ended:?}");
    assert_eq!(run(&mut get(&["--netrc-file", &file, "--insecure-netrc", &url])).page(), b"the page");
    let home = folder.path(".");
    assert_eq!(run(get(&["-n", "--insecure-netrc", &url]).env("HOME", &home)).page(), b"the page");
    let ended = run(&mut get(&["--netrc-file", &folder.path("missing"), &url]));
    assert!(ended.said(94).contains("missing"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_comes_from_a_file_and_goes_by_bearer_only() {
    struct OneToken;
    impl Judge for OneToken {
        fn challenges(&self) -> Vec<String> {
            vec!["Bearer realm=\"api\"".to_owned()]
        }

        fn judge(&self, presentation: &Presentation<'_>) -> Judgement {
            match presentation.credentials {
                "abc.def" => Judgement::accepted("carol"),
                _ => Judgement::refused("another token"),
            }
        }
    }
    let bearer =
        server().offer(Offer::judged("Bearer", OneToken)).page("the page").start().await.expect("a server");
    let url = bearer.uri("/").to_string();
    let server = server().offer(Offer::Ntlm).start().await.expect("a server");
    let folder = Folder::new();
    let file = folder.with("token", "abc.def\n");
    let ended = run(&mut get(&["--bearer-file", &file, &server.uri("/").to_string()]));
    assert!(ended.said(67).contains("wants a login by NTLM"), "{ended:?}");
    assert_eq!(server.report().attempts(), 0);
    let ended = run(&mut get(&["--bearer-file", &file, &url]));
    assert!(ended.said(67).contains("--insecure-basic"), "{ended:?}");
    assert_eq!(run(&mut get(&["--insecure-basic", "--bearer-file", &file, &url])).page(), b"the page");
    let command = format!("cat {file}");
    assert_eq!(run(&mut get(&["--insecure-basic", "--bearer-command", &command, &url])).page(), b"the page");
    let ended = run(get(&["--bearer", "http://127.0.0.1:1/"]).env("LEGWORK_TOKEN", "a b"));
    assert!(ended.said(94).contains("cannot be sent"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn kerberos_takes_a_password_where_a_kdc_is_named() {
    const SERVICE: &str = "HTTP/www.lab.test";
    let kdc =
        Kdc::builder("LAB.TEST").user("alice", "alice-pw").service(SERVICE).start().await.expect("a KDC");
    let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    let server = Server::builder().offer(offer).page("the page").start().await.expect("a server");
    let (url, named) = (server.uri("/").to_string(), format!("LAB.TEST={}", kdc.address()));
    for user in ["alice@LAB.TEST", "alice"] {
        let mut command =
            get(&["-v", "--no-ntlm", "--kdc", &named, "--target-name", SERVICE, "-u", user, &url]);
        let ended = run(command.env("LEGWORK_PASSWORD", "alice-pw"));
        assert!(
            ended.said(0).ends_with("Logged in as alice@LAB.TEST by Negotiate (Kerberos).\n"),
            "{ended:?}"
        );
        assert_eq!(ended.stdout, b"the page");
    }
    let mut command = get(&["--kdc", &named, "--target-name", SERVICE, "-u", "alice", &url]);
    let ended = run(command.env("LEGWORK_PASSWORD", "geheim"));
    let said = ended.said(67);
    assert!(said.contains("the KDC refused the password of alice"), "{said}");
    assert!(said.contains("Check the password and the realm") && !said.contains("geheim"), "{said}");
    let mut command = get(&["--no-ntlm", "--kdc", &named, "-u", "alice", &url]);
    let ended = run(command.env("LEGWORK_PASSWORD", "alice-pw"));
    assert!(ended.said(67).contains("--target-name"), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ticket_for_another_server_says_nothing_of_the_password() {
    const SERVICE: &str = "HTTP/www.lab.test";
    const OTHER: &str = "HTTP/other.lab.test";
    let kdc = Kdc::builder("LAB.TEST").user("alice", "alice-pw").service(SERVICE).service(OTHER);
    let kdc = kdc.start().await.expect("a KDC");
    let offer = Offer::kerberos_and_iakerb(&kdc.service(SERVICE));
    let server = Server::builder().offer(offer).start().await.expect("a server");
    let (url, named) = (server.uri("/").to_string(), format!("LAB.TEST={}", kdc.address()));
    let mut command = get(&["--no-ntlm", "--kdc", &named, "--target-name", OTHER, "-u", "alice", &url]);
    let ended = run(command.env("LEGWORK_PASSWORD", "alice-pw"));
    let said = ended.said(67);
    assert!(said.contains("refuses the ticket, which is for another server (Negotiate)"), "{said}");
    assert!(said.contains("Leave out --target-name") && !said.contains("password"), "{said}");
}
