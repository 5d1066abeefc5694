//! Many tasks over one client.

use std::sync::Arc;
use std::time::Duration;

use legwork::testing::{Offer, Quirk, RefusalBody, Server};
use legwork::{Client, Credentials};

use crate::support::*;

async fn all_succeed(server: Server, tasks: usize, requests: usize) {
    let server = Arc::new(server);
    let (client, asked) = (client(&server), Arc::clone(&server));
    let report = all_are_served(&server, tasks, requests, move || {
        let (client, server) = (client.clone(), Arc::clone(&asked));
        async move {
            fetch(&client, get(&server, "/")).await;
        }
    })
    .await;
    assert!(report.handshakes() <= report.connections().len());
}

// go-ntlmssp, sonar-golc 109
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_8_tasks_succeeds() {
    all_succeed(server([Offer::Ntlm]).start().await.expect("a server"), 8, 20).await;
}

// go-ntlmssp, sonar-golc 109
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_32_tasks_succeeds() {
    all_succeed(server([Offer::Negotiate]).start().await.expect("a server"), 32, 20).await;
}

// go-ntlmssp, sonar-golc 109
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_256_tasks_succeeds() {
    all_succeed(server([Offer::Ntlm]).start().await.expect("a server"), 256, 20).await;
}

// go-ntlmssp, sonar-golc 109
#[tokio::test(flavor = "multi_thread")]
async fn every_request_of_1024_tasks_succeeds() {
    all_succeed(server([Offer::Negotiate]).start().await.expect("a server"), 1024, 20).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_request_succeeds_where_401_bodies_end_late() {
    let late = Quirk::RefusalBody(RefusalBody::Late(Duration::from_millis(3)));
    all_succeed(server([Offer::Ntlm]).quirk(late).start().await.expect("a server"), 64, 20).await;
}

// px 234
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_tried_once_by_256_tasks() {
    let server = Arc::new(server([Offer::Negotiate, Offer::Ntlm]).start().await.expect("a server"));
    let wrong = Credentials::password(USER, "wrong-pw");
    let authenticator = builder().credentials(server.origin(), wrong).build();
    let client = build(Client::builder(authenticator));
    all_are_refused(&client, &server, 256, 1).await;
    assert_eq!(server.report().attempts(), 1);
}
