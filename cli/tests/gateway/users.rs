//! Several users of one gateway, and passwords that change while it runs.

use legwork::protection_space::Challenger;
use legwork::testing::{Offer, Server};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use crate::folder::Folder;
use crate::gateway::Gateway;

pub(crate) fn get(address: SocketAddr, target: &str) -> String {
    let mut stream = TcpStream::connect(address).expect("it listens");
    let request = format!("GET {target} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    answer
}

/// A port that nobody listens at, as far as one can know.
fn free() -> String {
    TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address").to_string()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_listener_has_its_user() {
    let proxy = Server::builder().user("LAB\\carol", "carol-pw").user("alice", "alice-pw");
    let proxy = proxy.offer_as(Challenger::Proxy, Offer::Ntlm).tunnels().start().await.expect("a server");
    let folder = Folder::new("users");
    let file = folder.0.join("password");
    std::fs::write(&file, "alice-pw\n").expect("written");
    let second = free();
    let (user, file) = (format!("{second}=alice"), format!("{second}={}", file.display()));
    let upstream = proxy.origin().to_string();
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--listen",
        &second,
        "-x",
        &upstream,
        "--user-at",
        &user,
        "--password-file-at",
        &file,
    ];
    let gateway = Gateway::of("LAB\\carol", "carol-pw", &arguments);
    let addresses = gateway.addresses().to_vec();
    let answers = tokio::task::spawn_blocking(move || {
        // In turns: nobody gets a connection of the other's.
        [0, 1, 0, 1].map(|listener| get(addresses[listener], "http://site.example/"))
    });
    let answers = answers.await.expect("no panic");
    assert!(answers.iter().all(|answer| answer.starts_with("HTTP/1.1 200 OK\r\n")), "{answers:?}");
    let report = proxy.report();
    // Each has a connection, in the order of their first requests.
    let users = report
        .connections()
        .iter()
        .map(|connection| connection.legs.iter().filter_map(|leg| leg.user.as_deref()).collect::<Vec<_>>());
    assert_eq!(users.collect::<Vec<_>>(), [["LAB\\carol"; 2], ["alice"; 2]], "{report}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_is_read_on_sighup_and_a_file_that_is_gone_changes_nothing() {
    let origin = Server::builder().user("carol", "new-pw").offer(Offer::Ntlm).page("a page").start().await;
    let origin = origin.expect("a server");
    let folder = Folder::new("reload");
    let file = folder.0.join("password");
    std::fs::write(&file, "old-pw\n").expect("written");
    let (serve, path) =
        (format!("127.0.0.1:0={}", origin.origin()), file.to_str().expect("UTF-8").to_owned());
    let arguments = ["--serve", &serve, "--user", "carol", "--password-file", &path];
    let mut gateway = Gateway::with(&arguments);
    let gateway = tokio::task::spawn_blocking(move || {
        assert!(get(gateway.address, "/").starts_with("HTTP/1.1 502 "));
        std::fs::write(&file, "new-pw\n").expect("written");
        assert_eq!(gateway.reload(), "reloaded");
        assert!(get(gateway.address, "/").starts_with("HTTP/1.1 200 "));
        std::fs::remove_file(&file).expect("it is there");
        assert!(gateway.reload().starts_with("not reloaded"));
        assert!(get(gateway.address, "/").starts_with("HTTP/1.1 200 "));
        gateway
    });
    let gateway = gateway.await.expect("no panic");
    assert_eq!(gateway.stop().code(), Some(0));
    assert_eq!(origin.report().refused(), 1, "{}", origin.report());
}

#[test]
#[cfg(unix)]
fn it_stops_while_a_password_is_awaited() {
    let folder = Folder::new("awaited");
    let (first, asked) = (folder.0.join("first"), folder.0.join("asked"));
    let command = format!(
        "if [ -e {first} ]; then : > {asked}; exec sleep 600; fi; : > {first}; echo carol-pw",
        first = first.display(),
        asked = asked.display()
    );
    let arguments = ["--listen", "127.0.0.1:0", "-x", "http://127.0.0.1:1", "--user", "carol"];
    let gateway = Gateway::with(&[&arguments[..], &["--password-command", &command]].concat());
    gateway.signal("HUP");
    while !asked.exists() {
        std::thread::yield_now();
    }
    assert_eq!(gateway.stop().code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
#[cfg(target_os = "linux")]
async fn another_user_of_the_machine_is_refused() {
    // Without root there is nobody else to be.
    if std::fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) != 0) {
        println!("skipped: only root can be somebody else");
        return;
    }
    let origin = Server::builder().user("carol", "carol-pw").offer(Offer::Ntlm).page("a page").start().await;
    let origin = origin.expect("a server");
    let serve = format!("127.0.0.1:0={}", origin.origin());
    let as_nobody = |gateway: &Gateway| {
        let mut curl = std::process::Command::new("setpriv");
        curl.args([
            "--reuid",
            "65534",
            "--clear-groups",
            "curl",
            "--silent",
            "--noproxy",
            "*",
            "--max-time",
            "60",
        ]);
        let output = curl.arg(format!("http://{}/", gateway.address)).output().expect("setpriv and curl run");
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let gateway = Gateway::of("carol", "carol-pw", &["--serve", &serve]);
    let said = as_nobody(&gateway);
    assert!(said.contains("another user's of this machine"), "{said}");
    assert_eq!(origin.report().connections().len(), 0, "{}", origin.report());
    let open = Gateway::of("carol", "carol-pw", &["--serve", &serve, "--any-user"]);
    assert_eq!(as_nobody(&open), "a page");
}
