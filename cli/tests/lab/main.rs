//! `legwork get` at real servers. `tests/run` starts them and runs these tests with the rest.
#![cfg(unix)]

#[path = "../shared/command.rs"]
mod command;
#[path = "../shared/lab.rs"]
mod lab;
#[path = "../shared/program.rs"]
mod program;
mod users;

use std::fs;

use crate::program::{Folder, run};
use crate::users::Lab;

#[test]
#[ignore = "needs the lab: tests/run"]
fn each_scheme_logs_in_by_a_password() {
    let lab = Lab;
    for (server, path, user, arguments, by) in [
        ("APACHE_HTTPS", "/basic/", "BASIC", &[][..], "user by Basic"),
        ("APACHE_HTTP", "/basic/", "BASIC", &["--insecure-basic"], "user by Basic"),
        ("APACHE_HTTP", "/digest/", "BASIC", &[], "user by Digest"),
        ("LIGHTTPD_HTTP", "/sha256/", "BASIC", &[], "user by Digest"),
        ("APACHE_HTTP", "/ntlm/", "NTLM", &["--scheme", "ntlm"], "LAB\\carol by NTLM"),
        ("APACHE_HTTPS", "/ntlm/", "NTLM", &[], "LAB\\carol by Negotiate (NTLM)"),
        ("APACHE_HTTPS", "/all/", "NTLM", &["--scheme", "digest,ntlm"], "LAB\\carol by NTLM"),
        ("APACHE_HTTP", "/krb/", "KRB5", &["--no-ntlm"], "alice@LAB.TEST by Negotiate (Kerberos)"),
        ("APACHE_HTTPS", "/mixed/", "KRB5", &[], "alice@LAB.TEST by Negotiate (Kerberos)"),
        ("IAKERB", "/iakerb/", "KRB5", &["--iakerb"], "alice@LAB.TEST by Negotiate (IAKERB)"),
        ("WINBIND_HTTP", "/ntlm/", "SAMBA", &[], "AD\\erin by Negotiate (NTLM)"),
        ("EXPRESS_HTTP", "/", "SAMBA", &[], "AD\\erin by NTLM"),
    ] {
        let mut command = lab.get_as(user, arguments);
        let ended = run(command.args(["-v", "--ca", lab.value("CA"), &lab.url(server, path)]));
        let said = ended.said(0);
        // What Negotiate would rather have had is told, too.
        let sentence = format!("Logged in as {by}");
        let ending = match by.rsplit(' ').next() {
            Some("(IAKERB)") => ", and not by Kerberos: no KDC is named for the realm LAB.TEST.\n",
            Some("(NTLM)") => ", and not by Kerberos: ",
            _ => ".\n",
        };
        assert!(said.contains(&(sentence + ending)), "{server}{path}: {said}");
        assert!(!ended.stdout.is_empty(), "{server}{path}");
        assert!(!said.contains(lab.value(&format!("{user}_PASSWORD"))), "{said}");
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_ticket_logs_in_without_a_password() {
    let lab = Lab;
    for (server, path) in
        [("APACHE_HTTP", "/krb/"), ("APACHE_HTTPS", "/krb-bound/"), ("APACHE_HTTPS", "/mixed/")]
    {
        for who in [&["--ticket"][..], &["-u", ":"]] {
            let mut command = lab.get(who);
            command.env("KRB5CCNAME", lab.value("CCACHE"));
            let ended = run(command.args(["-v", "--ca", lab.value("CA"), &lab.url(server, path)]));
            let said = ended.said(0);
            assert!(
                said.ends_with("Logged in as alice@LAB.TEST by Negotiate (Kerberos).\n"),
                "{path}: {said}"
            );
        }
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn without_a_login_it_says_what_to_do() {
    let lab = Lab;
    let krb = lab.url("APACHE_HTTP", "/krb/");
    let (no_ticket, expired) = ("FILE:/nonexistent/ccache", lab.value("CCACHE_EXPIRED"));
    let alice = lab.value("CCACHE");
    for (cache, arguments, words) in [
        (no_ticket, &[][..], "no ticket: run kinit"),
        (expired, &[], "has expired"),
        (
            alice,
            &["--target-name", "HTTP/unknown.lab.test"],
            "not found in the KDC's database: HTTP/unknown.lab.test",
        ),
        (alice, &["--target-name", "HTTP/nokey.lab.test"], "refuses the ticket, which is for another server"),
    ] {
        let mut command = lab.get(&["--ticket"]);
        let ended = run(command.args(arguments).arg(&krb).env("KRB5CCNAME", cache));
        let said = ended.said(67);
        assert!(said.contains(words), "{arguments:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    for (user, word) in [("KRB5_USER_SKEWED", "timedatectl"), ("KRB5_USER_DEAD", "--kdc REALM=HOST")] {
        let mut command = lab.get(&["--no-ntlm", "-u", lab.value(user), &krb]);
        let ended = run(command.env("LEGWORK_PASSWORD", "alice-pw"));
        assert!(ended.said(67).contains(word), "{user}: {ended:?}");
    }
    let mut command = lab.get(&["-u", lab.value("KRB5_USER_BOB"), &krb]);
    let ended = run(command.env("LEGWORK_PASSWORD", "wrong-pw"));
    let said = ended.said(67);
    assert!(
        said.contains("the KDC refused the password of bob@LAB.TEST") && !said.contains("wrong-pw"),
        "{said}"
    );
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn kerberos_of_our_own_asks_the_kdc_that_is_named() {
    let lab = Lab;
    let kdc = format!("LAB.TEST={}", lab.value("KRB5_KDC"));
    let mut command = lab.get_as("KRB5", &["-v", "--kdc", &kdc, &lab.url("APACHE_HTTP", "/krb/")]);
    // Nobody else names it.
    let ended = run(command.env("KRB5_CONFIG", "/dev/null"));
    assert!(ended.said(0).ends_with("Logged in as alice@LAB.TEST by Negotiate (Kerberos).\n"), "{ended:?}");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_proxy_lets_through_by_each_scheme() {
    let lab = Lab;
    for (proxy, user, arguments) in [
        ("SQUID_BASIC", "BASIC", &["--insecure-basic"][..]),
        ("SQUID_DIGEST", "BASIC", &[]),
        ("SQUID_NTLM", "NTLM", &[]),
        ("SQUID_NEGOTIATE", "NTLM", &[]),
        ("SQUID_KERBEROS", "KRB5", &[]),
        ("SQUID_ALL", "BASIC", &["--proxy-scheme", "digest"]),
        ("SQUID_TLS", "BASIC", &["--proxy-scheme", "basic"]),
    ] {
        for server in ["APACHE_HTTP", "APACHE_HTTPS"] {
            let password = lab.value(&format!("{user}_PASSWORD"));
            let mut command =
                lab.get_as("BASIC", &["-x", lab.value(proxy), "-U", lab.value(&format!("{user}_USER"))]);
            command.args(arguments).args(["--ca", lab.value("CA"), &lab.url(server, "/digest/")]);
            let ended = run(command.env("LEGWORK_PROXY_PASSWORD", password));
            assert!(!ended.page().is_empty(), "{proxy}, {server}");
        }
    }
    let url = lab.url("APACHE_HTTPS", "/digest/");
    let mut command = lab.get_as("BASIC", &["-U", ":", "--ca", lab.value("CA"), &url]);
    command.env("https_proxy", lab.value("SQUID_KERBEROS")).env("KRB5CCNAME", lab.value("CCACHE"));
    assert!(!run(&mut command).page().is_empty(), "with a ticket, at the environment's proxy");
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn an_upload_arrives_whole_at_each_scheme() {
    let lab = Lab;
    let folder = Folder::new();
    let octets: Vec<u8> = (0..3_000_000_u32).map(|i| (i % 251) as u8).collect();
    let file = folder.with("file", &octets);
    for (server, path, user) in [
        ("APACHE_HTTP", "/upload", "NTLM"),
        ("APACHE_HTTPS", "/upload", "NTLM"),
        ("APACHE_HTTP", "/krb/upload", "KRB5"),
    ] {
        let mut command = lab.get_as(user, &["--ca", lab.value("CA"), "-T", &file]);
        let ended = run(command.arg(lab.url(server, path)));
        let page = String::from_utf8(ended.page().to_vec()).expect("UTF-8");
        assert!(page.contains("octets=3000000"), "{server}{path}: {page}");
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn whom_to_trust_is_the_users_word() {
    let lab = Lab;
    let url = lab.url("APACHE_HTTPS", "/files/hello.txt");
    let ended = run(&mut lab.get(&[&url]));
    assert!(ended.said(60).contains("--ca FILE.pem"), "{ended:?}");
    let bare = |url: &str| {
        let mut command = lab.get(&[url]);
        run(command.env("SSL_CERT_FILE", "/nonexistent").env("SSL_CERT_DIR", "/nonexistent"))
    };
    assert!(bare(&url).said(60).contains("ca-certificates"), "a system without any");
    assert!(!bare(&lab.url("APACHE_HTTP", "/files/hello.txt")).page().is_empty(), "which speaks plain http");
    let expected = run(&mut lab.get(&["--ca", lab.value("CA"), &url]));
    assert!(!expected.page().is_empty());
    assert_eq!(run(&mut lab.get(&["-k", &url])).page(), expected.page());
    let output = Folder::new();
    run(&mut lab.get(&["--cacert", lab.value("CA"), "-o", &output.path("file"), &url])).page();
    assert_eq!(fs::read(output.file("file")).expect("a file"), expected.stdout);
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn http2_is_spoken_where_the_login_allows_it() {
    let lab = Lab;
    for (path, user, version) in [("/digest/", "BASIC", "HTTP/2.0 200"), ("/ntlm/", "NTLM", "HTTP/1.1 200")] {
        let mut command = lab.get_as(user, &["-i", "--http2", "--ca", lab.value("CA")]);
        let ended = run(command.arg(lab.url("APACHE_H2", path)));
        let page = String::from_utf8_lossy(ended.page()).into_owned();
        assert!(page.starts_with(version), "{path}: {page}");
    }
}

#[test]
#[ignore = "needs the lab: tests/run"]
fn a_trace_of_a_login_has_its_legs_and_no_secret() {
    let lab = Lab;
    let folder = Folder::new();
    for (path, user, mark) in [
        ("/ntlm/", "NTLM", "NTLM AUTHENTICATE"),
        ("/krb/", "KRB5", "Kerberos"),
        ("/digest/", "BASIC", "Digest"),
        ("/basic/", "BASIC", "Basic"),
    ] {
        for format in ["text", "mermaid", "html"] {
            let file = folder.path("trace");
            let mut command = lab.get_as(user, &["--insecure-basic", "--trace", format, &file]);
            run(command.arg(lab.url("APACHE_HTTP", path))).page();
            let trace = fs::read_to_string(&file).expect("a trace");
            assert!(trace.contains(mark) && trace.contains(" ms"), "{path} as {format}: {trace}");
            assert!(!trace.contains(lab.value(&format!("{user}_PASSWORD"))), "{path} as {format}: {trace}");
            // Tokens and keys are longer than any word.
            let longest = trace.split(|c: char| !c.is_ascii_alphanumeric()).map(str::len).max();
            assert!(longest < Some(40), "{path} as {format}: {longest:?}");
        }
    }
}
