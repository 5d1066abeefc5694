//! Proxies by a PAC file.

use legwork::protection_space::Challenger;
use legwork::testing::{Offer, Server};

use crate::folder::Folder;
use crate::gateway::Gateway;
use crate::users::get;

async fn proxy(page: &'static str) -> Server {
    let proxy = Server::builder().user("LAB\\carol", "carol-pw").offer_as(Challenger::Proxy, Offer::Ntlm);
    proxy.page(page).start().await.expect("a server")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_file_is_read_on_sighup_and_a_bad_one_changes_nothing() {
    let (first, second) = (proxy("the first").await, proxy("the second").await);
    let folder = Folder::new("pac");
    let file = folder.0.join("proxy.pac");
    let write = |server: &Server| {
        let script = format!("function FindProxyForURL() {{ return 'PROXY {}' }}", server.address());
        std::fs::write(&file, script).expect("written");
    };
    write(&first);
    let path = file.to_str().expect("UTF-8");
    let arguments = ["--listen", "127.0.0.1:0", "--pac", path, "--pac-login-at", "127.0.0.1"];
    let mut gateway = Gateway::of("LAB\\carol", "carol-pw", &arguments);
    let address = gateway.address;
    let page = || tokio::task::spawn_blocking(move || get(address, "http://site.example/"));
    assert!(page().await.expect("no panic").ends_with("the first"));
    write(&second);
    assert!(page().await.expect("no panic").ends_with("the first"));
    assert_eq!(tokio::task::block_in_place(|| gateway.reload()), "reloaded");
    assert!(page().await.expect("no panic").ends_with("the second"));
    std::fs::write(&file, "function FindProxyForURL() {").expect("written");
    assert_eq!(tokio::task::block_in_place(|| gateway.reload()), "reloaded");
    assert!(page().await.expect("no panic").ends_with("the second"));
    let status = tokio::task::spawn_blocking(move || get(address, "/")).await.expect("no panic");
    assert!(status.contains(path) && status.contains("Questions to the PAC file"), "{status}");
    assert_eq!((first.report().refused(), second.report().refused()), (0, 0));
}
