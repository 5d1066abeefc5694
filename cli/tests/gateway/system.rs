//! Proxies of the system's settings, which a program called `gsettings` tells, or KDE's file.

#![cfg(target_os = "linux")]

use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use legwork::testing::{Quirk, Server};

use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::users::get;

async fn proxy() -> Server {
    Server::builder()
        .user("carol", "carol-pw")
        .quirk(Quirk::Open)
        .page("a page")
        .start()
        .await
        .expect("a server")
}

/// A program that prints this, whatever it is asked.
fn gsettings(folder: &Folder, prints: &str) -> String {
    let program = folder.0.join("gsettings");
    std::fs::write(&program, format!("#!/bin/sh\ncat <<'END'\n{prints}END\n")).expect("written");
    std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).expect("its owner's");
    format!("{}:{}", folder.0.display(), std::env::var("PATH").expect("a path"))
}

fn manual(server: &Server) -> String {
    let recorded = include_str!("../../src/system/printed/gsettings-manual.txt");
    let (host, port) = (server.address().ip().to_string(), server.address().port().to_string());
    recorded.replace("proxy.corp.example", &host).replace("3128", &port)
}

async fn page(gateway: &Gateway, target: &'static str) -> String {
    let address = gateway.address;
    tokio::task::spawn_blocking(move || get(address, target)).await.expect("no panic")
}

const LISTEN: [&str; 3] = ["--listen", "127.0.0.1:0", "--system-proxies"];

#[tokio::test(flavor = "multi_thread")]
async fn gnomes_proxy_is_gone_through_and_read_again_on_sighup() {
    let (first, second, folder) = (proxy().await, proxy().await, Folder::new("gnome"));
    let path = gsettings(&folder, &manual(&first));
    let variables = [("PATH", path.as_str()), ("XDG_CURRENT_DESKTOP", "ubuntu:GNOME")];
    let mut gateway = Gateway::with_variables(&LISTEN, &variables);
    assert!(page(&gateway, "http://site.example/").await.ends_with("a page"));
    assert_eq!((first.report().legs().count(), second.report().legs().count()), (1, 0));
    gsettings(&folder, &manual(&second));
    assert_eq!(tokio::task::block_in_place(|| gateway.reload()), "reloaded");
    assert!(page(&gateway, "http://site.example/").await.ends_with("a page"));
    assert_eq!((first.report().legs().count(), second.report().legs().count()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn kdes_proxy_is_gone_through() {
    let (server, folder) = (proxy().await, Folder::new("kde"));
    let recorded = include_str!("../../src/system/printed/kioslaverc.txt");
    let address = format!("{} {}", server.address().ip(), server.address().port());
    let text = recorded.replace("proxy.corp.example 3128", &address);
    std::fs::write(folder.0.join("kioslaverc"), text).expect("written");
    let home = folder.0.to_str().expect("UTF-8");
    let gateway =
        Gateway::with_variables(&LISTEN, &[("XDG_CURRENT_DESKTOP", "KDE"), ("XDG_CONFIG_HOME", home)]);
    assert!(page(&gateway, "http://site.example/").await.ends_with("a page"));
    assert_eq!(server.report().legs().count(), 1);
}

#[cfg(feature = "pac")]
#[tokio::test(flavor = "multi_thread")]
async fn a_pac_file_of_the_systems_is_asked() {
    let (server, folder) = (proxy().await, Folder::new("auto"));
    let file = folder.0.join("proxy.pac");
    let script = format!("function FindProxyForURL() {{ return 'PROXY {}' }}", server.address());
    std::fs::write(&file, script).expect("written");
    let recorded = include_str!("../../src/system/printed/gsettings-auto.txt");
    let url = format!("file://{}", file.display());
    let path = gsettings(&folder, &recorded.replace("http://wpad.corp.example/proxy.pac", &url));
    let gateway = Gateway::with_variables(&LISTEN, &[("PATH", &path), ("XDG_CURRENT_DESKTOP", "GNOME")]);
    assert!(page(&gateway, "http://site.example/").await.ends_with("a page"));
    assert_eq!(server.report().legs().count(), 1);
}

/// What it says, and ends.
fn refused(path: &str) -> (Option<i32>, String) {
    let mut gateway = Command::new(env!("CARGO_BIN_EXE_legwork"));
    gateway
        .arg("gateway")
        .args(LISTEN)
        .env("PATH", path)
        .env("XDG_CURRENT_DESKTOP", "GNOME")
        .stdin(Stdio::null());
    let output = gateway.output().expect("it starts");
    (output.status.code(), String::from_utf8(output.stderr).expect("UTF-8"))
}

#[test]
fn settings_that_cannot_be_followed_are_no_reason_to_go_straight() {
    let folder = Folder::new("refused");
    let recorded = include_str!("../../src/system/printed/gsettings-auto.txt");
    let wpad = gsettings(&folder, &recorded.replace("http://wpad.corp.example/proxy.pac", ""));
    let (code, said) = refused(&wpad);
    assert!(code == Some(3) && said.contains("WPAD"), "{code:?} {said}");
    let socks = include_str!("../../src/system/printed/gsettings-manual.txt");
    let socks = socks.replace("https host 'secure", "socks host 'secure");
    let (code, said) = refused(&gsettings(&folder, &socks.replace("socks host ''\n", "")));
    assert!(code == Some(3) && said.contains("SOCKS"), "{code:?} {said}");
    let (code, said) = refused("/nowhere");
    assert!(code == Some(3) && said.contains("gsettings"), "{code:?} {said}");
}
