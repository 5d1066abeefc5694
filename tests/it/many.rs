//! Many tasks over one client.

use std::sync::Arc;
use std::time::Duration;

use legwork::testing::{Offer, Quirk, RefusalBody, Server};
use legwork::{Client, Credentials};
use tokio::task::JoinSet;

use crate::support::*;

async fn all_succeed(server: Server, tasks: usize, requests: usize) {
    let server = Arc::new(server);
    let client = client(&server);
    let mut set = JoinSet::new();
    for _ in 0..tasks {
        let (client, server) = (client.clone(), Arc::clone(&server));
        set.spawn(async move {
            for _ in 0..requests {
                let response = client.request(get(&server, "/")).await.expect("a response");
                assert_eq!(
                    response.status(),
                    200,
                    "{:?}",
                    response.extensions().get::<legwork::handshake::Outcome>()
                );
                text(response).await;
            }
        });
    }
    while let Some(done) = set.join_next().await {
        done.expect("no task fails");
    }
    let report = server.report();
    assert_eq!(report.misplaced(), 0);
    assert!(report.handshakes() <= report.connections().len());
    assert_eq!(report.refused(), 0);
    let served = report.legs().filter(|leg| leg.status.is_some_and(|status| status == 200)).count();
    assert_eq!(served, tasks * requests);
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
