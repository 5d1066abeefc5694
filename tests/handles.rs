//! What a thousand logins by Windows' own mechanisms leave open. A program of its own, since the count
//! is the process's.
#![cfg(windows)]
#![allow(unsafe_code, reason = "the process's own count of its handles")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use legwork::testing::{Offer, Server};
use legwork::{Authenticator, Client, Credentials};
use windows_sys::Win32::System::Threading::{GetCurrentProcess, GetProcessHandleCount};

/// Handles of this process, and under wine the files beneath them, where its pipes to helpers are.
fn open() -> (u32, usize) {
    let mut handles = 0;
    // SAFETY: the pseudo handle of this process is always live, and the place is.
    assert_ne!(unsafe { GetProcessHandleCount(GetCurrentProcess(), &mut handles) }, 0);
    let files = std::fs::read_dir(r"\\?\unix\proc\self\fd").map_or(0, |files| files.count());
    (handles, files)
}

/// So many logins, each on a connection of its own, eight at a time.
async fn log_in(server: &Arc<Server>, logins: usize) {
    let carol = Credentials::password("LAB\\carol", "carol-pw");
    let authenticator = Authenticator::builder().credentials(server.origin(), carol).build();
    let client: Client<Full<Bytes>> = Client::builder(authenticator).max_idle_per_origin(0).build_http();
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..8 {
        let (client, server) = (client.clone(), Arc::clone(server));
        tasks.spawn(async move {
            for _ in 0..logins / 8 {
                let response = client.get(server.uri("/")).await.expect("a response");
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.expect("a body");
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no task fails");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_logins_leave_no_handle_open() {
    let server = Server::builder().user("LAB\\carol", "carol-pw").offer(Offer::Negotiate).start().await;
    let server = Arc::new(server.expect("a server"));
    // What is opened once, by the runtime and by the system.
    log_in(&server, 40).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let before = open();
    log_in(&server, 1000).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let after = open();
    assert_eq!(server.report().handshakes(), 1040);
    // Threads that the runtime keeps a while, and no more: a leak would be of hundreds.
    assert!(after.0 <= before.0 + 16 && after.1 <= before.1 + 16, "{before:?} handles became {after:?}");
    println!("handles and files before {before:?}, after {after:?}");
}
